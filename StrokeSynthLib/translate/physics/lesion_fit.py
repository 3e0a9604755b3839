"""What a lesion does to the signal of the tissue it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fields import smooth
from ..geometry import slice_axis
from .texture import fit_texture, robust_sd

Array = npt.NDArray[Any]

_FEWEST_VOXELS = 8
_ENOUGH_FOR_LENGTH = 300
#: Stands for another slice's distance (mm): further than anything in a slice.
_FAR = 1e6
#: Depths below a lesion's border in its slice (mm) at which its effect is told; constant beyond the last.
DEPTHS_MM = (0.75, 2.25, 4.0, 6.0)
#: Borders of the layers in which it is measured (mm).
_LAYERS_MM = (1.5, 3.0, 5.0)
#: Voxels that a layer needs; effect (root of the squared log ratios) below which shares mean nothing.
_ENOUGH_IN_LAYER = 12
_LEAST_EFFECT = 0.15
#: Most that an edge is believed to be softened, in voxels.
_SOFTEST = 1.5
#: Of a small lesion's effect, what is believed to be left by blur and softness, at least.
_LEAST_SEEN = 0.6
#: Lesions that "the same at every depth" counts for where few were seen, and shares believed at most.
_PRIOR_LESIONS = 2.0
_SHARES = (0.3, 2.0)
#: The effect at every depth the same.
EVEN = (1.0,) * len(DEPTHS_MM)


@dataclass(frozen=True)
class LesionRatios:
    """Log of observed over expected, voxel by voxel: of b0, and of ADC."""

    b0: Array
    adc: Array


@dataclass(frozen=True)
class LesionFit:
    """One lesion against the tissue it is in.

    Parameters
    ----------
    log_b0, log_adc
        Log of the ratio to what the tissue would have had, median over the lesion, without what softness and
        blur take from it.
    b0_spread, adc_spread
        Standard deviation of both within the lesion, without the noise.
    correlation
        Of the two within the lesion.
    length_mm
        Correlation length of the variation; NaN when the lesion is too small to tell.
    voxels
        Of the lesion.
    softness_mm
        Standard deviation by which the effect fades across the mask's border, before the image's blur: an
        infarct has no hard edge, and no mask is exact. NaN where too little effect tells.
    layers
        Effect in each layer of depth, as a share of the above, without what the blur takes from it; NaN
        where too few voxels or too little effect tell.
    """

    log_b0: float
    log_adc: float
    b0_spread: float
    adc_spread: float
    correlation: float
    length_mm: float
    voxels: int
    softness_mm: float = float("nan")
    layers: tuple[float, ...] = ()


def depth_below(lesion: Array, spacing: tuple[float, float, float]) -> Array:
    """Depth of each voxel below the lesion's border in its own slice (mm), 0 outside.

    Slices are thick, and lesions are painted slice by slice: what is above and below is left to the blur.
    """
    from scipy.ndimage import distance_transform_edt

    if lesion.all():  # no border in sight
        return np.full(lesion.shape, _FAR, np.float32)
    sampling = [_FAR if axis == slice_axis(spacing) else step for axis, step in enumerate(spacing)]
    depth = distance_transform_edt(lesion, sampling=sampling) - 0.5 * min(spacing)
    return np.asarray(np.maximum(depth, 0.0), np.float32)


def depth_reach(profile: tuple[float, ...], spacing: tuple[float, float, float]) -> tuple[int, ...]:
    """How many voxels away the surface still counts, along each axis."""
    if len(set(profile)) == 1:
        return (0,) * len(spacing)
    return tuple(
        0 if axis == slice_axis(spacing) else int(np.ceil((DEPTHS_MM[-1] + 0.5 * min(spacing)) / step))
        for axis, step in enumerate(spacing)
    )


def share_at_depth(
    lesion: Array, spacing: tuple[float, float, float], profile: tuple[float, ...]
) -> Array | float:
    """Share of the effect in each voxel of ``lesion``; ``profile`` at :data:`DEPTHS_MM`."""
    if len(set(profile)) == 1:
        return profile[0]
    return np.interp(depth_below(lesion, spacing), DEPTHS_MM, profile).astype(np.float32)


def lesion_weight(
    lesion: Array, spacing: tuple[float, float, float], softness_mm: float, tissue: Array
) -> Array:
    """How much of a lesion's effect reaches each voxel: in the lesion, and softly around it in ``tissue``."""
    if softness_mm <= 0.0:
        return lesion.astype(np.float32)
    return np.where(lesion | tissue, _soft(lesion, softness_mm, spacing), np.float32(0.0))


def _soft(lesion: Array, softness_mm: float, spacing: tuple[float, float, float]) -> Array:
    weight = lesion.astype(np.float32)
    return smooth(weight, softness_mm, spacing) if softness_mm > 0.0 else weight


def pooled_softness(fits: Sequence[LesionFit]) -> float:
    """The softness of a cohort's lesions (mm): their median, less of it while lesions are few."""
    known = [fit.softness_mm for fit in fits if np.isfinite(fit.softness_mm)]
    return float(np.median(known)) * len(known) / (len(known) + _PRIOR_LESIONS) if known else 0.0


