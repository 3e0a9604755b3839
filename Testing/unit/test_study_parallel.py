"""Several tasks at once: all are done, progress reaches the end, a failure is not swallowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.progress import Progress, ProgressEvent, silent
from StrokeSynthLib.study.parallel import run_parallel


def leave_mark(folder: Path, number: int, *, progress: Progress) -> None:
    progress(ProgressEvent("marking", 1, 2, values={"loss": 0.5}))
    (folder / str(number)).write_text("done")


def fail_on_two(folder: Path, number: int, *, progress: Progress) -> None:
    if number == 2:
        raise BadInputError("case two: is broken.")
    leave_mark(folder, number, progress=progress)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_and_progress_reaches_the_end(tmp_path: Path, workers: int) -> None:
    events: list[ProgressEvent] = []
    run_parallel(leave_mark, [(tmp_path, i) for i in range(3)], "Marking", events.append, workers)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2"]
    assert events
    if workers > 1:
        assert events[-1].done == events[-1].total


@pytest.mark.parametrize("workers", [1, 2])
def test_failure_of_one_task_is_raised_as_it_was(tmp_path: Path, workers: int) -> None:
    with pytest.raises(BadInputError, match="case two"):
        run_parallel(fail_on_two, [(tmp_path, i) for i in range(3)], "Marking", silent, workers)
