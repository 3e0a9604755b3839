"""The network computed by PyTorch: on a graphics card, in training, and where nothing else can."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..device import Device
from ..errors import BadInputError
from ..modelfolder import ModelFolder
from .engines import Inputs, NetworkOutput
from .options import NetworkOptions
from .unet import UNet

Array = npt.NDArray[Any]

#: Slices computed together: enough to keep a core busy, little enough to stay in its cache; more on a
#: graphics card.
_TOGETHER = {"cpu": 8, "cuda": 64}


class TorchEngine:
    """A network in evaluation mode.

    Parameters
    ----------
    network
        On ``device``.
    """

    def __init__(self, network: UNet, options: NetworkOptions, device: Device) -> None:
        self._network, self._options, self._device = network, options, device
        self.reason = device.reason

    @classmethod
    def open(cls, model: ModelFolder, options: NetworkOptions, device: Device) -> TorchEngine:
        """From the weights of a model folder.

        Raises
        ------
        BadInputError
            When they are of another network.
        """
        network = UNet(options)
        try:
            network.load_state_dict({n: torch.from_numpy(v.copy()) for n, v in model.arrays().items()})
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise BadInputError(
                f"{model.path}: its files do not fit together ({reason}); copy it again."
            ) from error
        network.fused().to(device.name)
        if options.dimensions == 2:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(network, options, device)

    def run(self, count: int, inputs: Inputs, *, tissue: bool = False) -> NetworkOutput:
        """See :class:`.engines.Engine`. A three-dimensional network sees all slices at once."""
        flat = self._options.dimensions == 2
        together = _TOGETHER.get(self._device.name, 8) if flat else count
        answers = [
            self._answer(inputs(range(k, min(k + together, count)))) for k in range(0, count, together)
        ]
        lesion, named, features = (
            None if parts[0] is None else np.concatenate(parts) for parts in zip(*answers, strict=True)
        )
        return NetworkOutput(lesion, named if tissue else None, features)  # type: ignore[arg-type]

    def _answer(self, inputs: Array) -> tuple[Array, Array | None, Array]:
        tensor = torch.from_numpy(inputs).to(self._device.name)
        if tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), self._device.autocast():
            lesion, tissue, features = self._network.answer(tensor)
        if tensor.ndim == 5:  # one slab: its slices take the place of the batch
            lesion, tissue = lesion[0], None if tissue is None else tissue[0]
        return (
            lesion.float().cpu().numpy(),
            None if tissue is None else tissue.cpu().numpy(),
            features.float().cpu().numpy(),
        )
