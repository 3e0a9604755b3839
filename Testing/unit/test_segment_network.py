"""The network that predicts is MONAI's, layer for layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from StrokeSynthLib.device import choose_device
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.segment.inference import probability_of
from StrokeSynthLib.segment.inputs import Slabs, assemble
from StrokeSynthLib.segment.network import build_network, load_weights, weights_of
from StrokeSynthLib.segment.options import NetworkOptions, TrainingOptions
from StrokeSynthLib.segment.unet import UNet

OPTIONS = [
    NetworkOptions(2, (4, 8, 12)),
    NetworkOptions(2, (4, 6, 8, 10), norm="instance"),
    NetworkOptions(3, (4, 6, 8), depth=8),
    NetworkOptions(3, (4, 6, 8), norm="instance", depth=8),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_predicting_twin_agrees_with_monai(options):
    network = build_network(options, seed=1)
    generator = torch.Generator().manual_seed(0)
    size = (8, 16, 24)[-options.dimensions :]
    inputs = torch.randn(3, options.inputs, *size, generator=generator)
    network.train()
    network(inputs)  # moves the running statistics away from their start
    twin = UNet(options)
    twin.load_state_dict(weights_of(network))
    with torch.inference_mode():
        expected, found = network.eval()(inputs), twin.eval()(inputs)
        fused = twin.fused()(inputs)
    assert expected.abs().mean() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fused, expected, atol=1e-5, rtol=1e-5)


def test_same_seed_gives_the_same_weights():
    a, b, c = (weights_of(build_network(OPTIONS[0], seed)) for seed in (3, 3, 4))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_weights_of_another_network_are_refused():
    with pytest.raises(RuntimeError):
        load_weights(build_network(OPTIONS[0]), weights_of(build_network(OPTIONS[1])))


@pytest.mark.parametrize("options", OPTIONS[:3:2], ids=str)
def test_channels_match_what_the_network_expects(options):
    slabs = Slabs(torch.rand(2, 4, options.depth, 16, 24), torch.ones(2), torch.zeros(2, options.depth),
                  torch.full((2,), 4.0))  # fmt: skip
    inputs = assemble(slabs, options)
    assert inputs.shape[1] == options.inputs
    assert inputs.shape[-2:] == (16, 24)


def test_neighbors_are_channels_and_the_middle_slice_is_the_one_asked_for():
    options = NetworkOptions(2, (4, 8, 12))
    images = torch.arange(3.0)[None, None, :, None, None].expand(1, 4, 3, 16, 16)
    slabs = Slabs(images, torch.ones(1), torch.tensor([[-1.0, 0.25, 1.0]]), torch.full((1,), 4.0))
    inputs = assemble(slabs, options)[0, :, 0, 0]
    assert inputs[:3].tolist() == [0.0, 1.0, 2.0]
    assert inputs[6] == 1.0  # the other hemisphere, of the middle slice
    assert inputs[-2] == 0.25


@pytest.mark.parametrize("options", OPTIONS[:3:2], ids=str)
@pytest.mark.parametrize("shape", [(1, 17, 23), (13, 40, 31)])
def test_any_size_is_predicted_and_comes_back(options, shape):
    network = UNet(options).eval()
    images = np.random.default_rng(0).random((4, *shape)).astype(np.float16)
    found = probability_of(
        network, options, images, adc_known=True, thickness=5.0, device=choose_device("cpu")
    )
    assert found.shape == shape
    assert found.min() >= 0
    assert found.max() <= 1


def test_flip_averaging_makes_the_prediction_symmetric():
    options = NetworkOptions(2, (4, 8, 12))
    network = UNet(options).eval()
    images = np.random.default_rng(1).random((4, 5, 16, 16)).astype(np.float16)
    find = lambda stack: probability_of(  # noqa: E731
        network, options, stack, adc_known=False, thickness=2.0, device=choose_device("cpu")
    )
    np.testing.assert_allclose(find(images[:, :, ::-1].copy()), find(images)[:, ::-1], atol=1e-5)


def test_numpy_and_torch_assemble_the_same_inputs():
    rng = np.random.default_rng(0)
    for options in OPTIONS[::2]:
        arrays = [
            rng.random(s).astype(np.float32) for s in ((2, 4, options.depth, 8, 8), 2, (2, options.depth), 2)
        ]
        of_arrays = assemble(Slabs(*arrays), options)
        of_tensors = assemble(Slabs(*map(torch.from_numpy, arrays)), options)
        assert isinstance(of_arrays, np.ndarray)
        np.testing.assert_allclose(of_arrays, of_tensors.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"dimensions": 4}, {"channels": (8, 16)}, {"norm": "none"}, {"depth": 4}, {"depth": 0}]
)
def test_unusable_networks_are_refused(wrong):
    with pytest.raises(BadInputError):
        NetworkOptions(**wrong)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"minutes": -1.0}, {"synthetic_share": 1.5}, {"batch": 0}])
def test_unusable_training_options_are_refused(wrong):
    with pytest.raises(BadInputError):
        TrainingOptions(**wrong)
