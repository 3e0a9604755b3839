"""Examinations that are unlike what a model knows are flagged with what to check; others are not."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.segment.distance import Distance
from StrokeSynthLib.segment.pose import UPRIGHT, coarse
from StrokeSynthLib.segment.preprocess import prepare
from StrokeSynthLib.segment.typicality import MOST_REASONS, Known, Typicality, fit_typicality
from StrokeSynthLib.volume import Volume
from Testing.unit.head_builder import examined, head_case, tissue_in
from Testing.wrong_inputs import KINDS, WrongInput, make_wrong


@lru_cache(maxsize=1)
def fitted() -> Typicality:
    cases = [head_case(seed, noise=0.03 + 0.003 * seed) for seed in range(16)]
    return fit_typicality(
        Known.of(examined(case, with_adc=number % 4 > 0)) for number, case in enumerate(cases)
    )


@lru_cache(maxsize=1)
def unseen() -> Case:
    return head_case(100, noise=0.05)


def reasons(dwi: Volume, adc: Volume | None, case: Case | None = None) -> tuple[str, ...]:
    """Of an input, with the right tissues when its case is given, as a network at its best."""
    prepared = prepare(dwi, adc)
    tissue = None
    if case is not None and case.semantic_map is not None:
        tissue = tissue_in(prepared, case.semantic_map)
    return fitted().reasons(prepared, tissue, None, None, dwi, adc)


def of_wrong(kind: str, seed: int = 0, *, with_adc: bool = True, tissue: bool = True) -> tuple[str, ...]:
    case = unseen()
    wrong: WrongInput = make_wrong(kind, case, generator(seed, kind))
    return reasons(wrong.dwi, wrong.adc if with_adc else None, case if tissue else None)


def test_an_examination_of_an_unseen_person_is_not_flagged() -> None:
    case = unseen()
    assert reasons(case.dwi, case.adc, case) == ()


def test_it_is_not_flagged_without_adc_or_without_a_map_either() -> None:
    case = unseen()
    assert reasons(case.dwi, None, case) == ()
    assert reasons(case.dwi, case.adc) == ()


def test_orientation_of_the_file_makes_no_difference() -> None:
    case = unseen()
    affine = case.dwi.affine.copy()
    affine[:3, 2] *= -1
    affine[2, 3] = case.dwi.affine[2, 2] * (case.dwi.array.shape[2] - 1)
    stored_from_above = replace(
        case.dwi, array=np.ascontiguousarray(case.dwi.array[:, :, ::-1]), affine=affine
    )
    assert reasons(stored_from_above, None) == ()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("upside-down", "superior looks inferior"),
        ("front to back", "anterior looks posterior"),
        ("turned by 90 degrees", "lie wrongly"),
        ("axes exchanged", "lie wrongly"),
        ("b0", "b0"),
        ("T2", "T2"),
        ("ADC as DWI", "ADC map"),
        ("test object", ""),
        ("abdomen", "Check that this is a DWI of the whole head"),
        ("noise only", "Check that this is a DWI of the whole head"),
        ("half a head", "whole"),
        ("few slices", "% of a brain"),
        ("very noisy", ""),
        ("blurred", "smoother"),
    ],
)
def test_wrong_inputs_are_flagged_with_what_to_check(kind: str, said: str) -> None:
    found = of_wrong(kind, tissue=False)
    assert found
    assert said in " ".join(found)


@pytest.mark.parametrize(("kind", "said"), [("T1", "T1"), ("FLAIR", "FLAIR"), ("CT", "CT")])
def test_another_contrast_is_named_where_there_is_a_map(kind: str, said: str) -> None:
    found = of_wrong(kind, with_adc=False)
    assert said in " ".join(found)


def test_an_adc_map_that_is_none_or_lies_elsewhere_is_told_from_a_right_one() -> None:
    case = unseen()
    assert case.adc is not None
    assert case.b0 is not None
    b0_as_adc = case.b0.with_array(case.b0.array / np.float32(400))
    elsewhere = case.adc.with_array(np.roll(case.adc.array, 8, axis=0))
    doubled = case.adc.with_array(case.adc.array * np.float32(1.8))
    assert "ADC" in reasons(case.dwi, b0_as_adc)[0]
    assert "does not fit the DWI" in reasons(case.dwi, elsewhere)[0]
    assert "unit" in reasons(case.dwi, doubled)[0]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whatever_is_given_there_are_at_most_three_full_sentences(kind: str) -> None:
    found = of_wrong(kind, seed=3)
    assert len(found) <= MOST_REASONS
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in found)


def test_an_image_of_one_value_but_for_a_few_voxels_is_flagged() -> None:
    array = np.full((60, 70, 20), 200, np.float32)
    array[10, 20, 5] = array[40, 50, 15] = 300
    for values in (array, array - 200):
        assert reasons(Volume(values, np.diag([2.0, 2.0, 5.0, 1.0])), None)


def test_nonsense_from_the_network_does_not_break_it() -> None:
    case = unseen()
    prepared = prepare(case.dwi, case.adc)
    rng = np.random.default_rng(0)
    tissue = rng.integers(0, 28, prepared.dwi.shape).astype(np.uint8)
    everywhere = np.ones(prepared.dwi.shape, np.float32)
    features = np.full((prepared.dwi.shape[2], 4), np.nan, np.float32)
    assert isinstance(fitted().reasons(prepared, tissue, everywhere, features), tuple)


def test_features_far_from_the_known_ones_are_said_when_nothing_else_is() -> None:
    case = examined(unseen())
    arguments = (case.prepared, case.tissue, None)
    assert fitted().reasons(*arguments, case.features) == ()
    (only,) = fitted().reasons(*arguments, case.features + 5)
    assert "not trained on" in only


def test_typicality_survives_its_model_folder() -> None:
    text = json.dumps(fitted().config())
    again = Typicality.from_config(json.loads(text))
    assert again is not None
    assert len(text) < 60_000
    case = unseen()
    prepared = prepare(case.dwi, case.adc)
    upside_down = prepare(case.dwi.with_array(case.dwi.array[:, :, ::-1]))
    assert again.reasons(prepared, None, None, None) == ()
    assert again.reasons(upside_down, None, None, None) == fitted().reasons(upside_down, None, None, None)


def test_a_model_without_typicality_has_none() -> None:
    assert Typicality.from_config(None) is None


def test_pose_of_a_nodded_head_is_upright() -> None:
    from scipy import ndimage

    case = unseen()
    nodded = ndimage.rotate(case.dwi.array, 18.0, axes=(1, 2), reshape=False, order=1)
    pose = fitted().template.pose(coarse(prepare(case.dwi.with_array(nodded.astype(np.float32)))))
    assert pose.turn == UPRIGHT


def test_distance_tells_a_stranger_from_the_crowd() -> None:
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(6, 30))
    crowd = rng.normal(size=(80, 6)) @ mixing + 0.1 * rng.normal(size=(80, 30))
    distance = Distance.fit(crowd, [f"person-{n % 40}" for n in range(80)], directions=6)
    new = rng.normal(size=(200, 6)) @ mixing + 0.1 * rng.normal(size=(200, 30))
    assert np.mean([distance(point) > distance.limit for point in new]) < 0.03
    assert distance(new[0] + rng.normal(size=30)) > distance.limit
