"""Arrays between two processes: files in a private temporary folder, deleted by who receives them.

A volume travels as ``{"array": FILE.npy, "affine": 4x4 list, "storage": {"dtype", "slope", "intercept"},
"name": text, "metadata": {...}}``, an array as ``{"array": FILE.npy}``. Such files stay in the memory of the
system's file cache: they are gone before they would be written to a disk.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import uuid
import weakref
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..volume import Storage, Volume
from .locks import Lock

Array = npt.NDArray[Any]

#: Names of the folders begin so; those whose client is gone are found by it.
PREFIX = "strokesynth-exchange-"
_LOCK = "in-use"
#: A client needs a moment from making its folder to locking it (s).
_FRESH = 60.0


class Exchange:
    """One end of the exchange.

    Parameters
    ----------
    folder
        Of the client; both ends name the same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, array: Array) -> dict[str, Any]:
        """Write an array; what to send."""
        path = self.folder / f"{uuid.uuid4().hex}.npy"
        # No copy: an array whose axes are reversed in memory, as Slicer's are, is written as it lies there.
        np.save(path, np.asarray(array), allow_pickle=False)
        return {"array": str(path)}

    def put_volume(self, volume: Volume) -> dict[str, Any]:
        """Write a volume; what to send."""
        return {
            **self.put(volume.array),
            "affine": np.asarray(volume.affine, float).tolist(),
            "storage": asdict(volume.storage),
            "name": "" if volume.source is None else str(volume.source),
            "metadata": dict(volume.metadata),
        }

    def take(self, message: Mapping[str, Any]) -> Array:
        """Read what :meth:`put` gave, and delete the file.

        Raises
        ------
        BadInputError
            When it is not in this exchange's folder, or cannot be read.
        """
        path = self._own(message)
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except (OSError, ValueError) as error:
            raise BadInputError(f"{path.name}: the array cannot be read ({error}); send it again.") from error
        finally:
            _forget(path)

    def take_volume(self, message: Mapping[str, Any]) -> Volume:
        """Read what :meth:`put_volume` gave, and delete the file.

        Raises
        ------
        BadInputError
            When something is missing or does not fit together.
        """
        array = self.take(message)
        try:
            affine = np.array(message["affine"], float)
            stored = message.get("storage") or {"dtype": str(array.dtype)}
            storage = Storage(
                str(stored["dtype"]), float(stored.get("slope", 1.0)), float(stored.get("intercept", 0.0))
            )  # fmt: skip
            metadata = {str(key): str(text) for key, text in dict(message.get("metadata") or {}).items()}
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"The volume is not described as agreed ({error}); send it again.") from error
        if array.ndim != 3 or affine.shape != (4, 4) or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise BadInputError(
                f"A volume of shape {array.shape} with an affine of shape {affine.shape} cannot be used; "
                "send three axes and an affine of 4 x 4 that can be inverted."
            )
        name = str(message.get("name") or "")
        return Volume(array, affine, storage, Path(name) if name else None, metadata)

    def discard(self, message: Any) -> None:
        """Delete the files of a message that nobody will read."""
        for entry in found_arrays(message):
            path = Path(str(entry["array"]))
            if path.parent == self.folder:
                _forget(path)

    def _own(self, message: Mapping[str, Any]) -> Path:
        path = Path(str(message.get("array")))
        if path.parent != self.folder or path.suffix != ".npy":
            raise BadInputError(f"{path}: is not in the exchange folder; send arrays through the exchange.")
        return path


class PrivateFolder:
    """The folder of a client: made when it is needed, removed with everything in it.

    What a client that was killed left behind (images of patients, perhaps) is removed by the next one.

    Parameters
    ----------
    parent
        Where; the system's folder for temporary files when None.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = Lock(self.path / _LOCK)
        self._lock.acquire()
        # Also when the program ends without saying goodbye.
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def clear(self, keep: Any = ()) -> None:
        """Delete every array but those that the messages ``keep`` name."""
        kept = {str(entry["array"]) for entry in found_arrays(keep)}
        for path in self.path.glob("*.npy"):
            if str(path) not in kept:
                _forget(path)

    def remove(self) -> None:
        """Remove it; nothing happens when it is gone."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _forget(path: Path) -> None:
    # Windows refuses while a process that is being ended has it open; the folder is removed in the end.
    with contextlib.suppress(OSError):
        path.unlink()


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of clients that are gone."""
    for folder in parent.glob(PREFIX + "*"):
        lock = folder / _LOCK
        try:
            fresh = time.time() - lock.stat().st_mtime < _FRESH
        except OSError:
            continue
        if not fresh and not Lock(lock).held():
            shutil.rmtree(folder, ignore_errors=True)


def found_arrays(message: Any) -> list[Mapping[str, Any]]:
    """Every part of a message that names an array's file."""
    if isinstance(message, Mapping):
        if isinstance(message.get("array"), str):
            return [message]
        return [entry for value in message.values() for entry in found_arrays(value)]
    if isinstance(message, list | tuple):
        return [entry for value in message for entry in found_arrays(value)]
    return []


def packed(value: Any, exchange: Exchange) -> Any:
    """A message in which volumes and arrays were replaced by their files."""
    if isinstance(value, Volume):
        return exchange.put_volume(value)
    if isinstance(value, np.ndarray):
        return exchange.put(value)
    if isinstance(value, Mapping):
        return {str(key): packed(item, exchange) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [packed(item, exchange) for item in value]
    return value


def unpacked(value: Any, exchange: Exchange) -> Any:
    """A message in which the files of volumes and arrays were replaced by what is in them."""
    if isinstance(value, Mapping):
        if isinstance(value.get("array"), str):
            return exchange.take_volume(value) if "affine" in value else exchange.take(value)
        return {str(key): unpacked(item, exchange) for key, item in value.items()}
    if isinstance(value, list):
        return [unpacked(item, exchange) for item in value]
    return value
