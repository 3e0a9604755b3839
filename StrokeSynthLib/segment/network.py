"""The U-Net as it trains: MONAI's DynUNet, built from the same options as its predicting twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .options import NetworkOptions

#: DynUNet holds every block a second time under this name, for TorchScript's sake.
_DOUBLED = "skip_layers."
#: How often batch norm was updated; without meaning at a fixed momentum.
_COUNTER = "num_batches_tracked"


def build_network(options: NetworkOptions, seed: int = 0) -> nn.Module:
    """A network with fresh weights; the same for the same seed."""
    from monai.networks.nets import DynUNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = DynUNet(**options.dynunet())
    # Lesions are rare: starting from a low probability spares the first hundreds of steps.
    output = dict(network.named_parameters())["output_block.conv.conv.bias"]
    with torch.no_grad():
        output[0] = -3.0
    return network


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and running statistics under the names that :class:`.unet.UNet` has too."""
    return {
        name: value
        for name, value in network.state_dict().items()
        if not name.startswith(_DOUBLED) and not name.endswith(_COUNTER)
    }


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights from :func:`weights_of` into a training network.

    Raises
    ------
    RuntimeError
        When names or shapes do not fit the network.
    """
    own = weights_of(network)
    if own.keys() != weights.keys() or any(own[n].shape != weights[n].shape for n in own):
        raise RuntimeError("the weights are of another network")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(weights[name])


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for convolutions, none for norms and biases."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
