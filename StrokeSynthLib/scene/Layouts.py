"""Original, synthetic and difference side by side, in views that move together."""

from __future__ import annotations

import numpy as np
import slicer

from ..volume import SAME_GRID_TOLERANCE, Volume
from .Hierarchy import placeSynthetic
from .Provenance import SYNTHETIC
from .VolumeNodes import nodeFromVolume, updateNode, volumeFromNode
from .Windows import healthySignal, suitDifference

#: Views from left to right; their own, so that the usual ones stay as the user left them.
VIEWS = ("StrokeSynthOriginal", "StrokeSynthSynthetic", "StrokeSynthDifference")
_TITLES = ("Original", "Synthetic", "Difference")
_COLORS = ("#4A90D9", "#E07A2F", "#8E8E8E")
#: Number of the layout with as many views; Slicer's own end below 1000.
LAYOUTS = {2: 7312, 3: 7313}
#: Views of a group are linked among each other only.
_GROUP = 7313
#: Attribute of a difference: what the synthetic image was multiplied with.
_SCALE = "StrokeSynth.Scale"


def showComparison(
    original: slicer.vtkMRMLScalarVolumeNode,
    synthetic: slicer.vtkMRMLScalarVolumeNode,
    difference: slicer.vtkMRMLScalarVolumeNode | None = None,
) -> None:
    """Show volumes side by side in their acquisition plane, linked and fitted."""
    volumes = [original, synthetic] + ([] if difference is None else [difference])
    manager = slicer.app.layoutManager()
    layouts = manager.layoutLogic().GetLayoutNode()
    number = LAYOUTS[len(volumes)]
    if not layouts.IsLayoutDescription(number):
        layouts.AddLayoutDescription(number, _description(len(volumes)))
    manager.setLayout(number)
    for name, volume in zip(VIEWS, volumes, strict=False):
        logic = manager.sliceWidget(name).sliceLogic()
        composite = logic.GetSliceCompositeNode()
        composite.SetLinkedControl(False)
        composite.SetBackgroundVolumeID(volume.GetID())
        composite.SetForegroundVolumeID(None)
        composite.SetLabelVolumeID(None)
        logic.GetSliceNode().RotateToVolumePlane(original)
        logic.FitSliceToBackground()
        logic.SnapSliceOffsetToIJK()
    for name in VIEWS[: len(volumes)]:
        composite = manager.sliceWidget(name).sliceLogic().GetSliceCompositeNode()
        composite.SetLinkedControl(True)
        composite.SetHotLinkedControl(True)


def differenceNode(
    original: slicer.vtkMRMLScalarVolumeNode,
    synthetic: slicer.vtkMRMLScalarVolumeNode,
    node: slicer.vtkMRMLScalarVolumeNode | None = None,
    *,
    sameScale: bool = True,
) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Synthetic minus original, new or in ``node``; None where they lie on different grids.

    Signals are arbitrary: without ``sameScale`` the synthetic image is first brought to the healthy signal of
    the original. :func:`differenceScale` tells the factor.
    """
    first, second = volumeFromNode(original), volumeFromNode(synthetic)
    if not first.grid.matches(second.grid, SAME_GRID_TOLERANCE):
        return None
    scale = 1.0 if sameScale else _scaleTo(first, second)
    change = Volume(second.array.astype("float32") * np.float32(scale) - first.array, first.affine)
    if node is None:
        title = f"{synthetic.GetName()} minus {original.GetName()}"
        node = nodeFromVolume(change, title, like=original, attributes={SYNTHETIC: "true"})
        placeSynthetic(node, synthetic)
    else:
        updateNode(node, change)
    node.SetAttribute(_SCALE, repr(scale))
    suitDifference(node)
    return node


def differenceScale(node: slicer.vtkMRMLScalarVolumeNode) -> np.float32:
    """What the synthetic image was multiplied with before the difference was taken."""
    return np.float32(node.GetAttribute(_SCALE) or 1.0)


def _scaleTo(original: Volume, synthetic: Volume) -> float:
    wanted, found = healthySignal(original.array), healthySignal(synthetic.array)
    return wanted / found if wanted and found else 1.0


def _description(count: int) -> str:
    views = "".join(
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        '<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{title[0]}</property>'
        f'<property name="viewcolor" action="default">{color}</property>'
        f'<property name="viewgroup" action="default">{_GROUP}</property></view></item>'
        for name, title, color in list(zip(VIEWS, _TITLES, _COLORS, strict=True))[:count]
    )
    return f'<layout type="horizontal" split="true">{views}</layout>'
