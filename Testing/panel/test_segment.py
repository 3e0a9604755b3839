"""The section Segment: one examination."""

from __future__ import annotations

import csv
import shlex

import numpy as np
import pytest

from .users import finished, keep_worker, result_of, section, table


def test_without_images_the_button_says_what_is_missing(host, panel):
    found = section(host, panel, "Segment")
    assert not found.ui.segmentButton.enabled
    assert "Choose a DWI first" in found.ui.segmentButton.toolTip
    assert not found.ui.resultWidget.isVisible()
    assert found.ui.probabilityBox.toolTip == "Segment first"
    assert "Segment first" in found.ui.compareButton.toolTip


def test_lesions_are_segmented_with_one_click(host, panel, segment):
    from StrokeSynthLib.scene.Provenance import read
    from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation

    dwi = panel.parameterNode.caseDwi
    host.click(segment.ui.segmentButton)
    assert finished(host, panel) == "Segmenting Patient DWI: done."
    result = result_of(panel)
    assert result.GetName() == "Patient DWI infarct"
    assert labelmapFromSegmentation(result, dwi).array.any()
    lesion = result.GetSegmentation().GetNthSegment(0)
    assert "infarct" in lesion.GetTerminology().lower()
    assert read(result)["Model"]


@pytest.fixture
def whole_head(host, panel):
    """The section with the simulated case, which is a whole head."""
    keep_worker(panel)
    host.wait_until(lambda: panel.hello, 30, "the worker's hello")
    host.click(section(host, panel, "Start").ui.sampleButton)
    return section(host, panel, "Segment")


def test_the_lesion_of_the_simulated_case_is_found(host, panel, whole_head):
    host.click(whole_head.ui.segmentButton)
    host.wait_until(lambda: whole_head.ui.agreementLabel.text, 90, "the scores")
    dice = float(whole_head.ui.agreementLabel.text.split(",")[0].split()[1])
    assert dice > 0.8
    first = table(whole_head.ui.lesionTable)[1]
    assert (first[2], first[4]) == ("MCA", "right")
    arteries = table(whole_head.ui.territoryTable)
    assert arteries[1][0] == "MCA"
    assert arteries[-1][0] == "All"
    assert float(arteries[-1][1]) == pytest.approx(25, abs=8)


def test_a_part_of_a_head_is_segmented_without_territories_and_this_is_said(host, panel, segment):
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    assert "No territories can be named" in segment.ui.noticesLabel.text
    assert not segment.ui.territoryTable.isVisible()
    assert segment.ui.lesionTable.rowCount > 0


def test_results_lie_beside_the_images_in_the_hierarchy(host, panel, segment):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parameters = panel.parameterNode
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Admission")
    item = hierarchy.GetItemByDataNode(parameters.caseDwi) or hierarchy.CreateItem(study, parameters.caseDwi)
    hierarchy.SetItemParent(item, study)
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    nodes = (parameters.segmentResult, parameters.segmentProbability, parameters.segmentLesions)
    for node in nodes:
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study, node.GetName()


def test_the_table_tells_the_volume_of_each_lesion(host, panel, segment):
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    header, *rows = table(segment.ui.lesionTable)
    assert header == ["Lesion", "Volume (ml)", "Territory", "Branch", "Side"]
    assert rows
    total = sum(float(row[1]) for row in rows)
    assert f"{len(rows)} lesion(s), " in segment.ui.summaryLabel.text
    assert float(segment.ui.summaryLabel.text.split(", ")[1].split(" ml")[0]) == pytest.approx(
        total, abs=0.05
    )


def test_tables_are_copied_for_a_spreadsheet(host, panel, whole_head):
    import slicer

    host.click(whole_head.ui.segmentButton)
    host.wait_until(lambda: whole_head.ui.agreementLabel.text, 90, "the scores")
    host.click(whole_head.ui.copyButton)
    lesions, territories = slicer.app.clipboard().text().split("\n\n")
    assert lesions.splitlines()[0].split("\t")[:3] == ["Lesion", "Volume (ml)", "Territory"]
    assert len(lesions.splitlines()) == 1 + whole_head.ui.lesionTable.rowCount
    assert territories.splitlines()[-1].startswith("All\t")


def test_the_table_is_saved_as_csv(host, panel, segment, tmp_path):
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    path = tmp_path / "Tabelle für Müller.csv"
    host.answer(str(path.with_suffix("")), "Table of lesions")
    host.click(segment.ui.saveButton)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == segment.ui.lesionTable.rowCount
    assert set(rows[0]) >= {"Volume (ml)", "Territory", "R (mm)", "A (mm)", "S (mm)"}
    assert str(path) in panel.ui.statusLabel.text


