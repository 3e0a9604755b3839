"""Gray values that suit each kind of image, whatever its unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer

Array = npt.NDArray[Any]

#: ADC from black to white (10^-3 mm^2/s): restricted diffusion is dark, cerebrospinal fluid bright.
ADC_RANGE = (0.0, 2.5)
#: Probabilities below are not drawn.
PROBABILITY_SHOWN = 0.05
_PROBABILITY_COLORS = "vtkMRMLColorTableNodeIron"
#: Attribute of the display with the gray values that were chosen here, to tell them from the user's own.
_CHOSEN = "StrokeSynth.Shown"


def suitDwi(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Healthy brain in mid gray, so that a lesion of twice its signal is not yet white.

    The signal's scale is arbitrary: it is taken from the voxels that are not air.
    """
    healthy = healthySignal(_values(node))
    if healthy is not None:
        _setRange(node, 0.0, healthy * 2.2)


def healthySignal(array: Array) -> float | None:
    """Signal of healthy tissue in a diffusion image of arbitrary units; None for an empty image."""
    head = array[array > _airBelow(array)] if array.size else array
    # Most of what is not air is brain and scalp: their median stands for healthy tissue.
    return float(np.median(head)) if head.size else None


def suitAgain(
    node: slicer.vtkMRMLScalarVolumeNode, suit: Callable[[slicer.vtkMRMLScalarVolumeNode], None]
) -> None:
    """Suit gray values to new voxels, unless the user has chosen others since."""
    display = node.GetDisplayNode()
    chosen = display.GetAttribute(_CHOSEN) if display is not None else None
    if not chosen:
        return
    lowest, highest = map(float, chosen.split())
    shown = (display.GetWindowLevelMin(), display.GetWindowLevelMax())
    if np.allclose(shown, (lowest, highest), rtol=0, atol=1e-4 * (highest - lowest)):
        suit(node)


def suitAdc(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """The same diffusivities in the same gray in every image, in any of the usual units."""
    unit = adcUnit(_values(node))
    _setRange(node, ADC_RANGE[0] / unit, ADC_RANGE[1] / unit)


def suitProbability(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """A glow for an overlay: transparent where a lesion is unlikely."""
    display = _display(node)
    if slicer.mrmlScene.GetNodeByID(_PROBABILITY_COLORS):
        display.SetAndObserveColorNodeID(_PROBABILITY_COLORS)
    _setRange(node, 0.0, 1.0)
    display.SetThreshold(PROBABILITY_SHOWN, 1.0)
    display.ApplyThresholdOn()


def suitDifference(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Zero in mid gray, brighter where the second image is brighter."""
    array = np.abs(_values(node))
    changed = array[array > 0]
    limit = float(np.percentile(changed, 99)) if changed.size else 1.0
    _setRange(node, -limit, limit)


def adcUnit(array: Array) -> float:
    """What one unit of an ADC image's values is in 10^-3 mm^2/s: 1, 0.001 or 1000."""
    positive = array[array > 0]
    middle = float(np.median(positive)) if positive.size else 1.0
    return 1e-3 if middle > 20 else 1e3 if middle < 0.02 else 1.0


def _airBelow(array: Array) -> float:
    """The value that best parts two groups (Otsu 1979): air, whose noise may be strong, and head."""
    top = float(np.percentile(array, 99.5))
    counts, edges = np.histogram(array, bins=256, range=(min(float(array.min()), 0.0), max(top, 1e-9)))
    centers = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * centers)
    above = total - below
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.nanargmax(np.where(above > 0, apart, -1.0))]) if total else 0.0


def _values(node: slicer.vtkMRMLScalarVolumeNode) -> Array:
    array: Array = slicer.util.arrayFromVolume(node)
    return array[np.isfinite(array)]


def _display(node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeDisplayNode:
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node.GetDisplayNode()


def _setRange(node: slicer.vtkMRMLScalarVolumeNode, lowest: float, highest: float) -> None:
    display = _display(node)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(lowest, highest)
    display.SetAttribute(_CHOSEN, f"{lowest!r} {highest!r}")
