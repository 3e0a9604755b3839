"""Synthetic nodes made again, byte for byte, from what they keep in their attributes.

A node keeps the request to the worker that made it. Label volumes of the request (map, lesion) are kept in
the node itself, compressed: they may be painted over or deleted. Of gray volumes, a patient's images, it
keeps a reference to their node, where they lay, and a hash of their values. The bytes are the same with the
same versions on the same kind of machine and device.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import slicer

from ..errors import BadInputError, StrokeSynthError
from ..jobs.client import WorkerClient
from ..volume import Storage, Volume
from .Provenance import PREFIX, read
from .VolumeNodes import volumeFromNode

Array = npt.NDArray[Any]

REQUEST = PREFIX + "Request"
_INPUT = PREFIX + "Input."


class Remade(NamedTuple):
    """A volume that was made again, and what speaks against its being the same (nothing, if it is)."""

    volume: Volume
    differences: tuple[str, ...]


def keepRequest(
    node: slicer.vtkMRMLNode,
    do: str,
    args: Mapping[str, Any],
    *,
    output: str,
    volume: Volume,
    sources: Mapping[str, slicer.vtkMRMLScalarVolumeNode] | None = None,
) -> None:
    """Keep what makes a node again; after :func:`.Provenance.attach`, which forgets what was kept before.

    Parameters
    ----------
    node
        The result.
    do, args
        The request as it was sent to the worker.
    output
        Name of the volume in the worker's answer ("dwi", "adc", "mask").
    volume
        That volume.
    sources
        Node of each gray volume of ``args``, by name; volumes without one are kept whole.
    """
    sources = sources or {}
    plain, described = {}, {}
    for name, value in args.items():
        if not isinstance(value, Volume):
            plain[name] = value
        elif name in sources:
            described[name] = _description(value)
            node.SetNodeReferenceID(_INPUT + name, sources[name].GetID())
        else:
            described[name] = _description(value)
            node.SetAttribute(_INPUT + name, _packed(value.array))
    content = {
        "do": do, "output": output, "sha256": _hash(volume.array), "args": plain, "volumes": described,
    }  # fmt: skip
    node.SetAttribute(REQUEST, json.dumps(content, sort_keys=True))


def canBeRemade(node: slicer.vtkMRMLNode) -> bool:
    """Whether a node keeps a request."""
    return bool(node.GetAttribute(REQUEST))


def requestOf(node: slicer.vtkMRMLNode) -> tuple[str, dict[str, Any]]:
    """The request (what to do, arguments) that makes a node again.

    Raises
    ------
    BadInputError
        When it keeps none, or an image it was made from is gone or has changed.
    """
    content = _content(node)
    args = dict(content["args"])
    for name, described in content["volumes"].items():
        text = node.GetAttribute(_INPUT + name)
        array = _unpacked(text, described) if text else _sourceArray(node, name, described)
        args[name] = Volume(array, np.array(described["affine"]), Storage(**described["storage"]))
    return str(content["do"]), args


def remade(node: slicer.vtkMRMLNode, result: Mapping[str, Any]) -> Remade:
    """The volume of an answer to :func:`requestOf`, compared with the node's as it was made."""
    content = _content(node)
    volume: Volume = result[content["output"]]
    if _hash(volume.array) == content["sha256"]:
        return Remade(volume, ())
    before, now = read(node) or {}, dict(result.get("record") or {})
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return Remade(
        volume,
        tuple(f"{name}: {before.get(name)} became {now.get(name)}" for name in changed)
        or ("the values differ although nothing else does: another device or kind of machine",),
    )


def remake(node: slicer.vtkMRMLNode, client: WorkerClient, timeout: float = 600.0) -> Remade:
    """Make a node's volume again and wait for it (s); for scripts, the panel does not wait.

    Raises
    ------
    BadInputError
        As :func:`requestOf`.
    StrokeSynthError
        With the worker's sentence when it fails.
    """
    answers: list[Mapping[str, Any]] = []
    failures: list[str] = []
    do, args = requestOf(node)
    client.request(
        do, args, on_result=answers.append, on_error=lambda failure: failures.append(str(failure))
    )  # fmt: skip
    if not client.wait(timeout):
        raise StrokeSynthError(f"{node.GetName()}: was not made again within {timeout:.0f} s.")
    if failures:
        raise StrokeSynthError(failures[0])
    return remade(node, answers[0])


def _content(node: slicer.vtkMRMLNode) -> dict[str, Any]:
    text = node.GetAttribute(REQUEST)
    if not text:
        raise BadInputError(
            f"{node.GetName()}: does not say how it was made (not made by StrokeSynth, or changed by hand)."
        )
    return dict(json.loads(text))


def _sourceArray(node: slicer.vtkMRMLNode, name: str, described: Mapping[str, Any]) -> Array:
    source = node.GetNodeReference(_INPUT + name)
    if source is None:
        raise BadInputError(
            f"{node.GetName()}: the image that it was made from ({name}) is not in the scene; load it again "
            "and make a new one."
        )
    array = volumeFromNode(source).array
    if _hash(array) != described["sha256"]:
        raise BadInputError(
            f"{source.GetName()}: has changed since {node.GetName()} was made from it; load the original."
        )
    return array


def _description(volume: Volume) -> dict[str, Any]:
    storage = volume.storage
    return {
        "shape": list(volume.array.shape),
        "dtype": str(volume.array.dtype),
        "affine": np.asarray(volume.affine, float).tolist(),
        "storage": {"dtype": storage.dtype, "slope": storage.slope, "intercept": storage.intercept},
        "sha256": _hash(volume.array),
    }


def _hash(array: Array) -> str:
    """SHA-256 of an array's type, shape and values, in whatever order they lie in memory."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _packed(array: Array) -> str:
    # z slowest: neighbors in a slice lie together, which packs better.
    return base64.b64encode(zlib.compress(array.tobytes(order="F"), 6)).decode("ascii")


def _unpacked(text: str, described: Mapping[str, Any]) -> Array:
    values = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.dtype(described["dtype"]))
    return np.asarray(values.reshape(described["shape"], order="F"))
