"""Trainings of before this panel: listed, judged, drawn; and what the scene keeps of the section."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.panel.cohorts import recorded_job, trained
from Testing.panel.train_acts import opened, pick

JOBS = Path("my data") / "jobs"
TRAIN = ["train", "segmenter", "--kind", "unet", "--cohort", "c", "--out", "models/unet-1"]


@pytest.fixture
def before(tmp_path):
    """Where jobs are that ran before this panel."""
    return tmp_path / JOBS


def test_a_failed_training_says_why_and_can_go_on(host, before, tmp_path, request):
    failed = {"state": "failed", "message": "The disk is full.", "remedy": "Make room.", "ended": 1.0}
    recorded_job(before, TRAIN, state=failed)
    recorded_job(before, ["database", "--model", "m", "--cases", "3", "--out", "d"], title="other")
    section = opened(host, request.getfixturevalue("panel"))
    assert section.ui.jobBox.count == 1, "databases are in their own section"
    assert section.ui.jobLabel.text == "Failed. The disk is full. Make room."
    assert "Something on standard error" in section.ui.logEdit.toPlainText()
    assert section.ui.resumeButton.enabled


@pytest.mark.parametrize(
    ("ended", "said"), [(1070.0, True), (1030.0, False)], ids=["its time was over", "nothing more was gained"]
)
def test_a_training_that_its_time_has_ended_says_how_far_it_came(host, before, request, ended, said):
    done = {"state": "done", "started": 1000.0, "ended": ended}
    recorded_job(before, [*TRAIN, "--minutes", "1"], state=done, events=[trained(10, 1500, loss=1.0)])
    section = opened(host, request.getfixturevalue("panel"))
    assert ("Its time was over after 10 of 1500 steps" in section.ui.jobLabel.text) == said


def test_curves_follow_the_training_that_is_picked(host, before, tmp_path, request, pictures):
    import slicer

    events = [trained(step, loss=2.0 / step, **({"validation_dice": step / 110} if step % 25 == 0 else {}))
              for step in range(1, 101)]  # fmt: skip
    done = {"state": "done", "ended": 1.0}
    recorded_job(before, TRAIN, title="first", state=done, events=events)
    recorded_job(before, TRAIN, title="second", state=done, events=[trained(1, loss=1.0)])
    section = opened(host, request.getfixturevalue("panel"))
    pick(host, section.ui.jobBox, "second")
    assert not section.ui.curvesButton.enabled
    assert "nothing to draw" in section.ui.curvesButton.toolTip
    pick(host, section.ui.jobBox, "first")
    assert section.ui.scoreBar.value == 909
    host.click(section.ui.curvesButton)
    chart = slicer.util.getNode("Training of first")
    names = {chart.GetNthPlotSeriesNode(index).GetName() for index in range(2)}
    assert names == {"Training loss", "Validation Dice"}
    host.click(section.ui.curvesButton)
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")) == 2, "drawn again, not twice"
    host.render_plot(chart, tmp_path / "plot.png")
    assert different_colors(tmp_path / "plot.png") > 20
    host.close_scene()
    host.click(section.ui.curvesButton)
    assert slicer.util.getNode("Training of first"), "drawn anew in an empty scene"


def different_colors(path):
    import numpy as np
    import SimpleITK as sitk

    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).reshape(-1, 3)
    return len(np.unique(pixels, axis=0))


def test_a_resumed_training_draws_over_what_it_does_again(host, panel):
    from StrokeSynthWidgets.TrainCurves import TrainCurves

    curves = TrainCurves()
    assert not curves.take([{"event": "notice", "message": "left out a case"}])
    assert curves.best is None
    curves.take([trained(step, loss=1.0) for step in range(1, 51)])
    curves.take([trained(40, loss=3.0, validation_dice=0.4), trained(41, loss=3.0)])
    points = curves.points["loss"]
    assert [step for step, _value in points] == [*range(1, 42)]
    assert [value for _step, value in points[-3:]] == [1.0, 3.0, 3.0]
    assert curves.best == (0.4, 40)


def test_long_curves_are_averaged_to_what_can_be_looked_at(host, panel):
    from StrokeSynthWidgets.TrainCurves import TrainCurves

    curves = TrainCurves()
    curves.take([trained(step, 10_000, loss=float(step % 2)) for step in range(1, 10_001)])
    drawn = curves.curve("loss")
    assert len(drawn) <= 300
    assert drawn[-1][0] == 10_000
    assert all(abs(value - 0.5) < 0.05 for _step, value in drawn)


def test_choices_are_saved_with_the_scene(host, panel, tmp_path):
    section = opened(host, panel)
    host.type(section.ui.cohortEdit, str(tmp_path))
    pick(host, section.ui.kindBox, "pix2pix")
    host.type(section.ui.minutesBox, "12.5")
    scene = host.save_scene()
    host.close_scene()
    assert section.ui.cohortEdit.currentPath == ""
    host.load_scene(scene)
    assert section.ui.cohortEdit.currentPath == str(tmp_path)
    assert section.ui.kindBox.currentText.startswith("Translator: pix2pix")
    assert section.ui.minutesBox.value == 12.5
