"""What translators that draw images on a map share: the way from the user's map to RAS+ and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..volume import Volume
from .examples import check_labels
from .output import Rendering, check_inputs, images_of
from .translator import Background, SyntheticImages

Array = npt.NDArray[Any]


class DrawingTranslator(ABC):
    """A :class:`.translator.Translator` that has only to say how it renders arrays in RAS+ order."""

    kind: str
    model_hash: str

    def translate(
        self,
        semantic_map: Volume,
        lesion: Volume | None = None,
        *,
        seed: int = 0,
        background: Background | None = None,
    ) -> SyntheticImages:
        """Draw images; see :class:`.translator.Translator`."""
        check_inputs(semantic_map, lesion, background)
        canonical = semantic_map.canonical()
        labels = check_labels(canonical.array, str(semantic_map.source or "the semantic map"))
        mask = np.zeros(labels.shape, bool) if lesion is None else lesion.canonical().array > 0
        rendering = self.render(labels, mask, canonical.spacing, seed, background)
        return images_of(
            rendering, semantic_map=semantic_map, lesion=lesion, background=background, kind=self.kind,
            model_hash=self.model_hash, seed=seed,
        )  # fmt: skip

    @abstractmethod
    def render(
        self, labels: Array, lesion: Array, spacing: tuple[float, float, float], seed: int,
        background: Background | None,
    ) -> Rendering:  # fmt: skip
        """Images of classes ``labels`` and a boolean ``lesion``, (x, y, z) in RAS+ order.

        With a ``background`` also what the lesion does to each voxel (:attr:`.output.Rendering.effect`).
        """
        ...
