"""The generator of :mod:`.networks` in numpy: drawing needs no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SLOPE = 0.2


class WganModel:
    """Draws crops from the generator's weights, under the names of :class:`.networks.Generator`."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._weights = {name: np.asarray(value, np.float32) for name, value in arrays.items()}

    def draw(self, conditions: Array, rng: np.random.Generator) -> Array:
        """Signed distances (n, 32, 32, 32) float32 for conditions (n, 16)."""
        width = self._weights["mapping.weight"].shape[1] - conditions.shape[1]
        noise = rng.standard_normal((len(conditions), width)).astype(np.float32)
        return np.stack([self.crop(n, c) for n, c in zip(noise, conditions.astype(np.float32), strict=True)])

    def crop(self, noise: Array, conditions: Array) -> Array:
        """One crop (32, 32, 32) from noise and conditions."""
        hidden = _leaky(self._dense("mapping", np.concatenate([noise, conditions])))
        value = _leaky(self._dense("start", hidden).reshape(-1, 4, 4, 4))
        for level in range(2):
            value = self._convolution(f"convolutions.{level}", _doubled(value))
            scale, shift = np.split(self._dense(f"styles.{level}", hidden)[:, None, None, None], 2)
            value = _leaky(value * (1.0 + scale) + shift)
        value = self._convolution("convolutions.2", value)
        x, y, z = value.shape[1:]
        value = value.reshape(2, 2, 2, x, y, z).transpose(3, 0, 4, 1, 5, 2).reshape(2 * x, 2 * y, 2 * z)
        return np.asarray(np.tanh(_blurred(value)))

    def _dense(self, name: str, value: Array) -> Array:
        return np.asarray(self._weights[f"{name}.weight"] @ value + self._weights[f"{name}.bias"])

    def _convolution(self, name: str, value: Array) -> Array:
        """3^3 convolution, zeros outside: one matrix product a neighbor."""
        kernel, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        padded = np.pad(value, ((0, 0), (1, 1), (1, 1), (1, 1)))
        shape = value.shape[1:]
        total = np.repeat(bias[:, None], int(np.prod(shape)), axis=1)
        for i, j, k in np.ndindex(3, 3, 3):
            part = padded[:, i : i + shape[0], j : j + shape[1], k : k + shape[2]]
            total += kernel[:, :, i, j, k] @ part.reshape(len(part), -1)
        return np.asarray(total.reshape(-1, *shape))


def _leaky(value: Array) -> Array:
    return np.asarray(np.where(value > 0, value, _SLOPE * value))


def _doubled(value: Array) -> Array:
    return value.repeat(2, axis=1).repeat(2, axis=2).repeat(2, axis=3)


def _blurred(value: Array) -> Array:
    for axis in range(3):
        size = value.shape[axis]
        wide = np.concatenate([value.take([0], axis), value, value.take([size - 1], axis)], axis)
        value = 0.25 * (wide.take(range(size), axis) + wide.take(range(2, size + 2), axis)) + 0.5 * value
    return value
