"""A training is gone on with on the very files that it was begun on, whatever their names."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.identity import identity_of
from StrokeSynthLib.errors import BadInputError, CancelledError
from StrokeSynthLib.lesions.learned.state import load_state, resume_folder, save_state
from StrokeSynthLib.pipeline import training
from StrokeSynthLib.segment.options import TrainingOptions
from StrokeSynthLib.segment.registry import train_segmenter
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import train_translator
from Testing.unit import translate_phantom as phantom
from Testing.unit.segment_builders import examination, saved

TINY = {"steps": 3, "width": 4, "batch": 1, "device": "cpu"}
OTHER_CASES = "other cases, or their files have changed"


def stopped(event):
    if event.stage.startswith("Training") and event.done == 2:
        raise CancelledError("stopped by the user")


def report_every_step(monkeypatch):
    monkeypatch.setattr("StrokeSynthLib.translate.networks.training._REPORT_EVERY", 1)


def renamed(files: CaseFiles, folder: Path, name: str) -> CaseFiles:
    """The same files elsewhere, under another name."""
    shutil.copytree(files.dwi.parent, folder)
    moved = {
        role: folder / path.name
        for role in ("dwi", "adc", "b0", "lesion", "semantic_map")
        if (path := getattr(files, role)) is not None
    }
    return replace(files, name=name, **moved)


def test_a_case_is_known_by_its_files(tmp_path):
    files = phantom.write_case(tmp_path / "a", 1)
    moved = renamed(files, tmp_path / "b", "another name")
    assert identity_of(moved) == identity_of(files)
    without_mask = identity_of(replace(files, lesion=None))
    assert without_mask.images == identity_of(files).images
    assert without_mask.whole != identity_of(files).whole
    other = identity_of(phantom.write_case(tmp_path / "c", 2))
    assert other.images != identity_of(files).images


def test_a_missing_file_is_named(tmp_path):
    files = phantom.write_case(tmp_path / "a", 1)
    files.dwi.unlink()
    with pytest.raises(BadInputError, match=r"dwi\.nii\.gz: cannot be read"):
        train_translator("physics", [files], tmp_path / "m")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return phantom.write_cohort(tmp_path_factory.mktemp("cohort"), 2)


@pytest.mark.parametrize("kind", ["pix2pix", "spade", "cyclegan", "rflow"])
def test_a_translator_is_not_trained_further_on_other_people_of_the_same_names(
    cohort, tmp_path, monkeypatch, kind
):
    pytest.importorskip("monai")
    report_every_step(monkeypatch)
    options, out = TranslatorOptions(**TINY), tmp_path / "m"
    with pytest.raises(CancelledError):
        train_translator(kind, cohort, out, options, stopped)
    others = [
        replace(phantom.write_case(tmp_path / files.name, 7 + number), name=files.name)
        for number, files in enumerate(cohort)
    ]
    again = replace(options, resume=True)
    with pytest.raises(BadInputError, match=OTHER_CASES):
        train_translator(kind, others, out, again)
    assert (tmp_path / "m.resume").is_dir()
    moved = [renamed(f, tmp_path / f"moved-{n}", f.name) for n, f in enumerate(cohort)]
    resumed = train_translator(kind, moved, out, again)
    assert resumed.training["case_hashes"] == [identity_of(files).images for files in cohort]


def test_a_cohort_keeps_its_order_when_its_maps_are_made(cohort, tmp_path, monkeypatch):
    """Made in the first run and found in the next one, they are the same cases in the same order."""
    made = SimpleNamespace(unlike=())
    maker = SimpleNamespace(make=lambda case: made)
    monkeypatch.setattr(training, "open_map_maker", lambda *arguments: maker)
    monkeypatch.setattr(training, "keep_map", lambda *arguments: None)
    first, second = cohort
    lacking = [replace(first, semantic_map=None), second]
    ready = training.with_maps(lacking, tmp_path)
    assert [files.name for files in ready] == [first.name, second.name]
    assert ready[0].semantic_map == tmp_path / f"{first.name}_dseg.nii.gz"
    assert ready[1].semantic_map == second.semantic_map


def test_other_examinations_without_maps_are_other_cases(cohort, tmp_path, monkeypatch):
    pytest.importorskip("monai")
    report_every_step(monkeypatch)

    def images_alone(seed: int, name: str) -> CaseFiles:
        files = phantom.write_case(tmp_path / f"u{seed}", seed)
        return replace(files, name=name, lesion=None, semantic_map=None)

    options, out = TranslatorOptions(**TINY, unlabeled=(images_alone(10, "u"),)), tmp_path / "m"
    with pytest.raises(CancelledError):
        train_translator("cyclegan", cohort, out, options, stopped)
    other = replace(options, resume=True, unlabeled=(images_alone(11, "u"),))
    with pytest.raises(BadInputError, match=OTHER_CASES):
        train_translator("cyclegan", cohort, out, other)
    resumed = train_translator("cyclegan", cohort, out, replace(options, resume=True))
    assert resumed.training["unlabeled_hashes"] == [identity_of(options.unlabeled[0]).images]


@pytest.mark.parametrize("kind", ["physics", "copypaste"])
def test_a_fit_keeps_what_it_was_made_of(cohort, tmp_path, kind):
    model = train_translator(kind, cohort, tmp_path / "m")
    assert model.training["case_hashes"] == [identity_of(files).images for files in cohort]
    assert "unlabeled_hashes" not in model.training


def test_a_segmenter_is_not_trained_further_on_a_mask_that_was_corrected(tmp_path):
    options = TrainingOptions(
        steps=4, batch=2, patch=(32, 32), spacing=6.0, channels=(8, 16, 24), validation_every=4, threads=1,
        device="cpu",
    )  # fmt: skip
    cases = [saved(examination(seed, spacing=(6.0, 6.0, 8.0)), tmp_path / "cases") for seed in range(3)]
    with pytest.raises(CancelledError):
        train_segmenter("unet", cases, [], tmp_path / "m", options, stopped)
    corrected = examination(8, spacing=(6.0, 6.0, 8.0))
    assert cases[0].lesion is not None
    shutil.copy(saved(corrected, tmp_path / "other").lesion, cases[0].lesion)
    with pytest.raises(BadInputError, match=OTHER_CASES):
        train_segmenter("unet", cases, [], tmp_path / "m", replace(options, resume=True))


def test_a_state_of_a_lesion_model_survives_a_kill_while_it_is_replaced(tmp_path, monkeypatch):
    """The old state is moved away before the new one is moved in: between the two there is none."""
    out, rename, weights = tmp_path / "gan", os.replace, np.arange(3.0)
    save_state(out, {"weights": weights}, {"fingerprint": "mark", "step": 9})

    def killed(source, place):
        if Path(place) == resume_folder(out):
            raise KeyboardInterrupt
        rename(source, place)

    with monkeypatch.context() as patched:
        patched.setattr("StrokeSynthLib.files.os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            save_state(out, {"weights": weights}, {"fingerprint": "mark", "step": 10})
    assert not resume_folder(out).exists()
    found = load_state(out, "mark")
    assert found is not None
    assert found[1]["step"] == 9
    np.testing.assert_array_equal(found[0]["weights"], weights)
