"""A semantic map from a patient's own DWI (and ADC): the averaged head, fitted to the image.

1. *Tissue image.* DWI scaled so that normal tissue is 1, bright lesions cut off, times the share
   of tissue that ADC tells (fluid has an ADC near 3): brain is 1, fluid and everything around
   the brain near 0, whatever the scanner and whether or not the skull was removed.
2. *Registration.* The average's tissue probability is brought to that image: affine from the
   moments and least squares, then diffeomorphic demons.
3. *Intensity model.* The warped class probabilities are the priors of a mixture model
   (:mod:`~StrokeSynthLib.anatomy.mixture`) over DWI and ADC, after a smooth correction of the
   coil bias. A lesion is an outlier there and gets the tissue that the atlas and its
   surroundings say.
4. *Classes.* Within its tissue each voxel gets the class (structure and side) that the warped
   atlas finds most probable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort.case import Case
from ..errors import StrokeSynthError
from ..progress import Progress, ProgressEvent, silent
from ..schema import CLASSES, INTRACRANIAL, PARENCHYMA, classes_of
from ..volume import Grid, Storage, Volume
from .deformation import displace
from .lattice import Lattice, resample
from .mixture import TissueStart, fit
from .population import PopulationModel
from .registering import STEP, affine_refined, as_image, brain_lattice, demons

Array = npt.NDArray[Any]

STAGE = "Estimating the map"
#: Brain volume that is believed (ml).
PLAUSIBLE_ML = (300.0, 2600.0)
#: DWI beyond this share of normal tissue says nothing more about where the brain is.
BRIGHTEST = 1.15
#: ADC of tissue and of fluid between which the share of tissue is interpolated (10^-3 mm^2/s).
ADC_TISSUE, ADC_FLUID = 1.0, 2.6
#: Signal around the brain below this share of tissue: the skull was removed.
STRIPPED_BELOW = 0.03
#: Blur of the priors (mm): how far folds and small structures may be off after registration.
PRIOR_BLUR_MM = 1.2


@dataclass(frozen=True)
class _Group:
    """A tissue of the mixture: its classes, and DWI and ADC where it starts."""

    classes: tuple[int, ...]
    dwi: tuple[float, float]
    adc: tuple[float, float]


_DEEP = classes_of("thalamus", "caudate", "putamen", "pallidum", "accumbens", "hippocampus", "amygdala",
                   "ventral-diencephalon", "brain-stem")  # fmt: skip
_WHITE = classes_of("white-matter", "white-matter-hyperintensity")
_CORTEX = classes_of("cortex")
_CEREBELLUM = classes_of("cerebellum-cortex", "cerebellum-white-matter")
_FLUID = classes_of("lateral-ventricle", "choroid-plexus", "third-ventricle", "fourth-ventricle", "csf")
_AROUND = tuple(c.index for c in CLASSES if c.index not in (*_DEEP, *_WHITE, *_CORTEX, *_CEREBELLUM, *_FLUID))
_GROUPS = (
    _Group(_WHITE, (0.97, 0.10), (0.75, 0.12)),
    _Group(_CORTEX, (1.05, 0.14), (0.88, 0.16)),
    _Group(_DEEP, (1.0, 0.12), (0.78, 0.14)),
    _Group(_CEREBELLUM, (1.0, 0.14), (0.78, 0.16)),
    _Group(_FLUID, (0.45, 0.15), (2.5, 0.6)),
    _Group(_AROUND, (0.15, 0.20), (1.2, 1.0)),
)
_FLUID_GROUP, _AROUND_GROUP = 4, 5


def estimate_map(case: Case, progress: Progress = silent) -> Volume:
    """Estimate the semantic map of an examination.

    Parameters
    ----------
    case
        DWI, and ADC if there is one; any orientation, slice thickness, with or without skull.
    progress
        Told after each of the four steps.

    Returns
    -------
    Volume
        uint8 classes of the schema (no lesion) on the DWI's own grid.

    Raises
    ------
    StrokeSynthError
        When no brain is found in the image.
    """
    dwi = case.dwi.canonical()
    adc = None if case.adc is None else case.adc.canonical().array
    values = np.nan_to_num(np.asarray(dwi.array, np.float32))
    level = _tissue_level(values, dwi, case.name)
    scaled = values / level
    tissue = _tissue_image(scaled, adc)
    progress(ProgressEvent(STAGE, 1, 4, "tissue image"))

    coordinates, lattice = _registered(Volume(tissue, dwi.affine), case.name)
    progress(ProgressEvent(STAGE, 2, 4, "registration"))

    standard = _dense(coordinates, lattice, dwi.grid)
    priors = _warped_probabilities(standard, dwi.spacing)
    progress(ProgressEvent(STAGE, 3, 4, "priors"))

    labels = _classified(scaled, adc, priors, dwi.spacing)
    progress(ProgressEvent(STAGE, 4, 4, "classes"))
    result = case.dwi.from_canonical(labels)
    return Volume(result.array, case.dwi.affine, Storage("uint8"), None)


def _tissue_level(values: Array, dwi: Volume, name: str) -> float:
    """DWI of normal tissue: the middle of the largest bright body."""
    from scipy.ndimage import gaussian_filter, label

    step = np.array(dwi.spacing)
    smooth = gaussian_filter(np.clip(values, 0, np.percentile(values, 99.8)), 2.0 / step)
    if float(smooth.max()) <= 0 or float(smooth.max() - smooth.min()) < 1e-6 * float(abs(smooth.max())):
        raise StrokeSynthError(f"{name}: the DWI is constant, no brain can be found; check the file.")
    bright = smooth > _otsu(smooth)
    # Thin bridges to the scalp are cut before the largest body is taken.
    parts, count = label(gaussian_filter(bright.astype(np.float32), 3.0 / step) > 0.6)
    if count == 0:
        raise StrokeSynthError(f"{name}: no brain was found in the DWI; check that it shows a head.")
    sizes = np.bincount(parts.ravel())[1:]
    body = parts == int(np.argmax(sizes)) + 1
    ml = float(body.sum()) * dwi.grid.voxel_ml
    if not PLAUSIBLE_ML[0] * 0.5 < ml < PLAUSIBLE_ML[1]:
        raise StrokeSynthError(
            f"{name}: no brain was found in the DWI (the largest bright body has {ml:.0f} ml); "
            "check that it shows a whole head."
        )
    return float(np.median(values[body & bright]))


def _otsu(values: Array) -> float:
    """Threshold that best parts the values into two (Otsu, 1979)."""
    histogram, edges = np.histogram(values, bins=256)
    middle = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(histogram)
    total = np.cumsum(histogram * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (total[-1] * weight / weight[-1] - total) ** 2 / (weight * (weight[-1] - weight))
    return float(middle[int(np.nanargmax(between[:-1]))])


def _tissue_image(scaled: Array, adc: Array | None) -> Array:
    """Share of brain tissue that the image suggests, 0 to about 1."""
    signal = np.clip(scaled, 0, BRIGHTEST)
    if adc is None:
        return np.asarray(np.clip((signal - 0.4) / 0.55, 0, 1), np.float32)
    fluid = np.clip((np.nan_to_num(adc) - ADC_TISSUE) / (ADC_FLUID - ADC_TISSUE), 0, 1)
    return np.asarray(np.clip((signal - 0.3) / 0.6, 0, 1) * (1 - fluid), np.float32)


@lru_cache(maxsize=1)
def _atlas() -> tuple[Array, Lattice, Array, Lattice]:
    """Class probabilities with their lattice, and parenchyma at 4 mm with its."""
    from scipy.ndimage import gaussian_filter

    probabilities, fine = PopulationModel.load().probabilities()
    tissue = gaussian_filter(probabilities[list(PARENCHYMA)].sum(axis=0), 0.7)
    coarse = brain_lattice()
    return probabilities, fine, resample(tissue, fine, coarse), coarse


def _registered(tissue: Volume, name: str) -> tuple[Array, Lattice]:
    """Standard-space points of a coarse lattice around the image."""
    from scipy.ndimage import affine_transform, gaussian_filter

    _, _, template, lattice = _atlas()
    smooth = gaussian_filter(tissue.array, np.maximum(1.8 / np.array(tissue.spacing), 0.3))

    def on(matrix: Array, target: Lattice) -> Array:
        to_index = np.linalg.inv(tissue.affine) @ matrix @ target.affine
        return np.asarray(
            affine_transform(smooth, to_index[:3, :3], to_index[:3, 3], target.shape, order=1, mode="nearest")
        )

    corners = tissue.grid.corners()
    own = Lattice.covering(corners.min(0) - STEP, corners.max(0) + STEP, STEP)
    image = on(np.eye(4), own)
    start = _start(image, own, template, lattice)
    matrix = affine_refined(as_image(template, lattice), as_image(image, own), start)
    size = abs(float(np.linalg.det(matrix[:3, :3])))
    overlap = np.corrcoef(on(matrix, lattice).ravel(), template.ravel())[0, 1]
    if not 0.3 < size < 2.5 or overlap < 0.5:
        raise StrokeSynthError(f"{name}: no brain was found that fits the atlas; check that it shows a head.")
    displacement = demons(on(matrix, lattice), template, lattice)
    points = own.points()
    back = np.linalg.inv(matrix)
    standard = np.tensordot(back[:3, :3], points, axes=1) + back[:3, 3][:, None, None, None]
    return displace(standard.astype(np.float32), displacement, lattice), own


def _start(image: Array, own: Lattice, template: Array, lattice: Lattice) -> Array:
    """Affine start: center and size of the bright body against the average brain's."""

    def moments(values: Array, place: Lattice) -> tuple[Array, Array]:
        weight = np.clip(values - 0.3, 0, None)
        points = place.points()
        total = weight.sum()
        center = (points * weight).sum(axis=(1, 2, 3)) / total
        spread = ((points - center[:, None, None, None]) ** 2 * weight).sum(axis=(1, 2, 3)) / total
        return center, np.sqrt(spread)

    own_center, own_spread = moments(image, own)
    center, spread = moments(template, lattice)
    scale = np.clip(own_spread / spread, 0.7, 1.25)
    start = np.diag([*scale, 1.0])
    start[:3, 3] = own_center - scale * center
    return start