def test_a_table_that_cannot_be_saved_is_told(host, panel, segment, tmp_path):
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    (tmp_path / "file").write_text("")
    host.answer(str(tmp_path / "file" / "table.csv"), "Table of lesions")
    host.click(segment.ui.saveButton)
    assert "cannot be written" in panel.ui.statusLabel.text
    assert panel.worker.isError


def test_a_click_on_a_lesion_shows_it(host, panel, segment):
    import slicer
    from StrokeSynthWidgets.Tables import columnsOfNode

    host.click(segment.ui.segmentButton)
    finished(host, panel)
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    red.JumpSliceByOffsetting(0, 0, 500.0)
    segment.ui.lesionTable.cellClicked(0, 1)
    level = float(columnsOfNode(panel.parameterNode.segmentLesions)["S (mm)"][0])
    assert red.GetSliceOffset() == pytest.approx(level, abs=0.1)


def test_the_probability_is_laid_over_the_images_and_taken_away(host, panel, segment):
    import slicer

    host.click(segment.ui.segmentButton)
    finished(host, panel)
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    host.click(segment.ui.probabilityBox)
    assert composite.GetForegroundVolumeID() == panel.parameterNode.segmentProbability.GetID()
    assert composite.GetForegroundOpacity() > 0
    host.click(segment.ui.probabilityBox)
    assert not composite.GetForegroundVolumeID()


def test_uncertainty_is_given_when_asked_for(host, panel, segment):
    import slicer

    host.click(segment.ui.uncertaintyBox)
    assert "--uncertainty" in segment._commandRow.line.text
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    node = panel.parameterNode.segmentUncertaintyMap
    assert node.GetName() == "Patient DWI uncertainty"
    assert slicer.util.arrayFromVolume(node).max() > 0


def test_the_map_of_the_same_pass_is_kept_when_there_was_none(host, panel, segment):
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    tissue = panel.parameterNode.caseMap
    assert tissue is not None
    assert not tissue.GetDisplayNode().GetVisibility()
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    assert panel.parameterNode.caseMap is tissue


def test_another_model_can_be_chosen_and_is_named_in_the_command(host, panel, segment):
    from StrokeSynthLib.scene.Provenance import read

    host.choose(segment.ui.modelBox, "Threshold")
    assert panel.parameterNode.segmentModel == "threshold"
    assert "--model threshold" in segment._commandRow.line.text
    assert not segment.ui.uncertaintyBox.enabled
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    assert read(result_of(panel))["Model"]["Name"] == "threshold"


def test_a_model_that_is_gone_is_told(host, panel, segment):
    panel.parameterNode.segmentModel = "/gone/my-model"
    segment.onHello(panel.hello)
    assert segment.ui.modelBox.currentText == "my-model (not found)"
    host.click(segment.ui.segmentButton)
    assert "/gone/my-model" in finished(host, panel)
    assert panel.worker.isError


def test_the_command_is_what_the_panel_does(panel, segment):
    words = shlex.split(segment._commandRow.line.text)
    assert words[:2] == ["strokesynth", "segment"]
    assert words[2:8] == [
        "--dwi", "Patient-DWI.nii.gz", "--adc", "Patient-ADC.nii.gz", "--out", "Patient-DWI-infarct.nii.gz",
    ]  # fmt: skip


def test_the_command_that_is_shown_makes_the_same_mask(host, panel, tmp_path, monkeypatch):
    from StrokeSynthLib.cli import main
    from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation
    from StrokeSynthLib.volume import read_volume, write_volume
    from Testing.examinations import Examination

    keep_worker(panel)
    made, paths = Examination(), [tmp_path / "a dwi.nii.gz", tmp_path / "an adc.nii.gz"]
    for path, volume in zip(paths, (made.dwi, made.adc), strict=True):
        write_volume(path, volume)
    host.answer([str(path) for path in paths], "DWI and ADC")
    host.click(section(host, panel, "Case").ui.openButton)
    segment = section(host, panel, "Segment")
    words = shlex.split(segment._commandRow.line.text)
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    shown = labelmapFromSegmentation(result_of(panel), panel.parameterNode.caseDwi).canonical()
    monkeypatch.chdir(tmp_path)
    assert main([*words[1:], "--progress", "none"]) == 0
    written = read_volume(tmp_path / words[words.index("--out") + 1]).canonical()
    assert shown.array.any()
    np.testing.assert_array_equal(shown.array, written.array)
    np.testing.assert_allclose(shown.affine, written.affine, atol=1e-4)


