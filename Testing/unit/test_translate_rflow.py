"""The rectified flow: straight ways are followed exactly, in any number of steps."""

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.schema import CLASS_COUNT
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import open_translator, train_translator
from Testing.unit import translate_phantom as phantom

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
torch.set_num_threads(1)


@pytest.fixture
def flow():
    from StrokeSynthLib.translate.rflow.flow import Flow, FlowOptions

    torch.manual_seed(0)
    return Flow(FlowOptions(width=8)).eval()


@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_exact_velocity_leads_to_the_image_in_any_number_of_steps(flow, monkeypatch, steps):
    from StrokeSynthLib.translate.networks.painter import corrected, correction_between

    sketch, noise = torch.ones(1, 2, 16, 16), torch.randn(1, 2, 16, 16)
    image = corrected(sketch, 0.3 * torch.randn(1, 2, 16, 16))
    wanted = flow.scaled(correction_between(sketch, image))
    monkeypatch.setattr(flow, "velocity_at", lambda state, conditions, times: wanted - noise)
    flow.sampling_steps = steps
    painted = flow(torch.zeros(1, CLASS_COUNT, 16, 16), sketch, noise, torch.zeros(1, 2))
    torch.testing.assert_close(painted, image, rtol=1e-4, atol=1e-4)


def test_correction_is_the_inverse_of_correcting():
    from StrokeSynthLib.translate.networks.painter import corrected, correction_between

    sketch = torch.ones(1, 2, 8, 8)
    sketch[..., :2] = 0.0
    correction = 1.8 * torch.rand(1, 2, 8, 8) - 0.9
    found = correction_between(sketch, corrected(sketch, correction))
    torch.testing.assert_close(found[..., 2:], correction[..., 2:])
    assert not found[..., :2].any()


def test_noise_of_a_slice_depends_on_its_number_alone(flow):
    together, alone = flow.randomness(3, [4, 5, 6], (8, 8)), flow.randomness(3, [5], (8, 8))
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(flow.randomness(4, [5], (8, 8)), alone)


def test_network_is_told_map_sketch_and_noise(flow):
    sketch = torch.rand(1, 2, 8, 8)
    conditions = flow.conditions(torch.ones(1, CLASS_COUNT, 8, 8), sketch, torch.tensor([[0.05, 0.1]]))
    assert conditions.shape[1] == CLASS_COUNT + 4
    assert torch.equal(conditions[:, CLASS_COUNT : CLASS_COUNT + 2], sketch)
    assert conditions[0, -1, 0, 0] == pytest.approx(2 * float(conditions[0, -2, 0, 0]))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rflow")
    options = TranslatorOptions(steps=4, width=6, batch=2, device="cpu")
    return train_translator("rflow", phantom.write_cohort(folder / "cohort", 2), folder / "model", options)


def test_sampling_steps_are_chosen_when_drawing_and_are_in_the_record(model):
    images = {}
    for steps in (1, 3):
        translator = open_translator(model.path, "cpu", sampling_steps=steps)
        images[steps] = translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=1)
        assert images[steps].record["Parameters"]["sampling_steps"] == steps
    assert not np.array_equal(images[1].dwi.array, images[3].dwi.array)


@pytest.mark.parametrize("steps", [0, 31])
def test_impossible_numbers_of_steps_are_refused(model, steps):
    with pytest.raises(BadInputError, match="1 to 30"):
        open_translator(model.path, "cpu", sampling_steps=steps)


def test_translators_without_steps_say_so(tmp_path):
    fitted = train_translator("physics", phantom.write_cohort(tmp_path / "c", 2), tmp_path / "m")
    with pytest.raises(BadInputError, match="at once"):
        open_translator(fitted.path, "cpu", sampling_steps=3)


def test_loss_weighs_the_lesion_and_falls(model, tmp_path):
    cohort = phantom.write_cohort(tmp_path / "cohort", 2)
    losses = []

    def watch(event):
        if event.stage == "Training rflow":
            losses.append(event.values["velocity"])

    options = TranslatorOptions(steps=60, width=12, batch=4, device="cpu")
    train_translator("rflow", cohort, tmp_path / "m", options, watch)
    assert np.mean(losses[-2:]) < 0.9 * losses[0]


def test_painted_noise_is_as_fine_as_the_grid(tmp_path, monkeypatch):
    """A painting in the frame holds its noise interpolated; what the map's grid has beyond comes on top."""
    from StrokeSynthLib.translate.networks.stage import NetworkStage

    cohort = phantom.write_cohort(tmp_path / "cohort", 2)
    options = TranslatorOptions(steps=1, width=8, batch=1, device="cpu")
    translator = open_translator(train_translator("rflow", cohort, tmp_path / "m", options).path, "cpu")
    labels = np.repeat(np.repeat(phantom.labels(), 2, 0), 2, 1)
    spacing = (1.5, 1.5, 6.0)
    stage = translator.stage(labels, spacing, 1)
    assert stage._frame.scale[0] > 1.5
    seen = []
    finer = NetworkStage._finer_noise
    monkeypatch.setattr(
        NetworkStage, "_finer_noise", lambda stage, slices: seen.append(finer(stage, slices)) or seen[-1]
    )
    stage.change(np.zeros(labels.shape, bool))
    stage.draw()
    whole = stage._canvas.noise[0][0]
    left = stage._frame.of_slices(whole.shape[2])
    held = left.back(left.forward(whole))
    np.testing.assert_allclose(seen[0][0][0], whole - held, atol=1e-6)
    # What another painting's frame holds and this together have about the noise of the grid.
    other = left.back(left.forward(stage._canvas.noise[1][0])) * whole.std() / stage._canvas.noise[1][0].std()
    middle = tuple(slice(n // 3, -n // 3) for n in whole.shape[:2])
    assert (other + whole - held)[middle].std() == pytest.approx(whole.std(), rel=0.15)
