"""slicer.modules, moduleManager(), main window: modules are loaded, shown, unloaded as in Slicer."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from ..strictqt.classes import mark_native
from ..widgets.base import stored
from ..widgets.mrml_basics import qMRMLWidget


class LoadableModule:
    """A module of C++: `slicer.modules.volumes.logic()`."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name, self._logic = name, logic

    def logic(self) -> Any:
        return self._logic


@mark_native
class qSlicerScriptedLoadableModule(QtCore.QObject):
    """What the class of a scripted module gets as its parent and describes itself on."""

    title = stored("title", str, "")
    name = stored("name", str, "")
    path = stored("path", str, "")
    categories = stored("categories", list, [])
    dependencies = stored("dependencies", list, [])
    contributors = stored("contributors", list, [])
    helpText = stored("helpText", str, "")
    acknowledgementText = stored("acknowledgementText", str, "")
    associatedNodeTypes = stored("associatedNodeTypes", list, [])
    hidden = stored("hidden", bool, False)
    widgetRepresentationCreationEnabled = stored("widgetRepresentationCreationEnabled", bool, True)
    icon = QtCore.Property("QIcon", lambda self: self._icon, lambda self, icon: self._set_icon(icon))

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(_icon=None, _widget=None, _source=None)

    def _set_icon(self, icon: Any) -> None:
        self.__dict__["_icon"] = icon

    def widgetRepresentation(self) -> Any:
        if self._widget is None:
            self.__dict__["_widget"] = qSlicerScriptedLoadableModuleWidget(self)
        return self._widget

    def logic(self) -> Any:
        return None


@mark_native
class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """Holds what the module's ...Widget class sets up."""

    def __init__(self, module: qSlicerScriptedLoadableModule) -> None:
        super().__init__()
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        widget = getattr(module._source, f"{module.name}Widget")(self)
        setattr(slicer.modules, f"{module.name}Widget", widget)
        self.__dict__["_python"] = widget
        widget.setup()
        self.layout().addStretch(1)

    def self(self) -> Any:
        return self._python


@mark_native
class qSlicerModuleManager(QtCore.QObject):
    """Loads scripted modules from their files, and unloads all."""

    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self, core: Any) -> None:
        super().__init__()
        slicer.modules = types.SimpleNamespace()
        slicer.moduleNames = types.SimpleNamespace()
        slicer.selfTests = {}
        for name, logic in core.moduleLogics.items():
            setattr(slicer.modules, name.lower(), LoadableModule(name, logic))
        self.__dict__.update(_modules={}, _current="", _added=[])

    def _load(self, path: Path) -> qSlicerScriptedLoadableModule:
        name, folder = path.stem, str(path.parent)
        if folder not in sys.path:  # only the module's own folder, as in Slicer
            sys.path.insert(0, folder)
            self._added.append(folder)
        specification = importlib.util.spec_from_file_location(name, path)
        source = importlib.util.module_from_spec(specification)
        sys.modules[name] = source
        specification.loader.exec_module(source)
        module = qSlicerScriptedLoadableModule()
        module.path, module.name = str(path), name
        module.__dict__["_source"] = source
        instance = getattr(source, name)(module)
        setattr(slicer.modules, name.lower(), module)
        setattr(slicer.modules, f"{name}Instance", instance)
        setattr(slicer.moduleNames, name, name)
        self._modules[name] = module
        self.moduleLoaded(name)
        return module

    def module(self, name: str) -> Any:
        return self._modules.get(name) or getattr(slicer.modules, name.lower(), None)

    def modulesNames(self) -> list[str]:
        return list(self._modules)

    def _enter(self, name: str) -> None:
        if name == self._current:
            return
        self._exit()
        widget = self._modules[name].widgetRepresentation()
        self.__dict__["_current"] = name
        widget.show()
        getattr(widget.self(), "enter", lambda: None)()

    def _exit(self) -> None:
        if self._current:
            widget = self._modules[self._current].widgetRepresentation()
            getattr(widget.self(), "exit", lambda: None)()
            widget.hide()
        self.__dict__["_current"] = ""

    def _unload_all(self) -> None:
        self._exit()
        for name, module in self._modules.items():
            self.moduleAboutToBeUnloaded(name)
            widget = module.__dict__["_widget"]
            if widget is not None:
                widget.hide()
                widget.deleteLater()
            folder = str(Path(module.path).parent)
            for loaded in [n for n, m in sys.modules.items() if _is_below(m, folder)]:
                del sys.modules[loaded]
        self._modules.clear()
        for folder in self._added:
            sys.path.remove(folder)


def _is_below(module: Any, folder: str) -> bool:
    return str(getattr(module, "__file__", "") or "").startswith(folder + "/")


@mark_native
class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    """Where the user picks a module."""

    moduleSelected = QtCore.Signal(str)
    selectedModule = QtCore.Property("QString", lambda _self: slicer.app.moduleManager()._current)

    def selectModule(self, name: str) -> None:
        slicer.app.moduleManager()._enter(name)
        self.moduleSelected(name)


@mark_native
class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The main window: a module selector and a status bar."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.__dict__["_selector"] = qSlicerModuleSelectorToolBar(self)

    def moduleSelector(self) -> qSlicerModuleSelectorToolBar:
        return self._selector
