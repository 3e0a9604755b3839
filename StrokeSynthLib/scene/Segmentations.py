"""Lesions and semantic maps as segmentations, and back to label maps, voxel by voxel.

A segmentation is put under the same transform as the node that it was made for, and its segments have that
node's geometry. Each segment has the name, the color and the terminology of what it is; a map's segments
also remember their class (:data:`CLASS_TAG`), so that renaming one in the panel changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from vtk.util import numpy_support

from .. import schema
from ..errors import BadInputError
from ..volume import Grid, Storage, Volume
from .Hierarchy import placeBeside
from .Provenance import KIND, SYNTHETIC
from .Terminology import LESION_ENTRY, LESION_NAME, className, tissueEntry
from .VolumeNodes import gridOfNode, newNode, transformToWorld

Array = npt.NDArray[Any]

#: Segment of the lesion, and tag of a map's segments: number of the class.
LESION_SEGMENT = "infarct"
CLASS_TAG = "StrokeSynth.Class"
#: Voxels count as the same up to this share of their size.
SAME_VOXEL = 1e-3
MAP = "map"
_FILL = 0.25

#: vtkSegmentationConverter's name; not asked of it here, it may be loaded after this file.
_BINARY = "Binary labelmap"


def lesionSegmentation(
    volume: Volume, *, name: str, reference: slicer.vtkMRMLVolumeNode | None, synthetic: bool
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation with one segment, the mask's voxels above 0.

    Parameters
    ----------
    volume
        In world coordinates, on any grid.
    name
        Made unique in the scene by a number.
    reference
        The image that it belongs to: gives geometry and transform.
    synthetic
        Whether the lesion was made here, not found in a patient.
    """
    node = _newNode(name, reference, {SYNTHETIC: "true"} if synthetic else {})
    _addLesionSegment(node)
    updateSegmentation(node, volume)
    return node


def emptyLesionSegmentation(reference: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation to paint a lesion into, on the grid of ``reference``."""
    node = _newNode(f"{reference.GetName()} lesion", reference, {})
    _addLesionSegment(node)
    return node


def mapSegmentation(
    volume: Volume, *, name: str, reference: slicer.vtkMRMLVolumeNode | None
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation with a segment for each class of the schema that the map holds, but air."""
    node = _newNode(name, reference, {KIND: MAP})
    updateSegmentation(node, volume)
    return node


def updateSegmentation(node: slicer.vtkMRMLSegmentationNode, volume: Volume) -> None:
    """Give a lesion's or a map's segmentation other voxels; names, colors and visibility stay as they are."""
    if isMap(node):
        _updateMap(node, volume)
    else:
        identifier = lesionSegment(node) or _addLesionSegment(node)
        image = _imageOf(_localTo(node, volume.with_array((volume.array > 0).astype(np.uint8))))
        slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, identifier)


