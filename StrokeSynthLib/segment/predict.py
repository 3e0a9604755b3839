"""Segmentation by a trained U-Net. Does not import MONAI."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..device import Device, choose_device
from ..errors import BadInputError
from ..modelfolder import ModelFolder, open_model
from ..volume import Volume
from .decision import Decision
from .inference import probability_of
from .inputs import images_of
from .options import NetworkOptions
from .preprocess import FrameOptions, prepare
from .segmenter import Prediction
from .unet import UNet

Array = npt.NDArray[Any]
KIND = "unet"


class UNetSegmenter:
    """Finds lesions with a trained network.

    The examination is brought to the canonical frame, every slice predicted there together with
    its left-right flip, and the mean probability brought back to the grid of the DWI.

    Parameters
    ----------
    model
        Folder that :func:`.training.train_segmenter` wrote.
    device
        Where it computes.
    """

    kind = KIND

    def __init__(self, model: ModelFolder, device: Device) -> None:
        try:
            self._options = NetworkOptions.from_config(model.config["network"])
            self._frame = FrameOptions(**model.config["frame"])
            self._decision = Decision(**model.config["decision"])
            self._network = UNet(self._options)
            self._network.load_state_dict(
                {name: torch.from_numpy(value.copy()) for name, value in model.arrays().items()}
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise BadInputError(
                f"{model.path}: its files do not fit together ({reason}); copy it again."
            ) from error
        self.model_hash = model.hash
        self._device = device
        self._network.fused().to(device.name)
        if self._options.dimensions == 2:
            self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def open(cls, name_or_path: str, device: str = "auto") -> UNetSegmenter:
        """From a model folder or the name of a shipped model."""
        return cls(open_model(name_or_path, KIND), choose_device(device))

    def predict(self, dwi: Volume, adc: Volume | None = None) -> Prediction:
        """Segment one examination in any orientation; ``adc`` (10^-3 mm^2/s) on the DWI's grid.

        The uncertainty is the entropy of the probability in bits: 0 sure, 1 undecided.
        """
        prepared = prepare(dwi, adc, self._frame)
        found = probability_of(
            self._network, self._options, images_of(prepared), adc_known=adc is not None,
            thickness=prepared.frame.spacing[2], device=self._device,
        ).transpose(1, 2, 0)  # fmt: skip
        probability = prepared.frame.volume(np.clip(found * prepared.brain, 0, 1))
        mask = self._decision.apply(probability.array, probability.grid.voxel_ml)
        uncertainty = probability.with_array(entropy(probability.array))
        return Prediction(probability.with_array(mask), probability, uncertainty)


def entropy(probability: Array) -> Array:
    """Entropy of a yes-or-no probability in bits, 0 to 1, float32."""
    p = np.clip(probability.astype(np.float32), 1e-7, 1 - 1e-7)
    bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return np.asarray(np.where((probability <= 0) | (probability >= 1), 0, bits), np.float32)
