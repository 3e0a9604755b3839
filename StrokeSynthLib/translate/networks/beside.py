"""Pieces of an image computed in threads, while the thread that waits for them tells how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

from ...errors import CancelledError
from ..stage import Step

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def side_by_side(
    run: Callable[[Piece, Step], Result], pieces: Sequence[Piece], step: Step, threads: int,
    begin: Callable[[], object],
) -> list[Result]:  # fmt: skip
    """``run`` on every piece, at most ``threads`` at a time; the results in order.

    ``step`` is called in the thread of the caller alone, so whoever listens need not think of threads. What
    it raises, and what a piece raises, stops the others at their next step.

    Parameters
    ----------
    run
        Computes a piece and tells its steps to what it is given.
    pieces
        What to compute.
    step
        Told of steps of all pieces.
    threads
        1 or more.
    begin
        Called once at the beginning of each thread.
    """
    heard: SimpleQueue[int | Future[Result]] = SimpleQueue()
    stopped = Event()

    def tell(count: int) -> None:
        if stopped.is_set():
            raise CancelledError("stopped.")
        heard.put(count)

    with ThreadPoolExecutor(min(threads, len(pieces)), initializer=begin) as pool:
        futures = [pool.submit(run, piece, tell) for piece in pieces]
        try:
            for future in futures:
                future.add_done_callback(heard.put)
            left = len(futures)
            while left:
                news = heard.get()
                if isinstance(news, Future):
                    news.result()
                    left -= 1
                else:
                    step(news)
        except BaseException:
            stopped.set()
            for future in futures:
                future.cancel()
            raise
        return [future.result() for future in futures]
