"""Into how many pieces a lesion falls, how they share its volume, and how many lie on the other side.

1. The number from a table over the volume, times what the artery changes of it.
2. The volume piece by piece: the largest of those that remain takes a share of what remains, which depends on
   how many remain and how much; so on until one is left. None is under 10 mm^3, as none is counted then.
3. Whether any piece lies on the other side, by their number; if so one does, and each other one by chance.
   Sides are not independent between pieces: emboli come from one carotid artery, or from before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..statistics import SMALLEST_COUNTED_ML
from ..territories import ARTERIES
from .crops import Piece

Array = npt.NDArray[Any]

#: Pieces of one lesion that are told apart; more are rare.
MOST_PIECES = 24
LEVELS = np.linspace(0.0, 1.0, 21)
#: Quantiles are taken over at least so many lesions; otherwise over all.
LEAST_PEOPLE = 15
#: Volumes (ml) at which the number of pieces is tabled, and over how much (log ml) lesions count there.
_VOLUMES_ML = (0.1, 0.4, 1.2, 3.5, 10.0, 25.0, 60.0, 150.0)
_WIDTH = 0.5
#: Classes of numbers begin at these.
_NUMBERS = (1, 2, 3, 5, 9)
#: Classes of what remains (ml) end at these.
_REMAINING_ML = (0.3, 3.0, 20.0)
#: People that an artery's ratios are drawn to one by, and a side's chances to all.
_PRIOR = 10.0


def quantiles(values: Array) -> Array:
    """Quantiles whose ends are not one person's: the outermost two percent are left out."""
    return np.asarray(np.quantile(values, 0.02 + 0.96 * LEVELS))


def fit_sharing(lesions: Sequence[Sequence[Piece]]) -> dict[str, Array]:
    """Tables of lesions, each its pieces, the largest first.

    Returns
    -------
    dict
        ``number`` (8, 24) chances of 1 to 24 pieces by volume; ``number_artery`` (6, 5) how much more often
        an artery has so many; ``breaking`` (4, 4, 21) quantiles of the largest's share by the number that
        remains (2, 3 to 4, 5 to 8, more) and their volume; ``two_sided`` (4,) chance of a piece on the other
        side and ``across`` (4,) chance of each further one to lie there then, by number of pieces.
    """
    volumes = [np.array([piece.volume_ml for piece in lesion[:MOST_PIECES]]) for lesion in lesions]
    counts = np.array([len(v) for v in volumes])
    logs = np.log([v.sum() for v in volumes])
    weights = np.exp(-0.5 * ((logs[None] - np.log(_VOLUMES_ML)[:, None]) / _WIDTH) ** 2)
    number = np.stack([np.bincount(counts - 1, w + 1e-6, minlength=MOST_PIECES) for w in weights])
    number = number / number.sum(axis=1, keepdims=True)
    return {
        "number": number,
        "number_artery": _by_artery(lesions, counts, logs, number),
        "breaking": _breaking(volumes),
        **_sides(lesions, counts),
    }


def draw_number(
    tables: Mapping[str, Array], volume_ml: float, artery: int, limits: tuple[int, int],
    rng: np.random.Generator,
) -> int:  # fmt: skip
    """A number of pieces within limits; none of them needs to be under 10 mm^3."""
    chances = _chances(tables["number"], float(np.log(volume_ml)))
    chances = chances * tables["number_artery"][artery][_class(np.arange(1, MOST_PIECES + 1))]
    least, most = limits
    most = max(least, min(most, int(volume_ml / SMALLEST_COUNTED_ML)))
    chances[: least - 1], chances[most:] = 0.0, 0.0
    return 1 + int(rng.choice(MOST_PIECES, p=chances / chances.sum())) if chances.any() else least


