"""Locks on files that the system releases when their holder is gone, however it went."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


class Lock:
    """A lock that one process holds; others can see whether anyone does.

    A process number could be taken by another program after a crash or a restart of the machine. A lock is
    free as soon as its holder has ended.

    Parameters
    ----------
    path
        A small file; made when the lock is taken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: Any = None

    def acquire(self) -> bool:
        """Take it; False when another holds it."""
        stream = self.path.open("a+b")
        if not _lock(stream):
            stream.close()
            return False
        self._stream = stream
        return True

    def share(self) -> int:
        """The open file: a child that inherits it holds the lock as well (not on Windows)."""
        return int(self._stream.fileno())

    def release(self) -> None:
        """Let it go; nothing happens when it is not held."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def held(self) -> bool:
        """Whether anyone holds it."""
        if self._stream is not None:
            return True
        try:
            stream = self.path.open("r+b")
        except FileNotFoundError:
            return False
        except OSError:
            return True  # another user's
        with stream:
            return not _lock(stream)


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: Any) -> bool:
        stream.seek(0)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(stream: Any) -> bool:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
