"""cyclegan: both cycles, both identities, a real pool; what all networks share is tested with them."""

from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.errors import BadInputError, CancelledError
from StrokeSynthLib.pipeline.training import TrainingRequest, train_translator_on
from StrokeSynthLib.schema import CLASS_COUNT, INDEX, LESION
from StrokeSynthLib.translate.examples import load_examples
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.volume import Storage, Volume, write_volume
from Testing.unit import translate_phantom as phantom

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
torch.set_num_threads(1)


def _options(**changes):
    return TranslatorOptions(**{"steps": 12, "width": 4, "batch": 2, "device": "cpu", **changes})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return phantom.write_cohort(tmp_path_factory.mktemp("cohort"), 3)


@pytest.fixture(scope="module")
def unlabeled(tmp_path_factory):
    """Examinations in another unit, without map and mask."""
    folder = tmp_path_factory.mktemp("unlabeled")
    cases = [phantom.write_case(folder / f"u{k}", 20 + k, parts=("b0", "adc")) for k in range(2)]
    for case in cases:
        for path in (case.dwi, case.b0):
            signal = phantom.signals(20, lesion=False)["dwi" if path == case.dwi else "b0"] * 13.0
            write_volume(path, Volume(signal.astype(np.float32), phantom.AFFINE, Storage("float32")))
    return cases


@pytest.fixture(scope="module")
def stacks(cohort, unlabeled):
    return _stacks(cohort, unlabeled)


def _stacks(cohort, unlabeled):
    from StrokeSynthLib.translate.cyclegan.method import CycleGAN
    from StrokeSynthLib.translate.networks.dataset import Material, frame_spacing
    from StrokeSynthLib.translate.networks.translator import fit_all
    from StrokeSynthLib.translate.physics.model import SignalModel

    examples = load_examples(cohort, None, lambda event: None)
    fits = fit_all(examples, lambda event: None)
    model = SignalModel.from_fits([fit for fit, _ in fits])
    material = Material(examples, fits, model, frame_spacing(examples), (4, 4))
    return CycleGAN.stacks(material, _options(unlabeled=tuple(unlabeled)), lambda event: None)


@pytest.fixture
def method():
    return _method()


def _method(**changes):
    from StrokeSynthLib.device import choose_device
    from StrokeSynthLib.translate.cyclegan.method import CycleGAN

    torch.manual_seed(0)
    return CycleGAN(_options(**changes), choose_device("cpu"))


def _draw(stacks, seed=0, size=2):
    from StrokeSynthLib.translate.cyclegan.dataset import draw_unpaired

    return draw_unpaired(stacks, size, 1, np.random.default_rng(seed))


# The two sides


def test_sketches_and_images_of_a_step_are_drawn_independently(stacks):
    from StrokeSynthLib.translate.cyclegan.dataset import ImageStack, SketchStack

    sketches = [stack for stack in stacks if isinstance(stack, SketchStack)]
    images = [stack for stack in stacks if isinstance(stack, ImageStack)]
    assert len(sketches) == 6
    assert len(images) == 5
    assert all(not stack.labels.any() for stack in images)
    assert all((stack.labels == LESION).any() for stack in sketches)
    batch = _draw(stacks)
    assert batch.maps.target.numel() == 0
    # No slice of images stands where its map's does: the two are turned, mirrored and chosen apart.
    maps = batch.maps.sketch[:, 0].numpy() > 0.5
    assert not np.array_equal(maps, batch.images[:, 0].numpy() > 0.5)


def test_sketches_of_one_map_are_drawn_anew(stacks):
    first, second = stacks[0], stacks[1]
    np.testing.assert_array_equal(first.labels, second.labels)
    assert np.abs(first.images[0].astype(float) - second.images[0]).mean() > 0.01


def test_unlabeled_images_come_to_the_scale_of_the_others(stacks):
    labeled, unlabeled = stacks[6].images, stacks[9].images
    medians = [np.median(images[0][images[0] > 0].astype(float)) for images in (labeled, unlabeled)]
    assert medians[1] == pytest.approx(medians[0], rel=0.15)
    assert unlabeled.shape[1:3] == labeled.shape[1:3]


def test_examination_with_dwi_alone_is_refused_as_unlabeled(cohort, tmp_path):
    alone = phantom.write_case(tmp_path / "alone", 1, parts=())
    with pytest.raises(BadInputError, match="neither ADC nor b0"):
        _stacks(cohort[:1], [alone])


def test_examination_without_tissue_is_refused_as_unlabeled():
    from StrokeSynthLib.translate.cyclegan.unlabeled import unlabeled_of

    volume = phantom.map_volume()
    dwi, water = (replace(volume, array=np.full(phantom.SHAPE, v, np.float32)) for v in (10.0, 3.0))
    with pytest.raises(BadInputError, match="nothing with the ADC of brain tissue"):
        unlabeled_of(Case("water", "w", dwi, water), 1.0)


# The pool


