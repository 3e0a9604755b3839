"""Whether lesion masks are copies: the rule, with its control.

Two people's masks can be alike by chance, and the more so the smaller and the more compact they are. Of
pairs of 278 real masks of different people at about the same place, the most alike had a Dice of 0.91, one in
3,000 more than 0.88; copies brought to other slices, tilted and off by some mm had 0.96 to 0.99 in the
middle (those figures: real masks of SOOP, in standard space). So the limit is :data:`LEAST_DICE` for masks of
:data:`TELLING_ML` or more at about the same place of either side, and :data:`LEAST_DICE_ANYWHERE` for
smaller ones and elsewhere. Where two people's masks in the control are more alike than that, the limit lies a
third of the way from there to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .lesion_shapes import SMALLEST_ML, likeness
from .measured import Measured

Array = npt.NDArray[Any]

LEAST_DICE = 0.94
LEAST_DICE_ANYWHERE = 0.985
#: Centers closer than this (mm, standard space, either side) are at about the same place.
NEAR_MM = 15.0
#: Masks from this volume on (ml) are told apart by less than an exact copy.
TELLING_ML = 3.0


@dataclass(frozen=True)
class LesionEvidence:
    """What was found.

    Parameters
    ----------
    copied
        Synthetic case, real case (numbers), Dice, whether mirrored.
    compared, control_masks
        Masks of :data:`.lesion_shapes.SMALLEST_ML` or more, synthetic and real.
    highest, control_highest
        Dice of the pair of telling masks at about the same place that is most alike, and among real masks of
        other people.
    threshold
        Dice from which on a mask at about the same place is a copy.
    rule
        In words.
    """

    copied: tuple[tuple[int, int, float, bool], ...]
    compared: int
    control_masks: int
    highest: float
    control_highest: float
    threshold: float
    rule: str


def lesion_evidence(synthetic: Sequence[Measured], real: Sequence[Measured]) -> LesionEvidence | None:
    """Compare all masks; None where either set has none that is large enough."""
    own, other = (
        [i for i, m in enumerate(cases) if m.shape is not None and m.shape.volume_ml >= SMALLEST_ML]
        for cases in (synthetic, real)
    )
    if not own or not other:
        return None
    dice, near, mirrored = _pairs([synthetic[i] for i in own], [real[j] for j in other])
    control_dice, control_near, _ = _pairs([real[j] for j in other], [real[j] for j in other])
    persons = [real[j].person for j in other]
    stranger = np.array([[a != b for b in persons] for a in persons])
    telling, control_telling = _telling(synthetic, own), _telling(real, other)
    tops = np.where(control_near & stranger, control_dice, 0.0).max(axis=1)[control_telling]
    threshold = _limit(float(tops.max(initial=0.0)))
    limit = np.where(near & telling[:, None], threshold, LEAST_DICE_ANYWHERE)
    best = np.where(dice >= limit, dice, 0.0).argmax(axis=1)
    rows = np.arange(len(own))
    hit = (dice >= limit)[rows, best]
    copied = tuple(
        (own[i], other[best[i]], float(dice[i, best[i]]), bool(mirrored[i, best[i]]))
        for i in np.flatnonzero(hit)
    )
    rule = (
        f"Dice of every mask of {SMALLEST_ML:g} ml or more, around its own center, with every real one below "
        f"{threshold:.3f} where it holds {TELLING_ML:g} ml or more and both lie within {NEAR_MM:g} mm of "
        f"each other in standard space on either side, and below {LEAST_DICE_ANYWHERE:g} else (never below "
        f"{LEAST_DICE:g}, and a third of the way to 1 above real masks of two people)"
    )
    highest = float(np.where(near & telling[:, None], dice, 0.0).max())
    return LesionEvidence(
        copied, len(own), len(other), highest, float(tops.max(initial=0.0)), threshold, rule
    )


def _telling(cases: Sequence[Measured], chosen: Sequence[int]) -> Array:
    """Which of the chosen cases' masks are large enough to be told apart."""
    shapes = [cases[i].shape for i in chosen]
    return np.array([shape is not None and shape.volume_ml >= TELLING_ML for shape in shapes])


def _limit(highest: float) -> float:
    """Dice from which on telling masks are copies, given the highest among real masks of other people."""
    # A limit that no copy could reach would be none: the same mask read twice differs by rounding.
    return min(max(LEAST_DICE, highest + (1.0 - highest) / 3.0), LEAST_DICE_ANYWHERE)


def _pairs(first: Sequence[Measured], second: Sequence[Measured]) -> tuple[Array, Array, Array]:
    """Dice, whether at about the same place, whether mirrored fits better; (first, second) each."""
    shapes = [[m.shape for m in cases if m.shape is not None] for cases in (first, second)]
    dice, mirrored = likeness(shapes[0], shapes[1])
    places = [np.stack([shape.place for shape in each]) for each in shapes]
    other = np.where(mirrored[..., None], places[1][None] * [-1.0, 1.0, 1.0], places[1][None])
    near = np.linalg.norm(places[0][:, None] - other, axis=2) <= NEAR_MM
    return dice, near, mirrored
