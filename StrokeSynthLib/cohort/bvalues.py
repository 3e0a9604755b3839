"""What stands beside an image: its JSON sidecar and the b-values of its volumes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from ..files import read_json
from ..provenance import sidecar_path
from ..volume import file_stem

# BIDS and dcm2niix write DiffusionBValue; the others are seen in published cohorts.
_JSON_KEYS = ("DiffusionBValue", "b_value", "BValue", "bvalue", "bval")


def read_sidecar(path: Path) -> dict[str, Any]:
    """The JSON file beside an image; empty when there is none.

    Raises
    ------
    BadInputError
        When it is there and is not a JSON object.
    """
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return {}
    content = read_json(sidecar)
    if not isinstance(content, dict):
        raise BadInputError(f"{sidecar}: does not hold a JSON object; write it again or remove it.")
    return content


def b_value_in(sidecar: Mapping[str, Any]) -> float | None:
    """The b-value (s/mm^2) that a sidecar states, or None."""
    for key in _JSON_KEYS:
        value = sidecar.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
    return None


def stated_b_values(path: Path, count: int) -> list[float] | None:
    """b-values of the ``count`` volumes of an image file, or None when nothing states them.

    Looked for in this order: a ``.bval`` file, the JSON sidecar, the file's name ("_b1000").

    Raises
    ------
    BadInputError
        When the ``.bval`` file is unreadable or has another number of values.
    """
    for ending in (".bval", ".bvals"):
        table = path.with_name(file_stem(path) + ending)
        if table.is_file():
            return _read_table(table, path, count)
    sidecar = read_sidecar(path)
    for key in _JSON_KEYS:
        values = sidecar.get(key)
        if isinstance(values, list) and len(values) == count:
            return [float(value) for value in values]
    single = b_value_in(sidecar)
    if single is None:
        # "b0", "b1000"; not "b12", which is rather a person's number.
        named = re.search(r"(?:^|[_\-. ])b[=\-]?(0|\d{2,3}0)(?=$|[_\-. ])", file_stem(path), re.IGNORECASE)
        single = float(named.group(1)) if named else None
    return [single] if single is not None and count == 1 else None


def _read_table(table: Path, path: Path, count: int) -> list[float]:
    try:
        values = [float(word) for word in table.read_text(encoding="utf-8").replace(",", " ").split()]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadInputError(f"{table}: is not a list of b-values; write it again or remove it.") from error
    if len(values) != count:
        raise BadInputError(
            f"{table}: lists {len(values)} b-values, but {path.name} holds {count} volumes; correct the list."
        )
    return values
