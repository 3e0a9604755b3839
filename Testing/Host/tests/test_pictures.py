"""Pictures of views, each shown to change with what it shows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from .scene_builders import bright_ball

pytestmark = pytest.mark.usefixtures("pictures")


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(float)


@pytest.fixture
def ball(host):
    import slicer

    volume = bright_ball()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume


def lesion(volume):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lesion")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.GetSegmentation().AddEmptySegment("lesion", "Infarct", (1.0, 0.0, 0.0))
    mask = (slicer.util.arrayFromVolume(volume) > 80).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "lesion", volume)
    return node


def test_a_slice_view_shows_the_volume(host, ball):
    picture = pixels(host.render_slice("Red"))
    assert picture.shape == (256, 256, 3)
    assert picture[128, 128].min() > 240
    assert picture[5, 5].max() == 0


def test_window_and_level_show(host, ball):
    before = pixels(host.render_slice("Red"))
    display = ball.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0, 2000)
    after = pixels(host.render_slice("Red"))
    assert after[128, 128].max() < 40 < before[128, 128].min()


def test_a_segment_shows_in_its_color(host, ball):
    node = lesion(ball)
    picture = pixels(host.render_slice("Red"))
    red = (picture[..., 0] > picture[..., 1] + 60).sum()
    node.GetDisplayNode().SetVisibility(False)
    without = pixels(host.render_slice("Red"))
    assert red > 200
    assert (without[..., 0] > without[..., 1] + 60).sum() == 0


def test_views_show_their_own_plane(host, ball):
    import slicer

    slicer.app.layoutManager().sliceWidget("Green").sliceLogic().SetSliceOffset(18.0)
    assert pixels(host.render_slice("Red")).max() > 240
    assert pixels(host.render_slice("Green")).mean() < pixels(host.render_slice("Red")).mean()


def test_a_closed_surface_shows_in_3d(host, ball):
    node = lesion(ball)
    without = pixels(host.render_3d())
    node.CreateClosedSurfaceRepresentation()
    picture = pixels(host.render_3d())
    assert (np.abs(picture - without).max(-1) > 40).sum() > 100


def test_a_plot_shows_its_series(host):
    import slicer

    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(
        table, [np.arange(5.0), np.array([0, 0.4, 0.6, 0.7, 0.72])], ["epoch", "Dice"]
    )
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "Dice")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("epoch")
    series.SetYColumnName("Dice")
    series.SetColor(0.0, 0.0, 1.0)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    blank = pixels(host.render_plot(chart))
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    picture = pixels(host.render_plot(chart))
    blue = picture[..., 2] > picture[..., 0] + 100
    assert blue.sum() > 100
    assert (blank[..., 2] > blank[..., 0] + 100).sum() == 0
