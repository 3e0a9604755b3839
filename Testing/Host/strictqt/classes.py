"""Properties are values, foreign objects take no new attributes, arguments must be convertible."""

from __future__ import annotations

import functools
import pathlib
import threading
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from PySide6 import QtCore, QtWidgets

from .signals import BoundSignal, connect, disconnect

#: Since Qt 6, by class: they fail in a Slicer that is built with Qt 5.15.
_ONLY_QT6 = {
    "QAbstractItemView": {"updateThreshold", "setUpdateThreshold"},
    "QCheckBox": {"checkStateChanged"},
    "QComboBox": {"labelDrawingMode", "setLabelDrawingMode"},
    "QEventPoint": {"position", "globalPosition", "scenePosition"},
    "QSinglePointEvent": {"position", "globalPosition", "scenePosition"},
    "QLibraryInfo": {"path", "paths"},
    "QDateTimeEdit": {"timeZone", "setTimeZone"},
}

_read_default = QtCore.QObject.__getattribute__
#: Of classes with functions that are static and not, as QFile.exists.
_read_special: dict[type, Callable[[Any, str], Any]] = {}


def mark_native(cls: type) -> type:
    """Class decorator: this stand-in, although written in Python, is a C++ class to the code under test."""
    cls._strict_native = True
    return cls


def _is_native(cls: type) -> bool:
    return cls.__module__.startswith("PySide6.") or cls.__dict__.get("_strict_native", False)


class _Property:
    """One Qt property of one class."""

    def __init__(self, cls: type, meta: QtCore.QMetaProperty) -> None:
        self.name = meta.name()
        self.writable = meta.isWritable()
        reader = getattr(cls, self.name, None)
        self._reader = reader if isinstance(reader, types.MethodDescriptorType) else None
        writer = getattr(cls, f"set{self.name[0].upper()}{self.name[1:]}", None)
        self._writer = writer if callable(writer) else None
        if isinstance(reader, QtCore.Property):  # of a stand-in
            self._reader, self._writer = reader.fget, reader.fset

    def read(self, instance: QtCore.QObject) -> Any:
        if self._reader is not None:
            return self._reader(instance)
        return QtCore.QObject.property(instance, self.name)

    def write(self, instance: QtCore.QObject, value: Any) -> None:
        if not self.writable:
            raise AttributeError(f"property {self.name} of {type(instance).__name__} cannot be written")
        refuse_arguments((value,), {})
        if self._writer is not None:
            self._writer(instance, value)
        elif not QtCore.QObject.setProperty(instance, self.name, value):
            raise TypeError(f"property {self.name} of {type(instance).__name__} does not take {value!r}")


class _Rules:
    """What holds for the objects of one class."""

    def __init__(self, cls: type) -> None:
        self.native = _is_native(cls)
        self.widget = issubclass(cls, QtWidgets.QWidget)
        special = [_read_special[base] for base in cls.__mro__ if base in _read_special]
        self.read = special[0] if special else _read_default
        bases = [base.__name__ for base in cls.__mro__ if _is_native(base)]
        self.only_qt6 = set().union(*(_ONLY_QT6.get(name, ()) for name in bases))
        own: set[str] = set()  # defined by a Python class of the code under test; found before Qt's
        for base in cls.__mro__:
            if _is_native(base):
                break
            own |= set(base.__dict__)
        self.properties = {}
        meta = getattr(cls, "staticMetaObject", None)
        for index in range(meta.propertyCount() if meta else 0):
            entry = _Property(cls, meta.property(index))
            if entry.name not in own and entry.name != "singleShot":  # see special.py
                self.properties[entry.name] = entry


@functools.cache
def _rules(cls: type) -> _Rules:
    return _Rules(cls)


def refuse_arguments(arguments: Iterable[Any], keywords: Iterable[str]) -> None:
    """Raise TypeError for what PythonQt cannot convert."""
    for name in keywords:
        raise TypeError(f"PythonQt takes no keyword arguments ({name}=)")
    for value in arguments:
        # numpy.float64 and numpy.str_ are Python's float and str, and pass.
        if isinstance(value, (np.generic, np.ndarray)) and not isinstance(value, (float, str)):
            raise TypeError(f"PythonQt does not convert {type(value).__name__} from numpy; cast it first")
        if isinstance(value, pathlib.PurePath):
            raise TypeError("PythonQt does not convert a Path; give str(path)")
        if isinstance(value, (list, tuple)):
            refuse_arguments(value, ())


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    # A plain function, no method: Qt must not take it for a Python override of a virtual function.
    def call(*arguments: Any, **keywords: Any) -> Any:
        refuse_arguments(arguments, keywords)
        return function(*arguments)

    call.__name__ = call.__qualname__ = function.__name__
    return call


