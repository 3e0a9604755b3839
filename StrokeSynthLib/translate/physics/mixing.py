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

from ...schema import CSF
from ..examples import IS_INTRACRANIAL, IS_PARENCHYMA, Example, lookup
from ..fields import smooth
from ..signal import MAXIMUM_ADC
from .assumed import LITERATURE, TISSUE_OF_CLASS, TISSUES
from .lesion_fit import LesionFit, fit_lesion
from .texture import fit_texture, robust_sd

Array = npt.NDArray[Any]

#: Weight of the literature value in the fit of a tissue (voxels), and the least that counts as seen.
_PRIOR_VOXELS = 10.0
_SEEN_VOXELS = 40.0
_MOST_VOXELS = 60_000
#: Gaussian blur that is tried, in voxels: within the slice, and across slices.
_BLUR_IN_PLANE = (0.0, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3)
_BLUR_ACROSS = (0.0, 0.3, 0.6)
_IS_CSF = lookup(CSF)


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
    stripped: bool
    lesion: LesionFit | None


@dataclass(frozen=True)
class Residuals:
    """What the fit leaves, for those who need it voxel by voxel: log b0 and ADC, and where they hold."""

    log_b0: Array
    adc: Array
    valid: Array


def bias_terms(labels: Array, spacing: tuple[float, float, float]) -> Array:
    """Smooth functions of place for the bias field: all monomials of degree 1 and 2.

    Shape (9, x, y, z), over coordinates from the center of the brain in units of 100 mm.
    """
    brain = IS_INTRACRANIAL[labels]
    axes = []
    for axis, step in enumerate(spacing):
        profile = brain.sum(axis=tuple(a for a in range(3) if a != axis))
        index = np.arange(labels.shape[axis])
        center = float((profile * index).sum() / max(int(profile.sum()), 1))
        shape = [1, 1, 1]
        shape[axis] = -1
        axes.append(((index - center) * step / 100.0).astype(np.float32).reshape(shape))
    x, y, z = axes
    terms = (x, y, z, x * x, y * y, z * z, x * y, x * z, y * z)
    return np.stack([np.broadcast_to(term, labels.shape) for term in terms])


def bias_field(coefficients: Array, labels: Array, spacing: tuple[float, float, float]) -> Array:
    """Factor on both signals, 1 at the center of the brain; within 0.4 to 2.5."""
    terms = bias_terms(labels, spacing)
    log = np.tensordot(np.asarray(coefficients, np.float32), terms, 1)
    return np.asarray(np.exp(np.clip(log, -0.9, 0.9)))


def slice_axis(spacing: tuple[float, float, float]) -> int:
    """The axis across slices: the one with clearly the widest steps, else the third."""
    widest = int(np.argmax(spacing))
    return widest if spacing[widest] > 1.2 * min(spacing) else 2


def fit_case(example: Example) -> tuple[CaseFit, Residuals]:
    """Fit everything to one case."""
    box = _bounding_box(IS_INTRACRANIAL[example.labels], 3)
    part = _cropped(example, box)
    inside = IS_INTRACRANIAL[part.labels]
    lesion_zone = smooth(part.lesion, 3.0, part.spacing) > 0.02 if part.lesion.any() else part.lesion
    usable = (inside if part.stripped else np.ones_like(inside)) & ~lesion_zone & (part.b0 > 0)
    blur = _fit_blur(part, usable)
    weights = _soft_tissues(part.labels, blur, part.spacing)
    terms = bias_terms(part.labels, part.spacing)
    tissue = IS_PARENCHYMA[part.labels] & ~lesion_zone
    bias = np.zeros(len(terms))
    for _ in range(2):
        field = np.exp(np.clip(np.tensordot(bias, terms, 1), -0.9, 0.9)).astype(np.float32)
        b0_values, dwi_values, seen = _tissue_signals(part, weights, usable, field)
        b0_fit = np.tensordot(b0_values.astype(np.float32), weights, 1)
        dwi_fit = np.tensordot(dwi_values.astype(np.float32), weights, 1)
        bias = bias + _bias_step(part, b0_fit * field, dwi_fit * field, terms, tissue)
    # The constant of the fit is free: the level is the white matter's by definition.
    field = np.exp(np.clip(np.tensordot(bias, terms, 1), -0.9, 0.9)).astype(np.float32)
    expected_b0 = np.maximum(b0_fit * field, 1e-3)
    expected_dwi = np.maximum(dwi_fit * field, 1e-4)
    b = part.b_value * 1e-3
    adc_values = np.clip(np.log(np.maximum(b0_values, 1e-4) / np.maximum(dwi_values, 1e-4)) / b, 0, MAXIMUM_ADC)
    log_b0 = np.log(np.maximum(part.b0, 0.02) / np.maximum(expected_b0, 0.02))
    adc_residual = part.adc - np.log(expected_b0 / expected_dwi) / b
    fit = _noise_and_texture(part, log_b0, adc_residual, weights, tissue, expected_b0, expected_dwi)
    b0_noise, dwi_noise, length, b0_texture, adc_texture, correlation = fit
    case = CaseFit(
        example.name, np.where(seen, b0_values, np.nan), np.where(seen, adc_values, np.nan),
        b0_texture, adc_texture, correlation, length, b0_noise, dwi_noise, blur, bias,
        example.level, example.b_value, example.stripped,
        fit_lesion(part.lesion & IS_PARENCHYMA[part.labels], log_b0, part.adc, np.log(expected_b0 / expected_dwi) / b,
                   part.spacing, b0_noise, dwi_noise, float(dwi_fit[tissue].mean()) if tissue.any() else 0.5, b),
    )  # fmt: skip
    return case, _at_home(example, box, log_b0, adc_residual, inside)


