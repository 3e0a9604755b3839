"""Statistics over cases: intervals that cover, strata, pairing, JSON without NaN."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.evaluate.agreement import score
from StrokeSynthLib.evaluate.summary import as_plain, estimate, paired_difference, stratum_of, summarize
from StrokeSynthLib.evaluate.table import summary_table

NAN = float("nan")
MASK = np.zeros((4, 4, 4), np.uint8)
BASE = score(MASK, MASK, (1, 1, 1))


def scores(dice, reference_ml=10.0, false_positive_ml=NAN):
    return replace(BASE, dice=dice, reference_ml=reference_ml, false_positive_ml=false_positive_ml)


def test_mean_median_and_interval():
    values = np.random.default_rng(1).normal(0.6, 0.1, 100)
    found = estimate(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.median == pytest.approx(np.median(values))
    # 1.96 standard errors, for a bell curve.
    assert found.low == pytest.approx(values.mean() - 1.96 * values.std(ddof=1) / 10, abs=0.003)
    assert found.high == pytest.approx(values.mean() + 1.96 * values.std(ddof=1) / 10, abs=0.003)


def test_intervals_cover_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    covered = 0
    for number in range(100):
        found = estimate(rng.beta(4, 2, 25), seed=number)
        covered += found.low <= 4 / 6 <= found.high
    assert 88 <= covered <= 100


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(20)
    assert estimate(values, 1) == estimate(values, 1)
    assert estimate(values, 1).low != estimate(values, 2).low


@pytest.mark.parametrize("values", [[], [NAN]])
def test_nothing_to_estimate(values):
    found = estimate(values)
    assert found.cases == 0
    assert math.isnan(found.mean)


def test_one_case_has_no_interval_and_equal_cases_have_a_point():
    assert math.isnan(estimate([0.5]).low)
    assert (estimate([0.5, 0.5]).low, estimate([0.5, 0.5]).high) == (0.5, 0.5)
    two = estimate([0.2, 0.4])
    assert 0.2 <= two.low <= two.high <= 0.4


def test_cases_that_do_not_define_a_score_are_not_counted():
    assert estimate([0.5, NAN, 0.7]).cases == 2


@pytest.mark.parametrize(
    ("ml", "name"),
    [(0, "no lesion"), (0.99, "under 1 ml"), (1, "1 to 5 ml"), (5, "5 to 20 ml"), (20, "20 ml and more")],
)
def test_strata_begin_at_their_first_number(ml, name):
    assert stratum_of(ml) == name


def test_the_summary_has_all_cases_and_each_stratum_that_occurs():
    found = summarize([scores(0.4, 0.5), scores(0.8, 30), scores(0.9, 40), scores(1.0, 0, 0.0)])
    assert found.cases == {
        "all cases": 4, "with lesion": 3, "under 1 ml": 1, "20 ml and more": 2, "no lesion": 1,
    }  # fmt: skip
    assert found.strata["with lesion"]["dice"].mean == pytest.approx(0.7)
    assert found.strata["20 ml and more"]["dice"].mean == pytest.approx(0.85)
    assert found.strata["all cases"]["false_positive_ml"].cases == 1


def test_pairing_finds_a_small_gain_that_is_in_every_case():
    rng = np.random.default_rng(0)
    first = {f"case-{n}": scores(value) for n, value in enumerate(rng.uniform(0, 0.9, 30))}
    second = {name: scores(one.dice + rng.uniform(0.01, 0.05)) for name, one in first.items()}
    second["only here"] = scores(0.0)
    found = paired_difference(first, second)
    assert found.cases == 30
    assert 0.01 < found.low < found.mean < found.high < 0.05


def test_json_has_null_where_a_score_is_not_defined():
    text = json.dumps(as_plain(summarize([scores(0.5)])), allow_nan=False)
    assert json.loads(text)["strata"]["all cases"]["dice"]["low"] is None


def test_the_table_reads_as_means_with_intervals():
    text = summary_table(summarize([scores(0.4, 0.5), scores(0.6, 0.7), scores(1.0, 0, 0.25)]))
    lines = text.splitlines()
    assert "Dice %" in lines[0]
    assert lines[2].startswith("with lesion")
    assert lines[3].startswith("under 1 ml")
    assert "50.0 [" in lines[3]
    assert "0.25" in lines[4]
    assert lines[4].split()[3] == "-"
    assert "nan" not in text
