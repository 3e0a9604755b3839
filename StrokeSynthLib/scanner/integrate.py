"""From the object to slices: signal of fine cells, averaged over each slice's thickness.

For every sub-plane of a slice the cells' places in the anatomy are computed, with the shift
along the phase-encoding axis that off-resonance causes, and b0 and DWI are computed
there separately. Averaging signals (not tissue values) gives the partial volume of either image.
Only one plane is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import INDEX
from .changes import Changes
from .fields import linear_weights
from .frame import Frame
from .tissue import TissueValues

Array = npt.NDArray[Any]

LESION_BIT, CHANGED_BIT, CLASS_BITS = 64, 128, 63
_SCALP = INDEX["scalp"]


@dataclass(frozen=True)
class CoarseFields:
    """Smooth fields over the field of view, on nodes of ``step`` mm from -step / 2.

    ``values``: float32 (nodes z, 5, nodes x, nodes y): shift along the phase-encoding axis (mm),
    its compression (1: none), texture of signal and of ADC (unit variance), regional
    brightness (natural logarithm).
    """

    values: Array
    step: float

    def planes(self, frame: Frame) -> FieldPlanes:
        """Interpolator for the cells of ``frame``."""
        weights = []
        for axis in (0, 1):
            centers = (np.arange(frame.cells[axis]) + 0.5) * frame.size[axis] / frame.cells[axis]
            weights.append(linear_weights(centers / self.step + 0.5, self.values.shape[2 + axis]))
        return FieldPlanes(self, weights[0], np.ascontiguousarray(weights[1].T))


class FieldPlanes:
    """Coarse fields on the cells of single planes, asked for from the lowest to the highest."""

    def __init__(self, fields: CoarseFields, rows: Array, columns: Array) -> None:
        self._fields, self._rows, self._columns = fields, rows, columns
        self._kept: dict[int, Array] = {}

    def at(self, height: float) -> Array:
        """The five fields on the cells at ``height`` (mm), shape (5, x, y)."""
        count = self._fields.values.shape[0]
        place = min(max(height / self._fields.step + 0.5, 0.0), count - 1.001)
        below = int(place)
        # The two planes of nodes around this height serve the next heights too.
        self._kept = {node: self._on_cells(node) for node in (below, below + 1)}
        return np.asarray(
            self._kept[below] + np.float32(place - below) * (self._kept[below + 1] - self._kept[below])
        )

    def _on_cells(self, node: int) -> Array:
        if node in self._kept:
            return self._kept[node]
        return np.asarray(np.matmul(np.matmul(self._rows, self._fields.values[node]), self._columns))


@dataclass(frozen=True)
class Scene:
    """What is in the scanner.

    ``codes``: labels with a border of air, plus :data:`LESION_BIT` and :data:`CHANGED_BIT`;
    ``position``: column of ``changes.ratios`` for each changed voxel of ``codes``.
    """

    codes: Array
    position: Array
    changes: Changes
    tissues: TissueValues
    echo_time: float
    b_value: float
    fat_residue: float
    has_lesion: bool

    @classmethod
    def build(
        cls,
        labels: Array,
        lesion: Array | None,
        changes: Changes,
        tissues: TissueValues,
        *,
        echo_time: float,
        b_value: float,
        fat_residue: float,
    ) -> Scene:
        """Put labels, lesion mask and changes together."""
        inner = (slice(1, -1),) * 3
        codes = np.zeros([n + 2 for n in labels.shape], np.uint8)
        codes[inner] = labels
        if lesion is not None:
            codes[inner] |= np.where(lesion, np.uint8(LESION_BIT), np.uint8(0))
        index = np.array(np.unravel_index(changes.voxels, labels.shape)) + 1
        padded = np.ravel_multi_index(tuple(index), codes.shape)
        position = np.zeros(codes.size, np.int32)
        position[padded] = np.arange(padded.size)
        codes.reshape(-1)[padded] |= CHANGED_BIT
        return cls(codes, position, changes, tissues, echo_time, b_value, fat_residue, lesion is not None)


@dataclass(frozen=True)
class Slice:
    """One slice on the cells in plane (x, y): signals, share of lesion, classes of the sub-planes."""

    b0: Array
    dwi: Array
    fat: Array
    lesion: Array
    classes: Array


def slices(scene: Scene, frame: Frame, fields: CoarseFields, phase_axis: int) -> Iterator[Slice]:
    """Every slice of ``frame``, from the lowest to the highest."""
    planes = fields.planes(frame)
    heights, weights = frame.profile
    cells = frame.cells
    start = _plane_indices(frame)
    along = frame.to_voxel[:3, phase_axis].astype(np.float32)
    signal = _Signal(scene)
    for center in frame.slice_centers:
        b0, dwi, fat, lesion = (np.zeros(cells, np.float32) for _ in range(4))
        classes = np.empty((len(heights), *cells), np.uint8)
        for plane, (height, weight) in enumerate(zip(center + heights, weights, strict=True)):
            field = planes.at(float(height))
            flat = _flat_indices(frame, start, along, field[0], float(height), scene.codes.shape)
            codes = np.take(scene.codes.reshape(-1), flat, mode="clip")
            classes[plane] = codes & CLASS_BITS
            signal.add(codes, flat, field, np.float32(weight), b0, dwi)
            fat += (classes[plane] == _SCALP) * field[1] * np.float32(weight)
            if scene.has_lesion:
                lesion += ((codes & LESION_BIT) != 0) * np.float32(weight)
        yield Slice(b0, dwi, fat * np.float32(scene.fat_residue), lesion, classes)


def _plane_indices(frame: Frame) -> tuple[Array, ...]:
    """Voxel index of every cell at height 0, per axis of the padded anatomy, plus one half to round."""
    x, y = ((np.arange(n) + 0.5) * size / n for n, size in zip(frame.cells, frame.size[:2], strict=True))
    matrix = frame.to_voxel
    return tuple(
        (matrix[axis, 0] * x[:, None] + matrix[axis, 1] * y[None, :] + matrix[axis, 3] + 1.5).astype(
            np.float32
        )
        for axis in range(3)
    )


def _flat_indices(
    frame: Frame, start: tuple[Array, ...], along: Array, shift: Array, height: float, shape: tuple[int, ...]
) -> Array:
    flat = np.zeros(shift.shape, np.int32)
    for axis in range(3):
        place = start[axis] + np.float32(frame.to_voxel[axis, 2] * height)
        if abs(along[axis]) > 1e-6:
            place += along[axis] * shift
        np.clip(place, 0, shape[axis] - 1, out=place)
        flat *= np.int32(shape[axis])
        flat += place.astype(np.int32)
    return flat


class _Signal:
    """Signal of cells by class, texture and changes."""

    def __init__(self, scene: Scene) -> None:
        tissues = scene.tissues
        self.scene = scene
        self.baseline = tissues.baseline(scene.echo_time)
        self.b = np.float32(scene.b_value * 1e-3)

    def add(self, codes: Array, flat: Array, field: Array, weight: np.float32, b0: Array, dwi: Array) -> None:
        """Add the plane's signals, times ``weight``, to ``b0`` and ``dwi``."""
        tissues = self.scene.tissues
        where = np.flatnonzero(codes)
        if not where.size:
            return
        _, compression, texture, adc_texture, region = (plane.reshape(-1)[where] for plane in field)
        found = codes.reshape(-1)[where]
        kind = (found & CLASS_BITS).astype(np.intp)
        log_b0 = self.baseline[kind] + tissues.signal_texture[kind] * texture + tissues.region[kind] * region
        adc = tissues.adc[kind] * (1.0 + tissues.adc_texture[kind] * adc_texture)
        changed = np.flatnonzero(found & CHANGED_BIT)
        if changed.size:
            column = self.scene.position[flat.reshape(-1)[where[changed]]]
            water, t2, diffusion = self.scene.changes.ratios[:, column]
            rate = self.scene.echo_time * tissues.rate[kind[changed]]
            log_b0[changed] += water + rate * (1.0 - np.exp(-t2))
            adc[changed] *= np.exp(diffusion)
        signal = np.exp(log_b0) * compression * weight
        b0.reshape(-1)[where] += signal
        dwi.reshape(-1)[where] += signal * np.exp(-self.b * adc)


def most_frequent(classes: Array, block: int) -> Array:
    """The most frequent class of each image voxel, (x, y), from classes (planes, cells x, cells y)."""
    planes, x, y = classes.shape
    parts = classes.reshape(planes, x // block, block, y // block, block).transpose(0, 2, 4, 1, 3)
    votes = parts.reshape(planes * block * block, -1)
    result = votes[0].copy()
    mixed = np.flatnonzero((votes != result).any(axis=0))
    if mixed.size:
        keys = votes[:, mixed].astype(np.int64) + 64 * np.arange(mixed.size)
        counts = np.bincount(keys.reshape(-1), minlength=64 * mixed.size)
        result[mixed] = counts.reshape(-1, 64).argmax(axis=1)
    return np.asarray(result.reshape(x // block, y // block))


def block_mean(values: Array, block: int) -> Array:
    """Mean over blocks of cells, (x, y)."""
    if block == 1:
        return values
    total = sum(values[i::block, j::block] for i in range(block) for j in range(block))
    return np.asarray(total / np.float32(block * block))
