"""Synthesize: DWI and ADC into the scene, and slices that follow the brush."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.translate.registry import train_translator
from Testing.unit import translate_phantom as phantom

from .studio_case import Studio, as_a_volume, shown, synthesize, translator, values


@pytest.fixture
def studio(host, panel):
    return Studio(host, panel)


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
