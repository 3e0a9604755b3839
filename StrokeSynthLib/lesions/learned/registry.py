"""Kinds of learned lesion models: what ``--kind`` takes, and what draws their crops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Kinds and what they are, the default first.
LESION_KINDS: dict[str, str] = {
    "shape": "statistical shape model on signed distances; needs no PyTorch, done in minutes",
    "wgan": "Wasserstein GAN with gradient penalty on signed distances",
}
#: Kinds that need PyTorch to be trained; drawing never does.
NETWORK_KINDS = ("wgan",)


class CropModel(Protocol):
    """Anything that draws crops of pieces; see :mod:`.crops`."""

    def draw(self, conditions: Array, rng: np.random.Generator) -> Array:
        """Signed distances (n, 32, 32, 32) float32 for conditions (n, conditions)."""
        ...


def crop_model(kind: str, arrays: Mapping[str, Array]) -> CropModel:
    """What draws crops from a model's arrays."""
    if kind == "shape":
        from .shape import ShapeModel

        return ShapeModel(arrays)
    from .wgan import WganModel

    return WganModel(arrays)
