"""Translators with a network, all kinds alike: repeatable, resumable, physically consistent, on any grid."""

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError, CancelledError
from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.preview import Preview
from StrokeSynthLib.translate.registry import TRANSLATORS, open_translator, train_translator
from StrokeSynthLib.translate.signal import dwi_from
from StrokeSynthLib.translate.translator import Background
from StrokeSynthLib.volume import Storage, Volume
from Testing.unit import translate_phantom as phantom

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
torch.set_num_threads(1)

#: pix2pix has tests of its own.
KINDS = [kind for kind in TRANSLATORS if kind not in ("physics", "copypaste", "pix2pix")]


def _options(**changes):
    return TranslatorOptions(**{"steps": 12, "width": 6, "batch": 2, "device": "cpu", **changes})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return phantom.write_cohort(tmp_path_factory.mktemp("cohort"), 3)


@pytest.fixture(scope="module", params=KINDS)
def model(request, cohort, tmp_path_factory):
    return train_translator(request.param, cohort, tmp_path_factory.mktemp(request.param) / "2d", _options())


def test_interrupted_training_resumes_to_the_same_model(cohort, model, tmp_path):
    def stop(event):
        if event.stage.startswith("Training") and event.done == 10:
            raise CancelledError("stopped by the user")

    with pytest.raises(CancelledError):
        train_translator(model.kind, cohort, tmp_path / "m", _options(), stop)
    assert (tmp_path / "m.resume").is_dir()
    resumed = train_translator(model.kind, cohort, tmp_path / "m", _options(resume=True))
    assert resumed.hash == model.hash
    assert not (tmp_path / "m.resume").exists()


def test_stopped_after_the_last_step_no_step_is_taken_again(cohort, model, tmp_path):
    """Comparing seeds for the card comes after the training, and takes seconds on whole heads."""
    trained = []

    def stop(event):
        if event.stage == "Comparing seeds":
            raise CancelledError("stopped by the user")

    def watch(event):
        trained.extend([event.done] * event.stage.startswith("Training"))

    with pytest.raises(CancelledError):
        train_translator(model.kind, cohort, tmp_path / "m", _options(), stop)
    resumed = train_translator(model.kind, cohort, tmp_path / "m", _options(resume=True), watch)
    assert trained == []
    assert resumed.hash == model.hash
    assert resumed.training == model.training


def test_a_step_broken_off_half_way_is_not_kept(cohort, model, tmp_path, monkeypatch):
    from StrokeSynthLib.translate.networks import method

    kept = method.Method._follow

    def broken(self, decay):
        if self.done == 3:
            raise KeyboardInterrupt
        kept(self, decay)

    monkeypatch.setattr(method.Method, "_follow", broken)
    with pytest.raises(KeyboardInterrupt):
        train_translator(model.kind, cohort, tmp_path / "m", _options())
    assert not (tmp_path / "m.resume").exists()


def test_other_seed_trains_another_model(cohort, model, tmp_path):
    other = train_translator(model.kind, cohort, tmp_path / "other", _options(seed=1, steps=1))
    assert other.hash != model.hash


def test_images_can_be_made_again_and_differ_by_seed(model):
    translator = open_translator(model.path, "cpu")
    first, again, other = (
        translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.dwi.array, again.dwi.array)
    brain = phantom.labels() > 0
    assert np.abs(first.dwi.array - other.dwi.array)[brain].mean() > 0.01 * first.dwi.array[brain].mean()
    assert first.record["Translator"] == model.kind
    assert first.record["ModelHash"] == model.hash
    assert not first.dwi.array[~brain].any()


def test_dwi_follows_from_b0_and_adc(model):
    images = open_translator(model.path, "cpu").translate(phantom.map_volume(), phantom.lesion_volume())
    b0, adc, dwi = images.b0.array, images.adc.array, images.dwi.array
    # As a scanner computes it, ADC is cut at 0 and 4 where noise would take it beyond.
    usual = (adc > 0.0) & (adc < 4.0)
    assert usual[phantom.labels() > 0].mean() > 0.9
    np.testing.assert_allclose(dwi[usual], dwi_from(b0, adc, images.b_value)[usual], rtol=1e-4)


