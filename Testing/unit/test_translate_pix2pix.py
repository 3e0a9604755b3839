"""pix2pix: its discriminator tells fakes from real ones, its training can be repeated and resumed."""

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError, CancelledError
from StrokeSynthLib.schema import CLASS_COUNT, INDEX, LESION
from StrokeSynthLib.translate.networks.frame import Frame
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.translate.translator import Background
from StrokeSynthLib.volume import Storage, Volume
from Testing.unit import translate_phantom as phantom

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def losses():
    from StrokeSynthLib.translate.networks import losses

    return losses


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return phantom.write_cohort(tmp_path_factory.mktemp("cohort"), 3)


def _options(**changes):
    return TranslatorOptions(**{"steps": 12, "width": 4, "batch": 2, "device": "cpu", **changes})


@pytest.fixture(scope="module")
def model(cohort, tmp_path_factory):
    return train_translator("pix2pix", cohort, tmp_path_factory.mktemp("models") / "2d", _options())


def test_discriminator_targets_are_one_for_real_and_zero_for_fake(losses):
    def judge(images):
        return [images]

    real, fake = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    right = losses.discriminator_loss(judge, losses.adversarial_loss(), real, fake)
    wrong = losses.discriminator_loss(judge, losses.adversarial_loss(), fake, real)
    assert right == pytest.approx(0.0)
    assert wrong == pytest.approx(1.0)


def test_generator_is_rewarded_when_its_fake_is_taken_for_real(losses):
    def judge(images):
        return [images]

    believed = losses.fooling_loss(judge, losses.adversarial_loss(), torch.ones(1, 1, 2, 2))
    doubted = losses.fooling_loss(judge, losses.adversarial_loss(), torch.zeros(1, 1, 2, 2))
    assert believed == pytest.approx(0.0)
    assert doubted == pytest.approx(1.0)


def test_discriminator_learns_to_separate_real_from_fake(losses):
    torch.manual_seed(0)
    judge = losses.patch_discriminator(2, 4, CLASS_COUNT + 3)
    optimizer = torch.optim.Adam(judge.parameters(), 2e-3, (0.5, 0.999))
    adversarial = losses.adversarial_loss()
    values = []
    for _ in range(25):
        onehot = torch.zeros(4, CLASS_COUNT, 32, 32)
        real = torch.cat([torch.rand(4, 3, 32, 32), onehot], 1)
        fake = torch.cat([torch.nn.functional.avg_pool2d(torch.rand(4, 3, 32, 32), 3, 1, 1), onehot], 1)
        loss = losses.discriminator_loss(judge, adversarial, real, fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.5 * values[0]
    assert judge(real)[-1].mean() > judge(fake)[-1].mean() + 0.3


def test_discriminator_loss_sends_no_gradient_to_the_generator(losses):
    fake = torch.rand(1, 3 + CLASS_COUNT, 32, 32, requires_grad=True)
    judge = losses.patch_discriminator(2, 4, CLASS_COUNT + 3)
    losses.discriminator_loss(judge, losses.adversarial_loss(), torch.rand_like(fake), fake).backward()
    assert fake.grad is None


def test_instance_noise_is_annealed_step_by_step(losses):
    values = [losses.instance_noise(used) for used in (0.0, 0.25, 0.5, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.0
    assert values[-1] == 0.0


def _batch():
    from StrokeSynthLib.translate.networks.dataset import Batch

    onehot = torch.zeros(1, CLASS_COUNT, 32, 32)
    onehot[:, 1, :, :16], onehot[:, LESION, :, 16:] = 1.0, 1.0
    sketch = torch.ones(1, 2, 32, 32)
    target = torch.ones(1, 3, 32, 32)
    return Batch(
        onehot, sketch, target, torch.ones(1, 2, 32, 32),
        torch.tensor([[0.03, 0.03]]), torch.tensor([1000.0]),
        torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([0.0]),
    )  # fmt: skip


def test_error_in_the_lesion_weighs_more(losses):
    batch = _batch()
    in_lesion, in_tissue = batch.target.clone(), batch.target.clone()
    in_lesion[..., 16:] *= 0.5
    in_tissue[..., :16] *= 0.5
    assert losses.image_loss(in_lesion, batch) > 3 * losses.image_loss(in_tissue, batch)
    assert losses.image_loss(batch.target, batch) == 0.0


def test_dwi_follows_from_painted_b0_and_adc(losses):
    painted = torch.tensor([2.0, 0.8]).reshape(1, 2, 1, 1)
    images = losses.with_dwi(painted, torch.tensor([1000.0]))
    assert images[0, 2, 0, 0] == pytest.approx(2.0 * np.exp(-0.8), rel=1e-6)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_generator_keeps_the_grid_and_leaves_the_empty_empty(dimensions):
    from StrokeSynthLib.translate.pix2pix.generator import Generator, GeneratorOptions

    shape = (32, 48, 8)[:dimensions]
    onehot, sketch = torch.zeros(1, CLASS_COUNT, *shape), torch.ones(1, 2, *shape)
    sketch[:, :, :4] = 0.0
    painted = Generator(GeneratorOptions(dimensions=dimensions, width=4))(onehot, sketch)
    assert painted.shape == sketch.shape
    assert not painted[:, :, :4].any()
    assert (painted[:, 0, 4:] > 0).all()


def test_flip_exchanges_left_and_right_classes():
    from StrokeSynthLib.translate.networks import dataset

    labels = np.zeros((16, 16, 1), np.uint8)
    labels[2:6] = INDEX["left-thalamus"]
    stack = dataset.Stack(labels, np.ones((7, 16, 16, 1), np.float16), (0.0, 0.0), 1000.0, 0, np.array([]))
    seen = set()
    for seed in range(20):
        batch = dataset.draw_batch([stack], 1, 1, np.random.default_rng(seed))
        classes = batch.onehot.argmax(1)[0].numpy()
        low, high = classes[:8], classes[8:]
        for side, half in (("left", low), ("right", high)):
            if (half == INDEX[f"{side}-thalamus"]).any():
                seen.add(side)
        assert not (high == INDEX["left-thalamus"]).any()
    assert seen == {"left", "right"}


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 5.0), (1.0, 1.0, 6.0), (5.0, 2.0, 2.0)])
def test_frame_goes_back_to_the_very_grid(spacing):
    x = np.linspace(-2, 2, 60)
    array = np.exp(-(x[:, None, None] ** 2 + x[None, :50, None] ** 2 + x[None, None, :20] ** 2)).astype(
        np.float32
    )
    frame = Frame.around(array > 0.02, spacing, 2.0, multiple=(16, 16))
    moved = frame.forward(array)
    assert moved.shape[0] % 16 == 0
    assert moved.shape[1] % 16 == 0
    back = frame.back(moved)
    inside = array > 0.1
    assert back.shape == array.shape
    np.testing.assert_allclose(back[inside], array[inside], atol=0.02)


