"""The segment editor: Slicer's own logic under a stand-in for its widget."""

from __future__ import annotations

import numpy as np
import pytest

from .scene_builders import bright_ball


@pytest.fixture
def editor(host):
    import slicer

    volume = bright_ball()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().RotateToVolumePlane(volume)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lesion")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.GetSegmentation().AddEmptySegment("lesion", "Infarct", (1.0, 0.0, 0.0))
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    widget.setMRMLScene(slicer.mrmlScene)
    widget.setSegmentationNode(node)
    widget.setSourceVolumeNode(volume)
    widget.setupViewObservations()
    widget.show()
    yield widget
    widget.deleteLater()


def mask(editor) -> np.ndarray:
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(
        editor.segmentationNode(), editor.currentSegmentID(), editor.sourceVolumeNode()
    )


def choose_brush(editor, effect: str, diameter: float, sphere: bool = False) -> None:
    editor.setActiveEffectByName(effect)
    editor.activeEffect().setCommonParameter("BrushDiameterIsRelative", 0)
    editor.activeEffect().setCommonParameter("BrushAbsoluteDiameter", diameter)
    editor.activeEffect().setCommonParameter("BrushSphere", int(sphere))


def test_the_first_segment_is_selected(editor):
    assert editor.currentSegmentID() == "lesion"


def test_a_disk_stays_in_its_slice(host, editor):
    choose_brush(editor, "Paint", 20.0)
    host.paint(editor, (0.0, 0.0, 2.5))
    painted = np.argwhere(mask(editor))
    assert np.ptp(painted[:, 0]) == 0
    area = len(painted) * 4.0  # voxels of 2 x 2 mm
    assert area == pytest.approx(np.pi * 10**2, rel=0.1)


def test_a_sphere_reaches_over_slices(host, editor):
    choose_brush(editor, "Paint", 30.0, sphere=True)
    host.paint(editor, (0.0, 0.0, 0.0))
    assert mask(editor).sum() * 20.0 == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.1)


def test_a_stroke_tells_those_who_watch_the_segmentation(host, editor):
    import slicer

    seen = []
    editor.segmentationNode().GetSegmentation().AddObserver(
        slicer.vtkSegmentation.SourceRepresentationModified, lambda *_: seen.append(1)
    )
    choose_brush(editor, "Paint", 10.0)
    host.paint(editor, (0.0, 0.0, 0.0))
    assert seen


def test_erase_takes_away_and_undo_brings_back(host, editor):
    choose_brush(editor, "Paint", 20.0)
    host.paint(editor, (0.0, 0.0, 2.5))
    before = mask(editor)
    choose_brush(editor, "Erase", 10.0)
    host.paint(editor, (0.0, 0.0, 2.5))
    assert 0 < mask(editor).sum() < before.sum()
    editor.undo()
    np.testing.assert_array_equal(mask(editor), before)
    editor.redo()
    assert mask(editor).sum() < before.sum()


def test_a_threshold_of_the_source_volume_limits_the_stroke(host, editor):
    import slicer

    node = editor.mrmlSegmentEditorNode()
    node.SourceVolumeIntensityMaskOn()
    node.SetSourceVolumeIntensityMaskRange(150.0, 1000.0)
    choose_brush(editor, "Paint", 40.0, sphere=True)
    host.paint(editor, (0.0, 0.0, 0.0))
    values = slicer.util.arrayFromVolume(editor.sourceVolumeNode())
    np.testing.assert_array_equal(mask(editor) > 0, values >= 150.0)


def test_a_parent_transform_of_the_segmentation_is_honored(host, editor):
    import slicer
    import vtk

    shift = vtk.vtkTransform()
    shift.Translate(0.0, 30.0, 0.0)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(shift.GetMatrix())
    editor.segmentationNode().SetAndObserveTransformNodeID(transform.GetID())
    editor.sourceVolumeNode().SetAndObserveTransformNodeID(transform.GetID())
    choose_brush(editor, "Paint", 10.0, sphere=True)
    host.paint(editor, (0.0, 30.0, 0.0))
    center = np.argwhere(mask(editor)).mean(0)
    np.testing.assert_allclose(center, (5.5, 31.5, 31.5), atol=0.6)


def test_strokes_do_not_arrive_without_view_observations(host, editor):
    choose_brush(editor, "Paint", 10.0)
    editor.removeViewObservations()
    with pytest.raises(AssertionError, match="setupViewObservations"):
        host.paint(editor, (0.0, 0.0, 0.0))


def test_the_editor_node_goes_with_the_scene(host, editor):
    choose_brush(editor, "Paint", 10.0)
    host.close_scene()
    assert editor.mrmlSegmentEditorNode() is None
    assert editor.activeEffect() is None


def test_a_volume_set_too_early_is_a_problem(host):
    import slicer

    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    with host.expect_problem("not taken"):
        widget.setSourceVolumeNode(bright_ball())


def test_effects_have_slicers_parameters(host, editor):
    paint = editor.effectByName("Paint")
    assert paint.doubleParameter("BrushAbsoluteDiameter") == 5.0
    paint.setParameter("ColorSmudge", 1)
    assert editor.mrmlSegmentEditorNode().GetAttribute("Paint.ColorSmudge") == "1"
    with host.expect_problem("no parameter Brush"):
        paint.parameter("Brush")
    with pytest.raises(TypeError, match="a text or a number"):
        paint.setParameter("BrushSphere", None)
    with host.expect_problem("no effect Pant"):
        editor.setActiveEffectByName("Pant")


def test_only_the_effects_that_are_asked_for_are_shown(host, editor):
    editor.setEffectNameOrder(["Paint", "Erase"])
    editor.unorderedEffectsVisible = False
    shown = [name for name, button in editor.__dict__["_effect_buttons"].items() if button.isVisible()]
    assert shown == ["Paint", "Erase"]
    host.click(editor.__dict__["_effect_buttons"]["Paint"])
    assert editor.activeEffect().name == "Paint"
