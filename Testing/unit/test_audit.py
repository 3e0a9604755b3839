"""The audit: what it refuses, what it finds, and what others may require of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.cohort.identity import identity_of
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.evaluate.measured import case_hash
from StrokeSynthLib.modelfolder import save_model
from StrokeSynthLib.pipeline.audit import KIND, cohort_hash, require_passed
from Testing.examinations import Examination
from Testing.people import person, write_people
from Testing.plants import PLANTS, lesion_only


def audited(*words: object) -> int:
    return main(["audit", *map(str, words), "--progress", "none"])


def small(folder: Path, names: range, *, flagged: bool) -> Path:
    """A cohort that can be opened quickly: plain files, one sidecar each."""
    for number in names:
        exam = Examination(number)
        exam.write(folder, f"sub-{number:04d}_{{role}}.nii.gz", "dwi", "adc", "msk")
        sidecar = folder / f"sub-{number:04d}_dwi.json"
        sidecar.write_text(json.dumps({"Synthetic": True} if flagged else {}))
    return folder


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("cohorts")
    (folder / "empty").mkdir()
    return {
        "empty": folder / "empty",
        "synthetic": small(folder / "synthetic", range(2), flagged=True),
        "training": small(folder / "training", range(10, 17), flagged=False),
        "few": small(folder / "few", range(20, 22), flagged=False),
    }


@pytest.mark.parametrize(
    ("synthetic", "training", "holdout", "sentence"),
    [
        ("empty", "training", None, "is no cohort"),
        ("synthetic", "empty", None, "is no cohort"),
        ("training", "training", None, "own folder"),
        ("synthetic", "training", "training", "own folder"),
        ("few", "training", None, "says that it is synthetic"),
        ("synthetic", "few", None, "holds 2 people"),
        ("synthetic", "missing", None, "no such folder"),
    ],
)
def test_bad_input_is_refused_in_one_line(cohorts, tmp_path, capsys, synthetic, training, holdout, sentence):
    words = ["--synthetic", cohorts[synthetic], "--training", cohorts.get(training, tmp_path / "missing")]
    words += ["--holdout", cohorts[holdout]] if holdout else []
    assert audited(*words, "--out", tmp_path / "report.json") == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "report.json").exists()


def test_people_in_training_and_holdout_are_refused(cohorts, tmp_path, capsys):
    holdout = small(tmp_path / "holdout", range(16, 19), flagged=False)
    words = ["--synthetic", cohorts["synthetic"], "--training", cohorts["training"], "--holdout", holdout]
    assert audited(*words, "--out", tmp_path / "report.json") == 2
    assert "held-out people must be others" in capsys.readouterr().err


def test_a_damaged_file_is_named(cohorts, tmp_path, capsys):
    synthetic = small(tmp_path / "synthetic", range(2), flagged=True)
    (synthetic / "sub-0000_dwi.nii.gz").write_bytes(b"not an image")
    words = ["--synthetic", synthetic, "--training", cohorts["training"], "--out", tmp_path / "report.json"]
    assert audited(*words) == 2
    assert "sub-0000_dwi.nii.gz" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_first(cohorts, tmp_path, capsys):
    words = ["--synthetic", cohorts["synthetic"], "--training", cohorts["training"], "--out", tmp_path]
    assert audited(*words) == 2
    assert "folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def clinic(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clinic")
    real = {f"sub-{n:02d}": person(n) for n in range(9)}
    training = dict(list(real.items())[:6])
    holdout = dict(list(real.items())[6:])
    rng = np.random.default_rng(0)
    honest = {f"sub-s{n}": person(n) for n in range(30, 33)}
    planted = dict(list(honest.items())[:1]) | {
        "sub-s7": PLANTS["mirrored"](PLANTS["noised"](person(2), person(40), rng), person(40), rng),
        "sub-s8": lesion_only(person(3), person(41), rng),
        "sub-s9": PLANTS["shifted"](person(8), person(40), rng),
    }
    return {
        "training": write_people(folder / "training", training, synthetic=False),
        "holdout": write_people(folder / "holdout", holdout, synthetic=False),
        "honest": write_people(folder / "honest", honest, synthetic=True),
        "planted": write_people(folder / "planted", planted, synthetic=True),
    }


def translator(folder: Path, cohort: Path) -> Path:
    """What a translator that was trained on a cohort says of it."""
    cases = open_cohort(cohort).cases
    training = {
        "cases": [files.name for files in cases],
        "case_hashes": [identity_of(files).images for files in cases],
    }
    return save_model(folder, kind="physics", config={}, training=training, arrays={}, card="").path


@pytest.fixture(scope="module")
def reports(clinic, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    model = translator(folder / "model", clinic["training"])
    status = {}
    for name in ("honest", "planted"):
        words = [
            "--synthetic",
            clinic[name],
            "--training",
            clinic["training"],
            "--holdout",
            clinic["holdout"],
            *(["--model", model] if name == "honest" else []),
        ]
        status[name] = audited(*words, "--out", folder / f"{name}.json")
    assert status == {"honest": 0, "planted": 1}
    return {name: folder / f"{name}.json" for name in status}


def question(report: Path, name: str) -> dict:
    return next(q for q in json.loads(report.read_text())["questions"] if q["name"] == name)


def test_copies_of_training_and_of_held_out_cases_fail(reports):
    found = question(reports["planted"], "image copies")
    assert found["passed"] is False
    assert sorted(found["cases"]) == ["sub-s7", "sub-s9"]
    assert "mirrored training case sub-02" in found["found"]
    assert "held-out case sub-08" in found["found"]


def test_a_copied_lesion_fails_in_another_head(reports):
    found = question(reports["planted"], "lesion copies")
    assert "sub-s8 has the lesion of sub-03" in found["found"]


def test_other_people_pass(reports):
    content = json.loads(reports["honest"].read_text())
    assert content["passed"] is True
    assert not content["failed"]
    assert "training cases" not in content["unanswered"]
    assert question(reports["honest"], "training cases")["found"] == "All 6 are."
    assert content["nearest_neighbor_distance_ratio"]["synthetic"]["lowest"] > 0.5
    assert {"control", "synthetic"} == set(content["distances"]["network"])


def test_what_was_not_answered_is_listed(reports):
    content = json.loads(reports["planted"].read_text())
    assert "training cases" in content["unanswered"]
    assert content["unanswered"] == [q["name"] for q in content["questions"] if q["passed"] is None]


def test_the_page_shows_the_verdict_and_its_pictures(reports):
    page = reports["planted"].with_suffix(".html").read_text()
    assert "Failed: " in page
    unanswered = json.loads(reports["planted"].read_text())["unanswered"]
    assert f"(not answered: {', '.join(unanswered)})" in page
    assert "image copies" in page
    assert page.count("data:image/png") == 2


def test_export_requires_an_audit_of_exactly_these_cases(reports, clinic, tmp_path, capsys):
    def export(cohort: str, report: str, out: str) -> int:
        words = ["--cohort", clinic[cohort], "--to", "nnunet", "--require-audit", reports[report]]
        return main(["export", *map(str, words), "--out", str(tmp_path / out), "--progress", "none"])

    assert export("honest", "honest", "good") == 0
    assert "audit passed" in capsys.readouterr().out
    assert export("planted", "planted", "failed") == 1
    assert export("planted", "honest", "other") == 2
    assert "other cases" in capsys.readouterr().err
    assert not (tmp_path / "failed").exists()
    assert not (tmp_path / "other").exists()


def test_a_report_counts_for_its_cases_only(cohorts, tmp_path):
    cohort = open_cohort(cohorts["synthetic"])
    hashes = {files.name: case_hash(files) for files in cohort.cases}
    report = tmp_path / "report.json"

    def write(passed: bool, cases: dict[str, str], answer: bool | None = True) -> None:
        content = {
            "kind": KIND, "passed": passed, "questions": [{"name": "image copies", "passed": answer}],
            "cohorts": {"synthetic": {"cases": cases}},
        }  # fmt: skip
        report.write_text(json.dumps(content))

    write(True, hashes)
    assert require_passed(report, cohort) == ["training cases"], "not asked by earlier versions"
    write(True, hashes, None)
    assert require_passed(report, cohort) == ["training cases", "image copies"]
    write(True, dict(list(hashes.items())[:1]))
    with pytest.raises(BadInputError, match="other cases"):
        require_passed(report, cohort)
    write(False, hashes, False)
    with pytest.raises(StrokeSynthError, match="not passed"):
        require_passed(report, cohort)
    write(True, hashes, False)
    with pytest.raises(StrokeSynthError, match="not passed"):
        require_passed(report, cohort)
    report.write_text("{}")
    with pytest.raises(BadInputError, match="not a report"):
        require_passed(report, cohort)


def test_a_moved_cohort_is_the_same_and_a_changed_one_is_not(tmp_path):
    first = open_cohort(small(tmp_path / "a", range(1), flagged=True)).cases[0]
    same = open_cohort(small(tmp_path / "b", range(1), flagged=True)).cases[0]
    unmarked = open_cohort(small(tmp_path / "c", range(1), flagged=False)).cases[0]
    other = open_cohort(small(tmp_path / "d", range(1, 2), flagged=True)).cases[0]
    assert case_hash(first) == case_hash(same)
    assert len({case_hash(first), case_hash(unmarked), case_hash(other)}) == 3
    assert cohort_hash(["a", "b"]) == cohort_hash(["b", "a"])
