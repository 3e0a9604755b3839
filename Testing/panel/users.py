"""What users of the panel do, in few words."""

from __future__ import annotations

from typing import Any

from Testing.examinations import Examination

from .studio_case import kept_client


def small_examination(seed: int = 0) -> tuple[Any, Any]:
    """Nodes "Patient DWI" and "Patient ADC" of a small examination with a lesion."""
    from StrokeSynthLib.scene.VolumeNodes import nodeFromVolume

    made = Examination(seed)
    return nodeFromVolume(made.dwi, "Patient DWI"), nodeFromVolume(made.adc, "Patient ADC")


def keep_worker(panel: Any) -> None:
    """Use the worker of the test before, with its models: some seconds less for each test."""
    panel.logic.client.stop()
    panel.logic.client = panel.worker.client = kept_client()
    panel.askHello()


def section(host: Any, panel: Any, name: str) -> Any:
    """A section ("Case"), opened; its widgets are in ``.ui``."""
    found = panel.section(f"{name}Section")
    host.toggle(found.button)
    return found


def choose_examination(host: Any, panel: Any) -> tuple[Any, Any]:
    """Put a small examination into the scene and choose it in the section Case."""
    dwi, adc = small_examination()
    case = section(host, panel, "Case")
    host.choose(case.ui.dwiSelector, dwi)
    host.choose(case.ui.adcSelector, adc)
    return dwi, adc


def finished(host: Any, panel: Any, seconds: float = 60.0) -> str:
    """Wait until nothing is at work; what the foot says then."""
    host.wait_until(lambda: not panel.worker.busy, seconds, "the worker")
    return str(panel.ui.statusLabel.text)


def table(widget: Any) -> list[list[str]]:
    """The texts of a QTableWidget, with its header."""
    columns = range(widget.columnCount)
    header = [widget.horizontalHeaderItem(column).text() for column in columns]
    rows = [[widget.item(row, column).text() for column in columns] for row in range(widget.rowCount)]
    return [header, *rows]


def result_of(panel: Any) -> Any:
    """The segmentation that the section Segment shows."""
    return panel.parameterNode.segmentResult
