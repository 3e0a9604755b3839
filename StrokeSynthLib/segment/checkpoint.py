"""The state of an unfinished training, in ``OUT.resume``: tensors and JSON, nothing pickled."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import BadInputError
from ..files import read_json, replacing_folder, restore_folder, write_json


def resume_folder(out: Path) -> Path:
    """Where the state of a training of ``out`` lies."""
    return out.with_name(out.name + ".resume")


def fingerprint(options: Any, cases: Sequence[str]) -> str:
    """Short hashes of what a training must share with the one it continues: options, and content of cases."""
    return "-".join(
        hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
        for value in (options, list(cases))
    )


def flatten(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names with a prefix, to keep several sets in one file."""
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def pick(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The set that was stored under ``prefix``."""
    return {n.removeprefix(prefix + "/"): v for n, v in tensors.items() if n.startswith(prefix + "/")}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments of the optimizer by number of parameter and name."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, entry in state.items() for name, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_state(out: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write the state, whole or not at all."""
    from safetensors.torch import save_file

    with replacing_folder(resume_folder(out)) as temporary:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
            str(temporary / "state.safetensors"),
        )
        write_json(temporary / "state.json", dict(facts))


def load_state(out: Path, expected: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The state beside ``out``, or None when there is none.

    Raises
    ------
    BadInputError
        When it is damaged, or of a training with other cases or options.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = resume_folder(out)
    restore_folder(folder)
    if not folder.exists():
        return None
    facts = read_json(folder / "state.json")
    found = str(facts.get("fingerprint")) if isinstance(facts, dict) else ""
    if found != expected:
        same_options = found.partition("-")[0] == expected.partition("-")[0]
        what = (
            "on other cases, or their files have changed" if same_options else "with other cases or options"
        )
        raise BadInputError(
            f"{folder}: is the state of a training {what}; give the same ones, or start again without "
            "--resume."
        )
    try:
        return dict(load_file(str(folder / "state.safetensors"))), facts
    except (SafetensorError, OSError) as error:
        raise BadInputError(f"{folder}: damaged ({error}); start again without --resume.") from error


def forget_state(out: Path) -> None:
    """Remove the state; nothing happens when there is none."""
    shutil.rmtree(resume_folder(out), ignore_errors=True)
