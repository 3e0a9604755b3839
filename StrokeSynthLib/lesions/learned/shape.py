"""The baseline: a statistical shape model on signed distances, in numpy.

1. Crops are halved to 16^3. Their mean and their first modes (principal components) are kept.
2. The modes' weights are a cubic function of volume, fill and center, and linear in the other conditions;
   what is left of them is Gaussian.
3. What the modes do not hold (the ragged surface) is a Gaussian random field. Its spectrum and its size are
   measured for small, medium and large pieces, the size by how far a voxel lies from the surface, so that
   no dust arises far from it. A Gaussian field of the right size is still less ragged than real surfaces,
   because real ones are not Gaussian; so its size is scaled until the median sphericity is that of real
   pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...randomness import generator
from ..statistics import describe
from .crops import CONDITIONS, SIZE, Piece, voxel_mm

Array = npt.NDArray[Any]

_HALF = SIZE // 2
_RIDGE = 3.0
#: Values of the smooth field at which the size of the rough rest is kept.
_NODES = np.linspace(-1.0, 1.0, 17)
_SHELLS = SIZE
#: Extents (mm) that divide small, medium and large pieces.
_EXTENTS_MM = (20.0, 50.0)
#: Conditions whose products are regressors.
_CUBIC = ("log_volume", "fill", "x", "y", "z")
_LOG_EXTENT = CONDITIONS.index("log_extent")
#: Scales of the rough field that are tried, and pieces of each size that they are tried on.
_GAINS = (0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
_TRIED = 40


def halved(crops: Array) -> Array:
    """(n, 32, 32, 32) -> (n, 16, 16, 16), mean of eight voxels."""
    n = len(crops)
    return np.asarray(crops.reshape(n, _HALF, 2, _HALF, 2, _HALF, 2).mean(axis=(2, 4, 6), dtype=np.float32))


def doubled(fields: Array) -> Array:
    """(n, 16, 16, 16) -> (n, 32, 32, 32), linear between centers."""
    for axis in (1, 2, 3):
        before = np.concatenate([fields.take([0], axis), fields.take(range(_HALF - 1), axis)], axis)
        after = np.concatenate([fields.take(range(1, _HALF), axis), fields.take([_HALF - 1], axis)], axis)
        pair = np.stack([0.75 * fields + 0.25 * before, 0.75 * fields + 0.25 * after], axis + 1)
        shape = list(fields.shape)
        shape[axis] *= 2
        fields = np.asarray(pair.reshape(shape))
    return fields


def fit_shape(pieces: Sequence[Piece], modes: int) -> dict[str, Array]:
    """Arrays of a shape model: mean, modes, regression, spread, rough_size (3, 17), spectrum (3, 32)."""
    crops = np.stack([c.crop for c in pieces]).astype(np.float32)
    small = halved(crops).reshape(len(crops), -1)
    mean = small.mean(axis=0)
    # Eigenvectors of the small Gram matrix, not of the large covariance.
    centered = small - mean
    values, vectors = np.linalg.eigh(centered @ centered.T)
    kept = min(modes, len(crops) - 1)
    order = np.argsort(values)[::-1][:kept]
    basis = (vectors[:, order].T @ centered) / np.sqrt(np.maximum(values[order], 1e-6))[:, None]
    weights = centered @ basis.T
    design = _design(np.stack([c.conditions for c in pieces]))
    left = design.T @ design + _RIDGE * np.eye(design.shape[1])
    regression = np.linalg.solve(left, design.T @ weights)
    rest = weights - design @ regression
    covariance = rest.T @ rest / len(rest) + 1e-8 * np.eye(kept)
    smooth = doubled((mean + weights @ basis).reshape(-1, _HALF, _HALF, _HALF).astype(np.float32))
    sizes = _size_of(np.stack([c.conditions for c in pieces]))
    # A size that hardly occurs takes what all have.
    members = [rows if (rows := sizes == s).sum() >= 10 else np.ones_like(rows) for s in range(3)]
    rough = [_roughness(crops[rows], smooth[rows]) for rows in members]
    arrays = {
        "mean": mean.astype(np.float16),
        "modes": basis.astype(np.float16),
        "regression": regression.astype(np.float32),
        "spread": np.linalg.cholesky(covariance).astype(np.float32),
        "rough_size": np.stack([size for size, _ in rough]).astype(np.float32),
        "spectrum": np.stack([spectrum for _, spectrum in rough]).astype(np.float32),
    }
    gains = [_gain(arrays, [c for c, r in zip(pieces, rows, strict=True) if r], s)
             for s, rows in enumerate(members)]  # fmt: skip
    arrays["rough_size"] *= np.array(gains, np.float32)[:, None]
    return arrays


def at_volume(crop: Array, piece: Piece) -> Array:
    """A crop at the level that gives the piece's volume: boolean."""
    voxels = round(piece.volume_ml * 1000.0 / voxel_mm(piece.extent_mm) ** 3)
    voxels = min(max(voxels, 1), crop.size)
    return np.asarray(crop >= np.partition(crop.ravel(), crop.size - voxels)[crop.size - voxels])


