"""The section Segment when something gets in the way; and after save and reload."""

from __future__ import annotations

import os
import signal

import pytest

from .users import choose_examination, finished, result_of, table


def test_cancel_ends_the_work_and_leaves_the_scene_as_it_is(host, panel, segment):
    host.click(segment.ui.segmentButton)
    assert not segment.ui.segmentButton.enabled
    host.click(panel.ui.cancelButton)
    assert finished(host, panel) == "Segmenting Patient DWI: Cancelled."
    assert not panel.worker.isError
    assert result_of(panel) is None
    assert segment.ui.segmentButton.enabled


def test_after_cancel_the_next_click_works(host, panel, segment):
    host.click(segment.ui.segmentButton)
    host.click(panel.ui.cancelButton)
    finished(host, panel)
    host.click(segment.ui.segmentButton)
    assert finished(host, panel).endswith("done.")
    assert result_of(panel) is not None


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_killed_worker_is_told_with_a_remedy_and_the_next_click_works(host, panel, segment):
    host.click(segment.ui.segmentButton)
    os.kill(panel.worker.client.process_id, signal.SIGKILL)
    said = finished(host, panel)
    assert "The worker was killed" in said
    assert panel.worker.isError
    assert result_of(panel) is None
    host.click(segment.ui.segmentButton)
    assert finished(host, panel).endswith("done.")
    assert not panel.worker.isError


def test_the_scene_may_be_closed_in_the_middle(host, panel, segment):
    import slicer

    host.click(segment.ui.segmentButton)
    host.close_scene()
    host.wait(1.0)
    assert not panel.worker.busy
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert not segment.ui.segmentButton.enabled
    assert not segment.ui.resultWidget.isVisible()


def test_after_closing_the_scene_another_examination_is_segmented(host, panel, segment):
    host.click(segment.ui.segmentButton)
    host.close_scene()
    choose_examination(host, panel)
    host.toggle(segment.button)
    host.click(segment.ui.segmentButton)
    assert finished(host, panel).endswith("done.")


def test_an_image_removed_in_the_middle_leaves_no_orphans(host, panel, segment):
    import slicer

    host.click(segment.ui.segmentButton)
    slicer.mrmlScene.RemoveNode(panel.parameterNode.caseDwi)
    finished(host, panel)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_the_user_may_go_to_another_module_meanwhile(host, panel, segment):
    host.click(segment.ui.segmentButton)
    panel.exit()
    finished(host, panel)
    panel.enter()
    assert result_of(panel) is not None
    assert segment.ui.lesionTable.rowCount > 0


def test_widgets_let_go_of_the_parameters_when_the_user_leaves(host, panel, segment):
    before = panel.parameterNode
    panel.exit()
    segment.ui.uncertaintyBox.checked = True
    assert not before.segmentUncertainty
    panel.enter()
    assert not segment.ui.uncertaintyBox.checked


def test_everything_is_there_again_after_save_and_reload(host, panel, segment):
    host.click(segment.ui.uncertaintyBox)
    host.click(segment.ui.segmentButton)
    finished(host, panel)
    before = table(segment.ui.lesionTable), table(segment.ui.territoryTable), segment.ui.summaryLabel.text
    path = host.save_scene()
    host.close_scene()
    assert not segment.ui.resultWidget.isVisible()
    host.load_scene(path)
    parameters = panel.parameterNode
    assert parameters.caseDwi.GetName() == "Patient DWI"
    assert parameters.segmentUncertainty
    assert segment.ui.uncertaintyBox.checked
    host.toggle(segment.button)
    after = table(segment.ui.lesionTable), table(segment.ui.territoryTable), segment.ui.summaryLabel.text
    assert after == before
    host.click(segment.ui.segmentButton)
    assert finished(host, panel).endswith("done.")
