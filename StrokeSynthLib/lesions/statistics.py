"""Numbers that describe a lesion mask: size, pieces, shape.

The same function measures real and procedural masks, so that they can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Pieces smaller than this (ml) are not counted: 10 voxels of 1 mm, as in published counts.
SMALLEST_COUNTED_ML = 0.010


@dataclass(frozen=True)
class LesionStatistics:
    """What a mask is like.

    Parameters
    ----------
    volume_ml
        Total volume (ml).
    components
        Number of pieces (26-neighbors) of at least :data:`SMALLEST_COUNTED_ML`.
    largest_share
        Share of the volume in the largest piece.
    sphericity
        Surface of a sphere of the largest piece's volume over the piece's own surface
        (Crofton's estimate, as in ITK): 1 for a sphere, smaller the more ragged; may pass 1
        a little for pieces of few voxels.
    extent_mm
        Diagonal of the largest piece's bounding box (mm).
    pieces_ml
        Volumes of all counted pieces (ml), largest first.
    """

    volume_ml: float
    components: int
    largest_share: float
    sphericity: float
    extent_mm: float
    pieces_ml: tuple[float, ...]


def bounding_box(mask: Array, margin: int = 0) -> tuple[slice, slice, slice]:
    """Smallest box around a mask's voxels, widened by ``margin`` voxels within the array.

    Raises
    ------
    ValueError
        When the mask is empty.
    """
    ranges = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if hit.size == 0:
            raise ValueError("the mask is empty")
        ranges.append(slice(max(0, int(hit[0]) - margin), min(mask.shape[axis], int(hit[-1]) + 1 + margin)))
    return ranges[0], ranges[1], ranges[2]


def pieces(mask: Array) -> tuple[Array, Array]:
    """Label the pieces of a mask (26-neighbors); labels and voxel counts by label, 0 first."""
    from scipy.ndimage import generate_binary_structure, label

    labels, _ = label(mask, generate_binary_structure(3, 3))
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    return labels, counts


def without_dust(mask: Array, smallest_voxels: int) -> Array:
    """The mask without pieces of fewer voxels."""
    if not mask.any():
        return mask
    labels, counts = pieces(mask)
    return np.asarray((counts >= smallest_voxels)[labels])


def describe(
    mask: Array, spacing: tuple[float, float, float], *, smallest: int | None = None
) -> LesionStatistics:
    """Measure a boolean mask (x, y, z) with voxels of ``spacing`` (mm).

    ``smallest`` is the number of voxels from which a piece counts; by default what makes
    :data:`SMALLEST_COUNTED_ML`. An empty mask has volume 0, no components, and sphericity and extent 0.
    """
    import SimpleITK

    sitk: Any = SimpleITK  # its functions carry no types
    if not mask.any():
        return LesionStatistics(0.0, 0, 0.0, 0.0, 0.0, ())
    box = mask[bounding_box(mask)]
    voxel_ml = float(np.prod(spacing)) / 1000.0
    labels, counts = pieces(box)
    largest = int(counts.argmax())
    image = sitk.GetImageFromArray(np.pad(labels == largest, 1).astype(np.uint8).T)
    image.SetSpacing([float(s) for s in spacing])
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOn()
    shape.Execute(image)
    size = np.array(shape.GetBoundingBox(1)[3:]) * spacing
    least = smallest if smallest is not None else SMALLEST_COUNTED_ML / voxel_ml - 1e-6
    counted = sorted((float(n) * voxel_ml for n in counts[1:] if n >= least), reverse=True)
    return LesionStatistics(
        volume_ml=float(box.sum()) * voxel_ml,
        components=len(counted),
        largest_share=float(counts[largest] / counts.sum()),
        sphericity=float(shape.GetRoundness(1)),
        extent_mm=float(np.linalg.norm(size)),
        pieces_ml=tuple(counted),
    )
