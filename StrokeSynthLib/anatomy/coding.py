"""Small on disk: fields as 8-bit numbers, deflated, inside a safetensors file.

Safetensors has no compression, so a coded field is a vector of bytes (zlib of int8 or uint8
numbers); the shape and the scale stand in ``model.json``. Decoding is exact and takes
milliseconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def encode(values: Array, levels: int | None = None) -> tuple[Array, dict[str, Any]]:
    """Code a field.

    Parameters
    ----------
    values
        uint8 numbers, kept exactly; or floats, rounded to ``2 * levels + 1`` steps symmetric
        around zero, scaled to the largest value of each entry along the first axis.
    levels
        At most 127; None for uint8 input.

    Returns
    -------
    tuple
        Bytes (uint8 vector) and the description that :func:`decode` needs.
    """
    if levels is None:
        numbers = np.ascontiguousarray(values, np.uint8)
        info: dict[str, Any] = {"shape": list(values.shape), "type": "uint8"}
    else:
        flat = values.reshape(len(values), -1)
        scale = np.maximum(np.abs(flat).max(axis=1), 1e-12) / levels
        numbers = np.rint(flat / scale[:, None]).astype(np.int8)
        info = {"shape": list(values.shape), "type": "int8", "scale": [float(s) for s in scale]}
    packed = zlib.compress(numbers.tobytes(), 9)
    return np.frombuffer(packed, np.uint8).copy(), info


def decode(packed: Array, info: Mapping[str, Any]) -> Array:
    """The field again: uint8 as it was, otherwise float32."""
    kind = np.uint8 if info["type"] == "uint8" else np.int8
    numbers = np.frombuffer(zlib.decompress(packed.tobytes()), kind).reshape(info["shape"])
    if info["type"] == "uint8":
        return np.asarray(numbers)
    scale = np.asarray(info["scale"], np.float32).reshape(-1, *[1] * (numbers.ndim - 1))
    return np.asarray(numbers * scale)
