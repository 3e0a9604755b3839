"""Voxels of NIfTI-1 files, read to the last bit.

ITK's reader fills the missing end of a file that was cut short with zeros, turns NaN and infinite
voxels into zeros, and refuses axes that are a little off right angles, which registration programs
write and published cohorts contain. None of this may happen silently to a medical image, so voxels
are read here; where they lie in space is still asked of ITK, as Slicer does.

The format: https://nifti.nimh.nih.gov/nifti-1 (348 bytes of header).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SLOPE_OFFSET = 112  # scl_slope and scl_inter, float32
_HEADER_BYTES = 348
_CODES_OFFSET = 252  # qform_code and sform_code, int16
_SFORM_OFFSET = 280  # srow_x, srow_y, srow_z, 12 float32
_NIFTI_2 = (struct.pack("<i", 540), struct.pack(">i", 540))
_TYPES = {2: "uint8", 4: "int16", 8: "int32", 16: "float32", 64: "float64", 256: "int8",
          512: "uint16", 768: "uint32", 1024: "int64", 1280: "uint64"}  # fmt: skip
_OTHER_TYPES = {32: "complex", 1792: "complex", 2048: "complex", 128: "color", 2304: "color"}


class DamagedError(Exception):
    """The file cannot be used as a NIfTI image; the text says why ("is ...", "has ...")."""


@dataclass(frozen=True)
class NiftiImage:
    """Content of a file.

    Parameters
    ----------
    array
        Values in the order of the file (x, y, z[, t, ...]), after slope and intercept.
    dtype, slope, intercept
        Of the stored numbers.
    sform_code, sform
        Its own statement of where voxels are: (4, 4), index to RAS mm; meaningless with code 0.
    """

    array: Array
    dtype: str
    slope: float
    intercept: float
    sform_code: int
    sform: Array


def read_nifti(path: Path) -> NiftiImage | None:
    """Read a file; None for NIfTI-2, which is left to ITK.

    Raises
    ------
    DamagedError
        When it is no NIfTI-1 file, is damaged or cut short, or holds colors or complex numbers.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)  # checks length and checksum
    except EOFError as error:
        raise DamagedError("is cut short") from error
    except (OSError, zlib.error) as error:
        raise DamagedError(f"is damaged ({error})") from error
    if content[:4] in _NIFTI_2:
        return None
    if len(content) < _HEADER_BYTES:
        raise DamagedError("is too short to be a NIfTI image")
    order = next((o for o in "<>" if struct.unpack_from(o + "i", content)[0] == _HEADER_BYTES), None)
    if order is None or content[344:347] != b"n+1":
        raise DamagedError("has no NIfTI-1 header")
    return _image(content, order)


def _image(content: bytes, order: str) -> NiftiImage:
    code = struct.unpack_from(order + "h", content, 70)[0]
    if code not in _TYPES:
        raise DamagedError(f"holds {_OTHER_TYPES.get(code, 'unknown')} values, a gray image is needed")
    shape = _shape(struct.unpack_from(order + "8h", content, 40))
    dtype = np.dtype(_TYPES[code])
    offset = struct.unpack_from(order + "f", content, 108)[0]
    if not math.isfinite(offset):
        raise DamagedError("has a damaged header")
    start, count = max(int(offset), _HEADER_BYTES), math.prod(shape)
    if len(content) < start + count * dtype.itemsize:
        raise DamagedError("is cut short, voxels are missing")
    stored = np.frombuffer(content, order + dtype.str[1:], count, start).reshape(shape, order="F")
    slope, intercept = struct.unpack_from(order + "2f", content, SLOPE_OFFSET)
    if not math.isfinite(slope) or slope == 0:
        slope, intercept = 1.0, 0.0
    intercept = intercept if math.isfinite(intercept) else 0.0
    sform = np.eye(4)
    sform[:3] = np.reshape(struct.unpack_from(order + "12f", content, _SFORM_OFFSET), (3, 4))
    sform_code = struct.unpack_from(order + "h", content, _CODES_OFFSET + 2)[0]
    array = _scaled(stored.astype(dtype), slope, intercept)
    return NiftiImage(array, dtype.name, slope, intercept, sform_code, sform)


def _shape(dim: tuple[int, ...]) -> tuple[int, ...]:
    """Lengths of the axes, without those of length 1 after the third."""
    axes = list(dim[1 : 1 + dim[0]]) if 1 <= dim[0] <= 7 else [0]
    if min(axes) < 1:
        raise DamagedError(f"has impossible dimensions ({', '.join(map(str, dim))})")
    while len(axes) > 3 and axes[-1] == 1:
        axes.pop()
    return tuple(axes)


def _scaled(stored: Array, slope: float, intercept: float) -> Array:
    if slope == 1.0 and intercept == 0.0:
        return stored
    # float32 holds every 16-bit number; longer ones need more.
    small = stored.dtype.itemsize <= 2 or stored.dtype == np.float32
    values: Array = stored.astype(np.float32 if small else np.float64)
    values *= slope
    values += intercept
    return values


def right_angled(affine: Array) -> Array:
    """``affine`` with its axes turned to the nearest right angles; same spacing and first voxel."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = affine[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() < 1e-6:
        return affine  # as it is, to the last bit
    left, _, right = np.linalg.svd(direction)  # polar decomposition
    result = affine.copy()
    result[:3, :3] = (left @ right) * spacing
    return result


def put_sform(content: bytearray, affine: Array) -> None:
    """Set the sform in the bytes of a little-endian file; its code too, where it has none."""
    struct.pack_into("<12f", content, _SFORM_OFFSET, *affine[:3].ravel())
    code = struct.unpack_from("<h", content, _CODES_OFFSET + 2)[0]
    struct.pack_into("<h", content, _CODES_OFFSET + 2, code or 1)
