"""Training cases as stacks of slices in memory, batches drawn from them, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...progress import Progress, ProgressEvent
from ...randomness import generator
from ...schema import CLASS_COUNT, LESION, MIRRORED
from ..boxes import whole
from ..examples import Example
from ..physics.canvas import Canvas
from ..physics.mixing import CaseFit, Residuals
from ..physics.model import SignalModel
from ..signal import adc_from
from .frame import Frame
from .sketch import drawn_sketch, measured_painting, plain_painting

Array = npt.NDArray[Any]

#: Half of the slices show lesion, where there is any: it is the rarest class and the one that counts.
_LESION_SHARE = 0.5
#: Finest in-plane spacing of the frame (mm): finer cohorts are painted finer by the sketch.
_FINEST = 1.6
#: Noise of a scan: two receiver channels each of b0 and of DWI.
SCAN_CHANNELS = 4
_ROTATION, _ZOOM, _SHEAR, _SHIFT = np.deg2rad(5.0), 0.05, 0.03, 0.02


@dataclass(frozen=True)
class Stack:
    """One case in the frame: ``labels`` (x, y, z) with the lesion as class, ``images`` (7, x, y, z).

    ``noise``: of b0 and DWI on the case's own grid; ``adc_floor``: b0 up to which its ADC is 0; ``frame``:
    how its grid came to this one (None: it is this one).
    """

    labels: Array
    images: Array
    noise: tuple[float, float]
    b_value: float
    left_right: int
    lesion_slices: Array
    adc_floor: float = 0.0
    frame: Frame | None = None


class Item(NamedTuple):
    """What is drawn of a stack: classes (x, y, z), images (c, x, y, z), and noise for :attr:`Batch.scan`."""

    labels: Tensor
    images: Tensor
    scan: Tensor
    stack: Stack


@dataclass(frozen=True)
class Batch:
    """Tensors of a step: ``onehot`` (n, 44, x, y[, z]), ``sketch``, ``target`` (b0, ADC, DWI), ``grain``.

    ``noise`` (n, 2): standard deviation of b0's and of DWI's on the cases' own grids; ``scan`` (n, 4, ...):
    standard normal noise of these grids, two channels for each image, that went through all that the target
    went through; ``adc_floor`` (n,): b0 up to which the ADC is 0.
    """

    onehot: Tensor
    sketch: Tensor
    target: Tensor
    grain: Tensor
    noise: Tensor
    b_value: Tensor
    scan: Tensor
    adc_floor: Tensor

    def to(self, device: str) -> Batch:
        """The same on another device."""
        return Batch(*(getattr(self, part.name).to(device) for part in fields(self)))

    @property
    def noise_left(self) -> Tensor:
        """Standard deviation of the noise in ``target`` (n, 2): less than ``noise`` after interpolation."""
        drawn = self.scan.flatten(1)
        left = drawn.square().sum(1) / (drawn != 0).sum(1).clamp_min(1)
        return self.noise * left.sqrt()[:, None]


@dataclass(frozen=True)
class Material:
    """What a training has, before it is brought to frames.

    Parameters
    ----------
    examples, fits
        The cases with their maps, and what was fitted to each.
    model
        Signal statistics over all of them.
    spacing
        In plane (mm), of the frames.
    multiple
        What the sizes of frames must be multiples of.
    condition, seed
        See :class:`..options.TranslatorOptions`.
    """

    examples: Sequence[Example]
    fits: Sequence[tuple[CaseFit, Residuals]]
    model: SignalModel
    spacing: float
    multiple: tuple[int, ...]
    condition: str = "sketch"
    seed: int = 0


def frame_mask(labels: Array, filled: Array) -> Array:
    """What the frame must hold: what is filled and not air."""
    mask = filled & (labels > 0)
    return mask if mask.any() else np.ones_like(mask)


def frame_spacing(examples: Sequence[Example]) -> float:
    """In-plane spacing of the cohort's frame (mm)."""
    spacings = [sorted(e.spacing)[:2] for e in examples]
    return max(float(np.median(spacings)), _FINEST)


