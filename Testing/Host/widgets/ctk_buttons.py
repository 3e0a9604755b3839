"""ctkCollapsibleButton, ctkDirectoryButton, ctkPathLineEdit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .base import native, stored


@native
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows or hides what lies under it. Children hidden on purpose stay hidden."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        parent = arguments[-1] if arguments and not isinstance(arguments[-1], str) else None
        super().__init__(parent)
        self.__dict__["_hidden"] = []
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, self._header_height(), 0, 0)
        self.toggled.connect(self._toggled)

    collapsed = QtCore.Property(
        "bool", lambda self: not self.checked, lambda self, value: self.setChecked(not value)
    )
    collapsedHeight = stored("collapsedHeight", int, 10)
    contentsFrameShape = stored("contentsFrameShape", int, 0)
    contentsLineWidth = stored("contentsLineWidth", int, 1)

    def _header_height(self) -> int:
        return QtGui.QFontMetrics(self.font).height() + 8

    def _toggled(self, opened: bool) -> None:
        children = [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]
        if opened:
            for child in children:
                if child in self.__dict__["_hidden"]:
                    child.show()
            self.__dict__["_hidden"] = []
        else:
            self.__dict__["_hidden"] = [child for child in children if not child.isHidden()]
            for child in self.__dict__["_hidden"]:
                child.hide()
        self.updateGeometry()
        self.contentsCollapsed(not opened)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if event.polished() and isinstance(child, QtWidgets.QWidget) and not self.checked:
            child.hide()
            self.__dict__["_hidden"].append(child)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._header_height()

    def minimumSizeHint(self) -> QtCore.QSize:
        header = QtCore.QSize(
            QtGui.QFontMetrics(self.font).horizontalAdvance(self.text) + 40, self._header_height()
        )
        if not self.checked or self.layout() is None:
            return header + QtCore.QSize(0, self.collapsedHeight if not self.checked else 0)
        return self.layout().totalMinimumSize().expandedTo(header)

    def sizeHint(self) -> QtCore.QSize:
        if not self.checked or self.layout() is None:
            return self.minimumSizeHint()
        return self.layout().totalSizeHint().expandedTo(self.minimumSizeHint())

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        header = QtCore.QRect(0, 0, self.width, self._header_height())
        box = QtWidgets.QStyleOptionButton()
        box.initFrom(self)
        box.rect = header
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, box)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(8, header.height() // 2 - 5, 10, 10)
        shape = (
            QtWidgets.QStyle.PE_IndicatorArrowDown
            if self.checked
            else QtWidgets.QStyle.PE_IndicatorArrowRight
        )
        painter.drawPrimitive(shape, arrow)
        painter.drawText(
            header.adjusted(26, 0, -4, 0), int(QtCore.Qt.AlignVCenter | QtCore.Qt.TextShowMnemonic), self.text
        )
        painter.end()


class _PathWidget(QtWidgets.QWidget):
    """A line and a "..." button."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        line, browse = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        browse.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(line)
        layout.addWidget(browse)
        self.__dict__.update(_line=line, _browse=browse)


@native
class ctkPathLineEdit(_PathWidget):
    """A line for a path, with a button that asks for it."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    # Values of ctkPathLineEdit::Filter
    Dirs, Files, Drives, NoSymLinks, AllEntries = 1, 2, 4, 8, 7
    Readable, Writable, Executable, Hidden = 16, 32, 64, 256

    def __init__(self, *arguments: Any) -> None:
        super().__init__(arguments[-1] if len(arguments) in (1, 4) else None)
        self._line.textChanged.connect(lambda text: self.currentPathChanged(text))
        self._browse.clicked.connect(self.browse)

    currentPath = QtCore.Property(
        "QString", lambda self: self._line.text, lambda self, path: self._line.setText(path)
    )
    label = stored("label", str, "")
    filters = stored("filters", int, 7)
    nameFilters = stored("nameFilters", list, [])
    settingKey = stored("settingKey", str, "")
    showBrowseButton = stored(
        "showBrowseButton", bool, True, lambda self: self._browse.setVisible(self.showBrowseButton)
    )
    showHistoryButton = stored("showHistoryButton", bool, True)

    @QtCore.Slot(str)
    def setCurrentPath(self, path: str) -> None:
        self._line.setText(path)

    @QtCore.Slot()
    def browse(self) -> None:
        dialog = QtWidgets.QFileDialog
        if not self.filters & self.Files:
            path = dialog.getExistingDirectory(self, self.label or "Select a folder", self.currentPath)
        elif self.filters & self.Writable:
            path = dialog.getSaveFileName(self, self.label or "Save a file", self.currentPath)
        else:
            path = dialog.getOpenFileName(self, self.label or "Open a file", self.currentPath)
        if path:
            self.setCurrentPath(path)

    @QtCore.Slot()
    def addCurrentPathToHistory(self) -> None:
        pass

    @QtCore.Slot()
    def retrieveHistory(self) -> None:
        pass


@native
class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and asks for another."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    def __init__(self, *arguments: Any) -> None:
        folder = next((a for a in arguments if isinstance(a, str)), str(Path.cwd()))
        super().__init__(arguments[-1] if arguments and not isinstance(arguments[-1], str) else None)
        button = QtWidgets.QPushButton()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(button)
        self.__dict__.update(_button=button, _folder=folder)
        button.clicked.connect(self.browse)
        self._show()

    def _show(self) -> None:
        self._button.setText(self.text or self._folder)

    def _set_directory(self, path: str) -> None:
        folder = str(Path(path or ".").absolute())
        changed, self.__dict__["_folder"] = folder != self._folder, folder
        self._show()
        if changed:
            self.directoryChanged(folder)
        self.directorySelected(folder)

    directory = QtCore.Property(
        "QString", lambda self: self._folder, lambda self, path: self._set_directory(path)
    )
    caption = stored("caption", str, "")
    text = stored("text", str, "", lambda self: self._show())

    @QtCore.Slot()
    def browse(self) -> str:
        title = self.caption or self.toolTip or "Select a folder"
        path = QtWidgets.QFileDialog.getExistingDirectory(self, title, self._folder)
        if path:
            self._set_directory(path)
        return path
