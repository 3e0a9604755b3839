"""Copies of examinations as someone might hide them in a synthetic cohort, for tests of the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from StrokeSynthLib.anatomy.anatomy import Array
from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.segment.brain import find_brain
from StrokeSynthLib.volume import Grid, Volume

#: Takes the case to be copied, another one to hide it in, and a stream of random numbers.
Plant = Callable[[Case, Case, np.random.Generator], Case]


def _each(case: Case, change: Callable[[Volume, int], Volume]) -> Case:
    """All volumes changed; ``change`` is told the order of interpolation (0 for labels)."""
    changed = {}
    for name in ("dwi", "adc", "b0", "lesion", "semantic_map"):
        volume = getattr(case, name)
        if volume is not None:
            changed[name] = change(volume, 0 if name in ("lesion", "semantic_map") else 1)
    return replace(case, **changed)


def _grays(case: Case, change: Callable[[Volume], Array], names: tuple[str, ...] = ("dwi", "b0")) -> Case:
    changed = {n: getattr(case, n) for n in names if getattr(case, n) is not None}
    return replace(case, **{n: v.with_array(change(v).astype(np.float32)) for n, v in changed.items()})


def plain(case: Case, host: Case, rng: np.random.Generator) -> Case:
    return case


def mirrored(case: Case, host: Case, rng: np.random.Generator) -> Case:
    def flip(volume: Volume, order: int) -> Volume:
        turned = volume.canonical()
        return volume.with_array(volume.from_canonical(turned.array[::-1]).array)

    return _each(case, flip)


def scaled(case: Case, host: Case, rng: np.random.Generator) -> Case:
    return _grays(case, lambda v: v.array * 3.7 + 20)


def noised(case: Case, host: Case, rng: np.random.Generator) -> Case:
    level = 0.1 * find_brain(case.dwi.canonical().array, case.dwi.canonical().spacing).scale

    def noise(v: Volume) -> Array:
        return np.abs(v.array + rng.normal(0, level, v.array.shape))

    adc = case.adc.with_array(
        np.clip(case.adc.array + rng.normal(0, 0.1, case.adc.array.shape), 0, None).astype(np.float32)
    )
    return replace(_grays(case, noise), adc=adc)


def _moved(case: Case, matrix: Array, grid: Grid | None = None) -> Case:
    def move(volume: Volume, order: int) -> Volume:
        moved = Volume(volume.array, matrix @ volume.affine).resampled(grid or volume.grid, order=order)
        return Volume(moved.array.astype(volume.array.dtype), moved.affine)

    return _each(case, move)


def shifted(case: Case, host: Case, rng: np.random.Generator) -> Case:
    matrix = np.eye(4)
    matrix[:3, 3] = rng.uniform(3, 8, 3) * rng.choice([-1, 1], 3)
    return _moved(case, matrix)


def turned(case: Case, host: Case, rng: np.random.Generator) -> Case:
    corners = case.grid.corners()
    middle = corners.mean(0)
    matrix = np.eye(4)
    angles = rng.uniform(3, 7, 3) * rng.choice([-1, 1], 3)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(
        [1.05, 0.96, 1.03]
    )
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle
    return _moved(case, matrix)


def resliced(case: Case, host: Case, rng: np.random.Generator) -> Case:
    """On another grid: 96 x 96 voxels, slices of 6 mm."""
    canonical = case.dwi.canonical().grid
    extent = np.array(canonical.shape) * np.array(canonical.spacing)
    shape = (96, 96, max(4, round(extent[2] / 6.0)))
    affine = np.eye(4)
    step = extent / np.array(shape)
    directions = canonical.affine[:3, :3] / np.array(canonical.spacing)
    affine[:3, :3] = directions * step
    affine[:3, 3] = canonical.affine[:3, 3] + directions @ ((step - np.array(canonical.spacing)) / 2)
    return _moved(case, np.eye(4), Grid(shape, affine))


def stripped(case: Case, host: Case, rng: np.random.Generator) -> Case:
    image = case.dwi.canonical()
    brain = case.dwi.from_canonical(find_brain(image.array, image.spacing).mask).array
    return _each(case, lambda v, order: v.with_array(np.where(brain, v.array, 0).astype(v.array.dtype)))


def inverted(case: Case, host: Case, rng: np.random.Generator) -> Case:
    return _grays(case, lambda v: v.array.max() - v.array)


def inverted_brain(case: Case, host: Case, rng: np.random.Generator) -> Case:
    """Skull removed, then inverted within the brain."""
    bare = stripped(case, host, rng)
    return _grays(
        bare, lambda v: np.where(v.array > 0, 1.05 * np.percentile(v.array, 99.8) - v.array, 0).clip(0)
    )


def gamma(case: Case, host: Case, rng: np.random.Generator) -> Case:
    return _grays(case, lambda v: (np.clip(v.array, 0, None) / v.array.max()) ** 0.6)


def shaded(case: Case, host: Case, rng: np.random.Generator) -> Case:
    shape = case.dwi.array.shape
    field = ndimage.zoom(rng.normal(0, 0.35, (3, 3, 3)), [n / 3 for n in shape], order=2)
    return _grays(case, lambda v: v.array * np.exp(field))


def blurred(case: Case, host: Case, rng: np.random.Generator) -> Case:
    sigma = [2.5 / s for s in case.dwi.spacing]
    return _grays(case, lambda v: ndimage.gaussian_filter(v.array, sigma), ("dwi", "b0", "adc"))


def bent(case: Case, host: Case, rng: np.random.Generator) -> Case:
    """Bent smoothly by some 2 mm."""
    grid = case.dwi.canonical().grid
    shape = grid.shape
    coarse = [max(2, round(n * s / 22)) for n, s in zip(shape, grid.spacing, strict=True)]
    field = [ndimage.zoom(rng.normal(0, 2.0, coarse), np.array(shape) / coarse, order=3) for _ in range(3)]
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")).astype(float)
    for axis in range(3):
        index[axis] += field[axis] / grid.spacing[axis]

    def bend(volume: Volume, order: int) -> Volume:
        array = ndimage.map_coordinates(volume.canonical().array, index, order=order)
        return volume.with_array(volume.from_canonical(array.astype(volume.array.dtype)).array)

    return _each(case, bend)


def repainted(case: Case, host: Case, rng: np.random.Generator) -> Case:
    """A new lesion of some 40 ml painted in, the old one's mask taken away."""
    image = case.dwi.canonical()
    brain = find_brain(image.array, image.spacing)
    places = np.argwhere(ndimage.binary_erosion(brain.mask, iterations=3))
    center = places[rng.integers(len(places))]
    mm = [(np.arange(n) - c) * s for n, c, s in zip(image.array.shape, center, image.spacing, strict=True)]
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(*mm, indexing="ij")))
    spot = case.dwi.from_canonical((distance < 21) & brain.mask).array
    adc = case.adc.with_array(np.where(spot, 0.5, case.adc.array).astype(np.float32))
    lesion = case.dwi.with_array(spot.astype(np.uint8))
    return replace(
        _grays(case, lambda v: np.where(spot, 2.2 * brain.scale, v.array), ("dwi",)), adc=adc, lesion=lesion
    )


