"""Train: a cohort is checked, a training runs beside the panel, is stopped, found again, its model used."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from Testing.panel.cohorts import damage, kill_all_of, mapped_cohort, small_cohort
from Testing.panel.train_acts import checked, give, opened, pick, set_up

MODULE = Path(__file__).resolve().parents[2] / "StrokeSynth" / "StrokeSynth.py"
OK = 0x400
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs signals")


# What is missing


def test_the_button_says_what_is_missing_until_nothing_is(host, panel, tmp_path):
    section = opened(host, panel)
    button = section.ui.startButton
    assert not section.ui.checkButton.enabled
    assert "Choose the folder" in button.toolTip
    host.type(section.ui.cohortEdit, str(tmp_path / "nowhere"))
    assert not button.enabled
    assert "nowhere: there is no such folder" in button.toolTip
    cohort = small_cohort(tmp_path / "größe 1")
    give(host, section.ui.cohortEdit, cohort)
    assert "Check the cohort first" in button.toolTip
    checked(host, section, cohort)
    assert button.enabled
    assert "4 cases (BIDS)" in section.ui.checkLabel.text
    host.type(section.ui.cohortEdit, str(tmp_path))
    assert "Check the cohort first" in button.toolTip, "another folder was not checked"


def test_what_is_wrong_with_a_cohort_is_listed_for_each_case(host, panel, tmp_path):
    section = opened(host, panel)
    cohort = small_cohort(tmp_path / "cohort", 3)
    damage(cohort, "sub-0002")
    checked(host, section, cohort)
    table = section.ui.findingsTable
    assert table.visible
    assert table.horizontalScrollBar().maximum == 0, "sentences are read whole"
    assert [table.item(0, column).text() for column in (0, 1)] == ["sub-0002", "no"]
    assert "sub-0002_trace.nii.gz" in table.item(0, 2).text()
    assert "2 can be used" in section.ui.checkLabel.text
    assert section.ui.startButton.enabled, "the others can still be trained on"
    for name in ("sub-0001", "sub-0003"):
        damage(cohort, name)
    host.click(section.ui.checkButton)
    host.wait_until(lambda: "0 can be used" in section.ui.checkLabel.text, 60, "the check")
    assert not section.ui.startButton.enabled
    assert "None of the cases can be used" in section.ui.startButton.toolTip


def test_a_segmenter_needs_lesions_and_a_translator_does_not(host, panel, tmp_path):
    section = opened(host, panel)
    checked(host, section, small_cohort(tmp_path / "cohort", 2, lesions=False))
    assert "No case has a reference lesion" in section.ui.startButton.toolTip
    pick(host, section.ui.kindBox, "physics")
    assert section.ui.startButton.enabled


def test_lesions_are_learned_from_a_folder_of_masks_which_needs_no_check(host, panel, tmp_path):
    section = opened(host, panel)
    give(host, section.ui.cohortEdit, tmp_path)
    assert "Check the cohort first" in section.ui.startButton.toolTip
    pick(host, section.ui.kindBox, "shape")
    assert section.ui.startButton.enabled
    assert not section.ui.dimensionsBox.enabled
    command = section.commandLine()
    assert command.startswith("strokesynth train lesions --kind shape --masks ")
    assert "--cohort" not in command
    pick(host, section.ui.kindBox, "wgan")
    assert section.ui.minutesBox.enabled
    assert "--dimensions" not in section.commandLine()


def test_what_is_not_a_cohort_is_said_at_the_foot(host, panel, tmp_path):
    section = opened(host, panel)
    (tmp_path / "empty").mkdir()
    host.type(section.ui.cohortEdit, str(tmp_path / "empty"))
    host.click(section.ui.checkButton)
    host.wait_until(lambda: panel.worker.isError, 60, "the failure")
    assert "empty" in panel.ui.statusLabel.text
    assert not section.ui.startButton.enabled


def test_everything_that_can_be_trained_is_offered_with_what_applies_to_it(host, panel):
    section = opened(host, panel)
    ui = section.ui
    kinds = [ui.kindBox.itemData(index) for index in range(ui.kindBox.count)]
    assert kinds == [f"{t['role']}/{t['kind']}" for t in panel.hello["trainings"]]
    assert ui.startFromBox.itemData(0) == "acute", "the shipped network goes on with few cases"
    pick(host, ui.kindBox, "physics")
    for widget in (ui.startFromBox, ui.syntheticEdit, ui.minutesBox, ui.stepsBox, ui.dimensionsBox):
        assert not widget.enabled
        assert widget.toolTip
    pick(host, ui.kindBox, "unet")
    assert ui.minutesBox.enabled
    assert not ui.dimensionsBox.enabled, "the network is that of the model that it starts from"
    pick(host, ui.startFromBox, "Nothing")
    assert ui.dimensionsBox.enabled
    assert ui.dimensionsBox.itemText(0) == "2D: slices with their neighbors"
    pick(host, ui.kindBox, "spade")
    assert ui.dimensionsBox.itemText(0) == "2D: slice by slice", "translators see no neighbors"


def test_without_pytorch_networks_cannot_be_trained_and_the_way_to_get_it_is_said(host, panel, tmp_path):
    section = opened(host, panel)
    checked(host, section, small_cohort(tmp_path / "cohort", 2))
    assert not section.ui.installButton.visible
    packages = {**panel.hello["packages"], "torch": None, "monai": None}
    panel.onHello({**panel.hello, "packages": packages})
    for text in (section.ui.startButton.toolTip, section.ui.packagesLabel.text):
        assert "torch, monai" in text
        assert "extension PyTorch" in text
    assert not section.ui.startButton.enabled
    assert not section.ui.installButton.enabled
    pick(host, section.ui.kindBox, "physics")
    assert section.ui.startButton.enabled, "this kind needs no PyTorch"


def test_pytorch_is_installed_by_its_extension_in_the_buttons_handler(host, panel, tmp_path, monkeypatch):
    import slicer

    (tmp_path / "extension").mkdir()
    (tmp_path / "extension" / "PyTorchUtils.py").write_text(
        "asked = []\n"
        "class PyTorchUtilsLogic:\n"
        "    def installTorch(self, askConfirmation=False, torchVersionRequirement=None):\n"
        "        asked.append((askConfirmation, torchVersionRequirement))\n"
        "        return object()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path / "extension"))
    section = opened(host, panel)
    panel.onHello({**panel.hello, "packages": {**panel.hello["packages"], "torch": None}})
    before = panel.hello
    slicer.packaging.installer.absent = {"monai"}
    host.answer(OK, "need to be installed")
    host.click(section.ui.installButton)
    assert sys.modules["PyTorchUtils"].asked == [(True, ">=2.3,<3")], "the user is asked first"
    host.wait_until(lambda: panel.hello is not before, 60, "what there is now")
    assert not section.ui.installButton.visible


def test_every_choice_makes_a_command_that_the_command_line_takes(host, panel, tmp_path):
    from StrokeSynthWidgets.DatabaseLogic import NNUNET, DatabaseRequest
    from StrokeSynthWidgets.TrainLogic import NOTHING, TrainRequest

    from StrokeSynthLib.cli import build_parser

    for training in panel.logic.ask("hello", {})["trainings"]:
        for start in ("acute", NOTHING):
            words = TrainRequest(
                training, str(tmp_path), "my model: 2", start, str(tmp_path), 2.5, 100, 3, 2, 7,
                str(tmp_path / "more"), "map",
            ).words()  # fmt: skip
            arguments = build_parser(words).parse_args(words)
            assert (getattr(arguments, "unlabeled", None) is not None) == training["unlabeled"]
            assert (getattr(arguments, "condition", "") == "map") == bool(training["conditions"])
            assert (arguments.kind, arguments.seed) == (training["kind"], 7)
            assert arguments.out.name == "my model- 2", "a name that every system takes"
            assert (arguments.minutes, arguments.steps) == (
                (2.5, 100) if training["network"] else (None, None)
            )
            fine_tuned = training["fine_tunes"] and start == "acute"
            assert getattr(arguments, "start_from", None) == ("acute" if fine_tuned else None)
            sees = training["network"] and not fine_tuned and training["role"] != "lesions"
            assert getattr(arguments, "dimensions", 2) == (3 if sees else 2)
    words = DatabaseRequest("m", 9, "cases", NNUNET, "heads", "lesions", 25, 3, 8).words()
    arguments = build_parser(words).parse_args(words)
    assert (arguments.cases, arguments.lesion_free, arguments.workers, arguments.seed) == (9, 0.25, 3, 8)
    assert arguments.nnunet == Path("cases-nnunet").absolute()
    assert (arguments.anatomies.name, arguments.lesions.name) == ("heads", "lesions")


# A training


def test_a_user_trains_on_four_cases_and_uses_the_model(host, panel, tmp_path):
    import slicer

    section = opened(host, panel)
    ui = section.ui
    checked(host, section, small_cohort(tmp_path / "cohort of Jürgen"))
    set_up(host, section, steps=3)
    host.type(ui.coresBox, "1")
    host.type(ui.nameEdit, "mine")
    command = ui_command(section)
    host.click(ui.startButton)
    job = section.jobs.job
    assert command == job.command_line
    assert "--start-from acute" in command
    assert "--threads 1 " in command
    assert "is being trained" in ui.startButton.toolTip
    assert not ui.startButton.enabled
    host.wait_until(lambda: ui.jobBar.text == "1 of 3" or section.jobs.status.state == "done", 180, "a step")
    host.wait_until(lambda: not section.jobs.status.alive, 180, "the end")
    assert section.jobs.status.state == "done", job.log()
    assert "validation Dice" in ui.jobLabel.text
    assert "Best Dice" in ui.scoreBar.format
    assert "Begun" in ui.logEdit.toPlainText()
    assert not ui.resumeButton.enabled

    host.click(ui.curvesButton)
    charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert len(charts) == 1
    view = slicer.app.layoutManager().plotWidget(0).mrmlPlotViewNode()
    assert view.GetPlotChartNodeID() == charts[0].GetID()
    table = charts[0].GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    assert [table.GetValue(row, 0).ToInt() for row in range(table.GetNumberOfRows())] == [1, 2, 3]

    models = panel.section("SegmentSection").ui.modelBox
    path = str(tmp_path / "my data" / "models" / "mine")
    host.wait_until(lambda: models.findData(path) >= 0, 60, "the model among the segmenters")
    assert ui.startFromBox.findData(path) >= 0, "another training can start from it"
    host.type(ui.nameEdit, "mine")
    assert "There is a model mine already" in ui.startButton.toolTip


def test_a_translator_of_ones_own_is_offered_for_databases(host, panel, tmp_path):
    section = opened(host, panel)
    checked(host, section, mapped_cohort(tmp_path / "cohort"))
    pick(host, section.ui.kindBox, "physics")
    assert section.ui.nameEdit.placeholderText == "physics-1"
    host.click(section.ui.startButton)
    host.wait_until(lambda: not section.jobs.status.alive, 120, "the end")
    assert section.jobs.status.state == "done", section.jobs.job.log()
    assert not section.ui.scoreBar.visible, "translators are not scored by Dice"
    translators = panel.section("DatabaseSection").ui.translatorBox
    path = str(tmp_path / "my data" / "models" / "physics-1")
    host.wait_until(lambda: translators.findData(path) >= 0, 60, "the model among the translators")
    assert section.ui.nameEdit.placeholderText == "physics-2"


def ui_command(section):
    """What the line under the section shows."""
    return section._commandRow.line.text


@posix_only
def test_a_killed_training_is_found_by_the_next_panel_and_goes_on(host, panel, tmp_path):
    from Testing.Host.host import Host

    section = opened(host, panel)
    checked(host, section, small_cohort(tmp_path / "cohort"))
    set_up(host, section, steps=5000)
    host.click(section.ui.startButton)
    job = section.jobs.job
    host.wait_until(lambda: section.ui.jobBar.maximum == 5000, 180, "the first step")
    host.close_scene()
    assert section.jobs.status.alive, "it does not belong to the scene"
    panel.enter()
    host.end()
    assert job.status().state == "running", "it does not belong to Slicer"

    again = Host(tmp_path / "again")
    try:
        panel = again.load_module(MODULE)
        section = opened(again, panel)
        ui = section.ui
        assert section.jobs.job.folder == job.folder
        assert not ui.resumeButton.enabled
        assert ui.pauseButton.enabled
        kill_all_of(job)
        again.wait_until(lambda: section.jobs.status.state == "interrupted", 30, "that it is noticed")
        assert "killed" in ui.jobLabel.text
        assert "interrupted" in ui.jobBox.currentText
        assert not ui.pauseButton.enabled
        again.click(ui.resumeButton)
        again.wait_until(lambda: section.jobs.status.state == "running", 60, "the next try")
        assert not ui.forgetButton.enabled
        again.click(ui.pauseButton)
        again.wait_until(lambda: section.jobs.status.state == "paused", 120, "the pause")
        assert ui.resumeButton.enabled
        assert ui.forgetButton.enabled
        again.click(ui.forgetButton)
        assert not ui.jobWidget.visible
        assert not job.folder.exists()
    finally:
        again.end()


def test_cancel_ends_a_training_and_its_name_is_not_suggested_again(host, panel, tmp_path):
    section = opened(host, panel)
    checked(host, section, small_cohort(tmp_path / "cohort", 2))
    assert section.ui.nameEdit.placeholderText == "unet-1"
    host.click(section.ui.startButton)
    host.wait_until(lambda: section.jobs.status.state == "running", 60, "the start")
    host.click(section.ui.cancelButton)
    host.wait_until(lambda: section.jobs.status.state == "cancelled", 60, "the end")
    assert "Cancelled" in section.ui.jobLabel.text
    assert section.ui.nameEdit.placeholderText == "unet-2"
    host.type(section.ui.nameEdit, "unet-1")
    assert "There is a training unet-1 below" in section.ui.startButton.toolTip
    host.type(section.ui.nameEdit, "")
    assert section.ui.startButton.enabled
