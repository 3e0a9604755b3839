"""The side that asks: starts the worker, hands it requests, delivers its answers. No Qt, no Slicer.

Everything is delivered by :meth:`WorkerClient.poll`, in the thread that calls it; two threads of the client
only collect whole lines. So a panel calls ``poll`` from a timer, and its callbacks run where its widgets are.

The standard library, numpy and :mod:`StrokeSynthLib.volume` are all that this needs.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from .crash import explain, oom_kills
from .exchange import Exchange, PrivateFolder, packed, unpacked
from .processes import end_tree, environment, own_group
from .protocol import Failure, decode, encode

WORKER = "StrokeSynthLib.jobs.worker"

OnProgress = Callable[[Mapping[str, Any]], None]
OnResult = Callable[[dict[str, Any]], None]
OnError = Callable[[Failure], None]
OnLog = Callable[[str], None]

#: Lines of the worker's standard error that are kept to explain its end.
_KEPT_LINES = 60
#: Matrix products in the worker are small: threads would only wait for each other.
_FEW_THREADS = {"OPENBLAS_NUM_THREADS": "1"}
#: Seconds that a worker has to end by itself when it is no longer needed.
_GOODBYE = 1.0


@dataclass
class _Request:
    number: int
    message: dict[str, Any]
    on_progress: OnProgress | None
    on_result: OnResult | None
    on_error: OnError | None


@dataclass
class _Worker:
    """One process and what was heard of it."""

    process: subprocess.Popen[bytes]
    kills_before: int | None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))
    ended: float | None = None


class WorkerClient:
    """Owner of one worker at a time.

    1. :meth:`request` puts a request in a row; the worker is started with the first.
    2. :meth:`poll` sends one when the worker is free, and delivers progress, results and errors.
    3. :meth:`cancel` takes a request out of the row, or ends the worker with all that it has started.
    4. When the worker dies, the request that it was at fails with the cause and what to do; the next
       request is sent to a new worker. What the old one held (models, preview sessions) is gone:
       :attr:`starts` counts the workers.
    5. :meth:`stop` ends the worker and removes the exchange folder. The worker also ends when this process
       does.

    Parameters
    ----------
    python
        Executable that has the packages (Slicer: PythonSlicer), or a command line that begins with it.
    exchange
        Folder under which the private folder for arrays is made; the system's temporary one when None.
    environment
        Variables for the worker instead of this process's own.
    on_log
        Told what the worker says beside its answers: notices, prints of libraries, traces.

    Examples
    --------
    >>> client = WorkerClient(sys.executable)  # doctest: +SKIP
    >>> client.request("segment", {"dwi": dwi, "adc": adc}, on_result=show)  # doctest: +SKIP
    >>> timer.connect("timeout()", client.poll)  # doctest: +SKIP
    """

    def __init__(
        self,
        python: str | Path | Sequence[str],
        exchange: Path | None = None,
        environment: Mapping[str, str] | None = None,
        on_log: OnLog | None = None,
    ) -> None:
        self._command = [str(python)] if isinstance(python, str | Path) else [str(part) for part in python]
        self._parent = exchange
        self._environment = environment
        self._on_log = on_log
        self._folder: PrivateFolder | None = None
        self._worker: _Worker | None = None
        self._numbers = itertools.count(1)
        self._row: deque[_Request] = deque()
        self._at_work: _Request | None = None
        self._failed: deque[tuple[_Request, Failure]] = deque()
        self._heard: queue.Queue[tuple[_Worker, str, bytes]] = queue.Queue()
        #: How many workers were started so far.
        self.starts = 0

    @property
    def alive(self) -> bool:
        """Whether there is a worker process."""
        return self._worker is not None and self._worker.process.poll() is None

    @property
    def busy(self) -> bool:
        """Whether a request waits or is at work."""
        return bool(self._row or self._failed or self._at_work)

    @property
    def process_id(self) -> int | None:
        """Of the worker, or of the launcher that it was started with."""
        return None if self._worker is None else self._worker.process.pid

    @property
    def exchange_folder(self) -> Path | None:
        """Where arrays lie on their way; None before the first request."""
        return None if self._folder is None else self._folder.path

    def start(self) -> None:
        """Start a worker now, so that the first request does not wait for it.

        Raises
        ------
        BadInputError
            When the executable cannot be started.
        """
        if self._worker is not None:
            return
        try:
            process = subprocess.Popen(
                [*self._command, "-m", WORKER], **own_group(),
                env=_FEW_THREADS | environment(self._environment),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise BadInputError(
                f"{self._command[0]}: cannot be started ({error.strerror or error}); choose the Python that "
                "the packages are installed in."
            ) from error
        self._worker = _Worker(process, oom_kills())
        self.starts += 1
        log = threading.Thread(target=_listen, args=(self._worker, "log", self._heard), daemon=True)
        log.start()
        threading.Thread(target=_listen, args=(self._worker, "answer", self._heard, log), daemon=True).start()

    def request(
        self,
        do: str,
        args: Mapping[str, Any] | None = None,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
        on_error: OnError | None = None,
    ) -> int:
        """Ask for something; its number.

        Parameters
        ----------
        do
            Name of an operation (``docs/jobs.md``).
        args
            What it needs; volumes and arrays are handed over as they are now.
        on_progress
            Told {"stage", "done", "total", "message", "values"}.
        on_result
            Told the answer, with volumes and arrays in it.
        on_error
            Told why there is none. Exactly one of ``on_result`` and ``on_error`` is called.
        """
        if self._folder is None:
            self._folder = PrivateFolder(self._parent)
        number = next(self._numbers)
        exchange = Exchange(self._folder.path)
        message = {
            "id": number, "do": do, "args": packed(dict(args or {}), exchange),
            "exchange": str(exchange.folder),
        }  # fmt: skip
        self._row.append(_Request(number, message, on_progress, on_result, on_error))
        self._send_next()
        return number

    def poll(self, wait: float = 0.0) -> None:
        """Deliver what has come; call this often, from the thread that shall be told.

        ``wait``: seconds to wait where nothing has come yet.
        """
        with contextlib.suppress(queue.Empty):
            heard = self._heard.get(timeout=wait) if wait > 0 else self._heard.get_nowait()
            while True:
                worker, name, line = heard
                if worker is self._worker:
                    self._hear(name, line)
                heard = self._heard.get_nowait()
        self._notice_end()
        self._send_next()
        while self._failed:
            request, failure = self._failed.popleft()
            if request.on_error is not None:
                request.on_error(failure)

    def wait(self, timeout: float = 60.0) -> bool:
        """Poll until nothing is left to do; for scripts. Returns whether that was in time (s)."""
        end = time.monotonic() + timeout
        while self.busy and time.monotonic() < end:
            self.poll(0.05)
        self.poll()
        return not self.busy

    def cancel(self, number: int) -> None:
        """Take back a request; its ``on_error`` is told "cancelled" at the next :meth:`poll`.

        One that is at work is ended with its worker. The others in the row go to a new one.
        """
        cancelled = Failure("cancelled", "Cancelled.")
        for request in list(self._row):
            if request.number == number:
                self._row.remove(request)
                self._discard(request)
                self._failed.append((request, cancelled))
        if self._at_work is not None and self._at_work.number == number:
            request, self._at_work = self._at_work, None
            self._end_worker()
            self._failed.append((request, cancelled))

    def stop(self) -> None:
        """End the worker and everything that waits for it; nobody is told. May be used again afterward."""
        self._row.clear()
        self._failed.clear()
        self._at_work = None
        worker = self._worker
        if worker is not None:
            assert worker.process.stdin is not None
            with contextlib.suppress(OSError):
                worker.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(_GOODBYE)
        self._end_worker()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def _send_next(self) -> None:
        if self._at_work is not None or not self._row:
            return
        request = self._row.popleft()
        try:
            self.start()
        except BadInputError as error:
            self._discard(request)
            self._failed.append((request, Failure.of_sentence("crash", str(error))))
            return
        self._at_work = request
        assert self._worker is not None
        stream = self._worker.process.stdin
        assert stream is not None
        # A worker that is gone already breaks the pipe; its end is heard soon, and says why.
        with contextlib.suppress(OSError):
            stream.write(encode(request.message))
            stream.flush()

    def _hear(self, name: str, line: bytes) -> None:
        if name == "end":
            self._hear_end()
        elif name == "log":
            self._log(line)
        else:
            try:
                message = decode(line)
            except ValueError:
                self._log(line)  # something else was printed there
            else:
                self._hear_answer(message)

    def _hear_answer(self, message: Mapping[str, Any]) -> None:
        request = self._at_work
        if request is None or message.get("id") != request.number:
            if "error" in message:
                self._log(str(Failure.from_message(message["error"])).encode())
            return
        if "progress" in message:
            if request.on_progress is not None:
                request.on_progress(message["progress"])
        elif "log" in message:
            self._log(str(message["log"]).encode())
        elif "error" in message:
            self._at_work = None
            self._discard(request)
            self._failed.append((request, Failure.from_message(message["error"])))
        elif "result" in message:
            self._at_work = None
            self._deliver(request, message["result"])

    def _deliver(self, request: _Request, result: Any) -> None:
        assert self._folder is not None
        try:
            content = unpacked(result, Exchange(self._folder.path))
        except BadInputError as error:
            self._failed.append((request, Failure.of_sentence("internal", str(error))))
            return
        if request.on_result is not None:
            request.on_result(content if isinstance(content, dict) else {"value": content})

    def _notice_end(self) -> None:
        """The end of a worker whose streams are kept open by something that it has started."""
        worker = self._worker
        if worker is None or worker.process.poll() is None:
            return
        if worker.ended is None:
            worker.ended = time.monotonic()
        elif time.monotonic() - worker.ended > _GOODBYE:
            self._hear_end()

    def _hear_end(self) -> None:
        worker = self._worker
        if worker is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(_GOODBYE)
        status = worker.process.returncode
        self._end_worker()
        if self._at_work is not None:
            request, self._at_work = self._at_work, None
            failure = explain(status, list(worker.last_lines), kills_before=worker.kills_before)
            self._failed.append((request, failure))

    def _end_worker(self) -> None:
        """End the process tree; what it says from now on is not listened to."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        end_tree(worker.process.pid)
        try:
            worker.process.wait(_GOODBYE)
        except subprocess.TimeoutExpired:  # a graphics card's driver may need longer to let go of it
            threading.Thread(target=worker.process.wait, daemon=True).start()
        if worker.process.stdin is not None:
            with contextlib.suppress(OSError):
                worker.process.stdin.close()
        if self._folder is not None:
            self._folder.clear(keep=[request.message for request in self._row])

    def _discard(self, request: _Request) -> None:
        """Delete the arrays of a request that were not fetched."""
        if self._folder is not None:
            Exchange(self._folder.path).discard(request.message)

    def _log(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").rstrip()
        if self._worker is not None:
            self._worker.last_lines.append(text)
        if self._on_log is not None and text:
            self._on_log(text)


def _listen(
    worker: _Worker,
    name: str,
    heard: queue.Queue[tuple[_Worker, str, bytes]],
    other: threading.Thread | None = None,
) -> None:
    """Collect the whole lines of a stream, in a thread of its own; its end comes after ``other``."""
    stream = worker.process.stderr if name == "log" else worker.process.stdout
    assert stream is not None
    with stream:
        for line in stream:
            # Half a line is all that there is of an answer in the middle of which the worker died.
            if line.endswith(b"\n") or name == "log":
                heard.put((worker, name, line))
    if other is not None:
        other.join(_GOODBYE)
        heard.put((worker, "end", b""))
