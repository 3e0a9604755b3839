"""The files in a long job's folder: names, and reading what is still being written."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..files import write_json

JOB, STATE, PROGRESS, LOG, STOP, LOCK = "job.json", "state.json", "progress.jsonl", "log.txt", "stop", "lock"
#: Begins a new try in ``progress.jsonl``.
ATTEMPT = "attempt"
#: End of a file that is read to find the last event or line (bytes).
_TAIL = 65536

Event = dict[str, Any]


def events_in(content: bytes) -> list[Event]:
    """The events in whole lines; what else was printed is passed over."""
    events = []
    for line in content.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line.decode("utf-8", errors="replace"))
            if isinstance(event, dict):
                events.append(event)
    return events


def events_from(path: Path, offset: int) -> tuple[list[Event], int]:
    """The events from a position on, and the position to read from next time."""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            content = stream.read()
    except OSError:
        return [], offset
    whole = content[: content.rfind(b"\n") + 1]  # the last line may still be being written
    return events_in(whole), offset + len(whole)


def last_event(path: Path, kind: str) -> Event | None:
    """The newest event of a kind in the last try; None where there is none near the end of the file."""
    for event in _newest_first(tail(path)):
        if event.get("event") == kind:
            return event
        if event.get("event") == ATTEMPT:
            return None
    return None


def _newest_first(content: bytes) -> Iterator[Event]:
    yield from reversed(events_in(content))


def tail(path: Path) -> bytes:
    """The last whole lines of a file; nothing where there is none."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(size - _TAIL, 0))
            content = stream.read()
    except OSError:
        return b""
    return content if size <= _TAIL else content[content.find(b"\n") + 1 :]


def write_state(folder: Path, facts: dict[str, Any]) -> None:
    """Replace ``state.json``."""
    _again_if_refused(lambda: write_json(folder / STATE, facts))


def _again_if_refused(write: Callable[[], None]) -> None:
    """Windows refuses to replace a file while someone reads it."""
    for _ in range(20):
        try:
            write()
        except PermissionError:
            time.sleep(0.05)
        else:
            return
    write()
