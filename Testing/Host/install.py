"""Puts the stand-ins where a module looks for them: `qt`, `ctk`, and what slicer-core leaves out of `slicer`.

Once in a process; it cannot be taken back.
"""

from __future__ import annotations

import importlib
import os
import sys
import types

#: Debian packages that PySide6 and off-screen pictures need.
DEBIAN_PACKAGES = "libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0 libxkbcommon0 libfontconfig1 libdbus-1-3"

_installed = False


def missing() -> str | None:
    """Why the host cannot run here, or None."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    for name in ("slicer", "PySide6.QtWidgets", "PySide6.QtUiTools"):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            return f'{error}; pip install "StrokeSynthLib[host]", apt-get install {DEBIAN_PACKAGES}'
        if name == "slicer" and not hasattr(module, "vtkMRMLScene"):
            return 'the package slicer here is another one; pip install "StrokeSynthLib[host]"'
    return None


def install() -> None:
    """Make `import qt, ctk, slicer` give what a module gets in Slicer, as far as this host goes."""
    global _installed
    if _installed:
        return
    _installed = True
    import slicer
    import slicer.util

    from .strictqt import make_qt

    # slicer-core copies every name of slicer.util into slicer; Slicer does not.
    for name, value in list(vars(slicer.util).items()):
        if not name.startswith("__") and vars(slicer).get(name) is value:
            delattr(slicer, name)
    sys.modules["qt"] = make_qt()

    from .strictqt.ui_files import custom_widgets

    for name in ("ctk_buttons", "ctk_numbers", "mrml_basics", "node_selector", "segment_editor"):
        importlib.import_module(f"{__package__}.widgets.{name}")
    ctk = types.ModuleType("ctk", "Stand-in for CTK's widgets.")
    sys.modules["ctk"] = ctk
    for name, cls in custom_widgets.items():
        setattr(ctk if name.startswith("ctk") else slicer, name, cls)

    from .application import layout, modules

    for module in (layout, modules):
        for name, cls in vars(module).items():
            if name.startswith(("qMRML", "qSlicer")):
                setattr(slicer, name, cls)

    from .slicer_python import packages, scripted_module, translation, wrapper

    for name, module in (
        ("ScriptedLoadableModule", scripted_module),
        ("i18n", translation),
        ("packaging", packages),
        ("parameterNodeWrapper", wrapper),
    ):
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
