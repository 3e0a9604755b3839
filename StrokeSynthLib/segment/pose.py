"""Whether what lies in the frame is a head, and which way it lies: comparison with an average brain.

The examination is averaged down to 12 mm and slid over a template, the average of the cases that a
model knows. The template is tried upright, nodded forward and back (heads and slices are tilted), and in
the 23 other ways that a file can lie wrongly: turned by right angles. Mirror images of a head look
alike and are not told apart. Likeness is the cosine between the two within the field of view,

    sum(image * template) / sqrt(sum(image^2) * sum(template^2)),

at all shifts at once by the convolution theorem.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .filters import along_axes
from .preprocess import Prepared

Array = npt.NDArray[Any]

STEP_MM = 12.0
#: Samples along each axis: 240 mm, more than a head, so that shifts do not wrap around.
SIZE = 20
_SHAPE = (SIZE, SIZE, SIZE)
#: Brighter than this (normal tissue is 1) is cut off: lesions say nothing about the pose.
_BRIGHTEST = 1.2
#: Angles at which it is tried upright, and upside-down or back to front (degrees, nose down and up). With
#: fewer angles there, a head that was turned over would be taken for one that is nodded.
_NODS, _NODS_TURNED = (0.0, -36.0, -24.0, -12.0, 12.0, 24.0, 36.0), (0.0, -24.0, -12.0, 12.0, 24.0)
UPRIGHT = "RAS"
_LETTERS = ("RL", "AP", "SI")


@dataclass(frozen=True)
class Pose:
    """How an examination lies.

    Parameters
    ----------
    likeness
        Of the upright template at its best place, 0 to 1.
    best
        Of the template in whichever way fits best.
    turn
        That way, as letters of where x, y and z of the file really run; :data:`UPRIGHT` is right.
        Left and right cannot be told apart and count as "R".
    coverage
        Share of the upright template, at its best place, that the field of view holds, 0 to 1.
    """

    likeness: float
    best: float
    turn: str
    coverage: float

    def numbers(self) -> dict[str, float]:
        """Its numbers by name, as beside those of :mod:`.measurements`."""
        return {"likeness": self.likeness, "turned": self.best - self.likeness, "coverage": self.coverage}


@dataclass(frozen=True)
class Coarse:
    """An examination averaged to :data:`STEP_MM`, its brain's box in the middle.

    Parameters
    ----------
    image
        Brightness within the brain, normal tissue about 1, (SIZE, SIZE, SIZE) float32.
    field
        Share of each sample that the field of view covers, same shape.
    """

    image: Array
    field: Array


def coarse(prepared: Prepared) -> Coarse:
    """Average a prepared examination."""
    frame = prepared.frame
    values = np.where(prepared.brain, np.minimum(prepared.dwi, np.float32(_BRIGHTEST)), np.float32(0))
    image = along_axes(
        values, [_shares(n, s, 0.0, n) for n, s in zip(frame.shape, frame.spacing, strict=True)]
    )
    whole = frame.image.orientation.apply_to_grid(frame.image.grid).shape
    # The field of view in frame voxels, from face to face.
    x, y, z = (
        _shares(n, s, (-0.5 - start) / scale + 0.5, (count - 0.5 - start) / scale + 0.5).sum(axis=1)
        for n, s, start, scale, count in zip(
            frame.shape, frame.spacing, frame.start, frame.scale, whole, strict=True
        )
    )
    field = x[:, None, None] * y[None, :, None] * z[None, None, :]
    return Coarse(image, np.asarray(field, np.float32))


def _shares(count: int, spacing: float, low: float, high: float) -> Array:
    """(SIZE, voxels): the share of each sample that each voxel between faces ``low`` and ``high`` fills.

    The middle of ``count`` voxels lies in the middle of the samples.
    """
    faces = np.clip(np.arange(np.floor(low), np.ceil(high) + 1), low, high)
    places = (faces - count / 2) * spacing / STEP_MM + SIZE / 2
    cells = np.arange(SIZE)[:, None]
    overlap = np.minimum(places[None, 1:], cells + 1) - np.maximum(places[None, :-1], cells)
    return np.asarray(np.maximum(overlap, 0.0))


class Template:
    """The average brain of the cases that a model knows.

    Parameters
    ----------
    values
        (SIZE, SIZE, SIZE), 0 to :data:`_BRIGHTEST`, its center of mass in the middle.
    """

    def __init__(self, values: Array) -> None:
        self.values = np.asarray(values, np.float32)

    @classmethod
    def average(cls, cases: Sequence[Coarse]) -> Template:
        """Of examinations, each laid on the average of all; left and right the same."""
        mean = np.mean([_moved(case.image, -_off_center(case.image)) for case in cases], axis=0)
        for _ in range(2):
            template = cls((mean + mean[::-1]) / 2)
            mean = np.mean([_moved(case.image, -template._best_shift(case)) for case in cases], axis=0)
        mean = (mean + mean[::-1]) / 2
        return cls(np.where(mean > 0.02 * mean.max(), mean, 0))

    @classmethod
    def from_config(cls, config: str) -> Template:
        """From the text that :meth:`config` made."""
        levels = np.frombuffer(base64.b64decode(config), np.uint8).reshape(_SHAPE)
        return cls(levels.astype(np.float32) * (_BRIGHTEST / 255))

    def config(self) -> str:
        """As text: 8-bit levels in base64."""
        levels = np.rint(np.clip(self.values / _BRIGHTEST, 0, 1) * 255).astype(np.uint8)
        return base64.b64encode(levels.tobytes()).decode()

    def pose(self, case: Coarse) -> Pose:
        """How an examination lies."""
        turns, first, second = self._spectra
        if not case.image.any():
            return Pose(0.0, 0.0, UPRIGHT, 0.0)
        covered = _back(_spectrum(case.field**2) * second)
        score = self._cosine(case, first, covered)
        peaks = score.reshape(len(turns), -1).max(axis=1)
        best = int(peaks.argmax())
        upright = int(peaks[: len(_NODS)].argmax())
        place = int(score[upright].argmax())
        whole = float((self.values.astype(float) ** 2).sum())
        share = float(covered[upright].ravel()[place]) / whole
        return Pose(float(peaks[upright]), float(peaks[best]), turns[best], min(max(share, 0.0), 1.0))

    @cached_property
    def _spectra(self) -> tuple[list[str], Array, Array]:
        """Every way it is tried, upright ones first; spectra of the template and of its square there."""
        ways = [(UPRIGHT, _nodded(self.values, degrees)) for degrees in _NODS]
        for degrees in _NODS_TURNED:
            turned = _turned(_nodded(self.values, degrees))
            # Of a head on its side, no angle but the right one is needed: nothing upright looks like it.
            ways += [way for way in turned if way[0] != UPRIGHT and (degrees == 0 or _same_axes(way[0]))]
        stack = np.stack([values for _, values in ways])
        return [turn for turn, _ in ways], np.conj(_spectrum(stack)), np.conj(_spectrum(stack**2))

    def _cosine(self, case: Coarse, spectra: Array, covered: Array) -> Array:
        """Likeness in every way at every shift."""
        product = _back(_spectrum(case.image * case.field) * spectra)
        # A sliver of the template in view must not count as all of it.
        least = 0.1 * float((self.values.astype(float) ** 2).sum())
        energy = float((case.image.astype(float) ** 2).sum())
        return np.asarray(product / np.sqrt(energy * np.maximum(covered, least)))

    def _best_shift(self, case: Coarse) -> Array:
        values = self.values[None]
        covered = _back(_spectrum(case.field**2) * np.conj(_spectrum(values**2)))
        score = self._cosine(case, np.conj(_spectrum(values)), covered)
        shift = np.array(np.unravel_index(int(score.argmax()), _SHAPE))
        return np.where(shift > SIZE // 2, shift - SIZE, shift)


def _spectrum(values: Array) -> Array:
    return np.asarray(np.fft.rfftn(values, axes=(-3, -2, -1)))


def _back(spectra: Array) -> Array:
    return np.asarray(np.fft.irfftn(spectra, _SHAPE, axes=(-3, -2, -1)))


def _off_center(image: Array) -> Array:
    """Samples from the middle to the center of mass."""
    total = max(float(image.sum()), 1e-6)
    sums = [image.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    place = [float((line * np.arange(SIZE)).sum()) / total for line in sums]
    return np.rint(np.array(place) - (SIZE - 1) / 2).astype(int)


def _moved(image: Array, shift: Array) -> Array:
    return np.roll(image, tuple(int(s) for s in shift), (0, 1, 2))


def _nodded(values: Array, degrees: float) -> Array:
    """The template turned about its left-right axis, interpolated linearly."""
    angle = np.deg2rad(degrees)
    place = np.arange(SIZE) - (SIZE - 1) / 2
    y, z = np.meshgrid(place, place, indexing="ij")
    a = np.cos(angle) * y - np.sin(angle) * z + (SIZE - 1) / 2
    b = np.sin(angle) * y + np.cos(angle) * z + (SIZE - 1) / 2
    low_a, low_b = np.floor(a).astype(int), np.floor(b).astype(int)
    result = np.zeros_like(values)
    for da, db in itertools.product((0, 1), repeat=2):
        weight = np.abs(1 - da - (a - low_a)) * np.abs(1 - db - (b - low_b))
        i, j = low_a + da, low_b + db
        inside = (i >= 0) & (i < SIZE) & (j >= 0) & (j < SIZE)
        result += np.where(inside, weight, 0) * values[:, i.clip(0, SIZE - 1), j.clip(0, SIZE - 1)]
    return np.asarray(result, np.float32)


def _same_axes(turn: str) -> bool:
    """Whether every axis runs along its own direction, either way."""
    return all(letter in pair for letter, pair in zip(turn, _LETTERS, strict=True))


def _turned(values: Array) -> list[tuple[str, Array]]:
    """The template in each of the 24 ways, with the letters of where the file's axes then run."""
    ways = []
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((0, 1), repeat=3):
            # Left and right look alike: one of each pair is enough.
            if not flips[order.index(0)]:
                turned = values.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
                ways.append(
                    (
                        "".join(_LETTERS[a][f] for a, f in zip(order, flips, strict=True)),
                        np.ascontiguousarray(turned),
                    )
                )
    return ways
