"""What the live preview asks for, and when: with a worker that only writes down what it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from StrokeSynthLib.jobs.protocol import Failure
from StrokeSynthLib.volume import Volume

SHAPE = (4, 4, 10)


def lesion(count: int) -> Volume:
    """A mask with so many voxels."""
    array = np.zeros(SHAPE, np.uint8)
    array.ravel()[:count] = 1
    return Volume(array, np.eye(4))


class Worker:
    """Keeps requests until the test answers them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._open: list[tuple[Any, Any]] = []

    def request(self, do: str, args: dict[str, Any], on_result: Any, **others: Any) -> None:
        assert not self._open, "one request at a time"
        self.asked.append((do, args))
        self._open.append((on_result, others["onError"]))

    @property
    def last(self) -> tuple[str, dict[str, Any]]:
        return self.asked[-1]

    @property
    def idle(self) -> bool:
        return not self._open

    def answer(self, **entries: Any) -> None:
        on_result, _ = self._open.pop()
        on_result(entries)

    def opened(self, *, approximates: bool = False) -> None:
        self.answer(
            session="s", axis=2, count=10, approximates=approximates, out_of_date=[], record={"made": 1}
        )

    def drawn(self, slices: list[int], out_of_date: list[int], approximate: tuple[int, ...] = ()) -> None:
        done = not out_of_date and not approximate
        record = {"made": 2} if done else None
        self.answer(slices=slices, out_of_date=out_of_date, approximate=list(approximate), record=record)

    def fail(self, kind: str) -> None:
        _, on_error = self._open.pop()
        on_error(Failure(kind, "It failed."))


class Screen:
    """Writes down what it is shown."""

    def __init__(self) -> None:
        self.seen = [5]
        self.events: list[Any] = []
        self.there = True

    def visible(self, axis: int, count: int) -> list[int]:
        return list(self.seen)

    def opened(self, answer: Any, request: Any) -> None:
        self.events.append(("opened", request["lesion"].array.sum()))

    def slices(self, answer: Any, axis: int) -> bool:
        self.events.append(("slices", answer["slices"]))
        return self.there

    def complete(self, record: Any, request: Any) -> None:
        self.events.append(("complete", request["lesion"].array.sum()))

    def failed(self, failure: Failure) -> None:
        self.events.append(("failed", failure.kind))

    def changed(self) -> None:
        pass


class Bench:
    """A preview between the two, and time that the test lets pass."""

    def __init__(self, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        self.worker, self.screen = Worker(), Screen()
        self._waiting: list[tuple[float, Any]] = []
        later = lambda seconds, call: self._waiting.append((self.now + seconds, call))  # noqa: E731
        self.preview = module.LivePreview(self.worker.request, later, self.screen)
        self._setting = module.Setting

    def setting(self, key: int = 1) -> Any:
        return self._setting((key,), lambda: {"model": "m", "seed": key})

    def let_pass(self, seconds: float) -> None:
        self.now += seconds
        due = [call for when, call in self._waiting if when <= self.now]
        self._waiting = [(when, call) for when, call in self._waiting if when > self.now]
        for call in due:
            call()

    def live(self, *, approximates: bool = False) -> Bench:
        self.preview.show(self.setting(), lesion(1))
        self.worker.opened(approximates=approximates)
        return self


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "StrokeSynth")
    from StrokeSynthWidgets import LivePreview

    return Bench(LivePreview, monkeypatch)


def test_it_opens_with_the_whole_volumes(bench):
    bench.preview.show(bench.setting(), lesion(1))
    do, args = bench.worker.last
    assert do == "preview_open"
    assert args["draw"]
    assert args["seed"] == 1
    assert bench.preview.state == "opening"
    bench.worker.opened()
    assert bench.screen.events == [("opened", 1)]
    assert bench.preview.isComplete


def test_a_stroke_asks_for_the_slices_in_sight_and_then_for_the_nearest_others(bench):
    bench.live().preview.change(lesion(2))
    do, args = bench.worker.last
    assert do == "preview_slices"
    assert args["slices"] == [5]
    assert args["lesion"].array.sum() == 2
    bench.worker.drawn([5], [2, 4, 6, 9])
    assert bench.worker.last[1]["slices"][:2] in ([4, 6], [6, 4])
    assert "lesion" not in bench.worker.last[1]


def test_strokes_during_a_request_are_sent_as_one(bench):
    bench.live().preview.change(lesion(2))
    bench.preview.change(lesion(3))
    bench.preview.change(lesion(4))
    assert len(bench.worker.asked) == 2
    bench.worker.drawn([5], [4, 6])
    assert bench.worker.last[1]["lesion"].array.sum() == 4


