"""An audit counts for the cases that the model was trained on: others say nothing of copies."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import read_json, write_json
from StrokeSynthLib.modelfolder import open_model
from StrokeSynthLib.pipeline.audit_sources import judge_sources
from StrokeSynthLib.translate.registry import train_translator
from Testing.unit import translate_phantom as phantom


@pytest.fixture(scope="module")
def clinic(tmp_path_factory) -> Path:
    """Three cases to train on; seven of other people elsewhere, under the same names."""
    folder = tmp_path_factory.mktemp("clinic")
    phantom.write_cohort(folder / "training", 3)
    for number in range(7):
        phantom.write_case(folder / "strangers" / f"case-{number}", 20 + number)
    cases = open_cohort(folder / "training").cases
    maps = [replace(f, semantic_map=f.dwi.with_name("map.nii.gz"), lesion=None) for f in cases]
    train_translator("physics", maps, folder / "model")
    return folder


def cases(folder: Path):
    return open_cohort(folder).cases


def without_hashes(model: Path, out: Path) -> Path:
    """A model of an earlier version."""
    shutil.copytree(model, out)
    content = read_json(out / "model.json")
    del content["training"]["case_hashes"]
    write_json(out / "model.json", content)
    return out


def test_the_cases_of_the_training_are_known_wherever_they_lie(clinic, tmp_path):
    moved = tmp_path / "moved"
    for number in range(3):
        shutil.copytree(clinic / "training" / f"case-{number}", moved / f"patient-{number}")
    finding = judge_sources(clinic / "model", (), cases(moved), cases(clinic / "strangers"))
    assert finding.passed is True
    assert finding.sentence == "All 3 are."
    shutil.copytree(clinic / "strangers" / "case-3", moved / "patient-3")
    assert "1 that it was not trained on" in judge_sources(clinic / "model", (), cases(moved), ()).sentence


def test_strangers_of_the_same_names_are_no_training_cases(clinic):
    finding = judge_sources(clinic / "model", (), cases(clinic / "strangers"), ())
    assert finding.passed is False
    assert "3 cases that model was trained on 3 are not in --training" in finding.sentence
    assert list(finding.cases) == ["case-0", "case-1", "case-2"]


def test_one_case_that_is_missing_fails(clinic):
    finding = judge_sources(clinic / "model", (), cases(clinic / "training")[1:], ())
    assert finding.passed is False
    assert list(finding.cases) == ["case-0"]


def test_cases_that_were_trained_on_are_not_held_out(clinic):
    every = cases(clinic / "training")
    finding = judge_sources(clinic / "model", (), every, [*cases(clinic / "strangers"), every[1]])
    assert finding.passed is False
    assert "held-out cases 1 were trained on (case-1)" in finding.sentence


def test_examinations_without_maps_are_training_cases_too(clinic, tmp_path):
    shutil.copytree(clinic / "model", tmp_path / "model")
    content = read_json(tmp_path / "model" / "model.json")
    content["training"] |= {"unlabeled": ["u0"], "unlabeled_hashes": ["0" * 64]}
    write_json(tmp_path / "model" / "model.json", content)
    finding = judge_sources(tmp_path / "model", (), cases(clinic / "training"), ())
    assert finding.passed is False
    assert list(finding.cases) == ["u0"]


def test_cases_of_another_model_are_seen(clinic, tmp_path):
    synthetic = tmp_path / "synthetic"
    shutil.copytree(clinic / "strangers", synthetic)
    made_by = [open_model(clinic / "model").hash] * 6 + ["f" * 64]
    for number, hashed in enumerate(made_by):
        sidecar = {"Synthetic": True, "Translation": {"ModelHash": hashed}}
        (synthetic / f"case-{number}" / "dwi.json").write_text(json.dumps(sidecar))
    for model in (clinic / "model", without_hashes(clinic / "model", tmp_path / "earlier")):
        finding = judge_sources(model, cases(synthetic), cases(clinic / "training"), ())
        assert finding.passed is False
        assert "made by another model" in finding.sentence
    own = [files for files in cases(synthetic) if files.name != "case-6"]
    assert judge_sources(clinic / "model", own, cases(clinic / "training"), ()).passed is True


def test_what_cannot_be_checked_is_said(clinic, tmp_path):
    unnamed = judge_sources(None, (), cases(clinic / "strangers"), ())
    assert (unnamed.passed, unnamed.sentence[:9]) == (None, "Not asked")
    model = without_hashes(clinic / "model", tmp_path / "earlier")
    old = judge_sources(model, (), cases(clinic / "strangers"), ())
    assert old.passed is None
    assert "earlier keeps no hashes" in old.sentence


def test_a_damaged_record_is_refused(clinic, tmp_path):
    shutil.copytree(clinic / "model", tmp_path / "model")
    content = read_json(tmp_path / "model" / "model.json")
    content["training"]["case_hashes"].pop()
    write_json(tmp_path / "model" / "model.json", content)
    with pytest.raises(BadInputError, match="hashes of its training cases are damaged"):
        judge_sources(tmp_path / "model", (), cases(clinic / "training"), ())


def test_a_required_audit_against_strangers_is_refused_before_a_case_is_made(clinic, tmp_path, capsys):
    pytest.importorskip("monai", reason="needs the extra 'train'")
    out = tmp_path / "synthetic"
    words = ["database", "--model", clinic / "model", "--cases", "2", "--out", out, "--require-audit"]
    words += ["--audit-against", clinic / "strangers", "--progress", "none"]
    assert main([*map(str, words)]) == 2
    assert "strangers: is not what the model was trained on" in capsys.readouterr().err
    assert not out.exists()
