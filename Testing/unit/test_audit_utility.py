"""What training on synthetic cases teaches, judged against training on real ones."""

import re

import numpy as np
import pytest

from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.pipeline.audit_utility import judge_utility, utility_finding
from StrokeSynthLib.progress import silent
from Testing.examinations import Examination


def dice(synthetic: float, real: float, count: int = 20) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: np.clip(rng.normal(mean, 0.05, count), 0, 1)
        for name, mean in (("synthetic", synthetic), ("real", real))
    }


@pytest.mark.parametrize(("synthetic", "passed"), [(0.6, True), (0.4, True), (0.2, False), (0.0, False)])
def test_half_of_what_real_cases_teach_is_asked_for(synthetic, passed):
    found = utility_finding(dice(synthetic, 0.6), 100)
    assert found.passed is passed
    assert found.limit == pytest.approx(0.3, abs=0.02)


def test_the_interval_holds_the_mean_and_narrows_with_more_cases():
    def width(count: int) -> float:
        sentence = utility_finding(dice(0.5, 0.6, count), 100).sentence
        mean, low, high = map(float, re.findall(r"\d\.\d+", sentence)[:3])
        assert low < mean < high
        return high - low

    assert width(200) < width(10)


def test_nothing_is_said_where_real_cases_taught_nothing():
    found = utility_finding(dice(0.2, 0.02), 10)
    assert found.passed is None
    assert "more steps" in found.sentence


def test_cases_without_masks_are_refused(tmp_path):
    folders = {}
    for name, roles in (("with", ("dwi", "adc", "msk")), ("without", ("dwi", "adc"))):
        for number in range(2):
            Examination(number).write(tmp_path / name, f"sub-{number:04d}_{{role}}.nii.gz", *roles)
        folders[name] = open_cohort(tmp_path / name).cases
    with pytest.raises(BadInputError, match="two synthetic cases with lesion masks"):
        judge_utility(folders["without"], folders["with"], folders["with"], 1, 0, "cpu", silent)
    with pytest.raises(BadInputError, match="two held-out cases with lesion masks"):
        judge_utility(folders["with"], folders["with"], folders["without"], 1, 0, "cpu", silent)


def test_both_are_trained_and_tested_on_held_out_cases(tmp_path):
    """Two steps teach nothing; what is tested is that every case is scored and said."""
    for number in range(6):
        Examination(number).write(tmp_path, f"sub-{number:04d}_{{role}}.nii.gz", "dwi", "adc", "msk")
    cases = open_cohort(tmp_path).cases
    finding, figures = judge_utility(cases[:2], cases[2:4], cases[4:], 2, 0, "cpu", silent)
    assert "2 held-out cases; 2 steps" in finding.sentence
    assert len(figures["synthetic"]) == len(figures["real"]) == 2
