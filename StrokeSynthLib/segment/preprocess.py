"""The canonical frame of the segmenters, in one place, with its inverse.

1. Axes turned to RAS+ (permutation and flips only).
2. Spacing: in-plane the frame's own (2 mm), unless the image's is within a quarter of it: then no
   voxel is interpolated. Slices stay as acquired, except thinner ones than three quarters of
   the frame's, which are brought to it. Slices are always axial, the way the networks know the
   brain; a coronal or sagittal acquisition is interpolated along its thick axis.
3. Crop to the brain (:mod:`.brain`), intensities divided by the mode of normal tissue.
4. The other hemisphere laid over this one (:mod:`.symmetry`).

The way back is the same scale and offset inverted, then the axes turned back: probabilities are
interpolated linearly to the grid of the DWI, and only then decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..volume import Orientation, Storage, Volume
from .brain import find_brain
from .filters import along_axes, box_of, cut, gaussian, gaussian_matrix, linear_matrix
from .symmetry import MidPlane, find_midplane

Array = npt.NDArray[Any]

#: Normalized DWI and ADC (10^-3 mm^2/s) are clipped to 0 and these: nothing beyond tells anything.
HIGHEST_DWI = 5.0
HIGHEST_ADC = 3.5
#: Normal parenchyma is 1; the plane of symmetry is looked for in an image clipped here.
_CLIP_FOR_SYMMETRY = 1.3


@dataclass(frozen=True)
class FrameOptions:
    """How the canonical frame is chosen; part of every model's config.

    Parameters
    ----------
    spacing
        In-plane voxel size (mm).
    margin
        Kept around the brain (mm).
    """

    spacing: float = 2.0
    margin: float = 4.0


@dataclass(frozen=True)
class Frame:
    """Where the canonical array of one examination lies in the image.

    Parameters
    ----------
    image
        The DWI that it belongs to; gives orientation and grid back.
    scale
        Image voxels (RAS+ order) per frame voxel, along each axis.
    start
        RAS+ image voxel at the center of the first frame voxel.
    shape
        Of the frame's arrays (x, y, z).
    spacing
        Of the frame's arrays (mm).
    """

    image: Volume
    scale: tuple[float, float, float]
    start: tuple[float, float, float]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @property
    def voxel_ml(self) -> float:
        """Volume of a frame voxel (ml)."""
        return float(np.prod(self.spacing)) / 1000.0

    def forward(self, array: Array) -> Array:
        """An array on the image's grid and in its axis order, brought to the frame (float32)."""
        orientation = self.image.orientation
        turned = orientation.apply(array)
        return _resampled(turned, self.scale, self.start, self.shape)

    def back(self, array: Array) -> Array:
        """A frame array brought to the image's grid and axis order (float32); 0 outside."""
        orientation = self.image.orientation
        shape = orientation.apply_to_grid(self.image.grid).shape
        scale = tuple(1.0 / s for s in self.scale)
        start = tuple(-a / s for a, s in zip(self.start, self.scale, strict=True))
        native = _resampled(array, scale, start, shape, smooth=False)
        return np.ascontiguousarray(orientation.undo(native))

    def labels_back(self, labels: Array) -> Array:
        """A frame array of labels brought to the image's grid and axis order, the nearest one; 0 outside."""
        orientation = self.image.orientation
        shape = orientation.apply_to_grid(self.image.grid).shape
        result = np.zeros(shape, labels.dtype)
        into, out = [], []
        for size, step, first, length in zip(shape, self.scale, self.start, labels.shape, strict=True):
            index = np.rint((np.arange(size) - first) / step).astype(int)
            known = (index >= 0) & (index < length)
            into.append(np.flatnonzero(known))
            out.append(index[known])
        result[np.ix_(*into)] = labels[np.ix_(*out)]
        return np.ascontiguousarray(orientation.undo(result))

    def volume(self, array: Array, dtype: str = "float32") -> Volume:
        """:meth:`back`, as a volume beside the DWI."""
        return self.image.with_array(self.back(array).astype(dtype, copy=False), Storage(dtype))


@dataclass(frozen=True)
class Prepared:
    """One examination in the canonical frame. All arrays (x, y, z) float32 unless said.

    Parameters
    ----------
    dwi
        Normal parenchyma is about 1; clipped to 0 and :data:`HIGHEST_DWI`.
    adc
        10^-3 mm^2/s, 0 outside the brain, clipped to :data:`HIGHEST_ADC`; None without ADC.
    mirrored_dwi, mirrored_adc
        The same, reflected through the mid-sagittal plane and lightly smoothed.
    brain
        Boolean.
    spread
        Robust standard deviation of ``dwi`` in parenchyma.
    plane
        The mid-sagittal plane, in mm from the first voxel of the frame.
    """

    frame: Frame
    dwi: Array
    adc: Array | None
    mirrored_dwi: Array
    mirrored_adc: Array | None
    brain: Array
    spread: float
    plane: MidPlane


