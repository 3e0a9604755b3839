"""A database that meets a case whose lesion no image shows: it can be finished, and says which case it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.files import read_json, write_json
from StrokeSynthLib.pipeline import attempts
from StrokeSynthLib.pipeline.attempts import LESIONS
from StrokeSynthLib.translate.registry import train_translator
from Testing.unit import translate_phantom as phantom
from Testing.unit.test_pipeline_production import contents

#: The case that cannot be made, of so many.
HOPELESS, CASES = 2, 3
KEEP = "--keep-unrecoverable"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return train_translator("physics", phantom.write_cohort(folder / "cohort", 2), folder / "clinic").path


@pytest.fixture(autouse=True)
def hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No image of the second case passes the test."""
    draw, test, number = attempts.Attempts.draw, attempts.recoverable, [0]

    def drawing(self: attempts.Attempts, which: int, *arguments: Any) -> attempts.Drawn:
        number[0] = which
        return draw(self, which, *arguments)

    def tested(*arguments: Any) -> Any:
        found = test(*arguments)
        return replace(found, recovered=False, reason="too small") if number[0] == HOPELESS else found

    monkeypatch.setattr(attempts.Attempts, "draw", drawing)
    monkeypatch.setattr(attempts, "recoverable", tested)


def make(model: Path, out: Path, *options: str) -> int:
    words = ["database", "--model", str(model), "--cases", str(CASES), "--out", str(out), "--seed", "4"]
    words += ["--lesion-free", "0", "--no-contact-sheet", "--progress", "none", *options]
    return main(words)


def test_it_is_finished_with_the_option_added_and_is_the_same_as_with_it_from_the_start(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, once = tmp_path / "resumed", tmp_path / "at-once"
    assert make(model, out) == 1
    assert "--resume --keep-unrecoverable" in capsys.readouterr().err
    assert make(model, out, "--resume") == 1, "the same case, the same seeds"
    assert make(model, out, "--resume", KEEP) == 0
    assert "1 kept though their lesion cannot be seen" in "".join(capsys.readouterr())
    assert make(model, once, KEEP) == 0
    assert contents(out) == contents(once)


def test_case_and_data_sheet_say_what_was_kept(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept"
    assert make(model, out, KEEP) == 0
    marks = {}
    for number in range(1, CASES + 1):
        sidecar = read_json(out / f"sub-{number:04d}" / "dwi" / f"sub-{number:04d}_trace.json")
        marks[number] = sidecar.get("LesionRecovered", True)
        if number == HOPELESS:
            assert sidecar["Tries"][-1]["lesion"] == LESIONS, "everything was tried before"
            kept = [t for t in sidecar["Tries"] if t.get("kept")]
            assert kept == [next(t for t in sidecar["Tries"] if "image" in t)]
            assert sidecar["LesionVolumeMl"] == pytest.approx(kept[0]["volume_ml"], rel=1e-3)
    assert marks == {1: True, 2: False, 3: True}
    sheet = read_json(out / "datasheet.json")
    assert sheet["rejection"]["kept_though_not_recovered"] == 1
    assert sheet["asked"]["keep_unrecoverable"] is True
    assert KEEP in sheet["command"]
    rows = [line.split("\t") for line in (out / "datasheet.tsv").read_text().splitlines()]
    recovered = rows[0].index("recovered")
    assert [row[recovered] for row in rows[1:]] == ["True", "False", "True"]


def test_a_database_of_an_earlier_version_that_names_the_option_is_gone_on_with(
    model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "earlier"
    assert make(model, out) == 1
    path = out / "dataset_description.json"
    content = read_json(path)
    content["StrokeSynth"]["Settings"]["keep_unrecoverable"] = True
    write_json(path, content)
    assert make(model, out, "--resume", KEEP) == 0
    assert make(model, out, "--resume", "--side", "left") == 2, "other settings are refused as before"
