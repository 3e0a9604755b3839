"""How rooms report progress: by calling what they are given.

A long function takes ``progress: Progress = silent`` and calls it now and then. It never
prints. The command line draws a bar or writes JSON lines; a worker forwards the events; a
test collects them. A callback that raises :class:`~StrokeSynthLib.errors.CancelledError`
stops the work at that point, which is how cancelling works everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ProgressEvent:
    """One report.

    Parameters
    ----------
    stage
        What is being done, in the user's words ("Simulating cases").
    done, total
        Steps finished and steps in all; ``total`` 0 when it is not known.
    message
        A line worth keeping in a log, or "".
    values
        Numbers worth plotting (loss, Dice), by name.
    """

    stage: str
    done: int = 0
    total: int = 0
    message: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


Progress = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """Report to nobody."""