def test_pool_fills_then_gives_earlier_fakes_back_about_half_of_the_time():
    from StrokeSynthLib.translate.cyclegan.pool import ImagePool

    torch.manual_seed(1)
    pool = ImagePool(10)
    for number in range(10):
        fake = torch.full((1, 1, 2, 2), float(number))
        assert torch.equal(pool.exchanged(fake), fake)
    given = [float(pool.exchanged(torch.full((1, 1, 2, 2), 100.0 + k)).max()) for k in range(200)]
    earlier = [value for k, value in enumerate(given) if value != 100.0 + k]
    assert 70 < len(earlier) < 130
    assert len(set(given)) == len(given)  # each fake leaves the pool once
    assert len(pool.kept) == 10


def test_pool_keeps_no_gradient_and_survives_saving():
    from StrokeSynthLib.translate.cyclegan.pool import ImagePool

    pool = ImagePool(3)
    pool.exchanged(torch.ones(2, 1, 2, 2, requires_grad=True) * 2)
    assert not pool.kept[0].requires_grad
    other = ImagePool(3)
    other.load("a", {**pool.tensors("a"), **ImagePool(3).tensors("b")})
    assert len(other.kept) == 2
    assert torch.equal(other.kept[1], pool.kept[1])


def test_pools_last_over_the_steps_of_a_training(method, stacks):
    for step in range(3):
        torch.manual_seed(step)
        method.step(_draw(stacks, step), step / 10)
    assert len(method.images.kept) == 6
    assert len(method.maps.kept) == 6
    assert {name.split(".")[0] for name in method.extra()} == {"images", "maps"}


# The losses


def test_judges_aim_at_one_for_real_and_zero_for_fake(method):
    from StrokeSynthLib.translate.networks.losses import discriminator_loss

    def judge(images):
        return [images]

    real, fake = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    assert discriminator_loss(judge, method.adversarial, real, fake) == pytest.approx(0.0)
    assert discriminator_loss(judge, method.adversarial, fake, real) == pytest.approx(1.0)


def test_generators_learn_with_the_judges_at_rest_and_the_judges_from_their_own_loss(method, stacks):
    batch = _draw(stacks)
    before = {name: [p.clone() for p in net.parameters()] for name, net in method.networks().items()}
    painter = [p.clone() for p in method.painter.parameters()]
    method.step(batch, 0.0)
    for name, net in method.networks().items():
        assert any(not torch.equal(a, b) for a, b in zip(before[name], net.parameters(), strict=True)), name
    assert any(not torch.equal(a, b) for a, b in zip(painter, method.painter.parameters(), strict=True))
    method._judges_learn(False)
    kept = [p.grad.clone() for p in method.image_judge.parameters()]
    losses = method._from_maps(batch.maps, 0.0)[1]
    losses["fooling with images"].backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.painter.parameters())
    assert all(torch.equal(a, p.grad) for a, p in zip(kept, method.image_judge.parameters(), strict=True))


