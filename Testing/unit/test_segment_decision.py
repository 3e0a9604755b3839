"""Threshold and smallest lesion are chosen by overlap, then by whole lesions, then by habit."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.evaluate.agreement import score
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.segment import decision as module
from StrokeSynthLib.segment.decision import Decision, mean_dice, tune_decision

SHAPE = (30, 30, 10)


def blobs(*corners: tuple[int, int, int], size: int = 6) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    for x, y, z in corners:
        mask[x : x + size, y : y + size, z : z + size] = True
    return mask


def test_the_threshold_of_the_best_overlap_is_found() -> None:
    lesion, halo = blobs((5, 5, 2)), blobs((3, 3, 1), size=10)
    probability = np.where(lesion, 0.9, np.where(halo, 0.55, 0.0))
    decision, overlap = tune_decision([probability], [lesion], [0.01])
    assert decision.threshold >= 0.6
    assert overlap == 1.0


def test_specks_that_overlap_does_not_mind_are_dropped_for_the_sake_of_whole_lesions() -> None:
    lesion = blobs((2, 2, 2), size=8)
    probability = np.where(lesion, 0.9, 0.0)
    for place in ((20, 20, 2), (25, 5, 7), (15, 25, 5)):
        probability[place] = 0.95
    decision, _ = tune_decision([probability], [lesion], [0.01])
    assert decision.smallest_ml > 0
    assert decision.threshold == 0.5


def test_small_lesions_are_not_dropped_with_them() -> None:
    lesion = blobs((2, 2, 2), size=8) | blobs((20, 20, 2), (25, 5, 7), size=1)
    decision, _ = tune_decision([np.where(lesion, 0.9, 0.0)], [lesion], [0.01])
    assert decision == Decision()


def test_cases_without_lesion_alone_do_not_break_it() -> None:
    nothing = np.zeros(SHAPE, bool)
    decision, overlap = tune_decision([np.full(SHAPE, 0.25)], [nothing], [0.01])
    assert decision.threshold > 0.25
    assert overlap == 1.0


def test_dice_and_f1_are_those_of_the_evaluation() -> None:
    rng = generator(0, "decision")
    for _ in range(4):
        probability = rng.random(SHAPE) ** 3
        lesion = rng.random(SHAPE) > 0.97
        found = module._overlaps(probability, lesion, 0.01)
        assert len(found) == len(module._THRESHOLDS) * len(module._SMALLEST_ML)
        for decision, (dice, f1) in found.items():
            mask = decision.apply(probability, 0.01)
            expected = score(lesion, mask, (1.0, 1.0, 1.0))
            assert dice == pytest.approx(expected.dice)
            assert dice == pytest.approx(mean_dice([lesion], [mask]))
            assert f1 == pytest.approx(expected.lesion_f1)
