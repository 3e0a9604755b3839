"""Copies of examinations are found whatever was done to them; other people's are not."""

import numpy as np
import pytest

from StrokeSynthLib.evaluate.copies import Reference, Usual, extreme, is_copy
from StrokeSynthLib.evaluate.likeness import parts
from StrokeSynthLib.evaluate.standard import standardize, template
from Testing.people import person
from Testing.plants import PLANTS

REAL, OTHERS = 10, 3


@pytest.fixture(scope="module")
def reference() -> Reference:
    cases = [standardize(person(seed)) for seed in range(REAL)]
    return Reference.of(cases, [f"p{seed}" for seed in range(REAL)])


@pytest.mark.parametrize(
    "kind",
    ["mirrored", "noised", "turned and stretched", "other grid", "skull removed", "inverted",
     "inverted brain", "other lesion painted in", "one hemisphere", "DWI only", "ADC only"],
)  # fmt: skip
def test_a_copy_is_found(reference, kind):
    copy = PLANTS[kind](person(0), person(20), np.random.default_rng(3))
    match = reference.evidence([standardize(copy)]).matches()[0]
    assert match.reference == 0
    assert is_copy(match, reference.threshold(30))


def test_other_people_are_no_copies(reference):
    others = [standardize(person(seed)) for seed in range(20, 20 + OTHERS)]
    matches = reference.evidence(others).matches()
    assert not [match for match in matches if is_copy(match, reference.threshold(30))]


def test_mirrored_copies_say_so(reference):
    copy = PLANTS["mirrored"](person(1), person(20), np.random.default_rng(0))
    plain = PLANTS["plain"](person(1), person(20), np.random.default_rng(0))
    found = reference.evidence([standardize(copy), standardize(plain)]).matches()
    assert [match.mirrored for match in found] == [True, False]


def test_people_are_not_their_own_copies_in_the_control():
    cases = [standardize(person(seed)) for seed in range(6)]
    twice = Reference.of([*cases, cases[0]], [*(f"p{n}" for n in range(6)), "p0"])
    assert np.isnan(twice.control.value[0, 6])
    assert np.isnan(twice.control.value[0, 0])
    assert np.nanmax(twice.control.value[0]) < 9


def test_the_same_person_under_two_names_does_not_hide_copies(reference):
    """A real case that is in both sets stands out in the control, but hardly moves the threshold."""
    cases = [standardize(person(seed)) for seed in range(REAL)]
    doubled = Reference.of([*cases, cases[0]], [f"p{n}" for n in range(REAL + 1)])
    copy = standardize(PLANTS["noised"](person(2), person(20), np.random.default_rng(0)))
    assert np.nanmax(doubled.control.value) > 50
    match = doubled.evidence([copy]).matches()[0]
    assert match.reference == 2


def test_the_extreme_value_is_that_of_gumbel():
    tops = np.random.default_rng(0).gumbel(5.0, 0.8, 20000)
    expected = 5.0 - 0.8 * np.log(-np.log(1 - 1e-3))
    assert extreme(tops, 1e-3) == pytest.approx(expected, rel=0.02)


def test_parts_cover_the_brain_and_sides_do_not_overlap():
    cut = parts()
    left, right = (cut.members[cut.names.index(name)] for name in ("left side", "right side"))
    assert cut.members[0].all()
    assert (left + right == 1).all()
    assert (cut.blocks >= 0).sum() == template().inside.sum()


def correlations(cases: int, seed: int, *, resembled: int = 3) -> np.ndarray:
    """(cases, 12, 1) between strangers; many are somewhat like one real case."""
    rng = np.random.default_rng(seed)
    z = 0.2 + rng.normal(0, 0.03, (cases, 12, 1))
    z[:, resembled] += rng.normal(0, 0.15, (cases, 1))
    return np.tanh(np.clip(z, 0, None))


def usual() -> Usual:
    real = correlations(12, 0)
    real[np.arange(12), np.arange(12)] = np.nan
    return Usual.of(real)


def test_a_real_case_that_many_resemble_is_not_copied_by_all_of_them():
    found = correlations(40, 1)
    value, plain = usual().among(found).evidence(found)
    assert plain[:, 3].max() > 8
    assert value[:, 3].max() < 0.5 * plain[:, 3].max()
    rest = np.delete(value, 3, axis=1)
    assert rest.max() == pytest.approx(np.delete(plain, 3, axis=1).max(), rel=0.3)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.6], ids=str)
def test_copies_stand_out_however_many_there_are(share):
    """Even where most of a cohort copies one case, strangers stay below a part of what copies reach."""
    found = correlations(40, 2)
    copies = round(share * len(found))
    found[:copies, 5] = np.tanh(1.5)
    value, _ = usual().among(found).evidence(found)
    assert value[:copies, 5].min() > 10
    assert np.delete(value, 5, axis=1).max() < 9


def test_few_cases_do_not_say_what_is_usual_among_them():
    found = correlations(4, 3)
    found[:, 5] = np.tanh(1.5)
    known = usual()
    assert known.among(found) is known


def test_no_part_is_so_small_that_strangers_agree_in_it():
    """Slabs cover the brain once; the ends of the brain belong to the slabs next to them."""
    cut = parts()
    size = np.bincount(cut.blocks[cut.blocks >= 0], minlength=cut.members.shape[1]) @ cut.members.T
    assert size.min() >= 2500
    slabs = [name.startswith("slab") for name in cut.names]
    assert size[slabs].sum() == size[cut.names.index("whole brain")] == template().inside.sum()
