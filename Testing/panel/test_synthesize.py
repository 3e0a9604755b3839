"""Synthesize: DWI and ADC into the scene, and slices that follow the brush."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from StrokeSynthLib.jobs.client import WorkerClient
from StrokeSynthLib.translate.registry import train_translator
from Testing.unit import translate_phantom as phantom

from .studio_case import Studio, translator


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


def synthesize(studio):
    studio.host.toggle(studio.synth.button)
    studio.host.click(studio.synth.ui.synthesizeButton)
    studio.host.wait_until(lambda: not studio.panel.worker.busy, 60, "the images")
    studio.host.process()
    return studio.panel.logic.imagesOf(studio.parameters.synthDwi)


def values(node):
    """Voxels (x, y, z) of a volume node."""
    import slicer

    return slicer.util.arrayFromVolume(node).T.copy()


def shown(studio):
    return studio.panel.logic.imagesOf(studio.parameters.synthDwi)


def as_a_volume(studio):
    """DWI and ADC of the lesion as it is, synthesized at once, by the worker."""
    logic, parameters = studio.panel.logic, studio.parameters
    request = logic.synthesisRequest(
        studio.dwi, studio.tissue, translator=parameters.synthTranslator, adc=studio.adc,
        seed=parameters.synthSeed, keepBackground=parameters.synthKeepBackground,
    )  # fmt: skip
    request["lesion"] = logic.lesionMask(parameters.lesionSegmentation, studio.dwi)
    answer = logic.ask("synthesize", request)
    return answer["dwi"].array, answer["adc"].array


# What is missing


def test_without_a_case_nothing_can_be_made_and_the_buttons_say_why(host, panel):
    ui = panel.section("SynthesizeSection").ui
    assert not ui.synthesizeButton.enabled
    assert "Choose a DWI first" in ui.synthesizeButton.toolTip
    assert not ui.compareButton.enabled


def test_each_thing_that_is_missing_is_named(studio):
    button = studio.synth.ui.synthesizeButton
    assert "Paint or generate a lesion first" in button.toolTip
    studio.paint()
    assert button.enabled
    studio.parameters.synthTranslator = ""
    assert "Choose a translator" in button.toolTip
    studio.synth.onHello({**studio.panel.hello, "models": []})
    studio.panel.refresh()
    assert "No translator was found" in button.toolTip
    studio.parameters.caseMap = None
    assert "tissue map" in button.toolTip
    assert not studio.synth.ui.liveBox.enabled
    assert studio.synth.commandLine() == ""


def test_a_shipped_translator_is_ready_from_the_start(host, panel):
    section = panel.section("SynthesizeSection")
    host.wait_until(lambda: panel.hello, 60, "what the worker has")
    assert panel.parameterNode.synthTranslator == "simulated"
    assert section.ui.translatorBox.currentText.startswith("Simulated")


def test_a_translator_that_needs_the_patients_images_makes_no_whole_brain(studio, tmp_path):
    cohort = phantom.write_cohort(tmp_path / "cohort", 2)
    model = train_translator("copypaste", cohort, tmp_path / "copypaste").path
    ui = studio.synth.ui
    studio.paint()
    studio.host.toggle(studio.synth.button)
    studio.host.click(ui.wholeButton)
    assert ui.synthesizeButton.enabled
    studio.host.answer(str(model), "Folder of a translator")
    studio.host.click(ui.folderButton)
    assert not ui.synthesizeButton.enabled
    assert "patient's own images only" in ui.synthesizeButton.toolTip
    assert not ui.liveBox.enabled
    studio.host.click(ui.keepButton)
    assert ui.synthesizeButton.enabled
    studio.host.click(ui.liveBox)
    studio.wait_complete()
    dwi, adc = as_a_volume(studio)
    np.testing.assert_array_equal(values(shown(studio).dwi), dwi)
    np.testing.assert_array_equal(values(shown(studio).adc), adc)
    assert (dwi != studio.head.dwi.array).any()


def test_a_patients_volume_is_not_written_over(studio):
    studio.paint()
    studio.host.toggle(studio.synth.button)
    studio.host.choose(studio.synth.ui.resultSelector, studio.dwi)
    assert not studio.synth.ui.synthesizeButton.enabled
    assert "is not written over" in studio.synth.ui.synthesizeButton.toolTip


def test_a_folder_that_is_no_model_is_refused(studio, tmp_path):
    studio.host.toggle(studio.synth.button)
    studio.host.answer(str(tmp_path), "Folder of a translator")
    studio.host.click(studio.synth.ui.folderButton)
    assert "has no model.json" in studio.panel.ui.statusLabel.text
    studio.host.answer(str(translator()), "Folder of a translator")
    studio.host.click(studio.synth.ui.folderButton)
    assert studio.parameters.synthTranslator == str(translator())


# Images


def test_the_lesion_is_put_into_the_patients_images(studio):
    from StrokeSynthLib.scene.Provenance import isSynthetic, read

    studio.paint()
    images = synthesize(studio)
    assert images.dwi.GetName() == "Patient DWI synthetic DWI"
    assert images.adc.GetName() == "Patient DWI synthetic ADC"
    assert isSynthetic(images.dwi)
    assert read(images.adc)["Channel"] == "adc"
    changed = values(images.dwi) != studio.head.dwi.array
    assert changed[studio.mask() > 0].all()
    assert changed.mean() < 0.01
    difference = values(images.difference)
    assert np.array_equal(difference != 0, changed)


def test_original_synthetic_and_difference_lie_side_by_side(studio):
    import slicer

    studio.paint()
    images = synthesize(studio)
    manager = slicer.app.layoutManager()
    views = [manager.sliceWidget(f"StrokeSynth{name}") for name in ("Original", "Synthetic", "Difference")]
    backgrounds = [view.mrmlSliceCompositeNode().GetBackgroundVolumeID() for view in views]
    assert backgrounds == [studio.dwi.GetID(), images.dwi.GetID(), images.difference.GetID()]
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    studio.host.click(studio.synth.ui.compareButton)
    assert views[0].mrmlSliceNode().IsMappedInLayout()


def test_a_whole_brain_needs_no_lesion(studio):
    studio.host.toggle(studio.synth.button)
    studio.host.click(studio.synth.ui.wholeButton)
    studio.host.type(studio.synth.ui.synthSeedBox, "5")
    images = synthesize(studio)
    assert (values(images.dwi) != studio.head.dwi.array)[studio.head.dwi.array > 0].mean() > 0.9
    assert "--background" not in studio.synth.commandLine()
    assert "--seed 5" in studio.synth.commandLine()


def test_images_are_made_again_from_their_nodes(studio):
    from StrokeSynthLib.scene.Remaking import remake

    studio.paint()
    images = synthesize(studio)
    for node in (images.dwi, images.adc):
        assert not remake(node, studio.panel.logic.client).differences


def test_the_same_volumes_are_written_anew_unless_new_ones_are_chosen(studio):
    studio.paint()
    first = synthesize(studio)
    before = values(first.dwi)
    studio.host.toggle(studio.lesion.button)
    studio.paint(5, 5)
    again = synthesize(studio)
    assert again.dwi is first.dwi
    assert not np.array_equal(values(again.dwi), before)
    studio.host.choose(studio.synth.ui.resultSelector, None)
    third = synthesize(studio)
    assert third.dwi is not first.dwi


def test_images_of_another_case_are_not_written_over(studio):
    from StrokeSynthLib.scene.VolumeNodes import nodeFromVolume

    studio.paint()
    first = synthesize(studio)
    before = values(first.dwi)
    studio.parameters.caseDwi = nodeFromVolume(studio.head.dwi, "Other DWI")
    again = synthesize(studio)
    assert again.dwi is not first.dwi
    assert again.dwi.GetName() == "Other DWI synthetic DWI"
    assert np.array_equal(values(first.dwi), before)


def test_missing_packages_are_asked_for_before_anything_is_made(studio):
    import slicer

    studio.paint()
    slicer.packaging.installer.absent.add("onnxruntime")
    studio.panel.section("StartSection").onHello(studio.panel.hello)
    studio.host.toggle(studio.synth.button)
    studio.host.answer(0, "need to be installed")
    studio.host.click(studio.synth.ui.liveBox)
    assert not studio.synth.ui.liveBox.checked


def test_synthetic_images_become_the_case_to_be_segmented(studio):
    import slicer

    studio.paint()
    images = synthesize(studio)
    studio.host.click(studio.synth.ui.segmentTheseButton)
    parameters = studio.parameters
    assert (parameters.caseDwi, parameters.caseAdc) == (images.dwi, images.adc)
    assert parameters.segmentReference is parameters.lesionSegmentation
    segment = studio.panel.section("SegmentSection")
    assert not segment.button.collapsed
    assert segment.ui.segmentButton.enabled
    assert "is synthetic already" in studio.synth.ui.synthesizeButton.toolTip
    count = len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    studio.wait_idle()
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == count


def test_a_script_makes_a_lesion_and_its_images(studio):
    logic = studio.panel.logic
    lesion = logic.generateLesion(studio.dwi, studio.tissue, territory="MCA", side="left", volumeMl=15)
    assert logic.lesionVolumeMl(lesion, studio.dwi) == pytest.approx(15, rel=0.1)
    images = logic.synthesize(
        studio.dwi, studio.tissue, lesion, translator=str(translator()), adc=studio.adc, seed=3
    )
    mask = logic.lesionMask(lesion, studio.dwi).array > 0
    assert (values(images.difference)[mask] != 0).mean() > 0.99


# Live preview


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

    count = len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    live.host.toggle(live.synth.button)
    live.host.click(live.synth.ui.wholeButton)
    live.host.type(live.synth.ui.synthSeedBox, "9")
    live.host.process()
    live.wait_complete()
    assert np.array_equal(values(shown(live).dwi), as_a_volume(live)[0])
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == count


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
