"""Which real lesion lends its effect to a mask that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...randomness import generator
from .store import CaseFacts

Array = npt.NDArray[Any]

#: Distance (mm) between centers in standard space that counts as much as a volume e times as large.
_DISTANCE = 30.0
#: Say of chance: of two lesions whose cost differs by this, the better is chosen 73 % of the time.
_TEMPERATURE = 1.0


@dataclass(frozen=True)
class Choice:
    """A donor by its number, and whether its lesion goes to the other half of the brain."""

    number: int
    mirrored: bool


def choose(
    facts: Sequence[CaseFacts], donors: Sequence[int], center: Array, volume_ml: float, seed: int
) -> Choice:
    """A donor of similar size at a similar place, by chance.

    Every donor, as it is and mirrored, has one random number that depends on ``seed`` alone (Gumbel's trick:
    the smallest of cost minus noise is a draw with weights exp(-cost / T)). So a mask that changes a little
    while it is painted keeps its donor.

    Parameters
    ----------
    donors
        Numbers of the cases to choose from.
    center
        Of the mask in standard space (mm).
    """
    noise = generator(seed, "donor").gumbel(size=(len(donors), 2))
    best, least = Choice(donors[0], False), np.inf
    for row, number in enumerate(donors):
        lesion = facts[number].lesion
        if lesion is None:
            raise ValueError(f"case {number} has no lesion that can be carried")
        size = abs(np.log(max(volume_ml, 1e-3) / max(lesion.volume_ml, 1e-3)))
        for column, mirrored in enumerate((False, True)):
            place = np.array(lesion.center) * ([-1.0, 1.0, 1.0] if mirrored else [1.0, 1.0, 1.0])
            cost = size + float(np.linalg.norm(place - center)) / _DISTANCE
            cost -= _TEMPERATURE * float(noise[row, column])
            if cost < least:
                best, least = Choice(number, mirrored), cost
    return best
