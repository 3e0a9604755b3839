"""What a node was made from, in its attributes: saved with the scene, read by people in the Data module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import slicer

SYNTHETIC = "StrokeSynth.Synthetic"
RECORD = "StrokeSynth.Record"


def attach(node: slicer.vtkMRMLNode, provenance: Mapping[str, Any]) -> None:
    """Keep the record that the worker gave with a result (its "record")."""
    node.SetAttribute(RECORD, json.dumps(dict(provenance), sort_keys=True))
    if provenance.get("Synthetic"):
        markSynthetic(node)


def read(node: slicer.vtkMRMLNode) -> dict[str, Any] | None:
    """The record that was attached, or None."""
    text = node.GetAttribute(RECORD)
    if not text:
        return None
    content: dict[str, Any] = json.loads(text)
    return content


def markSynthetic(node: slicer.vtkMRMLNode) -> None:
    """Tag a node as synthetic."""
    node.SetAttribute(SYNTHETIC, "true")


def isSynthetic(node: slicer.vtkMRMLNode) -> bool:
    """Whether a node was made here, and is not a patient's."""
    return bool(node.GetAttribute(SYNTHETIC) == "true")
