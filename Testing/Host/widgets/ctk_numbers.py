"""ctkSliderWidget, ctkRangeWidget, and the spin box and message box of CTK."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from .base import native, stored


def _of_box(name: str, kind: str) -> Any:
    """A property that is one of the spin box."""

    def write(self: Any, value: Any) -> None:
        if value != getattr(self._box, name):  # else text that is being typed would be formatted
            setattr(self._box, name, value)

    return QtCore.Property(kind, lambda self: getattr(self._box, name), write)


@native
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box that hold the same number. Settings are properties; setValue is a slot."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        slider, box = QtWidgets.QSlider(QtCore.Qt.Horizontal), QtWidgets.QDoubleSpinBox()
        slider.setRange(0, 1000)
        box.setRange(0.0, 99.0)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(slider)
        layout.addWidget(box)
        self.__dict__.update(_slider=slider, _box=box)
        box.valueChanged.connect(self._box_changed)
        slider.sliderMoved.connect(self._slider_moved)

    def _box_changed(self, value: float) -> None:
        self._place_slider()
        self.valueChanged(value)

    def _slider_moved(self, position: int) -> None:
        low, high = self._box.minimum, self._box.maximum
        self._box.setValue(low + (high - low) * position / 1000)

    def _place_slider(self) -> None:
        low, high = self._box.minimum, self._box.maximum
        self._slider.setValue(round(1000 * (self._box.value - low) / (high - low)) if high > low else 0)

    def _limit(self, name: str, value: float) -> None:
        setattr(self._box, name, float(value))
        self._place_slider()

    value = _of_box("value", "double")
    decimals, singleStep = _of_box("decimals", "int"), _of_box("singleStep", "double")
    prefix, suffix = _of_box("prefix", "QString"), _of_box("suffix", "QString")
    minimum = QtCore.Property(
        "double", lambda self: self._box.minimum, lambda self, v: self._limit("minimum", v)
    )
    maximum = QtCore.Property(
        "double", lambda self: self._box.maximum, lambda self, v: self._limit("maximum", v)
    )
    pageStep = stored("pageStep", float, 10.0)
    tickInterval = stored("tickInterval", float, 0.0)
    tracking = stored("tracking", bool, True)
    spinBoxVisible = stored(
        "spinBoxVisible", bool, True, lambda self: self._box.setVisible(self.spinBoxVisible)
    )

    @QtCore.Slot(float)
    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    @QtCore.Slot()
    def reset(self) -> None:
        self._box.setValue(0.0)


@native
class ctkRangeWidget(QtWidgets.QWidget):
    """Two numbers, the first not above the second."""

    valuesChanged = QtCore.Signal(float, float)
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        low, high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for box in (low, high):
            box.setRange(0.0, 99.0)
            layout.addWidget(box)
        high.setValue(99.0)
        self.__dict__.update(_low=low, _high=high)
        low.valueChanged.connect(lambda value: self._changed(self.minimumValueChanged, value))
        high.valueChanged.connect(lambda value: self._changed(self.maximumValueChanged, value))

    def _changed(self, signal: Any, value: float) -> None:
        self._low.setMaximum(self._high.value)
        self._high.setMinimum(self._low.value)
        signal(value)
        self.valuesChanged(self._low.value, self._high.value)

    def _set_both(self, name: str, value: float) -> None:
        for box in (self._low, self._high):
            setattr(box, name, float(value))

    minimum = QtCore.Property(
        "double", lambda self: self._low.minimum, lambda self, v: self._low.setMinimum(float(v))
    )
    maximum = QtCore.Property(
        "double", lambda self: self._high.maximum, lambda self, v: self._high.setMaximum(float(v))
    )
    minimumValue = QtCore.Property(
        "double", lambda self: self._low.value, lambda self, v: self._low.setValue(float(v))
    )
    maximumValue = QtCore.Property(
        "double", lambda self: self._high.value, lambda self, v: self._high.setValue(float(v))
    )
    decimals = QtCore.Property(
        "int", lambda self: self._low.decimals, lambda self, v: self._set_both("decimals", v)
    )
    singleStep = QtCore.Property(
        "double", lambda self: self._low.singleStep, lambda self, v: self._set_both("singleStep", v)
    )

    @QtCore.Slot(float, float)
    def setValues(self, low: float, high: float) -> None:
        self._low.setValue(low)
        self._high.setValue(high)


@native
class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):
    """A spin box of CTK; its conversions of units are left out."""


@native
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that shows a text while nothing is chosen."""

    defaultText = stored("defaultText", str, "")
    forceDefault = stored("forceDefault", bool, False)


@native
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box with "do not show again"."""

    dontShowAgainSettingsKey = stored("dontShowAgainSettingsKey", str, "")
    dontShowAgainVisible = stored("dontShowAgainVisible", bool, False)
    dontShowAgain = stored("dontShowAgain", bool, False)
