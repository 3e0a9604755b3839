"""Any examination in one place, size and scale, so that copies of it are found whatever was done to it.

1. Axes to RAS+; an image whose background is brighter than its middle is turned over (inverted scale).
2. The brain is found and its normal tissue divided out (:mod:`..segment.brain`): scale, skull and
   background do not matter any more.
3. Affine registration to the average head in standard space (symmetric, least squares at 8 mm from the
   moments of the brain). Grid, slices, shift, tilt and size do not matter any more. ADC is registered by
   itself, because it may come from elsewhere than the DWI beside it.
4. *Detail*: what is finer than some 16 mm and coarser than some 4 mm, each voxel divided by the local
   strength. Contrast, shading and noise matter little then; folds, ventricles and lesions remain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..anatomy.lattice import Lattice
from ..anatomy.population import PopulationModel
from ..anatomy.registering import STEP, affine_refined, as_image, brain_lattice
from ..cohort.case import Case
from ..schema import CSF, INTRACRANIAL, PARENCHYMA
from ..segment.brain import find_brain
from ..segment.filters import largest_component
from ..volume import Volume

Array = npt.NDArray[Any]

#: Images that are compared, in this order of reading; a case has the DWI at least.
CHANNELS = ("dwi", "adc", "b0")
#: Brighter than this (normal tissue is 1) is cut off: an infarct must not steer the registration.
_BRIGHTEST = 1.4
#: Widths of the band of detail (lattice steps of 4 mm).
_FINE, _COARSE = 0.6, 2.0
#: Detail is cut off at so many times its local strength.
_STRONGEST = 2.5
#: Normal tissue's diffusion coefficient (10^-3 mm^2/s): the ADC is registered as the image it makes.
_TISSUE_ADC = 0.8
#: How far the brain of an ADC map may lie beside that of the DWI (mm).
_ADC_REACH = 8.0


@dataclass(frozen=True)
class Standardized:
    """One image in standard space; arrays (x, y, z) on :func:`.registering.brain_lattice`.

    Parameters
    ----------
    image
        float32, normal tissue about 1 (DWI, b0), 10^-3 mm^2/s (ADC); 0 outside the brain.
    detail
        float32, band of detail, 0 where the image is not known.
    """

    image: Array
    detail: Array


@dataclass(frozen=True)
class StandardCase:
    """A case in standard space.

    Parameters
    ----------
    channels
        Of :data:`CHANNELS`, those that it has.
    pose
        (4, 4), from points of standard space to points of the DWI (RAS mm).
    """

    channels: dict[str, Standardized]
    pose: Array


@dataclass(frozen=True)
class _Template:
    """The average head as a DWI: normal tissue 1, fluid 0.3, both sides the same."""

    lattice: Lattice
    image: Array
    inside: Array


@lru_cache(maxsize=1)
def template() -> _Template:
    """The average head of the shipped population, prepared once a process."""
    atlas = PopulationModel.load().standard_atlas()
    values = np.zeros(256, np.float32)
    values[list(INTRACRANIAL)], values[list(PARENCHYMA)], values[list(CSF)] = 0.3, 1.0, 0.3
    lattice = brain_lattice()
    brain = np.isin(atlas.array, INTRACRANIAL).astype(np.float32)
    image, inside = (
        _onto(Volume(ndimage.gaussian_filter(array, 1.7), atlas.affine), np.eye(4), lattice)
        for array in (values[atlas.array], brain)
    )
    image, inside = (image + image[::-1]) / 2, (inside + inside[::-1]) / 2
    return _Template(lattice, image, inside > 0.5)


def pose_of(dwi: Volume) -> Array:
    """Where a head lies: affine (4, 4) from points of standard space to points of its DWI (RAS mm)."""
    upright = _upright(dwi.canonical())
    return _registered(upright, find_brain(upright.array, upright.spacing).mask)


def standardize(case: Case) -> StandardCase:
    """Bring a case to standard space."""
    dwi = _upright(case.dwi.canonical())
    brain = find_brain(dwi.array, dwi.spacing).mask
    pose = _registered(dwi, brain)
    channels = {"dwi": _standardized(dwi, brain, pose)}
    if case.b0 is not None:
        channels["b0"] = _standardized(_upright(case.b0.canonical()), brain, pose)
    if case.adc is not None:
        adc = case.adc.canonical()
        known = _where_known(adc, brain)
        own = _registered(_as_diffusion_image(adc, known), known)
        channels["adc"] = _standardized(adc, known, own, scale=1.0)
    return StandardCase(channels, pose)


def _upright(image: Volume) -> Volume:
    """The image, turned over if its border is brighter than its middle."""
    array = image.array.astype(np.float32)
    border = np.concatenate([array[[0, -1]].ravel(), array[:, [0, -1]].ravel()])
    middle = array[tuple(slice(n // 3, n - n // 3) for n in array.shape)]
    if np.median(border) > np.median(middle):
        array = array.max() - array
    return Volume(array - min(float(array.min()), 0.0), image.affine)


def _where_known(adc: Volume, brain: Array) -> Array:
    """The brain of an ADC map: its own where its background is empty, else near the DWI's."""
    reach = [_ADC_REACH / s for s in adc.spacing]
    near = ndimage.gaussian_filter(brain.astype(np.float32), reach) > 0.1
    mask = largest_component((ndimage.gaussian_filter(adc.array, _sigma(adc.spacing)) > 0.25) & near)
    return brain if mask is None or mask.sum() < 0.3 * brain.sum() else mask


