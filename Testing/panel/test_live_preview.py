"""The live preview: slices that follow the brush."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from StrokeSynthLib.jobs.client import WorkerClient

from .studio_case import Studio, as_a_volume, shown, values


@pytest.fixture
def studio(host, panel):
    return Studio(host, panel)


@pytest.fixture
def live(studio):
    """A painted lesion and a preview of it, the brush in hand."""
    studio.paint()
    studio.host.toggle(studio.synth.button)
    studio.host.click(studio.synth.ui.liveBox)
    studio.wait_complete()
    studio.host.toggle(studio.lesion.button)
    return studio


def test_after_a_stroke_the_slice_in_sight_is_what_the_volume_would_be(live):
    number = live.head.dwi.array.shape[2] // 2
    before = values(shown(live).dwi)
    live.paint(5, 5)
    live.host.wait_until(
        lambda: not np.array_equal(values(shown(live).dwi)[:, :, number], before[:, :, number]),
        20,
        "the slice",
    )
    now = values(shown(live).dwi)
    live.wait_complete()
    dwi, adc = as_a_volume(live)
    assert np.array_equal(now[:, :, number], dwi[:, :, number])
    assert np.array_equal(values(shown(live).dwi), dwi)
    assert np.array_equal(values(shown(live).adc), adc)
    assert np.array_equal(values(shown(live).difference), dwi - live.head.dwi.array)


def test_the_slices_in_sight_come_first(live, monkeypatch):
    asked = []
    request = live.panel.worker.client.request

    def spied(do, args, *rest):
        asked.append((do, args.get("slices")))
        return request(do, args, *rest)

    monkeypatch.setattr(live.panel.worker.client, "request", spied)
    live.paint(5, 5, 3)  # in the view, which shows the middle slice, nothing of it is seen
    assert asked[0] == ("preview_slices", [live.head.dwi.array.shape[2] // 2])
    live.look_at(live.middle(5, 5, 3))
    live.paint(9, 5, 3)
    live.wait_complete()
    assert ("preview_slices", [live.head.dwi.array.shape[2] // 2 + 3]) in asked


def test_images_are_marked_as_not_exact_until_the_brush_rests(live):
    from StrokeSynthWidgets.PreviewScreen import APPROXIMATE

    from StrokeSynthLib.scene.Remaking import canBeRemade, remake

    node = shown(live).dwi
    assert canBeRemade(node)
    live.paint(5, 5)
    live.host.wait_until(lambda: node.GetAttribute(APPROXIMATE), 20, "a new slice")
    assert not canBeRemade(node)
    live.wait_complete()
    assert node.GetAttribute(APPROXIMATE) is None
    assert not remake(node, live.panel.logic.client).differences


def test_strokes_that_follow_each_other_all_arrive(live):
    for step in range(6):
        live.paint(-step * 3, step * 2)
    live.wait_complete()
    assert np.array_equal(values(shown(live).dwi), as_a_volume(live)[0])


def test_a_stroke_does_not_wait_for_its_slice(live, monkeypatch):
    asked = []
    work = live.panel.worker
    monkeypatch.setattr(work.client, "poll", lambda wait=0.0: asked.append(wait))
    for step in range(3):
        live.paint(step * 3, step * 3)
    assert live.synth.preview.state == "drawing"
    monkeypatch.undo()
    live.wait_complete()
    assert np.array_equal(values(shown(live).dwi), as_a_volume(live)[0])


def test_undo_is_followed_too(live):
    before = values(shown(live).dwi)
    live.paint(5, 5)
    live.wait_complete()
    assert not np.array_equal(values(shown(live).dwi), before)
    live.editor.undo()
    live.host.process()
    live.wait_complete()
    assert np.array_equal(values(shown(live).dwi), before)


def test_another_seed_is_followed_without_new_volumes(live):
    import slicer

    from StrokeSynthLib.scene.Layouts import differenceScale

    count = len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    live.host.toggle(live.synth.button)
    live.host.click(live.synth.ui.wholeButton)
    live.host.type(live.synth.ui.synthSeedBox, "9")
    live.host.process()
    live.wait_complete()
    assert np.array_equal(values(shown(live).dwi), as_a_volume(live)[0])
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == count
    live.host.toggle(live.lesion.button)
    live.paint(5, 5)
    live.wait_complete()
    scale = differenceScale(shown(live).difference)
    assert scale != 1, "a whole brain has a scale of its own"
    expected = as_a_volume(live)[0] * scale - live.head.dwi.array
    np.testing.assert_allclose(values(shown(live).difference), expected, rtol=1e-5, atol=1e-3)


def test_the_users_window_stays_while_the_brush_paints(live):
    display = shown(live).dwi.GetDisplayNode()
    display.SetWindowLevelMinMax(1.0, 77.0)
    live.paint(5, 5)
    live.wait_complete()
    assert display.GetWindowLevelMax() == 77.0


def test_switching_it_off_leaves_the_images(live):
    live.host.toggle(live.synth.button)
    live.host.click(live.synth.ui.liveBox)
    before = values(shown(live).dwi)
    live.host.toggle(live.lesion.button)
    live.paint(5, 5)
    live.wait_idle()
    assert np.array_equal(values(shown(live).dwi), before)
    assert live.synth.preview.state == "off"


def test_cancelling_while_it_opens_switches_it_off(studio):
    studio.paint()
    studio.wait_idle()
    studio.host.toggle(studio.synth.button)
    studio.host.click(studio.synth.ui.liveBox)
    assert "Opening the live preview" in studio.panel.ui.statusLabel.text
    studio.host.click(studio.panel.ui.cancelButton)
    studio.wait_idle()
    assert not studio.synth.ui.liveBox.checked
    assert studio.parameters.synthDwi is None


def test_a_killed_worker_is_replaced_at_the_next_stroke(live):
    client = live.panel.logic.client
    live.wait_idle()
    os.kill(client.process_id, signal.SIGKILL)
    live.paint(5, 5)
    live.host.wait_until(lambda: live.panel.worker.isError or live.synth.preview.isComplete, 30, "the news")
    live.paint(-5, 5)
    live.wait_complete()
    assert np.array_equal(values(shown(live).dwi), as_a_volume(live)[0])


def test_removed_volumes_are_made_anew(live):
    import slicer

    images = shown(live)
    for node in (images.dwi, images.adc, images.difference):
        slicer.mrmlScene.RemoveNode(node)
    live.paint(5, 5)
    live.wait_complete()
    assert np.array_equal(values(shown(live).dwi), as_a_volume(live)[0])


def test_closing_the_scene_while_slices_are_drawn_takes_nothing_into_the_next(live):
    import slicer

    live.paint(5, 5)
    live.host.close_scene()
    live.wait_idle()
    live.host.wait(1.0)
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert live.synth.preview.state == "off"
    assert not live.synth.ui.stateLabel.text


def test_the_preview_goes_on_after_save_and_reload(live):
    import slicer

    count = len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    live.host.load_scene(live.host.save_scene())
    live.wait_complete()
    assert live.synth.ui.liveBox.checked
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == count
    live.dwi, live.adc = live.parameters.caseDwi, live.parameters.caseAdc
    live.tissue = live.parameters.caseMap
    live.host.click(live.lesion.ui.paintButton)
    live.host.paint(live.editor, live.middle(4, 4))
    live.wait_complete()
    assert np.array_equal(values(shown(live).dwi), as_a_volume(live)[0])


def test_a_bent_image_is_told_in_words(live):
    import slicer
    import vtk

    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "bent")
    bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    live.dwi.SetAndObserveTransformNodeID(bent.GetID())
    live.panel.refresh()
    assert "non-linear transform" in live.synth.ui.stateLabel.text
    live.dwi.SetAndObserveTransformNodeID(None)
    live.panel.refresh()
    live.wait_complete()


def test_a_worker_that_cannot_start_is_told_once(studio, tmp_path):
    studio.paint()
    studio.panel.logic.client = studio.panel.worker.client = WorkerClient(str(tmp_path / "no python"))
    studio.host.toggle(studio.synth.button)
    studio.host.click(studio.synth.ui.liveBox)
    studio.host.wait_until(lambda: studio.panel.worker.isError, 10, "the news")
    assert "cannot be started" in studio.panel.ui.statusLabel.text
    assert studio.synth.preview.state == "failed"
