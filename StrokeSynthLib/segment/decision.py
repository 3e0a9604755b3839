"""From probability to mask: threshold and smallest lesion, and how they are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .filters import components
from .preprocess import Prepared
from .skull_base import drop_susceptibility, without_susceptibility

__all__ = [
    "Decision", "dice", "drop_susceptibility", "mean_dice", "tune_decision", "without_specks",
]  # fmt: skip

Array = npt.NDArray[Any]

_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
_SMALLEST_ML = (0.0, 0.02, 0.05, 0.1, 0.2)
#: Differences of mean Dice that a few validation cases cannot tell from chance.
_INDISTINCT = 0.01


@dataclass(frozen=True)
class Decision:
    """How a probability map becomes a mask.

    Parameters
    ----------
    threshold
        Probability from which a voxel is lesion.
    smallest_ml
        Components (26 neighbors) smaller than this are dropped.
    skull_base
        Whether components near the skull base count only if their ADC is low (:mod:`.skull_base`). That is
        decided in the canonical frame, by :meth:`in_frame`, before the map comes to the DWI's grid.
    """

    threshold: float = 0.5
    smallest_ml: float = 0.0
    skull_base: bool = False

    def in_frame(self, probability: Array, prepared: Prepared, tissue: Array | None = None) -> Array:
        """The probability map (x, y, z) of the canonical frame that is to be decided on the DWI's grid.

        ``tissue``: numbers of :data:`..schema.TISSUES` in that frame, or None.
        """
        if not self.skull_base:
            return probability
        return without_susceptibility(probability, prepared, tissue, self.threshold)

    def apply(self, probability: Array, voxel_ml: float) -> Array:
        """uint8 mask of a probability map."""
        return without_specks(probability >= self.threshold, self.smallest_ml / voxel_ml)

    def config(self) -> dict[str, float | bool]:
        """As JSON."""
        return asdict(self)


def without_specks(mask: Array, smallest_voxels: float) -> Array:
    """uint8 ``mask`` without components of fewer voxels."""
    if smallest_voxels <= 1 or not mask.any():
        return mask.astype(np.uint8)
    parts, sizes = components(mask, diagonal=True)
    keep = sizes >= smallest_voxels
    return np.asarray(keep[parts].astype(np.uint8))


def dice(reference: Array, mask: Array) -> float:
    """Overlap of two masks, 0 to 1; 1 when both are empty."""
    total = int((reference > 0).sum()) + int((mask > 0).sum())
    return 2.0 * int(((reference > 0) & (mask > 0)).sum()) / total if total else 1.0


def mean_dice(references: Sequence[Array], masks: Sequence[Array]) -> float:
    """Mean Dice over the cases with lesion; over all when none has one.

    Without lesion the Dice is 1 or 0 by a single voxel, which would drown everything else.
    """
    pairs = list(zip(references, masks, strict=True))
    diseased = [(reference, mask) for reference, mask in pairs if reference.any()]
    return float(np.mean([dice(reference, mask) for reference, mask in diseased or pairs]))


def tune_decision(
    probabilities: Sequence[Array], references: Sequence[Array], voxels_ml: Sequence[float]
) -> tuple[Decision, float]:
    """The decision that is best on these cases, and its mean Dice.

    1. Mean Dice, over the cases with lesion as in :func:`mean_dice`.
    2. Of decisions within one point of the best, which a few validation cases do not tell apart, mean F1 of
       whole lesions over all cases: where Dice does not care, specks and missed small lesions do.
    3. Of those within one point again, the one nearest to the default.
    """
    default = Decision()
    overlaps: dict[Decision, list[tuple[float, float]]] = {}
    for probability, reference, ml in zip(probabilities, references, voxels_ml, strict=True):
        for decision, overlap in _overlaps(probability, np.asarray(reference > 0), ml).items():
            overlaps.setdefault(decision, []).append(overlap)
    diseased = [bool(reference.any()) for reference in references]
    some = any(diseased)
    means = {
        decision: (
            float(np.mean([dice for (dice, _), ill in zip(pairs, diseased, strict=True) if ill or not some])),
            float(np.mean([f1 for _, f1 in pairs])),
        )
        for decision, pairs in overlaps.items()
    }
    near = list(means)
    for which in (0, 1):
        best = max(means[decision][which] for decision in near)
        near = [decision for decision in near if means[decision][which] >= best - _INDISTINCT]
    chosen = min(near, key=lambda d: abs(d.threshold - default.threshold) + d.smallest_ml)
    return chosen, means[chosen][0]


def _overlaps(probability: Array, reference: Array, voxel_ml: float) -> dict[Decision, tuple[float, float]]:
    """Dice and F1 of whole lesions (one voxel in common is a hit) of one case by each decision.

    Components are found once for each threshold; the smallest size only leaves some of them out.
    """
    lesions, lesion_sizes = components(reference, diagonal=True)
    count, total = len(lesion_sizes) - 1 if reference.any() else 0, int(reference.sum())
    found: dict[Decision, tuple[float, float]] = {}
    for threshold in _THRESHOLDS:
        parts, sizes = components(probability >= threshold, diagonal=True)
        common = np.bincount(parts[reference], minlength=len(sizes)) if total else np.zeros_like(sizes)
        pairs = np.unique(np.stack([parts[reference], lesions[reference]]), axis=1)
        for smallest in _SMALLEST_ML:
            kept = sizes >= max(smallest / voxel_ml, 1)
            kept[0] = False
            marked, right = int(sizes[kept].sum()), int((kept & (common > 0)).sum())
            hits = len(np.unique(pairs[1][kept[pairs[0]]]))
            counted = 2 * hits + (int(kept.sum()) - right) + (count - hits)
            found[Decision(threshold, smallest)] = (
                2.0 * int(common[kept].sum()) / (marked + total) if marked + total else 1.0,
                2 * hits / counted if counted else 1.0,
            )
    return found
