"""Slicer's segment editor inside the panel, set up for lesions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

from StrokeSynthLib.scene.Segmentations import lesionSegment

#: Effects in the order of their buttons; what a lesion needs, of all that Slicer has.
EFFECTS = ("Paint", "Draw", "Erase", "Threshold", "Grow from seeds", "Scissors", "Islands", "Smoothing")
#: The segment editor's state is a node of this module's own, so that Slicer's Segment Editor keeps its own.
_TAG = "StrokeSynth"
#: Attribute of that node once it has the brush that the panel begins with.
_SET_UP = "StrokeSynth.SetUp"
#: Diameter of the brush at the start (mm).
BRUSH_MM = 8.0
_DIAMETER, _RELATIVE, _SPHERE = "BrushAbsoluteDiameter", "BrushDiameterIsRelative", "BrushSphere"


class LesionEditor(VTKObservationMixin):
    """Owner of a qMRMLSegmentEditorWidget.

    :meth:`attach` when the panel is entered or a scene is there, :meth:`detach` when it is left or the scene
    is about to go; in between :meth:`edit` says what is edited.

    Parameters
    ----------
    layout
        Where the widget is added.
    changed
        Called when brush or threshold have changed, by whomever.
    """

    def __init__(self, layout: Any, changed: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._changed = changed
        self._isAttached = False
        self.widget = slicer.qMRMLSegmentEditorWidget()
        self.widget.maximumNumberOfUndoStates = 20
        self.widget.segmentationNodeSelectorVisible = False
        self.widget.sourceVolumeNodeSelectorVisible = False
        self.widget.switchToSegmentationsButtonVisible = False
        self.widget.setEffectNameOrder(list(EFFECTS))
        self.widget.unorderedEffectsVisible = False
        layout.addWidget(self.widget)
        self._selectNode()
        self.widget.setMRMLScene(slicer.mrmlScene)

    # Life

    def attach(self) -> None:
        """Listen to the mouse in slice views."""
        self._selectNode()
        if not self._isAttached:
            self._isAttached = True
            self.widget.setupViewObservations()
            self.widget.installKeyboardShortcuts()

    def detach(self) -> None:
        """Leave mouse and keys to others."""
        if self._isAttached:
            self._isAttached = False
            self.widget.setActiveEffect(None)
            self.widget.uninstallKeyboardShortcuts()
            self.widget.removeViewObservations()
        if slicer.mrmlScene.IsClosing():
            self.removeObservers()
            self.widget.setSegmentationNode(None)

    def end(self) -> None:
        """The panel goes."""
        self.detach()
        self.removeObservers()

    def edit(self, lesion: Any, dwi: Any) -> None:
        """Edit the lesion's segment over the DWI; None for nothing."""
        if not self._isAttached:
            return
        widget = self.widget
        if widget.segmentationNode() is not lesion:
            widget.setActiveEffect(None)
            widget.setSegmentationNode(lesion)
            if lesion is not None:
                widget.setCurrentSegmentID(lesionSegment(lesion))
        if lesion is not None and widget.sourceVolumeNode() is not dwi:
            widget.setSourceVolumeNode(dwi)

    # Brush and threshold

    def choose(self, effect: str) -> None:
        """Take up an effect ("Paint"); "" to lay it down."""
        self.widget.setActiveEffectByName(effect)

    def saveStateForUndo(self) -> None:
        """What is done to the segment next can be undone by the editor's button."""
        self.widget.saveStateForUndo()

    @property
    def brushMm(self) -> float:
        """Diameter of the brush (mm)."""
        return float(self._node.GetAttribute(_DIAMETER) or BRUSH_MM)

    @brushMm.setter
    def brushMm(self, diameter: float) -> None:
        self._set(_RELATIVE, "0")
        self._set(_DIAMETER, f"{diameter:g}")

    @property
    def isSphere(self) -> bool:
        """Whether the brush reaches over slices."""
        return bool(self._node.GetAttribute(_SPHERE) == "1")

    @isSphere.setter
    def isSphere(self, value: bool) -> None:
        self._set(_SPHERE, "1" if value else "0")

    @property
    def brightFrom(self) -> float | None:
        """Only voxels of the DWI from this value on are painted; None for all."""
        node = self._node
        return (
            float(node.GetSourceVolumeIntensityMaskRange()[0])
            if node.GetSourceVolumeIntensityMask()
            else None
        )

    def paintBright(self, lowest: float | None, highest: float = 0.0) -> None:
        """Paint only voxels of the DWI between two values; everywhere for None."""
        if lowest is not None:
            self._node.SetSourceVolumeIntensityMaskRange(lowest, highest)
        self._node.SetSourceVolumeIntensityMask(lowest is not None)

    @property
    def _node(self) -> Any:
        return self.widget.mrmlSegmentEditorNode()

    def _set(self, name: str, value: str) -> None:
        effect = self.widget.effectByName("Paint")
        if effect is not None:
            effect.setCommonParameter(name, value)

    def _selectNode(self) -> None:
        """The editor's state node of this scene, which closing and loading scenes exchange."""
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(_TAG)
            node = scene.AddNode(node)
        self.removeObservers()
        self.widget.setMRMLSegmentEditorNode(node)
        self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onModified)
        if node.GetAttribute(_SET_UP) is None:  # new, or emptied by the closing of a scene
            node.SetAttribute(_SET_UP, "true")
            self.brushMm = BRUSH_MM

    def _onModified(self, caller: Any, event: Any) -> None:
        self._changed()
