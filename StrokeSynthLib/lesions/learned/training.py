"""Training of a lesion model: masks are screened and cut into pieces, a kind is fitted, the folder written.

People are split first: those named to be held out take no part in anything, statistics of site and size
included. By default these are the people of the project's own test list.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import BadInputError
from ...modelfolder import ModelFolder, save_model
from ...progress import Progress, ProgressEvent, silent
from ..masks import MaskFolder, held_out_names, person_of
from ..territories import TerritoryAtlas
from .arrangement import Arrangement
from .card import lesion_card
from .crops import CONDITIONS, FILLED, REACH, SIZE, Piece, pieces_of
from .options import LesionTrainingOptions
from .registry import LESION_KINDS

Array = npt.NDArray[Any]

#: Fewer people tell nothing about lesions.
LEAST_PEOPLE = 8

#: Fits a kind: pieces, folder, options, fingerprint, progress -> arrays, facts, minutes.
Fit = Callable[
    [Sequence[Piece], Path, LesionTrainingOptions, str, Progress],
    tuple[dict[str, Array], dict[str, Any], float],
]


@dataclass(frozen=True)
class Material:
    """What is learned from.

    Parameters
    ----------
    lesions
        Pieces of each person's mask, the largest first.
    persons
        Their names.
    screened_out
        Masks that were not used, by reason.
    held_out
        Number of masks in the folder that were left out because of whom they belong to.
    """

    lesions: Sequence[Sequence[Piece]]
    persons: Sequence[str]
    screened_out: Mapping[str, int]
    held_out: int

    @property
    def pieces(self) -> list[Piece]:
        """All of them."""
        return [piece for lesion in self.lesions for piece in lesion]


def gather(masks: Path, held_out: Sequence[str] | None, progress: Progress = silent) -> Material:
    """Screen the masks of a folder and cut them into pieces.

    Parameters
    ----------
    masks
        Folder of masks in standard space.
    held_out
        People whose masks take no part ("sub-1234"), or names of their files; the project's test list when
        None.

    Raises
    ------
    BadInputError
        When the folder is missing, too few people are left, or people to be held out have no mask there.
    """
    folder, atlas = MaskFolder(masks), TerritoryAtlas.load()
    left_out = set(held_out_names()) if held_out is None else _people(held_out, folder)
    paths = [path for path in folder.paths if person_of(path) not in left_out]
    lesions, persons = [], []
    for done, path in enumerate(paths):
        progress(ProgressEvent("Reading masks", done, len(paths)))
        mask = folder.open(path)
        if mask is None:
            continue
        pieces = pieces_of(mask.unpacked(), mask.grid, mask.name, atlas)
        if pieces:
            lesions.append(pieces)
            persons.append(mask.name)
    progress(ProgressEvent("Reading masks", len(paths), len(paths)))
    if len(set(persons)) < LEAST_PEOPLE:
        raise BadInputError(
            f"{masks}: {len(set(persons))} usable masks are left for training, {LEAST_PEOPLE} or more are "
            f"needed; add masks in standard space (MNI152). {folder.screening.screened()}"
        )
    reasons = dict(Counter(folder.screening.rejected.values()))
    return Material(lesions, persons, reasons, len(folder.paths) - len(paths))


def _people(names: Sequence[str], folder: MaskFolder) -> set[str]:
    """The people that a list names; a name that holds out nobody is refused, as its mask would be learned."""
    present = {person_of(path) for path in folder.paths}
    unknown = [name for name in names if person_of(name) not in present]
    if unknown:
        some = ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        raise BadInputError(
            f"--held-out: {len(unknown)} of its {len(names)} names are of no mask in {folder.folder} "
            f"({some}); its masks are of people such as {min(present)}: write the names so, or "
            "leave these lines out."
        )
    return {person_of(name) for name in names}


def train_lesions(
    kind: str,
    masks: Path | str,
    out: Path | str,
    options: LesionTrainingOptions | None = None,
    held_out: Sequence[str] | None = None,
    progress: Progress = silent,
) -> ModelFolder:
    """Train a lesion model on a folder of masks and write its folder.

    Parameters
    ----------
    kind
        One of :data:`.registry.LESION_KINDS`.
    masks
        Folder of lesion masks in standard space (MNI152), one file a person.
    out
        Model folder to write.
    held_out
        People whose masks take no part; the project's test list when None.

    Raises
    ------
    BadInputError
        When the masks cannot be used, or a state to resume is of another training.
    CancelledError
        When ``progress`` raises it; a GAN's state is kept for ``resume``.
    """
    if kind not in LESION_KINDS:
        raise BadInputError(f"--kind {kind}: is not known; choose one of {', '.join(LESION_KINDS)}.")
    return train_on(kind, gather(Path(masks), held_out, progress), Path(out), options, progress)


def train_on(
    kind: str, material: Material, out: Path, options: LesionTrainingOptions | None, progress: Progress
) -> ModelFolder:
    """Train on what was gathered."""
    options = options or LesionTrainingOptions()
    atlas = TerritoryAtlas.load()
    arrangement = Arrangement.fit(material.lesions, atlas)
    arrays, facts, minutes = _fits()[kind](
        material.pieces, out, options, fingerprint(kind, material, options), progress
    )
    kept = {f"arrangement/{n}": v for n, v in arrangement.arrays.items()}
    kept |= {f"shape/{n}": _halved(v) for n, v in arrays.items()}
    config = {"crop": {"size": SIZE, "filled": FILLED, "reach": REACH},
              "conditions": list(CONDITIONS)}  # fmt: skip
    training = {
        "people": len(set(material.persons)),
        "pieces": len(material.pieces),
        "held_out_masks": material.held_out,
        "screened_out": dict(material.screened_out),
        "options": options.record(),
        "territories": atlas.hash,
        **facts,
    }
    return save_model(
        out, kind=kind, config=config, training=training, arrays=kept,
        card=lesion_card(kind, training, minutes),
    )  # fmt: skip


def fingerprint(kind: str, material: Material, options: LesionTrainingOptions) -> str:
    """Short hash of everything that a training must share with the one it continues."""
    settled = replace(options, minutes=None).record()
    value = [kind, settled, list(material.persons), len(material.pieces)]
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode())
    for piece in material.pieces:
        # What is learned from, not only whose it is: masks are corrected and stay under their names.
        placed = [
            piece.person,
            piece.center,
            piece.extent_mm,
            piece.volume_ml,
            piece.mirrored,
            piece.arteries,
        ]
        digest.update(repr(placed).encode())
        digest.update(np.ascontiguousarray(piece.crop).tobytes())
    return digest.hexdigest()[:16]


def _fits() -> dict[str, Fit]:
    """How each kind is fitted; PyTorch is imported for the kinds that need it."""

    def shape(
        pieces: Sequence[Piece], out: Path, options: LesionTrainingOptions, mark: str, progress: Progress
    ) -> tuple[dict[str, Array], dict[str, Any], float]:
        from .shape import fit_shape

        start = time.monotonic()
        progress(ProgressEvent("Training", 0, 1))
        arrays = fit_shape(pieces, options.modes)
        progress(ProgressEvent("Training", 1, 1))
        return arrays, {"steps": 1, "modes": len(arrays["modes"])}, (time.monotonic() - start) / 60.0

    def wgan(
        pieces: Sequence[Piece], out: Path, options: LesionTrainingOptions, mark: str, progress: Progress
    ) -> tuple[dict[str, Array], dict[str, Any], float]:
        from .wgan_training import train_wgan

        return train_wgan(pieces, out, options, mark, progress)

    return {"shape": shape, "wgan": wgan}


def _halved(values: Array) -> Array:
    """Large float arrays with 16 bits; small tables and counts as they are."""
    return values.astype(np.float16) if values.dtype.kind == "f" and values.size > 4096 else values
