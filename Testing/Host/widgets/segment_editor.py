"""qMRMLSegmentEditorWidget over Slicer's own vtkSlicerSegmentEditorLogic: segments, effects, masks, undo.

Real: the logic, the editor node, what an edit does to the segmentation. Stand-in: the widget and the effects,
which here only hold parameters; strokes come from the host's `paint`.
"""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from ..problems import problems
from ..strictqt.classes import mark_native
from .base import native, renamed_signals, stored
from .mrml_basics import Observer, check_class, qMRMLSegmentsTableView, qMRMLWidget
from .node_selector import qMRMLNodeComboBox

EFFECTS = (
    "Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices",
    "Margin", "Hollow", "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume",
)  # fmt: skip
#: Parameters that effects share, with Slicer's starting values.
COMMON_DEFAULTS = {
    "BrushMinimumAbsoluteDiameter": "0.01",
    "BrushMaximumAbsoluteDiameter": "100",
    "BrushAbsoluteDiameter": "5",
    "BrushRelativeDiameter": "3",
    "BrushDiameterIsRelative": "1",
    "BrushSphere": "0",
    "EditIn3DViews": "0",
    "BrushPixelMode": "0",
}


@mark_native
class qSlicerSegmentEditorEffect(QtCore.QObject):
    """Its parameters lie in the editor node, as "Paint.ColorSmudge" or, if shared, "BrushSphere"."""

    name = QtCore.Property("QString", lambda self: self._name)

    def __init__(self, name: str, editor: qMRMLSegmentEditorWidget) -> None:
        super().__init__(editor)
        self.__dict__.update(_name=name, _editor=editor)

    def parameterSetNode(self) -> Any:
        return self._editor.mrmlSegmentEditorNode()

    def active(self) -> bool:
        return self._editor.activeEffect() is self

    def _key(self, name: str) -> str:
        return f"{self._name}.{name}"

    def parameterDefined(self, name: str) -> bool:
        return self.parameterSetNode().GetAttribute(self._key(name)) is not None

    def commonParameterDefined(self, name: str) -> bool:
        return self.parameterSetNode().GetAttribute(name) is not None

    def parameter(self, name: str) -> str:
        node = self.parameterSetNode()
        for key in (self._key(name), name):
            if node.GetAttribute(key) is not None:
                return str(node.GetAttribute(key))
        problems.add(f"effect {self._name} has no parameter {name}")
        return ""

    def integerParameter(self, name: str) -> int:
        return int(float(self.parameter(name) or 0))

    def doubleParameter(self, name: str) -> float:
        return float(self.parameter(name) or 0.0)

    def setParameter(self, name: str, value: str | int | float) -> None:
        self._set(self._key(name), value)

    def setParameterDefault(self, name: str, value: str | int | float) -> None:
        if not self.parameterDefined(name):
            self.setParameter(name, value)

    def setCommonParameter(self, name: str, value: str | int | float) -> None:
        self._set(name, value)

    def setCommonParameterDefault(self, name: str, value: str | int | float) -> None:
        if not self.commonParameterDefined(name):
            self.setCommonParameter(name, value)

    def _set(self, key: str, value: str | int | float) -> None:
        if not isinstance(value, (str, int, float)):
            raise TypeError(f"a text or a number is needed for {key}, not {value!r}")
        self.parameterSetNode().SetAttribute(key, str(int(value) if isinstance(value, bool) else value))

    def saveStateForUndo(self) -> None:
        self._editor.saveStateForUndo()

    def modifierLabelmap(self) -> Any:
        return self._editor.__dict__["_logic"].GetModifierLabelmap()

    def defaultModifierLabelmap(self) -> Any:
        logic = self._editor.__dict__["_logic"]
        logic.ResetModifierLabelmapToDefault()
        return logic.GetModifierLabelmap()

    def modifySelectedSegmentByLabelmap(self, labelmap: Any, mode: int, bypassMasking: bool = False) -> None:
        logic = self._editor.__dict__["_logic"]
        logic.UpdateAlignedSourceVolume()
        logic.UpdateMaskLabelmap()
        node, segment = self._editor.segmentationNode(), self._editor.currentSegmentID()
        logic.ModifySegmentByLabelmap(node, segment, labelmap, mode, True, bypassMasking)


