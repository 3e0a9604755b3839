"""Lesion: painted with Slicer's segment editor, or generated inside an arterial territory."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.scene.Segmentations import isMap

from .CommandLine import commandText, fileName, fileOfNode, options
from .LesionEditor import LesionEditor
from .LesionLogic import whereText
from .LesionWatch import LesionWatch
from .Section import Section, setReady

#: Milliseconds without a stroke after which territories are looked up.
_REST = 1000


class LesionSection(Section):
    """Works on the images and the map of the section Case.

    It is the one that notices strokes, and passes them on to the section Synthesize.
    """

    uiFile = "StrokeSynthLesion.ui"

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.editor: LesionEditor | None = None
        self._watch: LesionWatch | None = None
        self._whereTimer: Any = None
        self._volumeMl: float | None = None
        self._where, self._whereOf = "", ""
        self._mapKey: tuple[Any, ...] | None = None

    @property
    def title(self) -> str:
        """As on the screen."""
        return _("Lesion")

    def connectWidgets(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        inside = qt.QVBoxLayout(ui.editorWidget)
        inside.setContentsMargins(0, 0, 0, 0)
        self.editor = LesionEditor(inside, self.showBrush)
        self._watch = LesionWatch(ui.editorWidget, self.onLesionChanged)
        self._whereTimer = qt.QTimer(ui.editorWidget)
        self._whereTimer.setSingleShot(True)
        self._whereTimer.setInterval(_REST)
        self._whereTimer.connect("timeout()", self.askWhere)
        ui.generatorBox.addItem(_("Grown inside arterial territories"), "")
        ui.territoryBox.addItem(_("Any"), "")
        ui.sideBox.addItem(_("Any"), "")
        ui.paintButton.connect("clicked()", self.onPaint)
        ui.newButton.connect("clicked()", self.onNew)
        ui.generateButton.connect("clicked()", self.onGenerate)
        ui.anotherButton.connect("clicked()", self.onAnother)
        ui.brushSlider.connect("valueChanged(double)", self.onBrush)
        ui.sphereBox.connect("clicked(bool)", self.onSphere)
        ui.brightBox.connect("clicked(bool)", self.onBright)
        ui.brightSlider.connect("valueChanged(double)", self.onBrightFrom)
        ui.generatorBox.connect("activated(int)", self.onGenerator)
        ui.territoryBox.connect("activated(int)", self.onTerritory)
        ui.sideBox.connect("activated(int)", self.onSide)

    # What is shown

    def onHello(self, hello: dict[str, Any]) -> None:
        """List what generates lesions, and the territories and sides that they can be asked for in."""
        models = [m for m in hello["models"] if m["role"] == "lesions" and not m["problem"]]
        _fill(
            self.ui.generatorBox,
            [(f"{m['name']}: {m['title']}", m["name"] if m["shipped"] else m["path"]) for m in models],
        )
        _fill(
            self.ui.territoryBox, [(f"{t['name']}: {t['summary']}", t["name"]) for t in hello["territories"]]
        )
        _fill(self.ui.sideBox, [(_sideText(side), side) for side in hello["sides"]])
        self._chooseEntries()

    def onParameterNodeChanged(self) -> None:
        """Edit the scene's lesion."""
        self.editor.attach()
        self._chooseEntries()
        self.showBrush()

    def disconnectParameters(self) -> None:
        """The panel is left, or the scene goes: lay the brush down."""
        super().disconnectParameters()
        if self.editor is not None:
            self.editor.detach()

    def update(self) -> None:
        """Enable what can be done now, and show what the lesion measures."""
        ui, parameters = self.ui, self.parameterNode
        if slicer.mrmlScene.IsClosing():
            self._watch.watch(None)
        if parameters is None:
            for button in (ui.paintButton, ui.newButton, ui.generateButton, ui.anotherButton):
                button.enabled = False
            return
        lesion, dwi = parameters.lesionSegmentation, parameters.caseDwi
        noPaint, noGenerate = self.notPaintable(), self.wait() or self.notGeneratable()
        editable = lesion if not noPaint else None
        self._watch.watch(editable)
        self.editor.edit(editable, dwi if editable is not None else None)
        setReady(ui.paintButton, noPaint, _("Take up the brush; strokes in the slice views paint the lesion"))
        setReady(ui.newButton, self._missingCase(), _("Begin another lesion; this one stays in the scene"))
        setReady(
            ui.generateButton, noGenerate, _("Make a lesion as asked for, in place of the one that is there")
        )
        setReady(ui.anotherButton, noGenerate, _("The next seed: another lesion as asked for"))
        ui.paintWidget.visible = editable is not None
        self._showMeasures(editable)
        self._prepareMap(parameters.caseMap)

    def notPaintable(self) -> str:
        """Why nothing can be painted; "" when it can."""
        missing = self._missingCase()
        lesion = None if missing else self.parameterNode.lesionSegmentation
        if lesion is not None and isMap(lesion):
            return _("{name} is a tissue map; choose a lesion, or none to begin a new one").format(
                name=lesion.GetName()
            )
        return missing

    def notGeneratable(self) -> str:
        """Why no lesion can be generated; "" when it can."""
        if self.notPaintable():
            return self.notPaintable()
        if self.parameterNode.caseMap is None:
            return _("Make or choose the tissue map first (in Case): lesions are made from it")
        return ""

    def commandLine(self) -> str:
        """``strokesynth lesion`` for what would be generated."""
        if self.notGeneratable():
            return ""
        parameters = self.parameterNode
        return commandText(
            "lesion", "--map", fileOfNode(parameters.caseMap),
            *options([
                ("--lesions", parameters.lesionGenerator),
                ("--territory", parameters.lesionTerritory),
                ("--side", parameters.lesionSide),
                ("--volume-ml", f"{parameters.lesionVolumeMl:g}" if parameters.lesionVolumeMl else ""),
                ("--number", parameters.lesionNumber or ""),
                ("--seed", parameters.lesionSeed),
                ("--out", fileName(f"{parameters.caseDwi.GetName()} lesion")),
            ]),
        )  # fmt: skip

    def _showMeasures(self, lesion: Any) -> None:
        if lesion is None or self._volumeMl is None:
            text = _("No lesion yet")
        elif not self._volumeMl:
            text = _("Empty: nothing is painted yet")
        else:
            text = _("{volume} ml").format(volume=f"{self._volumeMl:.2f}")
            where = self._where or (
                "" if self.parameterNode.caseMap else _("make the map in Case to see where")
            )
            text = f"{text} · {where}" if where else text
        self.ui.measureLabel.setText(text)

    # The lesion

    def onNew(self) -> None:
        """Begin another lesion."""
        parameters = self.parameterNode
        before = parameters.lesionSegmentation
        if before is not None and before.GetDisplayNode() is not None and not isMap(before):
            before.GetDisplayNode().SetVisibility(False)
        parameters.lesionSegmentation = self.logic.newLesion(parameters.caseDwi)
        self.update()  # the brush needs the new lesion

    def onPaint(self) -> None:
        """Take up the brush; a lesion to paint into is made where there is none."""
        if self.parameterNode.lesionSegmentation is None:
            self.onNew()
        self.parameterNode.lesionSegmentation.GetDisplayNode().SetVisibility(True)
        self.editor.choose("Paint")

    def onLesionChanged(self) -> None:
        """There was a stroke, an undo, or another lesion was chosen: measure it and pass it on."""
        parameters = self.logic.parameters()
        lesion, dwi = self._watch.node, parameters.caseDwi
        if lesion is None or dwi is None or not slicer.mrmlScene.IsNodePresent(lesion):
            return
        try:
            mask = self.logic.lesionMask(lesion, dwi)
        except BadInputError as error:
            self.worker.say(str(error), isError=True)
            return
        if lesion.GetID() != self._whereOf:  # where the one before was says nothing
            self._where, self._whereOf = "", lesion.GetID()
        self.logic.forgetOriginIfChanged(lesion, mask)
        self._volumeMl = int(np.count_nonzero(mask.array)) * mask.grid.voxel_ml
        self.panel.section("SynthesizeSection").onLesionChanged(mask)
        if parameters.caseMap is not None:
            self._where = self._where or _("looking where it is...")  # placing a new map takes seconds
            self._whereTimer.start()
        if self.parameterNode is not None:
            self._showMeasures(lesion)

    # Painting

    def showBrush(self) -> None:
        """Show brush and threshold as they are in the segment editor."""
        editor, ui = self.editor, self.ui
        if editor is None or self.parameterNode is None:
            return
        lowest = editor.brightFrom
        for widget in (ui.brushSlider, ui.brightSlider):
            widget.blockSignals(True)
        ui.brushSlider.value = editor.brushMm
        ui.brightSlider.enabled = lowest is not None
        if lowest is not None:
            ui.brightSlider.maximum = max(float(ui.brightSlider.maximum), lowest)
            ui.brightSlider.value = lowest
        for widget in (ui.brushSlider, ui.brightSlider):
            widget.blockSignals(False)
        ui.sphereBox.checked = editor.isSphere
        ui.brightBox.checked = lowest is not None

    def onBrush(self, diameter: float) -> None:
        """Another diameter (mm)."""
        self.editor.brushMm = diameter

    def onSphere(self, sphere: bool) -> None:
        """Paint over several slices, or only in the one that is seen."""
        self.editor.isSphere = sphere

    def onBright(self, bright: bool) -> None:
        """Paint only where the DWI is bright, or everywhere."""
        dwi = self.parameterNode.caseDwi
        highest = float(slicer.util.arrayFromVolume(dwi).max()) if bright else 0.0
        if bright:
            self.ui.brightSlider.maximum = highest
            self.ui.brightSlider.singleStep = max(highest / 200, 1e-3)
        self.editor.paintBright(self.logic.brightFrom(dwi) if bright else None, highest)

    def onBrightFrom(self, lowest: float) -> None:
        """Another threshold, in the DWI's values."""
        if self.editor.brightFrom is not None:
            self.editor.paintBright(lowest, float(self.ui.brightSlider.maximum))

    # Generating

    def onGenerator(self, index: int) -> None:
        """The user has picked what makes lesions."""
        if self.parameterNode is not None:
            self.parameterNode.lesionGenerator = self.ui.generatorBox.itemData(index) or ""

    def onTerritory(self, index: int) -> None:
        """The user has picked a territory."""
        if self.parameterNode is not None:
            self.parameterNode.lesionTerritory = self.ui.territoryBox.itemData(index) or ""

    def onSide(self, index: int) -> None:
        """The user has picked a side."""
        if self.parameterNode is not None:
            self.parameterNode.lesionSide = self.ui.sideBox.itemData(index) or ""

    def onAnother(self) -> None:
        """The same with the next seed."""
        self.parameterNode.lesionSeed = (self.parameterNode.lesionSeed + 1) % 1_000_000
        self.onGenerate()

    def onGenerate(self) -> None:
        """Ask for a lesion."""
        if not self.packagesReady():
            return
        parameters = self.parameterNode
        dwi, before, command = parameters.caseDwi, parameters.lesionSegmentation, self.commandLine()

        def made(answer: dict[str, Any]) -> None:
            if not slicer.mrmlScene.IsNodePresent(dwi):
                return
            lesion = before if before is not None and slicer.mrmlScene.IsNodePresent(before) else None
            if lesion is not None and self.editor.widget.segmentationNode() is lesion:
                self.editor.saveStateForUndo()
            lesion = self.logic.showLesion(answer, request, dwi, lesion, command)
            lesion.GetDisplayNode().SetVisibility(True)
            self.logic.parameters().lesionSegmentation = lesion
            self._jump(answer["mask"])

        with self.attempt(""):
            request = self.logic.lesionRequest(
                dwi,
                parameters.caseMap,
                territory=parameters.lesionTerritory,
                side=parameters.lesionSide,
                volumeMl=parameters.lesionVolumeMl,
                number=parameters.lesionNumber,
                seed=parameters.lesionSeed,
                generator=parameters.lesionGenerator,
            )
            self.worker.request("lesion", request, made, title=_("Making a lesion"))

    def _jump(self, mask: Any) -> None:
        """Show the lesion's largest slice in the views."""
        voxels = np.argwhere(mask.array > 0)
        if len(voxels):
            place = mask.affine[:3, :3] @ voxels[len(voxels) // 2] + mask.affine[:3, 3]
            for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
                node.JumpSliceByOffsetting(*[float(value) for value in place])

    # Where it is

    def askWhere(self) -> None:
        """Ask for the territories, once nothing more urgent is asked for."""
        parameters = self.logic.parameters()
        lesion, dwi, tissue = self._watch.node, parameters.caseDwi, parameters.caseMap
        if dwi is None or tissue is None:
            return
        if self.worker.client.busy or self.panel.section("SynthesizeSection").preview.isAtWork:
            self._whereTimer.start()
            return

        def told(table: dict[str, Any]) -> None:
            self._where = whereText(table)
            if self.parameterNode is not None:
                self._showMeasures(self._watch.node)

        def notTold(failure: Any) -> None:
            told({"lesions": []})

        try:
            request = self.logic.territoriesRequest(lesion, dwi, tissue)
        except BadInputError:  # what is wrong with the map is said where it is used
            told({"lesions": []})
            return
        self.worker.request("table", request, told, onError=notTold)

    def _prepareMap(self, tissue: Any) -> None:
        """Let the worker place a new map in standard space while the user still looks for the brush."""
        key = None if tissue is None else (tissue.GetID(), tissue.GetSegmentation().GetMTime())
        if key != self._mapKey:
            self._mapKey = key
            if key is not None:
                self._whereTimer.start()

    # Life

    def onSceneClosed(self) -> None:
        """No lesion any more."""
        self._watch.watch(None)
        self._whereTimer.stop()
        self._volumeMl, self._where, self._whereOf, self._mapKey = None, "", "", None

    def cleanup(self) -> None:
        """The panel goes."""
        if self._whereTimer is not None:
            self._whereTimer.stop()
        if self._watch is not None:
            self._watch.watch(None)
        if self.editor is not None:
            self.editor.end()

    def _missingCase(self) -> str:
        return str(self.panel.section("CaseSection").missing())

    def _chooseEntries(self) -> None:
        parameters = self.parameterNode
        if parameters is not None:
            for box, value in (
                (self.ui.generatorBox, parameters.lesionGenerator),
                (self.ui.territoryBox, parameters.lesionTerritory),
                (self.ui.sideBox, parameters.lesionSide),
            ):
                box.setCurrentIndex(max(box.findData(value), 0))


def _fill(box: Any, entries: list[tuple[str, str]]) -> None:
    """Entries after the first, which stays."""
    while box.count > 1:
        box.removeItem(1)
    for text, value in entries:
        box.addItem(text, value)


def _sideText(side: str) -> str:
    return {"left": _("left (the patient's)"), "right": _("right (the patient's)"), "both": _("both")}.get(
        side, side
    )
