"""Training: learns, repeats itself, survives being killed, and its model finds lesions anywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError, CancelledError
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.segment.augmentation import augment, draw, without_augmentation
from StrokeSynthLib.segment.checkpoint import resume_folder
from StrokeSynthLib.segment.dataset import MARGIN, Sampler, Storeroom, prepare_example
from StrokeSynthLib.segment.decision import dice
from StrokeSynthLib.segment.options import TrainingOptions
from StrokeSynthLib.segment.preprocess import FrameOptions
from StrokeSynthLib.segment.registry import open_segmenter, train_segmenter
from Testing.unit.segment_builders import examination, saved, turned

TINY = TrainingOptions(
    steps=32, batch=4, patch=(32, 32), spacing=6.0, channels=(8, 16, 24), warm_up=5, averaging=0.9,
    validation_every=8, threads=1, device="cpu", learning_rate=5e-3, without_adc_share=0.4,
)  # fmt: skip


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    return [saved(examination(seed, spacing=(5.0, 5.0, 8.0)), folder) for seed in range(5)]


@pytest.fixture(scope="module")
def model(cases, tmp_path_factory):
    return train_segmenter("unet", cases, [], tmp_path_factory.mktemp("models") / "unet", TINY)


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def test_trained_network_finds_lesions_of_other_people(model):
    segmenter = open_segmenter(model.path, "cpu")
    scores = []
    for seed in (20, 21, 22):
        case = examination(seed, spacing=(5.0, 5.0, 8.0))
        scores.append(dice(case.lesion.array, segmenter.predict(case.dwi, case.adc).mask.array))
    assert np.mean(scores) > 0.5


def test_one_network_serves_examinations_without_adc(model):
    case = examination(23, spacing=(5.0, 5.0, 8.0))
    found = open_segmenter(model.path, "cpu").predict(case.dwi)
    assert dice(case.lesion.array, found.mask.array) > 0.3


def test_prediction_lies_on_the_dwi_grid_in_its_orientation(model):
    case = examination(24, spacing=(3.0, 3.0, 5.0))
    segmenter = open_segmenter(model.path, "cpu")
    straight = segmenter.predict(case.dwi, case.adc)
    dwi, adc = (turned(v, (2, 0, 1), (1,)) for v in (case.dwi, case.adc))
    other = segmenter.predict(dwi, adc, uncertainty=True)
    for volume in (other.mask, other.probability, other.uncertainty):
        assert volume.array.shape == dwi.array.shape
        np.testing.assert_array_equal(volume.affine, dwi.affine)
    np.testing.assert_allclose(
        other.probability.array, turned(straight.probability, (2, 0, 1), (1,)).array, atol=1e-4
    )


def test_uncertainty_is_highest_where_the_probability_is_one_half(model):
    case = examination(25, spacing=(5.0, 5.0, 8.0))
    found = open_segmenter(model.path, "cpu").predict(case.dwi, case.adc, uncertainty=True)
    p, u = found.probability.array, found.uncertainty.array
    assert u.min() >= 0
    assert u.max() <= 1
    assert u[np.abs(p - 0.5) < 0.2].mean() > u[p < 0.05].mean()


def test_same_seed_gives_the_same_model(cases, model, tmp_path):
    again = train_segmenter("unet", cases, [], tmp_path / "again", TINY)
    assert weights(again.path) == weights(model.path)
    other = train_segmenter("unet", cases[:2], [], tmp_path / "other", replace(TINY, seed=1, steps=2))
    assert weights(other.path) != weights(model.path)


def test_interrupted_training_ends_like_an_uninterrupted_one(cases, model, tmp_path):
    def stop_at_23(event):
        if event.stage == "Training" and event.done == 23:
            raise CancelledError("stop")

    out = tmp_path / "unet"
    with pytest.raises(CancelledError):
        train_segmenter("unet", cases, [], out, TINY, stop_at_23)
    assert resume_folder(out).exists()
    assert not out.exists()
    resumed = train_segmenter("unet", cases, [], out, replace(TINY, resume=True))
    assert weights(resumed.path) == weights(model.path)
    assert resumed.hash == model.hash
    assert not resume_folder(out).exists()


def test_state_of_another_training_is_not_continued(cases, tmp_path):
    def stop(event):
        if event.stage == "Training":
            raise CancelledError("stop")

    with pytest.raises(CancelledError):
        train_segmenter("unet", cases[:2], [], tmp_path / "m", TINY, stop)
    with pytest.raises(BadInputError, match="other cases or options"):
        train_segmenter("unet", cases[:2], [], tmp_path / "m", replace(TINY, resume=True, seed=5))


def test_model_folder_tells_how_it_was_made(model):
    training = model.training
    assert training["cases"] == {"clinical": 4, "synthetic": 0, "validation": 1}
    held, seen = set(training["split"]["validation"]), set(training["split"]["train"])
    assert held
    assert not held & seen
    lines = [json.loads(line) for line in (model.path / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [8, 16, 24, 32]
    assert {"loss", "validation_dice"} <= lines[0].keys()
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert "research use only" in (model.path / "card.md").read_text().lower()


def test_fine_tuning_starts_from_the_given_model(cases, model, tmp_path):
    options = replace(TINY, steps=1, learning_rate=0.0, averaging=0.0, start_from=str(model.path))
    tuned = train_segmenter("unet", cases[:2], [], tmp_path / "tuned", options)
    old, new = model.arrays(), tuned.arrays()
    for name, value in old.items():
        if "running" not in name and "num_batches" not in name:
            np.testing.assert_array_equal(new[name], value)
    assert tuned.training["started_from"] == model.hash


def test_three_dimensional_network_trains_and_predicts(cases, tmp_path):
    options = replace(TINY, steps=2, dimensions=3, channels=(4, 6, 8), batch=2)
    model = train_segmenter("unet", cases[:3], [], tmp_path / "three", options)
    case = examination(26, spacing=(5.0, 5.0, 8.0))
    found = open_segmenter(model.path, "cpu").predict(case.dwi, case.adc)
    assert found.mask.array.shape == case.dwi.array.shape


def test_synthetic_share_holds_in_every_batch():
    examples = [prepare_example(examination(seed), FrameOptions(6.0)) for seed in (0, 1)]
    clinical, synthetic = [examples[0]], [replace(examples[1], thickness=99.0)]
    sampler = Sampler(clinical, synthetic, replace(TINY, batch=8, synthetic_share=0.25), 3)
    for step in range(5):
        batch = sampler.draw(generator(0, step))
        assert (batch.slabs.thickness == 99.0).sum() == 2


def test_wall_clock_budget_ends_the_training(cases, tmp_path):
    model = train_segmenter("unet", cases[:3], [], tmp_path / "m", replace(TINY, steps=10**6, minutes=0.02))
    assert 0 < model.training["steps"] < 10**6


def test_single_person_trains_without_validation(cases, tmp_path):
    model = train_segmenter("unet", cases[:1], [], tmp_path / "m", replace(TINY, steps=2))
    assert model.training["validation_dice"] is None
    assert "Not validated" in (tmp_path / "m" / "card.md").read_text()


def test_no_case_and_case_without_reference_are_refused(cases, tmp_path):
    with pytest.raises(BadInputError, match="no case"):
        train_segmenter("unet", [], [], tmp_path / "m", TINY)
    with pytest.raises(BadInputError, match="no lesion mask"):
        train_segmenter("unet", [replace(cases[0], lesion=None)], [], tmp_path / "m", TINY)


def test_cases_over_the_memory_limit_lie_on_disk_and_are_the_same():
    example = prepare_example(examination(1), FrameOptions(6.0))
    room = Storeroom(limit=0)
    room.add(example)
    assert isinstance(room.examples[0].images, np.memmap)
    np.testing.assert_array_equal(room.examples[0].images, example.images)
    room.close()


def test_augmentation_moves_image_and_mask_together_and_repeats():
    example = prepare_example(examination(2, spacing=(3.0, 3.0, 6.0)), FrameOptions(3.0))
    sampler = Sampler([example], [], replace(TINY, batch=16, lesion_share=1.0, patch=(48, 48)), 3)
    batches = [augment(sampler.draw(generator(1)), draw(16, 0.0, generator(2))) for _ in range(2)]
    assert (batches[0].slabs.images == batches[1].slabs.images).all()
    lesion, dwi = batches[0].lesion[:, 1] > 0, batches[0].slabs.images[:, 0, 1]
    assert lesion.any()
    assert dwi[lesion].mean() > 1.3 * dwi[(batches[0].brain[:, 1] > 0) & ~lesion].mean()
    assert batches[0].lesion.shape[-2:] == (48, 48)


def test_hidden_adc_leaves_no_trace():
    example = prepare_example(examination(3), FrameOptions(6.0))
    batch = Sampler([example], [], TINY, 3).draw(generator(1))
    hidden = augment(batch, draw(TINY.batch, 1.0, generator(2)))
    assert (hidden.slabs.images[:, [1, 3]] == 0).all()
    assert (hidden.slabs.adc_known == 0).all()


def test_without_augmentation_the_patch_is_the_image_itself():
    example = prepare_example(examination(4), FrameOptions(6.0))
    batch = Sampler([example], [], TINY, 3).draw(generator(1))
    plain = without_augmentation(batch)
    inner = batch.slabs.images[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert (plain.slabs.images == inner).all()


def test_lesion_at_the_edge_of_a_large_image_is_seen():
    example = prepare_example(examination(5), FrameOptions(2.0))
    labels = np.zeros_like(example.labels)
    labels[3, 2, 3] = 1
    edge = replace(example, labels=labels, lesion_slices=np.array([3]))
    sampler = Sampler([edge], [], replace(TINY, patch=(32, 32), lesion_share=1.0, batch=8), 3)
    for step in range(3):
        batch = without_augmentation(sampler.draw(generator(0, step)))
        assert (batch.lesion[:, 1].sum(dim=(1, 2)) == 1).all()


@pytest.mark.parametrize(
    ("planned", "best"),
    [((0.9, 0.1, 0.2, 0.15), 24), ((0.9, 0.3, 0.2, 0.15), 16), ((0.0, 0.0, 0.1, 0.2), 32)],
)
def test_an_early_network_that_is_ahead_by_chance_is_not_kept(cases, tmp_path, monkeypatch, planned, best):
    scores = iter(planned)
    monkeypatch.setattr("StrokeSynthLib.segment.training.mean_dice", lambda references, masks: next(scores))
    model = train_segmenter("unet", cases, [], tmp_path / "unet", TINY)
    assert model.training["best_step"] == best


def test_a_resumed_training_remembers_what_it_compares(cases, tmp_path, monkeypatch):
    def stop(event):
        if event.stage == "Training" and event.done == 18:
            raise CancelledError("stopped by the user")

    scores = iter((0.9, 0.3, 0.2, 0.15))
    monkeypatch.setattr("StrokeSynthLib.segment.training.mean_dice", lambda references, masks: next(scores))
    with pytest.raises(CancelledError):
        train_segmenter("unet", cases, [], tmp_path / "unet", TINY, stop)
    model = train_segmenter("unet", cases, [], tmp_path / "unet", replace(TINY, resume=True))
    assert model.training["best_step"] == 16