def test_cycles_reach_both_networks(method, stacks):
    batch = _draw(stacks)
    for losses, name in (
        (method._from_maps(batch.maps, 0.0)[1], "cycle of maps"),
        (method._from_images(batch, 0.0)[1], "cycle of images"),
    ):
        for network in (method.painter, method.reader):
            network.zero_grad(set_to_none=True)
        losses[name].backward()
        for network in (method.painter, method.reader):
            assert sum(float(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None) > 0, (
                name
            )


def test_untrained_networks_are_the_identity_so_identities_cost_next_to_nothing(method, stacks):
    batch = _draw(stacks)
    forth, back = method._from_maps(batch.maps, 0.0)[1], method._from_images(batch, 0.0)[1]
    # 5 x L1 of images whose channels are about 0.5: 4 % of them.
    assert forth["identity of sketches"].item() < 0.12
    assert back["identity of images"].item() < 0.12
    assert forth["map"].item() > 2.0


def test_judge_moves_the_generator_although_cycles_and_identities_hold_it(stacks):
    method = _method(width=8)
    for step in range(8):
        torch.manual_seed(step)
        method.step(_draw(stacks, step), 0.0)
    batch = _draw(stacks, 50)
    method._judges_learn(False)

    def pull(loss):
        method.painter.zero_grad(set_to_none=True)
        loss.backward(retain_graph=True)
        return (
            sum(float(p.grad.norm() ** 2) for p in method.painter.parameters() if p.grad is not None) ** 0.5
        )

    forth, back = method._from_maps(batch.maps, 0.0)[1], method._from_images(batch, 0.0)[1]
    holding = pull(back["cycle of images"]) + pull(back["identity of images"])
    assert pull(forth["fooling with images"]) > 0.3 * holding


def test_map_that_is_read_wrong_in_the_lesion_costs_more(stacks):
    from StrokeSynthLib.translate.cyclegan.method import map_loss
    from StrokeSynthLib.translate.networks.losses import voxel_weights

    maps = next(b for b in (_draw(stacks, seed).maps for seed in range(9)) if b.onehot[:, LESION].sum() > 20)
    weights, right = voxel_weights(maps), 8.0 * maps.onehot
    lesion = maps.onehot[:, LESION] > 0
    tissue = (maps.onehot[:, INDEX["left-white-matter"]] > 0) | (
        maps.onehot[:, INDEX["right-white-matter"]] > 0
    )
    chosen = torch.zeros_like(tissue)
    chosen.view(-1)[tissue.view(-1).nonzero()[: int(lesion.sum())]] = True
    assert chosen.sum() == lesion.sum()

    def wrong(where):
        logits = right.clone()
        logits[:, INDEX["csf"]][where] = 16.0
        return float(map_loss(logits, maps.onehot, weights))

    assert float(map_loss(right, maps.onehot, weights)) < 0.05
    assert wrong(lesion) > 3 * wrong(chosen)


def test_straight_through_is_one_hot_with_a_gradient():
    from StrokeSynthLib.translate.cyclegan.method import straight_through

    logits = torch.randn(1, CLASS_COUNT, 4, 4, requires_grad=True)
    hard = straight_through(logits)
    assert torch.allclose(hard.detach().amax(1), torch.ones(1, 4, 4))
    assert torch.allclose(hard.detach().sum(1), torch.ones(1, 4, 4), atol=1e-5)
    (hard * torch.randn_like(hard)).sum().backward()
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("dimensions", [2, 3])
def test_generator_keeps_the_grid_begins_at_the_sketch_and_leaves_the_empty_empty(dimensions):
    from StrokeSynthLib.translate.cyclegan.generator import CycleGenerator, Reader, ResidualOptions

    shape = (32, 48, 7)[:dimensions]
    onehot, sketch = torch.zeros(1, CLASS_COUNT, *shape), torch.ones(1, 2, *shape)
    sketch[:, :, :4] = 0.0
    options = ResidualOptions(dimensions=dimensions, width=4)
    painted = CycleGenerator(options)(onehot, sketch)
    assert painted.shape == sketch.shape
    assert not painted[:, :, :4].any()
    assert torch.allclose(painted, sketch, atol=0.1)
    read, logits = Reader(options)(torch.cat([painted, painted[:, :1]], 1))
    assert read.shape == sketch.shape
    assert logits.shape == onehot.shape


def test_air_is_left_to_the_sketch():
    from StrokeSynthLib.translate.cyclegan.generator import CycleGenerator, ResidualOptions

    torch.manual_seed(0)
    generator = CycleGenerator(ResidualOptions(width=4))
    torch.nn.init.normal_(generator.trunk.last.weight, 0.0, 1.0)
    onehot, sketch = torch.zeros(1, CLASS_COUNT, 32, 32), torch.rand(1, 2, 32, 32) + 0.1
    onehot[:, 0, :, :16], onehot[:, 1, :, 16:] = 1.0, 1.0
    painted = generator(onehot, sketch)
    torch.testing.assert_close(painted[..., :16], sketch[..., :16])
    assert (painted[..., 16:] - sketch[..., 16:]).abs().mean() > 0.05


def test_judges_do_not_see_what_is_in_air():
    from StrokeSynthLib.translate.networks.losses import without_air

    images = torch.tensor([[0.05, 0.05, 0.05], [1.0, 0.8, 0.45]]).T.reshape(1, 3, 1, 2)
    seen = without_air(images)
    assert not seen[..., 0].any()
    torch.testing.assert_close(seen[..., 1], images[..., 1])


# Whole trainings


def test_map_is_learned_to_be_read_back(stacks):
    method, costs = _method(width=16), []
    for step in range(40):
        torch.manual_seed(step)
        costs.append(float(method.step(_draw(stacks, step), 0.0)["map"]))
    assert np.mean(costs[-5:]) < 0.7 * np.mean(costs[:3])


def test_resumed_after_many_steps_the_pools_and_the_model_are_the_same(cohort, unlabeled, tmp_path):
    def stop(event):
        if event.stage.startswith("Training") and event.done == 20:
            raise CancelledError("stopped by the user")

    options = _options(steps=30, batch=3, unlabeled=tuple(unlabeled))
    whole = train_translator("cyclegan", cohort, tmp_path / "whole", options)
    with pytest.raises(CancelledError):
        train_translator("cyclegan", cohort, tmp_path / "m", options, stop)
    resumed = train_translator("cyclegan", cohort, tmp_path / "m", replace(options, resume=True))
    assert resumed.hash == whole.hash
    assert whole.training["unlabeled"] == ["u0", "u1"]
    assert "2 examinations without map and mask" in (whole.path / "card.md").read_text()
    without = train_translator("cyclegan", cohort, tmp_path / "w", replace(options, unlabeled=()))
    assert without.hash != whole.hash
    images = open_translator(whole.path, "cpu").translate(phantom.map_volume(), phantom.lesion_volume())
    assert np.isfinite(images.dwi.array).all()


def test_unlabeled_is_for_kinds_that_can_use_it(cohort, unlabeled, tmp_path):
    with pytest.raises(BadInputError, match="--kind cyclegan"):
        train_translator("physics", cohort, tmp_path / "m", _options(unlabeled=tuple(unlabeled)))
    request = TrainingRequest("pix2pix", tmp_path / "no cohort", tmp_path / "m")
    with pytest.raises(BadInputError, match="--kind cyclegan"):
        train_translator_on(request, None, tmp_path)
