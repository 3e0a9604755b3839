"""The panel opens; the section Start."""

from __future__ import annotations

import sys
import types

import pytest

from .users import finished, section, table

#: Value of the button "OK" of a message box.
OK = 0x400


@pytest.fixture
def start(host, panel):
    host.wait_until(lambda: panel.hello, 30, "the worker's hello")
    return section(host, panel, "Start")


def test_the_panel_says_what_it_is_for_as_long_as_it_is_open(host, panel):
    assert "research use only" in panel.ui.noticeLabel.text.lower()
    assert panel.ui.noticeLabel.isVisible()


def test_the_sections_stand_in_the_order_of_the_work(panel):
    assert [s.title for s in panel.sections][:2] == ["Start", "Case"]
    assert "Segment" in [s.title for s in panel.sections]


def test_one_section_is_open_at_a_time(host, panel):
    section(host, panel, "Segment")
    section(host, panel, "Case")
    assert [type(s).__name__ for s in panel.sections if not s.button.collapsed] == ["CaseSection"]


def test_device_packages_and_models_are_shown_with_reasons_and_licenses(start):
    assert "not tried yet" in start.ui.deviceLabel.text
    assert "do not need PyTorch" in start.ui.packagesLabel.text
    header, *models = table(start.ui.modelsTable)
    assert header == ["Model", "For", "Title", "License"]
    acute = next(row for row in models if row[0] == "acute")
    assert acute[1] == "segmentation"
    named = {"segmentation", "synthesis", "anatomies", "lesions", "auditing"}
    assert {row[1] for row in models} <= named, "each says in words what it is for"
    assert "Apache-2.0" in acute[3]


def test_checking_the_installation_computes_something_and_says_what_computed_it(host, panel, start):
    host.click(start.ui.checkButton)
    assert panel.worker.busy
    said = finished(host, panel)
    assert said.startswith("The installation works.")
    assert "has computed a test image" in start.ui.deviceLabel.text


def test_buttons_wait_while_something_is_checked(host, panel, start):
    host.click(start.ui.checkButton)
    assert not start.ui.checkButton.enabled
    assert "Wait until this is done" in start.ui.sampleButton.toolTip
    finished(host, panel)
    assert start.ui.checkButton.enabled


def test_nothing_is_to_be_installed_when_everything_is_there(start):
    assert not start.ui.installButton.enabled
    assert start.ui.installButton.toolTip == "All packages are installed"


def test_missing_packages_are_named_and_installed_after_asking(host, panel, start):
    from slicer.packaging import installer

    installer.absent.add("onnxruntime")
    start.onHello(panel.hello)
    panel.refresh()
    assert "Missing: onnxruntime" in start.ui.packagesLabel.text
    host.answer(OK, "need to be installed")
    host.click(start.ui.installButton)
    assert [text[:11] for text in installer.installed] == ["onnxruntime"]
    finished(host, panel)
    assert "Missing" not in start.ui.packagesLabel.text


def test_the_first_click_that_needs_a_package_asks_for_it(host, panel, start):
    from slicer.packaging import installer

    installer.absent.add("onnxruntime")
    start.onHello(panel.hello)
    host.click(start.ui.sampleButton)
    segment = section(host, panel, "Segment")
    host.answer(0, "need to be installed")
    host.click(segment.ui.segmentButton)
    assert "declined" in panel.ui.statusLabel.text
    assert not panel.worker.busy
    host.answer(OK, "need to be installed")
    host.click(segment.ui.segmentButton)
    assert installer.installed
    assert finished(host, panel, 90).endswith("done.")
    assert panel.parameterNode.segmentResult is not None


def test_another_case_begins_without_the_results_of_the_one_before(host, panel, start):
    host.click(start.ui.sampleButton)
    segment = section(host, panel, "Segment")
    host.choose(segment.ui.modelBox, "Threshold")
    host.click(segment.ui.segmentButton)
    finished(host, panel, 90)
    assert panel.parameterNode.segmentLesions is not None
    host.click(section(host, panel, "Start").ui.sampleButton)
    assert panel.parameterNode.segmentLesions is None
    assert panel.parameterNode.segmentResult is None


def test_a_failed_installation_is_told_and_nothing_else_breaks(host, panel, start):
    from slicer.packaging import installer

    installer.absent.add("onnxruntime")
    installer.failure = RuntimeError("no connection to pypi.org")
    start.onHello(panel.hello)
    panel.refresh()
    host.answer(OK, "need to be installed")
    host.click(start.ui.installButton)
    assert panel.ui.statusLabel.text == "The packages could not be installed. no connection to pypi.org"
    assert start.ui.installButton.enabled


def test_a_python_that_cannot_be_started_is_told_with_a_remedy(host, panel, start, monkeypatch):
    panel.worker.client.stop()
    panel.worker.client._command = ["/nowhere/PythonSlicer"]
    host.click(start.ui.checkButton)
    said = finished(host, panel)
    assert "/nowhere/PythonSlicer" in said
    assert "cannot be started" in start.ui.deviceLabel.text
    assert panel.worker.isError


def test_the_simulated_case_opens_in_one_click(host, panel, start):
    import slicer

    from StrokeSynthLib.scene.Provenance import isSynthetic

    host.click(start.ui.sampleButton)
    parameters = panel.parameterNode
    assert parameters.caseDwi.GetName() == "Simulated DWI"
    assert parameters.caseAdc.GetName() == "Simulated ADC"
    assert parameters.segmentReference.GetName() == "Simulated lesion"
    assert isSynthetic(parameters.caseDwi)
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetBackgroundVolumeID() == parameters.caseDwi.GetID()
    assert not panel.section("CaseSection").button.collapsed


def test_the_simulated_case_lies_in_a_study_of_its_own(host, panel, start):
    import slicer

    host.click(start.ui.sampleButton)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parameters = panel.parameterNode
    nodes = (parameters.caseDwi, parameters.caseAdc, parameters.segmentReference)
    studies = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in nodes}
    assert len(studies) == 1
    assert hierarchy.GetItemName(studies.pop()) == "Simulated examination"


def test_the_simulated_case_is_registered_in_sample_data(host, monkeypatch, tmp_path):
    registered = []
    logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: registered.append(source))
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    from .conftest import MODULE

    monkeypatch.setenv("STROKESYNTH_HOME", str(tmp_path))
    host.load_module(MODULE)
    assert len(registered) == 1
    source = registered[0]
    lists = [source[name] for name in ("uris", "fileNames", "nodeNames", "checksums", "loadFileType")]
    assert {len(entries) for entries in lists} == {3}
    assert all(uri.startswith("file:///") for uri in source["uris"])
    loaded = source["customDownloader"](None)
    assert [node.GetName() for node in loaded] == source["nodeNames"]


def test_the_shipped_files_of_the_sample_are_small():
    from .conftest import MODULE

    files = list((MODULE.parent / "Resources" / "SampleData").iterdir())
    assert len(files) == 5
    assert sum(path.stat().st_size for path in files) < 1.5e6


def test_commands_are_copied(host, panel, start):
    import slicer

    host.click(start._commandRow.button)
    assert slicer.app.clipboard().text() == "strokesynth models"
