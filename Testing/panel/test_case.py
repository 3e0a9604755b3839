"""The section Case."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from StrokeSynthLib.volume import write_volume
from Testing.examinations import Examination

from .users import choose_examination, finished, keep_worker, section, small_examination


@pytest.fixture
def case(host, panel):
    keep_worker(panel)
    return section(host, panel, "Case")


def test_without_a_dwi_nothing_can_be_made_and_the_tooltips_say_why(case):
    for button in (case.ui.mapButton, case.ui.showButton):
        assert not button.enabled
        assert "Choose a DWI first" in button.toolTip
    assert not case.ui.mapVisibleBox.enabled
    assert not case._commandRow.widget.isVisible()


def test_a_map_is_made_with_one_click(host, panel, case):
    from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation

    dwi, _adc = choose_examination(host, panel)
    host.click(case.ui.mapButton)
    assert finished(host, panel) == "Making the tissue map of Patient DWI: done."
    tissue = panel.parameterNode.caseMap
    assert tissue.GetName() == "Patient DWI tissue map"
    assert labelmapFromSegmentation(tissue, dwi).array.any()
    assert case.ui.mapSelector.currentNode() is tissue


def test_the_segments_of_a_map_are_named_coded_and_remember_how_they_were_made(host, panel, case):
    from StrokeSynthLib.scene.Provenance import read

    choose_examination(host, panel)
    host.click(case.ui.mapButton)
    finished(host, panel)
    tissue = panel.parameterNode.caseMap
    segmentation = tissue.GetSegmentation()
    segment = segmentation.GetNthSegment(0)
    assert "SCT" in segment.GetTerminology()
    assert read(tissue)["GeneratedBy"]["Name"] == "StrokeSynth"


def test_a_map_can_be_hidden_and_shown(host, panel, case):
    choose_examination(host, panel)
    host.click(case.ui.mapButton)
    finished(host, panel)
    assert case.ui.mapVisibleBox.checked
    host.click(case.ui.mapVisibleBox)
    assert not panel.parameterNode.caseMap.GetDisplayNode().GetVisibility()
    host.click(case.ui.mapVisibleBox)
    assert panel.parameterNode.caseMap.GetDisplayNode().GetVisibility()


def test_a_map_that_was_saved_as_a_file_can_be_chosen_again(host, panel, case, tmp_path):
    import slicer

    from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation

    dwi, _adc = choose_examination(host, panel)
    host.click(case.ui.mapButton)
    finished(host, panel)
    before = labelmapFromSegmentation(panel.parameterNode.caseMap, dwi).array
    path = str(tmp_path / "map.seg.nrrd")
    assert slicer.util.saveNode(panel.parameterNode.caseMap, path)
    slicer.mrmlScene.RemoveNode(panel.parameterNode.caseMap)
    loaded = slicer.util.loadSegmentation(path)
    host.choose(case.ui.mapSelector, loaded)
    assert "no tissue map" not in case.ui.caseNotices.text
    np.testing.assert_array_equal(labelmapFromSegmentation(loaded, dwi).array, before)


def test_a_segmentation_that_is_no_map_is_told(host, panel, case):
    from StrokeSynthLib.scene.Segmentations import emptyLesionSegmentation

    dwi, _adc = choose_examination(host, panel)
    host.choose(case.ui.mapSelector, emptyLesionSegmentation(dwi))
    assert case.ui.caseNotices.isVisible()
    assert "Patient DWI lesion is no tissue map" in case.ui.caseNotices.text
    host.choose(case.ui.mapSelector, None)
    assert not case.ui.caseNotices.isVisible()


def test_the_same_volume_twice_is_refused_in_words(host, panel, case):
    dwi, _adc = choose_examination(host, panel)
    host.choose(case.ui.adcSelector, dwi)
    assert not case.ui.mapButton.enabled
    assert "same volume" in case.ui.mapButton.toolTip


def test_an_examination_without_adc_gets_a_map(host, panel, case):
    dwi, _adc = small_examination()
    host.choose(case.ui.dwiSelector, dwi)
    host.click(case.ui.mapButton)
    assert finished(host, panel).endswith("done.")
    assert panel.parameterNode.caseMap is not None


def test_an_image_that_is_unlike_those_known_is_said_to_be(host, panel, case):
    import slicer

    noise = np.random.default_rng(0).normal(100, 30, (12, 32, 32)).astype(np.float32)
    host.choose(case.ui.dwiSelector, slicer.util.addVolumeFromArray(noise, name="Noise"))
    host.click(case.ui.mapButton)
    finished(host, panel)
    assert case.ui.caseNotices.isVisible()
    assert case.ui.caseNotices.text


def test_an_empty_image_is_refused_in_one_sentence(host, panel, case):
    import slicer

    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    host.choose(case.ui.dwiSelector, empty)
    host.click(case.ui.mapButton)
    assert panel.ui.statusLabel.text == ("Empty: holds no image; load it again or choose another volume.")
    assert panel.worker.isError
    assert not panel.worker.busy


def test_a_moved_image_gets_its_map_at_the_same_place(host, panel, case):
    import slicer
    import vtk

    from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation

    dwi, adc = choose_examination(host, panel)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 40.0)
    transform.SetMatrixTransformToParent(matrix)
    for node in (dwi, adc):
        node.SetAndObserveTransformNodeID(transform.GetID())
    host.click(case.ui.mapButton)
    finished(host, panel)
    tissue = panel.parameterNode.caseMap
    assert tissue.GetParentTransformNode() is transform
    assert labelmapFromSegmentation(tissue, dwi).array.any()


def test_images_are_recognized_by_their_names_when_the_module_is_opened(host, panel):
    small_examination()
    panel.exit()
    panel.enter()
    assert panel.parameterNode.caseDwi.GetName() == "Patient DWI"
    assert panel.parameterNode.caseAdc.GetName() == "Patient ADC"


def test_names_that_could_be_several_are_left_to_the_user(host, panel):
    small_examination()
    small_examination(1)
    panel.exit()
    panel.enter()
    assert panel.parameterNode.caseDwi is None
    assert panel.parameterNode.caseAdc is None


def test_files_are_opened_from_folders_with_blanks_and_accents(host, panel, case, tmp_path):
    folder = tmp_path / "Übung mit Leerzeichen"
    folder.mkdir()
    made = Examination()
    paths = [folder / "müller ADC.nii.gz", folder / "müller trace.nii.gz"]
    for path, volume in zip(paths, (made.adc, made.dwi), strict=True):
        write_volume(path, volume)
    host.answer([str(path) for path in paths], "DWI and ADC")
    host.click(case.ui.openButton)
    parameters = panel.parameterNode
    assert parameters.caseDwi.GetStorageNode().GetFileName() == str(paths[1])
    assert parameters.caseAdc.GetStorageNode().GetFileName() == str(paths[0])
    words = shlex.split(case._commandRow.line.text)
    assert words[:6] == ["strokesynth", "map", "--dwi", str(paths[1]), "--adc", str(paths[0])]
    host.click(case.ui.mapButton)
    assert finished(host, panel).endswith("done.")


def test_two_files_without_telling_names_are_taken_in_their_order(host, panel, case, tmp_path):
    made = Examination()
    paths = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    for path, volume in zip(paths, (made.dwi, made.adc), strict=True):
        write_volume(path, volume)
    host.answer([str(path) for path in paths], "DWI and ADC")
    host.click(case.ui.openButton)
    assert (panel.parameterNode.caseDwi.GetName(), panel.parameterNode.caseAdc.GetName()) == ("a", "b")


def test_nothing_is_opened_when_the_user_thinks_better_of_it(host, panel, case):
    host.answer([], "DWI and ADC")
    host.click(case.ui.openButton)
    assert panel.parameterNode.caseDwi is None


def test_a_file_that_is_no_image_is_told(host, panel, case, tmp_path):
    path = tmp_path / "dwi.nii.gz"
    path.write_text("no image")
    host.answer([str(path)], "DWI and ADC")
    with host.expect_problem("VTK error"):
        host.click(case.ui.openButton)
    assert panel.ui.statusLabel.text.startswith("The files could not be loaded.")
    assert panel.parameterNode.caseDwi is None


def test_show_brings_the_dwi_into_the_views(host, panel, case):
    import slicer

    dwi, _adc = choose_examination(host, panel)
    host.click(case.ui.showButton)
    for view in ("Red", "Yellow", "Green"):
        composite = slicer.app.layoutManager().sliceWidget(view).mrmlSliceCompositeNode()
        assert composite.GetBackgroundVolumeID() == dwi.GetID()


def test_a_removed_image_disables_what_needs_it(host, panel, case):
    import slicer

    dwi, _adc = choose_examination(host, panel)
    slicer.mrmlScene.RemoveNode(dwi)
    host.process()
    assert not case.ui.mapButton.enabled
