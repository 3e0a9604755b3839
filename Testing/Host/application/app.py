"""slicer.app: a real QApplication with what modules ask qSlicerApplication for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from ..strictqt.classes import mark_native

VERSION = (5, 12)


@mark_native
class qSlicerApplication(QtWidgets.QApplication):
    """One in a process; what belongs to one test is given by begin() and taken by end()."""

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)

    def begin(self, folder: Path, core: Any, managers: dict[str, Any]) -> None:
        for name in ("home", "temporary", "settings"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        ini = QtCore.QSettings.IniFormat
        QtCore.QSettings.setDefaultFormat(ini)
        QtCore.QSettings.setPath(ini, QtCore.QSettings.UserScope, str(folder / "settings"))
        self.__dict__.update(
            _folder=folder,
            _core=core,
            _managers=managers,
            _settings=QtCore.QSettings(str(folder / "settings" / "Slicer.ini"), ini),
            _testing=False,
            _paused=0,
        )

    def end(self) -> None:
        for name in ("_core", "_managers", "_settings"):
            self.__dict__.pop(name, None)

    slicerHome = QtCore.Property("QString", lambda self: str(self._folder / "home"))
    temporaryPath = QtCore.Property("QString", lambda self: str(self._folder / "temporary"))
    documentationBaseUrl = QtCore.Property(
        "QString", lambda _self: "https://slicer.readthedocs.io/en/latest/"
    )
    majorVersion = QtCore.Property("int", lambda _self: VERSION[0])
    minorVersion = QtCore.Property("int", lambda _self: VERSION[1])
    os = QtCore.Property("QString", lambda _self: "linux")
    arch = QtCore.Property("QString", lambda _self: "amd64")
    revision = QtCore.Property("QString", lambda _self: "0")

    def mrmlScene(self) -> Any:
        return self._core.scene

    def applicationLogic(self) -> Any:
        return self._core.applicationLogic

    def mrmlApplicationLogic(self) -> Any:
        return self._core.applicationLogic

    def layoutManager(self) -> Any:
        return self._managers["layout"]

    def moduleManager(self) -> Any:
        return self._managers["modules"]

    def coreIOManager(self) -> Any:
        return self._managers["storage"]

    def ioManager(self) -> Any:
        return self._managers["storage"]

    def settings(self) -> QtCore.QSettings:
        return self._settings

    userSettings = revisionUserSettings = settings

    def testingEnabled(self) -> bool:
        return self._testing

    def pauseRender(self) -> None:
        self.__dict__["_paused"] += 1

    def resumeRender(self) -> None:
        self.__dict__["_paused"] -= 1

    def moduleDocumentationUrl(self, module: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{module.lower()}.html"

    def isInstalled(self) -> bool:
        return True

    def setRenderPaused(self, pause: bool) -> None:
        (self.pauseRender if pause else self.resumeRender)()


def application() -> qSlicerApplication:
    """The one of this process."""
    existing = QtWidgets.QApplication.instance()
    if existing is None:
        existing = qSlicerApplication(["Slicer"])
        existing.setApplicationName("Slicer")
        existing.setApplicationVersion("5.12.0-2026-01-01")
        existing.setOrganizationName("NA-MIC")
        existing.setQuitOnLastWindowClosed(False)
    return existing
