"""What Slicer's paint and erase effects do with a stroke, on Slicer's own segment editor logic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import vtk_to_numpy


def _matrix(image: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _to_segmentation(node: Any, point: Sequence[float]) -> np.ndarray:
    """World to the segmentation's own coordinates, through its parent transforms."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, node.GetParentTransformNode(), transform)
    return np.array(transform.TransformPoint(*point))


def diameter_mm(effect: Any, slice_logic: Any) -> float:
    """Of the brush, as set in the effect."""
    if not effect.integerParameter("BrushDiameterIsRelative"):
        return effect.doubleParameter("BrushAbsoluteDiameter")
    height = slice_logic.GetSliceNode().GetFieldOfView()[1]
    return effect.doubleParameter("BrushRelativeDiameter") / 100.0 * height


def _stroke(image: Any, points: list[np.ndarray], radius: float, normal: np.ndarray | None) -> np.ndarray:
    """Voxels (k, j, i) within the brush at any of the points; a disk of one slice unless it is a sphere."""
    to_world = _matrix(image)
    extent = image.GetExtent()
    axes = [np.arange(extent[2 * a], extent[2 * a + 1] + 1) for a in (2, 1, 0)]
    k, j, i = np.meshgrid(*axes, indexing="ij")
    voxels = np.stack([i, j, k, np.ones_like(i)], -1) @ to_world.T
    inside = np.zeros(i.shape, bool)
    thickness = 0.0 if normal is None else np.abs(normal @ to_world[:3, :3]).max()
    for point in points:
        offset = voxels[..., :3] - point
        if normal is None:
            inside |= (offset**2).sum(-1) <= radius**2
        else:
            along = offset @ normal
            across = (offset**2).sum(-1) - along**2
            inside |= (np.abs(along) <= thickness / 2 + 1e-6) & (across <= radius**2)
    return inside


def paint_stroke(editor: Any, points: Sequence[Sequence[float]], view: str) -> int:
    """Paint or erase through world points; returns the number of voxels in the stroke."""
    effect = editor.activeEffect()
    name = effect.name if effect is not None else "none"
    assert name in ("Paint", "Erase"), f"activate Paint or Erase first, not {name}"
    assert editor.isVisible(), "the segment editor cannot be seen"
    assert editor.__dict__["_views_observed"], (
        "setupViewObservations() was not called: strokes would not arrive"
    )
    assert editor.currentSegmentID(), "no segment is selected"
    logic = editor.__dict__["_logic"]
    node, slice_logic = editor.segmentationNode(), slicer.app.layoutManager().sliceWidget(view).sliceLogic()
    assert logic.UpdateReferenceGeometryImage(), "the segmentation has no reference geometry"
    effect.saveStateForUndo()
    labelmap = effect.defaultModifierLabelmap()
    places = [_to_segmentation(node, point) for point in points]
    normal = None
    if not effect.integerParameter("BrushSphere"):
        slice_to_ras = slicer.util.arrayFromVTKMatrix(slice_logic.GetSliceNode().GetSliceToRAS())
        ahead = _to_segmentation(node, np.array(points[0]) + slice_to_ras[:3, 2]) - places[0]
        normal = ahead / np.linalg.norm(ahead)
    inside = _stroke(labelmap, places, diameter_mm(effect, slice_logic) / 2, normal)
    vtk_to_numpy(labelmap.GetPointData().GetScalars())[:] = inside.ravel()
    labelmap.Modified()
    kind = slicer.vtkSlicerSegmentEditorLogic
    mode = kind.ModificationModeAdd if name == "Paint" else kind.ModificationModeRemove
    effect.modifySelectedSegmentByLabelmap(labelmap, mode)
    editor.updateWidgetFromMRML()
    return int(inside.sum())
