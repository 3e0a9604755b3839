"""Lesion sources by name, and the door that opens one.

Adding a source (a trained network, say) is one new file and one line in :data:`SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInputError
from .lesion import LesionSource
from .masks import MaskFolder
from .procedural import ProceduralLesions


@dataclass(frozen=True)
class SourceKind:
    """A kind of source: what ``--help`` says of it, and how it is opened."""

    description: str
    open: Callable[[Path | None, Sequence[str] | None], LesionSource]


def _open_masks(folder: Path | None, names: Sequence[str] | None) -> LesionSource:
    if folder is None:
        raise BadInputError("--lesions: name the folder of lesion masks in standard space.")
    return MaskFolder(folder, names)


#: What can make lesions.
SOURCES: dict[str, SourceKind] = {
    "procedural": SourceKind(
        "grown inside arterial territories; needs no file", lambda folder, names: ProceduralLesions()
    ),
    "masks": SourceKind("real masks in standard space, from the folder given", _open_masks),
}


def open_lesions(folder: Path | None = None, names: Sequence[str] | None = None) -> LesionSource:
    """Open a lesion source.

    Parameters
    ----------
    folder
        Folder of real masks in standard space; None grows lesions procedurally.
    names
        People (``sub-1001``) or file stems of the folder to use; all when None.

    Raises
    ------
    BadInputError
        When the folder is missing or holds no (such) masks.
    """
    return SOURCES["procedural" if folder is None else "masks"].open(folder, names)