def test_slices_are_the_frames_last_axis():
    frame = Frame.around(np.ones((10, 40, 40), bool), (6.0, 2.0, 2.0), 2.0)
    assert frame.order[2] == 0
    assert frame.shape[2] == 10


def test_same_seed_trains_the_same_model(cohort, model, tmp_path):
    assert train_translator("pix2pix", cohort, tmp_path / "again", _options()).hash == model.hash
    other = train_translator("pix2pix", cohort, tmp_path / "other", _options(seed=1, steps=1))
    assert other.hash != model.hash


def test_interrupted_training_resumes_to_the_same_model(cohort, model, tmp_path):
    def stop(event):
        if event.stage.startswith("Training") and event.done == 10:
            raise CancelledError("stopped by the user")

    with pytest.raises(CancelledError):
        train_translator("pix2pix", cohort, tmp_path / "m", _options(), stop)
    assert (tmp_path / "m.resume").is_dir()
    resumed = train_translator("pix2pix", cohort, tmp_path / "m", _options(resume=True))
    assert resumed.hash == model.hash
    assert not (tmp_path / "m.resume").exists()


def test_resume_with_other_options_is_refused(cohort, tmp_path):
    def stop(event):
        if event.stage.startswith("Training"):
            raise CancelledError("stopped by the user")

    with pytest.raises(CancelledError):
        train_translator("pix2pix", cohort, tmp_path / "m", _options(), stop)
    with pytest.raises(BadInputError, match="other cases or options"):
        train_translator("pix2pix", cohort, tmp_path / "m", _options(seed=7, resume=True))


def test_trained_model_paints_a_map_repeatably(model):
    translator = open_translator(model.path, "cpu")
    first = translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=1)
    again = translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=1)
    other = translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=2)
    np.testing.assert_array_equal(first.dwi.array, again.dwi.array)
    assert not np.array_equal(first.dwi.array, other.dwi.array)
    lesion, white = phantom.lesion_mask() > 0, phantom.labels() == INDEX["left-white-matter"]
    assert np.median(first.dwi.array[lesion]) > np.median(first.dwi.array[white & ~lesion])
    assert not first.dwi.array[phantom.labels() == 0].any()
    assert first.record["Translator"] == "pix2pix"
    assert first.record["ModelHash"] == model.hash


def test_background_stays_bit_identical_outside_the_lesion(model):
    content = phantom.signals(5, lesion=False)
    dwi, adc = (
        Volume(content[n].astype(np.float64), phantom.AFFINE, Storage("float64")) for n in ("dwi", "adc")
    )
    images = open_translator(model.path, "cpu").translate(
        phantom.map_volume(), phantom.lesion_volume(), seed=1, background=Background(dwi, adc)
    )
    changed = images.dwi.array != dwi.array
    lesion = phantom.lesion_mask() > 0
    assert changed[lesion].mean() > 0.95
    from scipy.ndimage import binary_dilation

    assert not changed[~binary_dilation(lesion, iterations=3)].any()


def test_three_dimensional_model_trains_and_paints(cohort, tmp_path):
    model = train_translator("pix2pix", cohort, tmp_path / "3d", _options(dimensions=3, steps=2, batch=1))
    images = open_translator(model.path, "cpu").translate(phantom.map_volume(), phantom.lesion_volume())
    assert images.dwi.array.shape == phantom.SHAPE
    assert np.isfinite(images.dwi.array).all()


def test_minutes_limit_the_training(cohort, tmp_path):
    model = train_translator("pix2pix", cohort, tmp_path / "m", _options(steps=100_000, minutes=0.01))
    assert 0 < model.training["steps"] < 1000


def test_damaged_weights_are_named(model, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(model.path, broken)
    (broken / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadInputError, match="weights"):
        open_translator(broken, "cpu")


@pytest.mark.parametrize("changes", [{"dimensions": 4}, {"steps": 0}, {"width": -1}])
def test_impossible_options_are_refused(changes):
    with pytest.raises(BadInputError):
        TranslatorOptions(**changes)
