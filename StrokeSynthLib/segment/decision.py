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
    """The decision with the best mean Dice, and that Dice.

    Of decisions within one point of the best, the one nearest to the default is taken: a few
    validation cases do not tell them apart.
    """
    default = Decision()
    scores: dict[Decision, float] = {}
    for threshold in _THRESHOLDS:
        for smallest in _SMALLEST_ML:
            decision = Decision(threshold, smallest)
            masks = [decision.apply(p, ml) for p, ml in zip(probabilities, voxels_ml, strict=True)]
            scores[decision] = mean_dice(references, masks)
    best = max(scores.values())
    near = [decision for decision, score in scores.items() if score >= best - _INDISTINCT]
    chosen = min(near, key=lambda d: abs(d.threshold - default.threshold) + d.smallest_ml)
    return chosen, scores[chosen]
