"""What the panel remembers: saved with the scene, each section's with the section's name in front.

Without ``from __future__ import annotations``: the wrapper needs the types themselves.
"""

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
    lesionGenerator: str = ""
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
    trainCohort: str = ""
    trainStartFrom: str = ""
    trainSynthetic: str = ""
    trainUnlabeled: str = ""
    trainCondition: str = ""
    trainName: str = ""
    trainMinutes: Annotated[float, WithinRange(0.0, 100_000.0), Decimals(1)] = 60.0
    trainSteps: Annotated[int, WithinRange(0, 1_000_000)] = 0
    trainDimensions: Annotated[int, WithinRange(2, 3)] = 2
    trainCores: Annotated[int, WithinRange(0, 256)] = 0
    trainSeed: Annotated[int, WithinRange(0, 999_999)] = 0

    databaseTranslator: str = ""
    databaseCases: Annotated[int, WithinRange(1, 1_000_000)] = 50
    databaseLesionFree: Annotated[int, WithinRange(0, 100)] = 10
    databaseAnatomies: str = ""
    databaseLesions: str = ""
    databaseOutput: str = ""
    databaseFormat: str = "bids"
    databaseProcesses: Annotated[int, WithinRange(1, 256)] = 1
    databaseSeed: Annotated[int, WithinRange(0, 999_999)] = 0
