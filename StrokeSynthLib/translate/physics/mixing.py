"""One case taken apart: class values, blur, bias field, noise, texture and lesion.

The image is read as the map's classes, blurred by the point-spread function, times a smooth
bias field: b0 = bias * sum_t w_t m_t with the blurred class indicators w_t, and the same for
the DWI. Because signals add in a voxel, not logarithms, this linear fit gives the values of
thin tissues (cortex beside CSF) without the bias that medians over their voxels have. ADC of
a tissue follows from its two signals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...scanner.stripping import brain_hull
from ..examples import IS_INTRACRANIAL, IS_PARENCHYMA, Example
from ..fields import smooth, smooth_within
from ..geometry import slice_axis
from ..signal import MAXIMUM_ADC
from .assumed import LITERATURE, TISSUES
from .bias import bias_step, bias_terms, field_of
from .blur import fit_blur, soft_tissues
from .lesion_fit import LesionFit, LesionRatios, fit_lesion
from .texture import fit_texture, robust_sd

Array = npt.NDArray[Any]

#: Weight of the literature value in the fit of a tissue (voxels), and the least that counts as seen.
_PRIOR_VOXELS = 10.0
_SEEN_VOXELS = 40.0
_MOST_VOXELS = 30_000
#: Levels of the brain's hull that are tried, from generous to tight.
_STRIP_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
#: Most that a tissue may vary within itself.
_MOST_SPREAD = 0.12
#: Noise taken where the brain is too small to measure it.
_USUAL_NOISE = 0.03
#: Around the parenchyma, when the image is skull-stripped and when it is not (mm).
_MARGINS = (5.0, 15.0)


@dataclass(frozen=True)
class CaseFit:
    """What was found in one case; signals in units of its white-matter b0.

    Parameters
    ----------
    b0, adc
        Value of each tissue (:data:`~.assumed.TISSUES`); NaN where it was not seen.
    b0_texture, adc_texture
        Standard deviation within each tissue: of log b0, and of ADC (10^-3 mm^2/s).
    texture_correlation
        Of the two in each tissue: traces of fluid raise both, so that the DWI stays even.
    texture_mm
        Correlation length.
    b0_noise, dwi_noise
        Rician sigma of each image.
    blur_mm
        Gaussian blur of the map (standard deviation along each axis) that explains the image.
    bias
        Coefficients of :func:`bias_terms` for the log of the bias field.
    strip_level
        Level of the brain's hull at which the image ends; 0 when it is not skull-stripped.
    adc_floor
        b0 below which the scanner writes an ADC of 0 (background); 0 when it does not.
    air_empty
        Whether the background around the head is zero instead of noise.
    lesion
        None without one.
    """

    name: str
    b0: Array
    adc: Array
    b0_texture: Array
    adc_texture: Array
    texture_correlation: Array
    texture_mm: float
    b0_noise: float
    dwi_noise: float
    blur_mm: tuple[float, float, float]
    bias: Array
    level: float
    b_value: float
    strip_level: float
    adc_floor: float
    air_empty: bool
    lesion: LesionFit | None


@dataclass(frozen=True)
class Residuals:
    """What the fit leaves, for those who need it voxel by voxel: log b0 and ADC, and where they hold."""

    log_b0: Array
    adc: Array
    valid: Array


@dataclass(frozen=True)
class _Mixture:
    """The image as mixed tissues: their values, and the signals expected in each voxel."""

    b0_values: Array
    dwi_values: Array
    seen: Array
    b0: Array
    dwi: Array
    bias: Array


def _adc(b0: Array, dwi: Array, b: float) -> Array:
    """ADC of each tissue from its two signals."""
    ratio = np.maximum(b0, 1e-4) / np.maximum(dwi, 1e-4)
    return np.asarray(np.clip(np.log(ratio) / b, 0.0, MAXIMUM_ADC))


def fit_case(example: Example) -> tuple[CaseFit, Residuals]:
    """Fit everything to one case."""
    margin = _MARGINS[0 if example.stripped else 1]
    box = _bounding_box(IS_PARENCHYMA[example.labels], [int(np.ceil(margin / s)) for s in example.spacing])
    part = _cropped(example, box)
    inside = IS_INTRACRANIAL[part.labels]
    near_lesion = smooth(part.lesion, 3.0, part.spacing) > 0.02 if part.lesion.any() else part.lesion
    usable = (inside if part.stripped else np.ones_like(inside)) & ~near_lesion & (part.b0 > 0)
    blur = fit_blur(part, usable)
    weights = soft_tissues(part.labels, blur, part.spacing)
    tissue = IS_PARENCHYMA[part.labels] & ~near_lesion
    mixture = _fit_mixture(part, weights, usable, tissue)
    b = part.b_value * 1e-3
    expected_adc = np.log(mixture.b0 / mixture.dwi) / b
    log_b0 = np.log(np.maximum(part.b0, 0.02) / np.maximum(mixture.b0, 0.02))
    residuals = Residuals(log_b0, part.adc - expected_adc, inside)
    noise = _fit_noise(part, mixture, residuals, weights, tissue)
    spreads = _fit_textures(part, residuals, weights, noise.length_mm)
    b0_values = _without_floor(mixture.b0_values, noise.b0)
    dwi_values = _without_floor(mixture.dwi_values, noise.dwi)
    ratios = LesionRatios(log_b0, np.log(np.clip(part.adc, 0.1, None) / np.clip(expected_adc, 0.3, None)))
    in_tissue = part.lesion & IS_PARENCHYMA[part.labels]
    values = [np.where(mixture.seen, v, np.nan) for v in (b0_values, _adc(b0_values, dwi_values, b))]
    case = CaseFit(
        example.name, values[0], values[1], spreads[0], spreads[1], spreads[2], noise.length_mm,
        noise.b0, noise.dwi, blur, mixture.bias, example.level, example.b_value, _strip_level(example),
        *_background(example),
        fit_lesion(in_tissue, ratios, part.spacing, noise.on_lesion(b), blur, IS_PARENCHYMA[part.labels]),
    )  # fmt: skip
    return case, _at_home(example, box, residuals)


def _background(example: Example) -> tuple[float, bool]:
    """The b0 below which there is no ADC, and whether air is empty."""
    air = example.labels == 0
    air_empty = bool(air.any() and np.mean(example.dwi[air] <= 0) > 0.5)
    if example.stripped or example.adc_assumed:
        return 0.0, air_empty
    # Noise gives every b0 some positive ADC; where a floor was set, none is left below it.
    seen = example.b0[example.adc > 0]
    floor = float(np.quantile(seen, 0.005)) if seen.size else 0.0
    return floor, air_empty


def _strip_level(example: Example) -> float:
    """The level of the hull that overlaps best with what the image still shows; 0 if not stripped."""
    if not example.stripped:
        return 0.0
    shown, hull = example.dwi > 0, brain_hull(example.labels, example.spacing, 0)

    def overlap(level: float) -> float:
        kept = (hull > level) & (example.labels > 0)
        return 2.0 * float((kept & shown).sum()) / max(float(kept.sum() + shown.sum()), 1.0)

    return max(_STRIP_LEVELS, key=overlap)


def _fit_mixture(part: Example, weights: Array, usable: Array, tissue: Array) -> _Mixture:
    """Tissue values and bias field in turns; each is linear when the other is known."""
    terms = bias_terms(part.labels, part.spacing)
    bias = np.zeros(len(terms))
    for _ in range(2):
        field = field_of(bias, terms)
        b0_values, dwi_values, seen = _tissue_signals(part, weights, usable, field)
        b0 = np.tensordot(b0_values.astype(np.float32), weights, 1)
        dwi = np.tensordot(dwi_values.astype(np.float32), weights, 1)
        bias = bias + bias_step(part, b0 * field, dwi * field, terms, tissue)
    field = field_of(bias, terms)
    return _Mixture(
        b0_values, dwi_values, seen, np.maximum(b0 * field, 1e-3), np.maximum(dwi * field, 1e-4), bias
    )


def _bounding_box(mask: Array, margin: list[int]) -> tuple[slice, slice, slice]:
    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(max(int(hit[0]) - margin[axis], 0), int(hit[-1]) + margin[axis] + 1))
    return box[0], box[1], box[2]


def _cropped(example: Example, box: tuple[slice, slice, slice]) -> Example:
    names = ("labels", "lesion", "b0", "dwi", "adc")
    return replace(example, **{name: getattr(example, name)[box] for name in names})


def _at_home(example: Example, box: tuple[slice, slice, slice], part: Residuals) -> Residuals:
    """Residuals of the cropped part, on the case's own grid; 0 outside."""
    fields = []
    for values in (np.clip(part.log_b0, -2.0, 2.0), np.clip(part.adc, -2.0, 2.0), part.valid):
        whole = np.zeros(example.labels.shape, values.dtype)
        whole[box] = values
        fields.append(whole)
    return Residuals(*fields)