def _as_diffusion_image(adc: Volume, brain: Array) -> Volume:
    """An ADC map as the DWI it would make with b = 1000 and no other contrast; normal tissue is 1."""
    return Volume(np.where(brain, np.exp(_TISSUE_ADC - np.clip(adc.array, 0, 4)), 0), adc.affine)


def _sigma(spacing: tuple[float, float, float]) -> list[float]:
    """Smoothing (voxels) before an image is read at the lattice's step."""
    return [float(np.sqrt(max(0.0, (0.45 * STEP / s) ** 2 - 0.2))) for s in spacing]


def _registered(image: Volume, brain: Array) -> Array:
    """(4, 4), from points of standard space to points of the image (mm)."""
    head = template()
    inside = image.array[brain]
    positive = inside[inside > 0]
    scale = float(np.median(positive)) if positive.size else 1.0
    values = np.where(brain, np.clip(image.array / scale, 0, _BRIGHTEST), 0).astype(np.float32)
    smoothed = Volume(ndimage.gaussian_filter(values, _sigma(image.spacing)), image.affine)
    start = _moments(image, brain)
    seen = _onto(smoothed, start, head.lattice)
    # Well inside only: the rim of the brain is dark in every image.
    deep = ndimage.binary_erosion(head.inside, iterations=3) & (seen > 0)
    if _correlation(seen[deep], head.image[deep]) < 0:
        # Tissue darker than fluid: an inverted scale within a brain cut out of its background.
        contrast = 0.25 / max(float(seen[deep].std()), 0.05)
        there = brain & (smoothed.array > 0.3)
        turned = np.where(there, np.clip(1 + contrast * (1 - smoothed.array), 0, _BRIGHTEST), 0)
        smoothed = Volume(turned.astype(np.float32), image.affine)
    own = Lattice.covering(image.grid.corners().min(0) - STEP, image.grid.corners().max(0) + STEP, STEP)
    moving = as_image(_onto(smoothed, np.eye(4), own), own)
    return affine_refined(as_image(head.image, head.lattice), moving, start, iterations=40)


def _moments(image: Volume, brain: Array) -> Array:
    """Start of the registration: center and size of the brain along the axes."""
    head = template()
    own = np.argwhere(brain) @ image.affine[:3, :3].T + image.affine[:3, 3]
    known = np.argwhere(head.inside) * head.lattice.step + np.array(head.lattice.low)
    start = np.diag([*np.clip(own.std(0) / known.std(0), 0.6, 1.3), 1.0])
    start[:3, 3] = own.mean(0) - start[:3, :3] @ known.mean(0)
    return start


def _onto(image: Volume, matrix: Array, lattice: Lattice) -> Array:
    """An image at the points that ``matrix`` takes from the lattice to the image's space, float32."""
    to_index = np.linalg.inv(image.affine) @ matrix @ lattice.affine
    return np.asarray(
        ndimage.affine_transform(
            image.array.astype(np.float32, copy=False), to_index[:3, :3], to_index[:3, 3], lattice.shape,
            order=1,
        )
    )  # fmt: skip


def _standardized(image: Volume, brain: Array, pose: Array, scale: float | None = None) -> Standardized:
    """An image and its detail in standard space; divided by its median over the brain without ``scale``."""
    lattice = template().lattice
    inside = image.array[brain]
    if scale is None:
        positive = inside[inside > 0]
        scale = float(np.median(positive)) if positive.size else 1.0
    values = np.where(brain, image.array, 0).astype(np.float32) / np.float32(scale)
    smoothed = ndimage.gaussian_filter(values, _sigma(image.spacing))
    weight = ndimage.gaussian_filter(brain.astype(np.float32), _sigma(image.spacing))
    known = _onto(Volume(weight, image.affine), pose, lattice)
    seen = _onto(Volume(smoothed, image.affine), pose, lattice)
    seen = np.where(known > 0.5, np.clip(seen / np.maximum(known, 0.5), 0, 5), 0)
    return Standardized(seen.astype(np.float32), detail(seen, (known > 0.5) & template().inside))


def detail(image: Array, known: Array) -> Array:
    """The band of detail, each voxel over its local strength; 0 where nothing is known."""
    weight = known.astype(np.float32)

    def blurred(values: Array, sigma: float) -> Array:
        below = np.maximum(ndimage.gaussian_filter(weight, sigma), 1e-3)
        return np.asarray(ndimage.gaussian_filter(values * weight, sigma) / below)

    clipped = np.minimum(image, 2.5)
    band = np.where(known, blurred(clipped, _FINE) - blurred(clipped, _COARSE), 0)
    strength = np.sqrt(blurred(band**2, 2 * _COARSE))
    floor = max(float(np.median(strength[known])) if known.any() else 1.0, 1e-6)
    return np.where(
        known, np.clip(band / np.maximum(strength, 0.5 * floor), -_STRONGEST, _STRONGEST), 0
    ).astype(np.float32)


def _correlation(first: Array, second: Array) -> float:
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
