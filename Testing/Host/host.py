"""One run of the application in a test: its scene, its modules, and what a user does."""

from __future__ import annotations

import contextlib
import gc
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer
import slicer.util
from PySide6 import QtCore, QtTest

from .application import messages
from .application.app import application
from .application.core import Core
from .application.layout import qSlicerLayoutManager
from .application.modules import qSlicerMainWindow, qSlicerModuleManager
from .application.storage import qSlicerCoreIOManager
from .painting import paint_stroke
from .problems import problems
from .slicer_python import packages, translation
from .strictqt.dialogs import dialogs
from .strictqt.signals import forget_connections
from .strictqt.special import forget_timers


class Host:
    """A fresh application. `slicer.app`, `slicer.mrmlScene` and the rest are set until end()."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        messages.watch()
        problems.take()
        with messages.silenced():
            self.core = Core(folder / "core")
        self.app = application()
        slicer.app, slicer.mrmlScene = self.app, self.core.scene
        self.layout = qSlicerLayoutManager(self.core)
        self.modules = qSlicerModuleManager(self.core)
        managers = {
            "layout": self.layout,
            "modules": self.modules,
            "storage": qSlicerCoreIOManager(self.core),
        }
        self.app.begin(folder, self.core, managers)
        self.window = qSlicerMainWindow()
        packages.installer.__init__()
        translation.mark = ""
        self._others: list[Core] = []
        self._ended = False
        self._hook, sys.excepthook = sys.excepthook, self._exception_outside_slots
        self.app.processEvents()

    # Modules

    def load_module(self, path: Path | str) -> Any:
        """Load a module from its .py file, as Slicer at its start; returns its ...Widget, entered."""
        name = Path(path).stem
        self.modules._load(Path(path))
        self.app.startupCompleted()
        self.enter(name)
        return slicer.util.getModuleWidget(name)

    def enter(self, name: str) -> None:
        """Switch to a module; the one before gets exit()."""
        slicer.util.selectModule(name)
        self.process()

    # Actions of the user

    def click(self, button: Any) -> None:
        """Click a button that can be seen and is enabled."""
        self._reachable(button)
        button.click()
        self.process()

    def choose(self, selector: Any, choice: Any) -> None:
        """Pick a node (or None) in a node selector, or an entry by its text in a combo box."""
        self._reachable(selector)
        if isinstance(selector, slicer.qMRMLNodeComboBox):
            entries = [target for _, target in selector.__dict__["_entries"]]
            assert choice in entries, f"{selector.name} does not offer {choice and choice.GetName()}"
            box, index = selector.__dict__["_box"], entries.index(choice)
        else:
            box, index = selector, selector.findText(choice)
            offered = [selector.itemText(i) for i in range(selector.count)]
            assert index >= 0, f"{selector.name} does not offer {choice!r} but {offered}"
        box.setCurrentIndex(index)
        box.activated(index)
        self.process()

    def type(self, widget: Any, text: str) -> None:
        """Replace the text of a line, spin box or text field, key by key, and leave it."""
        self._reachable(widget)
        inner = (
            widget.findChild(qt.QLineEdit) if not isinstance(widget, (qt.QLineEdit, qt.QTextEdit)) else widget
        )
        inner.selectAll()
        QtTest.QTest.keyClicks(inner, text) if text else inner.clear()
        if isinstance(widget, qt.QAbstractSpinBox):
            widget.interpretText()
        if not isinstance(inner, qt.QTextEdit):
            inner.editingFinished()
        self.process()

    def toggle(self, section: Any, opened: bool = True) -> None:
        """Open or close a ctkCollapsibleButton."""
        assert isinstance(section, ctk.ctkCollapsibleButton), section
        if section.collapsed == opened:
            self.click(section)

    def paint(self, editor: Any, *points: tuple[float, float, float], view: str = "Red") -> int:
        """One stroke of the active effect through world points (RAS mm); returns its number of voxels."""
        changed = paint_stroke(editor, points, view)
        self.process()
        return changed

    def answer(self, value: Any, text: str = "") -> None:
        """What the user will answer to the next modal dialog with this text; see strictqt/dialogs.py."""
        dialogs.answer(value, text)

    @property
    def dialogs_shown(self) -> list[str]:
        return dialogs.shown

    def _reachable(self, widget: Any) -> None:
        name = f"{widget.className()} {widget.name}"
        assert widget.isVisible(), f"{name} cannot be seen: is its section open, its module entered?"
        assert widget.isEnabled(), f"{name} is disabled: {widget.toolTip or 'without a tooltip'}"

    # Time

    def process(self) -> None:
        """Let Qt deliver what waits; problems fail here."""
        self.app.processEvents()
        self.check()

    def wait_until(self, condition: Callable[[], Any], seconds: float = 10.0, what: str = "") -> Any:
        """Run the event loop until the condition holds; returns its value."""
        end = time.monotonic() + seconds
        while True:
            self.process()
            value = condition()
            if value:
                return value
            assert time.monotonic() < end, f"waited {seconds} s in vain for {what or condition}"
            time.sleep(0.005)

    def wait(self, seconds: float) -> None:
        """Run the event loop for so long."""
        end = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= end, seconds + 10)

    # The scene

    def save_scene(self, name: str = "scene.mrb") -> Path:
        """Save everything in a bundle."""
        path = self.folder / name
        assert slicer.util.saveScene(str(path)), f"{path} was not saved"
        self.process()
        return path

    def close_scene(self) -> None:
        """File > Close scene."""
        slicer.mrmlScene.Clear(0)
        self.process()

    def load_scene(self, path: Path) -> None:
        """Close the scene and load another."""
        self.close_scene()
        slicer.util.loadScene(str(path))
        self.process()

    def other_scene(self) -> Any:
        """A second scene with its own logics; what is done there must not show here."""
        with messages.silenced():
            self._others.append(Core(self.folder / f"other-{len(self._others)}"))
        return self._others[-1].scene

    # Pictures

    def grab(self, widget: Any, path: Path | None = None) -> Path:
        """A picture of a widget as PNG."""
        path = path or self.folder / f"{widget.name or widget.className()}.png"
        self.process()
        assert widget.grab().save(str(path)), f"{path} was not written"
        return path

    def render_slice(self, view: str = "Red", path: Path | None = None) -> Path:
        """A picture of a slice view as PNG, rendered by Slicer's displayable managers."""
        from .rendering import render_slice

        path = path or self.folder / f"{view}.png"
        render_slice(self.layout.sliceWidget(view).sliceLogic(), path)
        self.check()
        return path

    def render_3d(self, path: Path | None = None, size: tuple[int, int] = (400, 400)) -> Path:
        """A picture of the first 3D view as PNG."""
        from .rendering import render_3d

        path = path or self.folder / "3D.png"
        render_3d(self.layout.threeDWidget(0).mrmlViewNode(), path, size)
        self.check()
        return path

    def render_plot(self, chart: Any, path: Path | None = None, size: tuple[int, int] = (480, 320)) -> Path:
        """A picture of a plot chart node as PNG."""
        from .rendering import render_plot

        path = path or self.folder / "plot.png"
        render_plot(chart, path, size)
        self.check()
        return path

    # Problems

    def check(self) -> None:
        """Fail for exceptions in slots and observers, errors of VTK, warnings of Qt, unanswered dialogs."""
        texts = problems.take()
        assert not texts, "\n".join(["the application reports:", *texts])

    @contextlib.contextmanager
    def expect_problem(self, pattern: str) -> Iterator[None]:
        """For a test of what goes wrong: exactly this must be reported within the block."""
        self.check()
        try:
            yield
        except AssertionError as error:
            if not str(error).startswith("the application reports:"):
                raise
            problems.texts.insert(0, str(error))
        self.app.processEvents()
        texts = problems.take()
        assert texts, f"nothing was reported, expected {pattern!r}"
        for text in texts:
            assert re.search(pattern, text), f"reported: {text}, expected {pattern!r}"

    def _exception_outside_slots(self, _kind: Any, error: BaseException, _traceback: Any) -> None:
        problems.add_exception("callback of VTK or Qt", error)

    def end(self) -> None:
        """Unload the modules, delete the widgets, let go of the scenes; then report problems."""
        if self._ended:
            return
        self._ended = True
        held = [name for module in self.modules._modules.values() for name in _held_widgets(module)]
        self.modules._unload_all()
        self.window.deleteLater()
        forget_timers()
        self.app.processEvents()
        forget_connections()
        self.layout.end()
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
        sys.excepthook = self._hook
        unused = dialogs.take_unused()
        with messages.silenced():
            for core in [*self._others, self.core]:
                core.end()
        self.app.end()
        gc.collect()
        if held:
            problems.add(f"globals that still hold widgets, which crashes Slicer at its exit: {held}")
        if unused:
            problems.add(f"dialogs that were to be answered never came: {unused}")
        self.check()


def _held_widgets(module: Any) -> list[str]:
    """Widgets in the globals of a module's files."""
    folder = str(Path(module.path).parent)
    return [
        f"{source.__name__}.{name}"
        for source in list(sys.modules.values())
        if str(getattr(source, "__file__", "") or "").startswith(folder + "/")
        for name, value in vars(source).items()
        if isinstance(value, qt.QObject)
    ]
