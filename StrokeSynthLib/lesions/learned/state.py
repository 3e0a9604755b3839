"""The state of an unfinished training, in ``OUT.resume``: tensors and JSON, nothing pickled."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import BadInputError
from ...files import read_json, replacing_folder, restore_folder, write_json

Array = npt.NDArray[Any]


def resume_folder(out: Path) -> Path:
    """Where the state of a training of ``out`` lies."""
    return out.with_name(out.name + ".resume")


def save_state(out: Path, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write the state, whole or not at all."""
    from safetensors.numpy import save_file

    with replacing_folder(resume_folder(out)) as temporary:
        save_file(
            {n: np.ascontiguousarray(a) for n, a in arrays.items()}, str(temporary / "state.safetensors")
        )
        write_json(temporary / "state.json", dict(facts))


def load_state(out: Path, expected: str) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """The state beside ``out``, or None when there is none.

    Raises
    ------
    BadInputError
        When it is damaged, or of a training with other masks or options.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = resume_folder(out)
    restore_folder(folder)
    if not folder.exists():
        return None
    facts = read_json(folder / "state.json")
    if not isinstance(facts, dict) or facts.get("fingerprint") != expected:
        raise BadInputError(
            f"{folder}: is the state of a training with other masks or options; "
            "give the same ones, or start again without --resume."
        )
    try:
        return dict(load_file(str(folder / "state.safetensors"))), facts
    except (SafetensorError, OSError) as error:
        raise BadInputError(f"{folder}: damaged ({error}); start again without --resume.") from error


def forget_state(out: Path) -> None:
    """Remove the state; nothing happens when there is none."""
    shutil.rmtree(resume_folder(out), ignore_errors=True)
