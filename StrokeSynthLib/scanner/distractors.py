"""What looks like an acute lesion and is not: old infarcts, leukoaraiosis, bright spots on T2.

All of them raise T2, so that they are bright on b0 and, by shine-through, often on DWI, while ADC
is normal or high. None of them belongs to the lesion mask. (Bright susceptibility rims come
from the anatomy: :mod:`.susceptibility`.)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..schema import VENTRICLES, classes_of
from .changes import Changes
from .fields import sample_at, smooth_noise

Array = npt.NDArray[Any]

#: S0, T2 and ADC relative to normal brain of a fluid-filled cavity.
CAVITY = (1.35, 18.0, 3.7)
_WHITE = classes_of("white-matter", "white-matter-hyperintensity")
_DEEP = classes_of("white-matter", "thalamus", "putamen", "caudate", "brain-stem")
_CORTEX = classes_of("cortex", "cerebellum-cortex")
_STEP = 4


@dataclass(frozen=True)
class OldLesion:
    """One old infarct, lacune or bright spot.

    Parameters
    ----------
    kind
        "cortical" (old infarct), "lacune" (small deep cavity) or "spot" (bright on T2).
    radius_mm
        Mean radius.
    water, t2, adc
        S0, T2 and ADC of its tissue relative to normal.
    cavity
        Share of its core that is a fluid-filled cavity.
    seed
        Of its place and shape.
    """

    kind: str
    radius_mm: float
    water: float
    t2: float
    adc: float
    cavity: float
    seed: int


@dataclass(frozen=True)
class Distractors:
    """All that was drawn for one scan.

    Parameters
    ----------
    old_lesions
        Old infarcts, lacunes, spots.
    leukoaraiosis
        Share of cerebral white matter that is affected, about; 0 for none.
    leukoaraiosis_t2, leukoaraiosis_adc
        Relative to normal white matter.
    seed
        Of the pattern of leukoaraiosis.
    """

    old_lesions: tuple[OldLesion, ...]
    leukoaraiosis: float
    leukoaraiosis_t2: float
    leukoaraiosis_adc: float
    seed: int

    def record(self) -> dict[str, Any]:
        """As plain numbers."""
        return asdict(self)


def draw_distractors(rng: np.random.Generator, aging: float) -> Distractors:
    """Draw distractors; ``aging`` from 0 (young, mostly none) to 1 (old, mostly some)."""
    old = []
    counts = {
        "cortical": int(rng.random() < 0.05 + 0.2 * aging),
        "lacune": int(rng.poisson(0.1 + 1.4 * aging)),
        "spot": int(rng.poisson(0.5 + 7.0 * aging)),
    }
    for kind, count in counts.items():
        for _ in range(count):
            old.append(_draw_old_lesion(rng, kind))
    has_leukoaraiosis = rng.random() < 0.1 + 0.85 * aging
    return Distractors(
        old_lesions=tuple(old),
        leukoaraiosis=float(0.08 * aging * rng.beta(1.2, 3.0) * has_leukoaraiosis),
        leukoaraiosis_t2=float(rng.uniform(1.25, 1.55)),
        leukoaraiosis_adc=float(rng.uniform(1.15, 1.5)),
        seed=int(rng.integers(2**31)),
    )


def _draw_old_lesion(rng: np.random.Generator, kind: str) -> OldLesion:
    radius = {"cortical": (6.0, 18.0), "lacune": (1.5, 4.5), "spot": (1.0, 2.5)}[kind]
    cavity = {"cortical": rng.uniform(0.0, 0.9), "lacune": rng.uniform(0.2, 1.0), "spot": 0.0}[kind]
    return OldLesion(
        kind=kind,
        radius_mm=float(rng.uniform(*radius)),
        water=float(rng.uniform(1.0, 1.12)),
        t2=float(rng.uniform(1.3, 1.8)),
        adc=float(rng.uniform(1.05, 1.55)),
        cavity=float(cavity),
        seed=int(rng.integers(2**31)),
    )


def distractor_changes(anatomy: Anatomy, distractors: Distractors, lesion: Array | None) -> Changes:
    """Changes by all ``distractors``, kept clear of the acute ``lesion`` (boolean mask or None)."""
    parts = [_leukoaraiosis(anatomy, distractors)]
    parts += [_old_lesion(anatomy, old) for old in distractors.old_lesions]
    changes = Changes.together(parts)
    if lesion is None or not changes.voxels.size:
        return changes
    return changes.without(np.asarray(lesion).reshape(-1)[changes.voxels])


def _leukoaraiosis(anatomy: Anatomy, distractors: Distractors) -> Changes:
    """Caps and bands around the lateral ventricles and patches in deep white matter."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    if distractors.leukoaraiosis <= 0.0:
        return Changes.none()
    rng = np.random.default_rng(distractors.seed)
    coarse = anatomy.labels[::_STEP, ::_STEP, ::_STEP]
    spacing = float(np.mean(anatomy.grid.spacing))
    near = gaussian_filter(np.isin(coarse, VENTRICLES[:2]).astype(np.float32), 6.0 / _STEP / spacing)
    white = np.isin(coarse, _WHITE)
    deep = gaussian_filter(white.astype(np.float32), 8.0 / _STEP / spacing)
    score = 3.0 * np.sqrt(near) + 1.5 * deep + 0.45 * smooth_noise(rng, coarse.shape, 1.2)
    if not white.any():
        return Changes.none()
    threshold = float(np.quantile(score[white], 1.0 - distractors.leukoaraiosis))
    if threshold <= float(score.min()):
        return Changes.none()
    # Interpolated only where a neighboring coarse score comes near the threshold.
    near_threshold = maximum_filter(score, 3) > threshold - 0.125
    for axis, size in enumerate(anatomy.labels.shape):
        near_threshold = np.repeat(near_threshold, _STEP, axis).take(np.arange(size), axis)
    table = np.zeros(256, bool)
    table[list(_WHITE)] = True
    candidates = np.flatnonzero(near_threshold)
    voxels = candidates[table[anatomy.labels.reshape(-1)[candidates]]]
    index = np.array(np.unravel_index(voxels, anatomy.labels.shape))
    fine = sample_at(score, index, _STEP)
    share = np.clip((fine - threshold) / 0.25 + 0.5, 0.0, 1.0)
    keep = share > 0.02
    ratios = np.log([1.04, distractors.leukoaraiosis_t2, distractors.leukoaraiosis_adc])
    return Changes(voxels[keep], (ratios[:, None] * share[keep]).astype(np.float32))