def example_mask(example: Example) -> Array:
    """What the frame of a training case must hold."""
    return frame_mask(example.labels, (example.dwi > 0) | (not example.stripped))


def common_frames(
    masks: Sequence[Array], spacings: Sequence[tuple[float, float, float]], material: Material
) -> list[Frame]:
    """Frames around masks, all of one in-plane size."""
    target, multiple = material.spacing, material.multiple
    pairs = list(zip(masks, spacings, strict=True))
    tight = [Frame.around(mask, spacing, target, multiple=multiple) for mask, spacing in pairs]
    least = (max(f.shape[0] for f in tight), max(f.shape[1] for f in tight))
    return [Frame.around(mask, spacing, target, least, multiple) for mask, spacing in pairs]


def make_stacks(material: Material, progress: Progress) -> list[Stack]:
    """Bring all cases to frames of one in-plane size."""
    examples = material.examples
    frames = common_frames([example_mask(e) for e in examples], [e.spacing for e in examples], material)
    stacks = []
    for number, (example, fit, frame) in enumerate(zip(examples, material.fits, frames, strict=True)):
        progress(ProgressEvent("Preparing cases", number, len(examples), example.name))
        stacks.append(_stack(example, *fit, material, frame, number))
    return stacks


def _stack(
    example: Example, fit: CaseFit, residuals: Residuals, material: Material, frame: Frame, number: int
) -> Stack:
    draw = material.model.of_case(fit)
    if material.condition == "map":
        draw = material.model.plain(draw)
        painting = plain_painting(example, draw)
    else:
        painting = measured_painting(example, fit, residuals, draw)
    # Grain is drawn, not measured: the discriminator must not find the real image's own in the fake.
    seed = int(generator(material.seed, "grain", number).integers(2**31))
    canvas = Canvas(example.labels, example.spacing, draw, seed)
    grain = drawn_sketch(canvas, example.lesion, whole(canvas.shape))
    sketch_adc = adc_from(painting.b0, painting.dwi, example.b_value)
    labels = frame.forward(example.labels, order=0)
    lesion = frame.forward(example.lesion.astype(np.float32)) > 0.5
    filled = painting.filled
    real = (np.where(filled, image, 0.0) for image in (example.b0, example.adc, example.dwi))
    images = [painting.b0, sketch_adc, *real, grain.grain_b0, grain.grain_dwi]
    stacked = np.stack([frame.forward(image.astype(np.float32)) for image in images])
    return Stack(
        np.where(lesion, LESION, labels).astype(np.uint8), np.minimum(stacked, 100.0).astype(np.float16),
        (fit.b0_noise, fit.dwi_noise), example.b_value, frame.left_right,
        np.flatnonzero(lesion.any(axis=(0, 1))), fit.adc_floor, frame,
    )  # fmt: skip


def draw_batch(stacks: Sequence[Stack], size: int, depth: int, rng: np.random.Generator) -> Batch:
    """Draw and augment ``size`` slices (``depth`` 1) or blocks of ``depth`` slices."""
    items = [draw_item(stacks[int(rng.integers(len(stacks)))], depth, rng) for _ in range(size)]
    images = together([item.images for item in items], depth)
    return batch_of(items, depth, images[:, :2], images[:, 2:5], images[:, 5:])


def batch_of(items: Sequence[Item], depth: int, sketch: Tensor, target: Tensor, grain: Tensor) -> Batch:
    """The batch of ``items``, with their images told apart."""
    labels = together([item.labels for item in items], depth).long()
    # Classes first in memory, as the images are: joined with them otherwise takes a quarter of a step in 3D.
    onehot = torch.zeros(len(labels), CLASS_COUNT, *labels.shape[1:]).scatter_(1, labels[:, None], 1.0)
    stacks = [item.stack for item in items]
    return Batch(
        onehot, sketch, target, grain, torch.tensor([s.noise for s in stacks]),
        torch.tensor([s.b_value for s in stacks]), together([item.scan for item in items], depth),
        torch.tensor([s.adc_floor for s in stacks]),
    )  # fmt: skip


