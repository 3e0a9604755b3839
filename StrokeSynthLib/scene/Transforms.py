"""Volumes as they lie in the world, whatever transforms their nodes are under."""

from __future__ import annotations

import slicer
import vtk

from ..volume import Volume
from .VolumeNodes import transformToWorld, volumeFromNode

__all__ = ["hardened", "transformToWorld"]


def hardened(node: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """A node's volume in world coordinates; the node itself stays as it is.

    Linear transforms only move the voxels. Others (a registration's warp, say) resample them, which is done
    by Slicer on a copy.

    Raises
    ------
    BadInputError
        As :func:`.VolumeNodes.volumeFromNode`, but not for non-linear transforms.
    """
    parent = node.GetParentTransformNode()
    if parent is None or parent.IsTransformToWorldLinear():
        return volumeFromNode(node)
    # Outside the scene: nobody sees the copy, and nothing is left of it.
    copy = slicer.vtkMRMLScalarVolumeNode()
    copy.SetName(node.GetName())
    copy.CopyContent(node)
    toWorld = vtk.vtkGeneralTransform()
    parent.GetTransformToWorld(toWorld)
    copy.ApplyTransform(toWorld)
    return volumeFromNode(copy)
