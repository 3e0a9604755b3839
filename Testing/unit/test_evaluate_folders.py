"""Predictions on disk are matched by name; what cannot be scored is said, never averaged away."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.evaluate.folders import evaluate_paths
from StrokeSynthLib.volume import Storage, write_volume
from Testing.examinations import Examination

EXAM = Examination()


@pytest.fixture
def cohort(tmp_path):
    for number in (1, 2):
        EXAM.write(tmp_path / "cohort", f"sub-{number}_ses-1_{{role}}.nii.gz", "dwi", "msk")
    return tmp_path / "cohort"


def predict(folder, *names, volume=EXAM.lesion):
    for name in names:
        write_volume(folder / name, volume)
    return folder


@pytest.mark.parametrize(
    "pattern",
    ["{}.nii.gz", "{}_msk.nii.gz", "{}_label-L_mask.nii.gz", "{}/lesion.nii.gz", "deep/{}_dwi_pred.nrrd"],
)
def test_predictions_are_found_by_case_name(tmp_path, cohort, pattern):
    names = [pattern.format(f"sub-{n}_ses-1") for n in (1, 2)]
    report = evaluate_paths(cohort, predict(tmp_path / "p", *names))
    assert set(report.scores) == {"sub-1_ses-1", "sub-2_ses-1"}
    assert report.summary.strata["all cases"]["dice"].mean == 1
    assert report.not_scored == {}


def test_folders_of_masks_and_single_files_are_references_too(tmp_path, cohort):
    masks = predict(tmp_path / "labels", "a.nii.gz", "b.nii.gz")
    predictions = predict(tmp_path / "p", "a.nii.gz", "b.nii.gz")
    assert len(evaluate_paths(masks, predictions).scores) == 2
    single = evaluate_paths(masks / "a.nii.gz", predictions / "b.nii.gz")
    assert single.scores["a"].dice == 1


def test_a_missing_prediction_is_named_and_in_no_mean(tmp_path, cohort):
    report = evaluate_paths(cohort, predict(tmp_path / "p", "sub-1_ses-1.nii.gz"))
    assert list(report.scores) == ["sub-1_ses-1"]
    assert "has no prediction" in report.not_scored["sub-2_ses-1"]
    assert report.summary.strata["all cases"]["dice"].mean == 1
    assert "NOT SCORED, and in no mean: 1 of 2 cases" in report.table()


def test_a_missing_prediction_counts_as_empty_only_where_that_is_asked_for(tmp_path, cohort):
    report = evaluate_paths(cohort, predict(tmp_path / "p", "sub-1_ses-1.nii.gz"), missing="empty")
    assert report.not_scored == {}
    assert report.counted_as_empty == ("sub-2_ses-1",)
    assert report.scores["sub-2_ses-1"].dice == 0
    assert report.summary.strata["all cases"]["dice"].mean == 0.5
    assert "counted as empty: 1 of 2 cases: sub-2_ses-1" in report.table()
    with pytest.raises(BadInputError, match="--missing zero"):
        evaluate_paths(cohort, tmp_path / "p", missing="zero")


MOVED = replace(EXAM.lesion, affine=EXAM.lesion.affine + np.eye(4)[:, [3, 3, 3, 0]] * [0, 0, 0, 30])
UNUSABLE = {
    "other shape": (replace(EXAM.lesion, array=EXAM.lesion.array[:20]), "20x28x14.*24x28x14"),
    "other place": (MOVED, "lies elsewhere"),
    "label map": (replace(EXAM.lesion, array=EXAM.lesion.array * np.uint8(3)), "is not a mask"),
}


@pytest.mark.parametrize("missing", ["report", "empty"])
@pytest.mark.parametrize(("volume", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_prediction_is_named_and_never_counted_as_empty(tmp_path, cohort, volume, words, missing):
    folder = predict(tmp_path / "p", "sub-1_ses-1.nii.gz")
    predict(folder, "sub-2_ses-1.nii.gz", volume=volume)
    report = evaluate_paths(cohort, folder, missing=missing)
    assert list(report.scores) == ["sub-1_ses-1"]
    assert re.search(words, report.not_scored["sub-2_ses-1"])
    assert report.counted_as_empty == ()


def test_one_of_several_predictions_does_not_stop_the_others(tmp_path, cohort):
    folder = predict(tmp_path / "p", "sub-1_ses-1.nii.gz", "sub-2_ses-1_a.nii.gz", "sub-2_ses-1_b.nii.gz")
    report = evaluate_paths(cohort, folder)
    assert list(report.scores) == ["sub-1_ses-1"]
    assert "2 files could be its prediction" in report.not_scored["sub-2_ses-1"]


def test_the_command_writes_the_report_and_ends_with_status_two(tmp_path, cohort, capsys):
    predict(tmp_path / "p", "sub-1_ses-1.nii.gz")
    words = ["evaluate", "--reference", str(cohort), "--prediction", str(tmp_path / "p"), "--out"]
    assert main([*words, str(tmp_path / "report.json")]) == 2
    assert "could not be scored" in capsys.readouterr().err
    content = json.loads((tmp_path / "report.json").read_text())
    assert list(content["not_scored"]) == ["sub-2_ses-1"]
    assert main([*words, str(tmp_path / "report.json"), "--missing", "empty"]) == 0  # an older report may go
    sidecar = tmp_path / "p" / "sub-1_ses-1.json"
    sidecar.write_text('{"Synthetic": true}')
    assert main([*words, str(sidecar)]) == 2
    assert sidecar.read_text() == '{"Synthetic": true}'


def test_probabilities_are_thresholded_and_said(tmp_path, cohort):
    probability = replace(
        EXAM.lesion, array=(EXAM.lesion.array * 0.5 + 0.1).astype(np.float32), storage=Storage("float32")
    )
    report = evaluate_paths(cohort, predict(tmp_path / "p", "sub-1_ses-1.nii.gz", volume=probability))
    assert report.scores["sub-1_ses-1"].dice == 1
    assert any("0.5 or more" in notice for notice in report.notices)


def test_a_label_map_is_no_prediction(tmp_path, cohort):
    labels = replace(EXAM.lesion, array=EXAM.lesion.array * np.uint8(3))
    with pytest.raises(BadInputError, match="not a mask"):
        evaluate_paths(
            cohort, predict(tmp_path / "p", "sub-1_ses-1.nii.gz", "sub-2_ses-1.nii.gz", volume=labels)
        )


def test_a_mask_beside_its_probability_is_taken(tmp_path, cohort):
    folder = predict(tmp_path / "p", "sub-1_ses-1.nii.gz", "sub-1_ses-1_probability.nii.gz")
    assert len(evaluate_paths(cohort, folder).scores) == 1


def test_two_predictions_of_one_case_are_refused(tmp_path, cohort):
    folder = predict(tmp_path / "p", "sub-1_ses-1_a.nii.gz", "sub-1_ses-1_b.nii.gz")
    with pytest.raises(BadInputError, match=r"No case .*\(and 1 more\).*2 files could be its prediction"):
        evaluate_paths(cohort, folder)


def test_names_that_begin_alike_are_not_mixed_up(tmp_path):
    masks = predict(tmp_path / "m", "case_1.nii.gz", "case_1_2.nii.gz", "case_10.nii.gz")
    report = evaluate_paths(masks, predict(tmp_path / "p", "case_1.nii.gz", "case_1_2_pred.nii.gz"))
    assert set(report.scores) == {"case_1", "case_1_2"}


def test_nothing_that_matches_is_bad_input(tmp_path, cohort):
    with pytest.raises(BadInputError, match=r"none of its 1 images .* such as sub-1_ses-1\.nii\.gz"):
        evaluate_paths(cohort, predict(tmp_path / "p", "other.nii.gz"))
    with pytest.raises(BadInputError, match="no such file or folder"):
        evaluate_paths(cohort, tmp_path / "nothing")


def test_a_cohort_without_masks_is_bad_input(tmp_path):
    EXAM.write(tmp_path / "c", "sub-1_{role}.nii.gz", "dwi")
    with pytest.raises(BadInputError, match="none of its 1 cases has a reference"):
        evaluate_paths(tmp_path / "c", predict(tmp_path / "p", "sub-1.nii.gz"))


def test_the_report_is_saved_as_json_without_nan(tmp_path, cohort):
    events = []
    folder = predict(tmp_path / "p", "sub-1_ses-1.nii.gz", "sub-2_ses-1.nii.gz")
    report = evaluate_paths(cohort, folder, seed=3, progress=events.append)
    report.save(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert content["cases"]["sub-1_ses-1"]["false_positive_ml"] is None
    assert content["summary"]["seed"] == 3
    assert "research" in content["notice"].lower()
    assert events[-1].done == events[-1].total == 2
