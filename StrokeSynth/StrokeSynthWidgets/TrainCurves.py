"""Loss and Dice of a training: collected from what it reports, drawn in Slicer's plot view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

#: Attribute of the nodes of a plot: the training that they belong to.
TRAINING = "StrokeSynth.Training"
#: Name of the score of a validation in progress events.
DICE = "validation_dice"
#: Points of a curve at most; the values in between are averaged.
_MOST_POINTS = 300
_COLORS = ((0.84, 0.37, 0.0), (0.0, 0.45, 0.7), (0.0, 0.62, 0.45), (0.8, 0.47, 0.65), (0.35, 0.35, 0.35))

Points = list[tuple[float, float]]


class TrainCurves:
    """Values by step, of one training; goes back with a training that was resumed from an earlier state."""

    def __init__(self) -> None:
        self.points: dict[str, Points] = {}
        self.step = self.steps = 0

    def take(self, events: Sequence[Mapping[str, Any]]) -> bool:
        """Take what was reported; whether there is anything new to draw."""
        new = False
        for event in events:
            values = event.get("values") if event.get("event") == "progress" else None
            if not values:
                continue
            step = int(event.get("done") or 0)
            if step <= self.step:
                self._goBack(step)
            self.step, self.steps = step, int(event.get("total") or 0)
            for name, value in values.items():
                self.points.setdefault(str(name), []).append((float(step), float(value)))
                new = True
        return new

    @property
    def best(self) -> tuple[float, int] | None:
        """The best Dice on validation and its step; None before the first validation."""
        points = self.points.get(DICE)
        if not points:
            return None
        step, score = max(points, key=lambda point: point[1])
        return score, int(step)

    def curve(self, name: str) -> Points:
        """A curve with so few points that it can be looked at; of noisy ones, averages."""
        points = self.points.get(name, [])
        size = -(-len(points) // _MOST_POINTS)
        parts = [points[start : start + size] for start in range(0, len(points), size or 1)]
        return [(part[-1][0], sum(value for _step, value in part) / len(part)) for part in parts]

    def _goBack(self, step: int) -> None:
        for name, points in self.points.items():
            self.points[name] = [point for point in points if point[0] < step]


def curveName(name: str) -> str:
    """A value's name as users read it."""
    return {
        "loss": _("Training loss"),
        DICE: _("Validation Dice"),
        "generator": _("Generator loss"),
        "discriminator": _("Discriminator loss"),
    }.get(name, name.replace("_", " ").capitalize())


def chartOf(training: str) -> Any:
    """The chart of a training in the scene; None where there is none."""
    return next((n for n in _nodes("vtkMRMLPlotChartNode") if n.GetAttribute(TRAINING) == training), None)


def drawCurves(curves: TrainCurves, training: str, title: str) -> Any:
    """Bring a training's chart in the scene up to date, or make it; None where there is nothing to draw yet.

    Parameters
    ----------
    curves
        What is drawn.
    training
        What tells the training from others, in any scene.
    title
        Above the chart.
    """
    # A line needs two points.
    names = [name for name in curves.points if len(curves.points[name]) > 1]
    if not names:
        return None
    chart = chartOf(training) or _add("vtkMRMLPlotChartNode", title, training)
    chart.SetTitle(title)
    chart.SetXAxisTitle(_("Step"))
    chart.SetYAxisTitle(_("Loss, Dice"))
    known = {chart.GetNthPlotSeriesNode(i).GetName() for i in range(chart.GetNumberOfPlotSeriesNodes())}
    for index, name in enumerate(names):
        _fillTable(_tableOf(training, name), curves.curve(name), curveName(name))
        if curveName(name) not in known:
            chart.AddAndObservePlotSeriesNodeID(_series(training, name, index).GetID())
    return chart


def showChart(chart: Any) -> None:
    """Show a chart in the plot view of a layout that has one."""
    manager = slicer.app.layoutManager()
    if manager.plotViewCount == 0 or not _hasPlot(manager.layout):
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
    manager.plotWidget(0).mrmlPlotViewNode().SetPlotChartNodeID(chart.GetID())


def _hasPlot(layout: int) -> bool:
    layouts = slicer.vtkMRMLLayoutNode
    return layout in (
        layouts.SlicerLayoutFourUpPlotView,
        layouts.SlicerLayoutFourUpPlotTableView,
        layouts.SlicerLayoutConventionalPlotView,
        layouts.SlicerLayoutOneUpPlotView,
        layouts.SlicerLayoutThreeOverThreePlotView,
    )


def _series(training: str, name: str, index: int) -> Any:
    node = _add("vtkMRMLPlotSeriesNode", curveName(name), training)
    node.SetAndObserveTableNodeID(_tableOf(training, name).GetID())
    node.SetXColumnName(_("Step"))
    node.SetYColumnName(curveName(name))
    node.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    sparse = name == DICE
    styles = slicer.vtkMRMLPlotSeriesNode
    node.SetMarkerStyle(styles.MarkerStyleCircle if sparse else styles.MarkerStyleNone)
    node.SetColor(*_COLORS[index % len(_COLORS)])
    node.SetLineWidth(2)
    return node


def _tableOf(training: str, name: str) -> Any:
    wanted = f"{training}/{name}"
    found = next((n for n in _nodes("vtkMRMLTableNode") if n.GetAttribute(TRAINING) == wanted), None)
    return found or _add("vtkMRMLTableNode", curveName(name), wanted)


def _fillTable(node: Any, points: Points, name: str) -> None:
    table = vtk.vtkTable()
    for title, values in ((_("Step"), [p[0] for p in points]), (name, [p[1] for p in points])):
        column = vtk.vtkFloatArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    node.SetAndObserveTable(table)


def _nodes(kind: str) -> list[Any]:
    return list(slicer.util.getNodesByClass(kind))


def _add(kind: str, name: str, training: str) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
    node.SetAttribute(TRAINING, training)
    return node
