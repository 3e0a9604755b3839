"""Where the panel's things lie on this computer: Python, jobs, trained models. No Qt."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import slicer

#: Environment variable that names another folder for jobs and trained models.
HOME_VARIABLE = "STROKESYNTH_HOME"


def pythonExecutable() -> str:
    """The Python that has Slicer's packages; ``sys.executable`` may be Slicer itself."""
    found = shutil.which("PythonSlicer")
    if found:
        return found
    beside = Path(slicer.app.slicerHome) / "bin" / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
    return str(beside) if beside.is_file() else sys.executable


def dataFolder() -> Path:
    """Of this user: jobs and trained models lie in it. It need not exist yet."""
    if os.environ.get(HOME_VARIABLE):
        return Path(os.environ[HOME_VARIABLE])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "StrokeSynth"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "StrokeSynth"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "StrokeSynth"


def jobsFolder() -> Path:
    """Where long jobs leave their records, so that they are found again."""
    return dataFolder() / "jobs"


def modelsFolder() -> Path:
    """Where trained models are looked for."""
    return dataFolder() / "models"
