"""What the panel remembers: saved with the scene, each section's with the section's name in front.

Without ``from __future__ import annotations``: the wrapper needs the types themselves.
"""

import pathlib
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.parameterNodeWrapper import Decimals, WithinRange, parameterNodeWrapper


@parameterNodeWrapper
class StrokeSynthParameterNode:
    """Parameters of all sections."""

    caseDwi: vtkMRMLScalarVolumeNode
    caseAdc: vtkMRMLScalarVolumeNode
    caseMap: vtkMRMLSegmentationNode

    lesionSegmentation: vtkMRMLSegmentationNode
    lesionTerritory: str = ""
    lesionSide: str = ""
    lesionVolumeMl: Annotated[float, WithinRange(0.0, 500.0), Decimals(1)] = 10.0
    lesionNumber: Annotated[int, WithinRange(0, 30)] = 0
    lesionSeed: Annotated[int, WithinRange(0, 999_999)] = 0

    synthTranslator: str = ""
    synthSeed: Annotated[int, WithinRange(0, 999_999)] = 0
    synthKeepBackground: bool = True
    synthLivePreview: bool = False
    synthDwi: vtkMRMLScalarVolumeNode

    segmentModel: str = ""
    segmentUncertainty: bool = False
    segmentReference: vtkMRMLSegmentationNode
    segmentResult: vtkMRMLSegmentationNode
    segmentProbability: vtkMRMLScalarVolumeNode
    segmentUncertaintyMap: vtkMRMLScalarVolumeNode
    segmentShowProbability: bool = False
    segmentLesions: vtkMRMLTableNode
    segmentTerritories: vtkMRMLTableNode
    segmentFolder: str = ""
    segmentOutput: str = ""

    trainKind: str = ""
    trainCohort: pathlib.Path
