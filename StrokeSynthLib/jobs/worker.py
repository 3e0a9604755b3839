"""The worker: ``python -m StrokeSynthLib.jobs.worker``. Answers requests until its input ends.

Standard output belongs to the protocol alone: whatever libraries print goes to standard error. When the
client is gone, so is the worker, in the middle of whatever it does.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from ..errors import BadInputError, CancelledError, StrokeSynthError, missing_package
from ..progress import ProgressEvent
from .exchange import PREFIX, Exchange, packed
from .operations import find_operation
from .operations.arguments import Arguments
from .operations.workshop import ClosedSessionError, Workshop
from .protocol import Failure, decode, encode

#: Least time between two progress messages of one stage (s).
_PROGRESS_EVERY = 0.05
#: What a request that is at work still has when the client has closed the input (s).
_LAST_MOMENT = 0.2


class Worker:
    """Answers one request after the other; what it has opened stays open in its :class:`Workshop`.

    Parameters
    ----------
    out
        Where answers are written.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._workshop = Workshop()

    def answer(self, line: bytes) -> None:
        """Answer the request in a line; never raises."""
        try:
            request = decode(line)
            number = request["id"]
            if not isinstance(number, int):
                raise ValueError("id is not a number")
        except (ValueError, KeyError) as error:
            self._say(None, error=Failure("internal", f"A request could not be read ({error}).").entries())
            return
        try:
            result = self._carry_out(number, request)
        except Exception as error:
            if not isinstance(error, StrokeSynthError):
                traceback.print_exc()
            self._say(number, error=_failure(error).entries())
        else:
            self._say(number, result=result)

    def _carry_out(self, number: int, request: Mapping[str, Any]) -> dict[str, Any]:
        exchange = Exchange(Path(str(request.get("exchange") or ".")))
        arguments = Arguments(str(request.get("do")), request.get("args") or {}, exchange)
        last: dict[str, float] = {}

        def progress(event: ProgressEvent) -> None:
            now, final = time.monotonic(), event.done >= event.total
            if final or now - last.get(event.stage, -1.0) >= _PROGRESS_EVERY:
                last[event.stage] = now
                self._say(
                    number,
                    progress={
                        "stage": event.stage, "done": event.done, "total": event.total,
                        "message": event.message, "values": dict(event.values),
                    },
                )  # fmt: skip

        self._workshop.progress = progress
        self._workshop.say = lambda text: self._say(number, log=text)
        operation = find_operation(arguments.operation)
        result = operation(arguments, self._workshop)
        return dict(packed(result, exchange))

    def _say(self, number: int | None, **content: Any) -> None:
        self._out.write(encode({"id": number, **content}))
        self._out.flush()


def _failure(error: Exception) -> Failure:
    """What the client is told of an exception."""
    text = " ".join(str(error).split())
    if isinstance(error, ClosedSessionError):
        return Failure.of_sentence("closed", text)
    if isinstance(error, CancelledError):
        return Failure("cancelled", "Cancelled.")
    if isinstance(error, StrokeSynthError):
        return Failure.of_sentence("input", text)
    if isinstance(error, ModuleNotFoundError):
        return Failure.of_sentence("input", str(missing_package(error) or _missing(error)))
    lowered = text.lower()
    if isinstance(error, MemoryError) or "bad allocation" in lowered or "bad_alloc" in lowered:
        return Failure(
            "memory", "There is not enough memory for this.", "Close other programs, or use smaller images."
        )
    if "out of memory" in lowered:
        return Failure(
            "memory", "The graphics card has not enough memory for this.",
            "Use the processor (device cpu), or close other programs that use the graphics card.",
        )  # fmt: skip
    first = text[:200] or "without a word"
    return Failure(
        "internal", f"{type(error).__name__}: {first}.", "Try again; the log holds the whole trace."
    )


def _missing(error: ModuleNotFoundError) -> BadInputError:
    return BadInputError(
        f"This needs the package {error.name}, which is not installed; install the packages."
    )


def main() -> NoReturn:
    """Answer requests from standard input until it ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    faulthandler.enable()
    # A line that something may have begun before this is ended.
    out.write(b"\n")
    out.flush()
    inbox: queue.Queue[bytes | None] = queue.Queue()
    folders: set[str] = set()
    threading.Thread(target=_listen, args=(inbox, folders), daemon=True).start()
    worker = Worker(out)
    while (line := inbox.get()) is not None:
        _remember_folder(line, folders)
        worker.answer(line)
    _leave(folders)


def _listen(inbox: queue.Queue[bytes | None], folders: set[str]) -> None:
    """Collect requests until there can be no more."""
    for line in sys.stdin.buffer:
        inbox.put(line)
    inbox.put(None)
    # Nobody waits for what is at work now: the client is gone.
    time.sleep(_LAST_MOMENT)
    _leave(folders)


def _leave(folders: set[str]) -> NoReturn:
    """End at once, and leave no images behind."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _remember_folder(line: bytes, folders: set[str]) -> None:
    """Keep in mind which private folder has to be removed if the client dies."""
    try:
        folder = str(decode(line).get("exchange") or "")
    except ValueError:
        return
    if Path(folder).name.startswith(PREFIX):
        folders.add(folder)


if __name__ == "__main__":
    main()