def test_the_same_lesion_again_costs_nothing(bench):
    bench.live().preview.change(lesion(1))
    assert bench.worker.idle


def test_slow_slices_are_asked_for_one_by_one_so_that_a_stroke_need_not_wait(bench):
    bench.live().preview.change(lesion(2))
    bench.now += 0.3
    bench.worker.drawn([5], [1, 2, 3, 4, 6])
    assert len(bench.worker.last[1]["slices"]) == 1


def test_quick_slices_are_asked_for_together(bench):
    bench.live().preview.change(lesion(2))
    bench.now += 0.004
    bench.worker.drawn([5], [1, 2, 3, 4, 6])
    assert len(bench.worker.last[1]["slices"]) == 5


def test_the_record_is_kept_when_all_is_drawn_and_the_brush_rests(bench):
    bench.live().preview.change(lesion(2))
    bench.worker.drawn([5], [])
    assert ("complete", 2) not in bench.screen.events
    bench.let_pass(1.0)
    assert ("complete", 2) in bench.screen.events


def test_approximate_slices_are_made_exact_when_the_brush_rests(bench):
    bench.live(approximates=True).preview.change(lesion(2))
    assert not bench.worker.last[1]["exact"]
    bench.worker.drawn([5], [], (4, 5))
    assert bench.worker.idle
    assert bench.preview.state == "approximate"
    bench.let_pass(0.3)
    assert bench.worker.idle
    bench.let_pass(0.5)
    assert bench.worker.last[1] == {"session": "s", "slices": [4, 5], "exact": True}
    bench.worker.drawn([4, 5], [])
    assert bench.preview.isComplete


def test_another_setting_closes_the_session_and_opens_one(bench):
    bench.live().preview.show(bench.setting(2), None)
    assert bench.worker.last == ("preview_close", {"session": "s"})
    bench.worker.answer()
    assert bench.worker.last[0] == "preview_open"
    assert bench.worker.last[1]["seed"] == 2


def test_what_was_opened_for_an_old_setting_is_not_shown(bench):
    bench.preview.show(bench.setting(), lesion(1))
    bench.preview.show(bench.setting(2), None)
    bench.worker.opened()
    assert bench.screen.events == []


def test_a_closed_session_is_opened_again(bench):
    bench.live().preview.change(lesion(2))
    bench.worker.fail("closed")
    assert bench.worker.last[0] == "preview_open"
    assert bench.worker.last[1]["lesion"].array.sum() == 2
    assert ("failed", "closed") not in bench.screen.events


def test_a_crash_is_told_and_the_next_stroke_tries_again(bench):
    bench.live().preview.change(lesion(2))
    bench.worker.fail("crash")
    assert bench.screen.events[-1] == ("failed", "crash")
    assert bench.preview.state == "failed"
    assert bench.worker.idle
    bench.preview.change(lesion(3))
    assert bench.worker.last[0] == "preview_open"


def test_what_cannot_work_is_not_tried_at_every_stroke(bench):
    bench.preview.show(bench.setting(), lesion(1))
    bench.worker.fail("input")
    bench.preview.change(lesion(2))
    assert bench.worker.idle
    bench.preview.show(bench.setting(2), None)
    assert bench.worker.last[0] == "preview_open"


def test_a_case_that_cannot_be_read_is_told_and_asks_for_nothing(bench):
    from StrokeSynthLib.errors import BadInputError

    def broken() -> dict[str, Any]:
        raise BadInputError("map: is bent; harden its transform.")

    bench.preview.show(bench._setting((3,), broken), lesion(1))
    assert bench.screen.events == [("failed", "input")]
    assert bench.worker.asked == []


def test_volumes_that_are_gone_are_made_anew(bench):
    bench.screen.there = False
    bench.live().preview.change(lesion(2))
    bench.worker.drawn([5], [])
    assert bench.worker.last[0] == "preview_open"


def test_nothing_comes_after_the_scene_is_gone(bench):
    bench.live().preview.change(lesion(2))
    bench.preview.forget()
    bench.worker.drawn([5], [4])
    assert bench.worker.idle
    assert ("slices", [5]) not in bench.screen.events
    assert bench.preview.state == "off"


def test_switched_off_it_closes_its_session(bench):
    bench.live().preview.show(None, None)
    assert bench.worker.last[0] == "preview_close"
    bench.worker.answer()
    assert bench.worker.idle
