"""Intervals of studies: paired, hierarchical, honest about few trainings."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.study.statistics import difference, estimate
from StrokeSynthLib.study.tables import rows, strata, text_table, verdict


def results(arms: dict[str, list[list[float | None]]]) -> list[dict[str, object]]:
    return [
        {
            "arm": arm,
            "cases": 10,
            "seed": seed,
            "scores": {f"sub-{i:02d}": {"dice": v} for i, v in enumerate(run)},
        }
        for arm, runs in arms.items()
        for seed, run in enumerate(runs)
    ]


def test_interval_holds_the_mean_and_widens_with_spread() -> None:
    rng = np.random.default_rng(0)
    narrow = estimate(0.5 + 0.01 * rng.standard_normal((5, 40)))
    wide = estimate(0.5 + 0.2 * rng.standard_normal((5, 40)))
    assert narrow.low < narrow.mean < narrow.high
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def test_spread_between_trainings_counts_even_with_many_cases() -> None:
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 0.1, (4, 1))
    table = 0.5 + luck + 0.01 * rng.standard_normal((4, 500))
    one_training = estimate(table[:1])
    several = estimate(table)
    assert several.high - several.low > 5 * (one_training.high - one_training.low)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for repetition in range(60):
        table = 0.4 + 0.1 * rng.standard_normal((1, 30))
        found = estimate(table, repetition)
        hits += found.low <= 0.4 <= found.high
    assert 50 <= hits <= 60


def test_paired_difference_is_narrower_than_unpaired_spread() -> None:
    rng = np.random.default_rng(3)
    difficulty = rng.random((1, 40))
    gain = difference(np.repeat(difficulty + 0.05, 3, 0), np.repeat(difficulty, 3, 0))
    assert gain.mean == pytest.approx(0.05)
    assert gain.high - gain.low < 1e-9


def test_cases_that_do_not_define_a_score_are_left_out() -> None:
    found = estimate(np.array([[0.2, np.nan, 0.4]]))
    assert (found.mean, found.cases) == (pytest.approx(0.3), 2)


def test_score_that_no_case_defines_is_a_dash() -> None:
    assert estimate(np.full((2, 3), np.nan)).text() == "-"


def test_tables_of_different_shape_are_not_compared() -> None:
    with pytest.raises(ValueError, match="one shape"):
        difference(np.zeros((2, 3)), np.zeros((1, 3)))


def test_verdict_follows_the_interval_in_all_three_directions() -> None:
    noise = list(np.random.default_rng(4).normal(0, 0.02, 30))
    base = [0.5] * 30
    table = results({
        "clinical": [base],
        "better": [[0.6 + n for n in noise]],
        "worse": [[0.4 + n for n in noise]],
        "same": [[0.5 + n for n in noise]],
    })  # fmt: skip
    said = {row.arm: verdict(row) for row in rows(table)}
    assert "better than" in said["better"]
    assert "worse than" in said["worse"]
    assert "no difference" in said["same"]
    assert said["clinical"] == ""


def test_text_table_has_a_line_for_each_arm() -> None:
    text = text_table(results({"clinical": [[0.5, 0.7]], "physics": [[0.6, None]]}))
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == ["clinical", "physics"]


def test_strata_sort_cases_by_reference_volume_and_leave_lesion_free_ones_out() -> None:
    volumes = [0.5, 3.0, 50.0, 0.0]
    table = results({"clinical": [[0.1, 0.3, 0.9, 1.0]]})
    for (_, one), ml in zip(sorted(table[0]["scores"].items()), volumes, strict=True):  # type: ignore[attr-defined]
        one["reference_ml"] = ml
    heading, line = strata(table)
    cells = dict(zip(heading, line, strict=True))
    assert cells["under 1 ml"].startswith("10.0")
    assert cells["20 ml and more"].startswith("90.0")
    assert cells["5 to 20 ml"] == "-"
    assert cells["all with a lesion"].startswith("43.3")