def test_agreement_with_a_reference_is_shown_at_once(host, panel, segment):
    from StrokeSynthLib.scene.Segmentations import lesionSegmentation
    from Testing.examinations import Examination

    dwi = panel.parameterNode.caseDwi
    reference = lesionSegmentation(Examination().lesion, name="Reader 1", reference=dwi, synthetic=False)
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    assert not segment.ui.agreementLabel.text
    host.choose(segment.ui.referenceSelector, reference)
    finished(host, panel)
    assert segment.ui.agreementLabel.text.startswith("Dice 0.")
    assert "Hausdorff" in segment.ui.agreementLabel.text


def test_agreement_is_scored_by_itself_when_the_reference_was_there_before(host, panel, segment):
    from StrokeSynthLib.scene.Segmentations import lesionSegmentation
    from Testing.examinations import Examination

    dwi = panel.parameterNode.caseDwi
    reference = lesionSegmentation(Examination().lesion, name="Reader 1", reference=dwi, synthetic=False)
    host.choose(segment.ui.referenceSelector, reference)
    host.click(segment.ui.segmentButton)
    host.wait_until(lambda: segment.ui.agreementLabel.text, 60, "the scores")


def test_a_segmentation_is_not_compared_with_itself(host, panel, segment):
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    host.choose(segment.ui.referenceSelector, result_of(panel))
    assert not segment.ui.compareButton.enabled
    assert "same segmentation" in segment.ui.compareButton.toolTip


def test_an_empty_reference_gives_scores_without_distance(host, panel, segment):
    from StrokeSynthLib.scene.Segmentations import emptyLesionSegmentation

    host.click(segment.ui.segmentButton)
    finished(host, panel)
    empty = emptyLesionSegmentation(panel.parameterNode.caseDwi)
    host.choose(segment.ui.referenceSelector, empty)
    finished(host, panel)
    assert segment.ui.agreementLabel.text.startswith("Dice 0.000")
    assert "Hausdorff" not in segment.ui.agreementLabel.text


def test_the_earlier_result_stays_in_the_scene_but_is_hidden(host, panel, segment):
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    first = result_of(panel)
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    assert result_of(panel) is not first
    assert not first.GetDisplayNode().GetVisibility()
    assert result_of(panel).GetDisplayNode().GetVisibility()


def test_a_segmentation_corrected_by_hand_is_measured_again(host, panel, segment):
    import slicer

    host.click(segment.ui.segmentButton)
    finished(host, panel)
    before = float(table(segment.ui.lesionTable)[1][1])
    tables = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode")
    result, dwi = result_of(panel), panel.parameterNode.caseDwi
    name = result.GetSegmentation().GetNthSegmentID(0)
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(result, name, dwi)
    levels = np.flatnonzero(mask.any(axis=(1, 2)))
    mask[levels[: len(levels) // 2]] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, result, name, dwi)
    panel.parameterNode.caseMap = None
    host.click(segment.ui.measureButton)
    assert finished(host, panel) == "Measuring Patient DWI infarct: done."
    after = float(table(segment.ui.lesionTable)[1][1])
    assert 0 < after < before
    assert f"{after:.2f} ml together" in segment.ui.summaryLabel.text
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == tables


def test_a_segmentation_of_someone_else_is_measured_when_it_is_picked(host, panel, segment):
    from StrokeSynthLib.scene.Segmentations import lesionSegmentation
    from Testing.examinations import Examination

    lesion = Examination().lesion
    dwi = panel.parameterNode.caseDwi
    reader = lesionSegmentation(lesion, name="Reader 1", reference=dwi, synthetic=False)
    host.choose(segment.ui.resultSelector, reader)
    finished(host, panel)
    volume = lesion.array.sum() * lesion.grid.voxel_ml
    assert float(table(segment.ui.lesionTable)[1][1]) == pytest.approx(volume, abs=0.01)


def test_the_result_is_not_covered_by_the_map(host, panel, segment):
    case = section(host, panel, "Case")
    host.click(case.ui.mapButton)
    finished(host, panel)
    host.toggle(segment.button)
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    assert not panel.parameterNode.caseMap.GetDisplayNode().GetVisibility()
    assert result_of(panel).GetDisplayNode().GetVisibility()
