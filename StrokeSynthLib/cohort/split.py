"""Splits by person: seeded, balanced by lesion volume, saved beside what was trained with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInputError
from ..files import read_json, write_json
from ..randomness import generator
from .case import CaseFiles

#: Borders of the strata of lesion volume (ml); below the first lies "no lesion".
STRATA_ML = (0.0, 1.0, 5.0, 20.0)


@dataclass(frozen=True)
class Split:
    """Which cases are in which part; no person is in two.

    Parameters
    ----------
    parts
        Names of cases, sorted, by name of the part ("train", "validation").
    seed
        What it was drawn with.
    """

    parts: Mapping[str, tuple[str, ...]]
    seed: int

    def select(self, cases: Sequence[CaseFiles], part: str) -> list[CaseFiles]:
        """The cases of a part, in the order of ``cases``."""
        names = set(self.parts[part])
        return [case for case in cases if case.name in names]

    def save(self, path: Path | str) -> None:
        """Write as JSON, atomically."""
        write_json(path, {"seed": self.seed, "parts": {part: list(n) for part, n in self.parts.items()}})

    @classmethod
    def load(cls, path: Path | str) -> Split:
        """Read what :meth:`save` wrote.

        Raises
        ------
        BadInputError
            When the file is missing or something else.
        """
        content = read_json(path)
        try:
            parts = {str(part): tuple(map(str, names)) for part, names in content["parts"].items()}
            return cls(parts, int(content["seed"]))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadInputError(f"{path}: is not a split of a cohort; make it again.") from error


def split_by_person(
    cases: Sequence[CaseFiles],
    shares: Mapping[str, float],
    seed: int,
    lesion_ml: Mapping[str, float] | None = None,
) -> Split:
    """Draw a split in which all cases of a person stay together.

    Persons are shuffled inside their stratum of lesion volume and dealt out, stratum after stratum,
    each to the part that is furthest behind its share. The order of ``cases`` does not matter.

    Parameters
    ----------
    shares
        Share of persons by part ("train": 0.8, "validation": 0.2); scaled to add up to 1.
    lesion_ml
        Lesion volume (ml) by case name, to balance the parts; a person counts by the largest.

    Raises
    ------
    BadInputError
        When there are fewer persons than parts.
    """
    wanted = {part: share for part, share in shares.items() if share > 0}
    persons: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        persons[case.person].append(case.name)
    if not wanted or len(persons) < len(wanted):
        raise BadInputError(
            f"{len(persons)} person{'' if len(persons) == 1 else 's'} cannot be split into "
            f"{len(wanted)} parts ({', '.join(wanted)}); more cases are needed."
        )
    order = _shuffled(persons, lesion_ml or {}, seed)
    dealt = _deal(order, wanted)
    parts = {part: tuple(sorted(n for p in dealt.get(part, []) for n in persons[p])) for part in shares}
    return Split(parts, seed)


def _shuffled(persons: Mapping[str, list[str]], lesion_ml: Mapping[str, float], seed: int) -> list[str]:
    rng = generator(seed, "split")
    strata: dict[int, list[str]] = defaultdict(list)
    for person in sorted(persons):
        volume = max(lesion_ml.get(name, 0.0) for name in persons[person])
        strata[sum(volume > border for border in STRATA_ML)].append(person)
    return [str(p) for stratum in sorted(strata) for p in rng.permutation(strata[stratum])]


def _deal(order: Sequence[str], wanted: Mapping[str, float]) -> dict[str, list[str]]:
    total = sum(wanted.values())
    dealt: dict[str, list[str]] = {part: [] for part in wanted}
    for number, person in enumerate(order, start=1):
        part = max(wanted, key=lambda p: wanted[p] / total * number - len(dealt[p]))
        dealt[part].append(person)
    for part in wanted:  # small cohorts: nobody goes empty-handed
        if not dealt[part]:
            largest = max(dealt, key=lambda p: len(dealt[p]))
            dealt[part].append(dealt[largest].pop())
    return dealt
