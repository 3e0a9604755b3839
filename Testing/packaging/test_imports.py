"""What the panel and the scene layer may import. (The library's own rules are in pyproject.toml.)"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from .file_lists import ROOT

PANEL = sorted((ROOT / "StrokeSynth").rglob("*.py"))
SCENE = sorted((ROOT / "StrokeSynthLib" / "scene").glob("*.py"))
#: Of the library, in the panel: what works before anything is installed.
LIBRARY = ("", "errors", "files", "progress", "schema", "volume", "jobs", "scene")
#: Beside the standard library, at the top of the panel's files; Slicer has all of them.
AT_THE_TOP = {
    "StrokeSynthLib", "StrokeSynthWidgets", "ctk", "numpy", "packaging", "pip", "qt", "slicer", "vtk",
}  # fmt: skip
NEVER = {"torch", "monai", "onnxruntime", "onnx", "safetensors", "matplotlib", "nibabel", "PySide6"}
#: Packages that a fresh Slicer lacks, and some that only need not be loaded for a panel to open.
NOT_INSTALLED = sorted(NEVER | {"scipy", "SimpleITK"})


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PANEL, ids=name)
def test_panel_imports_of_the_library_only_what_needs_no_installation(path: Path) -> None:
    for module, _ in imports(path):
        if module.split(".")[0] == "StrokeSynthLib":
            parts = module.split(".")
            assert (parts[1] if len(parts) > 1 else "") in LIBRARY, f"{name(path)} imports {module}"
            assert parts[:3] != ["StrokeSynthLib", "jobs", "operations"], f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", PANEL, ids=name)
def test_panel_imports_nothing_at_the_top_that_has_to_be_installed(path: Path) -> None:
    for module, at_the_top in imports(path):
        root = module.split(".")[0]
        assert root not in NEVER, f"{name(path)} imports {module}"
        if at_the_top and root not in sys.stdlib_module_names:
            assert root in AT_THE_TOP, f"{name(path)} imports {module} at its top"


@pytest.mark.parametrize("path", [p for p in PANEL if p.stem.endswith("Logic")], ids=name)
def test_logic_never_touches_qt(path: Path) -> None:
    assert not {"qt", "ctk"} & {module.split(".")[0] for module, _ in imports(path)}


@pytest.mark.parametrize("path", SCENE, ids=name)
def test_scene_layer_never_touches_qt(path: Path) -> None:
    assert not {"qt", "ctk"} & {module.split(".")[0] for module, _ in imports(path)}


@pytest.mark.parametrize("path", [*PANEL, *SCENE], ids=name)
def test_names_of_slicers_utilities_are_taken_from_slicer_util(path: Path) -> None:
    """slicer-core copies them onto ``slicer``; Slicer does not."""
    names = utilities()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "slicer":
            assert node.attr not in names, f"{name(path)}: slicer.{node.attr} is slicer.util.{node.attr}"


def test_scene_layer_opens_when_nothing_is_installed() -> None:
    if find_spec("slicer") is None:
        pytest.skip("slicer-core is not installed")
    modules = [f"StrokeSynthLib.scene.{path.stem}" for path in SCENE if path.stem != "__init__"]
    code = f"""
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {NOT_INSTALLED}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name)

sys.meta_path.insert(0, Absent())
for name in {modules}:
    importlib.import_module(name)
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Names of what a file imports, and whether at its top level (``try`` blocks count)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree) if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for imported in names:
            yield imported, id(node) not in inside


def utilities() -> set[str]:
    """Functions of slicer.util, read from its source."""
    spec = find_spec("slicer")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("slicer-core is not installed")
    source = Path(spec.submodule_search_locations[0]) / "util.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
