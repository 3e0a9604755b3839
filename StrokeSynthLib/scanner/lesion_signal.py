"""Acute ischemic lesions: what they do to S0, T2 and ADC, by age.

1. The age fixes the typical ADC and T2 of the core (:data:`ADC_COURSE`, :data:`T2_COURSE`).
2. A smooth field of severity, lower toward the rim, spreads ADC over the lesion: in the first days about
   72 % of the area is low, 20 % pseudonormal and 8 % high.
3. T2 follows severity in part, so that bright and dark spots of b0 and ADC differ.
4. Edges are soft over one to two millimeters; small components may be faint.

Sources: Nagesh et al., Stroke 1998 (0.627 against 0.843 under 10 h; 72/20/8 % by area);
Lansberg et al., AJNR 2001;22:637 and Schlaug et al., Neurology 1997;49:113 (time course); T2
rise of 1.9 ms/h within 9 h at 3 T (Siemonsen et al., Radiology 2008); DWI of lesions in real
3 T examinations 1.58 of tissue (10th to 90th percentile 1.14 to 2.23), S0 1.3 to 1.4.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .changes import Changes
from .fields import sample_at, smooth_noise

Array = npt.NDArray[Any]

DAY = 24.0
#: Age (hours) and ADC of the core relative to normal tissue.
ADC_COURSE = ((0.5, 0.90), (2, 0.74), (6, 0.65), (24, 0.57), (72, 0.58), (5 * DAY, 0.68), (8 * DAY, 0.86),
              (11 * DAY, 1.02), (14 * DAY, 1.12), (30 * DAY, 1.45), (90 * DAY, 2.2))  # fmt: skip
#: Age (hours) and T2 relative to normal tissue.
T2_COURSE = ((0.5, 1.00), (3, 1.04), (9, 1.20), (24, 1.36), (72, 1.48), (7 * DAY, 1.52), (14 * DAY, 1.44),
             (30 * DAY, 1.50), (90 * DAY, 1.9))  # fmt: skip
#: Share of the lesion's area with an ADC up to the first and up to the second boundary.
LOW, PSEUDONORMAL = 0.72, 0.92
#: Components below this volume (ml) may be faint, with this chance.
SMALL_ML, FAINT_CHANCE = 1.0, 0.25
_STEP = 3.0


@dataclass(frozen=True)
class LesionAppearance:
    """What was drawn for one lesion.

    Parameters
    ----------
    age_hours
        Time since onset.
    core_adc
        ADC of the core relative to normal.
    t2
        T2 relative to normal, where severity is average.
    water
        S0 relative to normal (edema).
    correlation_mm
        Size of the patches inside.
    edge_mm
        Width of the soft edge (standard deviation).
    heterogeneity
        Spread of ADC around the core value, 1 as in real lesions.
    seed
        Of the fields inside.
    """

    age_hours: float
    core_adc: float
    t2: float
    water: float
    correlation_mm: float
    edge_mm: float
    heterogeneity: float
    seed: int

    def record(self) -> dict[str, Any]:
        """As plain numbers."""
        return asdict(self)


def _course(course: tuple[tuple[float, float], ...], age_hours: float) -> float:
    hours, ratios = zip(*course, strict=True)
    return float(np.interp(np.log(max(age_hours, 0.1)), np.log(hours), ratios))


def draw_appearance(rng: np.random.Generator, age_hours: float | None = None) -> LesionAppearance:
    """Draw how a lesion looks; without ``age_hours`` the age is drawn, most of 3 h to 10 days."""
    drawn_age = float(np.clip(np.exp(rng.normal(np.log(36.0), 1.0)), 1.5, 14 * DAY))
    age = drawn_age if age_hours is None else float(age_hours)
    return LesionAppearance(
        age_hours=age,
        core_adc=_course(ADC_COURSE, age) * float(np.exp(rng.normal(0.0, 0.10))),
        t2=1.0 + (_course(T2_COURSE, age) - 1.0) * float(np.exp(rng.normal(0.0, 0.25))),
        water=1.0 + float(rng.uniform(0.0, 0.08)) * min(age / DAY, 1.0),
        correlation_mm=float(rng.uniform(3.0, 7.0)),
        edge_mm=float(rng.uniform(0.6, 1.2)),
        heterogeneity=float(rng.uniform(0.7, 1.3)),
        seed=int(rng.integers(2**31)),
    )


def adc_ratio(severity: Array, appearance: LesionAppearance) -> Array:
    """ADC relative to normal for ``severity`` as a rank from 0 (worst) to 1 (mildest)."""
    core = appearance.core_adc
    acute = float(np.clip((1.05 - core) / 0.4, 0.0, 1.0))
    spread = appearance.heterogeneity
    ranks = (0.0, 0.35, LOW, PSEUDONORMAL, 1.0)
    # Acute: from deep to the low boundary, then pseudonormal, then high. Later: around the core.
    acute_ratios = (core * (1 - 0.18 * spread), core, min(0.84, core + 0.22), 1.04, 1.28)
    late_ratios = tuple(core * (1 + 0.2 * spread * (rank - 0.4)) for rank in ranks)
    ratios = [acute * a + (1 - acute) * b for a, b in zip(acute_ratios, late_ratios, strict=True)]
    return np.interp(severity, ranks, ratios).astype(np.float32)


def lesion_changes(mask: Array, spacing: tuple[float, ...], appearance: LesionAppearance) -> Changes:
    """Changes that ``appearance`` makes in a boolean ``mask`` on the anatomy's grid (mm)."""
    from scipy.ndimage import gaussian_filter, label
    from scipy.special import ndtr

    found = [np.flatnonzero(mask.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    if not found[0].size:
        return Changes.none()
    rng = np.random.default_rng(appearance.seed)
    margin = 3
    low = [max(int(f[0]) - margin, 0) for f in found]
    high = [min(int(f[-1]) + margin + 1, n) for f, n in zip(found, mask.shape, strict=True)]
    box = mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]]

    sigma = [appearance.edge_mm / s for s in spacing]
    soft = gaussian_filter(box.astype(np.float32), sigma, mode="nearest", truncate=2.5)
    voxels = np.flatnonzero(soft > 0.02)
    index = np.array(np.unravel_index(voxels, box.shape))
    share = soft.ravel()[voxels]

    components, count = label(box)
    strength = _strengths(rng, components, count, float(np.prod(spacing)) / 1000.0)
    touched = _nearest_component(components, index)
    share = share * strength[touched]

    step = _STEP / float(np.mean(spacing))
    coarse = tuple(int(np.ceil(n / step)) + 2 for n in box.shape)
    fields = [smooth_noise(rng, coarse, appearance.correlation_mm / _STEP) for _ in range(2)]
    first, second = (sample_at(field, index, step) for field in fields)
    # A field around a small lesion has few nodes: what it is on average there says nothing, and divided by
    # its small spread would be anything. T2 then ran away; limited, it stays above normal.
    inner = share > 0.5
    first = first / max(float(first.std()), 0.5)
    second = np.clip(_standardized(second, inner), -2.0, 2.0)
    depth = sample_at(_depth(box, step), index, step)
    severity = ndtr(_standardized(first - 1.2 * depth, inner))
    ratios = np.empty((3, voxels.size), np.float32)
    ratios[0] = np.log(appearance.water) * share
    log_t2 = np.log(appearance.t2) * (1.15 - 0.5 * severity + 0.25 * second)
    ratios[1] = log_t2 * share
    ratios[2] = np.log(adc_ratio(severity, appearance)) * share
    position = index + np.array(low)[:, None]
    return Changes(np.ravel_multi_index(tuple(position), mask.shape).astype(np.int64), ratios)


