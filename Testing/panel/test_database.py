"""Database: synthetic cases are made beside the panel, stopped, gone on with, and looked over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from StrokeSynthLib.translate.registry import train_translator
from Testing.panel.cohorts import kill_all_of, recorded_job
from Testing.unit import translate_phantom as phantom

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    """A translator that is trained in a second and draws small images."""
    folder = tmp_path_factory.mktemp("translator")
    return train_translator("physics", phantom.write_cohort(folder / "cohort", 2), folder / "clinic").path


@pytest.fixture
def home(tmp_path, translator):
    """The user's own folder, with the translator among the models."""
    shutil.copytree(translator, tmp_path / "my data" / "models" / "clinic")
    return tmp_path / "my data"


def opened(host, panel):
    """The section, opened, when the worker has told what there is."""
    section = panel.section("DatabaseSection")
    host.wait_until(lambda: panel.hello, 60, "hello")
    host.toggle(section.button)
    return section


def set_up(host, section, out, *, cases=3):
    """What a user fills in."""
    box = section.ui.translatorBox
    host.choose(box, next(text for text in map(box.itemText, range(box.count)) if text.startswith("clinic")))
    host.type(section.ui.casesBox, str(cases))
    section.ui.outputEdit.setCurrentPath(str(out))
    host.process()


def emptied(host, edit):
    """Clear a line for a path as CTK's does it: only its validity is told."""
    edit.blockSignals(True)
    edit.setCurrentPath("")
    edit.blockSignals(False)
    edit.validInputChanged(False)
    host.process()


def made(out):
    """Names of the cases that are whole."""
    return sorted(
        path.parents[1].name for path in out.glob("sub-*/dwi/*_trace.json") if "desc" not in path.name
    )


def test_without_a_translator_it_says_where_one_is_made(host, panel, tmp_path):
    section = opened(host, panel)
    panel.onHello({**panel.hello, "models": [m for m in panel.hello["models"] if m["role"] != "translator"]})
    assert not section.ui.translatorBox.enabled
    section.ui.outputEdit.setCurrentPath(str(tmp_path / "out"))
    host.process()
    assert "train one in Train" in section.ui.startButton.toolTip
    assert not section.ui.startButton.enabled


def test_the_button_says_what_is_missing_until_nothing_is(host, home, panel, tmp_path):
    section = opened(host, panel)
    ui = section.ui
    assert ui.translatorBox.findData(str(home / "models" / "clinic")) >= 0
    assert "Choose a folder for the cases" in ui.startButton.toolTip
    set_up(host, section, home)
    assert "is not empty" in ui.startButton.toolTip
    set_up(host, section, tmp_path / "new")
    assert ui.startButton.enabled
    host.type(ui.lesionsEdit, str(tmp_path / "nowhere"))
    assert "nowhere: there is no such folder" in ui.startButton.toolTip
    emptied(host, ui.lesionsEdit)
    host.choose(ui.formatBox, "BIDS, and a copy for nnU-Net")
    (tmp_path / "new-nnunet").mkdir()
    (tmp_path / "new-nnunet" / "thesis.docx").touch()
    panel.refresh()
    assert "new-nnunet: is not empty" in ui.startButton.toolTip


def test_a_user_makes_three_cases_and_looks_them_over(host, home, panel, tmp_path, monkeypatch):
    import qt

    section = opened(host, panel)
    ui = section.ui
    out = tmp_path / "cases of Jürgen"
    set_up(host, section, out)
    host.type(ui.lesionFreeBox, "0")
    host.choose(ui.formatBox, "BIDS, and a copy for nnU-Net")
    command = section._commandRow.line.text
    host.click(ui.startButton)
    assert command == section.jobs.job.command_line
    assert not ui.mosaicButton.enabled
    assert "No case is made yet" in ui.mosaicButton.toolTip
    host.wait_until(lambda: not section.jobs.status.alive, 240, "the end")
    assert section.jobs.status.state == "done", section.jobs.job.log()
    assert made(out) == ["sub-0001", "sub-0002", "sub-0003"]
    assert len(list((tmp_path / "cases of Jürgen-nnunet" / "labelsTr").glob("*.nii.gz"))) == 3
    assert "3 synthetic cases written" in ui.jobLabel.text
    host.wait_until(lambda: ui.mosaicLabel.visible, 60, "the picture, which comes by itself")
    host.wait_until(lambda: ui.mosaicLabel.pixmap.width() == ui.startButton.width, 5, "its width")
    opened_files = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened_files.append(url.toLocalFile()))
    host.click(ui.openMosaicButton)
    host.click(ui.folderButton)
    assert [Path(path).name for path in opened_files] == ["mosaic.png", "cases of Jürgen"]
    assert not list(out.rglob("mosaic*")), "the picture of the panel is with the record of its job"


@posix_only
def test_a_killed_database_goes_on_to_its_end(host, home, panel, tmp_path):
    section = opened(host, panel)
    ui, out = section.ui, tmp_path / "cases"
    set_up(host, section, out, cases=4)
    host.click(ui.startButton)
    host.wait_until(lambda: ui.jobBar.value >= 1, 240, "the first case")
    kill_all_of(section.jobs.job)
    host.wait_until(lambda: section.jobs.status.state == "interrupted", 30, "that it is noticed")
    kept = len(made(out))
    assert 1 <= kept < 4
    host.click(ui.mosaicButton)
    host.wait_until(lambda: ui.mosaicLabel.visible, 60, "the picture of what is there")
    host.close_scene()
    host.click(ui.resumeButton)
    host.wait_until(lambda: section.jobs.status.state == "done", 240, "the end")
    assert len(made(out)) == 4


def test_databases_of_before_are_listed_and_their_cases_can_be_looked_at(host, home, tmp_path, request):
    event = {"event": "progress", "stage": "Making synthetic cases", "done": 5, "total": 9, "message": ""}
    command = ["database", "--model", "m", "--cases", "9", "--out", str(tmp_path / "gone")]
    recorded_job(
        home / "jobs", command, title="gone", state={"state": "cancelled", "ended": 1.0}, events=[event]
    )
    panel = request.getfixturevalue("panel")
    section = opened(host, panel)
    assert section.ui.jobBox.currentText.startswith("gone (cancelled")
    assert section.ui.jobBar.value == 5
    assert section.ui.resumeButton.enabled
    host.click(section.ui.mosaicButton)
    host.wait_until(lambda: panel.worker.isError, 60, "the failure")
    assert "gone" in panel.ui.statusLabel.text
    host.click(section.ui.forgetButton)
    assert not section.ui.jobWidget.visible
    assert not list((home / "jobs").glob("*"))


def test_choices_are_saved_with_the_scene(host, home, panel, tmp_path):
    section = opened(host, panel)
    set_up(host, section, tmp_path / "out", cases=77)
    host.type(section.ui.lesionFreeBox, "25")
    host.choose(section.ui.formatBox, "BIDS, and a copy for nnU-Net")
    scene = host.save_scene()
    host.close_scene()
    assert section.ui.casesBox.value == 50
    host.load_scene(scene)
    line = section._commandRow.line.text
    assert "--cases 77" in line
    assert "--lesion-free 0.25" in line
    assert f"--nnunet {tmp_path / 'out'}-nnunet" in line
    assert line.endswith(f"--out {tmp_path / 'out'}")
