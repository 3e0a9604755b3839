"""Growing one focus of an infarct from a seed, inside its territory.

A front starts at the seed and advances with a speed that is the territory's probability,
times a tissue factor, times a spatially correlated log-normal random field (fast marching,
Sethian 1996). It runs over narrow sulci, as pial arteries do, and never through ventricles
or out of the brain. The focus is the set of parenchyma voxels reached first, at the time at
which the connected part around the seed has the volume asked for. Lacunes use the distance in
an ellipsoid along the perforator instead of an arrival time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..schema import INDEX, classes_of
from ..volume import Grid
from .placing import Box, box_around_point, grid_of_box
from .statistics import bounding_box, pieces
from .territories import TerritoryAtlas

Array = npt.NDArray[Any]

#: A territory ends where its probability falls under this.
LEAST_PROBABILITY = 0.2
#: Log-SD of the speed, and the correlation lengths as shares of the focus radius.
ROUGHNESS = 0.9
ROUGHNESS_LENGTHS = (0.18, 0.5)
#: Speed in white matter and in narrow sulci, of that in gray matter, for cortical branches.
WHITE_SPEED, SULCUS_SPEED = 0.65, 0.8
#: Boxes above this many voxels are marched at every second voxel and refined.
FINE_VOXELS = 70_000
_UNREACHED = np.float32(1e8)


@dataclass(frozen=True)
class Focus:
    """One connected piece of an infarct, as it was drawn.

    Parameters
    ----------
    voxel
        Seed, voxel of the anatomy.
    volume_ml
        Volume in the subject's parenchyma (ml).
    parts
        Branches whose territory it may fill.
    side
        "left", "right" or "both".
    shape
        "branch" (marched) or "ovoid" (lacune).
    axis
        Direction of the ovoid (RAS); length is how many times longer than wide.
    seed
        Of its own random field.
    """

    voxel: tuple[int, int, int]
    volume_ml: float
    parts: tuple[str, ...]
    side: str
    shape: str
    axis: tuple[float, float, float]
    seed: int


def grow(anatomy: Anatomy, atlas: TerritoryAtlas, focus: Focus, taken: Array) -> tuple[Box, Array] | None:
    """Grow one focus in parenchyma that is not ``taken`` (boolean, anatomy's shape).

    Returns the box and the focus in it; None when no parenchyma is free near the seed. The
    focus is smaller than asked for where its territory is full.
    """
    target = max(1, round(focus.volume_ml / anatomy.grid.voxel_ml))
    radius = float(np.cbrt(focus.volume_ml * 1000.0 * 0.75 / np.pi))
    reach = 3.2 * radius + 6.0 if focus.shape == "branch" else 2.6 * radius + 5.0
    box = box_around_point(anatomy, np.array(focus.voxel), reach)
    allowed = anatomy.parenchyma[box] & ~taken[box]
    seed = _nearest_allowed(allowed, np.array(focus.voxel) - [s.start for s in box])
    if seed is None:
        return None
    rng = np.random.default_rng(focus.seed)
    if focus.shape == "ovoid":
        time = _ovoid_distance(anatomy, box, seed, focus, radius, rng)
    else:
        time = _arrival(anatomy, atlas, box, seed, focus, radius, rng)
    time[taken[box]] = _UNREACHED
    return box, connected_level_set(time, allowed, seed, target)


def connected_level_set(time: Array, allowed: Array, seed: Array, target: int) -> Array:
    """The ``target`` voxels around ``seed`` reached first, in one piece of ``allowed``.

    Bisection over the level; where a bridge makes the piece jump past the target, the last
    step is filled outward from the piece below it. All reachable voxels if they are fewer.
    """
    reached = allowed & (time < _UNREACHED / 2)
    reached[tuple(seed)] = True
    levels = np.sort(time[reached])
    # Voxels cut off from the seed make the needed level higher than the target's rank.
    low, high = min(target, levels.size) - 1, levels.size - 1
    best_low = np.zeros_like(reached)
    best_high: Array | None = None
    trial = low
    step = max(8, target // 12)
    while True:
        piece = _piece_at(reached & (time <= levels[trial]), seed)
        count = int(piece.sum())
        if abs(count - target) <= 0.01 * target or (count < target and trial >= high):
            return piece
        if count < target:
            best_low, low = piece, trial
            if best_high is None:
                trial, step = min(high, trial + max(step, target - count)), step * 2
                continue
        else:
            best_high, high = piece, trial
        if high - low <= max(1, target // 200):
            break
        trial = (low + high) // 2
    return _fill_outward(best_low, piece if best_high is None else best_high, seed, target, time)


def _piece_at(mask: Array, seed: Array) -> Array:
    mask[tuple(seed)] = True
    box = bounding_box(mask)
    labels, _ = pieces(mask[box])
    whole = np.zeros_like(mask)
    whole[box] = labels == labels[tuple(seed - [s.start for s in box])]
    return whole


def _fill_outward(inner: Array, outer: Array, seed: Array, target: int, time: Array) -> Array:
    from scipy.ndimage import binary_dilation, generate_binary_structure

    structure = generate_binary_structure(3, 3)
    piece = inner.copy()
    piece[tuple(seed)] = True
    while True:
        shell = binary_dilation(piece, structure) & outer & ~piece
        missing = target - int(piece.sum())
        if missing <= 0 or not shell.any():
            return piece
        if int(shell.sum()) > missing:
            at = np.flatnonzero(shell)
            shell = np.zeros_like(shell)
            shell.ravel()[at[np.argsort(time.ravel()[at], kind="stable")[:missing]]] = True
        piece |= shell


def _nearest_allowed(allowed: Array, voxel: Array) -> Array | None:
    if allowed[tuple(voxel)]:
        return np.asarray(voxel)
    near = np.argwhere(allowed)
    if near.size == 0:
        return None
    distance = np.linalg.norm(near - voxel, axis=1)
    return np.asarray(near[distance.argmin()]) if distance.min() <= 12.0 else None


def _noise(shape: tuple[int, ...], lengths: tuple[float, ...], rng: np.random.Generator) -> Array:
    """Unit-variance Gaussian field, a sum of the given correlation lengths (voxels)."""
    from scipy.ndimage import gaussian_filter

    total = np.zeros(shape, np.float32)
    for length in lengths:
        field = gaussian_filter(rng.standard_normal(shape, np.float32), length, mode="wrap", truncate=2.5)
        total += field / max(float(field.std()), 1e-6)
    return np.asarray(total / max(float(total.std()), 1e-6))


def _arrival(
    anatomy: Anatomy, atlas: TerritoryAtlas, box: Box, seed: Array, focus: Focus, radius: float,
    rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Arrival time of the front at every voxel of the box."""
    shape = tuple(s.stop - s.start for s in box)
    stride = 1 if np.prod(shape) <= FINE_VOXELS else 2 if np.prod(shape) <= 26 * FINE_VOXELS else 3
    grid = grid_of_box(anatomy, box, stride)
    labels = anatomy.labels[box][::stride, ::stride, ::stride]
    # Territories are smooth: three voxels apart is enough.
    smooth = grid_of_box(anatomy, box, 3 * stride)
    probability = anatomy.pull(atlas.probability(focus.parts, focus.side), atlas.grid, onto=smooth)
    probability = _upsampled(probability, 3, grid.shape)
    speed = np.where(probability >= LEAST_PROBABILITY, probability, 0.0) * _tissue_speed(labels, focus)
    spacing = float(np.mean(grid.spacing))
    lengths = tuple(max(1.2, share * radius) / spacing for share in ROUGHNESS_LENGTHS)
    speed *= np.exp(ROUGHNESS * _noise(grid.shape, lengths, rng))
    start = np.minimum(seed // stride, np.array(grid.shape) - 1)
    time = _march(speed.astype(np.float32), start, grid)
    return time if stride == 1 else _refined(time, stride, shape)


def _tissue_speed(labels: Array, focus: Focus) -> Array:
    table = np.zeros(256, np.float32)
    gray = classes_of(
        "cortex", "cerebellum-cortex", "thalamus", "caudate", "putamen", "pallidum", "hippocampus",
        "amygdala", "accumbens", "ventral-diencephalon", "brain-stem",
    )  # fmt: skip
    table[list(gray)] = 1.0
    white = classes_of("white-matter", "cerebellum-white-matter", "white-matter-hyperintensity")
    table[list(white)] = WHITE_SPEED
    table[INDEX["csf"]] = SULCUS_SPEED
    return np.asarray(table[labels])


def _march(speed: Array, start: Array, grid: Grid) -> Array:
    import SimpleITK

    sitk: Any = SimpleITK  # its functions carry no types
    # The seed's own voxel, and its neighbors, must let the front out.
    around = tuple(slice(max(0, int(s) - 1), int(s) + 2) for s in start)
    speed[around] = np.maximum(speed[around], 0.05)
    image = sitk.GetImageFromArray(speed.T)
    image.SetSpacing([float(s) for s in grid.spacing])
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints([[int(s) for s in start]])
    march.SetStoppingValue(float(_UNREACHED) / 4)
    time = np.minimum(sitk.GetArrayFromImage(march.Execute(image)).T, _UNREACHED)
    return np.ascontiguousarray(time, np.float32)


def _refined(time: Array, stride: int, shape: tuple[int, ...]) -> Array:
    """Arrival times at every voxel from those at every ``stride``-th, linear between them."""
    from scipy.ndimage import distance_transform_edt

    unreached = time >= _UNREACHED / 8
    # Times next to a wall are carried over it, so that interpolation does not eat the edge.
    distance, nearest = distance_transform_edt(unreached, return_indices=True)
    fine = _upsampled(time[tuple(nearest)], stride, shape)
    near = distance <= 1.8
    for axis, length in enumerate(shape):
        nearest_node = np.minimum(np.floor(np.arange(length) / stride + 0.25), time.shape[axis] - 1)
        near = near.take(nearest_node.astype(int), axis)
    return np.asarray(np.where(near, fine, _UNREACHED))


def _upsampled(values: Array, stride: int, shape: tuple[int, ...]) -> Array:
    """Linear interpolation of values at every ``stride``-th voxel to ``shape``, axis by axis."""
    for axis, length in enumerate(shape):
        index = np.arange(length) / stride
        low = np.minimum(index.astype(int), values.shape[axis] - 1)
        high = np.minimum(low + 1, values.shape[axis] - 1)
        share = (index - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        below = values.take(low, axis)
        values = below + (values.take(high, axis) - below) * share
    return values


def _ovoid_distance(
    anatomy: Anatomy, box: Box, seed: Array, focus: Focus, radius: float, rng: np.random.Generator
) -> Array:
    """Distance from the seed in an ellipsoid along the perforator, gently roughened."""
    axis = np.array(focus.axis, float)
    length = float(np.linalg.norm(axis))
    axis /= length
    shape = tuple(s.stop - s.start for s in box)
    index = np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij"))
    offset = np.tensordot(anatomy.affine[:3, :3], index - seed[:, None, None, None], axes=1)
    along = np.tensordot(axis, offset, axes=1)
    across = np.maximum((offset**2).sum(axis=0) - along**2, 0.0)
    distance = np.sqrt(across * length ** (2 / 3) + along**2 * length ** (-4 / 3))
    spacing = float(np.mean(anatomy.grid.spacing))
    noise = _noise(shape, (max(1.0, 0.45 * radius / spacing),), rng)
    return np.asarray(distance * np.exp(-0.18 * noise), np.float32)
