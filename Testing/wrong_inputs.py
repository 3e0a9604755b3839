"""What people give a DWI segmenter by mistake, made from a simulated case.

Three families:

* another image of the same head (T1, T2, FLAIR, CT, b0, ADC), its contrast from the signal equation of
  its sequence and the tissues of the semantic map;
* something that is no head (test object, abdomen, noise);
* the right image damaged or lying wrongly (upside-down, turned, cut, drowned in noise), or with an ADC
  that is none of its own.

Values: T1 at 3 T (ms), Wansapura et al., JMRI 1999;9:531 (white matter 832, gray 1331); CT numbers
(Hounsfield units) as in radiology textbooks: white matter 25 to 32, gray 35 to 40, fluid 0 to 10. T2 and
proton density are the scanner model's, those of fat and bone without its fat suppression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.scanner.fields import smooth_noise
from StrokeSynthLib.scanner.tissue import TISSUES as SCANNER_TISSUES
from StrokeSynthLib.schema import CLASSES, TISSUES
from StrokeSynthLib.volume import Volume

Array = npt.NDArray[Any]

_DEEP = ("thalamus", "caudate", "putamen", "accumbens", "ventral-diencephalon")
_T1 = {
    "air": 1000.0, "white-matter": 840.0, "cerebellum-white-matter": 840.0, "cortex": 1340.0,
    "cerebellum-cortex": 1300.0, "pallidum": 950.0, "hippocampus": 1300.0, "amygdala": 1300.0,
    "brain-stem": 900.0, "spinal-cord": 900.0, "white-matter-hyperintensity": 1150.0,
    "choroid-plexus": 2000.0, "optic-nerve": 900.0, "vessel-dura": 1600.0, "skull": 380.0,
    "soft-tissue": 1300.0, "scalp": 370.0, "eye": 3800.0, "mucosa": 1500.0,
    **dict.fromkeys(_DEEP, 1150.0),
    **dict.fromkeys(("csf", "lateral-ventricle", "third-ventricle", "fourth-ventricle"), 4100.0),
}  # fmt: skip
_HOUNSFIELD = {
    "air": -1000.0, "white-matter": 29.0, "cerebellum-white-matter": 30.0, "brain-stem": 31.0,
    "white-matter-hyperintensity": 24.0, "choroid-plexus": 30.0, "optic-nerve": 30.0, "vessel-dura": 45.0,
    "skull": 900.0, "soft-tissue": 55.0, "scalp": -40.0, "eye": 8.0, "mucosa": 30.0, "spinal-cord": 32.0,
    **dict.fromkeys(("csf", "lateral-ventricle", "third-ventricle", "fourth-ventricle"), 6.0),
}  # fmt: skip
#: Without fat suppression: proton density and T2 (ms).
_UNSUPPRESSED = {"scalp": (0.9, 65.0), "skull": (0.2, 60.0), "soft-tissue": (0.75, 38.0)}


@dataclass(frozen=True)
class WrongInput:
    """What is given as DWI and as ADC; the ADC as it would stand in its file, in any unit."""

    dwi: Volume
    adc: Volume | None


# ---- other images of the same head -------------------------------------------------------------


def _tissue_numbers(semantic_map: Array) -> Array:
    table = np.zeros(256, np.uint8)
    for tissue_class in CLASSES:
        table[tissue_class.index] = TISSUES.index(tissue_class.tissue)
    return np.asarray(table[semantic_map])


def _properties(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """T1, T2 (ms) and proton density by tissue number, of one person."""
    rows = []
    for name in TISSUES:
        tissue = SCANNER_TISSUES[name]
        density, t2 = _UNSUPPRESSED.get(name, (tissue.density, tissue.t2_high))
        rows.append((_T1.get(name, 1300.0), t2, density))
    values = np.array(rows).T * np.exp(rng.normal(0, 0.03, (3, len(TISSUES))))
    return values[0], values[1], values[2]


def _rendered(table: Array, semantic_map: Volume, lesion: Array | None, of_lesion: float,
              rng: np.random.Generator, *, texture: float) -> Array:  # fmt: skip
    """Signal of each voxel: the tissue's, the lesion's share added, textured, edges softened."""
    signal = table[_tissue_numbers(semantic_map.array)].astype(np.float32)
    if lesion is not None:
        signal = np.where(lesion > 0, signal * np.float32(of_lesion), signal)
    scale = [8.0 / s for s in semantic_map.spacing]
    field = ndimage.gaussian_filter(rng.standard_normal(signal.shape, dtype=np.float32), scale)
    signal *= 1 + texture * field / max(float(field.std()), 1e-6)
    return np.asarray(ndimage.gaussian_filter(signal, [0.8 / s for s in semantic_map.spacing]))


def _as_mr(signal: Array, rng: np.random.Generator, *, snr: tuple[float, float] = (15, 60)) -> Array:
    """Coil shading, Rician noise and a scanner's arbitrary gain; ``snr`` of the brightest quarter."""
    shape = signal.shape
    nodes = smooth_noise(rng, (6, 6, 5), 1.2)
    zoom = [n / m for n, m in zip(shape, nodes.shape, strict=True)]
    shading = ndimage.zoom(nodes, zoom, order=1, mode="nearest", grid_mode=True)
    signal = signal * np.exp(rng.uniform(0.03, 0.15) * shading[tuple(slice(0, n) for n in shape)])
    level = float(np.percentile(signal[signal > 0.2 * signal.max()], 75))
    sigma = level / rng.uniform(*snr)
    noise = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(sigma)
    gain = np.exp(rng.uniform(np.log(100), np.log(1500))) / level
    return np.asarray(np.hypot(signal + noise[0], noise[1]) * gain, np.float32)


