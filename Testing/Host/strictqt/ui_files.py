"""QUiLoader for .ui files with widgets of CTK and Slicer, which also checks what Qt passes over in silence.

An unknown class becomes a plain QWidget in Qt and an unknown property a dynamic one; a connection to a signal
or slot that does not exist is printed. Each raises here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from .signals import connect

#: Widgets that .ui files may name besides Qt's; filled by the stand-ins.
custom_widgets: dict[str, type[QtWidgets.QWidget]] = {}


class UiFileError(ValueError):
    """The .ui file says something that Slicer would pass over or fail at."""


def _widget_class(name: str) -> type[QtWidgets.QWidget]:
    cls = custom_widgets.get(name) or getattr(QtWidgets, name, None)
    if not (isinstance(cls, type) and issubclass(cls, QtWidgets.QWidget)):
        raise UiFileError(f"unknown widget class {name}")
    return cls


def _check_widgets(root: ElementTree.Element) -> None:
    named: set[str] = set()
    for widget in root.iter("widget"):
        cls, name = _widget_class(widget.get("class", "")), widget.get("name", "")
        if name in named:
            raise UiFileError(f"two widgets are named {name}")
        named.add(name)
        for entry in widget.findall("property"):
            known = cls.staticMetaObject.indexOfProperty(entry.get("name", "")) >= 0
            if not known and entry.get("stdset") != "0":
                raise UiFileError(f"{name}: {cls.__name__} has no property {entry.get('name')}")


def _object(top: QtWidgets.QWidget, name: str) -> Any:
    if top.objectName == name:
        return top
    found = top.findChild(QtCore.QObject, name)
    if found is None:
        raise UiFileError(f"a connection names {name}, which is not there")
    return found


def _connect(top: QtWidgets.QWidget, connection: ElementTree.Element) -> None:
    sender, signal, receiver, slot = (
        (connection.findtext(part) or "").strip() for part in ("sender", "signal", "receiver", "slot")
    )
    target = _object(top, receiver)
    if not callable(getattr(target, slot.partition("(")[0], None)):
        raise UiFileError(f"a connection goes to {receiver}.{slot}, which is not there")
    connect(_object(top, sender), signal, target, slot)


class QUiLoader:
    """In place of Qt's; slicer.util.loadUI uses it."""

    def load(self, device: QtCore.QFile, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        content = bytes(device.readAll().data())
        root = ElementTree.fromstring(content)
        _check_widgets(root)
        connections = root.find("connections")
        wires = list(connections) if connections is not None else []
        if connections is not None:
            root.remove(connections)
        loader = QtUiTools.QUiLoader()
        for cls in custom_widgets.values():
            loader.registerCustomWidget(cls)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        top = loader.load(buffer, parent)
        for wire in wires:
            _connect(top, wire)
        return top
