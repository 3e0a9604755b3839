"""All tests of the scene layer as one unittest module, for Slicer (``slicer_add_python_unittest``).

In Slicer's Python console, after ``import slicer.testing`` and with this file's folder:
``slicer.testing.runUnitTest([FOLDER], "SceneTests")``.
"""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent
_ROOT = _FOLDER.parents[1]


def load_tests(
    loader: unittest.TestLoader, standard: unittest.TestSuite, pattern: str | None
) -> unittest.TestSuite:
    """Those of the ``test_*.py`` files beside this one, imported as parts of the package Testing."""
    if str(_ROOT) not in sys.path:
        sys.path.append(str(_ROOT))
    names = sorted(path.stem for path in _FOLDER.glob("test_*.py"))
    return loader.loadTestsFromNames([f"Testing.scene.{name}" for name in names])