def together(parts: Sequence[Tensor], depth: int) -> Tensor:
    """Parts of items put one on the other, slices (``depth`` 1) without their third axis."""
    stacked = torch.stack(list(parts))
    return stacked[..., 0] if depth == 1 else stacked


def draw_item(stack: Stack, depth: int, rng: np.random.Generator) -> Item:
    """``depth`` slices of a stack, mirrored half of the time and warped.

    The first of the images says where there is any. A head of fewer slices is filled up with empty ones.
    """
    slices = stack.labels.shape[2]
    if stack.lesion_slices.size and rng.random() < _LESION_SHARE:
        middle = int(rng.choice(stack.lesion_slices))
    else:
        middle = int(rng.integers(slices))
    first = int(np.clip(middle - depth // 2, 0, max(slices - depth, 0)))
    labels = torch.from_numpy(stack.labels[:, :, first : first + depth])
    images = torch.from_numpy(stack.images[..., first : first + depth].astype(np.float32))
    if rng.random() < 0.5:
        labels = torch.from_numpy(_MIRROR)[labels.long()].flip(stack.left_right)
        images = images.flip(stack.left_right + 1)
    shape = (SCAN_CHANNELS, *labels.shape)
    if stack.frame is None:
        noise = rng.standard_normal(shape, np.float32)
    else:
        noise = stack.frame.noise(SCAN_CHANNELS, shape[3], rng)
    lacking = max(depth - shape[3], 0)
    labels, images, scan = (
        torch.nn.functional.pad(array, (0, lacking))
        for array in warped(labels, images, torch.from_numpy(noise), rng)
    )
    return Item(labels, images, scan, stack)


_MIRROR = np.array([*MIRRORED, LESION], np.uint8)


def warped(
    labels: Tensor, images: Tensor, noise: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Small in-plane rotation, stretch, shear and shift, the same for all slices (x, y, z).

    ``noise`` goes the same way as the images, because interpolation smooths theirs.
    """
    angle = rng.uniform(-_ROTATION, _ROTATION)
    zoom = 1.0 + rng.uniform(-_ZOOM, _ZOOM) + rng.uniform(-_ZOOM, _ZOOM, 2)
    shear, shift = rng.uniform(-_SHEAR, _SHEAR), 2.0 * rng.uniform(-_SHIFT, _SHIFT, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.zeros((1, 2, 3), np.float32)
    matrix[0, :, :2] = turn @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(zoom)
    matrix[0, :, 2] = shift
    slices, (x, y) = labels.shape[2], labels.shape[:2]
    grid = torch.nn.functional.affine_grid(torch.from_numpy(matrix), [1, 1, x, y], align_corners=False)
    channels = torch.cat([images, noise]).permute(0, 3, 1, 2).reshape(1, -1, x, y)
    # Cubic, because linear interpolation would smooth more of the noise that the network is judged by.
    turned = torch.nn.functional.grid_sample(channels, grid, mode="bicubic", align_corners=False)
    turned = turned.reshape(-1, slices, x, y).permute(0, 2, 3, 1)
    moved, scan = turned[: len(images)].clamp_min(0.0), turned[len(images) :]
    plane = labels.permute(2, 0, 1)[None].float()
    classes = torch.nn.functional.grid_sample(plane, grid, mode="nearest", align_corners=False)
    new_labels = classes[0].permute(1, 2, 0).to(torch.uint8)
    # Cubic overshoot must not leave signal where the sketch is empty.
    return new_labels, moved * (moved[:1] > 1e-4), scan
