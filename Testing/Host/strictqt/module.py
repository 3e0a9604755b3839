"""The module `qt` itself: the classes of four PySide6 modules in one flat name space."""

from __future__ import annotations

import contextlib
import types

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from . import dialogs, special, ui_files
from .classes import make_strict
from .enums import lift_values

#: PySide6's own, or without meaning in PythonQt.
_NOT_IN_PYTHONQT = {
    "Signal",
    "SignalInstance",
    "Slot",
    "Property",
    "ClassInfo",
    "QEnum",
    "QFlag",
    "QThreadPool",
}


def make_qt() -> types.ModuleType:
    """Build `qt`. To be called once in a process."""
    module = types.ModuleType("qt", "Stand-in for PythonQt's qt, on PySide6.")
    classes: list[type] = []
    for source in (QtCore, QtGui, QtWidgets, QtUiTools):
        for name in dir(source):  # PySide6 makes a class when it is first asked for
            value = getattr(source, name)
            if type(value).__name__ == "ObjectType" and name not in _NOT_IN_PYTHONQT:
                setattr(module, name, value)
                classes.append(value)
    with contextlib.suppress(TypeError):
        QtCore.QSize("", "")  # PySide6 reads its tables for error messages, with enums by scope, while it can
    lift_values(classes)
    special.install()
    dialogs.install()
    make_strict(classes)
    module.QUiLoader = ui_files.QUiLoader
    return module
