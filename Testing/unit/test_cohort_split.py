"""Splits keep persons together, are balanced, seeded and saved."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.split import Split, split_by_person
from StrokeSynthLib.errors import BadInputError

SHARES = {"train": 0.7, "validation": 0.2, "test": 0.1}


def cases_of(*sessions):
    """One person for each number, with so many cases."""
    return [
        CaseFiles(f"sub-{p:03d}_ses-{s}", f"sub-{p:03d}", Path("x"))
        for p, count in enumerate(sessions)
        for s in range(count)
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=3, max_size=40), st.integers(0, 1000))
def test_every_case_is_in_one_part_and_persons_stay_together(sessions, seed):
    cases = cases_of(*sessions)
    split = split_by_person(cases, SHARES, seed)
    names = [name for part in split.parts.values() for name in part]
    assert sorted(names) == sorted(case.name for case in cases)
    people = [{name.split("_")[0] for name in part} for part in split.parts.values()]
    assert sum(map(len, people)) == len(set.union(*people)) == len(sessions)
    assert all(people)


def test_shares_are_of_persons():
    split = split_by_person(cases_of(*[1] * 100), SHARES, 0)
    assert [len(part) for part in split.parts.values()] == [70, 20, 10]


def test_the_seed_decides_and_the_order_of_the_cases_does_not():
    cases = cases_of(*[2] * 20)
    first = split_by_person(cases, SHARES, 5)
    assert split_by_person(cases[::-1], SHARES, 5) == first
    assert split_by_person(cases, SHARES, 6) != first


def test_lesion_volumes_are_balanced():
    cases = cases_of(*[1] * 40)
    volumes = {case.name: [0.0, 0.5, 3.0, 50.0][n % 4] for n, case in enumerate(cases)}
    split = split_by_person(cases, {"a": 0.5, "b": 0.5}, 3, volumes)
    for part in split.parts.values():
        counts = [sum(volumes[name] == v for name in part) for v in (0.0, 0.5, 3.0, 50.0)]
        assert counts == [5, 5, 5, 5]


def test_a_split_is_saved_and_selects(tmp_path):
    cases = cases_of(1, 1, 1, 1)
    split = split_by_person(cases, {"train": 0.5, "test": 0.5}, 1)
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    chosen = split.select(cases, "train")
    assert tuple(case.name for case in chosen) == split.parts["train"]


@pytest.mark.parametrize("content", ["[]", "{}", '{"parts": [], "seed": 1}', "nothing"])
def test_something_else_is_no_split(tmp_path, content):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(BadInputError, match=r"split\.json"):
        Split.load(tmp_path / "split.json")


def test_too_few_persons_are_refused():
    with pytest.raises(BadInputError, match="2 persons cannot be split into 3 parts"):
        split_by_person(cases_of(5, 5), SHARES, 0)