def _bounding_box(mask: Array, margin: int) -> tuple[slice, slice, slice]:
    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(max(int(hit[0]) - margin, 0), int(hit[-1]) + margin + 1))
    return box[0], box[1], box[2]


def _cropped(example: Example, box: tuple[slice, slice, slice]) -> Example:
    names = ("labels", "lesion", "b0", "dwi", "adc")
    return replace(example, **{name: getattr(example, name)[box] for name in names})


def _at_home(example: Example, box: Any, log_b0: Array, adc: Array, inside: Array) -> Residuals:
    fields = []
    for part in (np.clip(log_b0, -2.0, 2.0), np.clip(adc, -2.0, 2.0), inside):
        whole = np.zeros(example.labels.shape, part.dtype)
        whole[box] = part
        fields.append(whole)
    return Residuals(fields[0], fields[1], fields[2])


def _soft_tissues(labels: Array, blur: tuple[float, float, float], spacing: tuple[float, float, float]) -> Array:
    tissues = TISSUE_OF_CLASS[labels]
    weights = np.zeros((len(TISSUES), *labels.shape), np.float32)
    for number in np.unique(tissues):
        weights[number] = smooth((tissues == number).astype(np.float32), blur, spacing)
    return weights


def _fit_blur(part: Example, usable: Array) -> tuple[float, float, float]:
    """Width of the blur by trial: four coarse tissues, smallest squared residual of b0."""
    across = slice_axis(part.spacing)
    middle = [slice(None)] * 3
    count = part.labels.shape[across]
    middle[across] = slice(int(count * 0.35), max(int(count * 0.75), int(count * 0.35) + 3))
    cut = tuple(middle)
    labels, b0, mask = part.labels[cut], part.b0[cut], usable[cut]
    if mask.sum() < 500:
        return tuple(0.4 * step for step in part.spacing)  # type: ignore[return-value]
    white = lookup((1, 2))[labels]
    groups = [_IS_CSF[labels], white, IS_PARENCHYMA[labels] & ~white, ~IS_INTRACRANIAL[labels]]
    groups = [g for g in groups if (g & mask).sum() > 20]

    def error(in_plane: float, through: float) -> float:
        sigma = [in_plane] * 3
        sigma[across] = through
        design = np.stack([smooth(g, sigma, (1.0, 1.0, 1.0))[mask] for g in groups], 1)
        gram = design.T @ design + 1e-3 * np.eye(len(groups))
        values = np.linalg.solve(gram, design.T @ b0[mask])
        # Absolute residuals: vessels and bright rims must not decide.
        return float(np.abs(b0[mask] - design @ values).mean())

    in_plane = min(_BLUR_IN_PLANE, key=lambda width: error(width, 0.3))
    through = min(_BLUR_ACROSS, key=lambda width: error(in_plane, width))
    widths = [in_plane * step for step in part.spacing]
    widths[across] = through * part.spacing[across]
    return widths[0], widths[1], widths[2]


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
    for image, start in ((part.b0, prior[:, 0]), (part.dwi, prior[:, 0] * np.exp(-part.b_value * 1e-3 * prior[:, 1]))):
        values = image.ravel()[index] / factor
        weight = np.ones(index.size)
        for _ in range(4):
            # Each tissue keeps _PRIOR_VOXELS of its literature value: enough to hold the unseen ones.
            gram = design.T @ (design * weight[:, None]) + _PRIOR_VOXELS * share * np.eye(len(start))
            estimate = np.linalg.solve(gram, design.T @ (values * weight) + _PRIOR_VOXELS * share * start)
            residual = values - design @ estimate
            scale = 2.0 * max(robust_sd(residual), 1e-4)
            weight = 1.0 / np.maximum(1.0, np.abs(residual) / scale)
        results.append(np.maximum(estimate, 0.0))
    return results[0], results[1], seen