def test_lesion_changes_the_image_where_it_is(model):
    translator = open_translator(model.path, "cpu")
    ill = translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=1).dwi.array
    well = translator.translate(phantom.map_volume(), None, seed=1).dwi.array
    lesion, white = phantom.lesion_mask() > 0, phantom.labels() == INDEX["left-white-matter"]
    assert np.median(ill[lesion] - well[lesion]) > 0.1 * np.median(well[white])


def test_background_stays_bit_identical_outside_the_lesion(model):
    from scipy.ndimage import binary_dilation

    content = phantom.signals(5, lesion=False)
    dwi, adc = (
        Volume(content[n].astype(np.float64), phantom.AFFINE, Storage("float64")) for n in ("dwi", "adc")
    )
    images = open_translator(model.path, "cpu").translate(
        phantom.map_volume(), phantom.lesion_volume(), seed=1, background=Background(dwi, adc)
    )
    changed, lesion = images.dwi.array != dwi.array, phantom.lesion_mask() > 0
    assert changed[lesion].mean() > 0.95
    assert not changed[~binary_dilation(lesion, iterations=3)].any()


def test_slices_of_the_preview_are_those_of_the_volume(model):
    translator = open_translator(model.path, "cpu")
    whole = translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=3)
    preview = Preview(translator, phantom.map_volume(), seed=3)
    preview.change(None)
    preview.change(phantom.lesion_volume())
    for number in (5, 2):
        seen = preview.draw([number])
        np.testing.assert_array_equal(seen.dwi[..., 0], whole.dwi.array[..., number])


def test_three_dimensions_train_and_paint(cohort, model, tmp_path):
    deep = train_translator(model.kind, cohort, tmp_path / "3d", _options(dimensions=3, steps=2, batch=1))
    images = open_translator(deep.path, "cpu").translate(phantom.map_volume(), phantom.lesion_volume())
    assert images.dwi.array.shape == phantom.SHAPE
    assert np.isfinite(images.dwi.array).all()


def test_card_tells_what_a_reader_needs(model):
    card = (model.path / "card.md").read_text()
    for word in ("Architecture", "parameters", "Losses", "12 steps", "3 cases", "License", "failures"):
        assert word in card, word
    assert "not for diagnosis" in card.lower()


def test_damaged_weights_are_named(model, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(model.path, broken)
    (broken / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadInputError, match="weights"):
        open_translator(broken, "cpu")


def test_air_is_left_to_the_sketch(cohort, tmp_path):
    from dataclasses import replace

    from scipy.ndimage import binary_dilation

    from StrokeSynthLib.device import choose_device
    from StrokeSynthLib.translate.networks.translator import NetworkTranslator
    from StrokeSynthLib.translate.physics.translator import PhysicsTranslator
    from StrokeSynthLib.translate.pix2pix.generator import Generator, GeneratorOptions

    fitted = open_translator(train_translator("physics", cohort, tmp_path / "physics").path)
    assert isinstance(fitted, PhysicsTranslator)
    scanners = fitted.model.scanners.copy()
    scanners[:, 7:] = 0.0  # not stripped, air not empty
    unstripped = replace(fitted.model, scanners=scanners)
    images = []
    for spread in (0.0, 0.3):
        torch.manual_seed(0)
        network = Generator(GeneratorOptions(width=4))
        torch.nn.init.normal_(network.correct.weight, 0.0, spread)
        torch.nn.init.zeros_(network.correct.bias)
        translator = NetworkTranslator(
            "pix2pix", network, unstripped, 3.0, (32, 32), "", choose_device("cpu")
        )
        images.append(translator.translate(phantom.map_volume(), seed=1).dwi.array)
    head = phantom.labels() > 0
    air = ~binary_dilation(head, iterations=3)
    assert images[0][air].any(), "air holds noise"
    np.testing.assert_array_equal(images[0][air], images[1][air])
    assert not np.array_equal(images[0][head], images[1][head])


def test_card_and_record_say_how_much_a_seed_changes(model):
    found = model.training["ssim_between_seeds"]
    assert all(0.0 < found[name] < 0.99 for name in ("dwi", "adc"))
    assert f"DWI {found['dwi']}, ADC {found['adc']}" in (model.path / "card.md").read_text(encoding="utf-8")
