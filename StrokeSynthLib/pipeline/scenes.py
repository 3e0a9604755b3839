"""What a synthetic case shows, before its images: a semantic map and a lesion on one grid.

Three ways to get there, all with one door (:class:`Scenes`):

* :class:`Sections`: an anatomy, cut as an acquisition would see it; grids are those of the training cases;
* :class:`UserMaps`: the user's own maps, each on the grid that it has;
* :class:`Proposals`: a translator that mixes real cases says itself which anatomy gets which lesion.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..anatomy.anatomy import Anatomy
from ..anatomy.source import AnatomySource
from ..cohort.load import load_semantic_map
from ..cohort.names import is_image, parse
from ..errors import BadInputError
from ..files import sha256_of
from ..lesions.lesion import LesionRequest, LesionSource
from ..randomness import generator
from ..scanner.frame import Frame
from ..scanner.sections import SectionGeometry, draw_frame, section
from ..translate.proposal import Proposer
from ..translate.translator import SyntheticImages
from ..volume import Grid, Storage, Volume, file_stem

#: Registered maps that a process keeps.
_KEPT = 16


@dataclass(frozen=True)
class Scene:
    """A case without its images, or with them where they are finished already.

    Parameters
    ----------
    semantic_map, lesion
        On one grid; the mask is empty for a case without a lesion.
    person
        Cases of one person share it.
    anatomy, origin
        Records of the anatomy and of the lesion.
    images
        None: to be drawn.
    """

    semantic_map: Volume
    lesion: Volume
    person: str
    anatomy: Mapping[str, Any]
    origin: Mapping[str, Any]
    images: SyntheticImages | None = None


class Place(Protocol):
    """A head in its field of view, waiting for a lesion."""

    def scene(self, request: LesionRequest | None, rng: np.random.Generator) -> Scene:
        """The scene with a lesion as requested, or without one where None.

        Raises
        ------
        StrokeSynthError
            When no lesion that fits can be made.
        """
        ...


class Scenes(Protocol):
    """Where the maps and lesions of a database come from."""

    def place(self, number: int, seed: int, rng: np.random.Generator) -> Place:
        """The head of case ``number``."""
        ...


def without_lesion() -> dict[str, Any]:
    """Record of a lesion that is none."""
    return {"source": "none"}


@dataclass(frozen=True)
class Sections:
    """Anatomies, cut in one of the training cases' geometries."""

    anatomies: AnatomySource
    lesions: LesionSource
    geometries: Sequence[tuple[SectionGeometry, bool]]

    def place(self, number: int, seed: int, rng: np.random.Generator) -> Place:
        """See :class:`Scenes`."""
        anatomy = self.anatomies.draw(number, seed)
        geometry, stripped = self.geometries[int(rng.integers(len(self.geometries)))]
        return _Cut(self.lesions, anatomy, draw_frame(anatomy, geometry, rng), stripped)


@dataclass(frozen=True)
class _Cut:
    lesions: LesionSource
    anatomy: Anatomy
    frame: Frame
    stripped: bool

    def scene(self, request: LesionRequest | None, rng: np.random.Generator) -> Scene:
        lesion = None if request is None else self.lesions.draw(self.anatomy, request, rng)
        semantic_map, mask = section(self.anatomy, lesion, self.frame, skull_stripped=self.stripped)
        return Scene(
            semantic_map, mask, str(self.anatomy.record.get("person", self.anatomy.name)),
            dict(self.anatomy.record) | {"name": self.anatomy.name},
            dict(lesion.record) if lesion else without_lesion(),
        )  # fmt: skip


