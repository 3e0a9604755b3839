"""Lesion: painted with the segment editor, generated, measured, undone."""

from __future__ import annotations

import os
import re
import signal

import numpy as np
import pytest

from .studio_case import Studio


@pytest.fixture
def studio(host, panel):
    return Studio(host, panel)


def measured_ml(studio) -> float:
    found = re.match(r"([\d.]+) ml", studio.lesion.ui.measureLabel.text)
    return float(found.group(1)) if found else 0.0


def generate(studio, **choices) -> None:
    """Ask for a lesion as a user does, and wait for it."""
    ui = studio.lesion.ui
    studio.host.toggle(ui.generateSection)
    for box, value in choices.items():
        widget = getattr(ui, box)
        if box in ("generatorBox", "territoryBox", "sideBox"):
            studio.host.choose(widget, next(t for t in texts(widget) if t.startswith(value)))
        else:
            studio.host.type(widget, value)
    studio.host.click(ui.generateButton)
    studio.host.wait_until(lambda: not studio.panel.worker.busy, 60, "the lesion")
    studio.host.process()


def texts(box) -> list[str]:
    return [box.itemText(index) for index in range(box.count)]


# What is missing


def test_without_a_case_nothing_can_be_done_and_the_buttons_say_why(host, panel):
    ui = panel.section("LesionSection").ui
    for button in (ui.paintButton, ui.newButton, ui.generateButton, ui.anotherButton):
        assert not button.enabled
        assert "Choose a DWI first" in button.toolTip
    assert not ui.paintWidget.isVisibleTo(ui.StrokeSynthLesion)


def test_without_a_map_a_lesion_can_be_painted_but_not_generated(studio):
    studio.parameters.caseMap = None
    ui = studio.lesion.ui
    assert ui.paintButton.enabled
    assert not ui.generateButton.enabled
    assert "tissue map" in ui.generateButton.toolTip
    assert studio.lesion.commandLine() == ""
    studio.paint()
    assert "make the map in Case" in ui.measureLabel.text


def test_a_tissue_map_is_no_lesion(studio):
    studio.host.choose(studio.lesion.ui.lesionSelector, studio.tissue)
    assert not studio.lesion.ui.paintButton.enabled
    assert "is a tissue map" in studio.lesion.ui.paintButton.toolTip
    assert studio.editor.segmentationNode() is None


# Painting


def test_one_click_and_the_brush_paints_into_the_lesion_segment(studio):
    studio.host.click(studio.lesion.ui.paintButton)
    lesion = studio.parameters.lesionSegmentation
    assert lesion.GetName() == "Patient DWI lesion"
    assert studio.editor.currentSegmentID() == "infarct"
    assert studio.editor.sourceVolumeNode() is studio.dwi
    assert studio.editor.activeEffect().name == "Paint"
    studio.paint()
    assert studio.mask().sum() > 0
    assert "Empty" not in studio.lesion.ui.measureLabel.text


def test_the_brush_is_measured_in_mm(studio):
    studio.host.click(studio.lesion.ui.paintButton)
    studio.host.type(studio.lesion.ui.brushSlider, "24")
    studio.paint()
    area = studio.mask().sum() * 2.4**2
    assert area == pytest.approx(np.pi * 12**2, rel=0.1)
    assert measured_ml(studio) == pytest.approx(area * 6.0 / 1000, abs=0.01)


def test_a_sphere_reaches_over_slices(studio):
    studio.host.click(studio.lesion.ui.paintButton)
    studio.host.type(studio.lesion.ui.brushSlider, "24")
    studio.host.click(studio.lesion.ui.sphereBox)
    studio.paint()
    assert np.ptp(np.argwhere(studio.mask())[:, 2]) >= 2


def test_brush_and_threshold_chosen_in_the_editor_are_shown(studio):
    studio.host.click(studio.lesion.ui.paintButton)
    studio.editor.effectByName("Paint").setCommonParameter("BrushAbsoluteDiameter", 17)
    studio.host.process()
    assert studio.lesion.ui.brushSlider.value == 17


def test_only_bright_voxels_of_the_dwi_are_painted_when_that_is_asked_for(studio):
    ui = studio.lesion.ui
    studio.host.click(ui.paintButton)
    studio.host.type(ui.brushSlider, "60")
    studio.host.click(ui.brightBox)
    values = studio.head.dwi.array[studio.head.semantic_map.array > 0]
    lowest = round(float(np.percentile(values, 80)))
    studio.host.type(ui.brightSlider, str(lowest))
    studio.paint()
    painted = studio.mask() > 0
    assert painted.any()
    assert studio.head.dwi.array[painted].min() >= lowest
    studio.host.click(ui.brightBox)
    before = painted.sum()
    studio.paint()
    assert studio.mask().sum() > before


