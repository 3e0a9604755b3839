"""A list of long jobs, and one of them followed: how far it is, its log, pause, resume, cancel."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from StrokeSynthLib.jobs.longjobs import Job, JobStatus

from .JobsLogic import optionOf
from .Section import setReady

if TYPE_CHECKING:
    from .Section import Section

#: Milliseconds between two looks at a job that runs.
_INTERVAL = 500
#: Jobs in the list, and lines of the log, at most.
_MOST_JOBS, _MOST_LINES = 30, 400
#: Seconds after which the time that is left can be told.
_SETTLED = 5.0

Events = Sequence[dict[str, Any]]


class JobView:
    """The part of a section that follows its jobs, whoever has started them and when.

    It uses these widgets of the section: ``jobWidget``, ``jobBox``, ``jobBar``, ``jobLabel``,
    ``pauseButton``, ``resumeButton``, ``cancelButton``, ``forgetButton``, ``logEdit``.

    Parameters
    ----------
    section
        Whose it is.
    command
        First word of its jobs' commands.
    selected
        Called with the job that is shown from now on, or None.
    events
        Called with what the shown job has newly reported.
    ended
        Called with a job that has ended meanwhile, shown or not.
    """

    def __init__(
        self,
        section: Section,
        command: str,
        *,
        selected: Callable[[Job | None], None],
        events: Callable[[Events], None],
        ended: Callable[[Job, JobStatus], None],
    ) -> None:
        self._section, self._command = section, command
        self._onSelected, self._onEvents, self._onEnded = selected, events, ended
        self.jobs: list[Job] = []
        self.job: Job | None = None
        self.status: JobStatus | None = None
        #: The last report and the result of the shown job's last try, or empty.
        self.progress: dict[str, Any] = {}
        self.result: dict[str, Any] = {}
        self._statuses: dict[Path, JobStatus] = {}
        #: States as the box shows them.
        self._listed: list[str] = []
        self._offset = 0
        self._said: list[str] = []
        self._logged = ""
        #: When it was first looked at in this attempt, and how far it was.
        self._first: tuple[str, float, int] | None = None
        ui = section.ui
        ui.jobBox.connect("activated(int)", self._onPicked)
        ui.pauseButton.connect("clicked()", self.onPause)
        ui.resumeButton.connect("clicked()", self.onResume)
        ui.cancelButton.connect("clicked()", self.onCancel)
        ui.forgetButton.connect("clicked()", self.onForget)
        ui.logEdit.maximumBlockCount = _MOST_LINES
        self._timer = qt.QTimer(section.button)
        self._timer.setInterval(_INTERVAL)
        self._timer.connect("timeout()", self.poll)

    # Jobs

    @property
    def running(self) -> Job | None:
        """A job that is at work; None where there is none."""
        return next((job for job in self.jobs if self._alive(job)), None)

    def findAgain(self, show: Job | None = None) -> None:
        """Look for jobs; show one, by default the one that was shown, else one that runs, else the newest."""
        self.jobs = self._section.logic.longJobs(self._command)[:_MOST_JOBS]
        self._statuses = {job.folder: job.status() for job in self.jobs}
        wanted = show or self.job
        folder = wanted.folder if wanted is not None else None
        job = next((job for job in self.jobs if job.folder == folder), None)
        self._select(job or self.running or (self.jobs[0] if self.jobs else None))

    def poll(self) -> None:
        """Look how the jobs are; the section and the panel are brought up to date when one has ended."""
        ended = []
        for job in self.jobs:
            before = self._statuses[job.folder]
            if before.alive or job is self.job:
                after = self._statuses[job.folder] = job.status()
                if before.alive and not after.alive:
                    ended.append(job)
        self._follow()
        self._show()
        for job in ended:
            self._onEnded(job, self._statuses[job.folder])
        if ended:
            self._section.refresh()

    def _alive(self, job: Job) -> bool:
        return self._statuses[job.folder].alive

    def _select(self, job: Job | None) -> None:
        before, self.job = self.job, job
        if job is None or before is None or job.folder != before.folder:
            self._offset, self._first, self._said = 0, None, []
            self.progress, self.result = {}, {}
            self._onSelected(job)
        self._fillBox()
        self._follow()
        self._show()

    def _fillBox(self) -> None:
        box = self._section.ui.jobBox
        box.clear()
        self._listed = [self._statuses[job.folder].state for job in self.jobs]
        for job in self.jobs:
            box.addItem(self._entry(job), str(job.folder))
        if self.job is not None:
            box.setCurrentIndex(box.findData(str(self.job.folder)))

    def _entry(self, job: Job) -> str:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
        return f"{job.title} ({stateName(self._statuses[job.folder].state)}, {made})"

    def _onPicked(self, index: int) -> None:
        self._select(self.jobs[index])
        self._section.refresh()

    # What the shown job does

    def _follow(self) -> None:
        """Take what the shown job has newly said."""
        if self.job is None:
            return
        events, self._offset = self.job.events(self._offset)
        for event in events:
            kind = event.get("event")
            if kind == "progress":
                self.progress = event
            elif kind == "result":
                self.result = event
            if kind == "attempt":
                self._first, self.progress, self.result = None, {}, {}
                began = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(event.get("started") or 0)))
                self._said.append(_("Begun {when}").format(when=began))
            elif event.get("message"):
                self._said.append(str(event["message"]))
        if events:
            self._onEvents(events)

    def _show(self) -> None:
        """Show how the jobs are, and enable what can be done."""
        ui, job = self._section.ui, self.job
        ui.jobWidget.visible = job is not None
        status = self._statuses[job.folder] if job is not None else None
        self.status = status
        if job is not None and status is not None:
            for index, listed in enumerate(self.jobs):
                if self._listed[index] != (state := self._statuses[listed.folder].state):
                    self._listed[index] = state
                    ui.jobBox.setItemText(index, self._entry(listed))
            self._showProgress(job, status)
            self._showLog(job)
            self._enable(job, status)
        if self.running is not None:
            if not self._timer.isActive():
                self._timer.start()
        else:
            self._timer.stop()

    def _enable(self, job: Job, status: JobStatus) -> None:
        ui, asked = self._section.ui, _("It is about to stop")
        idle = _("It does not run") if not status.alive else asked if status.state == "stopping" else ""
        setReady(ui.pauseButton, idle, _("Stop it for now; what it has done is kept for Resume"))
        setReady(ui.cancelButton, idle, _("Stop it, with all that it has started"))
        other = self.running
        if status.alive:
            resume = _("It runs")
        elif status.state == "done":
            resume = _("It is done")
        elif not job.resumable:
            resume = _("It cannot go on where it was; start it again")
        elif other is not None:
            resume = _("Wait until {name} is done, or pause it").format(name=other.title)
        else:
            resume = ""
        setReady(ui.resumeButton, resume, _("Go on where it was stopped"))
        setReady(
            ui.forgetButton, _("It runs") if status.alive else "",
            _("Take it from this list; what it has made stays"),
        )  # fmt: skip

    def _showProgress(self, job: Job, status: JobStatus) -> None:
        ui, progress = self._section.ui, self.progress
        done, total = int(progress.get("done") or 0), int(progress.get("total") or 0)
        ui.jobBar.visible = status.alive or total > 0
        ui.jobBar.setRange(0, total if total or status.alive else 1)
        ui.jobBar.setValue(done)
        ui.jobBar.format = _("{done} of {total}").format(done=done, total=total) if total else ""
        ui.jobLabel.setText(self._sentence(job, status))

    def _sentence(self, job: Job, status: JobStatus) -> str:
        if status.alive:
            stage = str(self.progress.get("stage") or "")
            left = self._left(self.progress, self._minutesLeft(job, status))
            said = [stateName(status.state).capitalize() + ".", stage and f"{stage}.", left]
        elif status.state == "done":
            said = [_("Done."), self._cutShort(job, status), str(self.result.get("message", ""))]
        else:
            said = [f"{stateName(status.state).capitalize()}.", status.message, status.remedy]
        return " ".join(part for part in said if part)

    def _cutShort(self, job: Job, status: JobStatus) -> str:
        """That a training was ended by its time, long before its steps were over; else ""."""
        given, done = optionOf(job, "--minutes"), int(self.progress.get("done") or 0)
        total = int(self.progress.get("total") or 0)
        if not given or done >= total or status.started is None or status.ended is None:
            return ""
        if status.ended - status.started < 60 * float(given):
            return ""  # it ended because nothing more was gained
        return _("Its time was over after {done} of {total} steps: with more time it can get better.").format(
            done=done, total=total
        )

    @staticmethod
    def _minutesLeft(job: Job, status: JobStatus) -> float:
        """What is left of the time that the job was given, since it was begun or resumed."""
        given = optionOf(job, "--minutes")
        if not given or status.started is None:
            return math.inf
        return max(0.0, float(given) - (time.time() - status.started) / 60)

    def _left(self, progress: dict[str, Any], most: float) -> str:
        """How long it will take by its pace since it is being watched, but not more than so many minutes."""
        stage, done, total = str(progress.get("stage")), int(progress.get("done") or 0), progress.get("total")
        now = time.monotonic()
        if self._first is None or self._first[0] != stage:
            self._first = (stage, now, done)
        _stage, began, before = self._first
        if not total or done <= before or now - began < _SETTLED:
            return ""
        minutes = min(most, (int(total) - done) * (now - began) / (done - before) / 60)
        if minutes < 1:
            return _("Less than a minute at this pace.")
        return _("About {minutes} min at this pace.").format(minutes=round(minutes))

    def _showLog(self, job: Job) -> None:
        text = "\n".join([*self._said[-_MOST_LINES:], *job.log(_MOST_LINES)])
        if text != self._logged:
            self._logged = text
            edit = self._section.ui.logEdit
            edit.setPlainText(text)
            bar = edit.verticalScrollBar()
            bar.setValue(bar.maximum)

    # Buttons

    def onPause(self) -> None:
        """Stop the job for now."""
        if self.job is not None:
            self.job.pause()
        self.poll()

    def onCancel(self) -> None:
        """Stop the job."""
        if self.job is not None:
            self.job.cancel()
        self.poll()

    def onResume(self) -> None:
        """Let the job go on."""
        job = self.job
        if job is None:
            return
        with self._section.attempt(""):
            self._section.logic.resumeLongJob(job)
        self.poll()
        self._section.refresh()

    def onForget(self) -> None:
        """Take the job from the list."""
        if self.job is not None:
            self._section.logic.forgetLongJob(self.job)
            self.job = None
        self.findAgain()
        self._section.refresh()

    def cleanup(self) -> None:
        """The panel goes; the jobs go on."""
        self._timer.stop()


def stateName(state: str) -> str:
    """A job's state in the user's words."""
    return {
        "starting": _("starting"),
        "running": _("running"),
        "stopping": _("stopping"),
        "done": _("done"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
        "paused": _("paused"),
        "interrupted": _("interrupted"),
    }[state]
