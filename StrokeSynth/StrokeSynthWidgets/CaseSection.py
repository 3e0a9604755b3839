"""Case: the examination's images and its tissue map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from StrokeSynthLib.scene.Segmentations import isMap

from .CommandLine import commandText, fileName, fileOfNode, options
from .Section import Section, setReady

_FILES = "NIfTI, NRRD, MetaImage (*.nii.gz *.nii *.nrrd *.nhdr *.mha *.mhd)"


class CaseSection(Section):
    """DWI, ADC and the semantic map, made with one click or picked."""

    uiFile = "StrokeSynthCase.ui"

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        #: What was noticed of the images when their map was made.
        self._notices: list[str] = []

    @property
    def title(self) -> str:
        """As on the screen."""
        return _("Case")

    def connectWidgets(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        ui.openButton.connect("clicked()", self.onOpenFiles)
        ui.showButton.connect("clicked()", self.showImages)
        ui.mapButton.connect("clicked()", self.onMakeMap)
        ui.mapVisibleBox.connect("clicked(bool)", self.onMapVisible)

    def onParameterNodeChanged(self) -> None:
        """Take the scene's DWI and ADC where their names say which they are."""
        parameters = self.parameterNode
        if parameters is not None and parameters.caseDwi is None and parameters.caseAdc is None:
            parameters.caseDwi, parameters.caseAdc = self.logic.guessExamination()

    def update(self) -> None:
        """Enable what can be done now."""
        ui, parameters = self.ui, self.parameterNode
        here = parameters is not None
        ui.openButton.enabled = here
        ui.openButton.toolTip = _(
            "Load a DWI and an ADC map from files. (DICOM: load it with the DICOM module, then choose it "
            "above.)"
        )
        setReady(
            ui.showButton, "" if here and parameters.caseDwi else _("Choose a DWI first"),
            _("Show the DWI in all slice views"),
        )  # fmt: skip
        setReady(
            ui.mapButton, self.wait() or self.missing(), _("Find the tissues of this brain: some seconds")
        )
        tissue = parameters.caseMap if here else None
        ui.mapVisibleBox.enabled = tissue is not None
        ui.mapVisibleBox.toolTip = (
            _("Show the tissues over the images") if tissue else _("Make or choose a map first")
        )
        display = None if tissue is None else tissue.GetDisplayNode()
        ui.mapVisibleBox.checked = bool(display is not None and display.GetVisibility())
        self._showNotices(tissue)

    def missing(self) -> str:
        """What an examination lacks, as a sentence; "" when it is complete."""
        parameters = self.parameterNode
        if parameters is None or parameters.caseDwi is None:
            return _("Choose a DWI first (in Case), or open the simulated case (in Start)")
        if parameters.caseAdc is parameters.caseDwi:
            return _("DWI and ADC are the same volume; choose another one for one of them")
        return ""

    def commandLine(self) -> str:
        """``strokesynth map`` for this examination."""
        if self.missing():
            return ""
        dwi, adc = self.parameterNode.caseDwi, self.parameterNode.caseAdc
        return commandText(
            "map", "--dwi", fileOfNode(dwi), *options([("--adc", adc and fileOfNode(adc))]),
            "--out", fileName(f"{dwi.GetName()} map"),
        )  # fmt: skip

    def onOpenFiles(self) -> None:
        """Load files, and choose them by what their names say."""
        chosen = qt.QFileDialog.getOpenFileNames(slicer.util.mainWindow(), _("DWI and ADC"), "", _FILES)
        if not chosen:
            return
        with self.attempt(_("The files could not be loaded.")):
            nodes = [slicer.util.loadVolume(str(Path(path)), {"show": False}) for path in chosen]
            self.logic.beginCase(*self.logic.rolesOf(nodes))
            self.showImages()

    def showImages(self) -> None:
        """The DWI in all slice views."""
        if self.parameterNode.caseDwi is not None:
            slicer.util.setSliceViewerLayers(
                background=self.parameterNode.caseDwi, foreground=None, label=None, fit=True
            )

    def onMakeMap(self) -> None:
        """Ask for the map."""
        if not self.packagesReady():
            return
        parameters = self.parameterNode
        dwi = parameters.caseDwi
        title = _("Making the tissue map of {name}").format(name=dwi.GetName())

        def made(answer: dict[str, Any]) -> None:
            if not slicer.mrmlScene.IsNodePresent(dwi):
                return
            self.logic.parameters().caseMap = self.logic.showMap(answer, dwi)
            self._say([*answer["notices"], *answer["unlike"]])

        self._say([])
        with self.attempt(""):
            self.worker.request("map", self.logic.mapRequest(dwi, parameters.caseAdc), made, title=title)

    def onMapVisible(self, visible: bool) -> None:
        """Show or hide the tissues."""
        tissue = self.parameterNode.caseMap
        if tissue is not None and tissue.GetDisplayNode() is not None:
            tissue.GetDisplayNode().SetVisibility(visible)

    def onSceneClosed(self) -> None:
        """Nothing was noticed of an empty scene."""
        self._say([])

    def _say(self, notices: list[str]) -> None:
        self._notices = notices
        self.refresh()

    def _showNotices(self, tissue: Any) -> None:
        notices = list(self._notices)
        if tissue is not None and not isMap(tissue):
            told = _("{name} is no tissue map: its segments are no tissues. Make a map, or choose another.")
            notices.append(told.format(name=tissue.GetName()))
        self.ui.caseNotices.setText("\n".join(notices))
        self.ui.caseNotices.visible = bool(notices)