def prepare(dwi: Volume, adc: Volume | None = None, options: FrameOptions | None = None) -> Prepared:
    """Bring one examination to the canonical frame.

    Parameters
    ----------
    dwi
        Trace image, any orientation and unit.
    adc
        10^-3 mm^2/s on the same grid, or None.
    options
        How the frame is chosen.
    """
    options = options or FrameOptions()
    whole = _whole_frame(dwi, options)
    image = whole.forward(dwi.array)
    brain = find_brain(image, whole.spacing)
    margin = [round(options.margin / s) for s in whole.spacing]
    box = tuple(
        slice(max(0, s.start - m), min(n, s.stop + m))
        for s, m, n in zip(box_of(brain.mask), margin, image.shape, strict=True)
    )
    frame = _cropped(whole, box)
    mask = brain.mask[box]
    normalized = np.clip(image[box] / np.float32(brain.scale), 0, HIGHEST_DWI)
    diffusion = None
    if adc is not None:
        values = np.nan_to_num(frame.forward(adc.array), nan=0.0, posinf=0.0, neginf=0.0)
        diffusion = np.where(mask, np.clip(values, 0, HIGHEST_ADC), 0).astype(np.float32)
    plane = find_midplane(np.where(mask, np.minimum(normalized, _CLIP_FOR_SYMMETRY), 0), frame.spacing)
    # Hemispheres match within some millimeters only: smoothed, the comparison forgives that.
    sigma = (2.0 / frame.spacing[0], 2.0 / frame.spacing[1], 0.0)

    seen = plane.reflection(normalized.shape, frame.spacing)

    def mirrored(values: Array) -> Array:
        return seen.apply(gaussian(values, sigma))

    return Prepared(
        frame, normalized, diffusion, mirrored(normalized),
        None if diffusion is None else mirrored(diffusion), mask, brain.spread, plane,
    )  # fmt: skip


def _whole_frame(dwi: Volume, options: FrameOptions) -> Frame:
    """The frame before cropping."""
    grid = Orientation.of(dwi.affine).apply_to_grid(dwi.grid)
    target = options.spacing
    scale: list[float] = []
    for axis, spacing in enumerate(grid.spacing):
        keep = 0.8 * target <= spacing <= 1.25 * target
        if axis == 2:
            keep = spacing >= 0.75 * target
        scale.append(1.0 if keep else target / spacing)
    # The field of view is kept: as many voxels as fit, centered.
    shape = [max(1, int(n / s)) for n, s in zip(grid.shape, scale, strict=True)]
    start = [((n - 1) - (m - 1) * s) / 2 for n, m, s in zip(grid.shape, shape, scale, strict=True)]
    mm = [a * s for a, s in zip(grid.spacing, scale, strict=True)]
    return Frame(dwi, _three(scale), _three(start), (shape[0], shape[1], shape[2]), _three(mm))


def _cropped(frame: Frame, box: tuple[slice, ...]) -> Frame:
    start = [a + s * b.start for a, s, b in zip(frame.start, frame.scale, box, strict=True)]
    i, j, k = (b.stop - b.start for b in box)
    return Frame(frame.image, frame.scale, _three(start), (i, j, k), frame.spacing)


def _three(values: list[float]) -> tuple[float, float, float]:
    x, y, z = values
    return float(x), float(y), float(z)


def _resampled(
    array: Array,
    scale: tuple[float, ...],
    start: tuple[float, ...],
    shape: tuple[int, ...],
    *,
    smooth: bool = True,
) -> Array:
    """Voxel ``i`` of the result is voxel ``i * scale + start`` of ``array``; 0 outside."""
    if all(s == 1.0 and float(a).is_integer() for s, a in zip(scale, start, strict=True)):
        return cut(array, [int(a) for a in start], shape).astype(np.float32, copy=False)
    matrices: list[Array | None] = []
    for before, after, step, first in zip(array.shape, shape, scale, start, strict=True):
        matrix = linear_matrix(before, after, step, first, fade=True)
        if smooth and step > 1.0:
            # A coarser voxel averages finer ones: the width that their boxes differ by.
            matrix = matrix @ gaussian_matrix(before, 0.29 * np.sqrt(step * step - 1.0))
        matrices.append(matrix)
    # One unusable value would spread along whole rows.
    values = np.nan_to_num(array.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return along_axes(values, matrices)
