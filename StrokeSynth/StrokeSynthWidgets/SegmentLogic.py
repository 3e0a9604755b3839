"""Lesions of an examination: segmentation, tables, agreement with a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import slicer
import vtk
from slicer.i18n import tr as _

from StrokeSynthLib.scene.Hierarchy import placeBeside
from StrokeSynthLib.scene.Provenance import attach
from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation, lesionSegment, lesionSegmentation
from StrokeSynthLib.scene.Transforms import hardened
from StrokeSynthLib.scene.VolumeNodes import nodeFromVolume
from StrokeSynthLib.scene.Windows import suitProbability

from .CaseLogic import CaseLogic

#: Attribute of a segmentation: what was noticed about its images, one a line.
NOTICES = "StrokeSynth.Notices"
#: Attribute of a segmentation: volume of all lesions (ml).
VOLUME = "StrokeSynth.VolumeMl"


@dataclass
class SegmentResult:
    """Nodes of one segmentation, and what is said of it; None for what was not asked for."""

    segmentation: Any
    probability: Any
    uncertainty: Any
    map: Any
    lesions: Any
    territories: Any
    volumeMl: float
    notices: tuple[str, ...]


class SegmentLogic:
    """For :class:`.Logic.StrokeSynthLogicBase`."""

    if TYPE_CHECKING:

        def ask(self, do: str, args: Mapping[str, Any]) -> dict[str, Any]:
            """See the logic."""

    def segmentRequest(
        self, dwi: Any, adc: Any = None, *, model: str = "", uncertainty: bool = False, withMap: bool = False
    ) -> dict[str, Any]:
        """Arguments of the worker's operation "segment"."""
        want = ["probability", "territories"]
        want += ["uncertainty"] if uncertainty else []
        want += ["map"] if withMap else []
        return {
            "dwi": hardened(dwi),
            "adc": None if adc is None else hardened(adc),
            "model": model or None,
            "want": want,
        }

    def showSegmentation(self, answer: Mapping[str, Any], dwi: Any) -> SegmentResult:
        """What the worker found, as nodes beside the DWI."""
        name = dwi.GetName()
        node = lesionSegmentation(answer["mask"], name=f"{name} infarct", reference=dwi, synthetic=False)
        record = answer["record"]
        attach(node, record)
        notices = (*answer["notices"], *answer["unlike"])
        node.SetAttribute(NOTICES, "\n".join(notices))
        probability = self._overlay(answer["probability"], f"{name} lesion probability", dwi, record)
        uncertainty = self._overlay(answer["uncertainty"], f"{name} uncertainty", dwi, record)
        tissue = None
        if answer["map"] is not None:
            tissue = CaseLogic.showMap(self, answer, dwi)  # type: ignore[arg-type]
            tissue.GetDisplayNode().SetVisibility(False)
        lesions, territories = self.showMeasures(answer, node, dwi)
        return SegmentResult(
            node, probability, uncertainty, tissue, lesions, territories, float(answer["volume_ml"]), notices
        )

    def segment(
        self, dwi: Any, adc: Any = None, *, model: str = "", uncertainty: bool = False, withMap: bool = False
    ) -> SegmentResult:
        """Acute ischemic lesions of an examination; waits for them (a few seconds).

        Parameters
        ----------
        dwi, adc
            Volume nodes.
        model
            Name of a shipped model or folder of another; the shipped network by default.
        uncertainty, withMap
            Also give the model's uncertainty, and the semantic map.
        """
        request = self.segmentRequest(dwi, adc, model=model, uncertainty=uncertainty, withMap=withMap)
        return self.showSegmentation(self.ask("segment", request), dwi)

    def measureRequest(self, segmentation: Any, dwi: Any, tissue: Any = None) -> dict[str, Any]:
        """Arguments of the worker's operation "table"; a map gives territories."""
        return {
            "mask": labelmapFromSegmentation(segmentation, dwi, lesionSegment(segmentation)),
            "map": None if tissue is None else labelmapFromSegmentation(tissue, dwi),
        }

    def showMeasures(
        self,
        answer: Mapping[str, Any],
        segmentation: Any,
        dwi: Any,
        lesions: Any = None,
        territories: Any = None,
    ) -> tuple[Any, Any]:
        """What was measured, as tables of lesions and of territories (None where none are known).

        Tables that are given are written anew.
        """
        segmentation.SetAttribute(VOLUME, str(answer["volume_ml"]))
        lesions = _table(f"{dwi.GetName()} lesions", lesionColumns(answer["lesions"]), dwi, lesions)
        named = answer["territories_ml"]
        if named is None:
            return lesions, None
        columns = territoryColumns(named, answer["volume_ml"])
        return lesions, _table(f"{dwi.GetName()} territories", columns, dwi, territories)

    def measure(self, segmentation: Any, dwi: Any, tissue: Any = None) -> tuple[Any, Any]:
        """Tables of the lesions of any segmentation, one corrected by hand for instance; waits for them.

        Parameters
        ----------
        segmentation
            Its lesion segment (ours, else the first) is measured, on the DWI's voxels.
        dwi
            Volume node.
        tissue
            Semantic map of the same head, for the territories.
        """
        answer = self.ask("table", self.measureRequest(segmentation, dwi, tissue))
        return self.showMeasures(answer, segmentation, dwi)

    def agreementRequest(self, segmentation: Any, reference: Any, dwi: Any) -> dict[str, Any]:
        """Arguments of the worker's operation "agreement": both on the DWI's grid."""
        return {
            "mask": labelmapFromSegmentation(segmentation, dwi, lesionSegment(segmentation)),
            "reference": labelmapFromSegmentation(reference, dwi, lesionSegment(reference)),
        }

    def agreement(self, segmentation: Any, reference: Any, dwi: Any) -> dict[str, Any]:
        """Scores of a segmentation against a reference ("dice", "lesion_f1", ...); waits for them."""
        return self.ask("agreement", self.agreementRequest(segmentation, reference, dwi))

    def _overlay(self, volume: Any, name: str, dwi: Any, record: Mapping[str, Any]) -> Any:
        if volume is None:
            return None
        node = nodeFromVolume(volume, name, like=dwi)
        attach(node, record)
        suitProbability(node)
        placeBeside(node, dwi)
        return node


def lesionColumns(lesions: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The table of lesions: number, volume, artery, branch, side, center in RAS mm."""
    columns: dict[str, list[str]] = {
        _("Lesion"): [str(row["number"]) for row in lesions],
        _("Volume (ml)"): [f"{row['volume_ml']:.2f}" for row in lesions],
        _("Territory"): [row["territory"] for row in lesions],
        _("Branch"): [row["part"] for row in lesions],
        _("Side"): [row["side"] for row in lesions],
    }
    for axis, letter in enumerate("RAS"):
        columns[f"{letter} (mm)"] = [f"{row['center'][axis]:.1f}" for row in lesions]
    return columns


def territoryColumns(territories: Mapping[str, float], volumeMl: float) -> dict[str, list[str]]:
    """The table of arteries, the largest share first, and the volume of all lesions."""
    return {
        _("Territory"): [*territories, _("All")],
        _("Volume (ml)"): [f"{volume:.2f}" for volume in (*territories.values(), volumeMl)],
    }


def _table(name: str, columns: Mapping[str, Sequence[str]], reference: Any, node: Any = None) -> Any:
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(name)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    table = vtk.vtkTable()
    for title, values in columns.items():
        column = vtk.vtkStringArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    placeBeside(node, reference)
    return node
