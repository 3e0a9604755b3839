"""What age makes of an acute lesion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner.changes import Changes
from StrokeSynthLib.scanner.lesion_signal import DAY, LesionAppearance, draw_appearance, lesion_changes
from StrokeSynthLib.scanner.tissue import draw_tissues, tissue_values

SHAPE = (48, 48, 48)


def ball(radius: float) -> np.ndarray:
    index = np.indices(SHAPE) - 24
    return np.asarray((index**2).sum(axis=0) < radius**2)


def adc_ratios(age_hours: float, people: int = 8) -> np.ndarray:
    """ADC relative to normal over the lesions of several people."""
    mask = ball(14.0)
    found = []
    for person in range(people):
        changes = lesion_changes(mask, (1.0, 1.0, 1.0), draw_appearance(generator(person, "age"), age_hours))
        inner = mask.reshape(-1)[changes.voxels]
        found.append(np.exp(changes.ratios[2][inner]))
    return np.concatenate(found)


def test_early_lesions_are_low_in_most_of_their_area_and_high_in_some() -> None:
    ratios = adc_ratios(24.0)
    assert (ratios < 0.9).mean() == pytest.approx(0.74, abs=0.1)
    assert ((ratios >= 0.9) & (ratios < 1.1)).mean() == pytest.approx(0.20, abs=0.1)
    assert 0.02 < (ratios >= 1.1).mean() < 0.15


def test_the_core_is_between_half_and_four_fifths_in_the_first_days() -> None:
    for age in (12.0, 24.0, 72.0):
        assert 0.5 < np.percentile(adc_ratios(age), 35) < 0.8


def test_adc_is_pseudonormal_in_the_second_week_and_high_later() -> None:
    assert np.median(adc_ratios(11 * DAY)) == pytest.approx(1.02, abs=0.12)
    assert np.median(adc_ratios(30 * DAY)) > 1.2


def dwi_ratio(age_hours: float) -> float:
    """Median DWI over normal white matter at 3 T, TE 90 ms, b 1000."""
    values = tissue_values(draw_tissues(generator(0, "tissue"), 3.0))
    ratios = []
    for person in range(12):
        appearance = draw_appearance(generator(person, "dwi"), age_hours)
        changes = lesion_changes(ball(14.0), (1.0, 1.0, 1.0), appearance)
        water, t2, adc = changes.ratios
        rate, normal = 90.0 * values.rate[1], values.adc[1]
        ratios.append(np.exp(water + rate * (1 - np.exp(-t2)) - normal * (np.exp(adc) - 1)))
    return float(np.median(np.concatenate(ratios)))


def test_dwi_is_bright_in_the_first_week_and_falls_after() -> None:
    first_days, day_five, later = dwi_ratio(48.0), dwi_ratio(5 * DAY), dwi_ratio(25 * DAY)
    assert first_days > 1.45
    assert day_five == pytest.approx(first_days, rel=0.2)
    assert later < 0.85 * first_days


def test_t2_does_not_rise_in_the_first_hour() -> None:
    assert draw_appearance(generator(1, "t2"), 0.6).t2 == pytest.approx(1.0, abs=0.02)
    assert draw_appearance(generator(1, "t2"), 72.0).t2 > 1.2


def test_drawn_ages_span_hours_to_days() -> None:
    rng = generator(0, "ages")
    ages = np.array([draw_appearance(rng).age_hours for _ in range(400)])
    assert np.percentile(ages, 10) < 15
    assert np.percentile(ages, 90) > 4 * DAY
    assert ages.max() <= 14 * DAY


def test_edges_are_soft() -> None:
    mask = ball(12.0)
    changes = lesion_changes(mask, (1.0, 1.0, 1.0), appearance())
    field = np.zeros(mask.size)
    field[changes.voxels] = -changes.ratios[2]
    line = field.reshape(SHAPE)[24, 24, 24:]
    assert 0 < line[12] < line[8]
    assert line[15:].max() == 0


def test_small_components_are_faint_now_and_then() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[6:-4:10, 6:-4:10, 6:-4:10] = True
    mask |= np.roll(mask, 1, 0) | np.roll(mask, 1, 1) | np.roll(mask, 1, 2)
    strong = [
        np.abs(lesion_changes(mask, (1.0, 1.0, 1.0), appearance(seed=s)).ratios[1]).max() for s in range(3)
    ]
    assert min(strong) > 0
    changes = lesion_changes(mask, (1.0, 1.0, 1.0), appearance())
    field = np.zeros(mask.size)
    field[changes.voxels] = changes.ratios[1]
    peaks = field.reshape(SHAPE)[6:-4:10, 6:-4:10, 6:-4:10].ravel()
    assert peaks.min() < 0.6 * peaks.max()


def test_acute_lesions_of_any_size_have_a_raised_t2() -> None:
    for seed in range(40):
        mask = ball(1.5 + 0.2 * seed)
        changes = lesion_changes(mask, (1.0, 1.0, 1.0), draw_appearance(generator(seed, "t2"), 24.0))
        t2 = np.exp(changes.ratios[1])
        assert t2.min() >= 1.0
        assert t2.max() < 3.0


def test_an_empty_mask_changes_nothing() -> None:
    assert lesion_changes(np.zeros(SHAPE, bool), (1.0, 1.0, 1.0), appearance()).voxels.size == 0


def test_a_lesion_at_the_edge_of_the_map_is_allowed() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[:3, :3, :3] = True
    assert np.isfinite(lesion_changes(mask, (1.0, 1.0, 1.0), appearance()).ratios).all()


def appearance(seed: int = 1) -> LesionAppearance:
    drawn = draw_appearance(generator(0, "appearance"), 48.0)
    return dataclasses.replace(drawn, seed=seed)


def test_later_changes_hold_where_two_overlap() -> None:
    first = Changes(np.array([1, 2]), np.ones((3, 2), np.float32))
    second = Changes(np.array([2, 3]), np.full((3, 2), 2.0, np.float32))
    together = Changes.together([first, second])
    assert together.voxels.tolist() == [1, 2, 3]
    assert together.ratios[0].tolist() == [1.0, 2.0, 2.0]
