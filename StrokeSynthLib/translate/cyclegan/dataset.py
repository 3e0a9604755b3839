"""The two sides of unpaired training: sketches drawn on maps, and real images; drawn independently.

Sketches: of every case's map with its lesion, a few with signal statistics drawn anew; deformed and mirrored
when they are drawn for a step. Images: b0, ADC and DWI of the same cohort, and of examinations without maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...progress import Progress, ProgressEvent
from ...randomness import generator
from ...schema import LESION
from ..boxes import whole
from ..examples import Example
from ..networks.dataset import (
    Batch,
    Material,
    Stack,
    batch_of,
    common_frames,
    draw_item,
    example_mask,
    together,
)  # fmt: skip
from ..networks.frame import Frame
from ..networks.sketch import drawn_sketch
from ..physics.canvas import Canvas
from ..signal import adc_from
from .unlabeled import Unlabeled

Array = npt.NDArray[Any]

#: Sketches drawn of each map.
_DRAWN = 2
_BRIGHTEST = 100.0


@dataclass(frozen=True)
class SketchStack(Stack):
    """A map and a sketch of it; ``images``: b0, ADC, grain of b0, grain of DWI (4, x, y, z)."""


@dataclass(frozen=True)
class ImageStack(Stack):
    """Real images without a map; ``images``: b0, ADC, DWI (3, x, y, z)."""


@dataclass(frozen=True)
class Unpaired:
    """Tensors of a step.

    Parameters
    ----------
    maps
        Maps with their sketches; without target images.
    images
        b0, ADC and DWI of cases drawn independently of them (n, 3, x, y[, z]).
    b_value
        Of the images (n,).
    """

    maps: Batch
    images: Tensor
    b_value: Tensor

    def to(self, device: str) -> Unpaired:
        """The same on another device."""
        return Unpaired(self.maps.to(device), self.images.to(device), self.b_value.to(device))


def make_unpaired(
    material: Material, unlabeled: Sequence[Unlabeled], seed: int, progress: Progress
) -> list[Stack]:
    """Bring both sides to frames of one in-plane size; sketches first."""
    examples = material.examples
    masks = [*(example_mask(e) for e in examples), *(u.inside for u in unlabeled)]
    spacings = [*(e.spacing for e in examples), *(u.spacing for u in unlabeled)]
    frames = common_frames(masks, spacings, material)
    sketches: list[Stack] = []
    for number, example in enumerate(examples):
        progress(ProgressEvent("Drawing sketches", number, len(examples), example.name))
        sketches += [
            _sketch(material, number, frames[number], (seed, variant)) for variant in range(_DRAWN)
        ]  # fmt: skip
    images = [
        _images(e, e.dwi > 0 if e.stripped else None, f) for e, f in zip(examples, frames, strict=False)
    ]
    images += [
        _images(u, u.inside if u.stripped else None, f)
        for u, f in zip(unlabeled, frames[len(examples) :], strict=True)
    ]
    return [*sketches, *images]


def _sketch(material: Material, number: int, frame: Frame, seed: tuple[int, int]) -> Stack:
    example = material.examples[number]
    rng = generator(seed[0], "sketch", number, seed[1])
    draw = material.model.draw(rng)
    if material.condition == "map":
        draw = material.model.plain(draw)
    canvas = Canvas(example.labels, example.spacing, draw, int(rng.integers(2**31)))
    drawn = drawn_sketch(canvas, example.lesion, whole(canvas.shape))
    b0, dwi = drawn.painting.b0, drawn.painting.dwi
    parts = [b0, adc_from(b0, dwi, draw.b_value), drawn.grain_b0, drawn.grain_dwi]
    lesion = frame.forward(example.lesion.astype(np.float32)) > 0.5
    labels = np.where(lesion, LESION, frame.forward(example.labels, order=0)).astype(np.uint8)
    return SketchStack(
        labels, _framed(parts, frame), (draw.b0_noise, draw.dwi_noise), draw.b_value, frame.left_right,
        np.flatnonzero(lesion.any(axis=(0, 1))), draw.adc_floor, frame,
    )  # fmt: skip


def _images(case: Example | Unlabeled, filled: Array | None, frame: Frame) -> Stack:
    parts = [
        image if filled is None else np.where(filled, image, 0.0) for image in (case.b0, case.adc, case.dwi)
    ]
    labels = np.zeros(frame.shape, np.uint8)
    return ImageStack(
        labels, _framed(parts, frame), (0.0, 0.0), case.b_value, frame.left_right, np.zeros(0, int)
    )


def _framed(images: Sequence[Array], frame: Frame) -> Array:
    stacked = np.stack([frame.forward(image.astype(np.float32)) for image in images])
    return np.asarray(np.minimum(stacked, _BRIGHTEST).astype(np.float16))


def draw_unpaired(stacks: Sequence[Stack], size: int, depth: int, rng: np.random.Generator) -> Unpaired:
    """Draw and augment ``size`` sketches and, independently of them, ``size`` images."""
    sides: list[list[Stack]] = [
        [stack for stack in stacks if isinstance(stack, side)] for side in (SketchStack, ImageStack)
    ]
    drawn = [
        [draw_item(side[int(rng.integers(len(side)))], depth, rng) for _ in range(size)] for side in sides
    ]
    maps, images = drawn
    sketch, real = (together([item.images for item in side], depth) for side in (maps, images))
    batch = batch_of(maps, depth, sketch[:, :2], torch.zeros(0), sketch[:, 2:])
    return Unpaired(batch, real, torch.tensor([item.stack.b_value for item in images]))