def _old_lesion(anatomy: Anatomy, old: OldLesion) -> Changes:
    """A blob of irregular shape, clipped to brain."""
    rng = np.random.default_rng(old.seed)
    center = _draw_place(rng, anatomy.labels, _CORTEX if old.kind == "cortical" else _DEEP)
    if center is None:
        return Changes.none()
    spacing = np.array(anatomy.grid.spacing)
    reach = np.ceil(old.radius_mm * 1.8 / spacing).astype(int) + 1
    low = np.maximum(center - reach, 0)
    high = np.minimum(center + reach + 1, anatomy.labels.shape)
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    stretch = np.exp(rng.normal(0.0, 0.2, 3))
    distance = np.sqrt(
        sum(((g - c) * s / k) ** 2 for g, c, s, k in zip((x, y, z), center, spacing, stretch, strict=True))
    )
    wobble = smooth_noise(rng, distance.shape, max(old.radius_mm / 3 / float(spacing.mean()), 0.7))
    depth = (old.radius_mm * (1.0 + 0.25 * wobble) - distance) / 1.0
    inside = anatomy.parenchyma[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    share = np.where(inside, np.clip(depth + 0.5, 0.0, 1.0), 0.0).astype(np.float32)
    keep = np.flatnonzero(share > 0.02)
    share = share.reshape(-1)[keep]
    # The cavity is the inner part: its share of the radius.
    fluid = np.clip(depth.reshape(-1)[keep] - old.radius_mm * (1.0 - old.cavity) + 0.5, 0.0, 1.0)
    tissue, cavity = np.log([old.water, old.t2, old.adc]), np.log(CAVITY)
    ratios = share * ((1 - fluid) * tissue[:, None] + fluid * cavity[:, None])
    position = np.array(np.unravel_index(keep, distance.shape)) + low[:, None]
    return Changes(np.ravel_multi_index(tuple(position), anatomy.labels.shape), ratios.astype(np.float32))


def _draw_place(rng: np.random.Generator, labels: Array, classes: tuple[int, ...]) -> Array | None:
    """A voxel of one of ``classes``, or None; found by trying, the whole map is not searched."""
    table = np.zeros(256, bool)
    table[list(classes)] = True
    tries = np.stack([rng.integers(0, n, 4000) for n in labels.shape])
    hits = np.flatnonzero(table[labels[tuple(tries)]])
    return tries[:, hits[0]] if hits.size else None
