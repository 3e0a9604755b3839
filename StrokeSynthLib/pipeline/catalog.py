"""The models that come with StrokeSynth, for ``strokesynth models`` and for the Slicer panel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInputError
from ..modelfolder import find_model, open_model, shipped_models


@dataclass(frozen=True)
class ModelSummary:
    """A model in one line.

    Parameters
    ----------
    name
        By which options such as ``--model`` know it.
    kind
        As in its ``model.json``.
    title
        Heading of its card.
    license
        What its card says after "License:", or "not stated".
    megabytes
        Of the whole folder.
    hash
        SHA-256 of model.json and weights; the first 12 digits tell models apart.
    path
        Its folder.
    """

    name: str
    kind: str
    title: str
    license: str
    megabytes: float
    hash: str
    path: Path


def summary_of(name_or_path: str | Path) -> ModelSummary:
    """Summarize a shipped model or a model folder.

    Raises
    ------
    BadInputError
        When there is none, or it is damaged.
    """
    model = open_model(name_or_path)
    card = card_of(name_or_path)
    title = next((line.lstrip("# ") for line in card.splitlines() if line.startswith("#")), model.kind)
    size = sum(path.stat().st_size for path in model.path.rglob("*") if path.is_file())
    return ModelSummary(
        model.path.name, model.kind, title, _license_in(card), size / 1e6, model.hash, model.path
    )


def shipped() -> tuple[ModelSummary, ...]:
    """Every model that is shipped, by name."""
    return tuple(summary_of(name) for name in shipped_models())


def card_of(name_or_path: str | Path) -> str:
    """The card of a model: what it is for, what it was made from, how good it is, where it fails.

    Raises
    ------
    BadInputError
        When there is no such model, or it has no card.
    """
    path = find_model(name_or_path) / "card.md"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: the card cannot be read; copy the model again.") from error


def _license_in(card: str) -> str:
    """The paragraph of a card that begins with "License:", on one line."""
    found = re.search(r"^[-*\s]*License\**[:.]\**\s*(.+?)(?:\n\s*\n|\n[-#*]|\Z)", card, re.M | re.S)
    return " ".join(found.group(1).split()) if found else "not stated"
