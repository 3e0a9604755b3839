"""Augmentation past what scanners do, for networks that shall work everywhere.

The simulated scans of the training set are few beside the slices drawn from them; here each gets
a contrast of its own:

* each tissue is a little brighter or darker, on DWI and on ADC (needs the semantic map);
* lesions stand out less or more than they did;
* all of a lesion is visible, to the edge of its mask: as it is where masks were drawn by what was seen;
* a slice is darker than its neighbors, as by motion in one direction's shot;
* noise is stronger, and correlated as after interpolation;
* a spot is bright on DWI while its ADC is raised: shine-through, never a lesion (only where ADC is shown);
* the lower brain's edge is very bright on DWI while its ADC is normal, on one side or both: susceptibility
  above the petrous bones and the sinuses, brighter than the simulated field makes it;
* ADC is smoothed, as vendors do;
* the other hemisphere looks like this one: lesions on both sides, which a comparison of sides does not show.

As in :mod:`.augmentation`, the drawing is apart from the applying.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ..schema import TISSUES
from .inputs import ADC, DWI, MIRRORED_ADC, MIRRORED_DWI

Array = npt.NDArray[Any]

#: How far the brain mask reaches past the brain (voxels of 2 mm).
_BEYOND_BRAIN = 4.0
#: Darker on DWI or with a higher ADC (10^-3 mm^2/s), a voxel holds fluid.
_FLUID_DWI, _FLUID_ADC = 0.5, 1.6
_LEFT_RIGHT = torch.tensor([1.0, 0.0])
_TURN = torch.tensor([-1.0, 1.0])


@dataclass(frozen=True)
class Widening:
    """What was drawn for a batch; every array has one row a sample.

    Parameters
    ----------
    tissue_dwi, tissue_adc
        (batch, tissues): factors.
    lesion
        (batch, 2): how much of the lesion's contrast stays, on DWI and on ADC; 1 for all of it.
    visible
        (batch, 3): least DWI of all of the lesion (normal tissue 1), most ADC (10^-3 mm^2/s), whether
        the edge is softened (1); 0, 0, 0 for none.
    slices
        (batch, depth): factor on the DWI of each slice.
    noise
        (batch,): standard deviation of correlated noise.
    noise_seed
        Of the noise.
    spots
        (batch, 5): place (shares of the patch), radius (voxels), factor on DWI, factor on ADC; radius 0
        for none.
    rims
        (batch, 6): direction of the edge (radians), radius (voxels), factor on DWI and on ADC, 1 for both
        sides, highest place in the brain (-1 to 1); radius 0 for none.
    smooth_adc, symmetric
        (batch,) boolean.
    """

    tissue_dwi: Array
    tissue_adc: Array
    lesion: Array
    visible: Array
    slices: Array
    noise: Array
    noise_seed: int
    spots: Array
    rims: Array
    smooth_adc: Array
    symmetric: Array


def draw(count: int, depth: int, rng: np.random.Generator) -> Widening:
    """Parameters for ``count`` samples of ``depth`` slices."""

    def sometimes(share: float) -> Array:
        return np.asarray(rng.random(count) < share)

    def factors(share: float, spread: float, columns: int) -> Array:
        strength = np.where(sometimes(share), rng.uniform(0.2, 1.0, count), 0.0)[:, None]
        return np.asarray(np.exp(strength * rng.normal(0, spread, (count, columns))))

    slices = factors(0.2, 0.12, depth)
    dropped = sometimes(0.03)
    slices[dropped, rng.integers(depth, size=count)[dropped]] *= rng.uniform(0.3, 0.8, int(dropped.sum()))
    faded = sometimes(0.35)[:, None]
    radius = np.where(sometimes(0.2), np.exp(rng.uniform(np.log(1.0), np.log(5.0), count)), 0.0)
    return Widening(
        tissue_dwi=factors(0.6, 0.10, len(TISSUES)),
        tissue_adc=factors(0.5, 0.08, len(TISSUES)),
        lesion=np.where(faded, rng.uniform((0.5, 0.4), (1.8, 1.3), (count, 2)), 1.0),
        visible=np.column_stack(
            [rng.uniform(1.25, 2.4, count), rng.uniform(0.35, 0.68, count), rng.integers(0, 2, count)]
        )
        * sometimes(0.4)[:, None],
        slices=slices,
        noise=np.where(sometimes(0.25), np.minimum(rng.exponential(0.08, count), 0.3), 0.0),
        noise_seed=int(rng.integers(1 << 62)),
        spots=np.column_stack(
            [
                rng.uniform(0.2, 0.8, (count, 2)),
                radius,
                rng.uniform(1.2, 2.2, count),
                rng.uniform(1.15, 1.8, count),
            ]
        ),
        rims=np.column_stack(
            [
                rng.uniform(0, 2 * np.pi, count),
                np.where(sometimes(0.3), np.exp(rng.uniform(np.log(1.5), np.log(6.0), count)), 0.0),
                rng.uniform(1.3, 3.5, count),
                rng.uniform(0.95, 1.12, count),
                sometimes(0.6),
                rng.uniform(-0.4, 0.1, count),
            ]
        ),
        smooth_adc=sometimes(0.2),
        symmetric=sometimes(0.05),
    )


def widen(
    images: Tensor, lesion: Tensor, brain: Tensor, tissue: Tensor | None, adc_shown: Tensor, position: Tensor,
    drawn: Widening,
) -> Tensor:  # fmt: skip
    """Apply to ``images`` (batch, 4, depth, x, y).

    Parameters
    ----------
    lesion, brain
        (batch, depth, x, y), 0 or 1.
    tissue
        (batch, depth, x, y) numbers of tissues, or None where no map is known.
    adc_shown
        (batch,), 0 or 1.
    position
        (batch, depth): height in the brain, -1 to 1.
    """
    if tissue is not None:
        images = _tissues(images, tissue, drawn)
    images = _lesion_contrast(images, lesion, drawn)
    images = _visible(images, lesion, drawn)
    for i in np.flatnonzero(drawn.symmetric):
        images[i, MIRRORED_DWI], images[i, MIRRORED_ADC] = images[i, DWI], images[i, ADC]
    images = _spots(images, lesion, adc_shown, drawn)
    images = _rims(images, lesion, brain, position, drawn)
    images[:, DWI] *= _tensor(drawn.slices)[:, :, None, None]
    images[:, MIRRORED_DWI] *= _tensor(drawn.slices)[:, :, None, None]
    for i in np.flatnonzero(drawn.smooth_adc):
        images[i, ADC] = functional.avg_pool2d(images[i, ADC], 3, 1, 1)
    return _correlated_noise(images, drawn)


def _tensor(values: Array) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _tissues(images: Tensor, tissue: Tensor, drawn: Widening) -> Tensor:
    """Factors by tissue, softened over three voxels; the other hemisphere is taken to have the same ones."""
    count = len(images)
    index = tissue.long().reshape(count, -1)
    for table, kinds in ((drawn.tissue_dwi, (DWI, MIRRORED_DWI)), (drawn.tissue_adc, (ADC, MIRRORED_ADC))):
        factor = torch.gather(_tensor(table), 1, index).reshape(tissue.shape)
        factor = functional.avg_pool2d(factor, 3, 1, 1, count_include_pad=False)
        for kind in kinds:
            images[:, kind] *= factor
    return images


def _lesion_contrast(images: Tensor, lesion: Tensor, drawn: Widening) -> Tensor:
    """Part of the lesion's difference to normal tissue (DWI 1, ADC 0.8 x 10^-3 mm^2/s) taken or added."""
    soft = functional.avg_pool2d(lesion, 3, 1, 1)
    for kind, normal, column in ((DWI, 1.0, 0), (ADC, 0.8, 1)):
        share = soft * (_tensor(drawn.lesion[:, column]) - 1)[:, None, None, None]
        known = images[:, kind] > 0
        changed = images[:, kind] + share * (images[:, kind] - normal)
        images[:, kind] = torch.where(known, changed.clamp_min(0.02), images[:, kind])
    return images


