"""Making many cases: any number, streamed to disk, on several processes, resumable.

Every case is made from the seed and its own number alone, by a *maker* that each process
builds once for itself from a recipe (a small data class that can be sent to another process). So
the cohort is the same, byte for byte, whatever the number of processes, the order, or how
often it was killed in between. Networks compute on one thread each, because sums over several are
rounded in another order; more cores are used by more processes.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..cohort.bids import DERIVATIVES
from ..cohort.writer import CohortWriter
from ..errors import StrokeSynthError
from ..progress import Progress, ProgressEvent
from ..stopping import left_to_parent
from ..volume import Volume

#: Cases that are handed to a process ahead of time: enough to keep it busy, few enough to stop fast.
_AHEAD = 2


@dataclass(frozen=True)
class MadeCase:
    """One case that is ready to be written.

    Parameters
    ----------
    name, person
        In the cohort; cases of one anatomy share the person.
    dwi, adc, b0, lesion, semantic_map
        On one grid.
    b_value
        s/mm^2.
    record
        What makes it again and what was asked for and came out.
    counts
        Things worth a sum over the cohort (rejected masks, drawn again), by name.
    """

    name: str
    person: str
    dwi: Volume
    adc: Volume
    b0: Volume
    lesion: Volume
    semantic_map: Volume
    b_value: float
    record: Mapping[str, Any]
    counts: Mapping[str, int] = field(default_factory=dict)


class Recipe(Protocol):
    """What makes cases; must be picklable, because it travels to worker processes."""

    def description(self) -> dict[str, Any]:
        """What the cohort's ``dataset_description.json`` says of how it was made."""
        ...

    def maker(self) -> Callable[[int], MadeCase]:
        """Open everything that is needed once and return the function that makes case ``number``."""
        ...


@dataclass(frozen=True)
class Produced:
    """What a production did.

    Parameters
    ----------
    made, kept
        Cases made now, and found finished from before.
    counts
        Sums of the cases' counts (of those made now).
    """

    made: int
    kept: int
    counts: Mapping[str, int]


def case_name(number: int) -> str:
    """Name of the case with that number, counted from 1 ("sub-0001")."""
    return f"sub-{number:04d}"


def produce(
    recipe: Recipe, out: Path, cases: int, *, stage: str, progress: Progress, workers: int = 1,
    scheduler: str | None = None,
) -> Produced:  # fmt: skip
    """Make cases 1 to ``cases`` into a BIDS cohort at ``out``; finished ones are kept.

    Parameters
    ----------
    recipe
        What makes them.
    out
        Folder of the cohort; new, or one begun by the same recipe.
    cases
        How many there shall be in all.
    stage
        What the progress says.
    workers
        Processes; 1 makes everything here.
    scheduler
        Address of a Dask scheduler; its workers make the cases instead.

    Raises
    ------
    BadInputError
        When ``out`` holds something else, or the scheduler cannot be used.
    StrokeSynthError
        When a process died.
    """
    began = time.time()
    writer = CohortWriter(out, description=recipe.description())
    missing = [number for number in range(1, cases + 1) if not writer.has(case_name(number))]
    kept = cases - len(missing)
    counts: dict[str, int] = {}
    progress(ProgressEvent(stage, kept, cases))
    if scheduler is not None:
        from .cluster import on_cluster

        results = on_cluster(recipe, out, missing, scheduler)
    elif workers == 1 or len(missing) < 2:
        results = _here(recipe, out, missing)
    else:
        results = _spread(recipe, out, missing, workers)
    for done, case_counts in enumerate(results, 1):
        for name, count in case_counts.items():
            counts[name] = counts.get(name, 0) + count
        progress(ProgressEvent(stage, kept + done, cases))
    remove_leftovers(out, began)
    writer.finish()
    return Produced(len(missing), kept, counts)


def remove_leftovers(out: Path, before: float) -> None:
    """Remove what killed processes left half written: hidden files and folders older than ``before``."""
    for folder in (out, out / DERIVATIVES):
        for path in [*folder.glob(".part-*"), *folder.glob(".old-*")]:
            try:
                if path.stat().st_mtime >= before:
                    continue  # someone is at it
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
            except OSError:
                continue


def write_case(writer: CohortWriter, case: MadeCase) -> Mapping[str, int]:
    """Write a case; returns its counts."""
    writer.write(
        case.name, case.person, dwi=case.dwi, adc=case.adc, b0=case.b0, lesion=case.lesion,
        semantic_map=case.semantic_map, b_value=case.b_value, record=dict(case.record),
    )  # fmt: skip
    return case.counts


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread meanwhile, where it is loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _here(recipe: Recipe, out: Path, numbers: list[int]) -> Iterator[Mapping[str, int]]:
    make = recipe.maker()
    writer = CohortWriter(out, description=recipe.description())
    for number in numbers:
        with one_thread():
            case = make(number)
        yield write_case(writer, case)


class _Process:
    """State of a worker process: its maker and writer, opened once."""

    make: Callable[[int], MadeCase]
    writer: CohortWriter


def _start(recipe: Recipe, out: Path) -> None:
    left_to_parent()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Process.make = staticmethod(recipe.maker())
    _Process.writer = CohortWriter(out, description=recipe.description())


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, killed without a word.

    It would wait for work forever, and might still write while the database is gone on with.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(number: int) -> Mapping[str, int]:
    with one_thread():
        case = _Process.make(number)
    return write_case(_Process.writer, case)


def _spread(recipe: Recipe, out: Path, numbers: list[int], workers: int) -> Iterator[Mapping[str, int]]:
    # "spawn": forked children of a process that runs threads can hang.
    context = multiprocessing.get_context("spawn")
    queue = iter(numbers)
    pending: set[Future[Mapping[str, int]]] = set()
    with (
        _one_core_each(),
        ProcessPoolExecutor(workers, context, initializer=_start, initargs=(recipe, out)) as pool,
    ):
        try:
            while True:
                for number in queue:
                    pending.add(pool.submit(_work, number))
                    if len(pending) >= workers * _AHEAD:
                        break
                if not pending:
                    return
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as error:
            raise StrokeSynthError(
                f"{out}: a process that made cases was killed, perhaps for want of memory; finished cases "
                "are kept, so go on with --resume, with fewer --workers if it happens again."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _one_core_each() -> Iterator[None]:
    """Threads are counted when a new process imports its libraries."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
