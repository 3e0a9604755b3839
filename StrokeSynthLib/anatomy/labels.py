"""Reading label maps: FreeSurfer's and SynthSeg's numbering, or the schema's own.

FreeSurfer's numbers and the schema's overlap (2 is white matter in one, right white matter in
the other), so a file is told apart by looking at all of its values: whatever is past the end of
the schema can only be FreeSurfer's. A sidecar that StrokeSynth wrote settles it too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..files import read_json
from ..provenance import sidecar_path
from ..schema import FREESURFER_TO_CLASS, INDEX, INTRACRANIAL, LESION
from ..volume import Storage, Volume, read_volume

Array = npt.NDArray[Any]

#: Space that is kept around the head (mm).
MARGIN_MM = 6.0
#: Fewer voxels of brain than this (ml) is not a usable map.
LEAST_BRAIN_ML = 200.0

# FreeSurfer labels that SynthSeg's maps lack, and the class they belong to: its own unsided and
# subdivided structures. Cortical parcels (1000 to 2999) and white-matter parcels (3000 to 4999)
# are handled by their range.
_FURTHER: dict[int, str] = {
    77: "left-white-matter-hyperintensity", 78: "left-white-matter-hyperintensity",
    79: "right-white-matter-hyperintensity", 31: "left-choroid-plexus", 63: "right-choroid-plexus",
    80: "left-white-matter", 251: "left-white-matter", 252: "left-white-matter",
    253: "left-white-matter", 254: "left-white-matter", 255: "left-white-matter",
    9: "left-thalamus", 48: "right-thalamus", 165: "skull", 259: "skull", 258: "soft-tissue",
    257: "csf", 119: "scalp", 170: "brain-stem", 173: "brain-stem", 174: "brain-stem",
    175: "brain-stem", 178: "brain-stem", 19: "left-cortex", 20: "left-cortex", 55: "right-cortex",
    56: "right-cortex", 122: "csf", 221: "csf",
}  # fmt: skip
# Nearest class for numbers of SynthSeg's extra-cerebral range that are not known one by one.
_EXTRA_CEREBRAL = range(500, 600)


@dataclass(frozen=True)
class LabelReading:
    """What :func:`translate` found.

    Parameters
    ----------
    labels
        uint8 classes of the schema, shape of the input.
    numbering
        "freesurfer" or "schema".
    notices
        What had to be decided, one sentence each.
    """

    labels: Array
    numbering: str
    notices: tuple[str, ...] = ()


def read_labels(path: Path | str) -> Volume:
    """Read a whole-head label map as classes of the schema.

    Parameters
    ----------
    path
        NIfTI, NRRD or MetaImage in any orientation, integers in any type (also floats that hold
        whole numbers), in FreeSurfer's/SynthSeg's numbering or the schema's.

    Returns
    -------
    Volume
        uint8 classes, canonical RAS+, cropped to the head with a margin of :data:`MARGIN_MM`.
        ``metadata`` has "numbering" and, where something was decided, "notices".

    Raises
    ------
    BadInputError
        When the file is unreadable, not a label map, has labels of neither numbering, or holds
        no brain.
    """
    path = Path(path)
    volume = _without_empty_sides(read_volume(path))
    reading = translate(volume.array, str(path), numbering=_stated_numbering(path))
    volume = replace(volume, array=reading.labels).canonical()
    labels = volume.array
    is_brain = np.zeros(256, bool)
    is_brain[list(INTRACRANIAL)] = True
    brain_ml = float(np.count_nonzero(is_brain[labels])) * volume.grid.voxel_ml
    if brain_ml < LEAST_BRAIN_ML:
        raise BadInputError(
            f"{path}: holds only {brain_ml:.0f} ml of brain; a label map of a whole head is needed."
        )
    metadata = {"numbering": reading.numbering}
    if reading.notices:
        metadata["notices"] = " ".join(reading.notices)
    whole = Volume(labels, volume.affine, Storage("uint8"), path, metadata)
    return crop_to_head(whole)


def translate(values: Array, name: str, *, numbering: str | None = None) -> LabelReading:
    """Turn label numbers into classes of the schema.

    Parameters
    ----------
    values
        Whole numbers in any type, any shape.
    name
        How errors call it.
    numbering
        "freesurfer" or "schema" when it is known; None looks at the values.
    """
    whole = _whole_numbers(values, name)
    order: Literal["F", "C"] = "F" if whole.strides[0] < whole.strides[-1] else "C"  # as it lies in memory
    flat = whole.ravel(order)
    present = np.flatnonzero(np.bincount(flat))
    numbering = numbering or _guess_numbering(present)
    notices: list[str] = []
    table = np.zeros(int(present.max()) + 1, np.uint8)
    if numbering == "schema":
        unknown = [int(v) for v in present if v > LESION]
        if LESION in present:
            notices.append(f"{name}: label {LESION} (lesion) was read as white matter.")
        for value in present[present < LESION]:
            table[value] = value
        if LESION in present:
            table[LESION] = INDEX["left-white-matter"]
    else:
        unknown = []
        for value in (int(v) for v in present):
            known = _class_of_freesurfer(value)
            if known is None and value in _EXTRA_CEREBRAL:
                known = INDEX["soft-tissue"]
                notices.append(f"{name}: unknown label {value} outside the brain was read as soft tissue.")
            if known is None:
                unknown.append(value)
            else:
                table[value] = known
    if unknown:
        raise BadInputError(
            f"{name}: label {', '.join(map(str, unknown[:5]))}{' and more' if len(unknown) > 5 else ''} "
            "is neither in FreeSurfer's/SynthSeg's numbering nor in StrokeSynth's; "
            "give a map in one of them."
        )
    return LabelReading(table.take(flat).reshape(whole.shape, order=order), numbering, tuple(notices))


def crop_to_head(volume: Volume, margin_mm: float = MARGIN_MM) -> Volume:
    """Cut a map to the box of its labels with a margin, padding with air where it ends before.

    A canonical (RAS+) volume is expected; voxels keep their place in space.
    """
    low, high = _extent(volume.array)
    margin = np.ceil(margin_mm / np.array(volume.spacing)).astype(int)
    # The neck is cut, not padded: below it the person goes on.
    start, stop = low - margin, high + margin
    start[2] = max(start[2], 0)
    pads = [
        (max(0, -int(a)), max(0, int(b) - n)) for a, b, n in zip(start, stop, volume.array.shape, strict=True)
    ]
    padded = np.pad(volume.array, pads) if np.any(pads) else volume.array
    first = np.maximum(start, 0)
    box = tuple(slice(int(a), int(a + e - s)) for a, s, e in zip(first, start, stop, strict=True))
    affine = volume.affine.copy()
    affine[:3, 3] += volume.affine[:3, :3] @ start
    return replace(volume, array=np.ascontiguousarray(padded[box]), affine=affine)


def _extent(array: Array) -> tuple[Array, Array]:
    """First index and end of what is not 0 along each axis; (0, 1) where all is 0."""
    inside = array != 0
    low, high = np.zeros(3, int), np.ones(3, int)
    # Axis by axis on what is left, the one that strides farthest in memory first.
    for axis in sorted(range(3), key=lambda a: -abs(inside.strides[a])):
        first, second = (a for a in range(3) if a != axis)
        line = np.flatnonzero(inside.any(axis=(first, second)))
        if line.size:
            low[axis], high[axis] = line[0], line[-1] + 1
            inside = inside[
                tuple(slice(line[0], line[-1] + 1) if a == axis else slice(None) for a in range(3))
            ]
    return low, high


def _without_empty_sides(volume: Volume) -> Volume:
    """A map without the empty space far from the head, which is most of a 256^3 map; for speed only."""
    low, high = _extent(volume.array)
    margin = np.ceil(MARGIN_MM / np.array(volume.spacing)).astype(int)
    start = np.maximum(low - margin, 0)
    affine = volume.affine.copy()
    affine[:3, 3] += volume.affine[:3, :3] @ start
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, high + margin, strict=True))
    return replace(volume, array=volume.array[box], affine=affine)


def _whole_numbers(values: Array, name: str) -> Array:
    low, high = (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)
    if not np.isfinite([low, high]).all():  # either is NaN when any value is
        raise BadInputError(f"{name}: holds NaN or infinite values; a label map of integers is needed.")
    if low < 0 or high > 20000:
        raise BadInputError(
            f"{name}: holds values from {low:g} to {high:g}; a label map of integers is needed."
        )
    if high == 0:
        raise BadInputError(f"{name}: every voxel is 0; a label map of a whole head is needed.")
    if np.issubdtype(values.dtype, np.integer):
        return values if values.dtype.itemsize <= 4 else values.astype(np.int32)
    whole: Array = values.astype(np.uint16)
    if (whole == values).all():
        return whole
    whole = np.rint(values).astype(np.uint16)
    if float(np.abs(values - whole).max()) > 1e-3:
        raise BadInputError(f"{name}: holds fractions, so it is an image and not a label map; give labels.")
    return whole


def _guess_numbering(present: Array) -> str:
    # The schema ends at 42 (43 with the lesion). Every FreeSurfer map of a brain has labels beyond:
    # 46, 47, 49 to 54 are the right cerebellum and the right deep grey matter.
    return "freesurfer" if int(present.max()) > LESION else "schema"


def _stated_numbering(path: Path) -> str | None:
    """The numbering a sidecar of ours states, if there is one."""
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return None
    try:
        content = read_json(sidecar)
    except BadInputError:
        return None
    maker = content.get("GeneratedBy", {}) if isinstance(content, dict) else {}
    return "schema" if isinstance(maker, dict) and maker.get("Name") == "StrokeSynth" else None


def _class_of_freesurfer(value: int) -> int | None:
    if value in FREESURFER_TO_CLASS:
        return FREESURFER_TO_CLASS[value]
    if value in _FURTHER:
        return INDEX[_FURTHER[value]]
    for first, name in ((1000, "cortex"), (3000, "white-matter")):
        if first <= value < first + 2000:
            return INDEX[f"{'left' if value < first + 1000 else 'right'}-{name}"]
    # Destrieux's cortical (11100 to 12175) and white-matter (13100 to 14175) parcels.
    for first, name in ((11000, "cortex"), (13000, "white-matter")):
        if first <= value < first + 2000:
            return INDEX[f"{'left' if value < first + 1000 else 'right'}-{name}"]
    return None
