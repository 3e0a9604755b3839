"""Stopping a program so that what it has done so far is kept.

The first SIGTERM or Ctrl-C, or a file that a caller names in the environment, stops the work at its next
report of progress: trainings then save their state, databases finish the case they are at. The second signal,
or :data:`PATIENCE` without any report, stops it where it stands.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Names a file; the command stops when it is there. For callers that cannot send signals (Windows).
STOP_FILE = "STROKESYNTH_STOP_FILE"
#: Seconds that a command may go on after it was asked to stop.
PATIENCE = 10.0
#: Signals that ask, where the system has them.
_SIGNALS = ("SIGTERM", "SIGINT", "SIGBREAK")


class Stopping:
    """Whether someone has asked to stop."""

    def __init__(self) -> None:
        self._signaled = False
        self._timer: threading.Timer | None = None
        named = os.environ.get(STOP_FILE)
        self._file = Path(named) if named else None

    @property
    def asked(self) -> bool:
        """Whether to stop at the next good point."""
        return self._signaled or (self._file is not None and self._file.exists())

    @contextmanager
    def listening(self) -> Iterator[Stopping]:
        """Catch the signals meanwhile; does nothing in any thread but the main one."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {number: signal.signal(number, self._ask) for number in numbers}
        try:
            yield self
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: Any) -> None:
        if self._signaled:
            raise KeyboardInterrupt
        self._signaled = True
        self._timer = threading.Timer(PATIENCE, _thread.interrupt_main)
        self._timer.daemon = True
        self._timer.start()


def left_to_parent() -> None:
    """In a process that works for another: whether to stop is for that one to decide.

    A terminal sends Ctrl-C to all processes of a command.
    """
    for name in ("SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
