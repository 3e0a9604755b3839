"""Database: many synthetic cases from a translator, made in the background, looked over on one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from StrokeSynthLib.jobs.longjobs import Job, JobStatus

from .CommandLine import commandText
from .DatabaseLogic import BIDS, NNUNET, DatabaseRequest, mosaicFile
from .JobsLogic import optionOf
from .JobView import Events, JobView
from .Section import Section, modelTitle, modelValue, setReady


class DatabaseSection(Section):
    """Anatomies, lesions and a translator make a cohort."""

    uiFile = "StrokeSynthDatabase.ui"

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.jobs: Any = None
        self._translators: list[dict[str, Any]] = []
        self._told = False
        #: The picture of the shown database's cases, and the width that it is shown with.
        self._picture: Any = None
        self._fitted = 0

    @property
    def title(self) -> str:
        """As on the screen."""
        return _("Database")

    def connectWidgets(self) -> None:
        """Connect the widgets, and look for databases that were started before."""
        ui = self.ui
        for edit in (ui.anatomiesEdit, ui.lesionsEdit, ui.outputEdit):
            edit.filters = ctk.ctkPathLineEdit.Dirs
            edit.showHistoryButton = False
            edit.connect("currentPathChanged(QString)", self.onPaths)
            # A line that is emptied says only this.
            edit.connect("validInputChanged(bool)", self.onValidity)
        ui.formatBox.addItem(_("BIDS"), BIDS)
        ui.formatBox.addItem(_("BIDS, and a copy for nnU-Net"), NNUNET)
        ui.translatorBox.connect("activated(int)", self.onTranslator)
        ui.formatBox.connect("activated(int)", self.onFormat)
        ui.startButton.connect("clicked()", self.onStart)
        ui.mosaicButton.connect("clicked()", self.onMosaic)
        ui.openMosaicButton.connect("clicked()", self.onOpenMosaic)
        ui.folderButton.connect("clicked()", self.onOpenFolder)
        self.button.connect("contentsCollapsed(bool)", self.onCollapsed)
        self.jobs = JobView(
            self, "database", selected=self.onJobSelected, events=self.onJobEvents, ended=self.onJobEnded
        )
        self.jobs.findAgain()

    # What is shown

    def onHello(self, hello: dict[str, Any]) -> None:
        """List the translators."""
        self._told = True
        self._translators = [m for m in hello["models"] if m["role"] == "translator" and not m["problem"]]
        self._fillTranslators()

    def onParameterNodeChanged(self) -> None:
        """Show the scene's choices; look for jobs anew."""
        parameters, ui = self.parameterNode, self.ui
        if parameters is None:
            return
        folders = (parameters.databaseAnatomies, parameters.databaseLesions, parameters.databaseOutput)
        ui.anatomiesEdit.currentPath, ui.lesionsEdit.currentPath, ui.outputEdit.currentPath = folders
        ui.formatBox.setCurrentIndex(max(0, ui.formatBox.findData(parameters.databaseFormat)))
        self._fillTranslators()
        self.jobs.findAgain()

    def update(self) -> None:
        """Enable what can be done now."""
        ui, job = self.ui, self.jobs.job
        setReady(
            ui.translatorBox,
            self._noTranslator(),
            _("What draws the images: trained on a cohort (see Train)"),
        )
        setReady(
            ui.startButton, self.missing(),
            _("Make the cases in the background; it goes on when Slicer is closed"),
        )  # fmt: skip
        nothing = "" if self._begun() else _("No case is made yet")
        setReady(ui.mosaicButton, self.wait() or nothing, _("Draw the cases that are made on one picture"))
        picture = job is not None and mosaicFile(job).is_file()
        setReady(
            ui.openMosaicButton, "" if picture else _("Draw the picture first"),
            _("Open the picture in a window of its own"),
        )  # fmt: skip
        setReady(ui.folderButton, nothing, _("Show the folder of the cases"))
        self._fitMosaic()

    def commandLine(self) -> str:
        """``strokesynth database`` for these choices."""
        request = self._request()
        ready = request is not None and request.translator and self.parameterNode.databaseOutput
        return commandText(*request.words()) if ready else ""

    def missing(self) -> str:
        """Why no database can be started, as a sentence; "" when one can."""
        parameters, running = self.parameterNode, self.jobs.running
        if parameters is None:
            return _("Come back to this module first")
        if self._noTranslator():
            return self._noTranslator()
        for folder in (parameters.databaseAnatomies, parameters.databaseLesions):
            if folder and not Path(folder).is_dir():
                return _("{folder}: there is no such folder").format(folder=folder)
        if running is not None:
            return _("{name} is being made; wait for it, pause or cancel it").format(name=running.title)
        return self._badOutput(self._request())

    def _badOutput(self, request: DatabaseRequest) -> str:
        if not self.parameterNode.databaseOutput:
            return _("Choose a folder for the cases first")
        for place in filter(None, (request.output, request.copy)):
            folder = Path(place).expanduser()
            if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
                return _("{folder}: is not empty; choose another folder").format(folder=folder)
        return ""

    # Choices

    def onValidity(self, valid: bool) -> None:
        """The user has emptied a line, or begun to fill it."""
        self.onPaths("")

    def onPaths(self, path: str) -> None:
        """The user has chosen a folder, or none; ``path`` is one of them."""
        parameters, ui = self.parameterNode, self.ui
        if parameters is None:
            return
        for name, edit in (
            ("databaseAnatomies", ui.anatomiesEdit),
            ("databaseLesions", ui.lesionsEdit),
            ("databaseOutput", ui.outputEdit),
        ):
            if getattr(parameters, name) != edit.currentPath:
                setattr(parameters, name, edit.currentPath)

    def onTranslator(self, index: int) -> None:
        """The user has picked a translator."""
        if self.parameterNode is not None:
            self.parameterNode.databaseTranslator = self.ui.translatorBox.itemData(index) or ""

    def onFormat(self, index: int) -> None:
        """The user has picked a format."""
        if self.parameterNode is not None:
            self.parameterNode.databaseFormat = self.ui.formatBox.itemData(index)

    def _fillTranslators(self) -> None:
        box = self.ui.translatorBox
        box.clear()
        for model in self._translators:
            box.addItem(modelTitle(model), modelValue(model))
        if not self._translators:
            box.addItem(_("none yet"), "")
        box.setCurrentIndex(max(0, box.findData(self._translator())))

    def _translator(self) -> str:
        """The scene's choice, else the first that is listed; "" for none."""
        box = self.ui.translatorBox
        wanted = self.parameterNode.databaseTranslator if self.parameterNode is not None else ""
        if wanted and box.findData(wanted) >= 0:
            return wanted
        return str(box.itemData(0) or "")

    def _noTranslator(self) -> str:
        if not self._told:
            return _("The worker has not told yet which translators there are; see Start")
        if not self._translators:
            return _("There is no translator yet; train one in Train (the kind physics takes seconds)")
        return ""

    def _request(self) -> DatabaseRequest | None:
        parameters = self.parameterNode
        if parameters is None:
            return None
        return DatabaseRequest(
            self._translator(), parameters.databaseCases, parameters.databaseOutput,
            parameters.databaseFormat, parameters.databaseAnatomies, parameters.databaseLesions,
            parameters.databaseLesionFree, parameters.databaseProcesses, parameters.databaseSeed,
        )  # fmt: skip

    # The database

    def onStart(self) -> None:
        """Start a database."""
        with self.attempt(_("The database could not be started.")):
            self.jobs.findAgain(self.logic.startDatabase(self._request()))
        self.refresh()

    def onJobSelected(self, job: Job | None) -> None:
        """Another database is followed."""
        self._showMosaic(job)

    def onJobEvents(self, events: Events) -> None:
        """The database has reported something: there may be a first case."""
        self.update()

    def onJobEnded(self, job: Job, status: JobStatus) -> None:
        """A database has ended."""
        if status.state == "done":
            self.worker.say(_("{name} is made.").format(name=job.title))
            if not self.worker.busy:
                self._drawMosaic(job)
        elif status.state in ("failed", "interrupted"):
            self.worker.say(f"{job.title}: {status.message} {status.remedy}", isError=True)

    def onMosaic(self) -> None:
        """Draw the cases that are made."""
        if self.jobs.job is not None:
            self._drawMosaic(self.jobs.job)

    def onOpenMosaic(self) -> None:
        """Open the picture as large as it is."""
        openFile(mosaicFile(self.jobs.job))

    def onOpenFolder(self) -> None:
        """Show the folder of the cases."""
        openFile(Path(optionOf(self.jobs.job, "--out")))

    def cleanup(self) -> None:
        """The panel goes."""
        self.jobs.cleanup()

    def onCollapsed(self, collapsed: bool) -> None:
        """The section was opened: fit the picture when its width is known."""
        if not collapsed:
            qt.QTimer.singleShot(0, self._fitMosaic)

    def _drawMosaic(self, job: Job) -> None:
        def drawn(answer: dict[str, Any]) -> None:
            if self.jobs.job is not None and self.jobs.job.folder == job.folder:
                self._showMosaic(job)
            self.refresh()

        title = _("Drawing the cases of {name}").format(name=job.title)
        self.worker.request("mosaic", self.logic.mosaicRequest(job), drawn, title=title, ofScene=False)

    def _showMosaic(self, job: Job | None) -> None:
        self._picture = qt.QPixmap(str(mosaicFile(job))) if job is not None else qt.QPixmap()
        self._fitted = 0
        self._fitMosaic()

    def _fitMosaic(self) -> None:
        """Scale the picture to the panel."""
        label, picture = self.ui.mosaicLabel, self._picture
        there = picture is not None and not picture.isNull()
        label.visible = there
        # A section that was never open has no width yet.
        width = min(self.ui.startButton.width, picture.width()) if there and not self.button.collapsed else 0
        if width > 0 and width != self._fitted:
            self._fitted = width
            label.setPixmap(picture.scaledToWidth(width, qt.Qt.SmoothTransformation))

    def _begun(self) -> bool:
        """Whether there is a case of the shown database."""
        return int(self.jobs.progress.get("done") or 0) > 0 or bool(self.jobs.result)


def openFile(path: Path) -> None:
    """Open a file or folder with the program that this computer has for it."""
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
