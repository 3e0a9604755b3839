"""A network run over a whole prepared examination."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..device import Device
from .inputs import Slabs, assemble, heights
from .options import NetworkOptions

Array = npt.NDArray[Any]

#: Slices (2D) computed together: enough to keep a core busy, little enough to stay in cache.
_TOGETHER = 8


def probability_of(
    network: nn.Module, options: NetworkOptions, images: Array, *, adc_known: bool, thickness: float,
    device: Device, flips: bool = True,
) -> Array:  # fmt: skip
    """Probability of lesion, float32 (z, x, y).

    Parameters
    ----------
    network
        In evaluation mode.
    images
        (4, z, x, y), from :func:`.inputs.images_of`.
    flips
        Average with the prediction of the left-right flipped examination.
    """
    stack = torch.from_numpy(np.asarray(images, np.float32))
    slices, x, y = stack.shape[1:]
    multiple = options.multiple[-2:]
    pad = [(-size) % m for size, m in zip((x, y), multiple, strict=True)]
    stack = functional.pad(stack, (0, pad[1], 0, pad[0]))
    height = torch.from_numpy(heights(slices))
    run = _by_slices if options.dimensions == 2 else _by_slab
    with torch.inference_mode(), device.autocast():
        logits = [run(network, options, stack, height, adc_known, thickness, device)]
        if flips:
            turned = run(network, options, stack.flip(2), height, adc_known, thickness, device)
            logits.append(turned.flip(1))
        probability = torch.stack([torch.sigmoid(one.float()) for one in logits]).mean(dim=0)
    return np.asarray(probability[:, :x, :y].cpu().numpy(), np.float32)


def _slabs(images: Tensor, position: Tensor, adc_known: bool, thickness: float, device: Device) -> Slabs:
    count = len(images)
    return Slabs(
        images.to(device.name), torch.full((count,), float(adc_known), device=device.name),
        position.to(device.name), torch.full((count,), thickness, device=device.name),
    )  # fmt: skip


def _by_slices(
    network: nn.Module, options: NetworkOptions, stack: Tensor, height: Tensor, adc_known: bool,
    thickness: float, device: Device,
) -> Tensor:  # fmt: skip
    slices, reach = stack.shape[1], options.depth // 2
    padded = functional.pad(stack, (0, 0, 0, 0, reach, reach))
    results = []
    for first in range(0, slices, _TOGETHER):
        numbers = range(first, min(first + _TOGETHER, slices))
        images = torch.stack([padded[:, z : z + options.depth] for z in numbers])
        around = torch.tensor([[z + d - reach for d in range(options.depth)] for z in numbers])
        slabs = _slabs(images, height[around.clamp(0, slices - 1)], adc_known, thickness, device)
        inputs = assemble(slabs, options).contiguous(memory_format=torch.channels_last)
        results.append(network(inputs)[:, 0].cpu())
    return torch.cat(results)


def _by_slab(
    network: nn.Module, options: NetworkOptions, stack: Tensor, height: Tensor, adc_known: bool,
    thickness: float, device: Device,
) -> Tensor:  # fmt: skip
    slices = stack.shape[1]
    missing = (-slices) % options.multiple[0]
    padded = functional.pad(stack, (0, 0, 0, 0, 0, missing))
    position = torch.cat((height, height[-1:].expand(missing)))
    slabs = _slabs(padded[None], position[None], adc_known, thickness, device)
    result: Tensor = network(assemble(slabs, options))[0, 0, :slices].cpu()
    return result
