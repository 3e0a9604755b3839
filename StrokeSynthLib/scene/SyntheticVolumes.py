"""Synthetic images as volume nodes: named, tagged, in gray values that suit them, and reproducible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import slicer

from ..volume import Volume
from .Hierarchy import placeSynthetic
from .Provenance import SYNTHETIC, attach
from .Remaking import keepRequest
from .VolumeNodes import nodeFromVolume, updateNode
from .Windows import suitAdc, suitAgain, suitDwi

#: Channels of the worker's answer, and their names for people.
CHANNELS = {"dwi": "DWI", "adc": "ADC", "b0": "b0"}
_SUIT = {"dwi": suitDwi, "adc": suitAdc, "b0": suitDwi}
#: Attribute with the unit of the values.
UNIT = "StrokeSynth.Unit"


@dataclass(frozen=True)
class Making:
    """How images were made.

    Parameters
    ----------
    args
        Of the request "synthesize" to the worker (that a preview shows the same images changes nothing).
    commandLine
        The ``strokesynth`` command line that does the same.
    sources
        Node of each of the patient's images in ``args``: "background", "background_adc", "background_b0".
    """

    args: Mapping[str, Any]
    commandLine: str = ""
    sources: Mapping[str, slicer.vtkMRMLScalarVolumeNode] = field(default_factory=dict)


def showSynthetic(
    result: Mapping[str, Any],
    making: Making,
    *,
    name: str,
    like: slicer.vtkMRMLTransformableNode,
    nodes: Mapping[str, slicer.vtkMRMLScalarVolumeNode] | None = None,
    channels: Sequence[str] = ("dwi", "adc"),
) -> dict[str, slicer.vtkMRMLScalarVolumeNode]:
    """Nodes with the images of a worker's answer, by channel.

    Parameters
    ----------
    result
        Answer to "synthesize", or an answer put together from a preview's slices.
    making
        What it is the answer to.
    name
        What the images are of; the nodes are called "<name> synthetic DWI" and so on.
    like
        The map or image that they were made for: gives transform and place in the subject hierarchy.
    nodes
        Earlier results that get the new voxels, by channel; the others are new.
    channels
        Those wanted.
    """
    found = {}
    for channel in channels:
        volume: Volume = result[channel]
        node = (nodes or {}).get(channel)
        if node is None:
            title = f"{name} synthetic {CHANNELS[channel]}"
            node = nodeFromVolume(volume, title, like=like, attributes={SYNTHETIC: "true"})
            placeSynthetic(node, like)
            _SUIT[channel](node)
        else:
            updateNode(node, volume)
            suitAgain(node, _SUIT[channel])  # another translator has another scale
        attach(node, {**result["record"], "Channel": channel}, making.commandLine)
        node.SetAttribute(UNIT, str(result.get("adc_unit", "")) if channel == "adc" else "arbitrary")
        keepRequest(
            node, "synthesize", making.args, output=channel, volume=volume, sources=making.sources
        )  # fmt: skip
        found[channel] = node
    return found
