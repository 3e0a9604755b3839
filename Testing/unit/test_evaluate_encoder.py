"""The encoder of slices: what it is shown, what it gives, and that it sees what it is there to judge."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.evaluate.encoder import (
    KIND,
    MODEL,
    REDUCTION,
    SliceEncoder,
    inputs_of,
    over_brain,
    shipped_encoder,
)
from StrokeSynthLib.modelfolder import add_weights, open_model, save_model
from StrokeSynthLib.segment.engines import EXPORTED
from StrokeSynthLib.segment.preprocess import Prepared, prepare
from Testing.Benchmarks.audit_encoder import Encoder, Options, encoder_graph, train, view
from Testing.people import person


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    case = person(3)
    return prepare(case.dwi, case.adc)


@pytest.fixture(scope="module")
def kept(prepared) -> np.ndarray:
    area = prepared.brain.sum(axis=(0, 1))
    return np.flatnonzero(area >= 0.5 * area.max())


def test_it_is_shown_the_brain_alone(prepared, kept):
    images, brain = inputs_of(prepared, kept)
    assert images.shape == (len(kept), 3, *brain.shape[1:])
    assert not any(n % REDUCTION for n in brain.shape[1:])
    assert brain.sum() == prepared.brain[:, :, kept].sum()
    assert not images[:, :2].transpose(0, 2, 3, 1)[~brain].any()
    assert images[:, 0][brain].sum() == pytest.approx(
        prepared.dwi[:, :, kept][prepared.brain[:, :, kept]].sum()
    )
    assert (images[:, 2] == 1).all()


def test_without_adc_it_is_told_so(prepared, kept):
    images, _ = inputs_of(replace(prepared, adc=None), kept)
    assert (images[:, 2] == -1).all()
    assert not images[:, 1].any()


def test_places_count_by_their_share_of_brain():
    features = np.array([[[[1.0, 5.0]]]])
    brain = np.zeros((1, 8, 16), bool)
    brain[0, :, :8], brain[0, :2, 8:] = True, True
    assert over_brain(features, brain) == pytest.approx(np.array([[1.8]]))


def test_the_exported_network_is_the_trained_one():
    torch.manual_seed(0)
    network = Encoder()
    for _ in range(3):
        network(torch.randn(6, 3, 32, 40))  # statistics of the norms
    images = np.random.default_rng(0).normal(size=(2, 3, 40, 48)).astype(np.float32)
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(images)).numpy()
    import onnxruntime

    content = encoder_graph({name: value.numpy() for name, value in network.state_dict().items()})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(["features"], {"slices": images})
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.std())


def test_two_views_are_parts_of_one_slice_and_differ():
    images = torch.rand(4, 2, 96, 120)
    rng = torch.Generator().manual_seed(0)
    first, second = (view(images, Options(), rng) for _ in range(2))
    assert first.shape == second.shape == (4, 2, 64, 80)
    assert not torch.equal(first, second)


def test_a_training_that_goes_on_ends_where_an_uninterrupted_one_does(tmp_path):
    images = np.random.default_rng(0).random((8, 2, 96, 120)).astype(np.float16)
    options = Options(steps=3, batch=4, projection=8, warm_up=1)

    class StoppedError(Exception):
        pass

    def stop(step: int) -> None:
        if step == 2:
            raise StoppedError

    for name in ("whole", "halves"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "images.npy", images)
    train(tmp_path / "whole", options, lambda _: None, every=1)
    with pytest.raises(StoppedError):
        train(tmp_path / "halves", options, lambda _: None, every=1, after=stop)
    train(tmp_path / "halves", options, lambda _: None, every=1)
    whole, halves = (torch.load(tmp_path / name / "encoder.pt") for name in ("whole", "halves"))
    assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_a_network_that_cannot_be_used_is_named(tmp_path):
    model = save_model(tmp_path / "m", kind=KIND, config={}, training={}, arrays={}, card="")
    with pytest.raises(BadInputError, match="incomplete"):
        SliceEncoder(model)
    with pytest.raises(BadInputError, match="cannot be used"):
        SliceEncoder(add_weights(model, EXPORTED, b"not a network"))


def described(prepared: Prepared, kept: np.ndarray) -> np.ndarray:
    return shipped_encoder().describe(prepared, kept)


def moved(prepared: Prepared, change) -> Prepared:
    return replace(prepared, dwi=change(prepared.dwi), adc=change(prepared.adc))


def test_the_shipped_one_sees_noise_blur_and_contrast_more_than_place(prepared, kept):
    """A shift of two voxels and the mirror image are the same slice; these others are not."""
    plain = described(prepared, kept)
    rng = np.random.default_rng(0)
    same = [
        replace(moved(prepared, lambda a: np.roll(a, 2, 0)), brain=np.roll(prepared.brain, 2, 0)),
        replace(moved(prepared, lambda a: a[::-1]), brain=prepared.brain[::-1]),
    ]
    other = [
        replace(
            prepared, dwi=np.abs(prepared.dwi + rng.normal(0, 0.2, prepared.dwi.shape)).astype(np.float32)
        ),
        moved(prepared, lambda a: ndimage.gaussian_filter(a, (1.5, 1.5, 0))),
        replace(prepared, dwi=np.sqrt(prepared.dwi)),
    ]
    scale = np.abs(plain).mean()
    near, far = ([np.abs(described(p, kept) - plain).mean() / scale for p in each] for each in (same, other))
    assert max(near) < min(far)


def test_the_shipped_one_is_small_and_needs_no_pytorch(tmp_path: Path):
    model = open_model(MODEL, KIND)
    assert sum(path.stat().st_size for path in model.path.iterdir()) < 1e6
    code = (
        "import sys\nfrom StrokeSynthLib.evaluate.encoder import shipped_encoder\nshipped_encoder()\n"
        "assert not {'torch', 'monai'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