class UserMaps:
    """Maps from a folder, in an order that follows from the seed, each round in a new one.

    The images lie on the maps' own grids; nothing is resampled or bent.

    Parameters
    ----------
    folder
        Holds semantic maps (``strokesynth map``), directly or below it. In a cohort those named ``_dseg``.
    lesions
        Where lesions come from.

    Raises
    ------
    BadInputError
        When there are none.
    """

    def __init__(self, folder: Path, lesions: LesionSource) -> None:
        self._paths = map_files(folder)
        self._lesions = lesions
        self._kept: OrderedDict[Path, tuple[Volume, Anatomy]] = OrderedDict()

    def place(self, number: int, seed: int, rng: np.random.Generator) -> Place:
        """See :class:`Scenes`."""
        turn, index = divmod(number - 1, len(self._paths))
        order = generator(seed, "map-order", turn).permutation(len(self._paths))
        path = self._paths[int(order[index])]
        semantic_map, anatomy = self._opened(path)
        name = parse(path)
        return _Whole(self._lesions, semantic_map, anatomy, name.person if name else file_stem(path))

    def _opened(self, path: Path) -> tuple[Volume, Anatomy]:
        from ..anatomy.registration import anatomy_of_map

        if path not in self._kept:
            volume = load_semantic_map(path)
            anatomy = anatomy_of_map(volume, file_stem(path))
            record = dict(anatomy.record) | {"file_hash": sha256_of(path)}
            kept = Anatomy(anatomy.labels, anatomy.affine, anatomy.correspondence, anatomy.name, record)
            self._kept[path] = volume, kept
        self._kept.move_to_end(path)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[path]


@dataclass(frozen=True)
class _Whole:
    lesions: LesionSource
    semantic_map: Volume
    anatomy: Anatomy
    person: str

    def scene(self, request: LesionRequest | None, rng: np.random.Generator) -> Scene:
        lesion = None if request is None else self.lesions.draw(self.anatomy, request, rng)
        drawn = np.zeros(self.anatomy.labels.shape, np.uint8) if lesion is None else lesion.mask
        turned = self.semantic_map.from_canonical(drawn.astype(np.uint8)).array
        return Scene(
            Volume(self.semantic_map.array, self.semantic_map.affine, Storage("uint8")),
            Volume(turned, self.semantic_map.affine, Storage("uint8")), self.person,
            dict(self.anatomy.record) | {"name": self.anatomy.name},
            dict(lesion.record) if lesion else without_lesion(),
        )  # fmt: skip


def map_files(folder: Path) -> list[Path]:
    """Semantic maps in a folder and below it.

    Raises
    ------
    BadInputError
        When there are none.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; --maps names a folder of semantic maps.")
    images = sorted(p for p in folder.rglob("*") if is_image(p.name) and not p.name.startswith("."))
    maps = [path for path in images if file_stem(path).endswith("_dseg")] or images
    if not maps:
        raise BadInputError(f"{folder}: holds no semantic maps; make some with `strokesynth map`.")
    return maps


@dataclass(frozen=True)
class Proposals:
    """Whole cases of a translator that mixes its own training cases."""

    translator: Proposer

    def place(self, number: int, seed: int, rng: np.random.Generator) -> Place:
        """See :class:`Scenes`."""
        return self

    def scene(self, request: LesionRequest | None, rng: np.random.Generator) -> Scene:
        """See :class:`Place`; the request can only ask for a lesion or for none."""
        made = self.translator.propose(int(rng.integers(2**31)), lesion_free=request is None)
        mixed = {"source": "proposed by the translator"}
        return Scene(
            made.semantic_map, made.lesion, made.person, mixed | {"name": made.person},
            mixed if request is not None else without_lesion(), made.images,
        )  # fmt: skip


def grid_record(grid: Grid) -> dict[str, Any]:
    """Matrix and voxel size (mm), for a sidecar."""
    return {"shape": list(grid.shape), "spacing": [round(float(s), 4) for s in grid.spacing]}


def request_record(request: LesionRequest | None) -> dict[str, Any] | None:
    """What was asked for, without what was left open; None for a case without a lesion."""
    if request is None:
        return None
    return {name: value for name, value in asdict(request).items() if value is not None}
