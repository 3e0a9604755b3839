"""How well a predicted lesion mask agrees with the reference, for one case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[Any]

#: Voxels that share a face, an edge or a corner belong to one lesion (26 neighbors).
_NEIGHBORS = np.ones((3, 3, 3), bool)
_NAN = float("nan")


@dataclass(frozen=True)
class Scores:
    """Agreement of one prediction with its reference; NaN where a score is not defined.

    Parameters
    ----------
    dice
        Overlap, 0 to 1. Both empty: 1; one empty: 0 (as in ISLES'22).
    lesion_precision
        Share of predicted lesions that touch a reference lesion; NaN without predicted ones.
    lesion_recall
        Share of reference lesions that are touched by the prediction; NaN without reference ones.
    lesion_f1
        2 TP / (2 TP + FP + FN), TP: found reference lesions, FN: missed ones, FP: predicted lesions
        that touch none. Both empty: 1.
    volume_difference_ml, absolute_volume_difference_ml
        Predicted minus reference volume (ml), and without its sign.
    hausdorff95_mm
        95th percentile of the surface distances, the larger of both directions (mm); NaN when
        either is empty.
    false_positive_ml
        Predicted volume (ml) where the reference is empty; NaN in cases with a lesion.
    lesion_count_difference
        Predicted minus reference number of lesions.
    reference_ml, prediction_ml
        Volumes (ml).
    reference_lesions, predicted_lesions
        Numbers of lesions.
    """

    dice: float
    lesion_precision: float
    lesion_recall: float
    lesion_f1: float
    volume_difference_ml: float
    absolute_volume_difference_ml: float
    hausdorff95_mm: float
    false_positive_ml: float
    lesion_count_difference: int
    reference_ml: float
    prediction_ml: float
    reference_lesions: int
    predicted_lesions: int


def score(reference: Array, prediction: Array, spacing: Sequence[float]) -> Scores:
    """Score one prediction.

    Lesions are connected components (26 neighbors) of any size; one voxel in common is a hit.

    Parameters
    ----------
    reference, prediction
        Masks of one shape (x, y, z); everything above 0 is lesion.
    spacing
        Of the voxels (mm).
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"shapes differ: reference {reference.shape}, prediction {prediction.shape}")
    truth, found = reference > 0, prediction > 0
    voxel_ml = float(np.prod(spacing)) / 1000.0
    reference_ml, prediction_ml = float(truth.sum()) * voxel_ml, float(found.sum()) * voxel_ml
    truth_lesions, truth_count = ndimage.label(truth, _NEIGHBORS)
    found_lesions, found_count = ndimage.label(found, _NEIGHBORS)
    hits = _touched(truth_lesions, found)
    right = _touched(found_lesions, truth)
    counted = 2 * hits + (found_count - right) + (truth_count - hits)
    return Scores(
        dice=_dice(truth, found),
        lesion_precision=right / found_count if found_count else _NAN,
        lesion_recall=hits / truth_count if truth_count else _NAN,
        lesion_f1=2 * hits / counted if counted else 1.0,
        volume_difference_ml=prediction_ml - reference_ml,
        absolute_volume_difference_ml=abs(prediction_ml - reference_ml),
        hausdorff95_mm=_hausdorff95(truth, found, spacing),
        false_positive_ml=_NAN if truth_count else prediction_ml,
        lesion_count_difference=found_count - truth_count,
        reference_ml=reference_ml,
        prediction_ml=prediction_ml,
        reference_lesions=truth_count,
        predicted_lesions=found_count,
    )


def _touched(lesions: Array, mask: Array) -> int:
    """How many of the numbered lesions have a voxel in ``mask``."""
    return int(np.setdiff1d(np.unique(lesions[mask]), [0]).size)


def _dice(truth: Array, found: Array) -> float:
    """Overlap; 1 when both are empty."""
    total = int(truth.sum()) + int(found.sum())
    return 2.0 * int((truth & found).sum()) / total if total else 1.0


def _hausdorff95(truth: Array, found: Array, spacing: Sequence[float]) -> float:
    """95th percentile of the distances from each surface to the other, the larger one (mm).

    A surface is the mask's voxels with one of their six neighbors outside. As MONAI's
    ``compute_hausdorff_distance``, which a test holds it to, without the seconds of importing it.
    """
    from scipy.spatial import KDTree

    if not truth.any() or not found.any():
        return _NAN
    step = np.asarray(spacing, float)
    surfaces = [np.argwhere(mask & ~ndimage.binary_erosion(mask)) * step for mask in (truth, found)]
    trees = [KDTree(points) for points in surfaces]
    distances = [trees[1].query(surfaces[0])[0], trees[0].query(surfaces[1])[0]]
    return max(float(np.percentile(each, 95)) for each in distances)
