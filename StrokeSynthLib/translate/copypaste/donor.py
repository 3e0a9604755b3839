"""What a real lesion does to its tissue, voxel by voxel: the effect that is carried into other images.

    effect = log(observed / expected)      of b0 and of ADC

The expected signal of the tissue as if it were well comes from the fit of the donor's other tissue
(:mod:`..physics.mixing`). A ratio takes on the recipient's intensities, coil profile and tissue contrast,
where pasted intensities would bring those of another scanner along.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..boxes import Box, grown
from ..examples import IS_PARENCHYMA, Example
from ..fields import smooth
from ..geometry import slice_axis
from ..physics.mixing import Residuals

Array = npt.NDArray[Any]

#: Around a lesion its effect is kept this far (mm).
MARGIN = 12.0
#: Fewest voxels of tissue that a lesion to be carried has.
FEWEST_VOXELS = 8
#: Depths (mm) that have an effect of their own; deeper inside and further outside it stays the same.
DEEPEST, OUTERMOST = 12.0, 6.0
#: Standard deviation of the smoothing in plane (voxels). The recipient's image has noise of its own;
#: the donor's would come on top.
_DENOISE = 0.6
#: Log ratios beyond this are partial volume of fluid that the map places a little wrongly.
_MOST_LOG = 1.2
#: Outside of the lesion the effect is small and slow: smoothed more (mm), and bounded.
_SLOW, _MOST_OUTSIDE = 2.0, 0.3


@dataclass(frozen=True)
class Donor:
    """A lesion and what it does.

    Parameters
    ----------
    b0, adc
        Log ratios on a box around the lesion, (x, y, z) in RAS+ order, float32.
    lesion
        Boolean, on the same box.
    start
        First voxel of the box in the donor's image.
    spacing
        Of the voxels (mm).
    """

    b0: Array
    adc: Array
    lesion: Array
    start: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @cached_property
    def depth(self) -> Array:
        """Signed distance from the surface (mm), positive inside."""
        return signed_depth(self.lesion, self.spacing)

    @cached_property
    def distance(self) -> Array:
        """Distance (mm) as :attr:`depth`, but positive outside and of any size."""
        from scipy.ndimage import distance_transform_edt

        inside, outside = (
            distance_transform_edt(m, sampling=self.spacing) for m in (self.lesion, ~self.lesion)
        )
        return np.asarray(outside - inside)

    @cached_property
    def profile(self) -> tuple[Array, Array, Array]:
        """Depths (mm), and the median effect on log b0 and on log ADC there.

        Depths with few voxels share theirs with the next.
        """
        edges = np.arange(-OUTERMOST, DEEPEST + 1.0, 1.0)
        depth = np.clip(self.depth, edges[0], edges[-1])
        number = np.clip(np.digitize(depth, edges) - 1, 0, len(edges) - 2)
        where, rows = [], []
        for k in range(len(edges) - 1):
            there = number == k
            if there.sum() >= FEWEST_VOXELS:
                where.append(float(depth[there].mean()))
                rows.append([float(np.median(values[there])) for values in (self.b0, self.adc)])
        if not where or where[-1] < 0:  # too few at any depth inside: all of the lesion together
            where.append(float(self.depth[self.lesion].mean()))
            rows.append([float(np.median(values[self.lesion])) for values in (self.b0, self.adc)])
        table = np.array(rows)
        return np.array(where), table[:, 0], table[:, 1]

    @cached_property
    def texture(self) -> tuple[Array, Array]:
        """What the lesion's voxels deviate from the profile by; continued around the lesion."""
        from scipy.ndimage import distance_transform_edt

        where, b0, adc = self.profile
        index = distance_transform_edt(
            ~self.lesion, sampling=self.spacing, return_distances=False, return_indices=True
        )
        rest = (self.b0 - np.interp(self.depth, where, b0), self.adc - np.interp(self.depth, where, adc))
        first, second = (values[tuple(index)].astype(np.float32) for values in rest)
        return first, second


def signed_depth(mask: Array, spacing: tuple[float, float, float]) -> Array:
    """Distance (mm) from the voxels outside, positive in ``mask``; from those inside, negative elsewhere.

    Clipped to what has a meaning (:data:`DEEPEST`, :data:`OUTERMOST`), also where there is nothing but mask
    or no mask at all: so a box gives what the whole image gives, if it reaches that far.
    """
    from scipy.ndimage import distance_transform_edt

    inside = np.full(mask.shape, DEEPEST)
    outside = np.full(mask.shape, OUTERMOST)
    if not mask.all():
        inside = np.minimum(distance_transform_edt(mask, sampling=spacing), DEEPEST)
    if mask.any():
        outside = np.minimum(distance_transform_edt(~mask, sampling=spacing), OUTERMOST)
    return np.where(mask, inside, -outside)


def donor_of(example: Example, residuals: Residuals) -> Donor | None:
    """The lesion of a case with its effect; None where it has none, or one too small to be carried."""
    tissue = IS_PARENCHYMA[example.labels] & residuals.valid
    known = example.lesion & tissue
    if known.sum() < FEWEST_VOXELS:
        return None
    box = _around(example.lesion, example.spacing)
    expected_adc = np.clip(example.adc - residuals.adc, 0.3, None)
    log_adc = np.log(np.clip(example.adc, 0.1, None) / expected_adc)
    fields = (residuals.log_b0[box], log_adc[box])
    b0, adc = (_cleaned(values, tissue[box], example.lesion[box], example.spacing) for values in fields)
    first, second, third = (s.start for s in box)
    return Donor(b0, adc, example.lesion[box].copy(), (first, second, third), example.spacing)


def _around(lesion: Array, spacing: tuple[float, float, float]) -> Box:
    hits = np.argwhere(lesion)
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(hits.min(0), hits.max(0), strict=True))
    return grown(box, [int(np.ceil(MARGIN / step)) for step in spacing], lesion.shape)


def _cleaned(values: Array, tissue: Array, lesion: Array, spacing: tuple[float, float, float]) -> Array:
    """An effect without noise; where the donor has fluid, that of the nearest tissue on the same side."""
    from scipy.ndimage import distance_transform_edt

    across = slice_axis(spacing)
    width = [0.0 if axis == across else _DENOISE * spacing[axis] for axis in range(3)]
    inside, outside = lesion & tissue, tissue & ~lesion
    result = np.zeros(values.shape, np.float32)
    bounded = np.clip(values, -_MOST_LOG, _MOST_LOG).astype(np.float32)
    for side, known, sigma in ((lesion, inside, width), (~lesion, outside, [_SLOW] * 3)):
        if not known.any() or not side.any():
            continue
        index = distance_transform_edt(~known, sampling=spacing, return_distances=False, return_indices=True)
        result = np.where(side, smooth(bounded[tuple(index)], sigma, spacing), result)
    return np.where(lesion, result, np.clip(result, -_MOST_OUTSIDE, _MOST_OUTSIDE)).astype(np.float32)
