"""What the stand-in widgets share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from PySide6 import QtCore

from ..strictqt.classes import mark_native
from ..strictqt.ui_files import custom_widgets

Class = TypeVar("Class", bound=type)

_QT_NAMES = {bool: "bool", int: "int", float: "double", str: "QString", list: "QStringList"}


def native(cls: Class) -> Class:
    """Class decorator of every stand-in: strict like a C++ class, and known to .ui files."""
    custom_widgets[cls.__name__] = cls
    return mark_native(cls)


def renamed_signals(cls: Class, **names: str) -> None:
    """`renamed_signals(C, changed="changed(vtkMRMLNode*)")`: Slicer's signature of a signal of C.

    PySide6 cannot name VTK's types; the signals carry Python objects.
    """
    meta = cls.staticMetaObject
    methods = [meta.method(index) for index in range(meta.methodCount())]
    known = {bytes(m.name().data()).decode(): bytes(m.methodSignature().data()).decode() for m in methods}
    cls._strict_signals = {signature: known[name] for name, signature in names.items()}


def stored(name: str, kind: type, default: Any, changed: Callable[[Any], None] | None = None) -> Any:
    """A Qt property that keeps a value of one type; `changed(widget)` is called after it was set."""
    key = f"_property_{name}"

    def read(self: Any) -> Any:
        value = self.__dict__.get(key, default)
        return list(value) if kind is list else value

    def write(self: Any, value: Any) -> None:
        accepted = {float: (int, float), list: (list, tuple)}.get(kind, kind)
        if not isinstance(value, accepted) or (kind in (int, float) and isinstance(value, bool)):
            raise TypeError(f"{name} takes {kind.__name__}, not {value!r}")
        if kind is list and not all(isinstance(item, str) for item in value):
            raise TypeError(f"{name} takes texts, not {value!r}")
        self.__dict__[key] = kind(value)
        if changed is not None:
            changed(self)

    return QtCore.Property(_QT_NAMES[kind], read, write)
