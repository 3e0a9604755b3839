"""Near the skull base only what has a low ADC is a lesion."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from StrokeSynthLib.segment.decision import Decision
from StrokeSynthLib.segment.preprocess import Prepared, prepare
from StrokeSynthLib.segment.skull_base import drop_susceptibility, skull_base, without_susceptibility
from StrokeSynthLib.volume import Volume
from Testing.unit.segment_builders import examination

Place = tuple[int, int, int]


@lru_cache(maxsize=1)
def head() -> Prepared:
    case = examination(spacing=(2.0, 2.0, 4.0), lesion_radius=0, skull=False)
    return prepare(case.dwi, case.adc)


def spot(low: bool, *, right: bool = True) -> np.ndarray:
    """A ball at the underside of one side of the brain, or in its middle."""
    x, y, z = head().dwi.shape
    center = (x * (0.7 if right else 0.3), y * 0.5, z * (0.17 if low else 0.6))
    index, mm = np.indices(head().dwi.shape), (2.0, 2.0, 4.0)
    ball = sum(((i - c) * s) ** 2 for i, c, s in zip(index, center, mm, strict=True)) < 9.0**2
    return np.asarray(ball & head().brain)


def with_adc(where: np.ndarray, value: float) -> Prepared:
    adc = head().adc
    assert adc is not None
    return replace(head(), adc=np.where(where, np.float32(value), adc))


def test_the_skull_base_is_low_and_at_the_edge() -> None:
    zone = skull_base(head())
    assert zone[spot(low=True)].mean() > 0.6
    assert not zone[spot(low=False)].any()
    assert not zone[:, :, zone.shape[2] // 2 :].any()


def test_a_bright_spot_with_normal_adc_at_the_skull_base_is_dropped() -> None:
    mask = spot(low=True)
    assert not drop_susceptibility(mask, with_adc(mask, 0.8)).any()


def test_one_with_low_adc_stays() -> None:
    mask = spot(low=True)
    assert (drop_susceptibility(mask, with_adc(mask, 0.55)) == mask).all()


def test_elsewhere_normal_adc_is_no_reason() -> None:
    mask = spot(low=False)
    assert (drop_susceptibility(mask, with_adc(mask, 0.8)) == mask).all()


def test_components_are_judged_one_by_one() -> None:
    artifact, lesion = spot(low=True), spot(low=True, right=False)
    prepared = with_adc(lesion, 0.5)
    kept = drop_susceptibility(artifact | lesion, prepared)
    assert (kept == lesion).all()
    assert kept.dtype == np.uint8


def test_a_lesion_on_both_sides_is_compared_with_normal_tissue() -> None:
    both = spot(low=True) | spot(low=True, right=False)
    low = with_adc(both, 0.5)
    assert low.adc is not None
    # The other side is as low: only normal tissue elsewhere tells.
    mirrored = replace(low, mirrored_adc=low.plane.reflect(low.adc, low.frame.spacing))
    assert (drop_susceptibility(both, mirrored) == both).all()


def test_a_low_adc_counts_where_the_other_side_is_low_by_chance() -> None:
    mask = spot(low=True)
    low = with_adc(mask, 0.6)
    assert low.mirrored_adc is not None
    chance = replace(low, mirrored_adc=np.where(mask, np.float32(0.65), low.mirrored_adc))
    assert (drop_susceptibility(mask, chance) == mask).all()


def test_without_adc_every_component_stays() -> None:
    mask = spot(low=True)
    blind = replace(head(), adc=None, mirrored_adc=None)
    assert (drop_susceptibility(mask, blind) == mask).all()


def test_bone_within_the_head_counts_as_edge_where_the_map_names_it() -> None:
    from StrokeSynthLib.schema import TISSUES

    tissue = np.full(head().dwi.shape, TISSUES.index("white-matter"), np.uint8)
    x, y, z = tissue.shape
    place = (x // 2, y // 2, z // 6)
    assert not skull_base(head(), tissue)[place]
    tissue[x // 2 - 2 : x // 2 + 2, y // 2 + 3 : y // 2 + 5, z // 6] = TISSUES.index("skull")
    assert skull_base(head(), tissue)[place]


def test_what_is_dropped_stays_possible_but_below_the_threshold() -> None:
    artifact, lesion = spot(low=True), spot(low=False)
    prepared = with_adc(lesion, 0.5)
    probability = np.where(artifact | lesion, np.float32(0.9), np.float32(0.1))
    found = without_susceptibility(probability, prepared, None, threshold=0.4)
    assert (found[lesion] == np.float32(0.9)).all()
    assert (found[artifact] < 0.4).all()
    assert (found[artifact] > 0.3).all()
    assert (found[~(artifact | lesion)] == np.float32(0.1)).all()


def test_an_empty_mask_stays_empty() -> None:
    assert not drop_susceptibility(np.zeros(head().dwi.shape, bool), head()).any()


def test_it_works_on_an_image_of_few_slices() -> None:
    case = examination(spacing=(2.0, 2.0, 4.0), lesion_radius=0, skull=False)
    flat = Volume(case.dwi.array[:, :, 13:16].copy(), case.dwi.affine)
    assert case.adc is not None
    prepared = prepare(flat, Volume(case.adc.array[:, :, 13:16].copy(), case.dwi.affine))
    mask = prepared.dwi > 0.9
    assert drop_susceptibility(mask, prepared).shape == mask.shape


def test_the_decision_applies_the_rule_only_where_the_model_asks_for_it() -> None:
    artifact = spot(low=True)
    prepared = with_adc(artifact, 0.8)
    probability = np.where(artifact, np.float32(0.9), np.float32(0.1))
    assert Decision().in_frame(probability, prepared) is probability
    assert (Decision(skull_base=True).in_frame(probability, prepared) < 0.5).all()
    assert Decision(**Decision(0.4, 0.02, True).config()) == Decision(0.4, 0.02, True)  # type: ignore[arg-type]
