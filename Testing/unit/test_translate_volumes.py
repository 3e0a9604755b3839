"""Translators with a network of three dimensions: windows of slices, any number of them, any threads."""

from itertools import pairwise

import numpy as np
import pytest

from StrokeSynthLib.errors import CancelledError
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import TRANSLATORS, open_translator, train_translator
from StrokeSynthLib.translate.signal import dwi_from
from StrokeSynthLib.volume import Storage, Volume
from Testing.unit import translate_phantom as phantom

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
torch.set_num_threads(1)

from StrokeSynthLib.translate.networks.windows import DEPTH, blended, windows_over  # noqa: E402

KINDS = [kind for kind in TRANSLATORS if kind not in ("physics", "copypaste")]


def _options(**changes):
    options = {"dimensions": 3, "steps": 3, "width": 6, "batch": 1, "device": "cpu"}
    return TranslatorOptions(**{**options, **changes})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return phantom.write_cohort(tmp_path_factory.mktemp("cohort"), 2)


@pytest.fixture(scope="module", params=KINDS)
def model(request, cohort, tmp_path_factory):
    return train_translator(request.param, cohort, tmp_path_factory.mktemp(request.param) / "3d", _options())


@pytest.fixture(scope="module")
def translator(model):
    return open_translator(model.path, "cpu")


def _head(slices, *, crop=0):
    """Map and lesion of the phantom with other slices, so many voxels cut off in plane."""
    picked = ((np.arange(slices) + 0.5) * phantom.SHAPE[2] / slices).astype(int)
    affine = np.diag([3.0, 3.0, 72.0 / slices, 1.0])
    return [
        Volume(np.ascontiguousarray(array[crop:, :, picked]), affine, Storage("uint8"))
        for array in (phantom.labels(), phantom.lesion_mask())
    ]


@pytest.mark.parametrize("count", [1, 12, DEPTH, DEPTH + 1, 23, 24, 40, 131])
def test_windows_hold_every_slice_and_overlap_by_half(count):
    windows = windows_over(count)
    assert windows[0].start == 0
    assert windows[-1].stop == count
    assert all(w.stop - w.start == min(count, DEPTH) for w in windows)
    assert all(1 <= b.start - a.start <= DEPTH // 2 for a, b in pairwise(windows))


def test_windows_of_an_image_make_the_image_again():
    image = np.random.default_rng(0).standard_normal((2, 3, 4, 41)).astype(np.float32)
    windows = windows_over(41)
    np.testing.assert_allclose(blended([image[..., w] for w in windows], windows, 41), image, rtol=1e-5)


def test_windows_that_disagree_leave_no_seam():
    windows = windows_over(40)
    levels = [np.full((1, w.stop - w.start), float(number % 2)) for number, w in enumerate(windows)]
    image = blended(levels, windows, 40)[0]
    assert image.min() == 0.0
    assert image.max() > 0.9
    assert np.abs(np.diff(image)).max() < 0.2


def test_bytes_depend_on_the_seed_and_not_on_the_threads(translator, monkeypatch):
    head, lesion = _head(27)
    images = {}
    for threads, seed in ((1, 4), (3, 4), (1, 5)):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        torch.set_num_threads(threads)
        images[threads, seed] = translator.translate(head, lesion, seed=seed).dwi.array
    torch.set_num_threads(1)
    assert images[1, 4].tobytes() == images[3, 4].tobytes()
    brain = head.array > 0
    difference = np.abs(images[1, 4] - images[1, 5])[brain].mean()
    assert difference > 0.01 * images[1, 4][brain].mean()


def test_drawing_is_told_window_by_window_and_can_be_stopped_between_them(translator):
    head, lesion = _head(40)
    events = []
    translator.translate(head, lesion, progress=events.append)
    steps = translator.painter.sampling_steps or 1
    told = [event for event in events if event.total]
    assert {event.total for event in told} == {3 + len(windows_over(40)) * steps}
    assert told[-1].done == told[-1].total

    def stop(event):
        if event.done == 3:
            raise CancelledError("stopped by the user")

    with pytest.raises(CancelledError):
        translator.translate(head, lesion, progress=stop)


@pytest.mark.parametrize(("slices", "crop"), [(1, 0), (3, 0), (19, 5)])
def test_few_slices_and_odd_sizes_are_drawn(translator, slices, crop):
    head, lesion = _head(slices, crop=crop)
    images = translator.translate(head, lesion, seed=1)
    b0, adc, dwi = images.b0.array, images.adc.array, images.dwi.array
    assert dwi.shape == head.array.shape
    assert np.isfinite(dwi).all()
    usual = (adc > 0.0) & (adc < 4.0)
    assert usual[head.array > 0].mean() > 0.7  # the rest is fluid, whose ADC noise takes beyond
    np.testing.assert_allclose(dwi[usual], dwi_from(b0, adc, images.b_value)[usual], rtol=1e-4)
    assert not dwi[head.array == 0].any()


def test_a_training_that_is_killed_goes_on_to_the_same_weights(cohort, model, tmp_path, monkeypatch):
    """Steps in 3D are long: they are told and kept by the clock, too."""
    import shutil

    from StrokeSynthLib.translate.networks import training

    monkeypatch.setattr(training, "_REPORT_AFTER", 0.0)
    monkeypatch.setattr(training, "_SAVE_AFTER", 0.0)
    out, killed = tmp_path / "m", tmp_path / "killed"
    told = []

    def listen(event):
        if event.stage.startswith("Training"):
            told.append(event.done)
            if event.done == 2:  # what a killed process leaves on disk
                shutil.copytree(tmp_path / "m.resume", tmp_path / "killed.resume")

    assert train_translator(model.kind, cohort, out, _options(), listen).hash == model.hash
    assert told == [1, 2, 3]
    again = []
    resumed = train_translator(model.kind, cohort, killed, _options(resume=True), again.append)
    assert resumed.hash == model.hash
    assert [event.done for event in again if event.stage.startswith("Training")] == [2, 3]


def test_card_states_three_dimensions(model):
    card = (model.path / "card.md").read_text()
    assert "3D" in card
    assert f"blocks of {DEPTH} slices" in card
    assert "6.0 to\n6.0 mm apart" in card
    assert model.training["network"]["dimensions"] == 3