def draw_shares(
    tables: Mapping[str, Array], volume_ml: float, number: int, rng: np.random.Generator
) -> list[float]:
    """Shares of the volume, the largest first; their sum is 1."""
    remaining, last, parts = volume_ml, volume_ml, []
    for left in range(number, 1, -1):
        row = tables["breaking"][_class(left) - 1, int(np.searchsorted(_REMAINING_ML, remaining))]
        share = float(np.interp(rng.random(), LEVELS, row))
        room = 1.0 - (left - 1) * SMALLEST_COUNTED_ML / remaining
        share = max(min(share, room, last / remaining), 1.0 / left)
        last = share * remaining
        parts.append(last / volume_ml)
        remaining -= last
    return [*parts, remaining / volume_ml]


def draw_sides(
    tables: Mapping[str, Array], number: int, side: str | None, rng: np.random.Generator
) -> list[bool]:
    """Which of the pieces after the largest lie on the other side."""
    row = _class(number) - 1
    if number < 2 or side in ("left", "right") or (side is None and rng.random() >= tables["two_sided"][row]):
        return [False] * (number - 1)
    across = rng.random(number - 1) < tables["across"][row]
    across[rng.integers(number - 1)] = True
    return [bool(a) for a in across]


def _class(number: Any) -> Any:
    return np.searchsorted(_NUMBERS, number, side="right") - 1


def _chances(number: Array, log_volume: float) -> Array:
    """The table's row at a volume, linear between its volumes."""
    at = float(np.interp(log_volume, np.log(_VOLUMES_ML), np.arange(len(_VOLUMES_ML))))
    low = min(int(at), len(_VOLUMES_ML) - 2)
    return np.asarray((low + 1 - at) * number[low] + (at - low) * number[low + 1])


def _by_artery(lesions: Sequence[Sequence[Piece]], counts: Array, logs: Array, number: Array) -> Array:
    """Observed over expected numbers of pieces by artery and class, drawn to one."""
    classes = _class(np.arange(1, MOST_PIECES + 1))
    seen, expected = np.zeros((2, len(ARTERIES), len(_NUMBERS)))
    for lesion, count, log in zip(lesions, counts, logs, strict=True):
        artery = int(np.argmax(lesion[0].arteries))
        seen[artery, _class(count)] += 1.0
        expected[artery] += np.bincount(classes, _chances(number, float(log)), minlength=len(_NUMBERS))
    prior = _PRIOR * expected / np.maximum(expected.sum(axis=1, keepdims=True), 1.0) + 1e-6
    return np.asarray((seen + prior) / (expected + prior))


def _breaking(volumes: Sequence[Array]) -> Array:
    """Quantiles of the largest's share of what remains, by number and volume of what remains."""
    rows = []
    for lesion in volumes:
        for first in range(len(lesion) - 1):
            rest = lesion[first:]
            rows.append(
                (_class(len(rest)) - 1, np.searchsorted(_REMAINING_ML, rest.sum()), rest[0] / rest.sum())
            )
    found = np.array(rows).reshape(-1, 3)
    table = np.empty((len(_NUMBERS) - 1, len(_REMAINING_ML) + 1, len(LEVELS)))
    for number, size in np.ndindex(*table.shape[:2]):
        same = found[:, 0] == number
        both = same & (found[:, 1] == size)
        values = found[both if both.sum() >= LEAST_PEOPLE else same, 2]
        table[number, size] = quantiles(values) if values.size >= LEAST_PEOPLE else np.linspace(0.4, 0.95, 21)
    return table


def _sides(lesions: Sequence[Sequence[Piece]], counts: Array) -> dict[str, Array]:
    others = np.array([sum(p.mirrored != lesion[0].mirrored for p in lesion) for lesion in lesions])
    several = counts > 1
    every = float((others > 0)[several].mean()) if several.any() else 0.0
    two, across = [], []
    for row in range(1, len(_NUMBERS)):
        same = several & (_class(counts) == row)
        two.append(((others > 0)[same].sum() + _PRIOR * every) / (same.sum() + _PRIOR))
        both = same & (others > 0)
        more = float((counts[both] - 2).sum())
        across.append(((others[both] - 1).sum() + 0.3 * _PRIOR) / (more + _PRIOR))
    return {"two_sided": np.array(two), "across": np.array(across)}