def _gain(arrays: Mapping[str, Array], pieces: Sequence[Piece], size: int) -> float:
    """Scale of the rough field that gives the median sphericity of real pieces of a size."""
    some = [pieces[i] for i in generator(0, "gain", size).permutation(len(pieces))[:_TRIED]]

    def median(crops: Sequence[Array]) -> float:
        values = []
        for crop, piece in zip(crops, some, strict=True):
            step = voxel_mm(piece.extent_mm)
            values.append(describe(at_volume(crop, piece), (step, step, step)).sphericity)
        return float(np.median(values))

    wanted = median([c.crop for c in some])
    told = np.stack([c.conditions for c in some])
    found = {}
    for gain in _GAINS:
        tried = {**arrays, "rough_size": arrays["rough_size"] * gain}
        found[gain] = abs(median(list(ShapeModel(tried).draw(told, generator(0, "gain", size)))) - wanted)
    return min(found, key=found.__getitem__)


class ShapeModel:
    """Draws crops from the arrays of :func:`fit_shape`."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = {name: np.asarray(value, np.float32) for name, value in arrays.items()}

    def draw(self, conditions: Array, rng: np.random.Generator) -> Array:
        """Signed distances (n, 32, 32, 32) float32 for conditions (n, 16)."""
        a = self._arrays
        noise = rng.standard_normal((len(conditions), a["spread"].shape[0])).astype(np.float32)
        weights = _design(conditions) @ a["regression"] + noise @ a["spread"].T
        fields = (a["mean"] + weights @ a["modes"]).reshape(-1, _HALF, _HALF, _HALF)
        smooth = doubled(fields.astype(np.float32))
        crops = [
            field + _field(a["spectrum"][size], rng) * np.interp(field, _NODES, a["rough_size"][size])
            for field, size in zip(smooth, _size_of(conditions), strict=True)
        ]
        return np.asarray(np.clip(np.stack(crops), -1.0, 1.0), np.float32)


def _design(conditions: Array) -> Array:
    """(n, 67): the regressors. On pieces of people left out, cubic ones explain 39 %, linear ones 23 %."""
    main = [conditions[:, CONDITIONS.index(name)] for name in _CUBIC]
    products = [a * b for i, a in enumerate(main) for b in main[i:]]
    products += [a * b * c for i, a in enumerate(main) for j, b in enumerate(main[i:], i) for c in main[j:]]
    return np.column_stack([np.ones(len(conditions)), conditions, *products])


def _size_of(conditions: Array) -> Array:
    """0, 1, 2: small, medium, large."""
    return np.searchsorted(np.log(_EXTENTS_MM) - 3.4, conditions[:, _LOG_EXTENT])


def _shells() -> Array:
    """Number of the spectral shell of every frequency of a crop."""
    axis = np.abs(np.fft.fftfreq(SIZE)) * SIZE
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    return np.asarray(np.minimum(np.rint(radius), _SHELLS - 1), int)


def _roughness(crops: Array, smooth: Array) -> tuple[Array, Array]:
    """SD of what the modes leave, by the smooth value; and amplitudes of its shells, of variance 1."""
    rest = crops - smooth
    place = np.clip(np.rint((smooth + 1.0) / 2.0 * (len(_NODES) - 1)), 0, len(_NODES) - 1).astype(int)
    count = np.bincount(place.ravel(), minlength=len(_NODES))
    power = np.bincount(place.ravel(), (rest**2).ravel(), minlength=len(_NODES))
    size = np.sqrt(power / np.maximum(count, 1))
    shells = _shells()
    members = np.bincount(shells.ravel(), minlength=_SHELLS)
    total = np.zeros(_SHELLS)
    scaled = rest / np.maximum(size[place], 1e-3)
    for one in scaled:
        total += np.bincount(shells.ravel(), (np.abs(np.fft.fftn(one)) ** 2).ravel(), minlength=_SHELLS)
    amplitude = np.sqrt(total / np.maximum(members * len(crops), 1))
    # Scaled so that a field has variance 1 over the crop.
    return size, amplitude / np.sqrt((amplitude[shells] ** 2).mean())


def _field(spectrum: Array, rng: np.random.Generator) -> Array:
    """A Gaussian random field of a crop's size, variance about 1."""
    white = rng.standard_normal((SIZE, SIZE, SIZE))
    return np.asarray(np.fft.ifftn(np.fft.fftn(white) * spectrum[_shells()]).real, np.float32)