def _visible(images: Tensor, lesion: Tensor, drawn: Widening) -> Tensor:
    """The whole lesion bright on DWI and dark on ADC, but for fluid in it; a part of its texture stays."""
    for i in np.flatnonzero(drawn.visible[:, 0]):
        least, most, soft = (float(value) for value in drawn.visible[i])
        share = functional.avg_pool2d(lesion[i], 3, 1, 1) if soft else lesion[i]
        dwi, adc = images[i, DWI], images[i, ADC]
        share = share * (dwi > _FLUID_DWI)
        images[i, DWI] = dwi + share * (least * (0.75 + 0.25 * dwi) - dwi).clamp_min(0)
        known = (adc > 0) & (adc < _FLUID_ADC)
        images[i, ADC] = adc - share * known * (adc - most * (0.7 + 0.3 * adc / 0.8)).clamp_min(0)
    return images


def _spots(images: Tensor, lesion: Tensor, adc_shown: Tensor, drawn: Widening) -> Tensor:
    x, y = images.shape[-2:]
    depth = images.shape[2]
    u, v = torch.arange(float(x))[:, None], torch.arange(float(y))[None, :]
    away = torch.tensor([abs(d - depth // 2) for d in range(depth)], dtype=torch.float32)
    for i in np.flatnonzero(drawn.spots[:, 2]):
        if not adc_shown[i]:
            continue
        a, b, radius, dwi, adc = (float(value) for value in drawn.spots[i])
        square = ((u - a * x) ** 2 + (v - b * y) ** 2)[None] + (2.0 * away[:, None, None]) ** 2
        share = torch.exp(-0.5 * (square / radius**2) ** 2) * (1 - lesion[i])
        images[i, DWI] *= 1 + share * (dwi - 1)
        images[i, ADC] *= 1 + share * (adc - 1)
    return images


def _rims(images: Tensor, lesion: Tensor, brain: Tensor, position: Tensor, drawn: Widening) -> Tensor:
    depth, x, y = images.shape[2:]
    u, v = torch.arange(float(x))[:, None], torch.arange(float(y))[None, :]
    for i in np.flatnonzero(drawn.rims[:, 1]):
        direction, radius, dwi, adc, both, highest = (float(value) for value in drawn.rims[i])
        inside = brain[i, depth // 2].nonzero().float()
        if float(position[i, depth // 2]) > highest or len(inside) < 50:
            continue
        middle = inside.mean(dim=0)
        outward = torch.tensor([np.cos(direction), np.sin(direction)], dtype=torch.float32)
        # The brain mask reaches some voxels past the brain.
        place = inside[int((inside @ outward).argmax())] - outward * _BEYOND_BRAIN
        here = _blob(u, v, place, outward, radius)
        # The other side: the same height, as far from the middle.
        there = _blob(u, v, 2 * middle * _LEFT_RIGHT + place * (1 - 2 * _LEFT_RIGHT), outward * _TURN, radius)
        this_side = torch.maximum(here, both * there) * (1 - lesion[i])
        other_side = torch.maximum(there, both * here)
        for share, kinds in ((this_side, (DWI, ADC)), (other_side, (MIRRORED_DWI, MIRRORED_ADC))):
            images[i, kinds[0]] *= 1 + share * (dwi - 1)
            images[i, kinds[1]] *= 1 + share * (adc - 1)
    return images


def _blob(u: Tensor, v: Tensor, place: Tensor, outward: Tensor, radius: float) -> Tensor:
    """1 in the middle, 0 outside; longer along the brain's edge than across it."""
    across = ((u - place[0]) * outward[0] + (v - place[1]) * outward[1]) / radius
    along = ((v - place[1]) * outward[0] - (u - place[0]) * outward[1]) / (1.8 * radius)
    return torch.exp(-0.5 * (across**2 + along**2) ** 2)


def _correlated_noise(images: Tensor, drawn: Widening) -> Tensor:
    noisy = np.flatnonzero(drawn.noise)
    if not noisy.size:
        return images
    generator = torch.Generator().manual_seed(drawn.noise_seed)
    shape = (2, len(noisy), *images.shape[2:])
    noise = functional.avg_pool2d(torch.randn(shape, generator=generator).flatten(0, 1), 2, 1, 1)
    noise = 2 * noise[..., : shape[-2], : shape[-1]].reshape(shape)
    level = _tensor(drawn.noise[noisy])[:, None, None, None]
    inside = images[noisy, DWI] > 0
    images[noisy, DWI] = torch.where(
        inside, (images[noisy, DWI] + level * noise[0]).abs(), images[noisy, DWI]
    )
    known = images[noisy, ADC] > 0
    images[noisy, ADC] = torch.where(
        known, (images[noisy, ADC] + level * noise[1]).clamp_min(0), images[noisy, ADC]
    )
    return images
