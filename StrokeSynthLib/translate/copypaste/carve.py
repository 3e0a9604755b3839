"""One case's lesion carved out and put into another case's images, at the corresponding place.

After CarveMix (Zhang et al., MICCAI 2021; NeuroImage 2023, 271:120041): the region that is carved is where
the signed distance to the lesion is at most a random margin,

    margin ~ 1/2 U(-d/2, 0) + 1/2 U(0, d)         d = greatest depth in the lesion (mm)

so the lesion comes in parts or with some of its surroundings. Different from there: the region is brought to
the recipient through standard space, mirrored half of the time, only tissue takes it on, what is carried is
its effect instead of its intensities, and its border is softened over the recipient's blur. The recipient's
own lesion stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...segment.filters import components
from ..background import LesionEffect, softened
from ..examples import IS_PARENCHYMA
from ..fields import smooth
from .alignment import between
from .donor import FEWEST_VOXELS, MARGIN, Donor
from .store import CaseFacts, Images

Array = npt.NDArray[Any]

#: Of the carved lesion, at least this share must find tissue.
_LEAST_SHARE = 0.3
#: Parts of fewer voxels are what a sulcus cuts off, not lesions.
_FEWEST_IN_PART = 3
_FAR = 1000.0


@dataclass(frozen=True)
class Carving:
    """How a lesion is carved.

    Parameters
    ----------
    margin_mm
        Of the region beyond the lesion's surface; below 0 it lies inside.
    mirrored
        Whether it goes to the other half of the brain.
    """

    margin_mm: float
    mirrored: bool


@dataclass(frozen=True)
class Placed:
    """A carved lesion in the recipient's voxels: its mask, and what it does there."""

    mask: Array
    effect: LesionEffect


def draw_carving(donor: Donor, rng: np.random.Generator) -> Carving:
    """Draw margin and side."""
    deepest = min(float(-donor.distance.min()), MARGIN - 2.0)
    margin = rng.uniform(-0.5 * deepest, 0.0) if rng.random() < 0.5 else rng.uniform(0.0, deepest)
    return Carving(float(margin), bool(rng.random() < 0.5))


def place(
    donor: Donor, giver: CaseFacts, recipient: Images, facts: CaseFacts, carving: Carving
) -> Placed | None:
    """Bring a carved lesion to a recipient; None where too little of it falls on tissue."""
    matrix = between(facts.standard, giver.standard, mirrored=carving.mirrored)
    shape = recipient.labels.shape
    distance = _moved(donor.distance, donor, matrix, shape, _FAR)
    carved = distance <= min(carving.margin_mm, 0.0)
    tissue = IS_PARENCHYMA[recipient.labels] & ~recipient.lesion
    mask = _without_crumbs(carved & tissue)
    expected = (donor.distance <= min(carving.margin_mm, 0.0)).sum() * np.prod(donor.spacing)
    found = mask.sum() * np.prod(facts.spacing)
    if mask.sum() < FEWEST_VOXELS or found < _LEAST_SHARE * expected:
        return None
    effects = (_moved(values, donor, matrix, shape, 0.0) for values in (donor.b0, donor.adc))
    b0, adc = (np.exp(values) for values in effects)
    return Placed(mask, LesionEffect(b0, adc, _weight(mask, distance, carving, recipient, facts)))


def _weight(mask: Array, distance: Array, carving: Carving, recipient: Images, facts: CaseFacts) -> Array:
    """1 in the carved region, falling to exactly 0; less on fluid, nothing on the recipient's own lesion."""
    weight = softened(mask, facts.blur_mm, facts.spacing)
    if carving.margin_mm > 0.0:
        soft = 2.0 * min(facts.spacing)
        weight = np.maximum(weight, np.clip((carving.margin_mm - distance) / soft, 0.0, 1.0))
    tissue = IS_PARENCHYMA[recipient.labels].astype(np.float32)
    weight = weight * np.clip(2.0 * smooth(tissue, facts.blur_mm, facts.spacing), 0.0, 1.0)
    if recipient.lesion.any():
        weight = weight * (1.0 - softened(recipient.lesion, facts.blur_mm, facts.spacing))
    return np.asarray(weight * (recipient.b0 > 0), np.float32)


def _moved(values: Array, donor: Donor, matrix: Array, shape: tuple[int, ...], outside: float) -> Array:
    """Values on the donor's box, in the voxels of the recipient (float32)."""
    from scipy.ndimage import affine_transform

    offset = matrix[:3, 3] - np.array(donor.start)
    moved = affine_transform(
        values.astype(np.float32), matrix[:3, :3], offset, shape, order=1, mode="constant", cval=outside
    )
    return np.asarray(moved)


def _without_crumbs(mask: Array) -> Array:
    parts, sizes = components(mask, diagonal=True)
    return np.asarray(mask & (sizes[parts] >= _FEWEST_IN_PART))
