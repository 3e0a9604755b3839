"""The host drives a module that has all the usual parts, as a user would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .scene_builders import bright_ball

MODULE = Path(__file__).parent / "Demonstration" / "Demonstration.py"


@pytest.fixture
def panel(host):
    return host.load_module(MODULE)


def region(node, volume):
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(node, "region", volume)


def test_nothing_can_be_applied_before_a_volume_is_chosen(host, panel):
    assert not panel.ui.applyButton.enabled
    assert "Choose an input volume" in panel.ui.applyButton.toolTip
    with pytest.raises(AssertionError, match="disabled: Choose an input volume"):
        host.click(panel.ui.applyButton)


def test_a_user_thresholds_a_volume(host, panel):
    volume = bright_ball()
    host.choose(panel.ui.inputSelector, volume)
    host.click(panel.ui.applyButton)
    host.wait_until(lambda: panel.ui.progressBar.value == 12, what="the last slice")
    import slicer

    node = slicer.util.getNode("DWI above threshold")
    values = slicer.util.arrayFromVolume(volume)
    np.testing.assert_array_equal(region(node, volume) > 0, values > 100)


def test_widgets_and_parameters_follow_each_other(host, panel):
    host.type(panel.ui.thresholdSlider, "42.5")
    host.choose(panel.ui.sideBox, "below")
    host.click(panel.ui.fastBox)
    host.type(panel.ui.noteEdit, "two words")
    parameters = panel._parameters
    assert (parameters.threshold, parameters.side.name) == (42.5, "below")
    assert (parameters.fast, parameters.note) == (True, "two words")
    parameters.threshold = 12.0
    assert panel.ui.thresholdSlider.value == 12.0


def test_everything_is_there_again_after_save_close_and_load(host, panel):
    volume = bright_ball()
    host.choose(panel.ui.inputSelector, volume)
    host.type(panel.ui.thresholdSlider, "55")
    host.click(panel.ui.applyButton)
    host.wait_until(lambda: panel.ui.progressBar.value == 12)
    before = region(panel._parameters.result, volume)
    path = host.save_scene()
    host.close_scene()
    assert panel.ui.inputSelector.currentNode() is None
    assert panel.ui.thresholdSlider.value == 100.0
    host.load_scene(path)
    host.enter("Demonstration")
    parameters = panel._parameters
    assert (panel.ui.thresholdSlider.value, parameters.inputVolume.GetName()) == (55.0, "DWI")
    np.testing.assert_array_equal(region(parameters.result, parameters.inputVolume), before)


def test_the_scene_may_be_closed_in_the_middle_of_the_work(host, panel):
    host.choose(panel.ui.inputSelector, bright_ball())
    host.click(panel.ui.applyButton)
    assert panel.ui.cancelButton.enabled
    host.close_scene()
    host.wait(0.05)
    assert not panel.ui.cancelButton.enabled


def test_cancel_stops_the_timer(host, panel):
    host.choose(panel.ui.inputSelector, bright_ball())
    host.click(panel.ui.applyButton)
    host.click(panel.ui.cancelButton)
    shown = panel.ui.progressBar.value
    host.wait(0.05)
    assert panel.ui.progressBar.value == shown < 12


def test_a_stroke_in_the_embedded_segment_editor_changes_the_segment(host, panel):
    volume = bright_ball()
    host.choose(panel.ui.inputSelector, volume)
    host.type(panel.ui.thresholdSlider, "200")
    host.click(panel.ui.applyButton)
    host.wait_until(lambda: panel.ui.progressBar.value == 12)
    host.toggle(panel.ui.paintSection)
    editor, node = panel.ui.segmentEditor, panel._parameters.result
    editor.setActiveEffectByName("Paint")
    effect = editor.activeEffect()
    effect.setCommonParameter("BrushDiameterIsRelative", 0)
    effect.setCommonParameter("BrushAbsoluteDiameter", 16.0)
    effect.setCommonParameter("BrushSphere", 1)
    painted = host.paint(editor, (0.0, 0.0, 0.0))
    assert region(node, volume).sum() == painted > 50
    host.click(editor.__dict__["_undo"])
    assert region(node, volume).sum() == 0


def test_a_slot_that_fails_fails_the_test(host, panel, monkeypatch):
    host.choose(panel.ui.inputSelector, bright_ball())
    monkeypatch.setattr(panel.logic, "newResult", lambda volume: 1 / 0)
    host.answer(0, "ZeroDivisionError" if False else "Thresholding failed.")
    with host.expect_problem("ZeroDivisionError"):
        host.click(panel.ui.applyButton)


def test_a_module_is_left_and_entered(host, panel, tmp_path):
    host.load_module(other_module(tmp_path))
    assert not panel.parent.isVisible()
    assert panel._parameters is None
    host.enter("Demonstration")
    assert panel._parameters is not None


def test_its_own_test_runs(host, panel):
    import slicer

    slicer.selfTests["Demonstration"]()


def test_the_panel_can_be_photographed(host, panel):
    from PIL import Image

    host.choose(panel.ui.inputSelector, bright_ball())
    picture = np.asarray(Image.open(host.grab(panel.parent)).convert("L"))
    assert picture.shape[1] > 200
    assert picture.std() > 5  # a blank one would be 0


def other_module(folder: Path) -> Path:
    path = folder / "Other" / "Other.py"
    path.parent.mkdir()
    path.write_text(
        "from slicer.ScriptedLoadableModule import *\n"
        "class Other(ScriptedLoadableModule):\n    pass\n"
        "class OtherWidget(ScriptedLoadableModuleWidget):\n    pass\n"
    )
    return path
