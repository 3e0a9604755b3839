"""The shipped network knows a simulated examination and says what is wrong with wrong ones."""

from __future__ import annotations

from functools import lru_cache

import pytest

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.modelfolder import shipped_models
from StrokeSynthLib.pipeline.simulate import SimulationRecipe
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.segment.registry import open_segmenter
from StrokeSynthLib.segment.segmenter import Prediction, Segmenter
from Testing.wrong_inputs import make_wrong

pytestmark = pytest.mark.skipif("acute" not in shipped_models(), reason="the network is not shipped here")


@lru_cache(maxsize=1)
def case() -> Case:
    """A new person of the population model on the thick slices of a held-out protocol."""
    made = SimulationRecipe(scanner="heldout-1.5T", lesion_free=0.0, seed=31).maker()(0)
    return Case(made.name, made.person, made.dwi, made.adc, made.b0, made.lesion, made.semantic_map)


@lru_cache(maxsize=1)
def segmenter() -> Segmenter:
    return open_segmenter("acute", "cpu")


def of_wrong(kind: str) -> Prediction:
    wrong = make_wrong(kind, case(), generator(1, kind))
    return segmenter().predict(wrong.dwi, wrong.adc)


def test_a_right_examination_is_not_flagged_with_or_without_adc() -> None:
    assert segmenter().predict(case().dwi, case().adc).unlike == ()
    assert segmenter().predict(case().dwi).unlike == ()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("T1", "Gray matter is darker"),
        ("FLAIR", "Check that a trace DWI"),
        ("b0", "Fluid is bright"),
        ("upside-down", "superior looks inferior"),
        ("abdomen", "No whole, upright head"),
        ("ADC elsewhere", "does not fit the DWI"),
    ],
)
def test_a_wrong_one_is_flagged_with_what_to_check(kind: str, said: str) -> None:
    assert said in " ".join(of_wrong(kind).unlike)
