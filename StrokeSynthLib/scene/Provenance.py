"""What a node was made from, in its attributes: saved with the scene, shown by Slicer's Data module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import slicer

#: Names of all attributes that the product gives to nodes begin so.
PREFIX = "StrokeSynth."
SYNTHETIC = PREFIX + "Synthetic"
RECORD = PREFIX + "Record"
#: What a segmentation is: "lesion" or "map".
KIND = PREFIX + "Segmentation"
COMMAND_LINE = PREFIX + "CommandLine"
#: From the record, for people who look at the node's attributes.
_SHOWN = ("Kind", "Description", "Notice", "Translator", "ModelHash", "Seed", "OutsideLesion")


def attach(node: slicer.vtkMRMLNode, provenance: Mapping[str, Any], commandLine: str = "") -> None:
    """Keep the record that the worker gave with a result (its "record"), in place of an older one.

    Parameters
    ----------
    node
        The result.
    provenance
        Contents of the sidecar file that the command line would have written.
    commandLine
        The command line that would have made it.
    """
    clear(node)
    node.SetAttribute(RECORD, json.dumps(dict(provenance), sort_keys=True))
    for name in _SHOWN:
        value = provenance.get(name)
        if value not in (None, ""):
            node.SetAttribute(PREFIX + name, value if isinstance(value, str) else json.dumps(value))
    if commandLine:
        node.SetAttribute(COMMAND_LINE, commandLine)
    if provenance.get("Synthetic"):
        markSynthetic(node)


def read(node: slicer.vtkMRMLNode) -> dict[str, Any] | None:
    """The record that was attached; None where there is none."""
    text = node.GetAttribute(RECORD)
    return dict(json.loads(text)) if text else None


def clear(node: slicer.vtkMRMLNode) -> None:
    """Take everything away that is true no more, once a result was changed by hand.

    A synthetic node stays marked as synthetic.
    """
    for name in list(node.GetAttributeNames()):
        if name.startswith(PREFIX) and name not in (SYNTHETIC, KIND):
            node.RemoveAttribute(name)


def markSynthetic(node: slicer.vtkMRMLNode) -> None:
    """Tag a node as synthetic."""
    node.SetAttribute(SYNTHETIC, "true")


def isSynthetic(node: slicer.vtkMRMLNode) -> bool:
    """Whether a node was made here, wholly or in part, and is not a patient's image as it was taken."""
    return bool(node.GetAttribute(SYNTHETIC) == "true")