@native
class qMRMLSegmentEditorWidget(qMRMLWidget):
    """The widget wants, in this order: an editor node, a scene, a segmentation, a source volume."""

    currentSegmentIDChanged = QtCore.Signal(str)
    segmentationNodeChanged = QtCore.Signal(object)
    sourceVolumeNodeChanged = QtCore.Signal(object)

    segmentationNodeSelectorVisible = stored(
        "segmentationNodeSelectorVisible",
        bool,
        True,
        lambda self: self._segmentations.setVisible(self.segmentationNodeSelectorVisible),
    )
    sourceVolumeNodeSelectorVisible = stored(
        "sourceVolumeNodeSelectorVisible",
        bool,
        True,
        lambda self: self._sources.setVisible(self.sourceVolumeNodeSelectorVisible),
    )
    autoShowSourceVolumeNode = stored("autoShowSourceVolumeNode", bool, True)
    switchToSegmentationsButtonVisible = stored("switchToSegmentationsButtonVisible", bool, True)
    undoEnabled = stored("undoEnabled", bool, True)
    maximumNumberOfUndoStates = stored(
        "maximumNumberOfUndoStates",
        int,
        10,
        lambda self: self._logic.SetMaximumNumberOfUndoStates(self.maximumNumberOfUndoStates),
    )
    readOnly = stored("readOnly", bool, False)
    effectColumnCount = stored("effectColumnCount", int, 2)
    unorderedEffectsVisible = stored("unorderedEffectsVisible", bool, True, lambda self: self._show_effects())
    defaultTerminologyEntrySettingsKey = stored("defaultTerminologyEntrySettingsKey", str, "")
    defaultTerminologyEntry = stored(
        "defaultTerminologyEntry",
        str,
        "",
        lambda self: self._logic.SetDefaultTerminologyEntry(self.defaultTerminologyEntry),
    )
    jumpToSelectedSegmentEnabled = stored("jumpToSelectedSegmentEnabled", bool, False)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.__dict__.update(_logic=slicer.vtkSlicerSegmentEditorLogic(), _active=None, _order=[], _seen=())
        self.__dict__.update(_observer=Observer(self), _views_observed=False, _removed=Observer(self))
        self.__dict__["_effects"] = {name: qSlicerSegmentEditorEffect(name, self) for name in EFFECTS}
        self._build()

    def _build(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        selectors = []
        for kind in ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode"):
            selector = qMRMLNodeComboBox()
            selector.nodeTypes, selector.noneEnabled = [kind], True
            layout.addWidget(selector)
            selectors.append(selector)
        segmentations, sources = selectors
        segmentations.currentNodeChanged.connect(lambda node: self.setSegmentationNode(node))
        sources.currentNodeChanged.connect(lambda node: self.setSourceVolumeNode(node))
        table = qMRMLSegmentsTableView()
        table.setMinimumHeight(60)
        table.selectionChanged.connect(self._segment_clicked)
        layout.addWidget(table)
        buttons = QtWidgets.QWidget()
        QtWidgets.QGridLayout(buttons).setContentsMargins(0, 0, 0, 0)
        layout.addWidget(buttons)
        self.__dict__.update(_segmentations=segmentations, _sources=sources, _table=table, _buttons=buttons)
        self.__dict__["_effect_buttons"] = {
            name: self._add_button(name, self._toggle(name)) for name in EFFECTS
        }
        self.__dict__["_undo"] = self._add_button("Undo", lambda: self.undo())
        self.__dict__["_redo"] = self._add_button("Redo", lambda: self.redo())
        self._show_effects()

    def _add_button(self, text: str, call: Any) -> QtWidgets.QToolButton:
        button = QtWidgets.QToolButton()
        button.setText(text)
        button.setCheckable(text in EFFECTS)
        button.clicked.connect(call)
        self._buttons.layout().addWidget(button)
        return button

    def _toggle(self, name: str) -> Any:
        return lambda: self.setActiveEffectByName("" if self._active is self._effects[name] else name)

    # Slots and invokable functions, as in the header

    def mrmlSegmentEditorNode(self) -> Any:
        return self._logic.GetSegmentEditorNode()

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._logic.SetMRMLScene(scene)
        for selector in (self._segmentations, self._sources):
            selector.setMRMLScene(scene)
        self._removed.end()
        if scene is not None:
            self._removed.watch(scene, slicer.vtkMRMLScene.EndCloseEvent, call=self._scene_closed)

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        check_class(node, "vtkMRMLSegmentEditorNode")
        self._observer.end()
        self._logic.SetSegmentEditorNode(node)
        if node is not None:
            for name, value in COMMON_DEFAULTS.items():
                if node.GetAttribute(name) is None:
                    node.SetAttribute(name, value)
            self._observer.watch(node, vtk.vtkCommand.ModifiedEvent, call=self.updateWidgetFromMRML)
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        return self._logic.GetSegmentationNode()

    def segmentationNodeID(self) -> str:
        return self.segmentationNode().GetID() if self.segmentationNode() else ""

    def sourceVolumeNode(self) -> Any:
        return self._logic.GetSourceVolumeNode()

    def sourceVolumeNodeID(self) -> str:
        return self.sourceVolumeNode().GetID() if self.sourceVolumeNode() else ""

    def setSegmentationNode(self, node: Any) -> None:
        check_class(node, "vtkMRMLNode")
        if self.mrmlSegmentEditorNode() is None:
            if node is not None:
                problems.add(
                    "segment editor: a segmentation was set before the editor node, and is not taken"
                )
            return
        self._logic.SetSegmentationNode(node)

    def setSourceVolumeNode(self, node: Any) -> None:
        check_class(node, "vtkMRMLNode")
        if self.mrmlSegmentEditorNode() is None or self.segmentationNode() is None:
            if node is not None:
                problems.add(
                    "segment editor: a source volume was set before the segmentation, and is not taken"
                )
            return
        self._logic.SetSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return self._logic.GetCurrentSegmentID()

    def setCurrentSegmentID(self, segment_id: str) -> None:
        self._logic.SetCurrentSegmentID(segment_id)

    def availableEffectNames(self) -> list[str]:
        return list(EFFECTS)

    def effectNameOrder(self) -> list[str]:
        return list(self._order)

    def setEffectNameOrder(self, names: list[str]) -> None:
        self.__dict__["_order"] = list(names)
        self._show_effects()

    def effectByName(self, name: str) -> Any:
        return self._effects.get(name)

    def activeEffect(self) -> Any:
        return self._active

    def setActiveEffect(self, effect: Any) -> None:
        self.__dict__["_active"] = effect
        node = self.mrmlSegmentEditorNode()
        if node is not None:
            node.SetActiveEffectName(effect.name if effect is not None else "")
        self._show_state()

    def setActiveEffectByName(self, name: str) -> None:
        if name and name not in self._effects:
            problems.add(f"segment editor: there is no effect {name}")
        self.setActiveEffect(self._effects.get(name))

    def saveStateForUndo(self) -> None:
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        self._logic.Undo()
        self._show_state()

    def redo(self) -> None:
        self._logic.Redo()
        self._show_state()

    def setupViewObservations(self) -> None:
        self.__dict__["_views_observed"] = True

    def removeViewObservations(self) -> None:
        self.__dict__["_views_observed"] = False

    def installKeyboardShortcuts(self, parent: Any = None) -> None:
        pass

    def uninstallKeyboardShortcuts(self) -> None:
        pass

    def rotateSliceViewsToSegmentation(self) -> None:
        pass

    def updateWidgetFromMRML(self, *_event: Any) -> None:
        node = self.mrmlSegmentEditorNode()
        segmentation, source = self.segmentationNode(), self.sourceVolumeNode()
        segment = self.currentSegmentID()
        if segmentation is not None and not segment and segmentation.GetSegmentation().GetNumberOfSegments():
            segment = segmentation.GetSegmentation().GetNthSegmentID(0)
            node.SetSelectedSegmentID(segment)
        before, self.__dict__["_seen"] = self._seen, (segmentation, source, segment)
        self._show_state()
        if before[:1] != (segmentation,):
            self.segmentationNodeChanged(segmentation)
        if before[1:2] != (source,):
            self.sourceVolumeNodeChanged(source)
        if before[2:] != (segment,):
            self.currentSegmentIDChanged(segment or "")

    # Inside

    def _scene_closed(self, *_event: Any) -> None:
        self.setActiveEffect(None)
        self.setMRMLSegmentEditorNode(None)  # the module has to make another

    def _segment_clicked(self) -> None:
        selected = self._table.selectedSegmentIDs()
        if selected and self.mrmlSegmentEditorNode() is not None:
            self.setCurrentSegmentID(selected[0])

    def _show_effects(self) -> None:
        shown = [name for name in self._order if name in EFFECTS]
        if self.unorderedEffectsVisible:
            shown += [name for name in EFFECTS if name not in shown]
        grid = self._buttons.layout()
        columns = max(1, self.effectColumnCount)
        for index, name in enumerate(shown):
            grid.addWidget(self._effect_buttons[name], index // columns, index % columns)
        for name, button in self._effect_buttons.items():
            button.setVisible(name in shown)

    def _show_state(self) -> None:
        if self.segmentationNode() is not self._table.segmentationNode():
            self._table.setSegmentationNode(self.segmentationNode())
        for selector, node in (
            (self._segmentations, self.segmentationNode()),
            (self._sources, self.sourceVolumeNode()),
        ):
            if selector.currentNode() is not node:
                selector.setCurrentNode(node)
        ready = self.currentSegmentID() != "" and self.sourceVolumeNode() is not None
        for name, button in self._effect_buttons.items():
            button.setEnabled(ready)
            button.setChecked(self._active is self._effects[name])
        self._undo.setEnabled(self._logic.CanUndo())
        self._redo.setEnabled(self._logic.CanRedo())


renamed_signals(
    qMRMLSegmentEditorWidget,
    segmentationNodeChanged="segmentationNodeChanged(vtkMRMLSegmentationNode*)",
    sourceVolumeNodeChanged="sourceVolumeNodeChanged(vtkMRMLVolumeNode*)",
)
