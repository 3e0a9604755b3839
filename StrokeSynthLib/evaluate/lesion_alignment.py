"""How much alike two lesion masks are once one is laid over the other.

1. *Coarse*: all pairs at once, at :data:`COARSE_STEP` and smoothed so much that some degrees, percent and
   millimeters matter little; centers on each other, one step every way, as it is and mirrored.
2. *Fine*, for the few most alike: the second mask is turned, scaled along three axes and shifted so that

       difference = |a - b|^2 / (|a|^2 + |b|^2) + COST (angle^2 + |log scales|^2)

   is least, by Gauss-Newton steps (the first term is 1 - Dice of soft masks). Both are smoothed alike, as
   much as the thicker slices of the two ask for. Shifts cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .lesion_shapes import LesionShape, compared_blur

Array = npt.NDArray[Any]

COARSE_STEP = 4.0
#: Points along x, y, z: 144 x 176 x 144 mm.
_COARSE_SHAPE = (36, 44, 36)
_COARSE_MM = 3.0
_SHIFTS = ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
#: Of a turn by one radian, or a scale by e: 0.2 makes 10 degrees and 17 % as bad as a Dice of 0.994. Two
#: people's masks fit by larger turns and scales than copies need (``Testing.Benchmarks.lesion_copies``).
COST = 0.2
#: Smoothing (SD, mm) at least and number of steps of the fine alignment, from coarse to fine.
_LEVELS = ((3.0, 5), (1.5, 3))
_LARGEST_STEP = 0.15
#: Points that an alignment looks at.
_POINTS = 1500


@dataclass(frozen=True)
class Coarse:
    """Likeness of all pairs (first, second, mirrored), and the shift (mm) that it was found at."""

    likeness: Array
    shift: Array


def compare_coarsely(first: Sequence[LesionShape], second: Sequence[LesionShape]) -> Coarse:
    """All pairs; the last axis is as it is, mirrored."""
    own = np.stack([_coarse(each) for each in first])
    other = own if second is first else np.stack([_coarse(each) for each in second])
    rows = own.reshape(len(own), -1)
    # Points that no lesion of the first set reaches add nothing.
    used = rows.any(axis=0)
    rows = np.ascontiguousarray(rows[:, used])
    energy = (rows**2).sum(axis=1)[:, None] + (other**2).sum(axis=(1, 2, 3))[None]
    best = np.zeros((len(own), len(other), 2), np.float32)
    shift = np.zeros((*best.shape, 3), np.float32)
    for flip in (0, 1):
        # Mirrored about the center, which is a point of the lattice.
        turned = np.roll(other[:, ::-1], 1, axis=1) if flip else other
        for moved in _SHIFTS:
            columns = np.roll(turned, moved, (1, 2, 3)).reshape(len(other), -1)[:, used]
            found = 2.0 * (rows @ columns.T) / energy
            better = found > best[..., flip]
            best[..., flip][better] = found[better]
            shift[..., flip, :][better] = -COARSE_STEP * np.array(moved)
    return Coarse(best, shift)


def _coarse(shape: LesionShape) -> Array:
    """(x, y, z) float32 on the common coarse lattice, which is cut off at its ends."""
    soft = shape.smoothed(np.maximum(_COARSE_MM, shape.blur))
    first = -COARSE_STEP * (np.array(_COARSE_SHAPE) // 2)
    ratio = np.full(3, COARSE_STEP / shape.step)
    return np.asarray(
        ndimage.affine_transform(soft, ratio, (first - shape.low) / shape.step, _COARSE_SHAPE, order=1)
    )


@dataclass(frozen=True)
class Fit:
    """How two masks lie on each other.

    Parameters
    ----------
    dice
        Of soft masks.
    difference
        1 - Dice and what turning and scaling cost.
    linear, shift
        (3, 3) and (3,) mm: points of the first mask, from its center, to points of the second (mirrored).
    """

    dice: float
    difference: float
    linear: Array
    shift: Array


def _generators() -> tuple[Array, ...]:
    """Turns about the three axes, and scales along them."""
    turns = []
    for a, b in ((1, 2), (2, 0), (0, 1)):
        turn = np.zeros((3, 3))
        turn[a, b], turn[b, a] = -1.0, 1.0
        turns.append(turn)
    return (*turns, *(np.diag(row) for row in np.eye(3)))


_GENERATORS = _generators()


def lay_over(
    first: LesionShape, second: LesionShape, mirrored: bool, start: Array, hopeless: float = np.inf
) -> Fit:
    """Turn, scale and shift the second mask (mirrored if so) onto the first, beginning at a shift (mm).

    Masks that differ by more than ``hopeless`` after the coarser steps are not looked at more closely:
    they differ more, not less, when they are smoothed less.
    """
    side = np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0])
    spacing, step = np.maximum(first.spacing, second.spacing), max(first.step, second.step)
    linear, shift = np.eye(3), np.array(start, float)
    dice, difference = 0.0, 1.0
    for width, steps in _LEVELS:
        pair = _Pair.of(first, second, side, compared_blur(step, spacing, width))
        for _ in range(steps):
            linear, shift = pair.improved(linear, shift)
        dice = pair.dice(linear, shift)
        difference = 1.0 - dice + COST * _size(linear)
        if difference > hopeless:
            break
    return Fit(dice, difference, linear, shift)


def _size(linear: Array) -> float:
    """Squared angle (radians) plus the squares of the logarithms of the three scales."""
    left, scales, right = np.linalg.svd(linear)
    angle = np.arccos(np.clip((np.trace(left @ right) - 1.0) / 2.0, -1.0, 1.0))
    return float(angle**2 + (np.log(np.maximum(scales, 1e-3)) ** 2).sum())


@dataclass(frozen=True)
class _Pair:
    """Two masks, smoothed alike.

    Parameters
    ----------
    points
        (n, 3) of the first mask, from its center (mm), where it is not empty.
    values
        (n,) there.
    image
        (x, y, z, 4) of the second: share and its slope along each axis (per mm).
    low, step, side
        Of the image's lattice; ``side`` (3, 3) mirrors points.
    energies
        Sums of squares of both, in points of the first lattice.
    """

    points: Array
    values: Array
    image: Array
    low: Array
    step: float
    side: Array
    energies: tuple[float, float]

    @classmethod
    def of(cls, first: LesionShape, second: LesionShape, side: Array, blur: Array) -> _Pair:
        own, other = first.smoothed(blur), second.smoothed(blur)
        index = np.argwhere(own > 0.01 * own.max())
        slopes = np.gradient(other, second.step)
        ratio = (second.step / first.step) ** 3
        return cls(
            index * first.step + first.low, own[tuple(index.T)], np.stack([other, *slopes], axis=-1),
            second.low, second.step, side, (float((own**2).sum()), ratio * float((other**2).sum())),
        )  # fmt: skip

    def _read(self, points: Array, linear: Array, shift: Array) -> Array:
        """(n, 4) the second mask's share and slopes under points of the first."""
        there = (points @ linear.T + shift) @ self.side
        return _interpolated(self.image, (there - self.low) / self.step)

    def dice(self, linear: Array, shift: Array) -> float:
        read = self._read(self.points, linear, shift)[:, 0]
        # Scaling changes how many points the second mask covers; what lies beyond the first's is all lost.
        energy = self.energies[1] / abs(float(np.linalg.det(linear)))
        beyond = max(energy - float((read**2).sum()), 0.0)
        apart = float(((read - self.values) ** 2).sum()) + beyond
        return 1.0 - apart / (self.energies[0] + float((read**2).sum()) + beyond)

    def improved(self, linear: Array, shift: Array) -> tuple[Array, Array]:
        """One Gauss-Newton step towards the least difference."""
        every = len(self.points) // _POINTS + 1
        points, values = self.points[::every], self.values[::every]
        read = self._read(points, linear, shift)
        slopes, turned = read[:, 1:] @ self.side, points @ linear.T
        changes = [((turned @ g.T) * slopes).sum(axis=1) for g in _GENERATORS]
        columns = np.stack([*changes, *slopes.T], axis=1)
        count = len(_GENERATORS)
        # Both masks have about the same energy, so that this is the cost of the difference.
        held = 2.0 * COST * float((values**2).sum()) * np.array([1.0] * count + [0.0] * 3)
        offset = linear - np.eye(3)
        now = np.array([(offset * g).sum() / (g * g).sum() for g in _GENERATORS] + shift.tolist())
        normal = columns.T @ columns + np.diag(held)
        normal += 1e-6 * np.trace(normal) / len(normal) * np.eye(len(normal))
        change = -np.linalg.solve(normal, columns.T @ (read[:, 0] - values) + held * now)
        largest = float(np.abs(change[:count]).max())
        change *= min(1.0, _LARGEST_STEP / max(largest, 1e-9))
        turn = sum((c * g for c, g in zip(change, _GENERATORS, strict=False)), np.zeros((3, 3)))
        return (np.eye(3) + turn) @ linear, shift + change[count:]


def _interpolated(image: Array, index: Array) -> Array:
    """(n, c) float32 trilinear values of (x, y, z, c) at (n, 3) indices; 0 outside."""
    shape = np.array(image.shape[:3])
    base = np.floor(index).astype(np.int32)
    inside = ((base >= 0) & (base < shape - 1)).all(axis=1)
    part = (index[inside] - base[inside]).astype(np.float32)
    strides = np.array([shape[1] * shape[2], shape[2], 1], np.int32)
    corner = base[inside] @ strides
    flat = image.reshape(-1, image.shape[3])
    found = np.zeros((len(corner), image.shape[3]), np.float32)
    x, y, z = ((1.0 - part[:, a], part[:, a]) for a in range(3))
    for i, j, k in np.ndindex(2, 2, 2):
        weight = x[i] * y[j] * z[k]
        found += weight[:, None] * flat[corner + int(np.array([i, j, k]) @ strides)]
    values = np.zeros((len(index), image.shape[3]), np.float32)
    values[inside] = found
    return values
