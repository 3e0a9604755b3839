"""A folder of examinations, segmented by a process of its own that outlives the panel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from StrokeSynthLib.jobs import longjobs

from .CommandLine import CommandLineRow, commandText
from .Places import jobsFolder, pythonExecutable
from .Section import setReady
from .Tables import fillTable, tableText

if TYPE_CHECKING:
    from .SegmentSection import SegmentSection

_INTERVAL = 500


class FolderBatch:
    """The part "A folder of examinations" of the section Segment.

    The job is an ordinary ``strokesynth segment --cohort`` command; it goes on when Slicer is closed, and is
    found again by the next panel.
    """

    def __init__(self, section: SegmentSection) -> None:
        self._section = section
        #: The job that is shown; None before the first.
        self.job: longjobs.Job | None = None
        #: Volume (ml) or None and what is to be said, by examination.
        self._rows: dict[str, tuple[float | None, str]] = {}
        self._offset = 0
        self._reading = False
        self._shown: tuple[longjobs.JobStatus, int] | None = None
        ui = section.ui
        for edit in (ui.folderEdit, ui.outputEdit):
            edit.filters = ctk.ctkPathLineEdit.Dirs
            edit.showHistoryButton = False
            edit.connect("currentPathChanged(QString)", self._onPaths)
            edit.connect("validInputChanged(bool)", self._onPaths)  # an emptied line tells only this
        ui.folderButton.connect("clicked()", self.onStart)
        ui.folderStopButton.connect("clicked()", self.onStop)
        ui.folderCopyButton.connect("clicked()", self.onCopy)
        self.commandRow = CommandLineRow(qt.QVBoxLayout(ui.folderCommandWidget), "FolderCommand")
        self._timer = qt.QTimer(ui.folderSection)
        self._timer.setInterval(_INTERVAL)
        self._timer.connect("timeout()", self.update)
        self._findAgain()

    @property
    def running(self) -> bool:
        """Whether a folder is being segmented."""
        return self.job is not None and self.job.status().alive

    def readParameters(self) -> None:
        """Show the scene's folders."""
        parameters = self._section.parameterNode
        if parameters is not None:
            self._reading = True
            self._section.ui.folderEdit.currentPath = parameters.segmentFolder
            self._section.ui.outputEdit.currentPath = parameters.segmentOutput
            self._reading = False

    def update(self) -> None:
        """Enable what can be done now; show how far the job is."""
        ui, missing = self._section.ui, self._missing()
        status = self.job.status() if self.job is not None else None
        alive = status is not None and status.alive
        setReady(
            ui.folderButton, _("A folder is being segmented") if alive else missing,
            _("Segment all examinations of the folder; goes on when Slicer is closed"),
        )  # fmt: skip
        setReady(
            ui.folderStopButton, "" if alive else _("Nothing runs"), _("Stop; masks that are written stay")
        )  # fmt: skip
        self.commandRow.show("" if missing else commandText(*self._words()))
        self._showProgress(status)
        if alive and not self._timer.active:
            self._timer.start()
        elif not alive:
            self._timer.stop()

    def onStart(self) -> None:
        """Start the job."""
        with self._section.attempt(""):
            self.job = longjobs.start(
                self._words(), jobsFolder(), title="Segment a folder", python=pythonExecutable()
            )
            self._rows, self._offset, self._shown = {}, 0, None
        self.update()

    def onStop(self) -> None:
        """Stop it, with all that it has started."""
        if self.job is not None:
            self.job.cancel()
        self.update()

    def onCopy(self) -> None:
        """The table of examinations to the clipboard."""
        slicer.app.clipboard().setText(tableText(self._columns()))
        self._section.worker.say(_("The table is on the clipboard."))

    def cleanup(self) -> None:
        """The panel goes."""
        self._timer.stop()

    def _words(self) -> list[str]:
        parameters = self._section.parameterNode
        words = ["segment", "--cohort", parameters.segmentFolder, "--out", parameters.segmentOutput]
        return words + (["--model", parameters.segmentModel] if parameters.segmentModel else [])

    def _missing(self) -> str:
        parameters = self._section.parameterNode
        if parameters is None:
            return _("Come back to this module first")
        folder, output = parameters.segmentFolder, parameters.segmentOutput
        if not folder:
            return _("Choose the folder of examinations first")
        if not Path(folder).is_dir():
            return _("{folder}: there is no such folder").format(folder=folder)
        if not output:
            return _("Choose the folder for the masks first")
        if Path(output) == Path(folder):
            return _("Choose another folder for the masks than that of the examinations")
        return ""

    def _onPaths(self) -> None:
        parameters = self._section.parameterNode
        if parameters is not None and not self._reading:
            folder, output = self._section.ui.folderEdit.currentPath, self._section.ui.outputEdit.currentPath
            if folder != parameters.segmentFolder:
                parameters.segmentFolder = folder
            if output != parameters.segmentOutput:
                parameters.segmentOutput = output

    def _findAgain(self) -> None:
        """The newest job of this kind that still runs, from this panel or one before."""
        jobs = [job for job in longjobs.find(jobsFolder()) if job.command[:2] == ["segment", "--cohort"]]
        self.job = next((job for job in jobs if job.status().alive), None)

    def _showProgress(self, status: longjobs.JobStatus | None) -> None:
        ui = self._section.ui
        alive = status is not None and status.alive
        ui.folderBar.visible = alive
        ui.folderLabel.visible = status is not None
        if status is not None and self.job is not None and self._shown != (status, self._offset):
            progress = self.job.progress() or {}
            ui.folderBar.setRange(0, int(progress.get("total") or 0))
            ui.folderBar.setValue(int(progress.get("done") or 0))
            ui.folderLabel.setText(_state(status.state) if alive else self._outcome(status))
            self._read(self.job)
            fillTable(ui.folderTable, self._columns())
            self._shown = None if alive else (status, self._offset)
        ui.folderTable.visible = ui.folderCopyButton.visible = bool(self._rows)

    def _read(self, job: longjobs.Job) -> None:
        """Take what the job has said since the last time."""
        events, self._offset = job.events(self._offset)
        for event in events:
            values = event.get("values") or {}
            if event.get("event") == "result" and "case" in values:
                self._rows[values["case"]] = (values.get("VolumeMl"), " ".join(values.get("Unlike") or []))
            for case, reason in (values.get("skipped") or {}).items():
                self._rows[case] = (None, reason)

    def _columns(self) -> dict[str, list[str]]:
        rows = [
            (case, "" if volume is None else f"{volume:.2f}", remark)
            for case, (volume, remark) in sorted(self._rows.items())
        ]
        names = (_("Examination"), _("Volume (ml)"), _("Remark"))
        return {name: [row[column] for row in rows] for column, name in enumerate(names)}

    def _outcome(self, status: longjobs.JobStatus) -> str:
        """What became of it, in a sentence or two."""
        assert self.job is not None
        values = (self.job.result() or {}).get("values") or {}
        if "volumes_ml" not in values:
            said = [_state(status.state), status.message, status.remedy]
            return " ".join(filter(None, said))
        text = _("{count} mask(s) in {folder}.").format(
            count=len(values["volumes_ml"]), folder=self.job.command[self.job.command.index("--out") + 1]
        )
        if values["skipped"]:
            text += " " + _("{count} could not be segmented: see the remarks.").format(
                count=len(values["skipped"])
            )
        if values["unlike"]:
            text += " " + _("{count} should be looked at: see the remarks.").format(
                count=len(values["unlike"])
            )
        return text


def _state(state: str) -> str:
    return {
        "starting": _("Starting..."),
        "running": _("Segmenting..."),
        "stopping": _("Stopping..."),
        "done": _("Done."),
        "failed": _("Failed."),
        "cancelled": _("Stopped; the masks that were written stay."),
        "paused": _("Stopped; the masks that were written stay."),
        "interrupted": _("Interrupted."),
    }[state]
