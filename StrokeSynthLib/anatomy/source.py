"""Where anatomies come from: the shipped population, or a folder of the user's label maps.

A folder's maps are registered to standard space once; the result is kept on disk, by the map's
content and the model's hash, so that the next run and the next process find it.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..files import replacing, sha256_of
from ..randomness import generator
from ..volume import FILE_ENDINGS, Grid, Storage, Volume, file_stem
from .anatomy import Anatomy, Correspondence
from .labels import read_labels
from .population import PopulationModel
from .registration import register_labels
from .variation import varied

Array = npt.NDArray[Any]

#: Heads kept in memory; one is about 8 MB, its correspondence 1 MB.
KEPT = 16
#: Part of the key of cached registrations; raised when the method changes.
REGISTRATION_VERSION = 1


class AnatomySource(Protocol):
    """Anything that gives heads: the population model, a folder of maps."""

    name: str

    def draw(self, number: int, seed: int) -> Anatomy:
        """Head ``number`` under ``seed``: the same every time, in any order."""
        ...


def open_anatomies(folder: Path | None = None) -> AnatomySource:
    """The shipped population model, or the label maps in ``folder``.

    Raises
    ------
    BadInputError
        When the folder is missing or holds no image files.
    """
    return PopulationSource() if folder is None else FolderSource(Path(folder))


class PopulationSource:
    """New people from the shipped population model."""

    name = "population"

    def __init__(self, population: PopulationModel | None = None) -> None:
        self._population = population or PopulationModel.load()

    def draw(self, number: int, seed: int) -> Anatomy:
        """Person ``number`` under ``seed``."""
        return self._population.sample(number, seed)


class FolderSource:
    """The user's label maps, in an order drawn from the seed, each round in a new order.

    The first time round every map comes as it is. From the second round on it is bent slightly
    and smoothly (:mod:`StrokeSynthLib.anatomy.variation`), so that no head comes twice; what
    was drawn is in the anatomy's record.
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        if not folder.is_dir():
            raise BadInputError(f"{folder}: no such folder; give a folder of label maps.")
        self._paths = sorted(
            p for p in folder.rglob("*")
            if p.is_file() and p.name.lower().endswith(FILE_ENDINGS) and not p.name.startswith(".")
        )  # fmt: skip
        if not self._paths:
            raise BadInputError(
                f"{folder}: holds no label maps ({', '.join(FILE_ENDINGS)}); give a folder of label maps."
            )
        # In a BIDS folder the maps are told apart from images by their name.
        self._paths = [p for p in self._paths if file_stem(p).endswith("_dseg")] or self._paths
        self.name = folder.name
        self._cache = RegistrationCache(cache)
        self._kept: OrderedDict[Path, Anatomy] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paths)

    def draw(self, number: int, seed: int) -> Anatomy:
        """Head ``number`` under ``seed``.

        Raises
        ------
        BadInputError
            When the map whose turn it is cannot be read or holds no brain.
        """
        turn, place = divmod(number, len(self._paths))
        order = generator(seed, "anatomy-order", turn).permutation(len(self._paths))
        anatomy = self._anatomy(self._paths[int(order[place])])
        if turn == 0:
            return replace(anatomy)  # what the caller computes from it is not kept with it
        return varied(anatomy, generator(seed, "anatomy-variation", number))

    def _anatomy(self, path: Path) -> Anatomy:
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        labels = read_labels(path)
        file_hash = sha256_of(path)
        correspondence = self._cache.correspondence(labels, file_hash)
        record: dict[str, Any] = {"source": path.name, "file_hash": file_hash}
        anatomy = Anatomy(labels.array, labels.affine, correspondence, file_stem(path), record)
        self._kept[path] = anatomy
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return anatomy


class RegistrationCache:
    """Registrations on disk; without a writable place they are simply made again.

    Parameters
    ----------
    folder
        Where they are kept; the user's cache folder by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or default_cache()

    def correspondence(self, labels: Volume, file_hash: str) -> Correspondence:
        """The registration of ``labels``, from disk if it is there."""
        path = self._folder / f"{self._key(file_hash)}.npz"
        found = _read(path)
        if found is not None:
            return found
        made = register_labels(labels)
        _write(path, made)
        return made

    @staticmethod
    def _key(file_hash: str) -> str:
        text = f"{REGISTRATION_VERSION} {PopulationModel.load().hash} {file_hash}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/strokesynth/registrations``, or under ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(root) if root else Path.home() / ".cache"
    except RuntimeError:  # no home folder known
        base = Path(".cache")
    return base / "strokesynth" / "registrations"


def _read(path: Path) -> Correspondence | None:
    try:
        with np.load(path, allow_pickle=False) as content:
            coordinates, affine = content["coordinates"], content["affine"]
    except (OSError, ValueError, KeyError, EOFError):
        return None
    if coordinates.ndim != 4 or len(coordinates) != 3 or affine.shape != (4, 4):
        return None
    _, x, y, z = coordinates.shape
    return Correspondence(coordinates.astype(np.float32), Grid((x, y, z), affine))


def _write(path: Path, correspondence: Correspondence) -> None:
    content: Mapping[str, Array] = {
        "coordinates": correspondence.coordinates, "affine": correspondence.grid.affine
    }  # fmt: skip
    try:
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **content)  # type: ignore[arg-type]
    except (BadInputError, OSError):
        return  # a cache that cannot be written to is no reason to fail


def as_volume(anatomy: Anatomy) -> Volume:
    """The labels of an anatomy as a volume that can be written."""
    return Volume(anatomy.labels, anatomy.affine, Storage("uint8"))
