"""A module for the host's tests: voxels above a threshold become a segment, slice by slice."""

from __future__ import annotations

import enum
from typing import Annotated

import numpy as np
import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Demonstration(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Demonstration")
        self.parent.categories = ["Testing"]
        self.parent.contributors = ["The StrokeSynth contributors"]
        self.parent.helpText = _("Thresholds a volume, one slice at each tick of a timer.")


class Side(enum.Enum):
    """Which voxels are taken."""

    above = 1
    below = 2


@parameterNodeWrapper
class DemonstrationParameters:
    """What is saved with the scene."""

    inputVolume: vtkMRMLScalarVolumeNode
    result: vtkMRMLSegmentationNode
    threshold: Annotated[float, WithinRange(0, 200)] = 100.0
    side: Side = Side.above
    fast: bool = False
    note: str = ""


class DemonstrationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameters = None
        self._guiTag = None
        self._pending = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/Demonstration.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = DemonstrationLogic()
        self._timer = qt.QTimer(widget)
        self._timer.setInterval(1)
        self._timer.connect("timeout()", self._onTick)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.ui.cancelButton.connect("clicked()", self._stop)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._onSceneEndClose)
        self._initialize()

    def cleanup(self):
        self._timer.stop()
        self.removeObservers()

    def enter(self):
        self._initialize()
        self.ui.segmentEditor.setupViewObservations()

    def exit(self):
        self._setParameters(None)
        self.ui.segmentEditor.removeViewObservations()

    def _onSceneStartClose(self, caller, event):
        self._stop()
        self._setParameters(None)

    def _onSceneEndClose(self, caller, event):
        if self.parent.isVisible():
            self._initialize()

    def _initialize(self):
        self._setParameters(DemonstrationParameters(self.logic.getParameterNode()))
        node = slicer.mrmlScene.GetSingletonNode("Demonstration", "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag("Demonstration")
            node = slicer.mrmlScene.AddNode(node)
        self.ui.segmentEditor.setMRMLSegmentEditorNode(node)

    def _setParameters(self, parameters):
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)
            self.removeObserver(self._parameters, vtk.vtkCommand.ModifiedEvent, self._update)
        self._parameters = parameters
        if parameters is not None:
            self._guiTag = parameters.connectGui(self.ui)
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self._update)
            self._update()

    def _update(self, caller=None, event=None):
        ready = self._parameters is not None and self._parameters.inputVolume is not None
        self.ui.applyButton.enabled = ready and not self._pending
        self.ui.applyButton.toolTip = (
            _("Threshold the volume") if ready else _("Choose an input volume first")
        )
        self.ui.cancelButton.enabled = bool(self._pending)

    def onApply(self):
        with slicer.util.tryWithErrorDisplay(_("Thresholding failed."), waitCursor=True):
            volume = self._parameters.inputVolume
            self._parameters.result = self.logic.newResult(volume)
            slices = slicer.util.arrayFromVolume(volume).shape[0]
            self._pending = list(range(slices))
            self.ui.progressBar.maximum = slices
            self.ui.segmentEditor.setSegmentationNode(self._parameters.result)
            self.ui.segmentEditor.setSourceVolumeNode(volume)
            self._timer.start()
            self._update()

    def _onTick(self):
        if not self._pending:
            self._stop()
            return
        parameters = self._parameters
        above = parameters.side is Side.above
        self.logic.threshold(
            parameters.inputVolume, parameters.result, self._pending.pop(0), parameters.threshold, above
        )
        self.ui.progressBar.value = self.ui.progressBar.maximum - len(self._pending)

    def _stop(self):
        self._timer.stop()
        self._pending = []
        self._update()


class DemonstrationLogic(ScriptedLoadableModuleLogic):
    """One slice at a time."""

    def newResult(self, volume):
        name = _("{volume} above threshold").format(volume=volume.GetName())
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        node.GetSegmentation().AddEmptySegment("region", _("Region"), (1.0, 0.5, 0.0))
        return node

    def threshold(self, volume, segmentation, k, threshold, above):
        values = slicer.util.arrayFromVolume(volume)[k]
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "region", volume)
        mask[k] = values > threshold if above else values <= threshold
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask.astype(np.uint8), segmentation, "region", volume
        )


class DemonstrationTest(ScriptedLoadableModuleTest):
    def runTest(self):
        self.test_everythingIsAboveNothing()

    def test_everythingIsAboveNothing(self):
        volume = slicer.util.addVolumeFromArray(np.ones((2, 3, 4), np.float32))
        logic = DemonstrationLogic()
        result = logic.newResult(volume)
        for k in range(2):
            logic.threshold(volume, result, k, 0.0, True)
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(result, "region", volume)
        np.testing.assert_array_equal(mask, 1)
