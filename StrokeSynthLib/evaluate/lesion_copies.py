"""Whether lesion masks are copies: the rule, with its control.

Two people's masks can be alike by chance, and the more so the rounder they are. So each mask is laid over the
real ones that are most like it, wherever they lie (:mod:`.lesion_alignment`), and what still differs is
measured by how individual the two are (:mod:`.lesion_shapes`): *apartness* is the difference over the mean of
how far each is from an ellipsoid. About 1 means that the two have no more in common than two ellipsoids, 0
that they are the same. *Evidence* is a limit, which grows with the volume (:func:`limit`), over the
apartness. From 1 on a mask is a copy, or from a fourth above the highest evidence of real masks of different
people (the control), where that is more. Beside that, masks with exactly the same voxels are copies
(:data:`SAME_VOXELS` or more), on whatever grid. Where the limits come from:
``Testing/Benchmarks/lesion_copies.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .lesion_alignment import compare_coarsely, lay_over
from .lesion_shapes import LesionShape
from .measured import Measured

Array = npt.NDArray[Any]

#: Limits of apartness at these volumes (ml), between them along the logarithm.
VOLUMES_ML, LIMITS = (1.0, 3.0, 20.0), (0.18, 0.29, 0.43)
#: Masks of so many voxels or more are copies where all voxels are the same.
SAME_VOXELS = 20
#: Smaller masks (ml) are compared voxel by voxel only.
SMALLEST_ML = 0.3
#: Each mask is laid over so many real ones, those that are most like it and this much at least.
_LAID_OVER, _LEAST_LIKE = 3, 0.6
#: No apartness is held to be less: the same mask read twice differs by rounding.
_ROUNDING = 0.02
#: Masks that differ by so many limits after the coarser steps are not laid over each other more closely.
_HOPELESS = 2.0
#: Copies must stand out of the control by this factor, but never need more than the last.
_MARGIN, _HARDEST = 1.25, 4.0


@dataclass(frozen=True)
class LesionCopy:
    """A synthetic mask that is a real one.

    Parameters
    ----------
    case, real
        Numbers of the cases.
    dice
        Of the two laid over each other; 1 where all voxels are the same.
    mirrored
        Whether it is the real one's mirror image.
    """

    case: int
    real: int
    dice: float
    mirrored: bool


@dataclass(frozen=True)
class LesionEvidence:
    """What was found.

    Parameters
    ----------
    copied
        Copies, one a case.
    compared, control_masks
        Masks of :data:`SMALLEST_ML` or :data:`SAME_VOXELS` or more, synthetic and real.
    highest, control_highest
        Highest evidence of the synthetic masks, and of real masks against other people's.
    threshold
        Evidence from which on a mask is a copy.
    rule
        In words.
    """

    copied: tuple[LesionCopy, ...]
    compared: int
    control_masks: int
    highest: float
    control_highest: float
    threshold: float
    rule: str


@dataclass(frozen=True)
class Pair:
    """Two masks, laid over each other.

    Parameters
    ----------
    first, second
        Their numbers in the two sets.
    mirrored
        Whether the second is mirrored.
    dice
        Of soft masks.
    evidence
        Limit over apartness.
    """

    first: int
    second: int
    mirrored: bool
    dice: float
    evidence: float


def lesion_evidence(synthetic: Sequence[Measured], real: Sequence[Measured]) -> LesionEvidence | None:
    """Compare all masks; None where either set has none that is large enough."""
    own, other = _usable(synthetic), _usable(real)
    if not own or not other:
        return None
    shapes = [_shape(synthetic[i]) for i in own]
    known = [_shape(real[j]) for j in other]
    persons = [real[j].person for j in other]
    strangers = np.array([[a != b for b in persons] for a in persons])
    control_highest = highest(compared(known, known, strangers))
    threshold = threshold_of(control_highest)
    pairs = compared(shapes, known)
    strong = sorted((p for p in pairs if p.evidence >= threshold), key=lambda p: p.evidence)
    found = {pair.first: pair for pair in strong}
    copies = {n: LesionCopy(own[n], other[p.second], p.dice, p.mirrored) for n, p in found.items()}
    for n, (number, mirrored) in same_voxels(shapes, known).items():
        copies[n] = LesionCopy(own[n], other[number], 1.0, mirrored)
    return LesionEvidence(
        tuple(copies[n] for n in sorted(copies)), len(own), len(other), highest(pairs), control_highest,
        threshold, _rule(threshold),
    )  # fmt: skip


def _usable(cases: Sequence[Measured]) -> list[int]:
    return [
        i for i, m in enumerate(cases)
        if m.shape is not None and (m.shape.volume_ml >= SMALLEST_ML or m.shape.voxels >= SAME_VOXELS)
    ]  # fmt: skip


def _shape(case: Measured) -> LesionShape:
    assert case.shape is not None
    return case.shape


def limit(volume_ml: float) -> float:
    """Apartness below which a mask of a volume is a copy; 0 for masks that are too small to tell."""
    if volume_ml < SMALLEST_ML:
        return 0.0
    return float(np.interp(np.log(volume_ml), np.log(VOLUMES_ML), LIMITS))


def compared(
    first: Sequence[LesionShape], second: Sequence[LesionShape], allowed: Array | None = None
) -> list[Pair]:
    """Lay each mask over those of the second set that are most like it; ``allowed`` (first, second) pairs."""
    coarse = compare_coarsely(first, second)
    like = coarse.likeness if allowed is None else np.where(allowed[..., None], coarse.likeness, 0.0)
    pairs = []
    for i, own in enumerate(first):
        for pick in np.argsort(-like[i], axis=None)[:_LAID_OVER]:
            j, side = divmod(int(pick), 2)
            if like[i, j, side] < _LEAST_LIKE:
                break
            individual = max((own.individual + second[j].individual) / 2.0, 1e-6)
            largest = limit(min(own.volume_ml, second[j].volume_ml))
            hopeless = _HOPELESS * largest * individual
            fit = lay_over(own, second[j], bool(side), coarse.shift[i, j, side], hopeless)
            apart = max(fit.difference / individual, _ROUNDING)
            pairs.append(Pair(i, j, bool(side), fit.dice, largest / apart))
    return pairs


def threshold_of(control_highest: float) -> float:
    """Evidence from which on masks are copies, given the highest among real masks of other people."""
    return min(max(1.0, _MARGIN * control_highest), _HARDEST)


def highest(pairs: Sequence[Pair]) -> float:
    """Highest evidence; 0 where no masks are anything like each other."""
    return max((pair.evidence for pair in pairs), default=0.0)


def same_voxels(first: Sequence[LesionShape], second: Sequence[LesionShape]) -> dict[int, tuple[int, bool]]:
    """Of each mask that has exactly the voxels of one of the second set: which one, whether mirrored."""
    known: dict[str, tuple[int, bool]] = {}
    for j, shape in enumerate(second):
        for mirrored, pattern in enumerate(shape.patterns):
            known.setdefault(pattern, (j, bool(mirrored)))
    return {
        i: known[shape.patterns[0]] for i, shape in enumerate(first)
        if shape.voxels >= SAME_VOXELS and shape.patterns[0] in known
    }  # fmt: skip


def _rule(threshold: float) -> str:
    limits = ", ".join(f"{x:g} at {v:g} ml" for v, x in zip(VOLUMES_ML, LIMITS, strict=True))
    return (
        f"evidence of every mask of {SMALLEST_ML:g} ml or more below {threshold:.2f} (limit, {limits}, over "
        f"apartness: 1 - Dice with the real mask most like it, laid over each other, over how far both are "
        f"from ellipsoids), and not exactly the voxels of a real one ({SAME_VOXELS} or more)"
    )
