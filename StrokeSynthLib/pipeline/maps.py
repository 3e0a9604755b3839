"""Semantic maps of examinations: by the shipped network, by a network of one's own, or by registration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..cohort.case import Case
from ..errors import BadInputError
from ..modelfolder import shipped_models
from ..progress import Progress, silent
from ..segment.segmenter import Segmenter
from ..volume import Volume

#: Not a network: the averaged head is fitted to the image.
REGISTRATION = "registration"
#: What makes maps when nothing is named: the network where it is shipped.
DEFAULT_MAPS = ("acute", REGISTRATION)


@dataclass(frozen=True)
class MadeMap:
    """A map on the grid of the DWI, and why the examination is unlike what the maker knows."""

    semantic_map: Volume
    unlike: tuple[str, ...] = ()


class MapMaker(Protocol):
    """Anything that makes maps; opened once, used for many cases."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What the sidecar of a map says of its maker."""
        ...

    def make(self, case: Case, progress: Progress = silent) -> MadeMap:
        """The map of one case.

        Raises
        ------
        StrokeSynthLib.errors.StrokeSynthError
            When no brain is found in it.
        """
        ...


class RegisteredMaps:
    """Maps by fitting the averaged head (:mod:`StrokeSynthLib.anatomy.from_image`)."""

    def __init__(self) -> None:
        self.record: Mapping[str, Any] = {"Name": REGISTRATION, "Kind": "averaged head, fitted"}

    def make(self, case: Case, progress: Progress = silent) -> MadeMap:
        """See :class:`MapMaker`."""
        from ..anatomy.from_image import estimate_map

        return MadeMap(estimate_map(case, progress))


class NetworkMaps:
    """Maps by a network that names tissues beside the lesion."""

    def __init__(self, segmenter: Segmenter, name: str) -> None:
        self.record: Mapping[str, Any] = model_entry(segmenter, name)
        self._segmenter = segmenter
        self._name = name

    def make(self, case: Case, progress: Progress = silent) -> MadeMap:
        """See :class:`MapMaker`."""
        found = self._segmenter.predict(case.dwi, case.adc, semantic_map=True)
        if found.semantic_map is None:
            raise no_map_from(self._name)
        return MadeMap(found.semantic_map, found.unlike)


def open_map_maker(
    model: str | None = None,
    device: str = "auto",
    open_segmenter: Callable[[str, str], Segmenter] | None = None,
) -> MapMaker:
    """The maker of that name: "registration", a shipped network or a model folder.

    ``open_segmenter`` opens the network (name, device) where something else than the registry shall do it.

    Raises
    ------
    BadInputError
        When there is no such model.
    """
    from ..segment import registry

    opener = open_segmenter or registry.open_segmenter
    name = model or next(name for name in DEFAULT_MAPS if name in (*shipped_models(), REGISTRATION))
    return RegisteredMaps() if name == REGISTRATION else NetworkMaps(opener(name, device), name)


def model_entry(segmenter: Segmenter, name: str) -> dict[str, Any]:
    """What a sidecar says of the model that made a file."""
    entry = {"Name": Path(name).name, "Kind": segmenter.kind, "Hash": segmenter.model_hash}
    engine = getattr(segmenter, "engine", None)
    return entry if engine is None else {**entry, "Engine": engine}


def no_map_from(name: str) -> BadInputError:
    """What is said of a model that makes no maps."""
    return BadInputError(
        f"{name}: makes no semantic maps, only masks; use '--model {REGISTRATION}' of strokesynth map, or "
        "a network that was trained to name tissues."
    )


def classes_in(semantic_map: Volume) -> list[int]:
    """Class numbers that a map holds."""
    return [int(index) for index in np.flatnonzero(np.bincount(semantic_map.array.ravel()))]
