"""Errors that speak to the person who can mend them.

Every error raised on purpose is a :class:`StrokeSynthError`. The command line prints its
text on one line and turns it into an exit status; nothing else is printed, no traceback.
"""

from __future__ import annotations

from importlib.util import find_spec


class StrokeSynthError(Exception):
    """Something could not be done, for a reason that the text explains (exit status 1)."""


class BadInputError(StrokeSynthError):
    """A file or an argument is not usable (exit status 2).

    The text is one sentence: which file or argument, what is wrong with it, what to do.
    """


class CancelledError(StrokeSynthError):
    """The user asked to stop; what was finished before is kept."""


#: Packages that training, evaluation and figures need beyond the basic installation.
_TRAINING_PACKAGES = ("torch", "monai", "einops", "matplotlib", "onnx")


def missing_package(error: ModuleNotFoundError) -> BadInputError | None:
    """What to install, when the package that was not found is one that can be added; else None."""
    package = (error.name or "").partition(".")[0]
    if package not in _TRAINING_PACKAGES:
        return None
    return BadInputError(
        f'This needs the package {package}, which is not installed: pip install "StrokeSynthLib[train]".'
    )


def require(*packages: str) -> None:
    """Refuse work that needs packages which are not installed, before it begins.

    Raises
    ------
    BadInputError
        Saying what to install.
    """
    for package in packages:
        if find_spec(package) is None:
            raise missing_package(ModuleNotFoundError(name=package)) or ModuleNotFoundError(package)
