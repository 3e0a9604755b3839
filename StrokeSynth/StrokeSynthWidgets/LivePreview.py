"""The live preview as a conversation with the worker: what is asked next, and what is done with answers.

No Slicer and no Qt here. The lesion may change at any moment; one request is under way at a time, and the
next is always the most urgent one: a changed lesion with the slices in sight, then the other slices that it
changed, a few at a time so that no stroke waits for long, then, once the strokes rest, exact slices in place
of approximate ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from StrokeSynthLib.errors import StrokeSynthError
from StrokeSynthLib.jobs.protocol import Failure
from StrokeSynthLib.volume import Volume

#: Seconds that slices out of sight may take together, while strokes may follow.
_BATCH_SECONDS = 0.06
#: Most slices that are asked for at once.
_MOST = 16
#: Some clocks only tell steps of so many seconds.
_CLOCK = 2e-3
#: Seconds without a stroke after which approximate slices are made exact.
REST = 0.6

Request = Callable[..., Any]


@dataclass(frozen=True)
class Setting:
    """What a preview shows, but for the lesion.

    Parameters
    ----------
    key
        Compares equal as long as nothing of it has changed.
    arguments
        Makes the arguments of "preview_open"; called when it is opened.
    """

    key: tuple[Any, ...]
    arguments: Callable[[], dict[str, Any]]


@dataclass
class _Session:
    name: str
    setting: Setting
    arguments: Mapping[str, Any]
    axis: int
    count: int
    approximates: bool


class Screen(Protocol):
    """What shows the preview."""

    def visible(self, axis: int, count: int) -> list[int]:
        """Numbers of the slices in sight, the most wanted first."""

    def opened(self, answer: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        """The whole volumes, as they are at the start."""

    def slices(self, answer: Mapping[str, Any], axis: int) -> bool:
        """Some slices; False when there is nothing to show them in any more."""

    def complete(self, record: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        """All slices are exact: together they are what ``request`` ("synthesize") makes."""

    def failed(self, failure: Failure) -> None:
        """There is no preview for now, and why."""

    def changed(self) -> None:
        """What :meth:`LivePreview.state` says has changed."""


class LivePreview:
    """Keeps images up to date with a lesion while it is painted.

    Parameters
    ----------
    request
        As :meth:`.Work.Work.request`.
    later
        Calls a function after some seconds, in the same thread.
    screen
        What shows it.
    """

    def __init__(
        self, request: Request, later: Callable[[float, Callable[[], None]], None], screen: Screen
    ) -> None:
        self._request = request
        self._later = later
        self._screen = screen
        self._session: _Session | None = None
        self._generation = 0
        self._wanted: Setting | None = None
        self._lesion: Volume | None = None
        self._sent: Volume | None = None
        self._asked = ""
        self._refused: tuple[Any, ...] | None = None
        self._refusedForGood = False
        self._outOfDate: tuple[int, ...] = ()
        self._approximate: tuple[int, ...] = ()
        self._record: Mapping[str, Any] | None = None
        self._isComplete = False
        self._lastStroke = 0.0
        self._isLooking = False
        self._secondsPerSlice = _BATCH_SECONDS / 4

    # What is said

    @property
    def state(self) -> str:
        """ "off", "opening", "drawing", "approximate", "complete" or "failed"."""
        if self._wanted is None:
            return "off"
        if self._refused == self._wanted.key:
            return "failed"
        if self._session is None or self._session.setting.key != self._wanted.key:
            return "opening"
        if self._outOfDate or self._lesion is not self._sent:
            return "drawing"
        return "approximate" if self._approximate else "complete"

    @property
    def isComplete(self) -> bool:
        """Whether all slices are exact, and what makes them again is kept."""
        return self._isComplete and self.state == "complete"

    @property
    def isAtWork(self) -> bool:
        """Whether slices are about to be asked for."""
        return self.state in ("opening", "drawing", "approximate")

    @property
    def waiting(self) -> int:
        """Slices that do not show the lesion as it is now."""
        return len(self._outOfDate)

    # What is told

    def show(self, setting: Setting | None, lesion: Volume | None) -> None:
        """Preview this; None for nothing. Costs nothing when it is previewed already."""
        if setting is None and self._wanted is None:
            return
        self._wanted = setting
        if lesion is not None:
            self._take(lesion)
        self._step()

    def change(self, lesion: Volume) -> None:
        """There was a stroke."""
        if self._wanted is None:
            return
        if self._take(lesion):
            if not self._refusedForGood:
                self._refused = None
            self._step()

    def restart(self) -> None:
        """Open it again, also when it has failed."""
        self._refused = None
        self._drop()
        self._step()

    def forget(self) -> None:
        """The scene goes; answers that still come are not listened to."""
        self._generation += 1
        self._asked = ""
        self._wanted = self._lesion = self._refused = None
        self._drop()

    # What is done

    def _take(self, lesion: Volume) -> bool:
        same = (
            self._lesion is not None
            and np.array_equal(self._lesion.array, lesion.array)
            and np.array_equal(self._lesion.affine, lesion.affine)
        )
        if not same:
            self._lesion = lesion
            self._lastStroke = time.monotonic()
        return not same

    def _drop(self) -> None:
        self._session = None
        self._sent = None
        self._outOfDate = self._approximate = ()
        self._record, self._isComplete = None, False

    def _step(self) -> None:
        """Ask for what is most urgent, unless something is under way."""
        if self._asked:
            return
        session, wanted = self._session, self._wanted
        if session is not None and (wanted is None or session.setting.key != wanted.key):
            self._drop()
            self._ask("preview_close", {"session": session.name}, lambda answer: self._step())
        elif wanted is None or self._lesion is None or self._refused == wanted.key:
            return
        elif session is None:
            self._open(wanted, self._lesion)
        elif self._lesion is not self._sent:
            self._sendLesion(session, self._lesion)
        elif self._outOfDate:
            self._drawMore(session)
        elif self._approximate:
            if self._rests():
                self._askForSlices(session, {"slices": list(self._approximate), "exact": True})
        elif not self._isComplete and self._record is not None and self._rests():
            self._isComplete = True
            self._screen.complete(self._record, {**session.arguments, "lesion": self._sent})

    def _open(self, setting: Setting, lesion: Volume) -> None:
        try:
            arguments = setting.arguments()
        except StrokeSynthError as error:
            self._refused, self._refusedForGood = setting.key, True
            self._screen.failed(Failure.of_sentence("input", str(error)))
            return

        def opened(answer: dict[str, Any]) -> None:
            self._session = _Session(
                answer["session"], setting, arguments, answer["axis"], answer["count"], answer["approximates"]
            )
            self._sent, self._record, self._isComplete = lesion, answer["record"], False
            self._outOfDate, self._approximate = tuple(answer["out_of_date"]), ()
            if self._wanted is not None and self._wanted.key == setting.key:
                self._isComplete = self._record is not None
                self._screen.opened(answer, {**arguments, "lesion": lesion})
            self._step()

        self._ask("preview_open", {**arguments, "lesion": lesion, "draw": True}, opened)

    def _sendLesion(self, session: _Session, lesion: Volume) -> None:
        self._sent = lesion
        self._record, self._isComplete = None, False
        arguments: dict[str, Any] = {"lesion": lesion, "exact": not session.approximates}
        visible = self._screen.visible(session.axis, session.count)
        if visible:
            arguments["slices"] = visible
        self._askForSlices(session, arguments)

    def _drawMore(self, session: _Session) -> None:
        visible = self._screen.visible(session.axis, session.count)
        waiting = sorted(self._outOfDate, key=lambda number: _distance(number, visible))
        most = int(min(max(_BATCH_SECONDS / self._secondsPerSlice, 1), _MOST))
        self._askForSlices(session, {"slices": waiting[:most], "exact": not session.approximates})

    def _rests(self) -> bool:
        """Whether the brush rests; if not, what is next is looked at again once it may."""
        rest = self._lastStroke + REST - time.monotonic()
        if rest > 0 and not self._isLooking:
            self._isLooking = True
            self._later(rest, self._look)
        return rest <= 0

    def _look(self) -> None:
        self._isLooking = False
        self._step()

    def _askForSlices(self, session: _Session, arguments: dict[str, Any]) -> None:
        start = time.monotonic()

        def drawn(answer: dict[str, Any]) -> None:
            self._outOfDate = tuple(answer["out_of_date"])
            self._approximate = tuple(answer["approximate"])
            self._record = answer["record"]
            if answer["slices"]:
                taken = max(time.monotonic() - start, _CLOCK)
                self._secondsPerSlice = taken / len(answer["slices"])
                if not self._screen.slices(answer, session.axis):
                    self._drop()
            self._step()

        self._ask("preview_slices", {"session": session.name, **arguments}, drawn)

    def _ask(self, do: str, arguments: dict[str, Any], onResult: Callable[[dict[str, Any]], None]) -> None:
        generation, key = self._generation, self._wanted.key if self._wanted is not None else None
        self._asked = do

        def answered(answer: dict[str, Any]) -> None:
            if generation == self._generation:
                self._asked = ""
                onResult(answer)
                self._screen.changed()

        def failed(failure: Failure) -> None:
            if generation != self._generation:
                return
            self._asked = ""
            self._drop()
            if do == "preview_close":
                self._step()
            elif failure.kind == "closed" or (failure.kind == "cancelled" and do == "preview_slices"):
                # The worker was ended or has closed it: what it held is held anew.
                self._step()
            else:
                self._refused, self._refusedForGood = key, failure.kind in ("input", "internal")
                self._screen.failed(failure)
            self._screen.changed()

        self._request(do, arguments, answered, onError=failed)
        self._screen.changed()


def _distance(number: int, visible: Sequence[int]) -> int:
    return min((abs(number - seen) for seen in visible), default=0)
