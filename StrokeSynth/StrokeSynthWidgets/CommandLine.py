"""The ``strokesynth`` command that is equal to an action, to copy."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _


def commandText(*words: str | Path) -> str:
    """Words as they are typed in a terminal of this system."""
    texts = ["strokesynth", *(str(word) for word in words)]
    return subprocess.list2cmdline(texts) if sys.platform == "win32" else shlex.join(texts)


def fileOfNode(node: Any, suffix: str = ".nii.gz") -> str:
    """The file that a node was loaded from or saved to; else the name that it would get."""
    storage = node.GetStorageNode()
    path = storage.GetFileName() if storage is not None else None
    return path or fileName(node.GetName(), suffix)


def fileName(name: str, suffix: str = ".nii.gz") -> str:
    """A file name without what file systems refuse."""
    return re.sub(r'[\\/:*?"<>|\s]+', "-", name).strip("-.") + suffix


def options(pairs: Iterable[tuple[str, Any]]) -> list[str]:
    """The words for options; those without a value are left out."""
    words: list[str] = []
    for name, value in pairs:
        if value not in (None, ""):
            words += [name, str(value)]
    return words


class CommandLineRow:
    """A read-only line and a button that copies it.

    Parameters
    ----------
    layout
        Where the row is added.
    name
        Of the line's widget; the button's is the same and "Copy".
    """

    def __init__(self, layout: Any, name: str) -> None:
        self.widget = qt.QWidget()
        row = qt.QHBoxLayout(self.widget)
        row.setContentsMargins(0, 0, 0, 0)
        self.line = qt.QLineEdit()
        self.line.readOnly = True
        self.line.objectName = name
        self.line.toolTip = _("The same as a command, for scripts and many cases")
        self.button = qt.QToolButton()
        self.button.text = _("Copy")
        self.button.toolTip = _("Copy the command")
        self.button.objectName = f"{name}Copy"
        row.addWidget(self.line)
        row.addWidget(self.button)
        layout.addWidget(self.widget)
        self.button.connect("clicked()", self.copy)
        self.show("")

    def show(self, text: str) -> None:
        """Show another command; the row is hidden without one."""
        if self.line.text != text:
            self.line.setText(text)
            self.line.setCursorPosition(0)
        self.widget.visible = bool(text)

    def copy(self) -> None:
        """To the clipboard."""
        slicer.app.clipboard().setText(self.line.text)
