"""Train a translator: what its network sees, and examinations without maps that it can learn from as well."""

from __future__ import annotations

import pytest

from Testing.panel.cohorts import damage, mapped_cohort, small_cohort
from Testing.panel.train_acts import checked, give, opened, pick, set_up


@pytest.fixture
def section(host, panel):
    """The section Train, opened."""
    return opened(host, panel)


def commands(section):
    """Each option of the command that is shown, with its value."""
    import shlex

    words = shlex.split(section._commandRow.line.text)
    return {a: b for a, b in zip(words, [*words[1:], ""], strict=True) if a.startswith("--")}


def test_only_kinds_that_can_use_examinations_without_maps_take_them(host, panel, section):
    edit = section.ui.unlabeledEdit
    able = {training["kind"] for training in panel.hello["trainings"] if training["unlabeled"]}
    assert able, "a kind that can"
    for training in panel.hello["trainings"]:
        pick(host, section.ui.kindBox, f": {training['kind']} (")
        assert edit.enabled == (training["kind"] in able)
        assert edit.toolTip
        if not edit.enabled:
            assert all(kind in edit.toolTip for kind in able), "which kinds could is said"


def test_what_a_network_sees_can_be_chosen_where_there_is_a_choice(host, panel, section, tmp_path):
    give(host, section.ui.cohortEdit, tmp_path)
    box = section.ui.conditionBox
    for training in panel.hello["trainings"]:
        pick(host, section.ui.kindBox, f": {training['kind']} (")
        assert [box.itemData(index) for index in range(box.count)] == list(training["conditions"])
        for shown in (box, section.ui.conditionBoxTitle):
            assert shown.isVisible() == bool(training["conditions"]), "no empty box where nothing is chosen"
        assert "--condition" not in commands(section), "the usual needs no word"
    pick(host, section.ui.kindBox, "pix2pix")
    pick(host, box, "map alone")
    assert commands(section)["--condition"] == "map"
    pick(host, section.ui.kindBox, "spade")
    assert "map alone" in box.currentText, "the choice holds for the next network"
    pick(host, section.ui.kindBox, "physics")
    assert not box.isVisible()
    assert "--condition" not in commands(section)


def test_added_examinations_are_checked_before_the_start(host, section, tmp_path):
    ui = section.ui
    cohort, added = mapped_cohort(tmp_path / "cohort"), small_cohort(tmp_path / "added", 3, lesions=False)
    checked(host, section, cohort)
    pick(host, ui.kindBox, "cyclegan")
    assert ui.startButton.enabled
    assert "--unlabeled" not in commands(section)
    give(host, ui.unlabeledEdit, tmp_path / "nowhere")
    assert "nowhere: there is no such folder" in ui.startButton.toolTip
    give(host, ui.unlabeledEdit, added)
    assert commands(section)["--unlabeled"] == str(added)
    assert "Check the added examinations first" in ui.startButton.toolTip
    damage(added, "sub-0002")
    host.click(ui.checkButton)
    host.wait_until(lambda: "Added: 3 examinations (BIDS), 2 can be used" in ui.checkLabel.text, 60, "checks")
    assert "2 cases (BIDS)" in ui.checkLabel.text
    rows = [
        [ui.findingsTable.item(row, c).text() for c in (0, 1)] for row in range(ui.findingsTable.rowCount)
    ]
    assert ["sub-0002", "no"] in rows
    assert ui.startButton.enabled
    for name in ("sub-0001", "sub-0003"):
        damage(added, name)
    host.click(ui.checkButton)
    host.wait_until(lambda: "0 can be used" in ui.checkLabel.text, 60, "the checks")
    assert "None of the added examinations can be used" in ui.startButton.toolTip
    pick(host, ui.kindBox, "pix2pix")
    assert ui.startButton.enabled, "this kind does not look at them"
    assert "--unlabeled" not in commands(section)


def test_both_choices_are_saved_with_the_scene(host, section, tmp_path):
    pick(host, section.ui.kindBox, "cyclegan")
    give(host, section.ui.cohortEdit, tmp_path)
    give(host, section.ui.unlabeledEdit, tmp_path / "added")
    pick(host, section.ui.conditionBox, "map alone")
    before = commands(section)
    scene = host.save_scene()
    host.close_scene()
    assert section.ui.unlabeledEdit.currentPath == ""
    host.load_scene(scene)
    assert section.ui.unlabeledEdit.currentPath == str(tmp_path / "added")
    assert "map alone" in section.ui.conditionBox.currentText
    assert commands(section) == before


def test_a_translator_is_trained_on_the_map_alone_with_added_examinations(host, panel, section, tmp_path):
    from StrokeSynthLib.files import read_json

    ui = section.ui
    cohort, added = mapped_cohort(tmp_path / "cohort"), small_cohort(tmp_path / "added", 2, lesions=False)
    pick(host, ui.kindBox, "cyclegan")
    give(host, ui.unlabeledEdit, added)
    pick(host, ui.conditionBox, "map alone")
    checked(host, section, cohort)
    host.wait_until(lambda: ui.startButton.enabled, 60, "both checks")
    set_up(host, section, steps=2)
    host.click(ui.startButton)
    job = section.jobs.job
    host.wait_until(lambda: not section.jobs.status.alive, 300, "the end")
    assert section.jobs.status.state == "done", ui.logEdit.toPlainText()
    assert "--unlabeled" in job.command_line
    model = tmp_path / "my data" / "models" / "cyclegan-1"
    content = read_json(model / "model.json")
    assert content["training"]["unlabeled"] == ["sub-0001", "sub-0002"]
    assert content["config"]["condition"] == "map"
    translators = panel.section("SynthesizeSection").ui.translatorBox
    host.wait_until(lambda: translators.findData(str(model)) >= 0, 60, "the model among the translators")
