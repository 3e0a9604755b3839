"""Writing that is all or nothing: to a temporary name beside the target, then renamed."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import BadInputError


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path with the same ending beside ``path``; rename it on success.

    On an exception the temporary file is removed and what was at ``path`` stays as it was.

    Raises
    ------
    BadInputError
        When the folder cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The ending is kept whole (".nii.gz"), because writers choose the format by it.
        ending = "".join(path.suffixes[-2:]) if path.name.endswith(".gz") else path.suffix
        handle, name = tempfile.mkstemp(prefix=".part-", suffix=ending, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error.strerror}); choose another place.") from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; give the result the permissions any new file would have.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path | str) -> Iterator[Path]:
    """Like :func:`replacing`, for a whole folder: it appears complete or not at all."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".part-", dir=path.parent))
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error.strerror}); choose another place.") from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=".old-", dir=path.parent))
            os.replace(path, old / path.name)
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def restore_folder(path: Path | str) -> None:
    """Bring back a folder whose replacement was killed after the old one was taken away.

    Nothing happens where the folder is there, or nothing is left of it.
    """
    path = Path(path)
    if path.exists():
        return
    for old in sorted(path.parent.glob(f".old-*/{glob.escape(path.name)}")):
        os.replace(old, path)
        shutil.rmtree(old.parent, ignore_errors=True)
        return


def check_outputs(outputs: Iterable[Path | str | None], inputs: Iterable[Path | str | None] = ()) -> None:
    """Refuse output files before anything is computed, rather than after minutes of work.

    An output must not be an input, another output or a folder, and its place must be writable.

    Raises
    ------
    BadInputError
        Naming the file.
    """
    kept = {Path(path).resolve() for path in inputs if path is not None}
    seen: set[Path] = set()
    writable: set[Path] = set()
    for path in outputs:
        if path is None:
            continue
        target = Path(path).resolve()
        if target in kept:
            raise BadInputError(
                f"{path}: is an input and would be overwritten; choose another name for the output."
            )
        if target in seen:
            raise BadInputError(f"{path}: is named for two outputs; give each its own name.")
        if target.is_dir():
            raise BadInputError(f"{path}: is a folder, a file name is needed for this output.")
        if target.exists() and not target.is_file():
            raise BadInputError(f"{path}: is no ordinary file and is not replaced; choose another name.")
        if target.parent not in writable:
            _check_writable(path, target.parent)
        writable.add(target.parent)
        seen.add(target)


def check_output_folder(path: Path | str, marker: str | None = None) -> None:
    """Refuse a folder for results before anything is computed.

    Parameters
    ----------
    path
        May be new; its place must be writable.
    marker
        File that the folder holds if it is one of this kind; any other that is not empty is refused.

    Raises
    ------
    BadInputError
        Naming the folder.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_dir():
        raise BadInputError(f"{path}: is a file, a folder is needed for this output.")
    if marker is not None and target.is_dir() and any(target.iterdir()) and not (target / marker).exists():
        raise BadInputError(f"{path}: is not empty and holds no {marker}; choose another folder.")
    _check_writable(path, target)


def _check_writable(path: Path | str, folder: Path) -> None:
    """Try to make a file in ``folder``, or where it would be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error.strerror}); choose another place.") from error


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises
    ------
    BadInputError
        When the file is missing or is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: no such file.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInputError(f"{path}: is not a readable JSON file ({error}); write it again.") from error


def sha256_of(*paths: Path | str) -> str:
    """SHA-256 over the bytes of the files, in the order given, as hexadecimal text."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
