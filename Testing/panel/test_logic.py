"""The module's logic, used from Python; and what holds for the whole panel."""

from __future__ import annotations

import pytest

from .users import section, small_examination


@pytest.fixture
def logic(host, panel):
    return panel.logic


def test_a_script_makes_a_map_segments_measures_and_compares(logic):
    case = logic.openSampleCase()
    tissue = logic.makeMap(case.dwi, case.adc)
    result = logic.segment(case.dwi, case.adc)
    assert result.volumeMl > 10
    assert result.territories is not None
    lesions, territories = logic.measure(result.segmentation, case.dwi, tissue)
    assert lesions.GetNumberOfRows() == result.lesions.GetNumberOfRows()
    assert territories.GetNumberOfRows() > 1
    assert logic.agreement(result.segmentation, case.reference, case.dwi)["dice"] > 0.8


def test_the_logic_needs_no_panel(host, monkeypatch, tmp_path):
    import sys

    from .conftest import MODULE

    monkeypatch.setenv("STROKESYNTH_HOME", str(tmp_path))
    host.modules._load(MODULE)
    logic = sys.modules["StrokeSynth"].StrokeSynthLogic()
    try:
        dwi, adc = small_examination()
        assert logic.segment(dwi, adc).segmentation is not None
    finally:
        logic.client.stop()


def test_a_script_is_told_what_is_wrong(logic):
    from StrokeSynthLib.errors import StrokeSynthError

    dwi, adc = small_examination()
    with pytest.raises(StrokeSynthError, match="no-such-model"):
        logic.segment(dwi, adc, model="no-such-model")


def test_what_the_self_test_of_the_module_does_works(host, panel):
    import sys

    sys.modules["StrokeSynth"].StrokeSynthTest().runTest()


def test_every_text_on_the_panel_can_be_translated(host, monkeypatch, tmp_path):
    import qt
    import slicer.i18n

    from .conftest import MODULE

    monkeypatch.setenv("STROKESYNTH_HOME", str(tmp_path))
    slicer.i18n.mark = "* "
    panel = host.load_module(MODULE)
    texts = {s.title for s in panel.sections}
    for found in (panel.section(name) for name in ("StartSection", "CaseSection", "SegmentSection")):
        buttons = found.button.findChildren(qt.QPushButton)
        texts |= {button.toolTip for button in buttons if not button.enabled}
    assert texts
    assert not [text for text in texts if not text.startswith("* ")]


def test_every_disabled_button_says_why(host, panel):
    import qt

    for found in panel.sections:
        host.toggle(found.button)
        for kind in (qt.QPushButton, qt.QCheckBox):
            for widget in found.button.findChildren(kind):
                if widget.isVisible() and not widget.isEnabled():
                    assert widget.toolTip, f"{type(found).__name__}: {widget.name}"


def test_every_section_but_the_first_shows_no_command_for_nothing(host, panel):
    for name in ("Case", "Segment"):
        assert section(host, panel, name).commandLine() == ""


def test_two_scenes_do_not_mix(host, panel):
    other = host.other_scene()
    section(host, panel, "Start")
    host.click(panel.section("StartSection").ui.sampleButton)
    assert other.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
