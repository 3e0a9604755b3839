"""qMRMLNodeComboBox: the nodes of a scene of given classes, to choose from."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .base import native, renamed_signals, stored
from .mrml_basics import Observer, check_class


@native
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Disabled until it has a scene. Without "None" the first fitting node is chosen by itself."""

    currentNodeChanged = QtCore.Signal(object)
    _currentNodeValid = QtCore.Signal(bool)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUserAction = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        box = QtWidgets.QComboBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(box)
        box.setEnabled(False)
        box.activated.connect(self._activated)
        self.__dict__.update(_box=box, _scene=None, _nodes=[], _current=None)
        self.__dict__.update(_attributes=[], _labels={}, _observer=Observer(self), _names=Observer(self))

    def _filter_changed(self) -> None:
        self._refresh()

    nodeTypes = stored("nodeTypes", list, [], _filter_changed)
    showHidden = stored("showHidden", bool, False, _filter_changed)
    showChildNodeTypes = stored("showChildNodeTypes", bool, True, _filter_changed)
    hideChildNodeTypes = stored("hideChildNodeTypes", list, [], _filter_changed)
    noneEnabled = stored("noneEnabled", bool, False, _filter_changed)
    noneDisplay = stored("noneDisplay", str, "None", _filter_changed)
    addEnabled = stored("addEnabled", bool, True, _filter_changed)
    removeEnabled = stored("removeEnabled", bool, True, _filter_changed)
    renameEnabled = stored("renameEnabled", bool, False, _filter_changed)
    editEnabled = stored("editEnabled", bool, False, _filter_changed)
    baseName = stored("baseName", str, "")
    selectNodeUponCreation = stored("selectNodeUponCreation", bool, True)
    interactionNodeSingletonTag = stored("interactionNodeSingletonTag", str, "Singleton")
    currentNodeID = QtCore.Property(
        "QString",
        lambda self: self._current.GetID() if self._current else "",
        lambda self, node_id: self.setCurrentNodeID(node_id),
    )

    # Slots and invokable functions, as in the header

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        check_class(scene, "vtkMRMLScene")
        if scene is self._scene:
            return
        self._observer.end()
        self.__dict__["_scene"] = scene
        self._box.setEnabled(scene is not None)
        if scene is not None:
            self._observer.watch(scene, slicer.vtkMRMLScene.NodeAddedEvent, call=self._node_added)
            self._observer.watch(scene, slicer.vtkMRMLScene.NodeRemovedEvent, call=self._scene_changed)
            self._observer.watch(scene, slicer.vtkMRMLScene.EndBatchProcessEvent, call=self._scene_changed)
        self._refresh()

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        self._attributes.append((node_type, name, value))
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self.__dict__["_attributes"] = [a for a in self._attributes if a[:2] != (node_type, name)]
        self._refresh()

    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        self._labels[node_type] = label

    def nodeTypeLabel(self, node_type: str) -> str:
        return self._labels.get(node_type, node_type)

    def nodeCount(self) -> int:
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        if isinstance(node, str):
            self.setCurrentNodeID(node)
            return
        check_class(node, "vtkMRMLNode")
        self._select(node if node in self._nodes else None)

    def setCurrentNodeID(self, node_id: str) -> None:
        self._select(next((node for node in self._nodes if node.GetID() == node_id), None))

    def setCurrentNodeIndex(self, index: int) -> None:
        self._select(self.nodeFromIndex(index))

    def addNode(self, node_type: str = "") -> Any:
        node_type = node_type or self.nodeTypes[0]
        if self._scene is None or node_type not in self.nodeTypes:
            return None
        name = self._scene.GenerateUniqueName(self.baseName or self.nodeTypeLabel(node_type))
        node = self._scene.CreateNodeByClass(node_type)
        node.UnRegister(None)
        node.SetName(name)
        for kind, attribute, value in self._attributes:
            if kind == node_type:
                node.SetAttribute(attribute, value or "")
        self._scene.AddNode(node)
        if self.selectNodeUponCreation:
            self._select(node)
        self.nodeAddedByUserAction(node)
        return node

    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self._current)

    # Inside

    def _fits(self, node: Any) -> bool:
        classes = self.nodeTypes
        if self.showChildNodeTypes:
            fits = any(node.IsA(name) for name in classes)
        else:
            fits = node.GetClassName() in classes
        if any(node.IsA(name) for name in self.hideChildNodeTypes):
            return False
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        for kind, attribute, value in self._attributes:
            if node.IsA(kind):
                found = node.GetAttribute(attribute)
                fits = fits and found is not None and value in (None, found)
        return fits

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, _scene: Any, _event: str, node: Any) -> None:
        if not self._scene.IsBatchProcessing() and self._fits(node):
            self._refresh()
            self.nodeAdded(node)

    def _scene_changed(self, *_event: Any) -> None:
        if not self._scene.IsBatchProcessing():
            self._refresh()

    def _refresh(self) -> None:
        self._names.end()
        scene = self._scene
        every = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())] if scene else []
        self.__dict__["_nodes"] = [node for node in every if self._fits(node)]
        for node in self._nodes:
            self._names.watch(node, vtk.vtkCommand.ModifiedEvent, call=lambda *_: self._show())
        current = self._current if self._current in self._nodes else None
        if current is None and self._nodes and not self.noneEnabled:
            current = self._nodes[0]
        self._select(current)

    def _select(self, node: Any) -> None:
        changed = node is not self._current
        self.__dict__["_current"] = node
        self._show()
        if changed:
            self.currentNodeChanged(node)
            self._currentNodeValid(node is not None)
            self.currentNodeIDChanged(node.GetID() if node is not None else "")

    def _show(self) -> None:
        """Bring the entries up to date: None, the nodes, then what can be done."""
        entries: list[tuple[str, Any]] = [(self.noneDisplay, None)] if self.noneEnabled else []
        entries += [(node.GetName() or "", node) for node in self._nodes]
        if self.addEnabled:
            entries += [
                (f"Create new {self.nodeTypeLabel(kind)}", self.addNode) for kind in self.nodeTypes[:1]
            ]
        if self.removeEnabled and self._current is not None:
            entries.append(("Delete current node", self.removeCurrentNode))
        self.__dict__["_entries"] = entries
        texts = [text for text, _ in entries]
        if texts != [self._box.itemText(i) for i in range(self._box.count)]:
            self._box.clear()
            self._box.addItems(texts)
        shown = next((i for i, (_, target) in enumerate(entries) if target is self._current), -1)
        self._box.setCurrentIndex(shown if self._current is not None or self.noneEnabled else -1)

    def _activated(self, index: int) -> None:
        target = self._entries[index][1]
        if callable(target):
            target()
        else:
            self._select(target)
            self.nodeActivated(target)


renamed_signals(
    qMRMLNodeComboBox,
    currentNodeChanged="currentNodeChanged(vtkMRMLNode*)",
    _currentNodeValid="currentNodeChanged(bool)",
    nodeActivated="nodeActivated(vtkMRMLNode*)",
    nodeAdded="nodeAdded(vtkMRMLNode*)",
    nodeAddedByUserAction="nodeAddedByUserAction(vtkMRMLNode*)",
)
