"""A folder of examinations, segmented by a process of its own that outlives the panel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import ctk
import qt
from slicer.i18n import tr as _

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.jobs import longjobs

from .CommandLine import CommandLineRow, commandText
from .Places import jobsFolder, pythonExecutable
from .Section import setReady

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
        self._job: longjobs.Job | None = None
        ui = section.ui
        for edit in (ui.folderEdit, ui.outputEdit):
            edit.filters = ctk.ctkPathLineEdit.Dirs
            edit.showHistoryButton = False
        ui.folderEdit.connect("currentPathChanged(QString)", self._onPaths)
        ui.outputEdit.connect("currentPathChanged(QString)", self._onPaths)
        ui.folderButton.connect("clicked()", self.onStart)
        ui.folderStopButton.connect("clicked()", self.onStop)
        self.commandRow = CommandLineRow(qt.QVBoxLayout(ui.folderCommandWidget), "FolderCommand")
        self._timer = qt.QTimer(ui.folderSection)
        self._timer.setInterval(_INTERVAL)
        self._timer.connect("timeout()", self.update)
        self._findAgain()

    @property
    def running(self) -> bool:
        """Whether a folder is being segmented."""
        return self._job is not None and self._job.status().alive

    def readParameters(self) -> None:
        """Show the scene's folders."""
        parameters = self._section.parameterNode
        if parameters is not None:
            folder, output = parameters.segmentFolder, parameters.segmentOutput
            self._section.ui.folderEdit.currentPath = folder
            self._section.ui.outputEdit.currentPath = output

    def update(self) -> None:
        """Enable what can be done now; show how far the job is."""
        ui, missing = self._section.ui, self._missing()
        status = self._job.status() if self._job is not None else None
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
        try:
            self._job = longjobs.start(
                self._words(), jobsFolder(), title="Segment a folder", python=pythonExecutable()
            )
        except (BadInputError, OSError) as error:
            self._section.worker.say(str(error), isError=True)
        self.update()

    def onStop(self) -> None:
        """Stop it, with all that it has started."""
        if self._job is not None:
            self._job.cancel()
        self.update()

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

    def _onPaths(self, path: str) -> None:
        parameters = self._section.parameterNode
        if parameters is not None:
            folder, output = self._section.ui.folderEdit.currentPath, self._section.ui.outputEdit.currentPath
            if folder != parameters.segmentFolder:
                parameters.segmentFolder = folder
            if output != parameters.segmentOutput:
                parameters.segmentOutput = output

    def _findAgain(self) -> None:
        """The newest job of this kind that still runs, from this panel or one before."""
        jobs = [job for job in longjobs.find(jobsFolder()) if job.command[:2] == ["segment", "--cohort"]]
        self._job = next((job for job in jobs if job.status().alive), None)

    def _showProgress(self, status: longjobs.JobStatus | None) -> None:
        ui = self._section.ui
        alive = status is not None and status.alive
        ui.folderBar.visible = alive
        ui.folderLabel.visible = status is not None
        if status is None or self._job is None:
            return
        progress = self._job.progress() or {}
        ui.folderBar.setRange(0, int(progress.get("total") or 0))
        ui.folderBar.setValue(int(progress.get("done") or 0))
        ui.folderLabel.setText(self._sentence(status, progress))

    def _sentence(self, status: longjobs.JobStatus, progress: dict[str, Any]) -> str:
        assert self._job is not None
        if status.alive:
            return " ".join(filter(None, [_state(status.state), progress.get("message", "")]))
        result = self._job.result() or {}
        if status.state == "done":
            return str(result.get("message") or _state("done"))
        said = [_state(status.state), status.message, status.remedy]
        return " ".join(filter(None, said))


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