def isMap(node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Whether a segmentation is a semantic map: its segments have classes."""
    return node.GetAttribute(KIND) == MAP or any(
        _classOf(segment) is not None for _, segment in _segments(node)
    )


def lesionSegment(node: slicer.vtkMRMLSegmentationNode) -> str:
    """Identifier of the segment that is taken for the lesion: ours, else the first; "" without any."""
    found = [identifier for identifier, _ in _segments(node)]
    return LESION_SEGMENT if LESION_SEGMENT in found else (found or [""])[0]


def labelmapFromSegmentation(
    node: slicer.vtkMRMLSegmentationNode,
    reference: slicer.vtkMRMLVolumeNode,
    segmentId: str | None = None,
) -> Volume:
    """A segmentation on the grid of ``reference``, uint8, in world coordinates.

    Of a semantic map the classes; of any other 1 where a segment is (only ``segmentId``, if that is given).

    Raises
    ------
    BadInputError
        When a segment is not there, has no class, or is under a transform that is not linear.
    """
    grid = gridOfNode(reference)
    asMap = segmentId is None and isMap(node)
    result = np.zeros(grid.shape, np.uint8)
    for image, segments in _layers(node, segmentId):
        table = np.zeros(256, np.uint8)
        for segment in segments:
            table[segment.GetLabelValue()] = _classNeeded(node, segment) if asMap else 1
        labels = _onGrid(image, transformToWorld(node), grid)
        if labels is not None:
            np.copyto(result, table[labels], where=table[labels] > 0)
    return Volume(result, grid.affine, Storage("uint8"))


def _newNode(
    name: str, reference: slicer.vtkMRMLVolumeNode | None, attributes: dict[str, str]
) -> slicer.vtkMRMLSegmentationNode:
    scene = slicer.mrmlScene if reference is None else reference.GetScene()
    node = newNode("vtkMRMLSegmentationNode", name, scene, attributes)
    if reference is not None:
        if reference.GetTransformNodeID():
            node.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    node.CreateDefaultDisplayNodes()
    # The image must be seen through it; the outline is what counts.
    node.GetDisplayNode().SetOpacity2DFill(_FILL)
    if reference is not None:
        placeBeside(node, reference)
    return node


def _addLesionSegment(node: slicer.vtkMRMLSegmentationNode) -> str:
    red, green, blue = (value / 255 for value in schema.LESION_COLOR)
    identifier = str(node.GetSegmentation().AddEmptySegment(LESION_SEGMENT, LESION_NAME, (red, green, blue)))
    node.GetSegmentation().GetSegment(identifier).SetTerminology(LESION_ENTRY)
    return identifier


def _updateMap(node: slicer.vtkMRMLSegmentationNode, volume: Volume) -> None:
    """One label image that all segments share; classes that come get a segment, those that go lose it."""
    segmentation = node.GetSegmentation()
    image = _imageOf(_localTo(node, volume))
    present = {int(value) for value in np.unique(volume.array)} - {0}
    unknown = present - {c.index for c in schema.CLASSES}
    if unknown:
        raise BadInputError(
            f"{node.GetName()}: the map holds {sorted(unknown)}, which are no tissue classes "
            f"(0 to {schema.LESION - 1}); make it anew."
        )
    known = {_classOf(segment): identifier for identifier, segment in _segments(node)}
    with slicer.util.NodeModify(node):
        for index, identifier in known.items():
            if index not in present:
                segmentation.RemoveSegment(identifier)
        for index in sorted(present):
            segment = segmentation.GetSegment(known[index]) if index in known else _newSegment(index)
            segment.SetLabelValue(index)
            segment.AddRepresentation(_BINARY, image)
            if index not in known:
                segmentation.AddSegment(segment, schema.CLASSES[index].name)


def _newSegment(index: int) -> slicer.vtkSegment:
    tissue = schema.CLASSES[index]
    segment = slicer.vtkSegment()
    segment.SetName(className(tissue))
    segment.SetColor(*[value / 255 for value in tissue.color])
    segment.SetTerminology(tissueEntry(tissue))
    segment.SetTag(CLASS_TAG, str(index))
    return segment


def _segments(node: slicer.vtkMRMLSegmentationNode) -> Iterator[tuple[str, slicer.vtkSegment]]:
    segmentation = node.GetSegmentation()
    for identifier in segmentation.GetSegmentIDs():
        yield str(identifier), segmentation.GetSegment(identifier)


def _classOf(segment: slicer.vtkSegment) -> int | None:
    text = vtk.mutable("")
    return int(text.get()) if segment.GetTag(CLASS_TAG, text) else None


def _classNeeded(node: slicer.vtkMRMLSegmentationNode, segment: slicer.vtkSegment) -> int:
    found = _classOf(segment)
    if found is None:
        raise BadInputError(
            f"{node.GetName()}: its segment {segment.GetName()} is no tissue class; remove it from the map."
        )
    return found


def _layers(
    node: slicer.vtkMRMLSegmentationNode, segmentId: str | None
) -> list[tuple[slicer.vtkOrientedImageData, list[slicer.vtkSegment]]]:
    """Label images and the segments that share each; the last covers those before."""
    segmentation = node.GetSegmentation()
    if segmentId is not None and segmentation.GetSegment(segmentId) is None:
        raise BadInputError(f"{node.GetName()}: has no segment {segmentId}; choose another.")
    if segmentation.GetNumberOfSegments() and not segmentation.ContainsRepresentation(_BINARY):
        node.CreateBinaryLabelmapRepresentation()
    layers: dict[int, tuple[slicer.vtkOrientedImageData, list[slicer.vtkSegment]]] = {}
    for identifier, segment in _segments(node):
        image = segment.GetRepresentation(_BINARY)
        if image is not None and segmentId in (None, identifier):
            layers.setdefault(id(image), (image, []))[1].append(segment)
    return list(layers.values())


def _localTo(node: slicer.vtkMRMLSegmentationNode, volume: Volume) -> Volume:
    """A volume of the world in the coordinates of what the node's transform moves."""
    affine = np.linalg.inv(transformToWorld(node)) @ volume.affine
    return Volume(volume.array, affine)


def _imageOf(volume: Volume) -> slicer.vtkOrientedImageData:
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*volume.array.shape)
    image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(volume.affine))
    values = np.ascontiguousarray(volume.array.astype(np.uint8).T).ravel()
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(values, deep=True))
    return image


def _arrayOf(image: slicer.vtkOrientedImageData) -> Array:
    """Voxels (x, y, z) of an image's extent."""
    values = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    return np.asarray(values.reshape(image.GetDimensions()[::-1]).T)


def _onGrid(image: slicer.vtkOrientedImageData, toWorld: Array, grid: Grid) -> Array | None:
    """An image's labels on a grid of the world; None where it is empty."""
    if image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        return None
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    affine = toWorld @ slicer.util.arrayFromVTKMatrix(matrix)
    shift = np.linalg.inv(grid.affine) @ affine
    start = np.rint(shift[:3, 3])
    if np.abs(shift - _shift(start)).max() < SAME_VOXEL:
        return _pasted(_arrayOf(image), (start + image.GetExtent()[::2]).astype(int), grid)
    placed, target = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    placed.ShallowCopy(image)
    placed.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(affine))
    target.SetExtent(*[n for size in grid.shape for n in (0, size - 1)])
    target.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(grid.affine))
    target.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    resampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        placed, target, resampled
    )
    return _pasted(_arrayOf(resampled), np.array(resampled.GetExtent()[::2]), grid)


def _shift(start: Array) -> Array:
    matrix = np.eye(4)
    matrix[:3, 3] = start
    return matrix


def _pasted(array: Array, start: Array, grid: Grid) -> Array:
    """An array in a grid, its first voxel at ``start``; what lies outside is left out."""
    result = np.zeros(grid.shape, array.dtype)
    first = np.clip(start, 0, grid.shape)
    last = np.clip(start + array.shape, 0, grid.shape)
    there = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    here = tuple(slice(a - s, b - s) for a, b, s in zip(first, last, start, strict=True))
    result[there] = array[here]
    return result