def t1_like(semantic_map: Volume, lesion: Array | None, rng: np.random.Generator) -> Volume:
    """T1-weighted: spin echo (short TR) or inversion-prepared gradient echo."""
    t1, t2, density = _properties(rng)
    if rng.random() < 0.5:
        repeat, echo = rng.uniform(420, 650), rng.uniform(9, 15)
        signal = density * (1 - np.exp(-repeat / t1)) * np.exp(-echo / t2)
    else:
        inversion, repeat = rng.uniform(850, 1000), rng.uniform(1900, 2400)
        signal = density * np.abs(1 - 2 * np.exp(-inversion / t1) + np.exp(-repeat / t1))
    table = signal / signal.max()
    return semantic_map.with_array(
        _as_mr(_rendered(table, semantic_map, lesion, 0.88, rng, texture=0.03), rng)
    )


def t2_like(semantic_map: Volume, lesion: Array | None, rng: np.random.Generator) -> Volume:
    """T2-weighted fast spin echo."""
    t1, t2, density = _properties(rng)
    signal = density * (1 - np.exp(-rng.uniform(3500, 6000) / t1)) * np.exp(-rng.uniform(80, 115) / t2)
    return semantic_map.with_array(
        _as_mr(_rendered(signal, semantic_map, lesion, 1.35, rng, texture=0.04), rng)
    )


def flair_like(semantic_map: Volume, lesion: Array | None, rng: np.random.Generator) -> Volume:
    """T2-weighted with the fluid's signal inverted away."""
    t1, t2, density = _properties(rng)
    repeat, echo = rng.uniform(8000, 10000), rng.uniform(90, 130)
    null = -4100 * np.log((1 + np.exp(-repeat / 4100)) / 2) * rng.uniform(0.95, 1.05)
    signal = density * np.abs(1 - 2 * np.exp(-null / t1) + np.exp(-repeat / t1)) * np.exp(-echo / t2)
    return semantic_map.with_array(
        _as_mr(_rendered(signal, semantic_map, lesion, 1.35, rng, texture=0.04), rng)
    )


def ct_like(semantic_map: Volume, lesion: Array | None, rng: np.random.Generator) -> Volume:
    """Computed tomography: Hounsfield units, the same from 0 upward, or a brain window as gray levels."""
    table = np.array([_HOUNSFIELD.get(name, 36.0) for name in TISSUES]) + rng.normal(0, 1, len(TISSUES))
    image = _rendered(table, semantic_map, lesion, 0.8, rng, texture=0.02)
    image += rng.normal(0, rng.uniform(2, 5), image.shape).astype(np.float32)
    form = rng.integers(3)
    if form == 1:
        image = image + 1024
    elif form == 2:
        image = np.clip(image, 0, 80) / 80 * 255
    return semantic_map.with_array(np.rint(image).astype(np.float32))


# ---- no head ----------------------------------------------------------------------------------


def _places(volume: Volume) -> Array:
    """Millimeters from the middle of the image along its axes, (3, x, y, z)."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(volume.array.shape, volume.spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def _diffusion_weighted(water: Array, adc: Array, like: Volume, rng: np.random.Generator) -> WrongInput:
    """An object of signal ``water`` without weighting and diffusion ``adc``, at b = 1000."""
    dwi = _as_mr(np.asarray(water * np.exp(-adc), np.float32), rng, snr=(10, 40))
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
    sigma = np.percentile(array[array > 0], 80) * rng.uniform(0.5, 0.9)
    noise = rng.standard_normal((2, *array.shape)) * sigma
    return WrongInput(case.dwi.with_array(np.hypot(array + noise[0], noise[1]).astype(np.float32)), case.adc)


def _blurred(case: Case, rng: np.random.Generator) -> WrongInput:
    sigma = [rng.uniform(5.0, 7.0) / s for s in case.dwi.spacing]
    return WrongInput(case.dwi.with_array(ndimage.gaussian_filter(case.dwi.array, sigma)), case.adc)


def _shaded(case: Case, rng: np.random.Generator) -> WrongInput:
    """A surface coil at one side: brightness falls to a fifth across the head."""
    slope = rng.normal(0, 1, 3) * (1, 1, 0.5)
    slope *= np.log(rng.uniform(4, 7)) / 160.0 / np.linalg.norm(slope)
    field = np.exp(np.tensordot(slope, _places(case.dwi), axes=1))
    return WrongInput(case.dwi.with_array((case.dwi.array * field).astype(np.float32)), case.adc)


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


def _with_own_adc(make: Callable[..., Volume]) -> Callable[[Case, np.random.Generator], WrongInput]:
    """``make`` an image as DWI; half of the time the examination's right ADC comes with it.

    What was removed around the DWI (skull, background) is removed here too.
    """

    def made(case: Case, rng: np.random.Generator) -> WrongInput:
        assert case.semantic_map is not None
        lesion = None if case.lesion is None else case.lesion.array
        image = make(case.semantic_map, lesion, rng)
        outside = case.dwi.array <= 0
        if outside.mean() > 0.3:
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
    "CT": _with_own_adc(ct_like),
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
    "turned by 90 degrees": lambda case, rng: _changed(
        case, lambda array: np.rot90(array, int(rng.choice([1, 3]))), keep_grid=False
    ),
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
