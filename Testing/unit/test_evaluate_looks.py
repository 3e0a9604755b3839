"""What counts as looking real."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.evaluate.distances import Distances
from StrokeSynthLib.evaluate.features import EXTRACTORS
from StrokeSynthLib.evaluate.looks import (
    LEAST_COVERAGE,
    LEAST_FOUND,
    LEAST_PRECISION,
    LEAST_SHARE,
    MOST_APART,
    judge_alikeness,
    judge_intensities,
    judge_realism,
)
from StrokeSynthLib.evaluate.measured import Measured
from StrokeSynthLib.evaluate.standard import standardize
from StrokeSynthLib.evaluate.verdict import Finding
from Testing.people import person
from Testing.plants import PLANTS

CONTROL = Distances(fid=5.0, kid=0.0, kid_low=-0.1, kid_high=0.1, mmd=0.0, precision=0.9, coverage=0.8)


def judged(**changes: float) -> dict[str, Finding]:
    pair = {"synthetic": replace(CONTROL, **changes), "control": CONTROL}
    return {finding.name: finding for finding in judge_realism(dict.fromkeys(EXTRACTORS, pair))}


def failed(**changes: float) -> set[str]:
    return {name for name, finding in judged(**changes).items() if finding.passed is False}


def test_images_as_far_away_as_real_ones_pass():
    assert not failed()


def test_images_among_no_real_ones_fail_by_every_extractor():
    least = LEAST_SHARE * CONTROL.precision
    assert failed(precision=least - 0.01) == {f"realism, {extractor}" for extractor in EXTRACTORS}
    assert not failed(precision=least)


@pytest.mark.parametrize(("further", "names"), [(-0.1, set()), (0.1, {"realism, encoder"})])
def test_images_far_away_on_the_whole_fail_by_the_encoder(further, names):
    """Exchanged parts of a brain leave every neighborhood right, and the distribution wrong."""
    assert failed(fid=CONTROL.fid + MOST_APART + further) == names


def test_the_limits_are_said():
    rule = judged()["realism, encoder"].rule
    assert "(0.45)" in rule
    assert "(65.0)" in rule
    assert "FID at most" not in judged()["realism, texture"].rule


def test_few_kinds_of_images_fail():
    assert failed(coverage=0.3) == {"coverage"}


def judged_by(control: Distances, **changes: float) -> dict[str, Finding]:
    pair = {"synthetic": replace(CONTROL, **changes), "control": control}
    return {finding.name: finding for finding in judge_realism(dict.fromkeys(EXTRACTORS, pair))}


def test_held_out_cases_that_lie_nowhere_are_no_control():
    """Half of nothing is no limit: images of any kind would pass."""
    strangers = replace(CONTROL, precision=0.0, coverage=0.0, fid=880.0)
    for changes in ({}, {"precision": 0.0, "coverage": 0.0, "fid": 900.0}):
        findings = judged_by(strangers, **changes)
        assert {finding.passed for finding in findings.values()} == {None}
        for finding in findings.values():
            assert finding.sentence.startswith("Not judged: held-out cases do not lie among")


def test_the_least_control_is_enough():
    least = replace(CONTROL, precision=LEAST_PRECISION, coverage=LEAST_COVERAGE)
    assert all(finding.passed for finding in judged_by(least).values())
    below = judged_by(replace(least, coverage=LEAST_COVERAGE - 0.01))
    assert below.pop("coverage").passed is None
    assert all(finding.passed for finding in below.values())


def test_images_further_away_than_those_of_another_scanner_fail():
    findings = judged_by(replace(CONTROL, precision=0.0, fid=200.0), fid=200.0 + MOST_APART + 1)
    assert findings["realism, encoder"].passed is False
    assert findings["realism, texture"].passed is None


def test_coverage_is_judged_by_an_extractor_with_a_control():
    pairs = {name: {"synthetic": replace(CONTROL, coverage=0.1), "control": CONTROL} for name in EXTRACTORS}
    pairs["texture"]["control"] = replace(CONTROL, precision=0.0, coverage=0.001)
    finding = judge_realism(pairs)[-1]
    assert finding.passed is False
    assert "texture" not in finding.rule


def found_again(own: float, real: float) -> Finding:
    """The question about lesions, of cases in which the segmenter reaches these Dice."""
    contrast = SimpleNamespace(dwi_surround=np.nan, adc_surround=np.nan)

    def cases(dice: float) -> list[Measured]:
        return [cast(Measured, SimpleNamespace(intensities={}, contrast=contrast, found=dice))] * 3

    findings = judge_intensities(cases(own), cases(real), cases(real))
    return next(finding for finding in findings if finding.name == "lesion found again")


def test_a_segmenter_that_finds_nothing_in_real_cases_is_no_judge():
    unjudged = found_again(0.0, LEAST_FOUND - 0.01)
    assert unjudged.passed is None
    assert unjudged.sentence.startswith("Not judged")
    assert found_again(0.0, LEAST_FOUND).passed is False
    assert found_again(0.5, 0.6).passed


def alike(*cases: Case) -> list[Measured]:
    """Only what is compared; every case counts as another person."""
    return [
        cast(Measured, SimpleNamespace(person=str(number), standard=standardize(case)))
        for number, case in enumerate(cases)
    ]


@pytest.fixture(scope="module")
def real() -> list[Measured]:
    return alike(*(person(seed) for seed in range(6)))


def test_other_people_are_as_unlike_each_other_as_real_ones(real):
    assert judge_alikeness(alike(*(person(seed) for seed in range(20, 24))), real).passed


@pytest.mark.parametrize("kind", ["noised", "turned and stretched", "bent", "other lesion painted in"])
def test_one_person_again_and_again_is_no_diversity(real, kind):
    same = [PLANTS[kind](person(0), person(9), np.random.default_rng(seed)) for seed in range(3)]
    assert judge_alikeness(alike(*same), real).passed is False
