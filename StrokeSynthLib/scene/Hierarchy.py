"""Where nodes are in the subject hierarchy: results lie beside what they were made from."""

from __future__ import annotations

import slicer


def placeBeside(node: slicer.vtkMRMLNode, reference: slicer.vtkMRMLNode | None) -> int:
    """Put a node under the same parent as ``reference``: the patient's study, where there is one.

    Returns the node's item. Without a reference, or one that is not in the hierarchy, it is put at the top.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    parent = 0 if reference is None else hierarchy.GetItemParent(hierarchy.GetItemByDataNode(reference))
    parent = parent or hierarchy.GetSceneItemID()
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
        return int(item)
    return int(hierarchy.CreateItem(parent, node))
