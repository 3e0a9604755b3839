"""Nothing of the user's is overwritten, and what cannot be written is said before the work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import sha256_of
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.modelfolder import open_model, save_model
from StrokeSynthLib.pipeline.single import segment_examination
from StrokeSynthLib.pipeline.synthesis import lesion_for_map
from StrokeSynthLib.pipeline.training import (
    TrainingRequest,
    finished,
    train_segmenter_on,
    train_translator_on,
    usable_cases,
)
from StrokeSynthLib.study.demo import run_demo
from StrokeSynthLib.study.plan import StudyPlan
from StrokeSynthLib.study.runner import run_study
from StrokeSynthLib.volume import Volume, write_volume


def quiet(text: str) -> None:
    """Say nothing."""


@pytest.fixture
def dwi(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "dwi.nii.gz"
    write_volume(path, Volume((rng.random((20, 20, 8)) * 100).astype(np.float32), np.diag([2.0, 2, 4, 1])))
    return path


def test_segmentation_never_replaces_its_own_input(dwi: Path) -> None:
    before = sha256_of(dwi)
    with pytest.raises(BadInputError, match="is an input"):
        segment_examination([dwi], None, dwi)
    assert sha256_of(dwi) == before


def test_lesion_never_replaces_its_map(dwi: Path) -> None:
    before = sha256_of(dwi)
    with pytest.raises(BadInputError, match="is an input"):
        lesion_for_map(dwi, dwi.parent / "." / dwi.name, LesionRequest(), None, 0)
    assert sha256_of(dwi) == before


def test_two_outputs_under_one_name_are_refused_before_anything_is_computed(dwi: Path) -> None:
    out = dwi.parent / "out.nii.gz"
    with pytest.raises(BadInputError, match="two outputs"):
        segment_examination([dwi], None, out, probability=out)
    assert not out.exists()


def test_sidecar_of_the_input_is_kept_too(dwi: Path) -> None:
    (dwi.parent / "dwi.json").write_text('{"DiffusionBValue": 1000}')
    with pytest.raises(BadInputError, match="is an input"):
        segment_examination([dwi], None, dwi.parent / "dwi.nrrd")
    assert (dwi.parent / "dwi.json").read_text() == '{"DiffusionBValue": 1000}'


def test_unknown_image_format_leaves_no_sidecar_behind(dwi: Path) -> None:
    with pytest.raises(BadInputError, match="written as"):
        segment_examination([dwi], None, dwi.parent / "mask.png")
    assert sorted(p.name for p in dwi.parent.iterdir()) == ["dwi.nii.gz"]


def test_trained_model_is_never_replaced_and_resuming_it_does_nothing(tmp_path: Path) -> None:
    saved = save_model(tmp_path / "m", kind="k", config={}, training={}, arrays={"a": np.ones(3)}, card="c")
    with pytest.raises(BadInputError, match="holds a trained model"):
        finished(tmp_path / "m", False, quiet)
    done = finished(tmp_path / "m", True, quiet)
    assert done is not None
    assert done.hash == saved.hash
    assert finished(tmp_path / "new", False, quiet) is None


def test_a_training_looks_first_whether_its_model_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("dear")
    (tmp_path / "file").write_text("x")
    for out, words in (("thesis", "not empty"), ("file", "is a file"), ("file/model", "cannot be written")):
        with pytest.raises(BadInputError, match=words):
            train_segmenter_on(TrainingRequest("unet", tmp_path / "no cohort", tmp_path / out))


@pytest.mark.parametrize(
    ("start", "words"), [("nothing", "no model here"), ("threshold", "is a model of kind threshold")]
)
def test_a_training_looks_first_for_the_model_to_start_from(tmp_path: Path, start: str, words: str) -> None:
    request = TrainingRequest("unet", tmp_path / "no cohort", tmp_path / "out", {"start_from": start})
    with pytest.raises(BadInputError, match=words):
        train_segmenter_on(request)


def test_a_study_looks_first_whether_it_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    missing = tmp_path / "no cohort"
    with pytest.raises(BadInputError, match="file: is a file"):
        run_study(StudyPlan(missing, missing, tmp_path / "file"))
    with pytest.raises(BadInputError, match="is one of the cohorts"):
        run_study(StudyPlan(missing, tmp_path / "test", missing))
    with pytest.raises(BadInputError, match=r"file/maps: cannot be written"):
        run_study(StudyPlan(missing, missing, tmp_path / "out", maps=tmp_path / "file" / "maps"))


def test_what_is_not_installed_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("StrokeSynthLib.errors.find_spec", lambda name: None)
    missing = tmp_path / "no cohort"
    for start in (
        lambda: train_segmenter_on(TrainingRequest("unet", missing, tmp_path / "out")),
        lambda: train_translator_on(TrainingRequest("pix2pix", missing, tmp_path / "out")),
        lambda: run_study(StudyPlan(missing, missing, tmp_path / "out")),
        lambda: run_demo(tmp_path / "out"),
    ):
        with pytest.raises(BadInputError, match=r"which is not installed: pip install .*\[train\]"):
            start()
    with pytest.raises(BadInputError, match="no such folder"):  # needs no network
        train_translator_on(TrainingRequest("physics", missing, tmp_path / "out"))


def test_weights_with_one_byte_changed_are_refused(tmp_path: Path) -> None:
    folder = save_model(
        tmp_path / "m", kind="k", config={}, training={}, arrays={"a": np.ones(9)}, card="c"
    ).path
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(BadInputError, match="damaged"):
        open_model(folder)


def test_folder_for_maps_may_be_missing_or_empty_before_maps_are_made(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    case = tmp_path / "c" / "sub-strokecase0001" / "ses-0001"
    image = Volume((rng.random((12, 12, 6)) * 500 + 10).astype(np.float32), np.diag([2.0, 2, 4, 1]))
    write_volume(case / "sub-strokecase0001_ses-0001_dwi.nii.gz", image)
    for maps in (tmp_path / "missing", tmp_path):
        found = usable_cases(tmp_path / "c", maps, need_lesion=False, say=quiet, progress=lambda event: None)
        assert [files.semantic_map for files in found] == [None]
