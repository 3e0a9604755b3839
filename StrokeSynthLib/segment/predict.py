"""Segmentation by a trained network, on whatever engine there is. Imports neither PyTorch nor MONAI."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..modelfolder import ModelFolder, open_model
from ..schema import CLASS_ON_LEFT, CLASS_ON_RIGHT
from ..volume import Storage, Volume
from .decision import Decision
from .engines import NetworkOutput, open_engine
from .inference import examine, perturbed, sigmoid
from .inputs import images_of
from .options import NetworkOptions
from .preprocess import FrameOptions, Prepared, prepare
from .segmenter import Prediction

Array = npt.NDArray[Any]
KIND = "unet"


class UNetSegmenter:
    """Finds lesions with a trained network, and tissues where the network tells them apart.

    1. The examination is brought to the canonical frame (:mod:`.preprocess`).
    2. The network gives every slice's logits (:mod:`.engines`); where the model says so, averaged with
       those of the left-right flipped slices.
    3. The probability is brought to the grid of the DWI, and decided there.

    The model's config may hold, beside what training writes: ``flips`` (whether to average with the flipped
    examination; true where it is not said) and ``map_margin`` (mm kept around the brain for semantic maps,
    so that they show the scalp; the lesions' own where it is not said).

    Parameters
    ----------
    model
        Folder that :func:`.training.train_segmenter` wrote.
    device
        "auto", "cpu" or "cuda".
    """

    kind = KIND

    def __init__(self, model: ModelFolder, device: str = "auto") -> None:
        try:
            self._options = NetworkOptions.from_config(model.config["network"])
            self._frame = FrameOptions(**model.config["frame"])
            self._decision = Decision(**model.config["decision"])
            self._flips = bool(model.config.get("flips", True))
            margin = float(model.config.get("map_margin", self._frame.margin))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(
                f"{model.path}: its files do not fit together ({error}); copy it again."
            ) from error
        self._map_frame = replace(self._frame, margin=margin)
        self._engine = open_engine(model, self._options, device)
        self.model_hash = model.hash

    @classmethod
    def open(cls, name_or_path: str, device: str = "auto") -> UNetSegmenter:
        """From a model folder or the name of a shipped model."""
        return cls(open_model(name_or_path, KIND), device)

    @property
    def engine(self) -> str:
        """What computes, and where."""
        return self._engine.reason

    def predict(
        self, dwi: Volume, adc: Volume | None = None, *, uncertainty: bool = False, semantic_map: bool = False
    ) -> Prediction:
        """Segment one examination in any orientation; see :class:`.segmenter.Segmenter`.

        The uncertainty is the entropy, in bits, of the mean probability over several looks at the
        examination, slightly changed each time: 0 sure, 1 undecided.
        """
        prepared = prepare(dwi, adc, self._frame)
        semantic_map = semantic_map and self._options.tissues
        together = semantic_map and self._map_frame == self._frame
        found = self._examine(prepared, images_of(prepared), flips=self._flips, tissue=together)
        inside = self._probability(found, prepared)
        probability = prepared.frame.volume(inside)
        mask = self._decision.apply(probability.array, probability.grid.voxel_ml)
        entropies = self._uncertainty(prepared, inside) if uncertainty else None
        if semantic_map and not together:
            prepared = prepare(dwi, adc, self._map_frame)
            found = self._examine(prepared, images_of(prepared), tissue=True)
        return Prediction(
            probability.with_array(mask),
            probability,
            entropies,
            self._semantic_map(prepared, found) if semantic_map else None,
        )

    def _examine(
        self, prepared: Prepared, images: Array, *, flips: bool = False, tissue: bool = False
    ) -> NetworkOutput:
        return examine(
            self._engine, self._options, images, adc_known=prepared.adc is not None,
            thickness=prepared.frame.spacing[2], flips=flips, tissue=tissue,
        )  # fmt: skip

    def _probability(self, found: NetworkOutput, prepared: Prepared) -> Array:
        """Probability of lesion in the frame, (x, y, z) float32; 0 outside the brain."""
        return np.asarray(sigmoid(found.lesion).transpose(1, 2, 0) * prepared.brain, np.float32)

    def _uncertainty(self, prepared: Prepared, probability: Array) -> Volume:
        """Entropy of the mean over the examination as it is and changed ones, on the grid of the DWI."""
        looks = [probability]
        for images, undo in perturbed(images_of(prepared)):
            found = self._examine(prepared, images)
            looks.append(self._probability(replace(found, lesion=undo(found.lesion)), prepared))
        return prepared.frame.volume(entropy(np.mean(looks, axis=0)))

    def _semantic_map(self, prepared: Prepared, found: NetworkOutput) -> Volume:
        """Classes on the grid of the DWI, uint8."""
        assert found.tissue is not None
        tissue, frame = found.tissue.transpose(1, 2, 0), prepared.frame
        left = prepared.plane.left(tissue.shape, frame.spacing)
        classes = np.where(left, np.array(CLASS_ON_LEFT)[tissue], np.array(CLASS_ON_RIGHT)[tissue])
        return frame.image.with_array(frame.labels_back(classes.astype(np.uint8)), Storage("uint8"))


def entropy(probability: Array) -> Array:
    """Entropy of a yes-or-no probability in bits, 0 to 1, float32."""
    p = np.clip(probability.astype(np.float32), 1e-7, 1 - 1e-7)
    bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return np.asarray(np.where((probability <= 0) | (probability >= 1), 0, bits), np.float32)