def test_undo_takes_a_stroke_back_and_the_volume_with_it(studio):
    studio.paint()
    first, volume = studio.mask().copy(), measured_ml(studio)
    studio.paint(4, 4)
    assert measured_ml(studio) > volume
    studio.editor.undo()
    studio.host.process()
    assert np.array_equal(studio.mask(), first)
    assert measured_ml(studio) == volume


def test_territory_and_side_follow_the_brush(studio):
    label = studio.lesion.ui.measureLabel
    studio.paint()
    assert "looking where it is" in label.text, "placing a map takes seconds"
    studio.host.wait_until(lambda: "right MCA" in label.text, 60, "the territory")
    studio.host.click(studio.lesion.ui.newButton)
    studio.paint(-6, -6)
    studio.host.process()
    assert "looking where it is" in label.text, "where the lesion before was is not said of this one"


def test_what_spills_into_other_territories_is_not_put_beside_where_the_lesion_is(panel):
    from StrokeSynthWidgets.LesionLogic import whereText

    def row(ml, side, territory, part):
        return {"volume_ml": ml, "side": side, "territory": territory, "part": part}

    rows = [row(18.0, "left", "MCA", "MCA-frontal"), row(1.5, "left", "MCA", "MCA-insular"),
            row(0.3, "left", "PCA", "PCA-occipital"), row(0.1, "left", "ACA", "ACA")]  # fmt: skip
    assert whereText({"lesions": rows}) == "left MCA (frontal, insular); a little in left PCA, left ACA"
    many = [row(0.2, "right", "PCA", "PCA"), *(row(0.2, "left", "MCA", "MCA-frontal") for _ in range(9))]
    assert whereText({"lesions": many}) == "right PCA, left MCA (frontal)"
    assert whereText({"lesions": []}) == ""


def test_a_new_lesion_leaves_the_other_one_in_the_scene(studio):
    studio.paint()
    first = studio.parameters.lesionSegmentation
    studio.host.click(studio.lesion.ui.newButton)
    assert studio.parameters.lesionSegmentation is not first
    assert studio.mask().sum() == 0
    assert not first.GetDisplayNode().GetVisibility()
    studio.host.choose(studio.lesion.ui.lesionSelector, first)
    assert studio.mask().sum() > 0
    assert measured_ml(studio) > 0


# Generating


def test_a_lesion_is_made_in_the_territory_that_is_asked_for(studio):
    from StrokeSynthLib.scene.Provenance import isSynthetic, read

    generate(studio, territoryBox="MCA:", sideBox="left", volumeBox="12")
    lesion = studio.parameters.lesionSegmentation
    assert isSynthetic(lesion)
    assert read(lesion)["Lesion"]["territory"] == "MCA"
    assert measured_ml(studio) == pytest.approx(12, rel=0.1)
    label = studio.lesion.ui.measureLabel
    studio.host.wait_until(lambda: "left MCA" in label.text, 60, "the territory")
    shown = studio.lesion.commandLine()
    assert "--territory MCA --side left --volume-ml 12 --seed 0" in shown
    # The voxels of the worker, in world coordinates on the patient's left.
    places = np.argwhere(studio.mask()) @ studio.head.dwi.affine[:3, :3].T + studio.head.dwi.affine[:3, 3]
    assert places[:, 0].mean() < 0


def test_a_lesion_is_made_by_the_model_that_is_chosen(studio):
    generate(studio, generatorBox="lesions-shape", territoryBox="MCA:", sideBox="left", volumeBox="12")
    assert measured_ml(studio) == pytest.approx(12.0, rel=0.2)
    assert "--lesions lesions-shape" in studio.lesion.commandLine()
    made_by = [texts(studio.lesion.ui.generatorBox)[0]]
    assert made_by == ["Grown inside arterial territories"], "the first entry needs no model"


def test_generating_can_be_undone(studio):
    studio.paint()
    painted = studio.mask().copy()
    generate(studio, territoryBox="PCA:")
    assert not np.array_equal(studio.mask(), painted)
    studio.editor.undo()
    studio.host.process()
    assert np.array_equal(studio.mask(), painted)


def test_another_one_takes_the_next_seed(studio):
    generate(studio, territoryBox="MCA:")
    first = studio.mask().copy()
    studio.host.click(studio.lesion.ui.anotherButton)
    studio.host.wait_until(lambda: not studio.panel.worker.busy, 60, "the lesion")
    assert studio.parameters.lesionSeed == 1
    assert not np.array_equal(studio.mask(), first)


def test_a_generated_lesion_is_made_again_from_its_node_until_it_is_painted_over(studio):
    from StrokeSynthLib.scene.Provenance import isSynthetic
    from StrokeSynthLib.scene.Remaking import canBeRemade, remake

    generate(studio, territoryBox="MCA:")
    lesion = studio.parameters.lesionSegmentation
    assert not remake(lesion, studio.panel.logic.client).differences
    studio.paint()
    assert not canBeRemade(lesion)
    assert isSynthetic(lesion)


