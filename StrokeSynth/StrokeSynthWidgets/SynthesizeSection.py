"""Synthesize: from map and lesion to DWI and ADC, at once or while the lesion is painted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import read_json
from StrokeSynthLib.jobs.protocol import Failure
from StrokeSynthLib.scene.VolumeNodes import affineOfNode
from StrokeSynthLib.volume import Volume

from .CommandLine import commandText, fileName, fileOfNode, options
from .LivePreview import LivePreview, Setting
from .PreviewScreen import PreviewScreen
from .Section import Section, modelTitle, modelValue, setReady


class SynthesizeSection(Section):
    """Works on the images and the map of the section Case, and the lesion of the section Lesion."""

    uiFile = "StrokeSynthSynthesize.ui"

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.preview: LivePreview | None = None
        self._screen: PreviewScreen | None = None
        self._hindrance = ""
        self._translators: list[dict[str, Any]] | None = None
        self._backgroundKinds: set[str] = set()

    @property
    def title(self) -> str:
        """As on the screen."""
        return _("Synthesize")

    def connectWidgets(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        ui.translatorBox.connect("activated(int)", self.onTranslator)
        ui.folderButton.connect("clicked()", self.onFolder)
        ui.wholeButton.connect("clicked()", self.onWhole)
        ui.keepButton.connect("clicked()", self.onKeep)
        ui.synthesizeButton.connect("clicked()", self.onSynthesize)
        ui.compareButton.connect("clicked()", self.onCompare)
        ui.segmentTheseButton.connect("clicked()", self.onSegmentThese)
        ui.liveBox.connect("clicked(bool)", self.onLive)
        ui.lesionVisibleBox.connect("clicked(bool)", self.onLesionVisible)
        self._screen = PreviewScreen(self.logic, self.onPreviewFailed, self.showState)
        self.preview = LivePreview(self._requestPreview, _later, self._screen)

    # What is shown

    def onHello(self, hello: dict[str, Any]) -> None:
        """List the translators; the first is taken where none is chosen."""
        self._translators = [m for m in hello["models"] if m["role"] == "translator" and not m["problem"]]
        self._backgroundKinds = {t["name"] for t in hello["translators"] if t["needs_background"]}
        box = self.ui.translatorBox
        box.clear()
        for model in self._translators:
            box.addItem(modelTitle(model), modelValue(model))
        parameters = self.parameterNode
        if parameters is not None and not parameters.synthTranslator and self._translators:
            parameters.synthTranslator = modelValue(self._translators[0])
        self._chooseTranslator()

    def onParameterNodeChanged(self) -> None:
        """Choose the scene's translator."""
        parameters = self.parameterNode
        if not parameters.synthTranslator and self._translators:
            parameters.synthTranslator = modelValue(self._translators[0])
        self._chooseTranslator()

    def update(self) -> None:
        """Enable what can be done now; let the preview follow."""
        ui, parameters = self.ui, self.parameterNode
        if slicer.mrmlScene.IsClosing():
            self.preview.forget()
        if parameters is None:
            for button in (ui.synthesizeButton, ui.compareButton, ui.segmentTheseButton, ui.folderButton):
                button.enabled = False
            return
        ui.folderButton.enabled = True
        keep = parameters.synthKeepBackground
        ui.keepButton.checked, ui.wholeButton.checked = keep, not keep
        missing = self.missing()
        setReady(
            ui.synthesizeButton, self.wait() or missing or self._missingLesion(),
            _("Make DWI and ADC with the lesion, in the volumes chosen above"),
        )  # fmt: skip
        ui.liveBox.enabled = parameters.synthLivePreview or not missing
        ui.liveBox.toolTip = missing or _(
            "While you paint, the slices in sight are made anew after each stroke, the others as they arrive"
        )
        images = self.logic.imagesOf(parameters.synthDwi)
        ready = images is not None and images.adc is not None and parameters.caseDwi is not None
        noImages = "" if ready else _("Synthesize first, or choose synthetic volumes")
        setReady(ui.compareButton, noImages, _("Original, synthetic and difference in linked views"))
        setReady(
            ui.segmentTheseButton, self.wait() or noImages,
            _("Make the synthetic images the case, and the lesion the reference for what is found in them"),
        )  # fmt: skip
        lesion = parameters.lesionSegmentation
        display = None if lesion is None else lesion.GetDisplayNode()
        ui.lesionVisibleBox.enabled = display is not None
        ui.lesionVisibleBox.toolTip = (
            _("Show the lesion's outline over the images")
            if display
            else _("Paint or generate a lesion first")
        )
        ui.lesionVisibleBox.checked = bool(display is not None and display.GetVisibility())
        self._updatePreview("" if parameters.synthLivePreview and not missing else missing or "off")

    def missing(self) -> str:
        """What is missing for images with or without a lesion, as a sentence; "" for nothing."""
        parameters = self.parameterNode
        missing = self.panel.section("CaseSection").missing()
        if missing:
            return str(missing)
        if parameters.caseMap is None:
            return _("Make or choose the tissue map first (in Case): images are made from it")
        if self.logic.isSynthesis(parameters.caseDwi):
            return _("{name} is synthetic already; choose the patient's DWI (in Case)").format(
                name=parameters.caseDwi.GetName()
            )
        target = parameters.synthDwi
        if target is not None and not self.logic.isSynthesis(target):
            return _("{name} is no synthetic DWI and is not written over; choose new volumes").format(
                name=target.GetName()
            )
        if not parameters.synthTranslator:
            if self._translators is None:
                return _("The translators are being looked for")
            if self._translators:
                return _("Choose a translator")
            return _("No translator was found: train one (in Train), or choose the folder of one")
        if not parameters.synthKeepBackground and self._needsBackground():
            return _("This translator puts lesions into the patient's own images only: choose these")
        return ""

    def commandLine(self) -> str:
        """``strokesynth synthesize`` for the images of this case."""
        parameters = self.parameterNode
        if parameters is None or self.missing():
            return ""
        dwi, adc = parameters.caseDwi, parameters.caseAdc
        lesion, keep = parameters.lesionSegmentation, parameters.synthKeepBackground
        return commandText(
            "synthesize", "--model", parameters.synthTranslator, "--map", fileOfNode(parameters.caseMap),
            *options([
                ("--lesion", lesion and fileOfNode(lesion)),
                ("--background", fileOfNode(dwi) if keep else ""),
                ("--background-adc", fileOfNode(adc) if keep and adc else ""),
                ("--seed", parameters.synthSeed),
                ("--out", fileName(f"{dwi.GetName()} synthetic", "")),
            ]),
        )  # fmt: skip

    def _missingLesion(self) -> str:
        parameters = self.parameterNode
        lesion = parameters.lesionSegmentation
        if lesion is None and parameters.synthKeepBackground:
            return _("Paint or generate a lesion first (in Lesion), or make the whole brain")
        return self.panel.section("LesionSection").notPaintable() if lesion is not None else ""

    # Translators

    def onTranslator(self, index: int) -> None:
        """The user has picked a translator."""
        if self.parameterNode is not None:
            self.parameterNode.synthTranslator = self.ui.translatorBox.itemData(index) or ""

    def onFolder(self) -> None:
        """A translator that lies somewhere else."""
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of a translator"))
        if not folder:
            return
        if not (Path(folder) / "model.json").is_file():
            self.worker.say(
                _("{folder}: is no model (it has no model.json); choose the folder of a translator.").format(
                    folder=folder
                ),
                isError=True,
            )
            return
        self.parameterNode.synthTranslator = folder
        self._chooseTranslator()

    def _needsBackground(self) -> bool:
        """Whether the chosen translator cannot make a whole brain."""
        chosen = self.parameterNode.synthTranslator
        listed = (model["kind"] for model in self._translators or [] if modelValue(model) == chosen)
        kind = next(listed, None) or _kindIn(Path(chosen))
        return kind in self._backgroundKinds

    def _chooseTranslator(self) -> None:
        """Show the parameter node's translator, also when it is not in the list."""
        wanted = self.parameterNode.synthTranslator if self.parameterNode is not None else ""
        box = self.ui.translatorBox
        index = box.findData(wanted)
        if index < 0 and wanted:
            box.addItem(Path(wanted).name, wanted)
            index = box.count - 1
        box.setCurrentIndex(index)

    # Making images

    def onKeep(self) -> None:
        """The lesion in the patient's own images."""
        self.parameterNode.synthKeepBackground = True

    def onWhole(self) -> None:
        """The whole brain made anew."""
        self.parameterNode.synthKeepBackground = False

    def onSynthesize(self) -> None:
        """Ask for the images."""
        if not self.packagesReady():
            return
        parameters, command = self.parameterNode, self.commandLine()
        dwi, adc, lesion = parameters.caseDwi, parameters.caseAdc, parameters.lesionSegmentation
        before = self.logic.imagesToReplace(parameters.synthDwi, dwi)

        def made(answer: dict[str, Any]) -> None:
            if not slicer.mrmlScene.IsNodePresent(dwi):
                return
            images = before if before is not None and slicer.mrmlScene.IsNodePresent(before.dwi) else None
            images = self.logic.showImages(answer, request, dwi, adc, images, command)
            self.logic.parameters().synthDwi = images.dwi
            if before is None:
                self.logic.compareImages(dwi, images)
            self._say(answer["notices"])

        self._say([])
        with self.attempt(""):
            request = self._arguments()
            request["lesion"] = None if lesion is None else self.logic.lesionMask(lesion, dwi)
            self.worker.request("synthesize", request, made, title=_("Making synthetic images"))

    def onLive(self, live: bool) -> None:
        """The preview is switched on by hand: what it needs is asked for here."""
        if live and not self.packagesReady():
            self.parameterNode.synthLivePreview = False

    def onCompare(self) -> None:
        """Original, synthetic, difference."""
        parameters = self.parameterNode
        images = self.logic.imagesOf(parameters.synthDwi)
        self.logic.compareImages(self.logic.originalOf(images.dwi) or parameters.caseDwi, images)

    def onSegmentThese(self) -> None:
        """The synthetic images become the case, to be segmented and compared with the lesion in them."""
        parameters = self.parameterNode
        images, lesion = self.logic.imagesOf(parameters.synthDwi), parameters.lesionSegmentation
        with slicer.util.NodeModify(parameters.parameterNode):
            parameters.synthLivePreview = False
            parameters.caseDwi, parameters.caseAdc = images.dwi, images.adc
            parameters.segmentReference = lesion
        slicer.util.setSliceViewerLayers(background=images.dwi, foreground=None, label=None)
        self.panel.section("SegmentSection").open()

    def onLesionVisible(self, visible: bool) -> None:
        """Show or hide the lesion."""
        lesion = self.parameterNode.lesionSegmentation
        if lesion is not None and lesion.GetDisplayNode() is not None:
            lesion.GetDisplayNode().SetVisibility(visible)

    def _arguments(self) -> dict[str, Any]:
        parameters = self.logic.parameters()
        return dict(
            self.logic.synthesisRequest(
                parameters.caseDwi, parameters.caseMap, translator=parameters.synthTranslator,
                adc=parameters.caseAdc, seed=parameters.synthSeed,
                keepBackground=parameters.synthKeepBackground,
            )
        )  # fmt: skip

    # The live preview

    def onLesionChanged(self, mask: Volume) -> None:
        """There was a stroke: this is the lesion now."""
        self.preview.change(mask)
        self.showState()

    def onPreviewFailed(self, failure: Failure) -> None:
        """There is no preview for now."""
        if failure.kind == "cancelled":
            self.logic.parameters().synthLivePreview = False
        else:
            self.worker.say(_("Live preview: {problem}").format(problem=str(failure)), isError=True)

    def showState(self) -> None:
        """Say how far the preview is."""
        state, waiting = self.preview.state, self.preview.waiting
        text = {
            "off": self._hindrance,
            "opening": _("Opening the live preview..."),
            "drawing": _("{count} slices do not show the last stroke yet").format(count=waiting),
            "approximate": _("Approximate until the brush rests"),
            "complete": _("All slices show the lesion"),
            "failed": _("Stopped; the message is below. The next stroke or another choice tries again."),
        }[state]
        self.ui.stateLabel.setText(text)
        self.ui.stateLabel.visible = bool(text)

    def _updatePreview(self, hindrance: str) -> None:
        """Preview the case as it is now; nothing where something hinders it."""
        self._hindrance = ""
        setting = lesion = None
        try:
            if not hindrance:
                setting = self._setting()
                lesion = self._currentLesion() if self.preview.state == "off" else None
        except BadInputError as error:
            self._hindrance, setting = str(error), None
        self.preview.show(setting, lesion)
        self.showState()

    def _setting(self) -> Setting:
        parameters = self.parameterNode
        dwi, adc, tissue = parameters.caseDwi, parameters.caseAdc, parameters.caseMap
        self._screen.dwi, self._screen.adc = dwi, adc
        self._screen.commandLine = self.commandLine()
        keep = parameters.synthKeepBackground
        volumes = [dwi, adc] if keep and adc is not None else [dwi]
        key = (
            parameters.synthTranslator, parameters.synthSeed, keep, tissue.GetID(),
            tissue.GetSegmentation().GetMTime(), affineOfNode(dwi).tobytes(),
            *((node.GetID(), node.GetImageData().GetMTime() if keep else 0) for node in volumes),
        )  # fmt: skip
        return Setting(key, self._arguments)

    def _currentLesion(self) -> Volume:
        parameters = self.parameterNode
        lesion, dwi = parameters.lesionSegmentation, parameters.caseDwi
        if lesion is None or self.panel.section("LesionSection").notPaintable():
            return self.logic.emptyMask(dwi)
        return self.logic.lesionMask(lesion, dwi)

    def _requestPreview(self, do: str, args: dict[str, Any], onResult: Any, *, onError: Any) -> None:
        isSeen = do == "preview_open" and not self.worker.busy
        title = _("Opening the live preview") if isSeen else ""
        self.worker.request(do, args, onResult, onError=onError, title=title)

    # Life

    def onSceneClosed(self) -> None:
        """No images any more."""
        self.preview.forget()
        self._say([])
        self.showState()

    def cleanup(self) -> None:
        """The panel goes."""
        if self.preview is not None:
            self.preview.forget()

    def _say(self, notices: list[str]) -> None:
        self.ui.synthNotices.setText("\n".join(notices))
        self.ui.synthNotices.visible = bool(notices)


def _later(seconds: float, function: Any) -> None:
    qt.QTimer.singleShot(int(1000 * seconds) + 1, function)


def _kindIn(folder: Path) -> str:
    """The kind of a model that is not in the list; "" where none can be read."""
    try:
        return str(read_json(folder / "model.json").get("kind", ""))
    except (BadInputError, AttributeError):
        return ""
