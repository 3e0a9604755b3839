"""What ITK does not say of a NIfTI file: whether it is whole, and where its voxels really are.

ITK fills the missing end of a file that was cut short with zeros, without a word, and refuses
files whose axes are a little off right angles, which registration programs write and published
cohorts contain. Both are settled here, from the header.

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

_HEADER_BYTES = 348
_NIFTI_2 = (struct.pack("<i", 540), struct.pack(">i", 540))
SLOPE_OFFSET = 112  # scl_slope and scl_inter, float32
_CODES_OFFSET = 252  # qform_code and sform_code, int16
_SFORM_OFFSET = 280  # srow_x, srow_y, srow_z, 12 float32


class DamagedError(Exception):
    """The file cannot be a whole NIfTI file; the text says why."""


@dataclass(frozen=True)
class NiftiHeader:
    """The fields that matter here."""

    content_bytes: int  # header, extensions and voxels
    qform_code: int
    sform_code: int
    sform: Array  # (4, 4), voxel index to RAS mm; meaningless when sform_code is 0
    byte_order: str


def read_header(path: Path) -> NiftiHeader | None:
    """Read the header and check that all voxels are there; None for NIfTI-2, which is left to ITK.

    Raises
    ------
    DamagedError
        When it is no NIfTI-1 file or is cut short.
    """
    zipped = _is_gzip(path)
    try:
        with gzip.open(path) if zipped else path.open("rb") as stream:
            start = stream.read(_HEADER_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedError(f"is damaged ({error})") from error
    if start[:4] in _NIFTI_2:
        return None
    header = _parse(start)
    size = _gzip_size(path, header.content_bytes) if zipped else path.stat().st_size
    if size < header.content_bytes:
        raise DamagedError("is cut short, voxels are missing")
    return header


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _parse(start: bytes) -> NiftiHeader:
    if len(start) < _HEADER_BYTES:
        raise DamagedError("is too short to be a NIfTI image")
    order = next((o for o in "<>" if struct.unpack_from(o + "i", start, 0)[0] == _HEADER_BYTES), None)
    if order is None:
        raise DamagedError("has no NIfTI-1 header")
    dim = struct.unpack_from(order + "8h", start, 40)
    axes = dim[1 : 1 + dim[0]]
    if not 1 <= dim[0] <= 7 or min(axes) < 1:
        raise DamagedError(f"has impossible dimensions ({', '.join(map(str, dim[: max(dim[0], 0) + 1]))})")
    bits = struct.unpack_from(order + "h", start, 72)[0]
    offset = struct.unpack_from(order + "f", start, 108)[0]
    single_file = start[344:347] == b"n+1"
    content = (int(offset) if single_file else 0) + math.ceil(math.prod(axes) * bits / 8)
    sform = np.eye(4)
    sform[:3] = np.reshape(struct.unpack_from(order + "12f", start, _SFORM_OFFSET), (3, 4))
    codes = struct.unpack_from(order + "2h", start, _CODES_OFFSET)
    return NiftiHeader(content if single_file else 0, codes[0], codes[1], sform, order)


def _gzip_size(path: Path, expected: int) -> int:
    """Size of the content. The file's own word for it is believed when it is what is expected."""
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        if struct.unpack("<I", stream.read(4))[0] == expected % (1 << 32):
            return expected
    size = 0
    try:
        with gzip.open(path) as stream:
            while block := stream.read(1 << 20):
                size += len(block)
    except (OSError, EOFError, zlib.error):
        return 0  # ends in the middle of a compressed block
    return size


def nearest_rotation(matrix: Array) -> Array:
    """The orthogonal matrix nearest to ``matrix`` (3, 3), by polar decomposition."""
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)


def right_angled(affine: Array) -> Array:
    """``affine`` with its axes turned to right angles, the same spacing and first voxel."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = affine[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() < 1e-6:
        return affine  # as it is, to the last bit
    result = affine.copy()
    result[:3, :3] = nearest_rotation(direction) * spacing
    return result


def content_with_sform(path: Path, header: NiftiHeader, affine: Array) -> bytes:
    """The uncompressed bytes of the file with another sform."""
    with gzip.open(path) if _is_gzip(path) else path.open("rb") as stream:
        content = bytearray(stream.read())
    put_sform(content, affine, header.byte_order)
    return bytes(content)


def put_sform(content: bytearray, affine: Array, byte_order: str = "<") -> None:
    """Set the sform in the bytes of a file; its code too, where it has none."""
    struct.pack_into(byte_order + "12f", content, _SFORM_OFFSET, *affine[:3].ravel())
    code = struct.unpack_from(byte_order + "h", content, _CODES_OFFSET + 2)[0]
    struct.pack_into(byte_order + "h", content, _CODES_OFFSET + 2, code or 1)
