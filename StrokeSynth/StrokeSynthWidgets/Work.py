"""Requests to the worker, and what the panel's foot shows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
from slicer.i18n import tr as _

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.jobs.client import WorkerClient
from StrokeSynthLib.jobs.protocol import Failure

#: Milliseconds between two looks at the worker's answers, while something is asked and otherwise.
_BUSY_INTERVAL, _IDLE_INTERVAL = 15, 250

OnResult = Callable[[dict[str, Any]], None]
OnProgress = Callable[[Mapping[str, Any]], None]
OnError = Callable[[Failure], None]


class Work:
    """Hands requests to one worker process and delivers its answers in Slicer's main thread.

    Nothing here waits: :meth:`request` returns at once, the callbacks come from a timer. A request with a
    title makes the panel busy: one at a time, with progress, "Cancel" and, if it fails, a message at the
    panel's foot. One without a title (``hello``, previews) goes unseen beside it.

    Parameters
    ----------
    client
        Owner of the worker.
    parent
        Widget that the timer lives with.
    changed
        Called when a request begins or ends.
    reported
        Called when a request tells how far it is, which can be many times a second.
    """

    def __init__(
        self, client: WorkerClient, parent: Any, changed: Callable[[], None], reported: Callable[[], None]
    ) -> None:
        self.client = client
        self._changed = changed
        self._reported = reported
        self._seen: int | None = None
        self._ofScene: set[int] = set()
        #: What the foot shows: what happens or happened last; whether that is an error; progress.
        self.message = ""
        self.isError = False
        self.done, self.total = 0, 0
        self._timer = qt.QTimer(parent)
        self._timer.setInterval(_IDLE_INTERVAL)
        self._timer.connect("timeout()", self._poll)

    @property
    def busy(self) -> bool:
        """Whether a request that the user has made is at work."""
        return self._seen is not None

    def request(
        self,
        do: str,
        args: Mapping[str, Any] | None,
        onResult: OnResult,
        onProgress: OnProgress | None = None,
        onError: OnError | None = None,
        *,
        title: str = "",
        ofScene: bool = True,
    ) -> int:
        """Ask the worker for something.

        Parameters
        ----------
        do, args
            Operation and its arguments (``docs/jobs.md``); volumes are handed over as they are now.
        onResult, onProgress, onError
            Called in the main thread; exactly one of the first and the last. Without ``onError`` a failure of
            a titled request is shown at the foot all the same.
        title
            What the user reads meanwhile ("Segmenting DWI"); "" for requests beside the user's own.
        ofScene
            Taken back when the scene is closed.
        """
        number = 0

        def result(answer: dict[str, Any]) -> None:
            self._end(number, title, "")
            try:
                onResult(answer)
            except BadInputError as error:
                self.say(str(error), isError=True)
            except Exception as error:
                self.say(_("The result could not be shown: {error}").format(error=error), isError=True)
                raise
            if title:
                self._changed()  # also where a result has only rewritten nodes that were there

        def failed(failure: Failure) -> None:
            self._end(number, title, str(failure), failure.kind != "cancelled")
            if onError is not None:
                onError(failure)

        def progress(event: Mapping[str, Any]) -> None:
            if title:
                self.done, self.total = int(event.get("done") or 0), int(event.get("total") or 0)
                self._reported()
            if onProgress is not None:
                onProgress(event)

        number = self.client.request(do, args, progress, result, failed)
        if ofScene:
            self._ofScene.add(number)
        if title:
            self._seen = number
            self.message, self.isError = _("{title}...").format(title=title), False
            self.done = self.total = 0
            self._changed()
        self._hurry()
        return number

    def cancel(self, number: int | None = None) -> None:
        """Take back a request, by default the one that the user sees; ends the worker where it is at work."""
        number = self._seen if number is None else number
        if number is not None:
            self.client.cancel(number)
            self._hurry()

    def say(self, message: str, *, isError: bool = False) -> None:
        """Show something at the foot."""
        self.message, self.isError = message, isError
        self._changed()

    def forgetScene(self) -> None:
        """Take back what was asked for the scene that is being closed."""
        for number in sorted(self._ofScene):
            self.client.cancel(number)
        self.client.poll()

    def stop(self) -> None:
        """End the worker; the panel goes."""
        self._timer.stop()
        self._seen = None
        self._ofScene.clear()
        self.client.stop()

    def _end(self, number: int, title: str, problem: str, isError: bool = True) -> None:
        self._ofScene.discard(number)
        if self._seen == number:
            self._seen = None
            self.done = self.total = 0
        if title:
            self.isError = bool(problem) and isError
            self.message = (
                _("{title}: {problem}").format(title=title, problem=problem)
                if problem
                else _("{title}: done.").format(title=title)
            )
            self._changed()

    def _hurry(self) -> None:
        if not self._timer.active or self._timer.interval != _BUSY_INTERVAL:
            self._timer.start(_BUSY_INTERVAL)

    def _poll(self) -> None:
        self.client.poll()
        if not self.client.busy:
            self._timer.setInterval(_IDLE_INTERVAL)
