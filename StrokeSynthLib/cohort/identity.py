"""Which cases these are, by the bytes of their files: names and places say nothing of what was in them.

Files are read as they lie on disk, in blocks, and not decoded. A copied, moved or renamed case is the same;
one that was written again by another program is another, though it may show the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInputError
from ..files import sha256_of
from ..progress import Progress, ProgressEvent, silent
from .case import CaseFiles

_IMAGES = ("dwi", "adc", "b0")
_ROLES = (*_IMAGES, "lesion", "semantic_map")


@dataclass(frozen=True)
class Identity:
    """One case.

    Parameters
    ----------
    whole
        SHA-256 over all its files (DWI, ADC, b0, lesion, map) and whether it says that it is synthetic.
    images
        SHA-256 over DWI, ADC and b0: the person's examination, whatever was drawn on it since.
    """

    whole: str
    images: str


def identity_of(files: CaseFiles) -> Identity:
    """Read the files of a case and say which it is.

    Raises
    ------
    BadInputError
        When one is missing or cannot be read.
    """
    said: dict[str, str] = {}
    for role in _ROLES:
        path: Path | None = getattr(files, role)
        try:
            said[role] = f"{role} {'none' if path is None else sha256_of(path)}"
        except OSError as error:
            raise BadInputError(f"{path}: cannot be read ({error.strerror}); check the file.") from error
    return Identity(
        _digest([f"synthetic {files.synthetic}", *(said[role] for role in _ROLES)]),
        _digest([said[role] for role in _IMAGES]),
    )


def identities(cases: Sequence[CaseFiles], progress: Progress = silent) -> tuple[Identity, ...]:
    """Of all cases, in their order."""
    found = []
    for done, files in enumerate(cases):
        progress(ProgressEvent("Reading files", done, len(cases), files.name))
        found.append(identity_of(files))
    if cases:
        progress(ProgressEvent("Reading files", len(cases), len(cases)))
    return tuple(found)


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
