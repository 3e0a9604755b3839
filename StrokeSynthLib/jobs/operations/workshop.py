"""What the worker keeps open between requests: models, registered maps, preview sessions."""

from __future__ import annotations

import gc
import itertools
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import StrokeSynthError
from ...modelfolder import find_model
from ...progress import Progress, silent
from ...volume import Volume

if TYPE_CHECKING:
    from ...anatomy.anatomy import Anatomy
    from ...segment.segmenter import Segmenter
    from ...translate.translator import Translator

Opened = TypeVar("Opened")

#: Models, maps and sessions of each kind that are kept; the one that was not used for longest goes first.
_KEPT_MODELS, _KEPT_ANATOMIES, _KEPT_SESSIONS = 4, 3, 2


class ClosedSessionError(StrokeSynthError):
    """A preview session that is asked for is not open."""


class _Kept(OrderedDict[Any, Any]):
    """The last few things that were used."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def use(self, key: Any, make: Callable[[], Opened]) -> Opened:
        """What is kept under ``key``, made where it is not there."""
        if key not in self:
            self[key] = make()
        self.move_to_end(key)
        found: Opened = self[key]
        while len(self) > self._most:
            self.popitem(last=False)
        return found


class Workshop:
    """Opens things once. ``progress`` and ``say`` belong to the request that is at work."""

    def __init__(self) -> None:
        self.progress: Progress = silent
        self.say: Callable[[str], None] = lambda text: None
        self._segmenters = _Kept(_KEPT_MODELS)
        self._translators = _Kept(_KEPT_MODELS)
        self._anatomies = _Kept(_KEPT_ANATOMIES)
        self._sessions = _Kept(_KEPT_SESSIONS)
        self._numbers = itertools.count(1)

    def segmenter(self, name: str, device: str) -> Segmenter:
        """A segmenter by name or folder."""
        from ...segment.registry import open_segmenter

        return self._segmenters.use(_key(name, device), lambda: open_segmenter(name, device))

    def translator(self, name: str, device: str) -> Translator:
        """A translator by name or folder."""
        from ...translate.registry import open_translator

        return self._translators.use(_key(name, device), lambda: open_translator(name, device))

    def anatomy(self, semantic_map: Volume) -> Anatomy:
        """A map in standard space: about two seconds for one that is new."""
        from ...anatomy.registration import anatomy_of_map
        from ...provenance import content_hash

        name = "the map" if semantic_map.source is None else str(semantic_map.source)
        key = content_hash(semantic_map)
        return self._anatomies.use(key, lambda: anatomy_of_map(semantic_map, name))

    def keep_session(self, session: Any) -> str:
        """Keep a preview session; its name."""
        name = f"preview-{next(self._numbers)}"
        self._sessions.use(name, lambda: session)
        return name

    def session(self, name: str) -> Any:
        """A preview session.

        Raises
        ------
        ClosedSessionError
            When it is not open (any more).
        """
        if name not in self._sessions:
            raise ClosedSessionError(f"{name}: this preview is not open any more; open it again.")
        return self._sessions.use(name, lambda: None)

    def close_session(self, name: str) -> None:
        """Close a preview session; nothing happens when it is closed."""
        self._sessions.pop(name, None)

    def clear(self) -> None:
        """Close everything and give memory back."""
        for kept in (self._segmenters, self._translators, self._anatomies, self._sessions):
            kept.clear()
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def _key(name: str, device: str) -> tuple[str, str, int]:
    """Of a model; another one when its folder was written anew."""
    record = find_model(name) / "model.json"
    return str(record), device, record.stat().st_mtime_ns
