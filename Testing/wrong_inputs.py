"""What people give a DWI segmenter by mistake, made from a simulated case.

Three families:

* another image of the same head (T1, T2, FLAIR, CT, b0, ADC);
* something that is no head (test object, abdomen, noise);
* the right image damaged or lying wrongly (upside-down, turned, cut, drowned in noise), or with an ADC
  that is none of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.schema import PARENCHYMA
from StrokeSynthLib.volume import Volume
from Testing.other_images import as_mr, ct_like, flair_like, t1_like, t2_like

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class WrongInput:
    """What is given as DWI and as ADC; the ADC as it would stand in its file, in any unit."""

    dwi: Volume
    adc: Volume | None


# ---- no head ----------------------------------------------------------------------------------


def _places(volume: Volume) -> Array:
    """Millimeters from the middle of the image along its axes, (3, x, y, z)."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(volume.array.shape, volume.spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def _diffusion_weighted(water: Array, adc: Array, like: Volume, rng: np.random.Generator) -> WrongInput:
    """An object of signal ``water`` without weighting and diffusion ``adc``, at b = 1000."""
    dwi = as_mr(np.asarray(water * np.exp(-adc), np.float32), rng, snr=(10, 40))
    noise = rng.normal(0, 0.05, adc.shape)
    map_ = np.where(water > 0, np.clip(adc + noise, 0, 4), 0).astype(np.float32)
    return WrongInput(like.with_array(dwi), like.with_array(map_) if rng.random() < 0.5 else None)


def quality_object(like: Volume, rng: np.random.Generator) -> WrongInput:
    """A ball of water, or a cylinder with tubes of less mobile water, as quality control scans it."""
    axial = like.canonical()
    x, y, z = _places(axial)
    radius = rng.uniform(75, 100)
    round_ = np.hypot(x, y) < radius
    ball = rng.random() < 0.5
    inside = round_ & (np.hypot(np.hypot(x, y), z) < radius) if ball else round_ & (np.abs(z) < 70)
    adc = np.where(inside, rng.choice([1.1, 2.0, 2.2]), 0.0)
    water = inside.astype(np.float32)
    if not ball:
        for number in range(7):
            angle, ring = number * np.pi / 3, 0.55 * radius * (number > 0)
            tube = np.hypot(x - ring * np.cos(angle), y - ring * np.sin(angle)) < 12
            adc = np.where(tube & inside, rng.uniform(0.3, 1.6), adc)
    made = _diffusion_weighted(water, adc, axial, rng)
    return _in_file_order(made, like)


def abdomen(like: Volume, rng: np.random.Generator) -> WrongInput:
    """Upper abdomen in thick slices: liver, spleen, kidneys, spine, bowel; fat suppressed."""
    spacing = (3.0, 3.0, 6.0)
    shape = (128, 104, int(rng.integers(24, 36)))
    grid = Volume(np.zeros(shape, np.float32), np.diag([*spacing, 1.0]))
    x, y, z = _places(grid)
    size = rng.uniform(0.9, 1.1)

    def body(cx: float, cy: float, cz: float, a: float, b: float, c: float) -> Array:
        return np.asarray(
            ((x / size - cx) / a) ** 2 + ((y / size - cy) / b) ** 2 + ((z / size - cz) / c) ** 2 < 1
        )

    water, adc = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    # (where, signal without weighting, ADC): muscle and fat first, organs over them.
    parts: tuple[tuple[Array, float, float], ...] = (
        (body(0, 0, 0, 165, 115, 1e6), 0.12, 1.3),
        (body(0, 0, 0, 145, 95, 1e6) & ~body(0, 5, 0, 132, 84, 1e6), 0.35, 1.4),
        (body(60, 15, 25, 75, 65, 70), 0.45, 1.15),
        (body(-95, -20, 35, 35, 30, 45), 0.95, 0.85),
        (body(55, -50, -30, 26, 24, 50), 1.1, 1.9),
        (body(-60, -50, -25, 26, 24, 50), 1.1, 1.9),
        (body(0, -55, 0, 22, 20, 1e6), 0.35, 0.7),
        (body(0, -72, 0, 7, 6, 1e6), 0.9, 0.9),
        (body(-35, 45, -10, 45, 28, 60), 0.6, 1.8),
    )
    for where, signal, diffusion in parts:
        factor = float(np.exp(rng.normal(0, 0.1)))
        water[where], adc[where] = signal * factor, diffusion
    water = ndimage.gaussian_filter(water, 0.5)
    return _diffusion_weighted(water, adc, grid, rng)


