"""Enum values as PythonQt shows them: by their short name in the class, and like integers."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any


class ScopedEnum:
    """What `qt.Qt.AlignmentFlag` is: a type that converts numbers, and not a place where values are found."""

    def __init__(self, owner: type, name: str, values: type[enum.Enum]) -> None:
        self._owner, self._name, self._values = owner, name, values

    def __call__(self, number: int) -> enum.Enum:
        return self._values(number)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"PythonQt knows no qt.{self._owner.__name__}.{self._name}.{name}: "
            f"write qt.{self._owner.__name__}.{name}"
        )


def _to_int(self: enum.Enum) -> int:
    return int(self.value)


def _equal(self: enum.Enum, other: object) -> bool:
    return self is other or (
        isinstance(other, int) and not isinstance(other, enum.Enum) and self.value == other
    )


def _hash(self: enum.Enum) -> int:
    return hash(self.value)


def lift_values(classes: Iterable[type]) -> None:
    """Put the values of every enum that lies in a class into the class itself, and close the enum."""
    for owner in classes:
        for name, values in list(vars(owner).items()):
            if not (isinstance(values, type) and issubclass(values, enum.Enum)):
                continue
            if not issubclass(values, int):
                values.__int__ = values.__index__ = _to_int
                values.__eq__, values.__hash__ = _equal, _hash
            for member_name, member in values.__members__.items():
                if member_name not in vars(owner):
                    setattr(owner, member_name, member)
            setattr(owner, name, ScopedEnum(owner, name, values))
