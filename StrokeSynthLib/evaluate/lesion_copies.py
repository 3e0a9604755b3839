"""Whether lesion masks are copies: the rule, with its control.

Two people's masks can be alike by chance, and the more so the smaller and the more compact they are. Of
pairs of 278 real masks of different people at about the same place, the most alike had a Dice of 0.91, one in
3,000 more than 0.88; copies brought to other slices, tilted and off by some mm had 0.96 to 0.99 in the
middle (``Testing/Benchmarks/audit.md``). So the limit is :data:`LEAST_DICE` at about the same place of
either side, :data:`LEAST_DICE_ANYWHERE` at any other, and higher where the control, real masks against those
of other people, comes near it: by the same extreme-value rule as for images, on -ln(1 - Dice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .copies import FALSE_ALARM, extreme
from .lesion_shapes import SMALLEST_ML, likeness
from .measured import Measured

Array = npt.NDArray[Any]

LEAST_DICE = 0.94
LEAST_DICE_ANYWHERE = 0.985
#: Centers closer than this (mm, standard space, either side) are at about the same place.
NEAR_MM = 15.0
#: With fewer masks the extreme values of the control say nothing.
_LEAST_CONTROLS = 8


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
        Dice of the pair at about the same place that is most alike, and among real masks of other people.
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
    tops = np.where(control_near & stranger, control_dice, 0.0).max(axis=1)
    threshold = max(LEAST_DICE, _extreme(tops, len(own)))
    limit = np.where(near, threshold, max(threshold, LEAST_DICE_ANYWHERE))
    best = np.where(dice >= limit, dice, 0.0).argmax(axis=1)
    rows = np.arange(len(own))
    hit = (dice >= limit)[rows, best]
    copied = tuple(
        (own[i], other[best[i]], float(dice[i, best[i]]), bool(mirrored[i, best[i]]))
        for i in np.flatnonzero(hit)
    )
    rule = (
        f"Dice of every mask of {SMALLEST_ML:g} ml or more, around its own center, with every real one below "
        f"{threshold:.3f} where both lie within {NEAR_MM:g} mm of each other in standard space on either "
        f"side, and below {max(threshold, LEAST_DICE_ANYWHERE):.3f} elsewhere (exceeded by chance in "
        f"{FALSE_ALARM:.0%} of cohorts of this size, by real masks against other people's; never "
        f"below {LEAST_DICE:g})"
    )
    highest = float(np.where(near, dice, 0.0).max())
    return LesionEvidence(copied, len(own), len(other), highest, float(tops.max()), threshold, rule)


def _extreme(tops: Array, masks: int) -> float:
    """Dice that masks of other people reach in one of a hundred cohorts of so many masks."""
    if len(tops) < _LEAST_CONTROLS:
        return 0.0
    level = extreme(-np.log1p(-np.minimum(tops, 0.999)), FALSE_ALARM / masks)
    # A limit that no copy could reach would be none: the same mask read twice differs by rounding.
    return min(float(-np.expm1(-level)), LEAST_DICE_ANYWHERE)


def _pairs(first: Sequence[Measured], second: Sequence[Measured]) -> tuple[Array, Array, Array]:
    """Dice, whether at about the same place, whether mirrored fits better; (first, second) each."""
    shapes = [[m.shape for m in cases if m.shape is not None] for cases in (first, second)]
    dice, mirrored = likeness(shapes[0], shapes[1])
    places = [np.stack([shape.place for shape in each]) for each in shapes]
    other = np.where(mirrored[..., None], places[1][None] * [-1.0, 1.0, 1.0], places[1][None])
    near = np.linalg.norm(places[0][:, None] - other, axis=2) <= NEAR_MM
    return dice, near, mirrored