def noise_only(like: Volume, rng: np.random.Generator) -> WrongInput:
    """Nothing was in the scanner: magnitude of complex noise."""
    parts = rng.standard_normal((2, *like.array.shape), dtype=np.float32)
    return WrongInput(like.with_array(np.hypot(*parts) * np.float32(20)), None)


def constant(like: Volume, rng: np.random.Generator) -> WrongInput:
    """One value everywhere but in a few voxels, as a failed export leaves it."""
    array = np.zeros(like.array.shape, np.float32)
    array.ravel()[rng.integers(array.size, size=3)] = 100.0
    return WrongInput(like.with_array(array + np.float32(rng.choice([0, 200]))), None)


# ---- the right image, lying wrongly, damaged, or with a wrong ADC --------------------------------


def _in_file_order(made: WrongInput, like: Volume) -> WrongInput:
    """Canonical images in the axis order of ``like``."""
    adc = None if made.adc is None else like.from_canonical(made.adc.array)
    return WrongInput(like.from_canonical(made.dwi.array), adc)


def _changed(case: Case, change: Callable[[Array], Array], *, keep_grid: bool = True) -> WrongInput:
    """``change`` of the canonical arrays of DWI and ADC, the header left as it was."""
    images = []
    for volume in (case.dwi, case.adc):
        if volume is None:
            images.append(None)
            continue
        axial = volume.canonical()
        array = np.ascontiguousarray(change(axial.array))
        images.append(replace(axial, array=array) if not keep_grid else volume.from_canonical(array))
    assert images[0] is not None
    return WrongInput(images[0], images[1])


def _sagittal_as_axial(case: Case) -> WrongInput:
    """Isotropic voxels whose first axis is taken for the third: the header lost the axes' order."""

    def change(array: Array) -> Array:
        spacing = case.dwi.canonical().spacing
        return ndimage.zoom(array, [s / 2.0 for s in spacing], order=1).transpose(1, 2, 0)

    made = _changed(case, change, keep_grid=False)
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    adc = None if made.adc is None else replace(made.adc, affine=grid)
    return WrongInput(replace(made.dwi, affine=grid), adc)


def _turned(case: Case, rng: np.random.Generator) -> WrongInput:
    """A quarter of a turn about the long axis."""
    quarters = int(rng.choice([1, 3]))
    return _changed(case, lambda array: np.rot90(array, quarters), keep_grid=False)


def _cut(case: Case, rng: np.random.Generator) -> WrongInput:
    """Half a head: one side, the front, or the upper half left out."""
    axis, upper = int(rng.integers(3)), bool(rng.integers(2))

    def change(array: Array) -> Array:
        result = array.copy()
        where = [slice(None)] * 3
        head = np.flatnonzero((array > 0.3 * np.percentile(array, 98)).any(axis=tuple({0, 1, 2} - {axis})))
        middle = int(np.median(head)) if head.size else array.shape[axis] // 2
        where[axis] = slice(middle, None) if upper else slice(0, middle)
        result[tuple(where)] = 0
        return result

    return _changed(case, change)


