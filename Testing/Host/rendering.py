"""Pictures of Slicer's views, rendered off-screen by Slicer's own displayable managers."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import slicer
import vtk

_SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
)
_VIEW_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)
_TRY = """
import vtk
window = vtk.vtkRenderWindow()
window.SetOffScreenRendering(1)
window.SetSize(8, 8)
window.AddRenderer(vtk.vtkRenderer())
window.Render()
raise SystemExit(0 if window.GetClassName() in ("vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow") else 3)
"""


@functools.cache
def cannot_render() -> str | None:
    """Why no picture of a view can be made here, or None. Tried in a process of its own: it may crash."""
    tried = subprocess.run([sys.executable, "-c", _TRY], capture_output=True, timeout=120, check=False)
    if tried.returncode == 0:
        return None
    return "no off-screen OpenGL here: apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri"


class _View:
    """A window with what displayable managers of a factory draw for a view node."""

    def __init__(self, size: tuple[int, int], factory: Any, names: Iterable[str], node: Any) -> None:
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.window, self.renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()  # the managers crash without one
        self._interactor.SetRenderWindow(self.window)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.Initialize(factory, self.renderer)
        self._group.SetMRMLDisplayableNode(node)

    def write(self, path: Path) -> None:
        _write(self.window, path)
        self._group.SetMRMLDisplayableNode(None)


def _write(window: Any, path: Path) -> None:
    window.Render()
    grabbed = vtk.vtkWindowToImageFilter()
    grabbed.SetInput(window)
    grabbed.ReadFrontBufferOff()
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputConnection(grabbed.GetOutputPort())
    writer.Write()


def render_slice(logic: Any, path: Path) -> None:
    """Volumes as the slice logic blends them, and over them what the displayable managers add."""
    node = logic.GetSliceNode()
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    view = _View(node.GetDimensions()[:2], factory, _SLICE_MANAGERS, node)
    logic.UpdatePipeline()
    if logic.GetImageDataConnection() is not None:
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(logic.GetImageDataConnection())
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        # In a layer below the managers', as in ctkVTKSliceView: what is translucent lets it through.
        below = vtk.vtkRenderer()
        below.AddViewProp(actor)
        view.window.SetNumberOfLayers(2)
        view.renderer.SetLayer(1)
        view.window.AddRenderer(below)
    view.write(path)


def render_3d(node: Any, path: Path, size: tuple[int, int]) -> None:
    """Models and closed surfaces in a 3D view."""
    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    view = _View(size, factory, _VIEW_MANAGERS, node)
    view.renderer.ResetCamera()
    view.write(path)


def render_plot(chart: Any, path: Path, size: tuple[int, int]) -> None:
    """The line series of a chart, with its titles; markers and ranges of Slicer's plot view are left out."""
    view = vtk.vtkContextView()
    window = view.GetRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(*size)
    view.GetRenderer().SetBackground(1, 1, 1)
    plot = vtk.vtkChartXY()
    plot.SetShowLegend(True)
    plot.SetTitle(chart.GetTitle() or "")
    for axis, title in ((0, chart.GetYAxisTitle()), (1, chart.GetXAxisTitle())):
        plot.GetAxis(axis).SetTitle(title or "")
    view.GetScene().AddItem(plot)
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(index)
        table = series.GetTableNode().GetTable()
        line = plot.AddPlot(vtk.vtkChart.LINE)
        line.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
        line.SetLabel(series.GetName())
        line.SetColorF(*series.GetColor())
        line.SetWidth(series.GetLineWidth())
    _write(window, path)