def _centered(case: Case, host: Case) -> Case:
    middle = []
    for each in (case, host):
        image = each.dwi.canonical()
        places = np.argwhere(find_brain(image.array, image.spacing).mask)
        middle.append(image.affine[:3, :3] @ places.mean(0) + image.affine[:3, 3])
    matrix = np.eye(4)
    matrix[:3, 3] = middle[1] - middle[0]
    return _moved(case, matrix, host.grid)


def half(case: Case, host: Case, rng: np.random.Generator) -> Case:
    """Only the left hemisphere is copied, the right one is the host's."""
    copy = _centered(case, host)
    image = host.dwi.canonical()
    places = np.argwhere(find_brain(image.array, image.spacing).mask)
    where = np.zeros(image.array.shape, bool)
    where[: round(float(places[:, 0].mean()))] = True
    left = host.dwi.from_canonical(where).array
    scales = [
        find_brain(each.dwi.canonical().array, each.dwi.canonical().spacing).scale for each in (host, copy)
    ]
    factor = scales[0] / scales[1]
    parts = {}
    for name in ("dwi", "adc", "b0", "lesion", "semantic_map"):
        own, other = getattr(host, name), getattr(copy, name)
        if own is not None and other is not None:
            gain = factor if name in ("dwi", "b0") else 1
            parts[name] = own.with_array(
                np.where(left, other.array * gain, own.array).astype(own.array.dtype)
            )
    return replace(host, **parts)


def dwi_only(case: Case, host: Case, rng: np.random.Generator) -> Case:
    """The DWI is copied, the ADC is the host's."""
    copy = _centered(host, case)
    return replace(case, adc=copy.adc, b0=copy.b0, lesion=copy.lesion, semantic_map=None)


def adc_only(case: Case, host: Case, rng: np.random.Generator) -> Case:
    """The ADC is copied, the DWI is the host's."""
    return replace(host, adc=_centered(case, host).adc)


def lesion_only(case: Case, host: Case, rng: np.random.Generator) -> Case:
    """Only the lesion's mask is copied into another head."""
    return replace(host, lesion=_centered(case, host).lesion)


def lesion_mirrored(case: Case, host: Case, rng: np.random.Generator) -> Case:
    return lesion_only(mirrored(case, host, rng), host, rng)


PLANTS: dict[str, Plant] = {
    "plain": plain, "mirrored": mirrored, "scaled": scaled, "noised": noised, "shifted": shifted,
    "turned and stretched": turned, "other grid": resliced, "skull removed": stripped,
    "inverted": inverted, "inverted brain": inverted_brain, "gamma": gamma, "shaded": shaded,
    "blurred": blurred, "bent": bent, "other lesion painted in": repainted, "one hemisphere": half,
    "DWI only": dwi_only, "ADC only": adc_only,
}  # fmt: skip
LESION_PLANTS: dict[str, Plant] = {"lesion only": lesion_only, "lesion only, mirrored": lesion_mirrored}