def _few_slices(case: Case, rng: np.random.Generator) -> WrongInput:
    """A stack of 2 or 3 cm."""
    axial = case.dwi.canonical()
    count = max(3, round(rng.uniform(18, 30) / axial.spacing[2]))
    first = int(rng.integers(axial.array.shape[2] // 4, max(3 * axial.array.shape[2] // 4 - count, 1) + 1))
    return _changed(case, lambda array: array[:, :, first : first + count], keep_grid=False)


def _noisy(case: Case, rng: np.random.Generator) -> WrongInput:
    array = case.dwi.array
    assert case.semantic_map is not None
    sigma = np.median(array[np.isin(case.semantic_map.array, PARENCHYMA)]) * rng.uniform(0.4, 0.8)
    noise = rng.standard_normal((2, *array.shape)) * sigma
    return _damaged(case, np.hypot(array + noise[0], noise[1]), case.adc, rng)


def _blurred(case: Case, rng: np.random.Generator) -> WrongInput:
    sigma = [rng.uniform(5.0, 7.0) / s for s in case.dwi.spacing]
    adc = None if case.adc is None else case.adc.with_array(ndimage.gaussian_filter(case.adc.array, sigma))
    return _damaged(case, ndimage.gaussian_filter(case.dwi.array, sigma), adc, rng)


def _shaded(case: Case, rng: np.random.Generator) -> WrongInput:
    """A surface coil at one side: brightness falls to a fifth across the head; ADC does not see it."""
    slope = rng.normal(0, 1, 3) * (1, 1, 0.5)
    slope *= np.log(rng.uniform(4, 7)) / 160.0 / np.linalg.norm(slope)
    field = np.exp(np.tensordot(slope, _places(case.dwi), axes=1))
    return _damaged(case, case.dwi.array * field, case.adc, rng)


def _damaged(case: Case, dwi: Array, adc: Volume | None, rng: np.random.Generator) -> WrongInput:
    return WrongInput(case.dwi.with_array(dwi.astype(np.float32)), adc if rng.random() < 0.5 else None)


def _adc_elsewhere(case: Case, rng: np.random.Generator) -> WrongInput:
    """An ADC that lost its place: pushed aside, or turned front to back."""
    assert case.adc is not None
    axial = case.adc.canonical()
    if rng.random() < 0.5:
        array = axial.array[:, ::-1]
    else:
        shift = [0.0, 0.0, 0.0]
        shift[int(rng.integers(2))] = float(rng.choice([-1, 1])) * rng.uniform(20, 35)
        array = ndimage.shift(
            axial.array, [m / s for m, s in zip(shift, axial.spacing, strict=True)], order=1
        )
    return WrongInput(case.dwi, case.adc.from_canonical(array))


def _with_own_adc(
    make: Callable[..., Volume], *, stripped: bool = True
) -> Callable[[Case, np.random.Generator], WrongInput]:
    """``make`` an image as DWI; half of the time the examination's right ADC comes with it.

    With ``stripped``, what was removed around the DWI (skull, background) is removed here too.
    """

    def made(case: Case, rng: np.random.Generator) -> WrongInput:
        assert case.semantic_map is not None
        lesion = None if case.lesion is None else case.lesion.array
        image = make(case.semantic_map, lesion, rng)
        outside = case.dwi.array <= 0
        if stripped and outside.mean() > 0.3:
            image = image.with_array(np.where(outside, np.float32(0), image.array))
        return WrongInput(image, case.adc if rng.random() < 0.5 else None)

    return made


def _b0(case: Case, rng: np.random.Generator) -> WrongInput:
    assert case.b0 is not None
    return WrongInput(case.b0, case.adc if rng.random() < 0.5 else None)


def _given(dwi: str, adc: str | None) -> Callable[[Case, np.random.Generator], WrongInput]:
    return lambda case, rng: WrongInput(getattr(case, dwi), None if adc is None else getattr(case, adc))


def _adc_times(case: Case, rng: np.random.Generator) -> WrongInput:
    """Gray levels of a display window, or a factor lost, so that the unit is none in use."""
    assert case.adc is not None
    factor = float(rng.choice([1.7, 2.2, 0.45, 1.7e-3, 450.0]))
    return WrongInput(case.dwi, case.adc.with_array((case.adc.array * factor).astype(np.float32)))


Maker = Callable[[Case, np.random.Generator], WrongInput]
#: Kinds of wrong input by name. Each takes a case with b0, ADC and semantic map.
KINDS: dict[str, Maker] = {
    "T1": _with_own_adc(t1_like),
    "T2": _with_own_adc(t2_like),
    "FLAIR": _with_own_adc(flair_like),
    "CT": _with_own_adc(ct_like, stripped=False),
    "b0": _b0,
    "ADC as DWI": _given("adc", None),
    "DWI and ADC swapped": _given("adc", "dwi"),
    "b0 as ADC": _given("dwi", "b0"),
    "DWI as ADC": _given("dwi", "dwi"),
    "ADC in no unit": _adc_times,
    "ADC elsewhere": _adc_elsewhere,
    "test object": lambda case, rng: quality_object(case.dwi, rng),
    "abdomen": lambda case, rng: abdomen(case.dwi, rng),
    "noise only": lambda case, rng: noise_only(case.dwi, rng),
    "constant": lambda case, rng: constant(case.dwi, rng),
    "upside-down": lambda case, rng: _changed(case, lambda array: array[:, :, ::-1]),
    "front to back": lambda case, rng: _changed(case, lambda array: array[:, ::-1]),
    "turned by 90 degrees": _turned,
    "axes exchanged": lambda case, rng: _sagittal_as_axial(case),
    "half a head": _cut,
    "few slices": _few_slices,
    "very noisy": _noisy,
    "blurred": _blurred,
    "shaded": _shaded,
}


def make_wrong(kind: str, case: Case, rng: np.random.Generator) -> WrongInput:
    """One wrong input of a kind of :data:`KINDS`; the same for the same state of ``rng``."""
    return KINDS[kind](case, rng)
