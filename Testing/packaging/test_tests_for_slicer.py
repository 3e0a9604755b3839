"""Tests of the scene layer can be started by Slicer itself, which knows unittest only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from .file_lists import ROOT

FOLDER = ROOT / "Testing" / "scene"
#: As slicer.testing.runUnitTest does it.
COUNT = """
import sys, unittest
sys.path.append(sys.argv[1])
print(unittest.TestLoader().loadTestsFromName("SceneTests").countTestCases())
"""


def test_slicer_finds_every_test(tmp_path: Path) -> None:
    expected = sum(
        isinstance(item, ast.FunctionDef) and item.name.startswith("test")
        for path in FOLDER.glob("test_*.py")
        for case in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(case, ast.ClassDef)
        for item in case.body
    )
    counted = subprocess.run(
        [sys.executable, "-P", "-c", COUNT, str(FOLDER)] if sys.version_info >= (3, 11)
        else [sys.executable, "-c", COUNT, str(FOLDER)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert counted.returncode == 0, counted.stderr
    assert int(counted.stdout) == expected > 50


def test_they_use_nothing_that_slicer_lacks() -> None:
    for path in FOLDER.glob("test_*.py"):
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        assert not imported & {"pytest", "hypothesis", "PIL", "torch", "matplotlib"}, path.name
