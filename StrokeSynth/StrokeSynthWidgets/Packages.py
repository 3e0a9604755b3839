"""The few packages that Slicer does not bring: which are missing, and how they are installed."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import slicer

try:
    from packaging.requirements import Requirement
except ImportError:  # not in every Slicer; pip always is
    from pip._vendor.packaging.requirements import Requirement  # type: ignore[no-redef]

try:  # from Slicer 5.12 on
    from slicer import packaging as slicerPackaging
except ImportError:
    slicerPackaging = None

REQUESTER = "StrokeSynth"


def requirements(path: Path) -> list[Requirement]:
    """The requirements of a file; comments and blank lines are left out."""
    if not path.is_file():
        return []
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line]


def missingPackages(path: Path) -> list[str]:
    """What is not installed in a fitting version."""
    return [str(requirement) for requirement in requirements(path) if not _isThere(requirement)]


def installPackages(path: Path) -> None:
    """Install what is missing, after asking the user; in a button's handler only, on the main thread.

    Raises
    ------
    RuntimeError
        When the user declines or the installation fails.
    """
    missing = missingPackages(path)
    if not missing:
        return
    if slicerPackaging is not None:
        slicerPackaging.pip_ensure(missing, requester=REQUESTER)
        return
    if slicer.util.confirmOkCancelDisplay("\n".join(missing), f"{REQUESTER} - pip install"):
        slicer.util.pip_install(missing)


def _isThere(requirement: Requirement) -> bool:
    if slicerPackaging is not None:
        return bool(slicerPackaging.pip_check(requirement))
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return importlib.metadata.version(requirement.name) in requirement.specifier
    except importlib.metadata.PackageNotFoundError:
        return False