def _bias_step(part: Example, b0: Array, dwi: Array, terms: Array, tissue: Array) -> Array:
    """What is left of a smooth factor, from both images, over the parenchyma."""
    index = np.flatnonzero(tissue.ravel() & (part.b0.ravel() > 0.1) & (part.dwi.ravel() > 0.03))
    if index.size < 500:
        return np.zeros(len(terms))
    index = index[:: index.size // 20_000 + 1]
    design = np.concatenate([terms.reshape(len(terms), -1)[:, index], np.ones((1, index.size))]).T
    ratio = [image.ravel()[index] / np.maximum(fit.ravel()[index], 1e-3) for image, fit in ((part.b0, b0), (part.dwi, dwi))]
    target = np.clip(0.5 * (np.log(ratio[0]) + np.log(ratio[1])), -0.5, 0.5)
    gram = design.T @ design + 1e-2 * index.size * np.diag([*np.full(len(terms), 0.05), 0.0])
    return np.asarray(np.linalg.solve(gram, design.T @ target)[:-1])


def _noise_and_texture(
    part: Example, log_b0: Array, adc: Array, weights: Array, tissue: Array, b0: Array, dwi: Array
) -> tuple[float, float, float, Array, Array, Array]:
    """Noise of both images, correlation length; spread of log b0 and ADC in each tissue, correlation."""
    across = slice_axis(part.spacing)
    axes = tuple(axis for axis in range(3) if axis != across)
    step = part.spacing[axes[0]]
    white = weights[TISSUES.index("white-matter")]
    core = tissue & ((white > 0.95) if (white > 0.95).sum() > 500 else tissue)
    log_dwi = np.log(np.maximum(part.dwi, 1e-3) / dwi)
    found_b0 = fit_texture(log_b0, core, axes, step)
    found_dwi = fit_texture(log_dwi, core, axes, step)
    b0_level = float(np.median(b0[core])) if core.any() else 1.0
    dwi_level = float(np.median(dwi[core])) if core.any() else 0.5
    b0_noise = found_b0.noise * b0_level if found_b0 else 0.03
    dwi_noise = found_dwi.noise * dwi_level if found_dwi else 0.03
    if not part.stripped:
        # Without signal, magnitude noise is Rayleigh: its median is 1.1774 sigma.
        air = part.dwi[(part.labels == 0) & (part.dwi > 0)]
        if air.size > 500:
            dwi_noise = min(dwi_noise, float(np.percentile(air, 25)) / 0.7585)
    length = found_b0.length if found_b0 else 3.0
    b = part.b_value * 1e-3
    outside_lesion = ~part.lesion
    spreads = np.full((3, len(TISSUES)), np.nan)
    for number in range(len(TISSUES)):
        inside = (weights[number] > 0.85) & outside_lesion
        if inside.sum() < 100:
            inside = (weights[number] > 0.6) & outside_lesion
        if inside.sum() >= 30:
            relative = (b0_noise / max(float(np.median(b0[inside])), 1e-3),
                        dwi_noise / max(float(np.median(dwi[inside])), 1e-3))  # fmt: skip
            spreads[:, number] = _tissue_texture(log_b0[inside], adc[inside], relative, b)
    return b0_noise, dwi_noise, length, spreads[0], spreads[1], spreads[2]


def _tissue_texture(
    log_b0: Array, adc: Array, relative_noise: tuple[float, float], b: float
) -> tuple[float, float, float]:
    """Spread of log b0, of ADC, and their correlation, each without what noise adds."""
    b0_noise, dwi_noise = relative_noise
    totals = robust_sd(log_b0), robust_sd(adc)
    spread_b0 = _without(totals[0], b0_noise)
    spread_adc = _without(totals[1], float(np.hypot(b0_noise, dwi_noise)) / b)
    # Noise of b0 enters its logarithm and the ADC alike.
    covariance = (robust_sd(log_b0 + adc) ** 2 - robust_sd(log_b0 - adc) ** 2) / 4.0 - b0_noise**2 / b
    product = max(spread_b0 * spread_adc, 1e-6)
    return spread_b0, spread_adc, float(np.clip(covariance / product, -0.95, 0.95))


def _without(total: float, noise: float) -> float:
    """Spread that is left when noise is taken off, at least a fifth of it and at most 0.4."""
    return float(min(np.sqrt(max(total**2 - noise**2, 0.04 * total**2)), 0.4))
