"""The simulated examination that comes with the module."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from StrokeSynthLib.scene.Hierarchy import placeBeside
from StrokeSynthLib.scene.Provenance import attach, markSynthetic
from StrokeSynthLib.scene.Segmentations import lesionSegmentation
from StrokeSynthLib.scene.Windows import suitAdc, suitDwi
from StrokeSynthLib.volume import read_volume

#: Name of the sample, and what the names of its files begin with.
SAMPLE = "SimulatedStroke"
_ROLES = ("DWI", "ADC", "Lesion")


@dataclass
class SampleCase:
    """Nodes of the sample: images, and the exact lesion as it was simulated."""

    dwi: Any
    adc: Any
    reference: Any


def sampleFiles(resources: Path) -> dict[str, Path]:
    """The sample's files by role."""
    return {role: resources / "SampleData" / f"{SAMPLE}_{role}.nii.gz" for role in _ROLES}


def openSampleCase(resources: Path) -> SampleCase:
    """Load the sample into the scene, in a subject and a study of its own."""
    files = sampleFiles(resources)
    dwi = slicer.util.loadVolume(str(files["DWI"]), {"name": _("Simulated DWI"), "show": False})
    adc = slicer.util.loadVolume(str(files["ADC"]), {"name": _("Simulated ADC"), "show": False})
    suitDwi(dwi)
    suitAdc(adc)
    _fileUnderStudy(dwi)
    placeBeside(adc, dwi)
    record = json.loads((resources / "SampleData" / f"{SAMPLE}.json").read_text(encoding="utf-8"))
    for node in (dwi, adc):
        attach(node, record)
        markSynthetic(node)
    mask = read_volume(files["Lesion"])
    reference = lesionSegmentation(mask, name=_("Simulated lesion"), reference=dwi, synthetic=True)
    attach(reference, record)
    reference.GetDisplayNode().SetVisibility(False)
    return SampleCase(dwi, adc, reference)


def registerSampleData(resources: Path) -> None:
    """Offer the sample in Slicer's Sample Data module; nothing is downloaded."""
    try:
        import SampleData
    except ImportError:  # left out of some custom applications
        return
    files = list(sampleFiles(resources).values())

    def load(source: Any) -> list[Any]:
        case = openSampleCase(resources)
        slicer.util.setSliceViewerLayers(background=case.dwi, fit=True)
        return [case.dwi, case.adc, case.reference]

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="StrokeSynth",
        sampleName=SAMPLE,
        thumbnailFileName=str(resources / "SampleData" / f"{SAMPLE}.png"),
        uris=[path.as_uri() for path in files],
        fileNames=[path.name for path in files],
        nodeNames=[_("Simulated DWI"), _("Simulated ADC"), _("Simulated lesion")],
        checksums=[f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files],
        loadFileType=["VolumeFile", "VolumeFile", "SegmentationFile"],
        customDownloader=load,
    )


def _fileUnderStudy(node: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    subject = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), _("Simulated patient"))
    study = hierarchy.CreateStudyItem(subject, _("Simulated examination"))
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(study, node), study)
