"""The first five minutes: a case is opened, a lesion painted, seen in synthetic images, and found again."""

from __future__ import annotations

import numpy as np


def test_a_painted_lesion_becomes_an_image_and_is_segmented(host, panel):
    import slicer

    sections = {name: panel.section(f"{name}Section") for name in ("Start", "Case", "Lesion", "Synthesize")}
    ui = {name: section.ui for name, section in sections.items()}
    host.wait_until(lambda: panel.hello, 60, "what the worker has")

    host.click(ui["Start"].sampleButton)
    host.toggle(sections["Case"].button)
    host.click(ui["Case"].mapButton)
    host.wait_until(lambda: panel.parameterNode.caseMap, 120, "the map")

    host.toggle(sections["Lesion"].button)
    host.click(ui["Lesion"].paintButton)
    host.type(ui["Lesion"].brushSlider, "26")
    host.click(ui["Lesion"].sphereBox)
    dwi = panel.parameterNode.caseDwi
    slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().RotateToVolumePlane(dwi)
    place = healthy_place(panel, dwi)
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.JumpSliceByOffsetting(*place)
    host.paint(sections["Lesion"].editor.widget, place)

    host.toggle(sections["Synthesize"].button)
    host.click(ui["Synthesize"].liveBox)
    preview = sections["Synthesize"].preview
    host.wait_until(lambda: preview.isComplete, 120, "the preview")
    synthetic = panel.parameterNode.synthDwi
    painted = panel.logic.lesionMask(panel.parameterNode.lesionSegmentation, dwi).array > 0
    brighter = slicer.util.arrayFromVolume(synthetic).T[painted].mean()
    assert brighter > 1.1 * slicer.util.arrayFromVolume(dwi).T[painted].mean()

    host.click(ui["Synthesize"].segmentTheseButton)
    segment = panel.section("SegmentSection")
    host.click(segment.ui.segmentButton)
    host.wait_until(lambda: "Dice" in segment.ui.agreementLabel.text, 120, "the agreement")
    found = panel.logic.lesionMask(panel.parameterNode.segmentResult, dwi).array > 0
    assert (found & painted).sum() > 0.3 * painted.sum()


def healthy_place(panel, dwi) -> tuple[float, float, float]:
    """World point in white matter far from the case's own lesion."""
    from scipy.ndimage import distance_transform_edt

    from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation
    from StrokeSynthLib.schema import INDEX

    tissue = labelmapFromSegmentation(panel.parameterNode.caseMap, dwi)
    white = np.isin(tissue.array, [INDEX["left-white-matter"], INDEX["right-white-matter"]])
    reference = slicer_reference(panel, dwi)
    side = distance_transform_edt(~reference, sampling=tissue.spacing) if reference.any() else white * 100.0
    deep = distance_transform_edt(white, sampling=tissue.spacing)
    index = np.unravel_index(np.argmax(np.where(side > 40, deep, 0)), white.shape)
    place = tissue.affine @ [*index, 1]
    return (float(place[0]), float(place[1]), float(place[2]))


def slicer_reference(panel, dwi):
    """Voxels of the lesion that the case has already."""
    import slicer

    node = slicer.util.getNode("Simulated lesion")
    return panel.logic.lesionMask(node, dwi).array > 0
