"""What a piece of the head-to-head cost, and the code that made it; see :mod:`.head_to_head`."""

from __future__ import annotations

import hashlib
import time
from functools import cache
from pathlib import Path

from StrokeSynthLib import __version__
from StrokeSynthLib.files import read_json, write_json
from StrokeSynthLib.progress import ProgressEvent

_REPOSITORY = Path(__file__).resolve().parents[2]
_HERE = ("head_to_head.py", "head_to_head_row.py")


@cache
def code_state() -> dict[str, str]:
    """The version, and a hash of the sources that pieces are made by.

    Not of the commit: a run from an exported snapshot has none, and in a checkout it says nothing of edits.
    """
    digest = hashlib.sha256()
    files = [*(_REPOSITORY / "StrokeSynthLib").rglob("*.py"), *(Path(__file__).with_name(n) for n in _HERE)]
    for path in sorted(files):
        digest.update(path.relative_to(_REPOSITORY).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {"version": __version__, "sources": digest.hexdigest()[:12]}


def show(event: ProgressEvent) -> None:
    """Some ten lines for each stage."""
    if event.total and event.done % max(event.total // 10, 1) == 0:
        values = {name: round(value, 4) for name, value in event.values.items()}
        print(event.stage, event.done, event.total, values or "", flush=True)


class Clock:
    """CPU seconds of this process, over interruptions; what is done twice after one counts twice.

    Parameters
    ----------
    path
        Where the seconds are kept; those that are there are gone on from.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = float(read_json(path)["cpu_s"]) if path.is_file() else 0.0
        self._started = time.process_time()
        self._kept = time.monotonic()

    def keep(self) -> None:
        """Write down what was spent."""
        now = time.process_time()
        self.before += now - self._started
        self._started, self._kept = now, time.monotonic()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"cpu_s": self.before})

    def show(self, event: ProgressEvent) -> None:
        """Report, and write down now and then."""
        show(event)
        if time.monotonic() - self._kept > 30:
            self.keep()
