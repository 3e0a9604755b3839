"""Cases made on a cluster, by the workers of a Dask scheduler (the optional packages dask, distributed).

A worker is sent the recipe and a number, and writes the case itself: all must see the folders under one path.
What it writes is, byte for byte, what this process would write, on machines of one kind. Start one worker a
core (``dask worker ADDRESS --nworkers 8 --nthreads 1``): a process makes its cases one after the other.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..cohort.writer import CohortWriter
from ..errors import BadInputError, StrokeSynthError

if TYPE_CHECKING:
    from .production import MadeCase, Recipe

#: Cases that a worker is given ahead of time.
_AHEAD = 2
#: Seconds to wait for the scheduler.
_PATIENCE = 20


class _Worker:
    """State of a worker process: the recipe that it works on, its maker and writer."""

    lock = threading.Lock()
    job: tuple[Any, str] | None = None
    make: Callable[[int], MadeCase]
    writer: CohortWriter


def _work(recipe: Recipe, out: str, number: int, version: str) -> Mapping[str, int]:
    """Make and write one case, in a worker's process."""
    from .production import one_thread, write_case

    if version != __version__:
        raise BadInputError(
            f"--scheduler: its workers have StrokeSynth {__version__}, this is {version}; install the same."
        )
    with _Worker.lock:
        if _Worker.job != (recipe, out):
            _Worker.make = staticmethod(recipe.maker())
            _Worker.writer = CohortWriter(out, description=recipe.description())
            _Worker.job = (recipe, out)
        with one_thread():
            case = _Worker.make(number)
        return write_case(_Worker.writer, case)


def on_cluster(recipe: Recipe, out: Path, numbers: list[int], address: str) -> Iterator[Mapping[str, int]]:
    """Make the numbered cases on the workers of the scheduler at ``address``.

    Raises
    ------
    BadInputError
        When dask is not installed, no scheduler or no worker answers, or a worker wrote somewhere else.
    StrokeSynthError
        When the cluster gave a case up.
    """
    if find_spec("distributed") is None:
        raise BadInputError(
            'This needs the packages dask and distributed: pip install "StrokeSynthLib[cluster]".'
        )
    from distributed import Client, as_completed
    from distributed.scheduler import KilledWorker

    folder = out.resolve()
    here = CohortWriter(folder, description=recipe.description())
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise BadInputError(
            f"--scheduler {address}: no Dask scheduler answers there; start one with `dask scheduler`."
        ) from error
    run = uuid.uuid4().hex[:8]
    queue = iter(numbers)
    with client:
        places = sum(client.ncores().values())
        if not places:
            raise BadInputError(f"--scheduler {address}: has no workers; start some with `dask worker`.")
        following = as_completed(loop=client.loop)

        def submit() -> None:
            number = next(queue, None)
            if number is not None:
                key = f"strokesynth-{run}-{number}"
                job = client.submit(_work, recipe, str(folder), number, __version__, key=key, pure=False)
                following.add(job)

        for _ in range(places * _AHEAD):
            submit()
        for future in following:
            try:
                counts: Mapping[str, int] = future.result()
            except KilledWorker as error:
                raise StrokeSynthError(
                    f"--scheduler {address}: workers were killed again and again while making a case, "
                    "perhaps for want of memory; finished cases are kept, go on with --resume."
                ) from error
            number = int(future.key.rsplit("-", 1)[1])
            if not here.has(f"sub-{number:04d}"):
                raise BadInputError(
                    f"{folder}: a worker of {address} wrote its case elsewhere; name a folder that all "
                    "machines see under this path."
                )
            submit()
            yield counts
