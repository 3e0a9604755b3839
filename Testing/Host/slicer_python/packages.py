"""slicer.packaging of Slicer 5.12: it asks the user, then records what it would install."""

from __future__ import annotations

import importlib.metadata
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import InvalidRequirement, Requirement


class Installer:
    """What was installed in this test. A test may declare packages absent, or set a failure."""

    def __init__(self) -> None:
        self.installed: list[str] = []
        self.absent: set[str] = set()
        self.failure: Exception | None = None


installer = Installer()


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements of a file."""
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _to_requirements(wanted: Any) -> list[Requirement]:
    if isinstance(wanted, Requirement):
        return [wanted]
    if isinstance(wanted, str):
        try:
            return [Requirement(wanted)]
        except InvalidRequirement:
            return [Requirement(text) for text in wanted.split()]
    if isinstance(wanted, list):
        return [Requirement(item) if isinstance(item, str) else item for item in wanted]
    raise TypeError(f"text, Requirement or list is needed, not {type(wanted).__name__}")


def _is_there(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return requirement.name in {Requirement(text).name for text in installer.installed}
    return requirement.name not in installer.absent and version in requirement.specifier


def pip_check(req: Any) -> bool:
    """Whether all are installed in fitting versions."""
    return all(_is_there(requirement) for requirement in _to_requirements(req))


def pip_install(
    requirements: str | list[str], constraints: str | Path | None = None, **_options: Any
) -> None:
    """Record the packages, on the main thread."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("pip outside the main thread crashes Slicer on macOS")
    if installer.failure is not None:
        raise installer.failure
    wanted = requirements.split() if isinstance(requirements, str) else list(requirements)
    installer.installed += wanted
    installer.absent -= {Requirement(text).name for text in wanted}


def pip_ensure(
    requirements: Any,
    constraints: str | Path | None = None,
    skip_packages: Sequence[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Ask, then record what is missing."""
    missing = [requirement for requirement in _to_requirements(requirements) if not _is_there(requirement)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return None
    question = f"{len(missing)} Python package(s) need to be installed. Continue?"
    title = f"{requester} - Install Python Packages" if requester else "Install Python Packages"
    if prompt_install and not slicer.util.confirmOkCancelDisplay(question, title):
        raise RuntimeError("User declined package installation")
    pip_install([str(requirement) for requirement in missing], constraints)
    return None