def _standardized(values: Array, inner: Array) -> Array:
    """Mean 0 and variance 1 over the ``inner`` part, so that ranks spread over every lesion alike."""
    if inner.sum() < 20:
        return np.asarray(values - values.mean())
    return np.asarray((values - values[inner].mean()) / max(float(values[inner].std()), 0.2))


def _strengths(rng: np.random.Generator, components: Array, count: int, voxel_ml: float) -> Array:
    """Contrast of each component, by its number; small ones are faint now and then."""
    sizes = np.bincount(components.ravel(), minlength=count + 1) * voxel_ml
    strength = rng.uniform(0.85, 1.1, count + 1)
    faint = (sizes < SMALL_ML) & (rng.random(count + 1) < FAINT_CHANCE)
    strength[faint] *= rng.uniform(0.35, 0.8, int(faint.sum()))
    return strength.astype(np.float32)


def _nearest_component(components: Array, index: Array) -> Array:
    """Component at each index, or beside it where the index lies in the soft edge."""
    found = components[tuple(index)]
    for axis in range(3):
        for shift in (1, -1, 2, -2):
            missing = np.flatnonzero(found == 0)
            if not missing.size:
                return np.asarray(found)
            beside = index[:, missing].copy()
            beside[axis] = np.clip(beside[axis] + shift, 0, components.shape[axis] - 1)
            found[missing] = components[tuple(beside)]
    return np.asarray(np.where(found == 0, components.max(), found))


def _depth(box: Array, step: float) -> Array:
    """Share of lesion in the surroundings (about 4 mm), on the coarse grid: 0.5 at a flat edge."""
    from scipy.ndimage import gaussian_filter, zoom

    coarse = tuple(int(np.ceil(n / step)) + 2 for n in box.shape)
    blocks = zoom(box.astype(np.float32), 1.0 / step, order=0, grid_mode=True, mode="nearest")
    padded = np.zeros(coarse, np.float32)
    padded[tuple(slice(0, min(a, b)) for a, b in zip(blocks.shape, coarse, strict=True))] = blocks[
        tuple(slice(0, min(a, b)) for a, b in zip(blocks.shape, coarse, strict=True))
    ]
    return np.asarray(gaussian_filter(padded, 4.0 / _STEP / 2, mode="constant"))
