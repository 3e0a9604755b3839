"""Calibrated probabilities mean what they say, on people whom the curve was not fitted to."""

from __future__ import annotations

import json

import numpy as np
import pytest

from StrokeSynthLib.randomness import generator
from StrokeSynthLib.segment.calibration import (
    Calibration,
    Curve,
    Sample,
    fit_calibration,
    reliability,
    sigmoid,
)


def sample(person: int, *, slope: float = 2.0, shift: float = 1.0, adc_known: bool = True) -> Sample:
    """An examination whose true logit is (logit - shift) / slope: a network too sure and too eager."""
    rng = generator(person, "calibration", str(slope))
    shape = (24, 24, 12)
    truth = rng.normal(-5, 2.0, shape)
    truth[:4] += 5
    lesion = rng.random(shape) < sigmoid(truth)
    brain = np.ones(shape, bool)
    brain[:, :, 0] = False
    logit = (slope * truth + shift).astype(np.float32)
    return Sample.of(f"person-{person}", logit, lesion, brain, adc_known=adc_known, rng=rng)


def samples(people: range, **how: float) -> list[Sample]:
    return [sample(person, **how) for person in people]  # type: ignore[arg-type]


def test_a_too_sure_network_is_put_right_on_other_people() -> None:
    calibration, record = fit_calibration(samples(range(20)))
    others = samples(range(100, 110))
    before, after = reliability(others, Calibration()), reliability(others, calibration)
    assert after.ece < 0.005
    assert before.ece > 3 * after.ece
    assert after.log_loss < before.log_loss
    assert after.brier < before.brier
    assert record["with_adc"]["kind"] in ("platt", "isotonic")


def test_undecided_voxels_are_measured_by_themselves() -> None:
    others = samples(range(100, 110))
    all_of_brain = reliability(others, Calibration())
    undecided = reliability(others, Calibration(), undecided=True)
    assert undecided.ece > all_of_brain.ece
    assert undecided.share.sum() == pytest.approx(1.0)


def test_a_calibrated_network_is_left_alone() -> None:
    calibration, record = fit_calibration(samples(range(20), slope=1.0, shift=0.0))
    logits = np.linspace(-6, 6, 25, dtype=np.float32)
    assert np.abs(calibration.probability(logits, True) - sigmoid(logits)).max() < 0.03
    assert record["with_adc"]["kind"] == "identity"


def test_with_and_without_adc_have_curves_of_their_own() -> None:
    both = samples(range(12)) + samples(range(12), slope=0.5, shift=-1.0)
    mixed = [Sample(s.person, number < 12, s.logit, s.lesion, s.weight) for number, s in enumerate(both)]
    calibration, record = fit_calibration(mixed)
    assert record["with_adc"]["examinations"] == record["without_adc"]["examinations"] == 12
    assert calibration.probability(np.zeros(1), True) < 0.5 < calibration.probability(np.zeros(1), False)


def test_what_was_never_seen_stays_as_it_is() -> None:
    calibration, _ = fit_calibration(samples(range(8)))
    logits = np.array([-2.0, 0.0, 3.0], np.float32)
    assert np.allclose(calibration.probability(logits, False), sigmoid(logits))


def test_an_isotonic_curve_never_turns_back_and_goes_on_beyond_its_table() -> None:
    curve = Curve((-3.0, 0.0, 2.0), (-6.0, -1.0, 3.0), "isotonic")
    p = curve.probability(np.linspace(-20, 20, 81))
    assert (np.diff(p) >= 0).all()
    assert p[0] < sigmoid(np.array(-6.0))
    assert p[-1] > sigmoid(np.array(3.0))


def test_thinning_keeps_lesions_and_the_share_of_the_rest() -> None:
    rng = generator(0, "thinning")
    shape = (60, 60, 30)
    logit = np.full(shape, -9.0, np.float32)
    lesion = np.zeros(shape, bool)
    lesion[:5, :5, :5] = True
    logit[lesion] = 2.0
    thin = Sample.of("one", logit, lesion, np.ones(shape, bool), adc_known=True, rng=rng)
    assert thin.lesion.sum() == 125
    assert thin.logit.size < 10_000
    assert thin.weight.sum() == pytest.approx(1.0)
    assert thin.weight[thin.lesion].sum() == pytest.approx(125 / logit.size)


def test_calibration_survives_its_model_folder() -> None:
    calibration, _ = fit_calibration(samples(range(10)))
    again = Calibration.from_config(json.loads(json.dumps(calibration.config())))
    logits = np.linspace(-9, 9, 50, dtype=np.float32)
    assert np.abs(again.probability(logits, True) - calibration.probability(logits, True)).max() < 1e-3


def test_a_model_without_calibration_changes_nothing() -> None:
    logits = np.linspace(-9, 9, 50, dtype=np.float32).reshape(5, 10)
    p = Calibration.from_config(None).probability(logits, True)
    assert p.dtype == np.float32
    assert p.shape == logits.shape
    assert np.allclose(p, sigmoid(logits), atol=1e-6)
