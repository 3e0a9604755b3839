"""Volumes as they lie in the world, whatever transforms their nodes are under."""

from __future__ import annotations

import slicer

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
    scene = node.GetScene()
    copy = slicer.modules.volumes.logic().CloneVolume(scene, node, f"{node.GetName()} (hardened)", True)
    try:
        copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
        copy.HardenTransform()
        return volumeFromNode(copy)
    finally:
        scene.RemoveNode(copy)
