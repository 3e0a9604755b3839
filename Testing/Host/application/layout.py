"""layoutManager(): views by name. Layouts, slice and 3D view logics are Slicer's; the widgets hold no pixels.

Pictures of the views are rendered on request; see rendering.py.
"""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from ..strictqt.classes import mark_native
from ..widgets.base import renamed_signals
from ..widgets.mrml_basics import qMRMLPlotWidget, qMRMLTableView, qMRMLWidget

#: Size of every slice view in pixels, at the start.
SLICE_SIZE = (256, 256)


@mark_native
class qMRMLSliceWidget(qMRMLWidget):
    """One slice view."""

    def __init__(self, core: Any, node: Any) -> None:
        super().__init__()
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(core.applicationLogic)
        logic.SetMRMLScene(core.scene)
        logic.SetSliceNode(node)
        logic.ResizeSliceNode(*SLICE_SIZE)
        core.sliceLogics.AddItem(logic)
        self.__dict__.update(_logic=logic, _node=node)

    def sliceLogic(self) -> Any:
        return self._logic

    def mrmlSliceNode(self) -> Any:
        return self._node

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground()


@mark_native
class qMRMLThreeDView(QtWidgets.QWidget):
    """The picture of a 3D view."""

    def resetFocalPoint(self) -> None:
        pass

    def resetCamera(self) -> None:
        pass

    def scheduleRender(self) -> None:
        pass

    def forceRender(self) -> None:
        pass


@mark_native
class qMRMLThreeDWidget(qMRMLWidget):
    """One 3D view."""

    def __init__(self, core: Any, node: Any) -> None:
        super().__init__()
        logic = slicer.vtkMRMLViewLogic()
        logic.SetMRMLApplicationLogic(core.applicationLogic)
        logic.SetMRMLScene(core.scene)
        logic.AddViewNode(node.GetLayoutName())
        core.viewLogics.AddItem(logic)
        self.__dict__.update(_logic=logic, _node=node, _view=qMRMLThreeDView(self))

    def mrmlViewNode(self) -> Any:
        return self._node

    def viewLogic(self) -> Any:
        return self._logic

    def threeDView(self) -> qMRMLThreeDView:
        return self._view


@mark_native
class qMRMLTableWidget(qMRMLWidget):
    """One table view."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["_view"] = qMRMLTableView(self)

    def tableView(self) -> qMRMLTableView:
        return self._view


@mark_native
class qSlicerLayoutManager(QtCore.QObject):
    """Views of the current layout, and all that earlier layouts made."""

    layoutChanged = QtCore.Signal(int)

    def __init__(self, core: Any) -> None:
        super().__init__()
        logic = slicer.vtkMRMLLayoutLogic()
        logic.SetMRMLApplicationLogic(core.applicationLogic)
        logic.SetMRMLScene(core.scene)
        self.__dict__.update(_core=core, _logic=logic, _views={}, _shown=None)
        node = logic.GetLayoutNode()
        tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)
        self.__dict__["_observed"] = (node, tag)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def _update(self, *_event: Any) -> None:
        collection = self._logic.GetViewNodes()
        nodes = [collection.GetItemAsObject(index) for index in range(collection.GetNumberOfItems())]
        for view in self._of((qMRMLSliceWidget, qMRMLThreeDWidget)):
            node = view.__dict__["_node"]
            node.SetMappedInLayout(node in nodes)
        for node in nodes:
            node.SetMappedInLayout(True)
            if node.GetID() not in self._views:
                self._views[node.GetID()] = self._make_view(node)
        arrangement = self._logic.GetLayoutNode().GetViewArrangement()
        if arrangement != self._shown:
            self.__dict__["_shown"] = arrangement
            self.layoutChanged(arrangement)

    def _make_view(self, node: Any) -> QtWidgets.QWidget:
        if node.IsA("vtkMRMLSliceNode"):
            return qMRMLSliceWidget(self._core, node)
        if node.IsA("vtkMRMLViewNode"):
            return qMRMLThreeDWidget(self._core, node)
        if node.IsA("vtkMRMLPlotViewNode"):
            widget = qMRMLPlotWidget()
            widget.setMRMLPlotViewNode(node)
            return widget
        return qMRMLTableWidget()

    def _of(self, kind: type | tuple[type, ...]) -> list[Any]:
        return [view for view in self._views.values() if isinstance(view, kind)]

    layout = QtCore.Property(
        "int",
        lambda self: self._logic.GetLayoutNode().GetViewArrangement(),
        lambda self, value: self.setLayout(value),
    )
    threeDViewCount = QtCore.Property("int", lambda self: len(self._of(qMRMLThreeDWidget)))
    plotViewCount = QtCore.Property("int", lambda self: len(self._of(qMRMLPlotWidget)))
    tableViewCount = QtCore.Property("int", lambda self: len(self._of(qMRMLTableWidget)))

    def setLayout(self, layout: int) -> None:
        self._logic.GetLayoutNode().SetViewArrangement(layout)
        self._update()

    def layoutLogic(self) -> Any:
        return self._logic

    def mrmlScene(self) -> Any:
        return self._core.scene

    def sliceViewNames(self) -> list[str]:
        return [view.mrmlSliceNode().GetLayoutName() for view in self._of(qMRMLSliceWidget)]

    def sliceWidget(self, name: str) -> Any:
        views = self._of(qMRMLSliceWidget)
        return next((view for view in views if view.mrmlSliceNode().GetLayoutName() == name), None)

    def threeDWidget(self, index: int) -> Any:
        return self._of(qMRMLThreeDWidget)[index]

    def plotWidget(self, index: int) -> Any:
        return self._of(qMRMLPlotWidget)[index]

    def tableWidget(self, index: int) -> Any:
        return self._of(qMRMLTableWidget)[index]

    def mrmlSliceLogics(self) -> Any:
        return self._core.sliceLogics

    def resetSliceViews(self) -> None:
        for view in self._of(qMRMLSliceWidget):
            view.sliceLogic().FitSliceToAll()

    def resetThreeDViews(self) -> None:
        pass

    def end(self) -> None:
        """For the host: let go of the scene."""
        node, tag = self._observed
        node.RemoveObserver(tag)
        for view in self._views.values():
            logic = view.__dict__.get("_logic")
            if logic is not None:
                logic.SetMRMLScene(None)
            view.deleteLater()
        self._views.clear()
        self._logic.SetMRMLScene(None)


renamed_signals(qSlicerLayoutManager)
