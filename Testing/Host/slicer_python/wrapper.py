"""slicer.parameterNodeWrapper: typed parameters of a module in its parameter node, and their widgets."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import slicer
import vtk

from .connectors import connector_for
from .parameters import Stored, stored_for

PROPERTY = "SlicerParameterName"


@dataclasses.dataclass
class Default:
    """Starting value, as an annotation."""

    value: Any


@dataclasses.dataclass
class Choice:
    """One of these."""

    choices: list[Any]

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


@dataclasses.dataclass
class WithinRange:
    """A number from minimum to maximum."""

    minimum: Any
    maximum: Any

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclasses.dataclass
class Minimum:
    """A number not below."""

    minimum: Any

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be greater than {self.minimum}, is {value}")


@dataclasses.dataclass
class Maximum:
    """A number not above."""

    maximum: Any

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be less than {self.maximum}, is {value}")


@dataclasses.dataclass
class Decimals:
    """Of a spin box or slider."""

    value: int


@dataclasses.dataclass
class SingleStep:
    """Of a spin box or slider."""

    value: float


@dataclasses.dataclass
class _Parameter:
    name: str
    stored: Stored
    annotations: tuple[Any, ...]
    kind: Any
    default: Any

    def write(self, node: Any, value: Any) -> None:
        for annotation in self.annotations:
            if hasattr(annotation, "validate"):
                annotation.validate(value)
        self.stored.write(node, self.name, value)

    def read(self, node: Any) -> Any:
        if not self.stored.is_in(node, self.name):
            self.write(node, self.default)
        return self.stored.read(node, self.name)


class _Wrapper:
    """Methods that the decorator adds."""

    allParameters: dict[str, _Parameter]

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, dict[str, Any]] = {}
        self._updating = False
        for parameter in self.allParameters.values():
            if not parameter.stored.is_in(parameterNode, parameter.name):
                parameter.write(parameterNode, parameter.default)

    def getValue(self, name: str) -> Any:
        return self._parameter(name).read(self.parameterNode)

    def setValue(self, name: str, value: Any) -> None:
        self._parameter(name).write(self.parameterNode, value)

    def dataType(self, name: str) -> Any:
        return self._parameter(name).kind

    def default(self, name: str) -> Default:
        return Default(self._parameter(name).default)

    def _parameter(self, name: str) -> _Parameter:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return self.allParameters[name]

    def connectGui(self, gui: Any) -> int:
        if getattr(gui, "isWidgetType", lambda: False)():
            import qt

            widgets = gui.findChildren(qt.QWidget)
        else:
            widgets = list(vars(gui).values())
        named = {w.property(PROPERTY): w for w in widgets if w.property(PROPERTY)}
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        connectors = {}
        for name, widget in mapping.items():
            parameter = self._parameter(name)
            connectors[name] = connector_for(widget, parameter.kind, parameter.annotations)
        tag = max(self._guis, default=-1) + 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.watch(self._from_gui(name, connector))
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda _caller, _event: self._to_gui())
        return tag

    def disconnectGui(self, tag: int) -> None:
        for connector in self._guis.pop(tag, {}).values():
            connector.unwatch()

    def _from_gui(self, name: str, connector: Any) -> Any:
        def changed() -> None:
            if not self._updating:
                with slicer.util.NodeModify(self):
                    self.setValue(name, connector.read())

        return changed

    def _to_gui(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self):
                for connectors in self._guis.values():
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating = False

    def StartModify(self) -> bool:
        return bool(self.parameterNode.StartModify())

    def EndModify(self, wasModified: bool) -> int:
        return int(self.parameterNode.EndModify(wasModified))

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return int(self.parameterNode.AddObserver(event, callback, priority))

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def _property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def parameterNodeWrapper(cls: type | None = None) -> Any:
    """Class decorator: annotated members become parameters."""
    if cls is None:
        return parameterNodeWrapper
    parameters = {}
    for name, kind in typing.get_type_hints(cls, include_extras=True).items():
        annotations = typing.get_args(kind)[1:] if typing.get_origin(kind) is typing.Annotated else ()
        stored = stored_for(kind)
        default = next((a.value for a in annotations if isinstance(a, Default)), None)
        default = getattr(cls, name, stored.default() if default is None else default)
        parameters[name] = _Parameter(name, stored, annotations, kind, default)
    for name, value in vars(_Wrapper).items():
        if name.startswith("__") and name != "__init__":
            continue
        if hasattr(cls, name) and name != "__init__":
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(cls, name, value)
    for name in parameters:
        setattr(cls, name, _property(name))
    cls.allParameters = parameters
    cls._is_parameter_node_wrapper = True
    return cls


def isParameterNodeWrapper(value: Any) -> bool:
    """Whether the decorator was there."""
    return bool(getattr(value, "_is_parameter_node_wrapper", False))


def findChildWidgetForParameter(widget: Any, name: str) -> Any:
    """The widget of a parameter."""
    import qt

    return next((w for w in widget.findChildren(qt.QWidget) if w.property(PROPERTY) == name), None)