def _missing(instance: Any, name: str, hint: str = "") -> AttributeError:
    return AttributeError(f"{type(instance).__name__} has no attribute {name}{hint}")


#: Methods of every object that PythonQt has in a form of its own.
_DIFFERENT = {
    "connect": connect,
    "disconnect": disconnect,
    "className": lambda instance: type(instance).__name__,
    "delete": lambda instance: instance.deleteLater(),
}


def _read_object(self: QtCore.QObject, name: str) -> Any:
    if name.startswith("__"):
        return _read_default(self, name)
    rules = _rules(type(self))
    if rules.widget and threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"{type(self).__name__}.{name} used outside the main thread: Slicer would crash")
    if name in rules.properties:
        return rules.properties[name].read(self)
    if name in _DIFFERENT:
        return functools.partial(_DIFFERENT[name], self)
    if name == "exec" and rules.native:
        raise _missing(self, name, " in PythonQt; use exec_()")
    if name in rules.only_qt6:
        raise _missing(self, name, " in Qt 5.15")
    try:
        value = rules.read(self, name)
    except AttributeError:
        if name == "name":  # PythonQt's second name of it; slicer.util.childWidgetVariables uses it
            return QtCore.QObject.objectName(self)
        raise _missing(self, name) from None
    if isinstance(value, QtCore.SignalInstance):
        return BoundSignal(self, name)
    return _checked(value) if isinstance(value, types.BuiltinMethodType) else value


def _write_object(self: QtCore.QObject, name: str, value: Any) -> None:
    rules = _rules(type(self))
    if name in rules.properties:
        rules.properties[name].write(self, value)
    elif name == "name":
        refuse_arguments((value,), {})
        QtCore.QObject.setObjectName(self, value)
    elif not rules.native or isinstance(value, QtCore.SignalInstance):  # PySide6 keeps its signals so
        _read_default(self, "__dict__")[name] = value
    else:
        raise _missing(self, name, "; PythonQt takes no new ones, keep state on an object of your own")


def _value_reader(default: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def read(self: Any, name: str) -> Any:
        if not name.startswith("__") and name in _rules(type(self)).only_qt6:
            raise _missing(self, name, " in Qt 5.15")
        value = default(self, name)
        return _checked(value) if isinstance(value, types.BuiltinMethodType) else value

    return read


def _write_value(self: Any, name: str, value: Any) -> None:
    field = getattr(type(self), name, None)
    if isinstance(field, types.GetSetDescriptorType):  # a public member of a C++ structure
        field.__set__(self, value)
        return
    if _is_native(type(self)):
        raise _missing(self, name, "; PythonQt takes no new ones, keep state on an object of your own")
    self.__dict__[name] = value


def _checked_constructor(original: Callable[..., None]) -> Callable[..., None]:
    def construct(self: Any, *arguments: Any, **keywords: Any) -> None:
        if _is_native(type(self)):
            refuse_arguments(arguments, keywords)
        original(self, *arguments, **keywords)

    return construct


def make_strict(classes: Iterable[type]) -> None:
    """Change how the attributes of these PySide6 classes are read and written."""
    classes = tuple(classes)
    QtCore.QObject.__getattribute__ = _read_object
    for cls in classes:
        if issubclass(cls, QtCore.QObject):
            cls.__setattr__ = _write_object
            if cls.__getattribute__ is not _read_object:
                _read_special[cls] = cls.__getattribute__
                cls.__getattribute__ = _read_object
        else:
            cls.__setattr__ = _write_value
            if not any(issubclass(base, classes) for base in cls.__bases__):
                cls.__getattribute__ = _value_reader(cls.__getattribute__)
        if "__init__" in cls.__dict__:
            cls.__init__ = _checked_constructor(cls.__init__)
