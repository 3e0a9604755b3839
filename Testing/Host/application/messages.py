"""What VTK and Qt complain about: errors are problems of the test, as red lines are in Slicer's console."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import vtk
from PySide6 import QtCore

from ..problems import problems

_HARMLESS = (
    "This plugin does not support",  # of Qt's offscreen platform
    "QRhiWidget",
    "propagateSizeHints",
)
_silenced = 0


def _vtk_error(_window: Any, _event: str, text: str) -> None:
    if not _silenced:
        problems.add(f"VTK error: {text.strip()}")


_vtk_error.CallDataType = vtk.VTK_STRING


def _qt_message(kind: QtCore.QtMsgType, _context: Any, text: str) -> None:
    harmless = _silenced or any(part in text for part in _HARMLESS)
    if not harmless and kind in (QtCore.QtMsgType.QtWarningMsg, QtCore.QtMsgType.QtCriticalMsg):
        problems.add(f"Qt warning: {text}")


def watch() -> None:
    """Listen from now on."""
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    window = vtk.vtkStringOutputWindow()
    window.AddObserver("ErrorEvent", _vtk_error)
    vtk.vtkOutputWindow.SetInstance(window)
    QtCore.qInstallMessageHandler(_qt_message)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """For what the host itself does at start and end."""
    global _silenced
    _silenced += 1
    try:
        yield
    finally:
        _silenced -= 1
