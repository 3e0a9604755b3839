"""The section Segment: a folder of examinations, by a process that outlives the panel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from StrokeSynthLib.jobs import longjobs
from StrokeSynthLib.volume import read_volume
from Testing.examinations import Examination

from .conftest import MODULE
from .users import section, table


def write_folder(folder: Path, cases: int, *, broken: bool = False) -> Path:
    """A folder for each examination, with a DWI and an ADC map in it."""
    for number in range(cases):
        name = f"Fall {number + 1}"
        (folder / name).mkdir(parents=True)
        Examination(number).write(folder / name, "{role}.nii.gz", "dwi", "adc")
    if broken:
        (folder / "Fall 1" / "dwi.nii.gz").write_bytes(b"no image")
    return folder


def end(job: longjobs.Job) -> None:
    """No process of a test is left behind."""
    job.kill()


@pytest.fixture
def batch(host, panel):
    """The part for folders, opened."""
    segment = section(host, panel, "Segment")
    host.toggle(segment.ui.folderSection)
    yield segment
    if segment.batch.job is not None:
        end(segment.batch.job)


def choose(segment, folder: Path, output: Path) -> None:
    segment.ui.folderEdit.currentPath = str(folder)
    segment.ui.outputEdit.currentPath = str(output)


def test_the_button_says_which_folder_is_missing(host, panel, batch, tmp_path):
    ui = batch.ui
    assert not ui.folderButton.enabled
    assert ui.folderButton.toolTip == "Choose the folder of examinations first"
    choose(batch, tmp_path / "nowhere", tmp_path / "masks")
    assert ui.folderButton.toolTip.endswith("there is no such folder")
    choose(batch, tmp_path, Path())
    ui.outputEdit.currentPath = ""
    assert ui.folderButton.toolTip == "Choose the folder for the masks first"
    choose(batch, tmp_path, tmp_path)
    assert "another folder" in ui.folderButton.toolTip
    assert not ui.folderStopButton.enabled
    assert ui.folderStopButton.toolTip == "Nothing runs"


def test_all_examinations_of_a_folder_are_segmented(host, panel, batch, tmp_path):
    folder, masks = write_folder(tmp_path / "Fälle vom Mai", 2), tmp_path / "Masken dazu"
    choose(batch, folder, masks)
    host.click(batch.ui.folderButton)
    assert batch.ui.folderStopButton.enabled
    assert batch.ui.folderBar.isVisible()
    assert batch.ui.folderButton.toolTip == "A folder is being segmented"
    host.wait_until(lambda: not batch.batch.running, 120, "the masks")
    host.wait_until(lambda: not batch.ui.folderBar.isVisible(), 10, "the end to be seen")
    written = sorted(path.name for path in masks.glob("*.nii.gz"))
    assert len(written) == 2, batch.ui.folderLabel.text
    assert read_volume(masks / written[0]).array.any()
    assert [row[0] for row in table(batch.ui.folderTable)] == ["Examination", "Fall 1", "Fall 2"]
    host.click(batch.ui.folderCopyButton)
    import slicer

    assert slicer.app.clipboard().text().splitlines()[0] == "Examination\tVolume (ml)\tRemark"


def test_the_command_of_the_folder_is_shown(batch, tmp_path):
    choose(batch, tmp_path, tmp_path / "masks")
    assert batch.batch.commandRow.line.text == (
        f"strokesynth segment --cohort {tmp_path} --out {tmp_path / 'masks'}"
    )


def test_an_examination_that_cannot_be_read_is_named_and_the_others_are_done(host, panel, batch, tmp_path):
    folder, masks = write_folder(tmp_path / "cases", 2, broken=True), tmp_path / "masks"
    choose(batch, folder, masks)
    host.click(batch.ui.folderButton)
    host.wait_until(lambda: not batch.ui.folderBar.isVisible(), 120, "the masks")
    assert len(list(masks.glob("*.nii.gz"))) == 1
    assert f"1 mask(s) in {masks}. 1 could not be segmented" in batch.ui.folderLabel.text
    header, first, second = table(batch.ui.folderTable)
    assert header == ["Examination", "Volume (ml)", "Remark"]
    assert first[:2] == ["Fall 1", ""]
    assert "dwi.nii.gz: is too short" in first[2]
    assert second[0] == "Fall 2"
    assert float(second[1]) > 0
    assert "No whole, upright head was found" in second[2]


def test_a_folder_without_examinations_is_told(host, panel, batch, tmp_path):
    (tmp_path / "empty").mkdir()
    choose(batch, tmp_path / "empty", tmp_path / "masks")
    host.click(batch.ui.folderButton)
    host.wait_until(lambda: not batch.ui.folderBar.isVisible(), 60, "the refusal")
    assert batch.ui.folderLabel.text.startswith("Failed.")
    assert str(tmp_path / "empty") in batch.ui.folderLabel.text


def test_stop_ends_it_and_keeps_what_is_written(host, panel, batch, tmp_path):
    choose(batch, write_folder(tmp_path / "cases", 40), tmp_path / "masks")
    host.click(batch.ui.folderButton)
    host.wait_until(lambda: list((tmp_path / "masks").glob("*.nii.gz")), 120, "the first mask")
    host.click(batch.ui.folderStopButton)
    host.wait_until(lambda: not batch.batch.running, 60, "the end")
    host.wait_until(lambda: batch.ui.folderLabel.text.startswith("Stopped"), 10, "the end to be seen")
    assert 1 <= len(list((tmp_path / "masks").glob("*.nii.gz"))) < 40
    assert batch.ui.folderButton.enabled


def test_a_job_of_an_earlier_slicer_is_found_again(host, tmp_path, monkeypatch):
    monkeypatch.setenv("STROKESYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = write_folder(tmp_path / "cases", 40)
    words = ["segment", "--cohort", str(folder), "--out", str(tmp_path / "masks")]
    job = longjobs.start(words, tmp_path / "home" / "jobs", python=sys.executable)
    try:
        panel = host.load_module(MODULE)
        segment = section(host, panel, "Segment")
        host.toggle(segment.ui.folderSection)
        assert segment.ui.folderBar.isVisible()
        host.click(segment.ui.folderStopButton)
        host.wait_until(lambda: not job.status().alive, 60, "the end")
    finally:
        end(job)


def test_the_folders_come_back_with_the_scene(host, panel, batch, tmp_path):
    choose(batch, tmp_path, tmp_path / "masks")
    path = host.save_scene()
    host.close_scene()
    assert batch.ui.folderEdit.currentPath == ""
    host.load_scene(path)
    assert batch.ui.folderEdit.currentPath == str(tmp_path)
    assert batch.ui.outputEdit.currentPath == str(tmp_path / "masks")
