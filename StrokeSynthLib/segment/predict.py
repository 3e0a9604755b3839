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
from .calibration import Calibration
from .decision import Decision
from .engines import Engine, NetworkOutput, open_engine
from .inference import examine, perturbed
from .inputs import images_of
from .options import NetworkOptions
from .preprocess import FrameOptions, Prepared, prepare
from .segmenter import Prediction
from .typicality import Typicality

Array = npt.NDArray[Any]
KIND = "unet"


class UNetSegmenter:
    """Finds lesions with a trained network, and tissues where the network tells them apart.

    1. The examination is brought to the canonical frame (:mod:`.preprocess`).
    2. The network gives every slice's logits (:mod:`.engines`); where the model says so, averaged with
       those of the left-right flipped slices.
    3. Logits become probabilities (:mod:`.calibration`), which are brought to the grid of the DWI and decided
       there (:mod:`.decision`); what is unlike the examinations that the model knows is said
       (:mod:`.typicality`).

    The model's config may hold, beside what training writes: ``calibration`` and ``typicality``, ``flips``
    (whether to average with the flipped examination; true where it is not said), ``window_margin`` (voxels
    shown around the brain in each slice where lesions are looked for; else the whole slice) and
    ``map_margin`` (mm kept around the brain for semantic maps, so that they show the scalp; else the
    lesions' own).

    Parameters
    ----------
    model
        Folder that :func:`.training.train_segmenter` wrote.
    device
        "auto", "cpu" or "cuda".
    engine
        What computes the network; the best that there is where it is not given.
    """

    kind = KIND

    def __init__(self, model: ModelFolder, device: str = "auto", engine: Engine | None = None) -> None:
        try:
            self._options = NetworkOptions.from_config(model.config["network"])
            self._frame = FrameOptions(**model.config["frame"])
            self._decision = Decision(**model.config["decision"])
            self._flips = bool(model.config.get("flips", True))
            self._calibration = Calibration.from_config(model.config.get("calibration"))
            self._typicality = Typicality.from_config(model.config.get("typicality"))
            margin = float(model.config.get("map_margin", self._frame.margin))
            window = model.config.get("window_margin")
            self._window = None if window is None else int(window)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(
                f"{model.path}: its files do not fit together ({error}); copy it again."
            ) from error
        self._map_frame = replace(self._frame, margin=margin)
        self._engine = engine or open_engine(model, self._options, device)
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
        makes_map = semantic_map and self._options.tissues
        # Tissues also tell bone from fluid and one contrast from another, and cost next to nothing.
        prepared, found = self.examine(dwi, adc, tissue=True)
        inside = self._probability(found, prepared)
        probability = prepared.frame.volume(self._decision.in_frame(inside, prepared, _tissue(found)))
        mask = self._decision.apply(probability.array, probability.grid.voxel_ml)
        return Prediction(
            probability.with_array(mask),
            probability,
            self._uncertainty(prepared, inside) if uncertainty else None,
            self._semantic_map(dwi, adc, prepared, found) if makes_map else None,
            self._unlike(prepared, found, inside),
        )

    def examine(
        self, dwi: Volume, adc: Volume | None = None, *, tissue: bool = False
    ) -> tuple[Prepared, NetworkOutput]:
        """The examination in the canonical frame and what the network says about it there, uncalibrated.

        Arrays of the answer are (z, x, y); the tissues are given where they are asked for.
        """
        prepared = prepare(dwi, adc, self._frame)
        brain = None if self._window is None else prepared.brain.transpose(2, 0, 1)
        images = images_of(prepared)
        return prepared, self._answer(prepared, images, flips=self._flips, tissue=tissue, brain=brain)

    def _answer(
        self, prepared: Prepared, images: Array, *, flips: bool = False, tissue: bool = False,
        brain: Array | None = None,
    ) -> NetworkOutput:  # fmt: skip
        return examine(
            self._engine, self._options, images, adc_known=prepared.adc is not None,
            thickness=prepared.frame.spacing[2], flips=flips, tissue=tissue, brain=brain,
            margin=self._window or 0,
        )  # fmt: skip

    def _probability(self, found: NetworkOutput, prepared: Prepared) -> Array:
        """Probability of lesion in the frame, (x, y, z) float32; 0 outside the brain."""
        calibrated = self._calibration.probability(found.lesion, prepared.adc is not None)
        return np.asarray(calibrated.transpose(1, 2, 0) * prepared.brain, np.float32)

    def _unlike(self, prepared: Prepared, found: NetworkOutput, probability: Array) -> tuple[str, ...]:
        if self._typicality is None:
            return ()
        return self._typicality.reasons(prepared, _tissue(found), probability, found.features)

    def _uncertainty(self, prepared: Prepared, probability: Array) -> Volume:
        """Entropy of the mean over the examination as it is and changed ones, on the grid of the DWI."""
        looks = [probability]
        for images, undo in perturbed(images_of(prepared)):
            found = self._answer(prepared, images)
            looks.append(self._probability(replace(found, lesion=undo(found.lesion)), prepared))
        return prepared.frame.volume(entropy(np.mean(looks, axis=0)))

    def _semantic_map(
        self, dwi: Volume, adc: Volume | None, prepared: Prepared, found: NetworkOutput
    ) -> Volume:  # fmt: skip
        """Classes on the grid of the DWI, uint8; from a wider frame where the model asks for one."""
        if self._map_frame != self._frame:
            prepared = prepare(dwi, adc, self._map_frame)
            found = self._answer(prepared, images_of(prepared), tissue=True)
        tissue, frame = _tissue(found), prepared.frame
        assert tissue is not None
        left = prepared.plane.left(tissue.shape, frame.spacing)
        classes = np.where(left, np.array(CLASS_ON_LEFT)[tissue], np.array(CLASS_ON_RIGHT)[tissue])
        return dwi.with_array(frame.labels_back(classes.astype(np.uint8)), Storage("uint8"))


def _tissue(found: NetworkOutput) -> Array | None:
    """Tissue numbers (x, y, z)."""
    return None if found.tissue is None else found.tissue.transpose(1, 2, 0)


def entropy(probability: Array) -> Array:
    """Entropy of a yes-or-no probability in bits, 0 to 1, float32."""
    p = np.clip(probability.astype(np.float32), 1e-7, 1 - 1e-7)
    bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return np.asarray(np.where((probability <= 0) | (probability >= 1), 0, bits), np.float32)
