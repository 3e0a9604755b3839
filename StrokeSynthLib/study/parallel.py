"""Several long tasks at once, one process each, with one progress for all of them."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

from ..errors import CancelledError
from ..progress import Progress, ProgressEvent
from ..stopping import left_to_parent

#: How often the reports of the processes are collected (s).
_PATIENCE = 0.5


class _Process:
    """State of a worker process: where its reports go, and whether it shall stop."""

    reports: Any = None
    stop: Any = None


def _start(reports: Any, stop: Any) -> None:
    left_to_parent()
    _Process.reports, _Process.stop = reports, stop


def _call(function: Callable[..., None], index: int, arguments: tuple[Any, ...]) -> None:
    def forward(event: ProgressEvent) -> None:
        share = event.done / event.total if event.total else 0.0
        _Process.reports.put((index, event.stage, share, dict(event.values)))
        if _Process.stop.is_set():
            raise CancelledError("stopped.")

    function(*arguments, progress=forward)


def run_parallel(
    function: Callable[..., None],
    tasks: Sequence[tuple[Any, ...]],
    stage: str,
    progress: Progress,
    workers: int,
) -> None:
    """Call ``function(*task, progress=...)`` for each task; the first failure ends all.

    Parameters
    ----------
    function
        Of a module, so that another process finds it; its arguments must be picklable.
    stage
        What the progress says; per cent over all tasks are shown.
    workers
        Processes; 1 calls the function here.
    """
    if workers == 1 or len(tasks) < 2:
        for index, task in enumerate(tasks):
            function(*task, progress=_numbered(progress, stage, index, len(tasks)))
        return
    context = multiprocessing.get_context("spawn")
    # Threads are counted when the child imports its libraries: one a process.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with context.Manager() as manager:
            reports, stop = manager.Queue(), manager.Event()
            with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(reports, stop)) as pool:
                futures = {pool.submit(_call, function, i, task): i for i, task in enumerate(tasks)}
                try:
                    _follow(futures, reports, stage, progress)
                except BaseException:
                    stop.set()  # the others end at their next report, and trainings keep their state
                    raise
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _numbered(progress: Progress, stage: str, index: int, count: int) -> Progress:
    def forward(event: ProgressEvent) -> None:
        name = f"{stage} ({index + 1} of {count}): {event.stage}"
        progress(ProgressEvent(name, event.done, event.total, event.message, event.values))

    return forward


def _follow(futures: dict[Future[None], int], reports: Any, stage: str, progress: Progress) -> None:
    # A task goes through several stages; what counts for the bar is the finished tasks and the
    # current stage of the running ones.
    shares = dict.fromkeys(futures.values(), 0.0)
    pending = set(futures)
    while pending:
        finished, pending = wait(pending, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
        values: dict[str, float] = {}
        while True:
            try:
                index, _, share, numbers = reports.get_nowait()
            except queue.Empty:
                break
            shares[index] = min(share, 0.99)
            values.update({f"{name} {index + 1}": value for name, value in numbers.items() if name == "loss"})
        for future in finished:
            future.result()
            shares[futures[future]] = 1.0
        total = 100 * len(shares)
        progress(ProgressEvent(stage, round(100 * sum(shares.values())), total, values=values))
