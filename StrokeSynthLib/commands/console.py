"""What the command line shows: a bar on a terminal, JSON lines for programs, plain results."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from .. import RESEARCH_NOTICE
from ..errors import CancelledError
from ..progress import ProgressEvent
from ..stopping import Stopping

_BAR_WIDTH = 24
#: Shortest time between two drawings of the bar (s).
_REDRAW = 0.1


class Console:
    """Progress and results of one command.

    Parameters
    ----------
    mode
        "bar": a bar on a terminal, a line a stage elsewhere, on standard error; "json": one
        JSON object a line on standard output; "none": results only.
    out, err
        Streams, replaced in tests.
    stopping
        Whether someone has asked to stop; then the next report of progress ends the work.
    """

    def __init__(
        self,
        mode: str = "bar",
        out: TextIO | None = None,
        err: TextIO | None = None,
        stopping: Stopping | None = None,
    ) -> None:
        self.mode = mode
        self._stopping = stopping
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._terminal = self._err.isatty()
        self._drawn = 0.0
        self._width = 0
        self._stage = ""
        self._started = time.monotonic()

    def progress(self, event: ProgressEvent) -> None:
        """Show one report; pass this method as ``progress`` to any long function.

        Raises
        ------
        CancelledError
            When someone has asked to stop.
        """
        if self.mode == "json":
            self._json("progress", stage=event.stage, done=event.done, total=event.total,
                       message=event.message, values=dict(event.values))  # fmt: skip
        elif self.mode == "bar":
            self._bar(event)
        if self._stopping is not None and self._stopping.asked:
            raise CancelledError("stopped.")

    def say(self, text: str) -> None:
        """A line for the user that is not a result (a notice, a hint)."""
        if self.mode == "json":
            self._json("notice", message=text)
        else:
            self._clear()
            print(text, file=self._err, flush=True)

    def result(self, text: str, values: Mapping[str, Any] | None = None) -> None:
        """What the command was asked for: text for people, values for programs."""
        self._clear()
        if self.mode == "json":
            self._json("result", message=text, values=dict(values or {}))
        else:
            print(text, file=self._out, flush=True)

    def fail(self, text: str, status: int) -> None:
        """One line on standard error, and for programs an event as well."""
        self._clear()
        if self.mode == "json":
            self._json("error", message=text, status=status)
        print(f"strokesynth: {text}", file=self._err, flush=True)

    def close(self) -> None:
        """End the bar and say what stands under every output."""
        self._clear()
        if self.mode != "json":
            print(RESEARCH_NOTICE, file=self._err, flush=True)

    def _json(self, kind: str, **entries: Any) -> None:
        print(json.dumps({"event": kind, **entries}, ensure_ascii=False), file=self._out, flush=True)

    def _bar(self, event: ProgressEvent) -> None:
        if event.stage != self._stage:
            self._clear()
            self._stage, self._started = event.stage, time.monotonic()
            if not self._terminal:
                print(f"{event.stage} ...", file=self._err, flush=True)
        if event.message:
            self._clear()
            print(event.message, file=self._err, flush=True)
        now = time.monotonic()
        finished = event.total > 0 and event.done >= event.total
        if not self._terminal or (now - self._drawn < _REDRAW and not finished):
            return
        self._drawn = now
        line = event.stage
        if event.total > 0:
            share = min(event.done / event.total, 1.0)
            filled = round(share * _BAR_WIDTH)
            line += f" [{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {event.done}/{event.total}"
            elapsed = now - self._started
            if 0 < event.done < event.total:
                line += f", {_clock(elapsed / event.done * (event.total - event.done))} left"
        line += "".join(f"  {name} {value:.3g}" for name, value in event.values.items())
        print("\r" + line.ljust(self._width), end="", file=self._err, flush=True)
        self._width = len(line)

    def _clear(self) -> None:
        if self._terminal and self._width:
            print("\r" + " " * self._width + "\r", end="", file=self._err, flush=True)
            self._width = 0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