def pooled_profile(fits: Sequence[LesionFit]) -> Array:
    """The profile of a cohort's lesions: medians by layer, leaning on :data:`EVEN` while lesions are few."""
    layers = np.array([fit.layers for fit in fits if fit.layers], float).reshape(-1, len(DEPTHS_MM))
    profile = np.ones(len(DEPTHS_MM))
    for number, shares in enumerate(layers.T):
        known = shares[np.isfinite(shares)]
        if known.size:
            weight = known.size / (known.size + _PRIOR_LESIONS)
            profile[number] = 1.0 + weight * (np.median(known) - 1.0)
        elif number:
            profile[number] = profile[number - 1]
    return np.clip(profile, *_SHARES)


def fit_lesion(
    lesion: Array, ratios: LesionRatios, spacing: tuple[float, float, float],
    noise: tuple[float, float, float], blur_mm: tuple[float, float, float], tissue: Array,
) -> LesionFit | None:  # fmt: skip
    """Statistics over the inner part of ``lesion`` (all of it when it is small); None when too small.

    ``noise``: standard deviation that noise alone gives to the two ratios, and their covariance;
    ``blur_mm``: of the image; ``tissue``: where there is parenchyma, in the lesion or not.
    """
    if lesion.sum() < _FEWEST_VOXELS:
        return None
    # Edge voxels are half tissue; the inner part tells the lesion's own values.
    inner = lesion & (smooth(lesion, 1.0 * min(spacing), spacing) > 0.75)
    inside = inner if inner.sum() >= 3 * _FEWEST_VOXELS else lesion
    signal, ratio = ratios.b0[inside], ratios.adc[inside]
    b0_spread = np.sqrt(max(robust_sd(signal) ** 2 - noise[0] ** 2, 0.02**2))
    adc_spread = np.sqrt(max(robust_sd(ratio) ** 2 - noise[1] ** 2, 0.03**2))
    # Noise of b0 is in both, and would hide that what is bright on b0 has little ADC.
    covariance = (robust_sd(signal + ratio) ** 2 - robust_sd(signal - ratio) ** 2) / 4.0 - noise[2]
    correlation = float(np.clip(covariance / (b0_spread * adc_spread), -0.9, 0.9))
    across = slice_axis(spacing)
    axes = tuple(axis for axis in range(3) if axis != across)
    texture = (
        fit_texture(ratios.b0, lesion, axes, spacing[axes[0]]) if lesion.sum() > _ENOUGH_FOR_LENGTH else None
    )
    effect = float(np.median(signal)), float(np.median(ratio))
    softness, layers, kept = _edge(lesion, inside, ratios, spacing, blur_mm, effect, tissue)
    return LesionFit(
        effect[0] / kept, effect[1] / kept, float(b0_spread), float(adc_spread),
        correlation, texture.length if texture else float("nan"), int(lesion.sum()),
        softness, layers,
    )  # fmt: skip


def _edge(
    lesion: Array, inside: Array, ratios: LesionRatios, spacing: tuple[float, float, float],
    blur_mm: tuple[float, float, float], effect: tuple[float, float], tissue: Array,
) -> tuple[float, tuple[float, ...], float]:  # fmt: skip
    """Softness, shares by layer (NaN where the effect is too small to tell), and how much of it is seen."""
    size = effect[0] ** 2 + effect[1] ** 2
    if size < _LEAST_EFFECT**2:
        blurred = smooth(lesion.astype(np.float32), blur_mm, spacing)
        nothing = (float("nan"),) * len(DEPTHS_MM)
        return float("nan"), nothing, max(float(np.median(blurred[inside])), _LEAST_SEEN)
    share = (effect[0] * ratios.b0 + effect[1] * ratios.adc) / size
    width = _SOFTEST * min(spacing)
    around = tissue & (smooth(lesion.astype(np.float32), 2.0 * width, spacing) > 0.01)
    found = []
    for softness in np.linspace(0.0, width, 7):
        softened = smooth(_soft(lesion, float(softness), spacing), blur_mm, spacing)
        model, seen = softened[around], np.clip(share[around], -1.0, 3.0)
        rest = seen - model * float(model @ seen) / float(model @ model)
        found.append((float(np.abs(rest).mean()), float(softness), softened))
    _, softness, blurred = min(found, key=lambda one: one[0])
    kept = max(float(np.median(blurred[inside])), _LEAST_SEEN)
    return softness, _layers(lesion, share * kept, spacing, blurred), kept


def _layers(
    lesion: Array, share: Array, spacing: tuple[float, float, float], blurred: Array
) -> tuple[float, ...]:
    layer = np.digitize(depth_below(lesion, spacing), _LAYERS_MM)
    shares = []
    for number in range(len(DEPTHS_MM)):
        where = lesion & (layer == number)
        if where.sum() < _ENOUGH_IN_LAYER:
            shares.append(float("nan"))
            continue
        shares.append(float(np.median(share[where])) / max(float(np.median(blurred[where])), 0.2))
    return tuple(shares)
