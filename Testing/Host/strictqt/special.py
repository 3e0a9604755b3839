"""QTimer.singleShot, QSettings and QProcess: where Qt under Slicer surprises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from ..problems import problems
from .classes import refuse_arguments

_pending: set[QtCore.QTimer] = set()


def single_shot(milliseconds: int, function: Callable[[], None]) -> None:
    """As Slicer's own: a time and something to call; not with an object and the name of a slot."""
    refuse_arguments((milliseconds,), ())
    if not callable(function):
        raise TypeError("QTimer.singleShot(ms, object, slot) fails in Slicer; give something to call")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("QTimer.singleShot outside the main thread never fires in Slicer")
    timer = QtCore.QTimer(QtCore.QCoreApplication.instance())
    timer.setSingleShot(True)

    def fire() -> None:
        _pending.discard(timer)
        timer.deleteLater()
        try:
            function()
        except Exception as error:
            problems.add_exception("QTimer.singleShot", error)

    _pending.add(timer)
    timer.connect("timeout()", fire)
    timer.start(milliseconds)


def forget_timers() -> None:
    """Drop what has not fired; for the end of a test."""
    for timer in _pending:
        timer.stop()
        timer.deleteLater()
    _pending.clear()


_settings_value = QtCore.QSettings.value


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return [_as_text(item) for item in value] if isinstance(value, list) else value


def settings_value(self: QtCore.QSettings, key: str, default: Any = None) -> Any:
    """Numbers and booleans as text, as they come from the file after Slicer was started again."""
    return _as_text(_settings_value(self, key)) if self.contains(key) else default


def _in_pieces(read: Callable[[Any], Any], ready: str) -> Callable[[Any], Any]:
    """Output of a process as it may come: cut anywhere, most likely within a line."""

    def read_piece(self: QtCore.QProcess) -> QtCore.QByteArray:
        kept = getattr(self, "__dict__", {}).setdefault("_" + ready, bytearray())
        kept += bytes(read(self).data())
        size = len(kept)
        if self.state() != QtCore.QProcess.NotRunning and size > 1:
            size = (size + 1) // 2
            single_shot(0, lambda: getattr(self, ready)() if kept else None)
        piece = bytes(kept[:size])
        del kept[:size]
        return QtCore.QByteArray(piece)

    return read_piece


def install() -> None:
    """Put these in place of PySide6's."""
    QtCore.QTimer.singleShot = staticmethod(single_shot)
    QtCore.QSettings.value = settings_value
    process = QtCore.QProcess
    process.readAllStandardOutput = _in_pieces(process.readAllStandardOutput, "readyReadStandardOutput")
    process.readAllStandardError = _in_pieces(process.readAllStandardError, "readyReadStandardError")
