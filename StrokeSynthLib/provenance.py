"""The record that goes with every image and mask that is made here.

A sidecar JSON lies beside each file (same name, ``.json``), and the file's own description
field carries a short form, so that a synthetic image says so even when it travels alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from . import RESEARCH_NOTICE, __version__
from .errors import BadInputError
from .files import check_outputs, write_json
from .volume import WRITTEN_ENDINGS, Storage, Volume, file_stem, write_volume

#: NIfTI's description field holds 79 characters.
SYNTHETIC_DESCRIPTION = "SYNTHETIC image (StrokeSynth). Research use only, not a patient's."
PARTLY_SYNTHETIC_DESCRIPTION = "SYNTHETIC lesion (StrokeSynth) in a patient's image. Research use only."
DERIVED_DESCRIPTION = "Made by StrokeSynth. Research use only, not for diagnosis."


def content_hash(volume: Volume) -> str:
    """SHA-256 of a volume's values and place, whatever file they lie in."""
    digest = hashlib.sha256(np.ascontiguousarray(volume.array).tobytes())
    digest.update(np.round(volume.affine, 4).astype(np.float64).tobytes())
    digest.update(str((volume.array.shape, str(volume.array.dtype))).encode())
    return digest.hexdigest()


def record(*, synthetic: bool, **entries: Any) -> dict[str, Any]:
    """Contents of a sidecar: what it is, what made it, and the given entries that are not None."""
    base: dict[str, Any] = {
        "Synthetic": synthetic,
        "Notice": RESEARCH_NOTICE,
        "GeneratedBy": {"Name": "StrokeSynth", "Version": __version__},
    }
    return base | {name: value for name, value in entries.items() if value is not None}


def sidecar_path(path: Path | str) -> Path:
    """The JSON file beside an image file."""
    path = Path(path)
    return path.with_name(file_stem(path) + ".json")


def check_image_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Refuse image outputs of an unknown format, or that (or whose sidecars) would replace an input.

    Raises
    ------
    BadInputError
        Naming the file.
    """
    named = [path for path in outputs if path is not None]
    for path in named:
        if not path.name.lower().endswith(WRITTEN_ENDINGS):
            raise BadInputError(f"{path}: images are written as {', '.join(WRITTEN_ENDINGS)}; choose one.")
    sources = [path for path in inputs if path is not None]
    sidecars = [sidecar_path(path) for path in sources if path.is_file()]
    check_outputs([*named, *map(sidecar_path, named)], [*sources, *sidecars])


def write_with_record(
    path: Path | str, volume: Volume, entries: Mapping[str, Any], storage: Storage | None = None
) -> None:
    """Write an image with its description and its sidecar; the sidecar first.

    ``entries`` comes from :func:`record`. If the process dies in between, no image is ever
    without the record that says it is synthetic.
    """
    text = SYNTHETIC_DESCRIPTION if entries.get("Synthetic") else DERIVED_DESCRIPTION
    if "patient" in str(entries.get("OutsideLesion", "")):
        text = PARTLY_SYNTHETIC_DESCRIPTION
    write_json(sidecar_path(path), dict(entries))
    write_volume(path, replace(volume, metadata={**volume.metadata, "descrip": text}), storage)
