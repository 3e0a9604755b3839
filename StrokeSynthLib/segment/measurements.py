"""What is measured of an examination to tell whether it is like those that a model knows.

Named numbers, each with a meaning that a reader of images can check. None needs the network; those of
tissues use its map where there is one. A number that cannot be measured is absent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import TISSUES
from .filters import gaussian
from .preprocess import Prepared

Array = npt.NDArray[Any]
#: Measured values by name.
Numbers = dict[str, float]

#: Distance from the brain mask's edge beyond which there is hardly any fluid around the brain (mm).
_CORE_MM = 14.0
#: DWI of tissue without a lesion, normal tissue 1.
_TISSUE_DWI = (0.6, 1.5)
#: The same under strong shading.
_SHADED_DWI = (0.4, 2.5)
#: ADC of tissue and, from there on, of fluid (10^-3 mm^2/s).
_TISSUE_ADC, _FLUID_ADC = (0.3, 1.4), 2.0
#: Fewer voxels than this say nothing.
_FEWEST = 100
#: So many are enough for a percentile.
_ENOUGH = 20000
_GROUPS: dict[str, tuple[str, ...]] = {
    "white": ("white-matter",),
    "cortex": ("cortex",),
    "deep": ("thalamus", "caudate", "putamen"),
    "cerebellum": ("cerebellum-cortex", "cerebellum-white-matter"),
    "fluid": ("lateral-ventricle", "third-ventricle", "csf"),
    "ventricle": ("lateral-ventricle",),
}
#: Their mean against white matter tells a DWI from a T1-weighted image, where all of them are darker.
_GRAYS = ("cortex", "deep", "cerebellum")
_LESION = 0.2


def measure(prepared: Prepared, tissue: Array | None, probability: Array | None) -> Numbers:
    """All numbers of one examination, but those of its pose (:meth:`.pose.Pose.numbers`).

    Parameters
    ----------
    tissue
        (x, y, z) uint8 numbers of :data:`..schema.TISSUES` in the canonical frame, or None.
    probability
        (x, y, z) of lesion; those voxels are no normal tissue. None counts as none.
    """
    values = {"brain_ml": float(prepared.brain.sum()) * prepared.frame.voxel_ml}
    core = _core(prepared)
    healthy = core if probability is None else core & (probability < _LESION)
    if int(healthy.sum()) < _FEWEST:
        return values
    values |= _brightness(prepared, healthy)
    values |= _quality(prepared, core, healthy)
    if prepared.adc is not None:
        values |= _diffusion(prepared, prepared.adc, healthy)
    if tissue is not None:
        values |= _contrast(prepared, tissue, probability)
    return values


def _core(prepared: Prepared) -> Array:
    """Well within the brain."""
    sigma = [_CORE_MM / 2 / s for s in prepared.frame.spacing]
    # Half a Gaussian's weight lies beyond a straight edge; 2 % beyond one two deviations away.
    return np.asarray((gaussian(prepared.brain.astype(np.float32), sigma) > 0.95) & prepared.brain)


def _brightness(prepared: Prepared, core: Array) -> dict[str, float]:
    """Percentiles of brightness within the brain."""
    values = prepared.dwi[core]
    marks = (2, 10, 25, 50, 75, 90, 98)
    found = np.percentile(_thinned(values), marks)
    return {f"dwi_p{mark:02d}": float(value) for mark, value in zip(marks, found, strict=True)}


def _quality(prepared: Prepared, core: Array, healthy: Array) -> dict[str, float]:
    """Noise and sharpness within the brain, shading of its healthy part."""
    dwi, spacing = prepared.dwi, prepared.frame.spacing
    tissue = core & (dwi > _TISSUE_DWI[0]) & (dwi < _TISSUE_DWI[1])
    inner = (slice(1, -1), slice(1, -1))
    middle = dwi[inner]
    # What neighbors on both sides do not predict is noise, and fine detail.
    second = [
        middle - (dwi[:-2, 1:-1] + dwi[2:, 1:-1]) / 2,
        middle - (dwi[1:-1, :-2] + dwi[1:-1, 2:]) / 2,
    ]
    inside = tissue[inner]
    core_inside = core[inner]
    values = {}
    if int(inside.sum()) >= _FEWEST:
        found = np.abs(np.concatenate([_thinned(part[inside]) for part in second]))
        values["noise"] = float(1.4826 * _median(found) / np.sqrt(1.5))
    along = [dwi[2:, 1:-1] - dwi[:-2, 1:-1], dwi[1:-1, 2:] - dwi[1:-1, :-2]]
    slope = np.hypot(*[part[core_inside] / (2 * s) for part, s in zip(along, spacing, strict=False)])
    values["sharpness"] = float(np.percentile(_thinned(slope), 90))
    return values | _shading(prepared, healthy)


def _shading(prepared: Prepared, healthy: Array) -> dict[str, float]:
    """How far the brightness of healthy tissue, averaged locally, differs across the brain."""
    dwi, sigma = prepared.dwi, [8.0 / s for s in prepared.frame.spacing]
    tissue = healthy & (dwi > _SHADED_DWI[0]) & (dwi < _SHADED_DWI[1])
    weight = gaussian(tissue.astype(np.float32), sigma)
    mean = gaussian(np.where(tissue, dwi, np.float32(0)), sigma)
    known = np.flatnonzero(healthy & (weight > 0.2))
    if known.size < _FEWEST:
        return {}
    known = _thinned(known)
    low, high = np.percentile(mean.ravel()[known] / weight.ravel()[known], (5, 95))
    return {"shading": float(np.log(high / low))}


def _diffusion(prepared: Prepared, adc: Array, core: Array) -> dict[str, float]:
    """ADC of tissue and fluid, and whether it belongs to this DWI."""
    dwi = prepared.dwi
    values = {"adc_missing": float((adc[core] <= 0).mean())}
    bright = core & (dwi > 0.8) & (dwi < 1.3) & (adc > 0)
    if int(bright.sum()) >= _FEWEST:
        values["adc_tissue"] = _median(adc[bright])
        values["adc_spread"] = (
            float(np.subtract(*np.percentile(adc[bright], (75, 25)))) / values["adc_tissue"]
        )
    fluid = core & (adc > _FLUID_ADC)
    values["adc_fluid_share"] = float(fluid.sum() / core.sum())
    if int(fluid.sum()) >= _FEWEST:
        values["adc_fluid_dwi"] = _median(dwi[fluid])
    log = np.log(np.maximum(dwi, 0.05))
    known = core & (adc > 0)
    if int(known.sum()) >= _FEWEST:
        values["adc_agreement"] = _correlation(adc[known], log[known])
    low, high = _TISSUE_ADC
    tissue = core & (adc > low) & (adc < high) & (dwi > _TISSUE_DWI[0]) & (dwi < _TISSUE_DWI[1])
    inner = (slice(1, -1), slice(1, -1))
    inside = tissue[inner]
    if int(inside.sum()) >= _FEWEST:
        # Fine detail and noise: ADC is computed from the DWI, so where one is high the other is low.
        fine = [
            image[inner] - (image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]) / 4
            for image in (adc, log)
        ]
        values["adc_fine"] = _correlation(fine[0][inside], fine[1][inside])
        values["adc_tissue_agreement"] = _correlation(adc[tissue], log[tissue])
    return values


def _thinned(values: Array) -> Array:
    """Enough of many values for a percentile."""
    return values[:: max(1, values.size // _ENOUGH)]


def _median(values: Array) -> float:
    return float(np.median(_thinned(values)))


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt(np.dot(a, a) * np.dot(b, b)))
    return float(np.dot(a, b)) / norm if norm > 0 else 0.0


def _contrast(prepared: Prepared, tissue: Array, probability: Array | None) -> dict[str, float]:
    """Brightness and ADC of the tissues against white matter, and how much of each there is."""
    inside = np.flatnonzero(prepared.brain)
    inside = inside[:: max(1, inside.size // (4 * _ENOUGH))]
    there, dwi = tissue.ravel()[inside], prepared.dwi.ravel()[inside]
    adc = None if prepared.adc is None else prepared.adc.ravel()[inside]
    healthy = np.ones(there.shape, bool) if probability is None else probability.ravel()[inside] < _LESION
    medians: dict[str, float] = {}
    values: dict[str, float] = {}
    for group, names in _GROUPS.items():
        table = np.zeros(256, bool)
        table[[TISSUES.index(name) for name in names]] = True
        where = table[there]
        values[f"{group}_share"] = float(where.mean()) if where.size else 0.0
        where &= healthy
        if int(where.sum()) >= _FEWEST:
            medians[group] = _median(dwi[where])
            if adc is not None:
                values[f"{group}_adc"] = _median(adc[where])
    for group, median in medians.items():
        if group != "white" and medians.get("white", 0.0) > 0:
            values[f"{group}_to_white"] = median / medians["white"]
    grays = [values[f"{group}_to_white"] for group in _GRAYS if f"{group}_to_white" in values]
    if len(grays) == len(_GRAYS):
        values["gray_to_white"] = float(np.exp(np.mean(np.log(np.maximum(grays, 0.01)))))
    return values
