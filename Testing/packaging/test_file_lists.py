"""Everything that belongs to the extension is listed in CMake, and nothing else."""

from __future__ import annotations

import pytest

from .file_lists import MODULES, listed, present


@pytest.mark.parametrize("module", MODULES)
def test_cmake_lists_every_file_of_the_tree(module: str) -> None:
    lists = listed(module)
    assert set(lists) == {"MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"}
    names = [name for each in lists.values() for name in each]
    advice = "run: python -m Testing.packaging.file_lists"
    assert sorted(present(module) - set(names)) == [], f"not shipped; {advice}"
    assert sorted(set(names) - present(module)) == [], f"not there; {advice}"
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", MODULES)
def test_scripts_are_python_and_no_file_has_a_blank_in_its_name(module: str) -> None:
    lists = listed(module)
    assert all(name.endswith(".py") for name in lists["MODULE_PYTHON_SCRIPTS"])
    assert not any(name.endswith(".py") for name in lists["MODULE_PYTHON_RESOURCES"])
    assert not any(" " in name or ";" in name for name in present(module))


def test_only_the_module_itself_lies_in_the_modules_folder() -> None:
    """Slicer takes every .py directly in a module path for a module."""
    assert [name for name in present("StrokeSynth") if "/" not in name and name.endswith(".py")] == [
        "StrokeSynth.py"
    ]
