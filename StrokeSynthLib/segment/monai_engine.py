"""The network computed by MONAI itself: its DynUNet, called by one of its inferers.

For MONAI bundles (:mod:`..pipeline.monai_bundle`), whose configuration names network and inferer; everything
else of a segmentation is as with the other engines.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import BadInputError
from ..modelfolder import open_model
from .engines import Inputs, NetworkOutput
from .network import load_weights
from .options import NetworkOptions

#: Slices computed together.
_TOGETHER = 8


def with_weights(network: nn.Module, model: str | Path) -> nn.Module:
    """The network with the weights of a model folder, ready to predict.

    Raises
    ------
    BadInputError
        When the folder's weights are of another network.
    """
    folder = open_model(model, "unet")
    try:
        load_weights(network, {name: torch.from_numpy(v.copy()) for name, v in folder.arrays().items()})
    except RuntimeError as error:
        raise BadInputError(
            f"{model}: its weights do not fit network_def ({error}); export the bundle again."
        ) from error
    return network.eval()


class MonaiEngine:
    """An engine (:class:`.engines.Engine`) made of a DynUNet and an inferer.

    Parameters
    ----------
    network
        On ``device``, in evaluation mode.
    inferer
        Called as ``inferer(inputs, network)``: :class:`monai.inferers.SimpleInferer` or another.
    options
        What the network was built from.
    """

    def __init__(
        self, network: nn.Module, inferer: Callable[[Tensor, nn.Module], Tensor],
        options: NetworkOptions, device: torch.device | str,
    ) -> None:  # fmt: skip
        self._network, self._inferer, self._options = network, inferer, options
        self._device = torch.device(device)
        self.reason = f"{self._device.type.upper()}: MONAI's DynUNet."

    def run(self, count: int, inputs: Inputs, *, tissue: bool = False) -> NetworkOutput:
        """See :class:`.engines.Engine`. A three-dimensional network sees all slices at once."""
        together = _TOGETHER if self._options.dimensions == 2 else count
        parts = [self._answer(inputs(range(k, min(k + together, count)))) for k in range(0, count, together)]
        logits, features = (np.concatenate(found) for found in zip(*parts, strict=True))
        named = logits[:, 1:].argmax(axis=1).astype(np.uint8) if tissue and self._options.tissues else None
        return NetworkOutput(np.ascontiguousarray(logits[:, 0]), named, features)

    def _answer(self, inputs: Any) -> tuple[Any, Any]:
        """Logits (slices, outputs, x, y) and the mean of the coarsest features (slices, c)."""
        coarsest: list[Tensor] = []
        bottleneck = self._network.get_submodule("bottleneck")
        hook = bottleneck.register_forward_hook(lambda _module, _inputs, output: coarsest.append(output))
        try:
            with torch.inference_mode():
                logits = self._inferer(torch.from_numpy(inputs).to(self._device), self._network)
        finally:
            hook.remove()
        if logits.ndim == 5:  # one slab: its slices take the place of the batch
            logits = logits[0].transpose(0, 1)
        features = torch.cat([found.flatten(2).mean(dim=2) for found in coarsest])
        return logits.float().cpu().numpy(), features.float().cpu().numpy()
