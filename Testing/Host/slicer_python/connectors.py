"""Which widget shows which type of parameter: the pairs of Slicer, and no others.

A ctkComboBox, a QPlainTextEdit, an integer in a ctkSliderWidget are refused here as there.
"""

from __future__ import annotations

import enum
import pathlib
import typing
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer


class Connector:
    """Reads and writes one widget; `signal` tells when it changed."""

    signal = ""

    def __init__(self, widget: Any, kind: Any, annotations: tuple[Any, ...]) -> None:
        self.widget, self.kind = widget, kind
        self._call: Callable[[], None] | None = None

    def watch(self, call: Callable[[], None]) -> None:
        self._call = call
        getattr(self.widget, self.signal).connect(call)

    def unwatch(self) -> None:
        getattr(self.widget, self.signal).disconnect(self._call)

    def read(self) -> Any:
        raise NotImplementedError

    def write(self, value: Any) -> None:
        raise NotImplementedError


class OfProperty(Connector):
    """The widget has the value in a property of the same type."""

    attribute = ""

    def read(self) -> Any:
        return getattr(self.widget, self.attribute)

    def write(self, value: Any) -> None:
        setattr(self.widget, self.attribute, value)


class OfCheckBox(OfProperty):
    signal, attribute = "stateChanged", "checked"


class OfPushButton(OfProperty):
    signal, attribute = "toggled", "checked"

    def __init__(self, widget: Any, kind: Any, annotations: tuple[Any, ...]) -> None:
        super().__init__(widget, kind, annotations)
        widget.checkable = True


class OfNumber(OfProperty):
    """Limits come from the annotations; a slider needs both."""

    signal, attribute = "valueChanged", "value"

    def __init__(self, widget: Any, kind: Any, annotations: tuple[Any, ...]) -> None:
        super().__init__(widget, kind, annotations)
        found = {type(annotation).__name__: annotation for annotation in annotations}
        for name in ("Decimals", "SingleStep"):
            if name in found:
                setattr(widget, name[0].lower() + name[1:], found[name].value)
        within = found.get("WithinRange")
        low = within or found.get("Minimum")
        high = within or found.get("Maximum")
        if isinstance(widget, (qt.QSlider, ctk.ctkSliderWidget)) and not (low and high):
            raise RuntimeError("Cannot have a connection to a slider where the number is unbounded.")
        unbounded = (-(2**31), 2**31 - 1) if kind is int else (float("-inf"), float("inf"))
        widget.minimum = low.minimum if low else unbounded[0]
        widget.maximum = high.maximum if high else unbounded[1]


class OfComboBox(Connector):
    """The choices come from the annotation, or are the members of the enum."""

    signal = "currentIndexChanged"

    def __init__(self, widget: Any, kind: Any, annotations: tuple[Any, ...]) -> None:
        super().__init__(widget, kind, annotations)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            label = getattr(kind, "label", lambda member: member.name)
            self._choices = [(label(member), member) for member in kind]
        else:
            choice = next((a for a in annotations if type(a).__name__ == "Choice"), None)
            if choice is None:
                raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
            self._choices = [(str(value), value) for value in choice.choices]
        widget.clear()
        for text, _ in self._choices:
            widget.addItem(text)

    def read(self) -> Any:
        return self._choices[self.widget.currentIndex][1]

    def write(self, value: Any) -> None:
        values = [choice for _, choice in self._choices]
        if value not in values:
            raise ValueError(f"Unable to find value {value} in choices {values}")
        self.widget.currentIndex = values.index(value)


class OfLineEdit(OfProperty):
    signal, attribute = "textChanged", "text"


class OfTextEdit(Connector):
    signal = "textChanged"

    def read(self) -> str:
        return self.widget.toPlainText()

    def write(self, value: str) -> None:
        self.widget.setPlainText(value)


class OfPath(OfProperty):
    """A path in a line or button for paths."""

    def __init__(self, widget: Any, kind: Any, annotations: tuple[Any, ...]) -> None:
        super().__init__(widget, kind, annotations)
        line = isinstance(widget, ctk.ctkPathLineEdit)
        self.signal = "currentPathChanged" if line else "directoryChanged"
        self.attribute = "currentPath" if line else "directory"

    def read(self) -> Any:
        return self.kind(super().read())

    def write(self, value: Any) -> None:
        super().write(str(value))


class OfNode(Connector):
    """A node selector; its classes are set from the type."""

    signal = "currentNodeChanged"

    def __init__(self, widget: Any, kind: Any, annotations: tuple[Any, ...]) -> None:
        super().__init__(widget, kind, annotations)
        widget.nodeTypes = [cls.__name__ for cls in _node_classes(kind)]

    def read(self) -> Any:
        return self.widget.currentNode()

    def write(self, value: Any) -> None:
        self.widget.setCurrentNode(value)


def _node_classes(kind: Any) -> list[type]:
    kinds = typing.get_args(kind) if typing.get_origin(kind) is typing.Union else (kind,)
    classes = [k for k in kinds if k is not type(None)]
    return classes if all(isinstance(k, type) and issubclass(k, slicer.vtkMRMLNode) for k in classes) else []


def _is(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def connector_for(widget: Any, kind: Any, annotations: tuple[Any, ...]) -> Connector:
    """The connector for a widget of exactly this class and a parameter of this type."""
    plain = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    known: list[tuple[tuple[type, ...], bool, type[Connector]]] = [
        ((qt.QCheckBox,), plain is bool, OfCheckBox),
        ((qt.QPushButton,), plain is bool, OfPushButton),
        ((qt.QSlider, qt.QSpinBox), plain is int, OfNumber),
        ((qt.QDoubleSpinBox, ctk.ctkSliderWidget), plain is float, OfNumber),
        ((qt.QComboBox,), plain in (int, float, str, bool) or _is(plain, enum.Enum), OfComboBox),
        ((qt.QLineEdit,), plain is str, OfLineEdit),
        ((qt.QTextEdit,), plain is str, OfTextEdit),
        ((ctk.ctkPathLineEdit, ctk.ctkDirectoryButton), _is(plain, pathlib.PurePath), OfPath),
        ((slicer.qMRMLNodeComboBox,), bool(_node_classes(plain)), OfNode),
    ]
    for classes, fits, connector in known:
        if fits and type(widget) in classes:
            return connector(widget, plain, annotations)
    raise RuntimeError(
        f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget).__name__}'"
    )