def _dense(coordinates: Array, lattice: Lattice, grid: Grid) -> Array:
    """Standard-space points of every voxel of ``grid``."""
    from .anatomy import Correspondence

    return Correspondence(coordinates, lattice.grid).standard_points(grid)


def _warped_probabilities(standard: Array, spacing: tuple[float, float, float]) -> Array:
    """Class probabilities at the image's voxels, (class, x, y, z) float32."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    probabilities, lattice, _, _ = _atlas()
    low = np.array(lattice.low, np.float32)[:, None, None, None]
    index = (standard - low) / np.float32(lattice.step)
    out = np.zeros((len(CLASSES), *standard.shape[1:]), np.float32)
    # A thick slice averages the atlas over its thickness, as it averages the head.
    blur = np.sqrt(PRIOR_BLUR_MM**2 + (np.array(spacing) / 3.5) ** 2) / lattice.step
    reach = np.ceil(4 * blur).astype(int)
    for number, values in enumerate(probabilities):
        box = _box(values, reach)
        if box is None:
            continue
        # Small structures are blurred and looked up in their own box only.
        smooth = gaussian_filter(values[box], blur)
        near = np.ones(out.shape[1:], bool)
        for axis, part in enumerate(box):
            near &= (index[axis] > part.start - 1) & (index[axis] < part.stop)
        local = index[:, near] - np.array([part.start for part in box], np.float32)[:, None]
        out[number][near] = map_coordinates(smooth, local, order=1, mode="nearest")
    outside = np.zeros(out.shape[1:], bool)
    for axis in range(3):
        outside |= (index[axis] < 0) | (index[axis] > lattice.shape[axis] - 1)
    out[:, outside] = 0.0
    out[0, outside] = 1.0
    out /= np.maximum(out.sum(axis=0), 1e-6)
    return out


def _box(values: Array, reach: Array) -> tuple[slice, ...] | None:
    """The box of the values that are not 0, with a margin, or None when all are."""
    present = values > 0
    if not present.any():
        return None
    parts = []
    for axis in range(3):
        line = np.flatnonzero(present.any(axis=tuple(a for a in range(3) if a != axis)))
        parts.append(slice(max(0, int(line[0] - reach[axis])), int(line[-1] + reach[axis]) + 1))
    return tuple(parts)


def _classified(
    scaled: Array, adc: Array | None, priors: Array, spacing: tuple[float, float, float]
) -> Array:
    """The most probable class of each voxel."""
    from scipy.ndimage import binary_dilation, gaussian_filter

    inside = priors[list(INTRACRANIAL)].sum(axis=0)
    stripped = _is_stripped(scaled, priors)
    region = binary_dilation(inside > 0.05, iterations=2)
    grouped = np.stack([priors[list(g.classes)].sum(axis=0)[region] for g in _GROUPS]) + 1e-4
    grouped /= grouped.sum(axis=0)
    corrected = _without_bias(scaled, adc, priors, spacing)
    channels = [np.clip(corrected, -0.5, 3.0)[region]]
    starts = tuple(TissueStart((g.dwi[0],), (g.dwi[1],)) for g in _GROUPS)
    spread: tuple[float, ...] = (3.0,)
    if adc is not None:
        channels.append(np.clip(np.nan_to_num(adc), 0, 4.0)[region].astype(np.float32))
        starts = tuple(TissueStart((g.dwi[0], g.adc[0]), (g.dwi[1], g.adc[1])) for g in _GROUPS)
        spread = (3.0, 4.0)
    sigma = np.clip(1.0 / np.array(spacing), 0.0, 0.8)
    work = np.zeros(scaled.shape, np.float32)

    def neighbors(values: Array) -> Array:
        work[region] = values
        return np.asarray(gaussian_filter(work, sigma)[region])

    result = fit(np.stack(channels).astype(np.float32), grouped, starts, neighbors, spread)
    group = np.argmax(result.posterior, axis=0)
    labels: Array = np.argmax(priors, axis=0).astype(np.uint8)
    flat = labels[region]
    for number, member in enumerate(_GROUPS):
        chosen = group == number
        if chosen.any():
            choices = np.stack([priors[c][region][chosen] for c in member.classes])
            flat[chosen] = np.asarray(member.classes, np.uint8)[np.argmax(choices, axis=0)]
    labels[region] = flat
    if stripped:
        signal = gaussian_filter((scaled > 0.08).astype(np.float32), np.clip(1.5 / np.array(spacing), 0, 1))
        keep = np.isin(labels, INTRACRANIAL) & (signal > 0.5)
        labels[~keep] = 0
    return labels


def _is_stripped(scaled: Array, priors: Array) -> bool:
    """Whether the head around the brain is missing from the image."""
    around = priors[list(classes_of("scalp", "soft-tissue"))].sum(axis=0) > 0.7
    if around.sum() < 50:
        return False
    return float(np.median(np.abs(scaled[around]))) < STRIPPED_BELOW


def _without_bias(
    scaled: Array, adc: Array | None, priors: Array, spacing: tuple[float, float, float]
) -> Array:
    """DWI divided by the smooth level of its own normal tissue."""
    from scipy.ndimage import gaussian_filter

    tissue = priors[list(PARENCHYMA)].sum(axis=0) > 0.7
    tissue &= (scaled > 0.6) & (scaled < 1.5)
    if adc is not None:
        tissue &= (adc > 0.55) & (adc < 1.15)
    if tissue.sum() < 500:
        return scaled
    sigma = 22.0 / np.array(spacing)
    weight = tissue.astype(np.float32)
    level = gaussian_filter(scaled * weight, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-4)
    near = gaussian_filter(weight, sigma) > 1e-3
    middle = float(np.median(scaled[tissue]))
    level = np.where(near, np.clip(level, 0.5 * middle, 2.0 * middle), middle)
    return np.asarray(scaled / level, np.float32)
