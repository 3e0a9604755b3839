"""Volume nodes to and from :class:`~StrokeSynthLib.volume.Volume`, voxel by voxel.

Slicer keeps arrays as (k, j, i), the library as (x, y, z) = (i, j, k): the same memory, transposed.
Slicer's IJK to RAS is the library's affine, without any change of sign. Nothing is resampled and no axis
is turned: a volume that goes through the scene comes back bit for bit, oblique and left-handed axes
included. (Only when Slicer loads a file with left-handed axes, it reverses the slices itself, and the
affine with them.)

Volumes are in world coordinates: a linear parent transform of a node is part of the affine. A result made
for a node is put under the same transform, so that both move together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk

from ..errors import BadInputError
from ..volume import Grid, Storage, Volume

Array = npt.NDArray[Any]

#: Cosine of the angle between two axes, above which a volume counts as sheared.
SHEAR_TOLERANCE = 1e-3

# VTK images hold no booleans and no half floats, and most file formats no 64-bit integers.
_STORED_AS = {"bool": "uint8", "float16": "float32", "int64": "int32", "uint64": "uint32"}


def volumeFromNode(node: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """A copy of a volume node's voxels, placed in the world.

    Raises
    ------
    BadInputError
        When the node is empty, holds several values per voxel, or is under a transform that is not linear
        or that shears it.
    """
    name = node.GetName()
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise BadInputError(f"{name}: holds no image; load it again or choose another volume.")
    if image.GetNumberOfScalarComponents() != 1:
        raise BadInputError(f"{name}: has several values per voxel (color?); choose a gray volume.")
    array = slicer.util.arrayFromVolume(node).T.copy(order="K")
    if array.dtype.kind not in "fiu":
        raise BadInputError(f"{name}: holds {array.dtype} numbers; choose a gray volume.")
    return Volume(array, affineOfNode(node), Storage(str(array.dtype)))


def affineOfNode(node: slicer.vtkMRMLVolumeNode) -> Array:
    """From voxel index (i, j, k) to world RAS mm, through linear parent transforms.

    Raises
    ------
    BadInputError
        When a parent transform is not linear or shears the volume.
    """
    affine = transformToWorld(node) @ _ijkToRAS(node)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise BadInputError(
            f"{node.GetName()}: its axes are not at right angles (a transform shears it); "
            "resample it, for instance with Resample Scalar/Vector/DWI Volume."
        )
    return np.asarray(affine)


def gridOfNode(node: slicer.vtkMRMLVolumeNode) -> Grid:
    """Where a node's voxels are in the world; raises as :func:`volumeFromNode`."""
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise BadInputError(f"{node.GetName()}: holds no image; load it again or choose another volume.")
    i, j, k = image.GetDimensions()
    return Grid((i, j, k), affineOfNode(node))


def transformToWorld(node: slicer.vtkMRMLTransformableNode) -> Array:
    """The (4, 4) matrix of a node's parent transforms; the identity without any."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise BadInputError(
            f"{node.GetName()}: is under the non-linear transform {parent.GetName()}; "
            "harden the transform first."
        )
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return np.array(slicer.util.arrayFromVTKMatrix(matrix))


def nodeFromVolume(
    volume: Volume,
    name: str,
    *,
    like: slicer.vtkMRMLTransformableNode | None = None,
    className: str = "vtkMRMLScalarVolumeNode",
    scene: slicer.vtkMRMLScene | None = None,
    attributes: Mapping[str, str] | None = None,
) -> slicer.vtkMRMLScalarVolumeNode:
    """A new volume node with the volume's voxels.

    Parameters
    ----------
    volume
        In world coordinates. Booleans are kept as uint8, 64-bit integers as 32-bit ones.
    name
        Made unique in the scene by a number.
    like
        The node for which the volume was made; the new one gets its parent transform.
    className
        ``vtkMRMLLabelMapVolumeNode`` for label maps.
    scene
        The application's by default.
    attributes
        Of the node, which has them when it joins the scene: selectors that ask for one offer it at once.
    """
    node = newNode(className, name, scene or slicer.mrmlScene, attributes or {})
    if like is not None and like.GetTransformNodeID():
        node.SetAndObserveTransformNodeID(like.GetTransformNodeID())
    updateNode(node, volume)
    node.CreateDefaultDisplayNodes()
    return node


def newNode(
    className: str, name: str, scene: slicer.vtkMRMLScene, attributes: Mapping[str, str]
) -> slicer.vtkMRMLNode:
    """An empty node in a scene, which has its attributes from the beginning."""
    node = scene.CreateNodeByClass(className)
    node.SetName(scene.GenerateUniqueName(name))
    for key, value in attributes.items():
        node.SetAttribute(key, value)
    scene.AddNode(node)
    node.UnRegister(None)  # the scene holds it now
    return node


def updateNode(node: slicer.vtkMRMLScalarVolumeNode, volume: Volume) -> None:
    """Give a node other voxels and their place, in one modification; its display stays as it is."""
    affine = np.linalg.inv(transformToWorld(node)) @ volume.affine
    with slicer.util.NodeModify(node):
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(_storable(volume.array).T))
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(affine))


def _ijkToRAS(node: slicer.vtkMRMLVolumeNode) -> Array:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array(slicer.util.arrayFromVTKMatrix(matrix))


def _storable(array: Array) -> Array:
    """The array in a type that VTK and files hold; OverflowError for integers that do not fit."""
    dtype = np.dtype(_STORED_AS.get(str(array.dtype), array.dtype))
    if dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise OverflowError(f"values from {array.min()} to {array.max()} do not fit {dtype}")
    return array.astype(dtype, copy=False)