def _tissue_signals(part: Example, weights: Array, usable: Array, field: Array) -> tuple[Array, Array, Array]:
    """b0 and DWI of each tissue by a robust linear fit, and which tissues were seen."""
    index = np.flatnonzero(usable.ravel())
    if index.size > _MOST_VOXELS:
        index = index[:: index.size // _MOST_VOXELS + 1]
    share = index.size / max(int(usable.sum()), 1)
    design = weights.reshape(len(weights), -1)[:, index].T.astype(np.float64)
    support = (design**2).sum(0)
    seen = support > _SEEN_VOXELS * share
    prior = np.array([LITERATURE[t] for t in TISSUES])
    factor = field.ravel()[index]
    results = []
    for image, start in (
        (part.b0, prior[:, 0]),
        (part.dwi, prior[:, 0] * np.exp(-part.b_value * 1e-3 * prior[:, 1])),
    ):
        values = image.ravel()[index] / factor
        weight = np.ones(index.size)
        for _ in range(3):
            # Each tissue keeps _PRIOR_VOXELS of its literature value: enough to hold the unseen ones.
            gram = design.T @ (design * weight[:, None]) + _PRIOR_VOXELS * share * np.eye(len(start))
            estimate = np.linalg.solve(gram, design.T @ (values * weight) + _PRIOR_VOXELS * share * start)
            residual = values - design @ estimate
            scale = 2.0 * max(robust_sd(residual), 1e-4)
            weight = 1.0 / np.maximum(1.0, np.abs(residual) / scale)
        results.append(np.maximum(estimate, 0.0))
    return results[0], results[1], seen


@dataclass(frozen=True)
class _Noise:
    """Sigma of both images in units of white matter's b0, their signal in white matter, texture length."""

    b0: float
    dwi: float
    b0_level: float
    dwi_level: float
    length_mm: float

    def on_lesion(self, b: float) -> tuple[float, float, float]:
        """Spread that noise gives to log b0 and to log ADC in a lesion of typical signal, and covariance."""
        b0, dwi = self.b0 / (1.3 * self.b0_level), self.dwi / max(1.6 * self.dwi_level, 1e-3)
        return b0, float(np.hypot(b0, dwi)) / b / 0.6, b0**2 / b / 0.6


def _fit_noise(
    part: Example, mixture: _Mixture, residuals: Residuals, weights: Array, tissue: Array
) -> _Noise:
    """Noise of both images in white matter, by its lack of correlation; in air where there is any."""
    across = slice_axis(part.spacing)
    axes = tuple(axis for axis in range(3) if axis != across)
    step = part.spacing[axes[0]]
    pure = tissue & (weights[TISSUES.index("white-matter")] > 0.95)
    core = pure if pure.sum() > 500 else tissue
    levels = [float(np.median(image[core])) if core.any() else 1.0 for image in (mixture.b0, mixture.dwi)]
    log_dwi = np.log(np.maximum(part.dwi, 1e-3) / mixture.dwi)
    found = [fit_texture(residual, core, axes, step) for residual in (residuals.log_b0, log_dwi)]
    noise = [_USUAL_NOISE if f is None else f.noise * level for f, level in zip(found, levels, strict=True)]
    # Without signal, magnitude noise is Rayleigh: its lower quartile is 0.7585 sigma. Clutter only adds.
    air = part.dwi[(part.labels == 0) & (part.dwi > 0)]
    if not part.stripped and air.size > 500:
        noise[1] = min(noise[1], float(np.percentile(air, 25)) / 0.7585)
    return _Noise(noise[0], noise[1], levels[0], levels[1], found[0].length if found[0] else 2.0 * step)


def _fit_textures(part: Example, residuals: Residuals, weights: Array, length_mm: float) -> Array:
    """Spread of log b0, of ADC, and their correlation, in each tissue (3, tissues); NaN where too few.

    Measured on residuals smoothed over half the correlation length, each kind of tissue within itself: what
    is left of noise and of misplaced edges is averaged away, slow texture stays.
    """
    width = 0.5 * length_mm
    spreads = np.full((3, len(TISSUES)), np.nan)
    healthy = ~part.lesion & (part.b0 > 0)
    kinds = (IS_PARENCHYMA[part.labels] & healthy, ~IS_PARENCHYMA[part.labels] & healthy)
    smoothed = [smooth_within([residuals.log_b0, residuals.adc], kind, width, part.spacing) for kind in kinds]
    for number in range(len(TISSUES)):
        inside = (weights[number] > 0.6) & healthy
        if TISSUES[number] == "air":
            spreads[:, number] = 0.0
        if inside.sum() < 30 or TISSUES[number] == "air":
            continue
        log_b0, adc = smoothed[0 if kinds[0][inside].mean() > 0.5 else 1]
        first, second = log_b0[inside], adc[inside]
        spread_b0, spread_adc = (min(robust_sd(v), _MOST_SPREAD) for v in (first, second))
        covariance = (robust_sd(first + second) ** 2 - robust_sd(first - second) ** 2) / 4.0
        correlation = np.clip(covariance / max(spread_b0 * spread_adc, 1e-6), -0.95, 0.95)
        spreads[:, number] = spread_b0, spread_adc, correlation
    return spreads


def _without_floor(values: Array, sigma: float) -> Array:
    """Signals without the floor of magnitude noise: the mean square is A^2 + 2 sigma^2."""
    return np.asarray(np.sqrt(np.maximum(values**2 - 2.0 * sigma**2, 0.0)))
