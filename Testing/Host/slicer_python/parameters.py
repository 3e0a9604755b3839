"""How each type of parameter lies in a vtkMRMLScriptedModuleNode.

Names and texts are Slicer's own, so that scenes saved by one can be read by the other.
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import MutableSequence
from typing import Any

import slicer


class Stored:
    """One type; the base is for what is kept as one text."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def default(self) -> Any:
        return self.kind()

    def check(self, value: Any) -> None:
        if not isinstance(value, self.kind):
            raise TypeError(f"Value must be of type '{self.kind}', is type '{type(value)}' value '{value}'")

    def to_text(self, value: Any) -> str:
        return str(value)

    def from_text(self, text: str) -> Any:
        return self.kind(text)

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        self.check(value)
        node.SetParameter(name, self.to_text(value))

    def read(self, node: Any, name: str) -> Any:
        return self.from_text(node.GetParameter(name))

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class StoredFloat(Stored):
    def check(self, value: Any) -> None:
        if not isinstance(value, (int, float)):
            super().check(value)


class StoredBool(Stored):
    def from_text(self, text: str) -> bool:
        return text == "True"


class StoredEnum(Stored):
    def default(self) -> Any:
        return next(iter(self.kind))

    def to_text(self, value: Any) -> str:
        return str(value.name)

    def from_text(self, text: str) -> Any:
        return self.kind[text]


class StoredNone(Stored):
    def default(self) -> None:
        return None

    def check(self, value: Any) -> None:
        if value is not None:
            raise ValueError("Value must be None")

    def to_text(self, value: Any) -> str:
        return "True"

    def from_text(self, text: str) -> None:
        return None


class StoredNode(Stored):
    """A node reference: it follows the node through saving, and becomes None with it."""

    def default(self) -> None:
        return None

    def check(self, value: Any) -> None:
        if value is not None:
            super().check(value)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.check(value)
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class ObservedList(MutableSequence):
    """A list that writes itself when it is changed."""

    def __init__(self, stored: StoredList, node: Any, name: str, values: list[Any]) -> None:
        self._stored, self._node, self._name, self._values = stored, node, name, values

    def _save(self) -> None:
        self._stored.write(self._node, self._name, self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._values[index] = value
        self._save()

    def __delitem__(self, index: Any) -> None:
        del self._values[index]
        self._save()

    def insert(self, index: int, value: Any) -> None:
        self._values.insert(index, value)
        self._save()

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ObservedList) else other)

    def __repr__(self) -> str:
        return f"ObservedList({self._values})"


class StoredList(Stored):
    """name_len, name_0, name_1, ..."""

    def __init__(self, element: Stored) -> None:
        self._element = element

    def default(self) -> list[Any]:
        return []

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(f"{name}_len"))

    def _length(self, node: Any, name: str) -> int:
        return int(node.GetParameter(f"{name}_len")) if self.is_in(node, name) else 0

    def write(self, node: Any, name: str, value: Any) -> None:
        with slicer.util.NodeModify(node):
            for index, item in enumerate(value):
                self._element.write(node, f"{name}_{index}", item)
            for index in range(len(value), self._length(node, name)):
                self._element.remove(node, f"{name}_{index}")
            node.SetParameter(f"{name}_len", str(len(value)))

    def read(self, node: Any, name: str) -> ObservedList:
        items = [self._element.read(node, f"{name}_{i}") for i in range(self._length(node, name))]
        return ObservedList(self, node, name, items)

    def remove(self, node: Any, name: str) -> None:
        for index in range(self._length(node, name)):
            self._element.remove(node, f"{name}_{index}")
        node.UnsetParameter(f"{name}_len")


class StoredTuple(Stored):
    """name_0, name_1, ..., each of its own type."""

    def __init__(self, elements: list[Stored]) -> None:
        self._elements = elements

    def default(self) -> tuple[Any, ...]:
        return tuple(element.default() for element in self._elements)

    def is_in(self, node: Any, name: str) -> bool:
        return self._elements[0].is_in(node, f"{name}_0")

    def write(self, node: Any, name: str, value: Any) -> None:
        if len(value) != len(self._elements):
            raise ValueError("Unexpected number of tuple values")
        with slicer.util.NodeModify(node):
            for index, (element, item) in enumerate(zip(self._elements, value, strict=True)):
                element.write(node, f"{name}_{index}", item)

    def read(self, node: Any, name: str) -> tuple[Any, ...]:
        return tuple(element.read(node, f"{name}_{i}") for i, element in enumerate(self._elements))

    def remove(self, node: Any, name: str) -> None:
        for index, element in enumerate(self._elements):
            element.remove(node, f"{name}_{index}")


class StoredUnion(Stored):
    """name_0 or name_1 or ..., by which of the types the value has."""

    def __init__(self, choices: list[Stored]) -> None:
        self._choices = choices

    def default(self) -> Any:
        optional = len(self._choices) == 2 and isinstance(self._choices[1], StoredNone)
        return None if optional else self._choices[0].default()

    def is_in(self, node: Any, name: str) -> bool:
        return any(choice.is_in(node, f"{name}_{i}") for i, choice in enumerate(self._choices))

    def write(self, node: Any, name: str, value: Any) -> None:
        for index, choice in enumerate(self._choices):
            if (value is None) == isinstance(choice, StoredNone):
                try:
                    choice.check(value)
                except (TypeError, ValueError):
                    continue
                with slicer.util.NodeModify(node):
                    self.remove(node, name)
                    choice.write(node, f"{name}_{index}", value)
                return
        raise TypeError(f"Unable to write value '{value}' of type '{type(value)}'")

    def read(self, node: Any, name: str) -> Any:
        for index, choice in enumerate(self._choices):
            if choice.is_in(node, f"{name}_{index}"):
                return choice.read(node, f"{name}_{index}")
        raise KeyError(f"Unable to find value for name: {name}")

    def remove(self, node: Any, name: str) -> None:
        for index, choice in enumerate(self._choices):
            choice.remove(node, f"{name}_{index}")


def stored_for(kind: Any) -> Stored:
    """How values of a type, given as an annotation, are kept."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return stored_for(arguments[0])
    if origin is list:
        return StoredList(stored_for(arguments[0]))
    if origin is tuple:
        return StoredTuple([stored_for(argument) for argument in arguments])
    if origin is typing.Union:  # but not `A | B`, which Slicer does not take
        return StoredUnion([stored_for(argument) for argument in arguments])
    if kind is types.NoneType:
        return StoredNone(kind)
    for base, stored in (
        (bool, StoredBool),
        (enum.Enum, StoredEnum),
        (int, Stored),
        (float, StoredFloat),
        (str, Stored),
        (pathlib.PurePath, Stored),
        (slicer.vtkMRMLNode, StoredNode),
    ):
        if isinstance(kind, type) and (kind is base or (base in _OPEN and issubclass(kind, base))):
            return stored(kind)
    raise TypeError(f"parameter type {kind} is not known (to this stand-in, or to Slicer)")


#: Classes whose subclasses are kept the same way.
_OPEN = (enum.Enum, pathlib.PurePath, slicer.vtkMRMLNode)
