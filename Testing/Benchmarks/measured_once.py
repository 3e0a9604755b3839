"""What a benchmark measured, kept for another run of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Cache:
    """Measured groups by name, in a folder of the user's; nothing is kept without one."""

    def __init__(self, folder: Path | None, settings: str) -> None:
        self._folder, self._settings = folder, settings
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        """What was kept under a name, else what ``make`` gives."""
        if self._folder is None:
            return make()
        path = self._folder / f"{name}-{self._settings}.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
        return pickle.loads(path.read_bytes())
