"""What translators that draw images on a map share: the way from the user's map to RAS+ and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..progress import Progress, ProgressEvent, silent
from ..volume import Volume
from .examples import check_labels
from .output import Origin, check_inputs, placed
from .stage import Stage
from .translator import Background, SyntheticImages

Array = npt.NDArray[Any]
#: What is reported while images are drawn.
DRAWING = "Making synthetic images"


class Steps:
    """Counts steps and reports each; the first report comes with the first number of steps in all."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self(0)

    def __call__(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        self._progress(ProgressEvent(DRAWING, self._done, self._total))


class DrawingTranslator(ABC):
    """A :class:`.translator.Translator` that has only to give a :class:`.stage.Stage`, in RAS+ order."""

    kind: str
    model_hash: str

    def translate(
        self,
        semantic_map: Volume,
        lesion: Volume | None = None,
        *,
        seed: int = 0,
        background: Background | None = None,
        progress: Progress = silent,
    ) -> SyntheticImages:
        """Draw images; see :class:`.translator.Translator`."""
        progress(ProgressEvent(DRAWING))  # how many steps there are is known when the map is laid out
        check_inputs(semantic_map, lesion, background)
        canonical = semantic_map.canonical()
        labels = check_labels(canonical.array, str(semantic_map.source or "the semantic map"))
        stage = self.stage(labels, canonical.spacing, seed, effect=background is not None)
        steps = Steps(progress, 3 + stage.steps)
        steps()
        stage.change(lesion_array(lesion, labels.shape))
        steps()
        stage.compute(steps)
        rendering = stage.draw()
        images = placed(rendering, semantic_map, background)
        origin = Origin(semantic_map, lesion, background, self.kind, self.model_hash, seed)
        record = origin.record(images.b_value, images.sources, rendering.parameters)
        steps()
        return SyntheticImages(images.dwi, images.adc, images.b0, images.b_value, record)

    @abstractmethod
    def stage(
        self, labels: Array, spacing: tuple[float, float, float], seed: int, *, effect: bool = False
    ) -> Stage:
        """A stage with classes ``labels``, (x, y, z) in RAS+ order.

        ``effect``: its drawings shall say what the lesion does to each voxel
        (:attr:`.output.Rendering.effect`), for the background-preserving mode.
        """
        ...


def lesion_array(lesion: Volume | None, shape: tuple[int, ...]) -> Array:
    """The mask as booleans in RAS+ order; without a mask there is no lesion."""
    return np.zeros(shape, bool) if lesion is None else lesion.canonical().array > 0
