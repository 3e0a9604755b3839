"""Measuring many cases for an audit, on several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from ..cohort.case import CaseFiles
from ..errors import BadInputError
from ..evaluate.measured import Measured, measure_case
from ..progress import Progress, ProgressEvent
from ..stopping import left_to_parent


def measure_all(
    cases: Sequence[CaseFiles], device: str, workers: int, with_adc: bool, progress: Progress
) -> Iterator[Measured]:
    """Measure cases in their order.

    Parameters
    ----------
    device
        Where the network computes.
    workers
        Processes; 1 measures everything here.
    with_adc
        Whether the network is shown ADC.

    Raises
    ------
    BadInputError
        When a case is not usable; the sentence names it and the file.
    """
    stage = "Measuring cases"
    progress(ProgressEvent(stage, 0, len(cases)))
    for done, measured in enumerate(_each(cases, _Measure(device, with_adc), workers), 1):
        progress(ProgressEvent(stage, done, len(cases)))
        yield measured


def _each(cases: Sequence[CaseFiles], measure: _Measure, workers: int) -> Iterator[Measured]:
    if workers == 1 or len(cases) < 4:
        yield from map(measure, cases)
        return
    # "spawn": forked children of a process that runs threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=left_to_parent) as pool:
        try:
            yield from pool.map(measure, cases, chunksize=2)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Measure:
    """Measures one case; can be sent to another process."""

    device: str
    with_adc: bool

    def __call__(self, files: CaseFiles) -> Measured:
        try:
            return measure_case(files, self.device, with_adc=self.with_adc)
        except BadInputError as error:
            raise BadInputError(f"{files.name}: {error}") from error
