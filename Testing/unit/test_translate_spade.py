"""SPADE: the map modulates every resolution, spectral norm holds, losses point the right way."""

import pytest

from StrokeSynthLib.schema import CLASS_COUNT, LESION
from StrokeSynthLib.translate.options import TranslatorOptions

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
torch.set_num_threads(1)


@pytest.fixture
def generator():
    from StrokeSynthLib.translate.spade.generator import SpadeGenerator, SpadeOptions

    torch.manual_seed(0)
    network = SpadeGenerator(SpadeOptions(width=4)).eval()
    torch.nn.init.normal_(network.paint.weight, 0.0, 0.2)
    return network


@pytest.fixture
def method():
    from StrokeSynthLib.device import choose_device
    from StrokeSynthLib.translate.spade.method import Spade

    torch.manual_seed(0)
    return Spade(TranslatorOptions(width=6), choose_device("cpu"))


def _inputs():
    onehot = torch.zeros(1, CLASS_COUNT, 64, 64)
    onehot[:, 1] = 1.0
    return onehot, torch.ones(1, 2, 64, 64), torch.randn(1, 64, generator=torch.Generator().manual_seed(1))


def test_there_is_a_modulation_at_full_resolution(generator):
    from StrokeSynthLib.translate.spade.generator import Modulation

    sizes = []
    hooks = [
        module.register_forward_hook(lambda m, i, output: sizes.append(output.shape[-1]))
        for module in generator.modules()
        if isinstance(module, Modulation)
    ]
    generator(*_inputs())
    for hook in hooks:
        hook.remove()
    assert sorted(set(sizes)) == [4, 8, 16, 32, 64]


def test_the_edge_of_a_lesion_is_as_sharp_as_its_mask(generator):
    onehot, sketch, latent = _inputs()
    with torch.no_grad():
        well = generator(onehot, sketch, latent)
        onehot[:, 1, :, 32:], onehot[:, LESION, :, 32:] = 0.0, 1.0
        ill = generator(onehot, sketch, latent)
    change = (ill - well)[0].abs().mean((0, 1))
    steps = (change[1:] - change[:-1]).abs()
    # Away from the image's border the largest step lies at the edge of the mask: voxels 31 to 32.
    assert 30 <= 8 + int(steps[8:-8].argmax()) <= 32


def test_latent_vector_changes_the_image(generator):
    onehot, sketch, latent = _inputs()
    with torch.no_grad():
        first, second = generator(onehot, sketch, latent), generator(onehot, sketch, -latent)
    assert (first - second).abs().max() > 1e-3


def test_all_slices_share_one_latent_vector(generator):
    vectors = generator.randomness(7, [3, 9], (64, 64))
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], generator.randomness(8, [3], (64, 64))[0])


def test_spectral_norm_holds_and_is_worked_into_the_weights(method):
    discriminator = method.discriminator
    discriminator.train()
    images = torch.rand(1, CLASS_COUNT + 3, 64, 64)
    for _ in range(30):  # the power iteration needs some
        discriminator(images)
    for module in discriminator.modules():
        if isinstance(module, torch.nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2) < 1.1
    inputs = _inputs()
    method.average.eval()
    with torch.no_grad():
        before = method.average(*inputs)
        kept = method.finished()
        after = kept(*inputs)
    torch.testing.assert_close(after, before)
    assert not any("parametrizations" in name for name in kept.state_dict())


def test_discriminator_sees_two_scales(method):
    outputs, features = method.discriminator(torch.rand(1, CLASS_COUNT + 3, 64, 64))
    assert len(outputs) == len(features) == 2
    assert outputs[0].shape[-1] > outputs[1].shape[-1]


def test_hinge_rewards_the_right_side():
    from StrokeSynthLib.translate.spade.method import fooling_loss, hinge_loss

    high, low = [torch.full((1, 1, 4, 4), 2.0)], [torch.full((1, 1, 4, 4), -2.0)]
    assert hinge_loss(high, low) == 0.0
    assert hinge_loss(low, high) == 3.0
    assert fooling_loss(high) < fooling_loss(low)


def test_feature_matching_compares_layer_by_layer():
    from StrokeSynthLib.translate.spade.method import feature_matching

    real = [[torch.ones(1, 2, 4, 4, requires_grad=True)], [torch.zeros(1, 2, 2, 2)]]
    fake = [[torch.zeros(1, 2, 4, 4, requires_grad=True)], [torch.zeros(1, 2, 2, 2)]]
    loss = feature_matching(real, fake)
    assert float(loss.detach()) == pytest.approx(0.5)
    loss.backward()
    assert real[0][0].grad is None
    assert fake[0][0].grad is not None
    assert feature_matching(real, real) == 0.0