def test_what_cannot_be_made_is_said_in_words(studio):
    generate(studio, territoryBox="lacunar", volumeBox="400")
    assert studio.panel.worker.isError
    assert "ml" in studio.panel.ui.statusLabel.text
    assert studio.parameters.lesionSegmentation is None


# Cancel, crash, scenes


def test_cancel_leaves_the_lesion_as_it_is(studio):
    studio.paint()
    before = studio.mask().copy()
    studio.wait_idle()
    studio.host.toggle(studio.lesion.ui.generateSection)
    studio.host.click(studio.lesion.ui.generateButton)
    assert "Wait until this is done" in studio.lesion.ui.generateButton.toolTip
    studio.host.click(studio.panel.ui.cancelButton)
    studio.host.wait_until(lambda: not studio.panel.worker.busy, 10, "the cancellation")
    assert "Cancelled" in studio.panel.ui.statusLabel.text
    assert np.array_equal(studio.mask(), before)


def test_a_killed_worker_is_told_and_the_next_lesion_is_made_by_another(studio):
    studio.host.toggle(studio.lesion.ui.generateSection)
    studio.wait_idle()  # else it is the placing of the map that is killed
    process = studio.panel.logic.client.process_id
    os.kill(process, signal.SIGSTOP)  # it shall not be quicker than the hand
    studio.host.click(studio.lesion.ui.generateButton)
    os.kill(process, signal.SIGKILL)
    studio.host.wait_until(lambda: not studio.panel.worker.busy, 20, "the news")
    assert studio.panel.worker.isError
    assert studio.lesion.ui.generateButton.enabled
    generate(studio)
    assert studio.mask().sum() > 0


def test_closing_the_scene_in_the_middle_takes_nothing_into_the_next(studio, host):
    studio.paint()
    host.toggle(studio.lesion.ui.generateSection)
    host.click(studio.lesion.ui.generateButton)
    host.close_scene()
    studio.wait_idle()
    assert studio.parameters.lesionSegmentation is None
    assert studio.lesion.ui.measureLabel.text == "No lesion yet"
    assert studio.editor.segmentationNode() is None
    again = Studio(host, studio.panel)
    again.paint()
    assert again.mask().sum() > 0
    assert again.lesion.ui.brushSlider.value == 8
    again.editor.effectByName("Paint").setCommonParameter("BrushAbsoluteDiameter", 17)
    assert again.lesion.ui.brushSlider.value == 17


def test_the_lesion_is_there_again_after_save_and_reload(studio, host):
    studio.paint()
    studio.host.type(studio.lesion.ui.brushSlider, "20")
    before, voxels = measured_ml(studio), studio.mask().copy()
    host.load_scene(host.save_scene())
    lesion = studio.parameters.lesionSegmentation
    assert studio.editor.segmentationNode() is lesion
    assert studio.lesion.ui.brushSlider.value == 20
    host.wait_until(lambda: measured_ml(studio) == before, 10, "the volume")
    mask = studio.panel.logic.lesionMask(lesion, studio.parameters.caseDwi)
    assert mask.array.sum() == voxels.sum()
    host.click(studio.lesion.ui.paintButton)
    host.paint(studio.editor, studio.middle(6, 6))
    assert measured_ml(studio) > before


def test_leaving_the_module_lays_the_brush_down(studio, host):
    studio.paint()
    host.load_module("Testing/Host/tests/Demonstration/Demonstration.py")
    assert studio.editor.activeEffect() is None
    host.enter("StrokeSynth")
    studio.paint(3, 3)
    assert studio.mask().sum() > 0


def test_a_moved_patient_moves_the_lesion(studio, host):
    from Testing.scene.Examples import rigid, underTransform

    underTransform(studio.dwi, rigid())
    studio.tissue.SetAndObserveTransformNodeID(studio.dwi.GetTransformNodeID())
    generate(studio, territoryBox="MCA:", sideBox="left")
    studio.wait_idle()
    assert studio.parameters.lesionSegmentation.GetTransformNodeID() == studio.dwi.GetTransformNodeID()
    assert studio.mask().sum() > 0


def test_every_text_can_be_translated(host, tmp_path):
    import slicer

    slicer.i18n.mark = "* "
    panel = host.load_module("StrokeSynth/StrokeSynth.py")
    section = panel.section("LesionSection")
    assert section.button.text == "* Lesion"
    assert section.ui.measureLabel.text in ("", "* No lesion yet")
    assert section.ui.paintButton.toolTip.startswith("* ")
    assert section.ui.generateButton.toolTip.startswith("* ")
