"""What the panel remembers: saved with the scene, each section's with the section's name in front.

Without ``from __future__ import annotations``: the wrapper needs the types themselves.
"""

import pathlib

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class StrokeSynthParameterNode:
    """Parameters of all sections."""

    caseDwi: vtkMRMLScalarVolumeNode
    caseAdc: vtkMRMLScalarVolumeNode
    caseMap: vtkMRMLSegmentationNode

    lesionSegmentation: vtkMRMLSegmentationNode
    lesionTerritory: str = ""
    lesionSide: str = ""
    lesionVolumeMl: float = 10.0
    lesionNumber: int = 1
    lesionSeed: int = 0

    synthTranslator: str = ""
    synthSeed: int = 0
    synthKeepBackground: bool = True
    synthLivePreview: bool = False

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
