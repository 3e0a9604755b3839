"""What discriminators see of real and of fake: the same but for what a painter can change."""

from importlib import import_module

import numpy as np
import pytest

from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.translate.networks.frame import Frame
from StrokeSynthLib.translate.options import TranslatorOptions

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
torch.set_num_threads(1)

_NOISE = 0.05


def _stack(spacing, rng, adc_floor=0.0):
    """A uniform head, with the noise of its own grid, in a frame of 1.6 mm."""
    from StrokeSynthLib.translate.networks.dataset import Stack

    size = int(150 / spacing)
    head = np.zeros((size, size, 2), bool)
    head[size // 10 : -size // 10, size // 10 : -size // 10] = True
    frame = Frame.around(head, (spacing, spacing, 5.0), 1.6)
    channels = [rng.standard_normal(head.shape) for _ in range(2)]
    signal = np.hypot(head + _NOISE * channels[0], _NOISE * channels[1]).astype(np.float32)
    ones = np.ones_like(signal)
    images = [head * ones, 0.8 * ones, signal, 0.8 * ones, signal, ones, ones]
    labels = frame.forward(np.where(head, INDEX["left-white-matter"], 0).astype(np.uint8), order=0)
    stacked = np.stack([frame.forward(image.astype(np.float32)) for image in images])
    return Stack(
        labels, stacked.astype(np.float16), (_NOISE, _NOISE), 1000.0, 0, np.array([], int), adc_floor, frame
    )


def _grain(images):
    """Spread, and spread of differences between neighbors, in the middle of b0."""
    middle = images[:, 0, 35:60, 35:60]
    return middle.std().item(), (middle[..., 1:] - middle[..., :-1]).std().item()


@pytest.mark.parametrize("spacing", [0.9, 1.2, 1.6])
def test_noise_of_fakes_is_that_of_real_images_on_any_grid(spacing):
    from StrokeSynthLib.translate.networks.dataset import draw_batch
    from StrokeSynthLib.translate.networks.losses import as_scanned

    rng = np.random.default_rng(1)
    batch = draw_batch([_stack(spacing, rng) for _ in range(4)], 12, 1, rng)
    fake = as_scanned(torch.ones_like(batch.target), batch)
    real_grain, fake_grain = _grain(batch.target), _grain(fake)
    assert fake_grain == pytest.approx(real_grain, rel=0.1)
    assert batch.noise_left.mean().item() == pytest.approx(real_grain[0], rel=0.15)


def test_fakes_have_no_adc_below_the_floor_of_their_case():
    from StrokeSynthLib.translate.networks.dataset import draw_batch
    from StrokeSynthLib.translate.networks.losses import as_scanned

    rng = np.random.default_rng(1)
    batch = draw_batch([_stack(1.6, rng, adc_floor=0.4)], 2, 1, rng)
    painted = torch.cat([torch.full_like(batch.target[:, :1], level) for level in (0.2, 0.8, 0.1)], 1)
    assert not as_scanned(painted, batch)[:, 1].any()
    painted[:, 0] = 1.0
    assert as_scanned(painted, batch)[:, 1][batch.sketch[:, 0] > 0].min() > 0.5


@pytest.mark.parametrize("kind", ["pix2pix", "spade"])
def test_discriminators_learn_nothing_from_air(kind):
    from StrokeSynthLib.device import choose_device
    from StrokeSynthLib.translate.networks.dataset import draw_batch

    module = import_module(f"StrokeSynthLib.translate.{kind}.method")
    training = module.Pix2Pix if kind == "pix2pix" else module.Spade
    rng = np.random.default_rng(1)
    batch = draw_batch([_stack(1.6, rng)], 2, 1, rng)
    losses = []
    for adc_of_air in (0.0, 2.0):
        torch.manual_seed(0)
        method = training(TranslatorOptions(width=4, device="cpu"), choose_device("cpu"))
        batch.target[:, 1][batch.target[:, 0] < 0.05] = adc_of_air
        torch.manual_seed(1)
        losses.append(method.train_step(batch, 0.0)["discriminator"].item())
    assert losses[0] == losses[1]
