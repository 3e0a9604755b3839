"""The quick method: finds a clear lesion, with and without ADC, and learns its parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.modelfolder import open_model
from StrokeSynthLib.segment.decision import Decision, dice, tune_decision, without_specks
from StrokeSynthLib.segment.preprocess import prepare
from StrokeSynthLib.segment.registry import SEGMENTERS, open_segmenter
from StrokeSynthLib.segment.threshold import (
    ThresholdParameters,
    accepted,
    features_of,
    margin_of,
    probability_of,
)
from StrokeSynthLib.segment.threshold_tuning import tune_threshold
from Testing.unit.segment_builders import examination, turned


@pytest.mark.parametrize("with_adc", [True, False])
def test_shipped_threshold_finds_a_clear_lesion(with_adc):
    case = examination(1)
    found = open_segmenter("threshold").predict(case.dwi, case.adc if with_adc else None)
    assert dice(case.lesion.array, found.mask.array) > 0.6


def test_mask_is_written_on_the_dwi_grid_in_its_orientation():
    case = examination(2, spacing=(3.0, 3.0, 6.0))
    dwi, adc = (turned(v, (1, 2, 0), (0, 2)) for v in (case.dwi, case.adc))
    found = open_segmenter("threshold").predict(dwi, adc)
    for volume in (found.mask, found.probability):
        assert volume.array.shape == dwi.array.shape
        np.testing.assert_array_equal(volume.affine, dwi.affine)
    assert found.mask.array.dtype == np.uint8
    assert dice(turned(case.lesion, (1, 2, 0), (0, 2)).array, found.mask.array) > 0.6


def test_probability_is_one_half_or_more_exactly_in_the_mask():
    case = examination(3)
    prepared = prepare(case.dwi, case.adc)
    parameters = ThresholdParameters()
    features = features_of(prepared, parameters.smoothing)
    mask = accepted(features, margin_of(features, parameters), parameters)
    assert mask.any()
    np.testing.assert_array_equal(probability_of(features, parameters) >= 0.5, mask)


def test_bright_place_with_high_adc_is_not_a_lesion():
    case = examination(4)
    old = case.adc.with_array(np.where(case.lesion.array > 0, 1.4, case.adc.array).astype(np.float32))
    found = open_segmenter("threshold").predict(case.dwi, old)
    assert dice(case.lesion.array, found.mask.array) < 0.1


def test_head_without_lesion_gives_almost_nothing():
    case = examination(5, lesion_radius=0.0)
    found = open_segmenter("threshold").predict(case.dwi, case.adc)
    assert found.mask.array.sum() * case.grid.voxel_ml < 2.0


def test_tuning_beats_bad_parameters_and_repeats_itself(tmp_path):
    cases = [examination(seed) for seed in (6, 7)]
    first = tune_threshold(iter(cases), tmp_path / "a", seed=1, trials=60)
    again = tune_threshold(iter(cases), tmp_path / "b", seed=1, trials=60)
    assert first.config == again.config
    assert first.training["mean_dice"]["with_adc"] > 0.75
    assert "not a substitute" in (tmp_path / "a" / "card.md").read_text()
    opened = open_segmenter(tmp_path / "a")
    found = opened.predict(cases[0].dwi, cases[0].adc)
    assert dice(cases[0].lesion.array, found.mask.array) > 0.7
    assert opened.model_hash == first.hash


def test_tuning_needs_a_reference(tmp_path):
    with pytest.raises(BadInputError, match="no lesion mask"):
        tune_threshold([replace(examination(1), lesion=None)], tmp_path / "m")
    with pytest.raises(BadInputError, match="no case"):
        tune_threshold([], tmp_path / "m")


def test_every_shipped_segmenter_of_a_listed_kind_opens():
    assert set(SEGMENTERS) == {"unet", "threshold"}
    assert open_model("threshold").kind == "threshold"


def test_unknown_model_is_one_clear_sentence():
    with pytest.raises(BadInputError, match="no model here"):
        open_segmenter("/nowhere/at all")


def test_specks_are_dropped_by_size_and_diagonal_neighbors_belong_together():
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, 0] = True
    mask[3, 3, 3] = mask[4, 4, 4] = mask[5, 5, 5] = True
    assert without_specks(mask, 3).sum() == 3
    assert without_specks(mask, 4).sum() == 0
    assert without_specks(mask, 0).sum() == 4


def test_decision_is_the_one_that_agrees_best():
    reference = np.zeros((8, 8, 8), bool)
    reference[2:6, 2:6, 2:6] = True
    probability = np.where(reference, 0.35, 0.1)
    probability[0, 0, :4] = 0.9
    decision, score = tune_decision([probability], [reference], [0.01])
    assert decision.threshold <= 0.35
    assert decision.smallest_ml > 0.04
    assert score == 1.0
    assert decision.apply(probability, 0.01).sum() == reference.sum()


def test_two_empty_masks_agree():
    empty = np.zeros((3, 3, 3))
    assert dice(empty, empty) == 1.0
    assert Decision().apply(empty, 1.0).sum() == 0
