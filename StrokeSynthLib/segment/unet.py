"""The U-Net as it predicts: MONAI's DynUNet, layer for layer, without importing MONAI.

Importing MONAI takes seconds, more than a prediction does. Training builds the network from MONAI
(:mod:`.network`); this module computes the same function from the same weights under the same
names, which a test holds it to. Isensee et al., Nature Methods 2021; Falk et al., 2019.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from .options import NetworkOptions

#: Slope of the leaky ReLU for negative values, as in DynUNet.
_SLOPE = 0.01


def _conv(dimensions: int, *args: Any, transposed: bool = False, **options: Any) -> nn.Sequential:
    kinds: dict[tuple[int, bool], type[nn.Module]] = {
        (2, False): nn.Conv2d,
        (3, False): nn.Conv3d,
        (2, True): nn.ConvTranspose2d,
        (3, True): nn.ConvTranspose3d,
    }
    # One named layer in a sequence gives the weight the name that MONAI gives it.
    return nn.Sequential(OrderedDict(conv=kinds[dimensions, transposed](*args, **options)))


def _norm(options: NetworkOptions, channels: int) -> nn.Module:
    if options.norm == "batch":
        return (nn.BatchNorm2d if options.dimensions == 2 else nn.BatchNorm3d)(channels)
    return (nn.InstanceNorm2d if options.dimensions == 2 else nn.InstanceNorm3d)(channels, affine=True)


class _Block(nn.Module):
    """Twice convolution, norm, leaky ReLU."""

    def __init__(
        self,
        options: NetworkOptions,
        inputs: int,
        outputs: int,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
    ) -> None:
        super().__init__()
        padding = tuple(k // 2 for k in kernel)
        n = options.dimensions
        self.conv1 = _conv(n, inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.conv2 = _conv(n, outputs, outputs, kernel, padding=padding, bias=False)
        self.norm1 = _norm(options, outputs)
        self.norm2 = _norm(options, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, ...) -> (batch, outputs, ...)."""
        x = nn.functional.leaky_relu(self.norm1(self.conv1(x)), _SLOPE, inplace=True)
        return nn.functional.leaky_relu(self.norm2(self.conv2(x)), _SLOPE, inplace=True)

    def fuse(self) -> None:
        """Fold batch norms into the convolutions before them; for prediction only."""
        for number in ("1", "2"):
            conv, norm = getattr(self, "conv" + number), getattr(self, "norm" + number)
            if isinstance(norm, (nn.BatchNorm2d, nn.BatchNorm3d)):
                conv[0] = nn.utils.fuse_conv_bn_eval(conv[0], norm)
                setattr(self, "norm" + number, nn.Identity())


class _Up(nn.Module):
    """To the next finer resolution, joined with what the way down left there."""

    def __init__(
        self,
        options: NetworkOptions,
        inputs: int,
        outputs: int,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.transp_conv = _conv(
            options.dimensions, inputs, outputs, stride, stride=stride, bias=False, transposed=True
        )
        self.conv_block = _Block(options, 2 * outputs, outputs, kernel, (1,) * options.dimensions)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Up, join, convolve."""
        result: Tensor = self.conv_block(torch.cat((self.transp_conv(x), skip), dim=1))
        return result


class UNet(nn.Module):
    """Logits, shape (batch, outputs, ...), from inputs (batch, channels, ...); the lesion comes first.

    Parameters
    ----------
    options
        As the weights were trained.
    """

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        c, k, s = options.channels, options.kernels, options.strides
        last = len(c) - 1
        self.input_block = _Block(options, options.inputs, c[0], k[0], s[0])
        self.downsamples = nn.ModuleList(_Block(options, c[i - 1], c[i], k[i], s[i]) for i in range(1, last))
        self.bottleneck = _Block(options, c[last - 1], c[last], k[last], s[last])
        self.upsamples = nn.ModuleList(_Up(options, c[i], c[i - 1], k[i], s[i]) for i in range(last, 0, -1))
        self.output_block = nn.ModuleDict({"conv": _conv(options.dimensions, c[0], options.outputs, 1)})

    def fused(self) -> UNet:
        """The same function in fewer operations; in evaluation mode, after the weights are in."""
        self.eval()
        for module in self.modules():
            if isinstance(module, _Block):
                module.fuse()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Down, up, logits."""
        return self._both(x)[0]

    def answer(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """Logit of lesion (batch, ...), number of the tissue (batch, ...) where it makes maps, and the mean
        of the coarsest features (batch, c): what the exported network gives too."""
        logits, coarsest = self._both(x)
        tissue = logits[:, 1:].argmax(dim=1).to(torch.uint8) if logits.shape[1] > 1 else None
        return logits[:, 0], tissue, coarsest.flatten(2).mean(dim=2)

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the coarsest features."""
        skips = [self.input_block(x)]
        for block in self.downsamples:
            skips.append(block(skips[-1]))
        coarsest: Tensor = self.bottleneck(skips[-1])
        x = coarsest
        for block, skip in zip(self.upsamples, reversed(skips), strict=True):
            x = block(x, skip)
        return self.output_block["conv"](x), coarsest
