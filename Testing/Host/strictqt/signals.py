"""connect() and disconnect() as PythonQt has them.

PythonQt gives a plain function or method only as many arguments as it names, and gives anything else (a
functools.partial, an object with `__call__`, a function with `*args`) all of them. An unknown signal is
only printed there and nothing is connected; here it raises. An exception in a slot is printed and execution
goes on; here it is also recorded, and the host fails the test.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

from ..problems import problems

_read_default = QtCore.QObject.__getattribute__  # before it is made strict


def _normalized(signature: str) -> str:
    """As QMetaObject.normalizedSignature, which PySide6 6.8 gets wrong: no blanks, no `const ...&`."""
    return re.sub(r"\bconst\s+([^,()]+?)\s*&", r"\1", signature).replace(" ", "")


class UnknownSignalError(AttributeError):
    """The object has no such signal; PythonQt prints this and connects nothing."""


def _signatures(sender: QtCore.QObject) -> list[str]:
    meta = type(sender).staticMetaObject  # that of the object ends with the object, for all of the class
    methods = [meta.method(index) for index in range(meta.methodCount())]
    return [
        bytes(method.methodSignature().data()).decode()
        for method in methods
        if method.methodType() == QtCore.QMetaMethod.Signal
    ]


def _renamed(sender: QtCore.QObject) -> dict[str, str]:
    """Signals with types that PySide6 cannot name, by Slicer's signature; see the stand-in widgets."""
    names: dict[str, str] = {}
    for cls in reversed(type(sender).__mro__):
        names.update(cls.__dict__.get("_strict_signals", {}))
    return names


def _resolve(sender: QtCore.QObject, signal: str) -> tuple[str, int]:
    """The signature that PySide6 knows, and the number of arguments."""
    if "(" not in signal:
        raise UnknownSignalError(f'"{signal}": PythonQt needs the signature, as in "clicked()"')
    wanted = _normalized(signal)
    renamed = {_normalized(name): real for name, real in _renamed(sender).items()}
    arguments = wanted[wanted.index("(") + 1 : -1]
    count = len(arguments.split(",")) if arguments else 0
    if wanted in renamed:
        return renamed[wanted], count
    known = [s for s in _signatures(sender) if s not in renamed.values()]
    if wanted not in known:
        raise UnknownSignalError(
            f'{type(sender).__name__} has no signal "{wanted}" (PythonQt would print this and connect '
            f"nothing); it has {', '.join(sorted([*known, *renamed]))}"
        )
    return wanted, count


def accepted_arguments(function: Callable[..., Any]) -> int | None:
    """How many arguments PythonQt passes on at most; None for all."""
    plain, bound = function, 0
    if isinstance(function, types.MethodType):
        plain, bound = function.__func__, 1
    if not isinstance(plain, types.FunctionType) or plain.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return plain.__code__.co_argcount - bound


class _Connection:
    """One receiver of one signal."""

    def __init__(self, sender: QtCore.QObject, signal: str, receiver: Callable[..., Any]) -> None:
        self.sender, self.receiver = sender, receiver
        self.signal, self.count = _resolve(sender, signal)
        self._accepted = accepted_arguments(receiver)
        name, _, arguments = self.signal[:-1].partition("(")
        bound = _read_signal(sender, name)
        try:
            self._bound = bound[arguments] if arguments else bound[()]
        except (KeyError, IndexError, TypeError):
            self._bound = bound
        self._bound.connect(self._call)

    def _call(self, *arguments: Any) -> None:
        passed = arguments[: self.count]
        if self._accepted is not None:
            passed = passed[: self._accepted]
        try:
            self.receiver(*passed)
        except Exception as error:
            problems.add_exception(f"slot of {type(self.sender).__name__}.{self.signal}", error)

    def end(self) -> None:
        if shiboken6.isValid(self.sender):
            self._bound.disconnect(self._call)


def _read_signal(sender: QtCore.QObject, name: str) -> Any:
    """PySide6's own signal object, past the rules of this package."""
    return _read_default(sender, name)


_connections: list[_Connection] = []


def connect(sender: QtCore.QObject, signal: str, receiver: Any, *rest: Any) -> Any:
    """`sender.connect("clicked()", f)` or `sender.connect("clicked()", object, "slot()")`."""
    if signal is sender:  # PySide6 itself, at work for _Connection
        return _read_default(sender, "connect")(signal, receiver, *rest)
    slot = rest[0] if rest else None
    if slot is not None:
        receiver = getattr(receiver, _normalized(slot).partition("(")[0])
    if not callable(receiver):
        raise TypeError(f"{receiver!r} cannot be called, so nothing can be connected to it")
    _connections.append(_Connection(sender, signal, receiver))
    return True


def disconnect(sender: QtCore.QObject, signal: str, receiver: Any = None, *rest: Any) -> Any:
    """End the connections of a signal to a receiver; True when there were any."""
    if signal is sender:
        return _read_default(sender, "disconnect")(signal, receiver, *rest)
    wanted, _ = _resolve(sender, signal)
    ended = [
        c
        for c in _connections
        if c.sender is sender and c.signal == wanted and (receiver is None or c.receiver == receiver)
    ]
    for connection in ended:
        connection.end()
        _connections.remove(connection)
    return bool(ended)


def forget_connections() -> None:
    """Drop what is connected; for the end of a test."""
    for connection in _connections:
        connection.end()
    _connections.clear()


class BoundSignal:
    """`button.clicked`: has connect() and disconnect(), can be called to emit; no overloads by index."""

    def __init__(self, sender: QtCore.QObject, name: str) -> None:
        self._sender, self._name = sender, name

    def _signature(self) -> str:
        renamed = _renamed(self._sender)
        own = [s for s in renamed if s.partition("(")[0] == self._name]
        return (own or [s for s in _signatures(self._sender) if s.partition("(")[0] == self._name])[0]

    def connect(self, receiver: Any, *slot: str) -> Any:
        return connect(self._sender, self._signature(), receiver, *slot)

    def disconnect(self, receiver: Any = None) -> Any:
        return disconnect(self._sender, self._signature(), receiver)

    def __call__(self, *arguments: Any) -> None:
        _read_signal(self._sender, self._name).emit(*arguments)

    def __getitem__(self, key: object) -> Any:
        raise TypeError(f'PythonQt has no {self._name}[...]: use connect("{self._name}(type)", f)')
