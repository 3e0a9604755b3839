"""One examination: its images, its semantic map, the sample case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer

from StrokeSynthLib.scene.Provenance import attach, isSynthetic
from StrokeSynthLib.scene.Segmentations import mapSegmentation
from StrokeSynthLib.scene.Transforms import hardened

from .SampleCase import SampleCase, openSampleCase

#: Parts of names by which images are recognized.
_ADC_NAMES = ("adc",)
_DWI_NAMES = ("dwi", "trace", "b1000", "b=1000", "isodwi", "tracew")
#: Parameters that belong to one examination.
_OF_A_CASE = (
    "caseMap", "lesionSegmentation", "segmentReference", "segmentResult", "segmentProbability",
    "segmentUncertaintyMap", "segmentLesions", "segmentTerritories",
)  # fmt: skip


class CaseLogic:
    """For :class:`.Logic.StrokeSynthLogicBase`."""

    if TYPE_CHECKING:

        def ask(self, do: str, args: Mapping[str, Any]) -> dict[str, Any]:
            """See the logic."""

        def parameters(self) -> Any:
            """See the logic."""

    def openSampleCase(self) -> SampleCase:
        """The simulated examination that comes with the module, in the scene."""
        return openSampleCase(Path(slicer.util.modulePath("StrokeSynth")).parent / "Resources")

    def guessExamination(self) -> tuple[Any, Any]:
        """The DWI and the ADC map among the scene's volumes, by their names; None for what is not clear."""
        volumes = [
            node
            for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not isSynthetic(node)
        ]
        adc = [node for node in volumes if _named(node, _ADC_NAMES)]
        dwi = [node for node in volumes if node not in adc and _named(node, _DWI_NAMES)]
        return (dwi[0] if len(dwi) == 1 else None), (adc[0] if len(adc) == 1 else None)

    def rolesOf(self, nodes: Sequence[Any]) -> tuple[Any, Any]:
        """Which of volumes that belong together is the DWI and which the ADC map; None for none."""
        adc = next((node for node in nodes if _named(node, _ADC_NAMES)), None)
        others = [node for node in nodes if node is not adc]
        dwi = next((node for node in others if _named(node, _DWI_NAMES)), others[0] if others else None)
        if adc is None:
            adc = next((node for node in others if node is not dwi), None)
        return dwi, adc

    def beginCase(self, dwi: Any, adc: Any = None) -> None:
        """Choose another examination on the panel; results of the one before stay in the scene."""
        parameters = self.parameters()
        with slicer.util.NodeModify(parameters.parameterNode):
            parameters.caseDwi, parameters.caseAdc = dwi, adc
            for name in _OF_A_CASE:
                setattr(parameters, name, None)

    def mapRequest(self, dwi: Any, adc: Any = None) -> dict[str, Any]:
        """Arguments of the worker's operation "map"."""
        return {"dwi": hardened(dwi), "adc": None if adc is None else hardened(adc)}

    def showMap(self, answer: Mapping[str, Any], dwi: Any) -> Any:
        """The map that the worker made, as a segmentation beside the DWI."""
        node = mapSegmentation(answer["map"], name=f"{dwi.GetName()} tissue map", reference=dwi)
        attach(node, answer["record"])
        node.GetDisplayNode().SetOpacity2DFill(0.35)
        node.GetDisplayNode().SetOpacity2DOutline(0.6)
        return node

    def makeMap(self, dwi: Any, adc: Any = None) -> Any:
        """The semantic map of an examination as a segmentation; waits for it (about a second or two).

        Parameters
        ----------
        dwi, adc
            Volume nodes; without ADC the map is somewhat less certain.
        """
        return self.showMap(self.ask("map", self.mapRequest(dwi, adc)), dwi)


def _named(node: Any, parts: tuple[str, ...]) -> bool:
    name = node.GetName().lower()
    return any(part in name for part in parts)
