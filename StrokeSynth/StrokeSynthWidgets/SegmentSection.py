"""Segment: lesions with one click, their table, probability, agreement; a folder in one go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .CommandLine import commandText, fileName, fileOfNode, options
from .FolderBatch import FolderBatch
from .Section import Section, modelTitle, modelValue, setReady
from .SegmentLogic import NOTICES, VOLUME
from .Tables import columnsOfNode, fillTable, saveCsv, tableText

#: Attribute of a result: its scores against a reference, and that reference's name.
AGREEMENT = "StrokeSynth.Agreement"
#: Kinds of models that need nothing but what Slicer brings.
_WITHOUT_PACKAGES = ("threshold",)
#: Columns of the table of lesions on the panel; coordinates are in the copy and in the file.
_SHOWN_COLUMNS = 5


class SegmentSection(Section):
    """Works on the images of the section Case."""

    uiFile = "StrokeSynthSegment.ui"

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.batch: FolderBatch | None = None
        self._models: list[dict[str, Any]] = []
        self._shown: tuple[Any, ...] = ()

    @property
    def title(self) -> str:
        """As on the screen."""
        return _("Segment")

    def connectWidgets(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        ui.modelBox.addItem(_("The shipped network"), "")
        ui.modelBox.connect("activated(int)", self.onModel)
        ui.segmentButton.connect("clicked()", self.onSegment)
        ui.lesionTable.connect("cellClicked(int,int)", self.onLesion)
        ui.copyButton.connect("clicked()", self.onCopy)
        ui.saveButton.connect("clicked()", self.onSave)
        ui.probabilityBox.connect("clicked(bool)", self.onProbability)
        ui.measureButton.connect("clicked()", self.onMeasure)
        ui.resultSelector.connect("nodeActivated(vtkMRMLNode*)", self.onResult)
        ui.compareButton.connect("clicked()", self.onCompare)
        ui.referenceSelector.connect("nodeActivated(vtkMRMLNode*)", self.onReference)
        self.batch = FolderBatch(self)

    # What is shown

    def onHello(self, hello: dict[str, Any]) -> None:
        """List the models that segment."""
        self._models = [m for m in hello["models"] if m["role"] == "segmenter" and not m["problem"]]
        box = self.ui.modelBox
        box.clear()
        for model in self._models:
            box.addItem(modelTitle(model), modelValue(model))
        self._chooseModel()

    def onParameterNodeChanged(self) -> None:
        """Choose the scene's model and folders."""
        self._chooseModel()
        self.batch.readParameters()

    def update(self) -> None:
        """Enable what can be done now, and show the result."""
        ui, parameters, waiting = self.ui, self.parameterNode, self.wait()
        missing = self.panel.section("CaseSection").missing()
        ui.caseLabel.setText(self._imagesText())
        setReady(
            ui.segmentButton, waiting or missing,
            _("Find acute ischemic lesions; the shipped network needs no PyTorch and no graphics card"),
        )  # fmt: skip
        model = self._model()
        certain = model is not None and not model["dimensions"]
        ui.uncertaintyBox.enabled = parameters is not None and not certain
        ui.uncertaintyBox.toolTip = (
            _("This model gives no uncertainty")
            if certain
            else _("A second volume: how unsure the model is of each voxel. Takes longer.")
        )
        result = parameters.segmentResult if parameters is not None else None
        probability = parameters.segmentProbability if parameters is not None else None
        ui.probabilityBox.enabled = probability is not None
        ui.probabilityBox.toolTip = (
            _("Lay the probability of lesion over the images") if probability else _("Segment first")
        )
        setReady(
            ui.compareButton, waiting or self._notComparable(), _("Score the result against the reference")
        )
        self._showResult(result)
        self.batch.update()

    def commandLine(self) -> str:
        """``strokesynth segment`` for this examination."""
        parameters = self.parameterNode
        if parameters is None or parameters.caseDwi is None:
            return ""
        dwi, adc = parameters.caseDwi, parameters.caseAdc
        name = dwi.GetName()
        unsure = fileName(f"{name} uncertainty") if self._wantsUncertainty() else ""
        return commandText(
            "segment", "--dwi", fileOfNode(dwi),
            *options([
                ("--adc", adc and fileOfNode(adc)),
                ("--out", fileName(f"{name} infarct")),
                ("--probability", fileName(f"{name} lesion probability")),
                ("--uncertainty", unsure),
                ("--model", parameters.segmentModel),
            ]),
        )  # fmt: skip

    def _imagesText(self) -> str:
        parameters = self.parameterNode
        if parameters is None or parameters.caseDwi is None:
            return _("none yet; choose them in Case")
        if parameters.caseAdc is None:
            return _("{dwi}, without ADC (less certain)").format(dwi=parameters.caseDwi.GetName())
        return f"{parameters.caseDwi.GetName()}, {parameters.caseAdc.GetName()}"

    def _showResult(self, result: Any) -> None:
        ui, parameters = self.ui, self.parameterNode
        lesions = parameters.segmentLesions if parameters is not None else None
        territories = parameters.segmentTerritories if parameters is not None else None
        ui.resultWidget.visible = lesions is not None
        notices = (result.GetAttribute(NOTICES) or "") if result is not None else ""
        ui.noticesLabel.setText(notices)
        ui.noticesLabel.visible = bool(notices)
        ui.agreementLabel.setText(_agreementText(result, parameters.segmentReference if result else None))
        shown = tuple((node, node and node.GetMTime()) for node in (lesions, territories))
        if shown == self._shown:
            return
        self._shown = shown
        columns = columnsOfNode(lesions)
        fillTable(ui.lesionTable, dict(list(columns.items())[:_SHOWN_COLUMNS]))
        fillTable(ui.territoryTable, columnsOfNode(territories))
        ui.territoryTable.visible = territories is not None
        volume = result.GetAttribute(VOLUME) if result is not None else None
        count = ui.lesionTable.rowCount
        ui.summaryLabel.setText(
            _("{count} lesion(s), {volume} ml together.").format(count=count, volume=f"{float(volume):.2f}")
            if volume
            else _("{count} lesion(s).").format(count=count)
        )

    # Models

    def onModel(self, index: int) -> None:
        """The user has picked a model."""
        if self.parameterNode is not None:
            self.parameterNode.segmentModel = self.ui.modelBox.itemData(index) or ""

    def _chooseModel(self) -> None:
        """Show the parameter node's model; the default network where it has none."""
        wanted = (self.parameterNode.segmentModel if self.parameterNode is not None else "") or "acute"
        index = self.ui.modelBox.findData(wanted)
        if index < 0 and self._models and wanted != "acute":
            self.ui.modelBox.addItem(_("{model} (not found)").format(model=Path(wanted).name), wanted)
            index = self.ui.modelBox.count - 1
        self.ui.modelBox.setCurrentIndex(max(index, 0))

    def _model(self) -> dict[str, Any] | None:
        wanted = (self.parameterNode.segmentModel if self.parameterNode is not None else "") or "acute"
        return next((model for model in self._models if wanted in (model["name"], model["path"])), None)

    def _wantsUncertainty(self) -> bool:
        return bool(self.parameterNode.segmentUncertainty and self.ui.uncertaintyBox.enabled)

    # Segmenting

    def onSegment(self) -> None:
        """Ask for the lesions of the case."""
        parameters = self.parameterNode
        dwi, model = parameters.caseDwi, self._model()
        if not (model and model["kind"] in _WITHOUT_PACKAGES) and not self.packagesReady():
            return
        withMap = parameters.caseMap is None and bool(model and model["maps"])

        def found(answer: dict[str, Any]) -> None:
            if slicer.mrmlScene.IsNodePresent(dwi):
                self._take(self.logic.showSegmentation(answer, dwi))

        title = _("Segmenting {name}").format(name=dwi.GetName())
        with self.attempt(""):
            request = self.logic.segmentRequest(
                dwi, parameters.caseAdc, model=parameters.segmentModel,
                uncertainty=self._wantsUncertainty(), withMap=withMap,
            )  # fmt: skip
            self.worker.request("segment", request, found, title=title)

    def _take(self, result: Any) -> None:
        """Make a result the panel's; map and earlier result stay in the scene, hidden."""
        parameters = self.logic.parameters()
        for covering in (parameters.segmentResult, parameters.caseMap):
            if covering is not None and covering.GetDisplayNode() is not None:
                covering.GetDisplayNode().SetVisibility(False)
        with slicer.util.NodeModify(parameters.parameterNode):
            parameters.segmentResult = result.segmentation
            parameters.segmentProbability = result.probability
            parameters.segmentUncertaintyMap = result.uncertainty
            parameters.segmentLesions = result.lesions
            parameters.segmentTerritories = result.territories
            parameters.segmentShowProbability = False
            if result.map is not None:
                parameters.caseMap = result.map
        slicer.util.setSliceViewerLayers(foreground=None)
        rows = columnsOfNode(result.lesions)
        if rows and next(iter(rows.values())):
            self._jump(0)
        if self.parameterNode is not None and not self._notComparable():
            self.onCompare()

    def onLesion(self, row: int, column: int) -> None:
        """Show a lesion's center in the slice views."""
        self._jump(row)

    def _jump(self, row: int) -> None:
        columns = columnsOfNode(self.logic.parameters().segmentLesions)
        place = [float(columns[f"{letter} (mm)"][row]) for letter in "RAS"]
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            node.JumpSliceByOffsetting(*place)

    def onProbability(self, shown: bool) -> None:
        """Lay the probability over the images, or take it away."""
        node = self.parameterNode.segmentProbability if shown else None
        slicer.util.setSliceViewerLayers(foreground=node, foregroundOpacity=0.6 if shown else 0.0)

    # Tables

    def onCopy(self) -> None:
        """Both tables to the clipboard."""
        parameters = self.parameterNode
        tables = [columnsOfNode(node) for node in (parameters.segmentLesions, parameters.segmentTerritories)]
        slicer.app.clipboard().setText(tableText(*tables))
        self.worker.say(_("The tables are on the clipboard."))

    def onSave(self) -> None:
        """The table of lesions to a file."""
        node = self.parameterNode.segmentLesions
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Table of lesions"), fileName(node.GetName(), ".csv"), "CSV (*.csv)"
        )
        if not path:
            return
        target = Path(path) if Path(path).suffix else Path(path).with_suffix(".csv")
        with self.attempt(""):
            saveCsv(target, columnsOfNode(node))
            self.worker.say(_("Saved as {path}").format(path=target))

    # Measuring

    def _notMeasurable(self) -> str:
        parameters = self.parameterNode
        if parameters is None or parameters.segmentResult is None:
            return _("Segment first, or choose a result")
        if parameters.caseDwi is None:
            return _("Choose the DWI in Case, on whose voxels it is measured")
        return ""

    def onResult(self, node: Any) -> None:
        """Another result was picked by hand: measure it at once."""
        if not self.worker.busy and not self._notMeasurable():
            self.onMeasure()

    def onMeasure(self) -> None:
        """Ask for the lesions of the result, one by one; with territories where there is a map."""
        parameters = self.parameterNode
        result, dwi = parameters.segmentResult, parameters.caseDwi

        def measured(answer: dict[str, Any]) -> None:
            if slicer.mrmlScene.IsNodePresent(result) and slicer.mrmlScene.IsNodePresent(dwi):
                now = self.logic.parameters()
                now.segmentLesions, now.segmentTerritories = self.logic.showMeasures(
                    answer, result, dwi, now.segmentLesions, now.segmentTerritories
                )

        with self.attempt(""):
            request = self.logic.measureRequest(result, dwi, parameters.caseMap)
            title = _("Measuring {result}").format(result=result.GetName())
            self.worker.request("table", request, measured, title=title)

    # Agreement

    def _notComparable(self) -> str:
        if self._notMeasurable():
            return self._notMeasurable()
        parameters = self.parameterNode
        if parameters.segmentReference is None:
            return _("Choose a reference first")
        if parameters.segmentReference is parameters.segmentResult:
            return _("Result and reference are the same segmentation; choose another reference")
        return ""

    def onReference(self, node: Any) -> None:
        """A reference was picked by hand: compare at once."""
        if not self.worker.busy and not self._notComparable():
            self.onCompare()

    def onCompare(self) -> None:
        """Ask for the scores."""
        parameters = self.parameterNode
        result, reference = parameters.segmentResult, parameters.segmentReference

        def scored(scores: dict[str, Any]) -> None:
            if slicer.mrmlScene.IsNodePresent(result):
                result.SetAttribute(AGREEMENT, json.dumps({"reference": reference.GetName(), **scores}))
                self.refresh()

        title = _("Comparing {result} with {reference}").format(
            result=result.GetName(), reference=reference.GetName()
        )
        with self.attempt(""):
            request = self.logic.agreementRequest(result, reference, parameters.caseDwi)
            self.worker.request("agreement", request, scored, title=title)

    def onSceneClosed(self) -> None:
        """No result any more."""
        self._shown = ()

    def cleanup(self) -> None:
        """The panel goes; a folder's segmentation goes on."""
        if self.batch is not None:
            self.batch.cleanup()


def _agreementText(result: Any, reference: Any) -> str:
    text = result.GetAttribute(AGREEMENT) if result is not None else None
    scores = json.loads(text) if text else {}
    if reference is None or scores.get("reference") != reference.GetName():
        return ""
    distance = scores["hausdorff95_mm"]
    parts = [
        _("Dice {value}").format(value=f"{scores['dice']:.3f}"),
        _("lesion F1 {value}").format(value=f"{scores['lesion_f1']:.2f}"),
        _("{found} of {all} reference lesions touched").format(
            found=round((scores["lesion_recall"] or 0.0) * scores["reference_lesions"]),
            all=scores["reference_lesions"],
        ),
        _("volume {result} ml against {reference} ml").format(
            result=f"{scores['prediction_ml']:.2f}", reference=f"{scores['reference_ml']:.2f}"
        ),
    ]
    if distance is not None:
        parts.append(_("95% Hausdorff distance {value} mm").format(value=f"{distance:.1f}"))
    return ", ".join(parts) + "."
