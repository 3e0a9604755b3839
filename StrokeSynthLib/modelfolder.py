"""What every model on disk looks like: ``model.json``, safetensors weights, ``card.md``.

``model.json`` holds ``kind``, ``schema``, ``version`` of StrokeSynth, ``config`` (what builds
the model again), ``training`` (the record of how it was made) and ``weights`` (SHA-256 of every
weight file by name). Nothing is unpickled, ever.

The model hash is SHA-256 over a line "NAME SHA256" for ``model.json`` and for every file that ends in one
of :data:`WEIGHT_ENDINGS`, in the order of their names (what ``sha256sum`` prints can be checked by hand); it
goes into everything the model makes. The card, the training's log and anything else may change
without changing the hash.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import __version__
from .errors import BadInputError
from .files import read_json, replacing_folder, sha256_of, write_json, write_text
from .schema import SCHEMA_VERSION

SHIPPED = Path(__file__).parent / "models"
#: Files that a model computes with: named in model.json with their checksums, part of the model hash.
WEIGHT_ENDINGS = (".safetensors", ".onnx", ".xml", ".bin")


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that was opened and found whole."""

    path: Path
    kind: str
    config: dict[str, Any]
    training: dict[str, Any]
    hash: str

    def weights(self, name: str = "weights.safetensors") -> Path:
        """Path of a weight file.

        Raises
        ------
        BadInputError
            When the folder lacks it.
        """
        path = self.path / name
        if not path.is_file():
            raise BadInputError(f"{path}: missing; the model folder is incomplete, copy it again.")
        return path

    def arrays(self, name: str = "weights.safetensors") -> dict[str, npt.NDArray[Any]]:
        """The tensors of a weight file as numpy arrays."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return dict(load_file(str(self.weights(name))))
        except (SafetensorError, OSError) as error:
            raise BadInputError(f"{self.path / name}: damaged ({error}); copy the model again.") from error


def weight_files(folder: Path) -> list[Path]:
    """Weight files of a model folder, in the order in which they are hashed."""
    return sorted(p for p in folder.iterdir() if p.suffix in WEIGHT_ENDINGS)


def model_hash(folder: Path) -> str:
    """Hash of a model folder, as hexadecimal text; see the module."""
    return _hash(folder, _checksums(folder))


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every weight file by name."""
    return {path.name: sha256_of(path) for path in weight_files(folder)}


def _hash(folder: Path, checksums: Mapping[str, str]) -> str:
    lines = [f"{name} {checksum}\n" for name, checksum in sorted(checksums.items())]
    lines.insert(0, f"model.json {sha256_of(folder / 'model.json')}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_model(name_or_path: str | Path) -> Path:
    """Folder of a model: a path, or the name of a shipped one.

    Raises
    ------
    BadInputError
        When there is neither.
    """
    path = Path(name_or_path)
    if (path / "model.json").is_file():
        return path
    shipped = SHIPPED / str(name_or_path)
    if (shipped / "model.json").is_file():
        return shipped
    raise BadInputError(
        f"{name_or_path}: no model here (a folder with model.json) and none of that name is shipped "
        f"({', '.join(shipped_models()) or 'none'})."
    )


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(p.parent.name for p in SHIPPED.glob("*/model.json"))


def open_model(name_or_path: str | Path, *kinds: str) -> ModelFolder:
    """Open a model folder and check that it is one of ``kinds`` and of this schema.

    Raises
    ------
    BadInputError
        When it is missing, damaged, of another kind, or made for other tissue classes.
    """
    folder = find_model(name_or_path)
    content = read_json(folder / "model.json")
    try:
        kind, schema = str(content["kind"]), str(content["schema"])
        config, training = dict(content["config"]), dict(content["training"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{folder / 'model.json'}: is not a StrokeSynth model; {error} missing."
        ) from error
    if schema != SCHEMA_VERSION:
        raise BadInputError(
            f"{folder}: made for tissue classes {schema}, this is {SCHEMA_VERSION}; train it again."
        )
    checksums = _checksums(folder)
    for name, checksum in dict(content.get("weights") or {}).items():
        if checksums.get(name) != checksum:
            raise BadInputError(
                f"{folder / name}: missing or damaged; the model folder is not whole, copy it again."
            )
    if kinds and kind not in kinds:
        raise BadInputError(f"{folder}: is a model of kind {kind}; one of {', '.join(kinds)} is needed.")
    return ModelFolder(folder, kind, config, training, _hash(folder, checksums))


def save_model(
    folder: str | Path,
    *,
    kind: str,
    config: Mapping[str, Any],
    training: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    card: str,
) -> ModelFolder:
    """Write a whole model folder atomically and open it.

    Raises
    ------
    BadInputError
        When the folder exists and is something else than a model: it is not replaced.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / "model.json").exists():
        raise BadInputError(f"{folder}: exists and is not a model folder; choose another --out.")
    from safetensors.numpy import save_file

    with replacing_folder(folder) as temporary:
        if arrays:
            save_file(
                {name: np.ascontiguousarray(value) for name, value in arrays.items()},
                str(temporary / "weights.safetensors"),
            )
            # safetensors makes files private; a model is for everyone who may read its folder.
            (temporary / "weights.safetensors").chmod(0o644)
        write_json(
            temporary / "model.json",
            {"kind": kind, "schema": SCHEMA_VERSION, "version": __version__,
             "config": dict(config), "training": dict(training), "weights": _checksums(temporary)},
        )  # fmt: skip
        write_text(temporary / "card.md", card)
    return open_model(folder, kind)


def add_weights(model: ModelFolder, name: str, content: bytes) -> ModelFolder:
    """Add a weight file to a model folder, or replace it; the folder opened anew, with its new hash.

    Raises
    ------
    BadInputError
        When the folder is damaged or cannot be written to.
    """
    if Path(name).suffix not in WEIGHT_ENDINGS:
        raise ValueError(f"{name} is not a weight file")
    content_of = read_json(model.path / "model.json")
    with replacing_folder(model.path) as temporary:
        shutil.copytree(model.path, temporary, dirs_exist_ok=True)
        (temporary / name).write_bytes(content)
        content_of["weights"] = _checksums(temporary)
        write_json(temporary / "model.json", content_of)
    return open_model(model.path, model.kind)
