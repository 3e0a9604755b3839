"""Where nodes are in the subject hierarchy: results lie with what they were made from.

Synthetic images lie in a folder of their own under the patient's study. Slicer's DICOM export takes the
parent of an image for its study and the parent of that for the patient, so that an image in a folder is never
written with a patient's name and number, even by a user who exports it on purpose.
"""

from __future__ import annotations

import slicer

SYNTHETIC_FOLDER = "Synthetic images (StrokeSynth)"
#: Taken by Slicer's DICOM export for the series.
_SERIES_DESCRIPTION = "SYNTHETIC (StrokeSynth): not a patient's image, research use only"


def placeBeside(node: slicer.vtkMRMLNode, reference: slicer.vtkMRMLNode | None) -> int:
    """Put a node under the same parent as ``reference``: the patient's study, where there is one.

    Returns the node's item. Without a reference, or one that is not in the hierarchy, it is put at the top.
    """
    return _place(node, _parentOf(reference, node.GetScene()))


def placeSynthetic(node: slicer.vtkMRMLNode, reference: slicer.vtkMRMLNode) -> int:
    """Put a synthetic image into the folder of such images beside ``reference``; returns its item."""
    hierarchy = _hierarchyOf(node.GetScene())
    parent = _parentOf(reference, node.GetScene())
    if hierarchy.GetItemName(parent) != SYNTHETIC_FOLDER:
        folder = hierarchy.GetItemChildWithName(parent, SYNTHETIC_FOLDER)
        parent = folder or hierarchy.CreateFolderItem(parent, SYNTHETIC_FOLDER)
    item = _place(node, parent)
    hierarchy.SetItemAttribute(item, "DICOM.SeriesDescription", _SERIES_DESCRIPTION)
    return item


def _hierarchyOf(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLSubjectHierarchyNode:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def _parentOf(reference: slicer.vtkMRMLNode | None, scene: slicer.vtkMRMLScene) -> int:
    """Parent of a node's item; the scene's own item where there is none."""
    hierarchy = _hierarchyOf(scene)
    item = 0 if reference is None else hierarchy.GetItemByDataNode(reference)
    return int((item and hierarchy.GetItemParent(item)) or hierarchy.GetSceneItemID())


def _place(node: slicer.vtkMRMLNode, parent: int) -> int:
    hierarchy = _hierarchyOf(node.GetScene())
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
        return int(item)
    return int(hierarchy.CreateItem(parent, node))
