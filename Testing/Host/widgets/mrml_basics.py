"""qMRMLWidget and the widgets that show one node: tables, plots, segments."""

from __future__ import annotations

from typing import Any

import shiboken6
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .base import native, renamed_signals, stored


def check_class(value: Any, name: str) -> None:
    """Raise as PythonQt does when a slot for one VTK class is given something else."""
    if value is not None and not (isinstance(value, vtk.vtkObjectBase) and value.IsA(name)):
        raise TypeError(f"{name} is needed, not {value!r}")


@native
class qMRMLWidget(QtWidgets.QWidget):
    """A widget with a scene."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.__dict__["_scene"] = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        check_class(scene, "vtkMRMLScene")
        if scene is not self._scene:
            self.__dict__["_scene"] = scene
            self._scene_set()
            self.mrmlSceneChanged(scene)

    def _scene_set(self) -> None:
        """For the widgets below."""


renamed_signals(qMRMLWidget, mrmlSceneChanged="mrmlSceneChanged(vtkMRMLScene*)")


class Observer:
    """Observers of VTK objects that end together, and with the widget that they serve."""

    def __init__(self, widget: QtWidgets.QWidget) -> None:
        self._widget = widget
        self._tags: list[tuple[Any, int]] = []

    def watch(self, subject: Any, *events: Any, call: Any) -> None:
        def guarded(caller: Any, event: str, data: Any = None) -> None:
            if not shiboken6.isValid(self._widget):
                self.end()
            elif hasattr(call, "CallDataType"):
                call(caller, event, data)
            else:
                call(caller, event)

        if hasattr(call, "CallDataType"):
            guarded.CallDataType = call.CallDataType
        for event in events:
            self._tags.append((subject, subject.AddObserver(event, guarded)))

    def end(self) -> None:
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags.clear()


@native
class qMRMLTableView(QtWidgets.QTableView):
    """The table of a vtkMRMLTableNode."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.__dict__.update(_node=None, _observer=Observer(self), _scene=None)

    def setMRMLScene(self, scene: Any) -> None:
        check_class(scene, "vtkMRMLScene")
        self.__dict__["_scene"] = scene

    def setMRMLTableNode(self, node: Any) -> None:
        check_class(node, "vtkMRMLTableNode")
        self._observer.end()
        self.__dict__["_node"] = node
        if node is not None:
            self._observer.watch(node, vtk.vtkCommand.ModifiedEvent, call=self._refresh)
        self._refresh()

    def mrmlTableNode(self) -> Any:
        return self._node

    def copySelection(self) -> None:
        model = self.model()
        cells = sorted((i.row(), i.column()) for i in self.selectionModel().selectedIndexes())
        rows: dict[int, list[str]] = {}
        for row, column in cells:
            rows.setdefault(row, []).append(str(model.index(row, column).data()))
        text = "\n".join("\t".join(row) for row in rows.values())
        QtWidgets.QApplication.clipboard().setText(text)

    def _refresh(self, *_event: Any) -> None:
        model = QtGui.QStandardItemModel(self)
        table = self._node.GetTable() if self._node is not None else None
        if table is not None:
            columns = range(table.GetNumberOfColumns())
            model.setHorizontalHeaderLabels([table.GetColumnName(column) or "" for column in columns])
            for row in range(table.GetNumberOfRows()):
                model.appendRow(
                    [QtGui.QStandardItem(table.GetValue(row, column).ToString()) for column in columns]
                )
        self.setModel(model)


@native
class qMRMLPlotView(QtWidgets.QWidget):
    """Where a plot is drawn; the drawing itself is rendering.py's."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.__dict__.update(_scene=None, _node=None)

    def setMRMLScene(self, scene: Any) -> None:
        check_class(scene, "vtkMRMLScene")
        self.__dict__["_scene"] = scene

    def setMRMLPlotViewNode(self, node: Any) -> None:
        check_class(node, "vtkMRMLPlotViewNode")
        self.__dict__["_node"] = node

    def mrmlPlotViewNode(self) -> Any:
        return self._node

    def fitToContent(self) -> None:
        pass


@native
class qMRMLPlotWidget(qMRMLWidget):
    """A plot view with its controller."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        view = qMRMLPlotView()
        view.setMinimumHeight(120)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(view)
        self.__dict__["_view"] = view

    def _scene_set(self) -> None:
        self._view.setMRMLScene(self._scene)

    def plotView(self) -> qMRMLPlotView:
        return self._view

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self._view.setMRMLPlotViewNode(node)

    def mrmlPlotViewNode(self) -> Any:
        return self._view.mrmlPlotViewNode()


@native
class qMRMLSegmentsTableView(qMRMLWidget):
    """The list of a segmentation's segments."""

    selectionChanged = QtCore.Signal(object, object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        table = QtWidgets.QTableWidget(0, 1)
        table.setHorizontalHeaderLabels(["Name"])
        table.horizontalHeader().setStretchLastSection(True)
        table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(table)
        self.__dict__.update(_table=table, _node=None, _ids=[], _observer=Observer(self))
        table.itemSelectionChanged.connect(lambda: self.selectionChanged(None, None))

    headerVisible = stored("headerVisible", bool, True)
    visibilityColumnVisible = stored("visibilityColumnVisible", bool, True)
    colorColumnVisible = stored("colorColumnVisible", bool, True)
    opacityColumnVisible = stored("opacityColumnVisible", bool, True)
    statusColumnVisible = stored("statusColumnVisible", bool, True)
    readOnly = stored("readOnly", bool, False)
    segmentCount = QtCore.Property("int", lambda self: len(self._ids))

    def segmentationNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        check_class(node, "vtkMRMLSegmentationNode")
        self._observer.end()
        self.__dict__["_node"] = node
        if node is not None:
            segmentation = node.GetSegmentation()
            events = (segmentation.SegmentAdded, segmentation.SegmentRemoved, segmentation.SegmentModified)
            self._observer.watch(segmentation, *events, call=self._refresh)
        self._refresh()

    def _refresh(self, *_event: Any) -> None:
        kept = self.selectedSegmentIDs()
        self.__dict__["_ids"] = list(self._node.GetSegmentation().GetSegmentIDs()) if self._node else []
        self._table.setRowCount(len(self._ids))
        for row, segment_id in enumerate(self._ids):
            segment = self._node.GetSegmentation().GetSegment(segment_id)
            self._table.setItem(row, 0, QtWidgets.QTableWidgetItem(segment.GetName()))
        self.setSelectedSegmentIDs([segment_id for segment_id in kept if segment_id in self._ids])

    def selectedSegmentIDs(self) -> list[str]:
        rows = sorted({index.row() for index in self._table.selectedIndexes()})
        return [self._ids[row] for row in rows if row < len(self._ids)]

    def setSelectedSegmentIDs(self, ids: list[str]) -> None:
        self._table.clearSelection()
        for segment_id in ids:
            self._table.selectRow(self._ids.index(segment_id))

    def clearSelection(self) -> None:
        self._table.clearSelection()

    def segmentIDForRow(self, row: int) -> str:
        return self._ids[row]

    def rowForSegmentID(self, segment_id: str) -> int:
        return self._ids.index(segment_id) if segment_id in self._ids else -1
