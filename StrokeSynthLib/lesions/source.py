"""Lesion sources by name, and the door that opens one.

Adding a source is one new file and one line in :data:`SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cohort.names import is_image, parse
from ..cohort.nnunet import nnunet_root
from ..errors import BadInputError
from ..modelfolder import SHIPPED
from .learned.source import LearnedLesions
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
    if holds_examinations(folder):
        raise BadInputError(
            f"{folder}: holds examinations or their maps, so its masks lie on those images; give the whole "
            "cohort, or a folder of masks that were brought to standard space (MNI152), without the images."
        )
    return MaskFolder(folder, names)


def holds_examinations(folder: Path) -> bool:
    """Whether a folder is a cohort or its derivatives; their masks are not in standard space."""
    named = (parse(file) for file in folder.rglob("*") if is_image(file.name))
    if any(name is not None and name.role != "lesion" for name in named):
        return True
    masks_of = folder.parent if folder.name in ("labelsTr", "labelsTs") else folder
    return nnunet_root(masks_of) is not None


def _open_learned(model: Path | None, names: Sequence[str] | None) -> LesionSource:
    if names is not None:
        raise BadInputError(
            "--lesion-list: chooses masks of a folder, but --lesions names a model; leave it out."
        )
    return LearnedLesions(model if model is not None else LEARNED)


#: Name of the learned model that is shipped as the default.
LEARNED = "lesions-shape"

#: What can make lesions.
SOURCES: dict[str, SourceKind] = {
    "procedural": SourceKind(
        "grown inside arterial territories; needs no file", lambda folder, names: ProceduralLesions()
    ),
    "learned": SourceKind("a model trained on real masks: a shipped one by name, or a folder", _open_learned),
    "masks": SourceKind("real masks in standard space, from the folder given", _open_masks),
}


def open_lesions(folder: Path | str | None = None, names: Sequence[str] | None = None) -> LesionSource:
    """Open a lesion source.

    Parameters
    ----------
    folder
        Folder of real masks in standard space, folder of a learned model, the name of a shipped one, or of a
        source ("learned" is the shipped default); None grows lesions procedurally.
    names
        People (``sub-1001``) or file stems of a folder of masks to use; all when None.

    Raises
    ------
    BadInputError
        When the folder is missing or holds no (such) masks, or the model is none of lesions.
    """
    if folder is None:
        return SOURCES["procedural"].open(None, names)
    if str(folder) in ("procedural", "learned") and not Path(folder).exists():
        return SOURCES[str(folder)].open(None, names)
    return SOURCES["learned" if is_model(folder) else "masks"].open(Path(folder), names)


def is_model(folder: Path | str) -> bool:
    """Whether a model's folder or the name of a shipped model is meant, and not a folder of masks.

    A folder that is there comes before a shipped model of that name.
    """
    path = Path(folder)
    if path.exists():
        return (path / "model.json").is_file()
    return path.name == str(folder) and (SHIPPED / path.name / "model.json").is_file()
