"""A cohort on one picture, for a check by eye: DWI and ADC of each case at its lesion's largest slice.

Needs nothing but numpy and scipy, and writes the same bytes for the same cases.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..cohort.case import Case, CaseFiles
from ..cohort.layouts import Cohort
from ..cohort.load import load_case
from ..errors import BadInputError
from ..files import check_outputs, replacing
from ..progress import Progress, ProgressEvent, silent
from ..volume import Volume
from .figures import ADC_LIMITS, REFERENCE_COLOR, display_limits, fullest_slice, slice_axis, slice_of
from .lettering import HEIGHT, STEP, write_on

Array = npt.NDArray[Any]

#: Cases on a picture unless asked otherwise; more are hard to look over.
MOST_CASES = 48
#: Beginning of the names of pages with all cases.
CONTACT_SHEET = "contact_sheet"
#: Side of one image, the line of text under it, the gap between cases (pixels).
_SIDE, _LINE, _GAP = 160, 2 * HEIGHT + 6, 6
_INK, _WARNING = (230, 230, 230), (255, 160, 120)
_OUTLINE = tuple(bytes.fromhex(REFERENCE_COLOR[1:]))


@dataclass(frozen=True)
class Mosaic:
    """A picture that was written.

    Parameters
    ----------
    path
        The PNG file.
    shown, cases
        Names of the cases on it, in the order of reading; how many the cohort has.
    columns
        Cases in a row.
    """

    path: Path
    shown: tuple[str, ...]
    cases: int
    columns: int


def write_mosaic(
    cohort: Cohort, out: Path | str, *, most: int = MOST_CASES, progress: Progress = silent
) -> Mosaic:
    """Write the picture of a cohort as PNG.

    Left of each pair is the DWI, right the ADC with the reference lesion's outline; the patient's right is on
    the left. Of larger cohorts cases are picked at even distances.

    Parameters
    ----------
    cohort
        Opened.
    out
        PNG file to write.
    most
        Cases at most.

    Raises
    ------
    BadInputError
        When the cohort is empty or the file cannot be written.
    """
    out = Path(out)
    if out.suffix.lower() != ".png":
        raise BadInputError(f"{out}: the picture is written as PNG; give it the ending .png.")
    check_outputs([out])
    picked = spread(cohort.cases, most)
    if not picked:
        raise BadInputError(f"{cohort.path}: holds no case; there is nothing to show.")
    tiles = []
    for done, files in enumerate(picked):
        progress(ProgressEvent("Drawing cases", done, len(picked)))
        tiles.append(_tile(files))
    progress(ProgressEvent("Drawing cases", len(picked), len(picked)))
    columns = columns_for(len(tiles))
    with replacing(out) as temporary:
        temporary.write_bytes(png(_arranged(tiles, columns)))
    return Mosaic(out, tuple(files.name for files in picked), len(cohort.cases), columns)


def write_contact_sheets(
    cohort: Cohort, folder: Path, *, each: int = MOST_CASES, progress: Progress = silent
) -> list[Path]:
    """Write all cases of a cohort, page by page, as ``contact_sheet_001.png`` and so on in ``folder``.

    One page is held at a time, so a cohort may be of any size. Pages of an earlier, larger set are removed.

    Raises
    ------
    BadInputError
        When the cohort is empty or the folder cannot be written to.
    """
    if not cohort.cases:
        raise BadInputError(f"{cohort.path}: holds no case; there is nothing to show.")
    total = len(cohort.cases)
    columns = columns_for(min(each, total))
    pages = []
    for number, first in enumerate(range(0, total, each), 1):
        tiles = []
        for done, files in enumerate(cohort.cases[first : first + each], first):
            progress(ProgressEvent("Drawing contact sheets", done, total))
            tiles.append(_tile(files))
        path = folder / f"{CONTACT_SHEET}_{number:03d}.png"
        with replacing(path) as temporary:
            temporary.write_bytes(png(_arranged(tiles, columns)))
        pages.append(path)
    for path in set(folder.glob(f"{CONTACT_SHEET}_*.png")) - set(pages):
        path.unlink()
    progress(ProgressEvent("Drawing contact sheets", total, total))
    return pages


def spread(cases: Sequence[CaseFiles], most: int) -> list[CaseFiles]:
    """At most so many cases, at even distances, the first and the last among them."""
    if len(cases) <= most:
        return list(cases)
    return [cases[round(i)] for i in np.linspace(0, len(cases) - 1, max(most, 1))]


def columns_for(tiles: int) -> int:
    """Cases in a row, so that the picture is about as wide as high or a little wider."""
    return max(1, math.ceil(math.sqrt(tiles * 0.75)))


def png(picture: Array) -> bytes:
    """RGB picture (rows, columns, 3) of 0 to 255 as a PNG file."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    height, width = picture.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = picture.reshape(height, -1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def _arranged(tiles: Sequence[Array], columns: int) -> Array:
    height, width = tiles[0].shape[:2]
    rows = math.ceil(len(tiles) / columns)
    picture = np.zeros((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        picture[top : top + height, left : left + width] = tile
    return picture


def _tile(files: CaseFiles) -> Array:
    """The pictures of one case with its name; of one that cannot be read the name alone."""
    tile = np.full((_SIDE + _LINE, 2 * _SIDE, 3), 12, np.uint8)
    try:
        case = load_case(files)
    except BadInputError:
        write_on(tile, "cannot be read", _SIDE // 2, 12, 2, _WARNING)
        write_on(tile, files.name, _SIDE + 3, 4, 2, _WARNING)
        return tile
    dwi = case.dwi.canonical()
    lesion = None if case.lesion is None else case.lesion.canonical()
    index = dwi.array.shape[slice_axis(dwi)] // 2 if lesion is None else fullest_slice(lesion)
    tissue = None if case.semantic_map is None else case.semantic_map.canonical()
    window = _Window.around_head(dwi, index)
    tile[:_SIDE, :_SIDE] = _gray(window.image(dwi), display_limits(dwi, tissue))[..., None]
    if case.adc is not None:
        right = tile[:_SIDE, _SIDE:]
        right[:] = _gray(window.image(case.adc.canonical()), ADC_LIMITS)[..., None]
        if lesion is not None:
            inside = window.image(lesion, order=0) > 0
            right[ndimage.binary_dilation(inside) & ~inside] = _OUTLINE
    write_on(tile, _caption(case), _SIDE + 3, 4, 2, _INK)
    return tile


def _caption(case: Case) -> str:
    """Name and volume, cut to the width of the pictures."""
    volume = "" if case.lesion is None else f" {case.lesion_ml:.1f} ml" if case.lesion_ml else " no lesion"
    room = 2 * _SIDE // (2 * STEP) - 1 - len(volume)
    name = case.name if len(case.name) <= room else case.name[: room - 2] + ".."
    return name + volume


def _gray(image: Array, limits: tuple[float, float]) -> Array:
    low, high = limits
    return np.asarray(255 * np.clip((image - low) / (high - low), 0, 1)).astype(np.uint8)


@dataclass(frozen=True)
class _Window:
    """Part of a slice as it is looked at: square, in mm, the patient's right on the left, front up.

    Parameters
    ----------
    index
        Of the slice.
    places
        Where each pixel lies along the slice's two axes (voxels).
    """

    index: int
    places: tuple[Array, Array]

    @classmethod
    def around_head(cls, volume: Volume, index: int) -> _Window:
        """As large as all of the head in any slice."""
        axis = slice_axis(volume)
        spacing = np.array([length for a, length in enumerate(volume.spacing) if a != axis])
        clear = volume.array > 0.15 * np.percentile(volume.array, 99)
        counts = [clear.sum((axis, other)) for other in _others(axis)[::-1]]
        # Noise in the air is above the threshold here and there.
        extent = [np.flatnonzero(count > 0.1 * count.max(initial=0)) for count in counts]
        ends = np.array([[line[0], line[-1]] if line.size else [0, 1] for line in extent], float)
        pixel = 1.08 * float(np.max((ends[:, 1] - ends[:, 0] + 1) * spacing)) / _SIDE
        # Rows go down along the second axis, columns against the first.
        steps = -(np.arange(_SIDE) - (_SIDE - 1) / 2) * pixel
        first, second = (steps / spacing[a] + ends[a].mean() for a in range(2))
        across, down = np.meshgrid(first, second)
        return cls(index, (across, down))

    def image(self, volume: Volume, order: int = 1) -> Array:
        """What is seen of a canonical volume on the grid that the window was made for."""
        image = slice_of(volume, self.index).astype(np.float32)
        return np.asarray(ndimage.map_coordinates(image, self.places, order=order))


def _others(axis: int) -> list[int]:
    return [other for other in range(3) if other != axis]
