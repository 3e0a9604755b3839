"""Augmentation of training batches, as torch operations over the whole batch.

MONAI's transforms work on one image at a time, which on a CPU takes longer than the network's step;
the set is the standard one (nnU-Net's and MONAI's): affine, left-right flip, contrast, gamma,
bias field, noise, blur, low resolution. The other hemisphere's images undergo the same affine,
flip and contrast as this one's, so that the comparison of sides stays true. The drawing
(:func:`draw`) is apart from the applying (:func:`augment`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from .dataset import MARGIN, Batch
from .inputs import ADC, DWI, MIRRORED_ADC, MIRRORED_DWI, Slabs
from .preprocess import HIGHEST_ADC, HIGHEST_DWI
from .widening import Widening, widen

Array = npt.NDArray[Any]

_DWI_IMAGES, _ADC_IMAGES = [DWI, MIRRORED_DWI], [ADC, MIRRORED_ADC]


@dataclass(frozen=True)
class Augmentations:
    """What was drawn for a batch; every array has one row a sample.

    Parameters
    ----------
    matrix
        (batch, 2, 2): from patch to source, rotation, scale, shear and flip.
    shift
        (batch, 2): in voxels.
    brightness, contrast, gamma
        (batch,): DWI becomes 1 + contrast * (brightness * DWI ^ gamma - 1).
    bias
        (batch, 5): weights of x, y, xy, x^2, y^2 in the logarithm of a smooth field.
    noise
        (batch, 2): standard deviation in DWI and in ADC.
    noise_seed
        Of the noise.
    blur
        (batch,): standard deviation (voxels), 0 for none.
    resolution
        (batch,): factor of lost in-plane resolution, 1 for none.
    adc_scale
        (batch,): error of the ADC's calibration.
    strip, hide_adc
        (batch,) boolean: remove what is outside the brain; hide the ADC.
    """

    matrix: Array
    shift: Array
    brightness: Array
    contrast: Array
    gamma: Array
    bias: Array
    noise: Array
    noise_seed: int
    blur: Array
    resolution: Array
    adc_scale: Array
    strip: Array
    hide_adc: Array


def draw(count: int, without_adc_share: float, rng: np.random.Generator) -> Augmentations:
    """Parameters for ``count`` samples."""

    def sometimes(share: float) -> Array:
        return np.asarray(rng.random(count) < share)

    some = sometimes(0.7)
    angle = np.where(some, rng.normal(0, 0.13, count), 0)
    scale = np.exp(np.where(some, rng.normal(0, 0.09, count), 0))[:, None] * np.exp(
        rng.normal(0, 0.03, (count, 2))
    )
    shear = rng.normal(0, 0.04, count)
    flip = np.where(sometimes(0.5), -1.0, 1.0)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(-1, 2, 2)
    skew = np.tile(np.eye(2), (count, 1, 1))
    skew[:, 0, 1] = shear
    stretch = np.zeros((count, 2, 2))
    stretch[:, 0, 0], stretch[:, 1, 1] = flip * scale[:, 0], scale[:, 1]
    noisy = sometimes(0.4)
    level = np.where(noisy, rng.exponential(0.06, count), 0)
    return Augmentations(
        matrix=turn @ skew @ stretch,
        shift=np.where(some[:, None], rng.normal(0, 2.0, (count, 2)), 0),
        brightness=np.exp(rng.normal(0, 0.06, count)),
        contrast=np.exp(np.where(sometimes(0.5), rng.normal(0, 0.2, count), 0)),
        gamma=np.exp(np.where(sometimes(0.3), rng.normal(0, 0.15, count), 0)),
        bias=np.where(sometimes(0.4)[:, None], rng.normal(0, 0.08, (count, 5)), 0),
        noise=np.minimum(np.stack([level, level * rng.uniform(0.5, 1.5, count)], 1), 0.3),
        noise_seed=int(rng.integers(1 << 62)),
        blur=np.where(sometimes(0.15), rng.uniform(0.4, 1.0, count), 0),
        resolution=np.where(sometimes(0.15), rng.uniform(1.2, 2.0, count), 1),
        adc_scale=np.exp(rng.normal(0, 0.04, count)),
        strip=sometimes(0.25),
        hide_adc=rng.random(count) < without_adc_share,
    )


def augment(batch: Batch, drawn: Augmentations, wider: Widening | None = None) -> Batch:
    """Apply; the result is smaller than the batch by :data:`.dataset.MARGIN` on every side."""
    images, lesion, brain, tissue = _moved(batch, drawn)
    if wider is not None:
        visible = batch.slabs.adc_known * torch.tensor(1.0 - drawn.hide_adc, dtype=torch.float32)
        images = widen(images, lesion, brain, tissue, visible, batch.slabs.position, wider)
    images = _degraded(images, drawn)
    images = _contrasted(images, drawn)
    images = _noisy(images, drawn)
    keep = torch.maximum(brain, 1 - _column(drawn.strip, 4))[:, None]
    shown = batch.slabs.adc_known * torch.tensor(1.0 - drawn.hide_adc, dtype=torch.float32)
    images = images * keep
    # ADC is known within the brain only, here as in every prepared case.
    images[:, _ADC_IMAGES] *= brain[:, None] * shown[:, None, None, None, None]
    images[:, _DWI_IMAGES] = images[:, _DWI_IMAGES].clamp(0, HIGHEST_DWI)
    images[:, _ADC_IMAGES] = images[:, _ADC_IMAGES].clamp(0, HIGHEST_ADC)
    slabs = Slabs(images, shown, batch.slabs.position, batch.slabs.thickness)
    if tissue is not None:
        # What is not shown cannot be named.
        tissue = torch.where(keep[:, 0] > 0, tissue, 0)
    return Batch(slabs, lesion, brain, tissue)


def without_augmentation(batch: Batch) -> Batch:
    """The batch cut to the patch, otherwise as it is."""
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    slabs = batch.slabs
    cut = Slabs(slabs.images[inner], slabs.adc_known, slabs.position, slabs.thickness)
    tissue = None if batch.tissue is None else batch.tissue[inner]
    return Batch(cut, batch.lesion[inner], batch.brain[inner], tissue)


def _column(values: Array, axes: int) -> Tensor:
    """One value a sample, ready to meet a tensor of that many axes."""
    return torch.tensor(values, dtype=torch.float32).reshape(-1, *[1] * (axes - 1))


def _moved(batch: Batch, drawn: Augmentations) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Affine and flip in one interpolation, of images and labels alike."""
    images = batch.slabs.images
    count, kinds, depth, x, y = images.shape
    px, py = x - 2 * MARGIN, y - 2 * MARGIN
    stack = torch.cat((images.flatten(1, 2), batch.lesion, batch.brain), dim=1)
    # grid_sample: coordinates from -1 to 1 over the source, last axis first.
    size = torch.tensor([float(x), float(y)])
    patch = torch.tensor([float(px), float(py)])
    matrix = torch.tensor(drawn.matrix, dtype=torch.float32) * (patch[None, None, :] / size[None, :, None])
    shift = torch.tensor(drawn.shift, dtype=torch.float32) * 2 / size
    theta = torch.cat((matrix, shift[:, :, None]), dim=2)
    theta = theta[:, [1, 0]][:, :, [1, 0, 2]]
    grid = functional.affine_grid(theta, [count, stack.shape[1], px, py], align_corners=False)
    moved = functional.grid_sample(stack, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    lesion, brain = moved[:, kinds * depth : -depth], moved[:, -depth:]
    tissue = None
    if batch.tissue is not None:
        numbers = functional.grid_sample(
            batch.tissue.float(), grid, mode="nearest", padding_mode="zeros", align_corners=False
        )
        tissue = numbers.to(torch.uint8)
    return (
        moved[:, : kinds * depth].reshape(count, kinds, depth, px, py),
        (lesion >= 0.5).float(),
        (brain >= 0.5).float(),
        tissue,
    )


def _degraded(images: Tensor, drawn: Augmentations) -> Tensor:
    """Blur and loss of in-plane resolution, of those samples that drew it."""
    for i in np.flatnonzero(drawn.blur):
        images[i] = _blurred(images[i], float(drawn.blur[i]))
    for i in np.flatnonzero(drawn.resolution > 1):
        x, y = images.shape[-2:]
        factor = float(drawn.resolution[i])
        coarse = functional.interpolate(images[i], (round(x / factor), round(y / factor)), mode="area")
        images[i] = functional.interpolate(coarse, (x, y), mode="bilinear", align_corners=False)
    return images


def _blurred(images: Tensor, sigma: float) -> Tensor:
    reach = torch.arange(-3.0, 4.0)
    kernel = torch.exp(-0.5 * (reach / sigma) ** 2)
    kernel = kernel / kernel.sum()
    shape = images.shape
    flat = images.reshape(-1, 1, *shape[-2:])
    flat = functional.conv2d(flat, kernel.reshape(1, 1, 7, 1), padding=(3, 0))
    return functional.conv2d(flat, kernel.reshape(1, 1, 1, 7), padding=(0, 3)).reshape(shape)


def _contrasted(images: Tensor, drawn: Augmentations) -> Tensor:
    count, _, _, x, y = images.shape
    dwi = images[:, _DWI_IMAGES]
    outside = dwi < 0.05
    changed = _column(drawn.brightness, 5) * dwi.clamp_min(1e-3) ** _column(drawn.gamma, 5)
    changed = (1 + _column(drawn.contrast, 5) * (changed - 1)).clamp_min(0)
    u, v = torch.linspace(-1, 1, x)[:, None], torch.linspace(-1, 1, y)[None, :]
    terms = torch.stack([u.expand(x, y), v.expand(x, y), u * v, (u * u).expand(x, y), (v * v).expand(x, y)])
    field = torch.einsum("bt,txy->bxy", torch.tensor(drawn.bias, dtype=torch.float32), terms).exp()
    # The reflected image carries the field of the other side; only this side's changes.
    changed[:, 0] = changed[:, 0] * field[:, None]
    images[:, _DWI_IMAGES] = torch.where(outside, dwi, changed)
    images[:, _ADC_IMAGES] *= _column(drawn.adc_scale, 5)
    return images.reshape(count, *images.shape[1:])


def _noisy(images: Tensor, drawn: Augmentations) -> Tensor:
    """Rician noise on the DWI, Gaussian on the ADC, none on the smoothed images of the other side."""
    noisy = np.flatnonzero(drawn.noise[:, 0])
    if not noisy.size:
        return images
    generator = torch.Generator().manual_seed(drawn.noise_seed)
    # Zeros of a stripped background stay zeros.
    inside = images[noisy, DWI] > 0
    level = torch.tensor(drawn.noise[noisy], dtype=torch.float32)[:, :, None, None, None]
    real, imaginary, diffusion = torch.randn((3, *inside.shape), generator=generator)
    dwi = torch.hypot(images[noisy, DWI] + level[:, 0] * real, level[:, 0] * imaginary)
    images[noisy, DWI] = torch.where(inside, dwi, images[noisy, DWI])
    images[noisy, ADC] = images[noisy, ADC] + level[:, 1] * diffusion
    return images
