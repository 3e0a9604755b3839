"""Cohorts come out the same whatever the number of processes, and survive being killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError, CancelledError
from StrokeSynthLib.pipeline.production import MadeCase, case_name, produce
from StrokeSynthLib.progress import ProgressEvent, silent
from StrokeSynthLib.provenance import record
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.volume import Volume


@dataclass(frozen=True)
class Noise:
    """A recipe whose cases are noise."""

    seed: int = 0

    def description(self) -> dict[str, Any]:
        return {"Name": "noise", "Settings": {"seed": self.seed}}

    def maker(self) -> Callable[[int], MadeCase]:
        def make(number: int) -> MadeCase:
            rng = generator(self.seed, number)

            def image() -> Volume:
                return Volume(
                    rng.random((8, 9, 5)).astype(np.float32) * 900 + 50, np.diag([2.0, 2.0, 5.0, 1.0])
                )

            zeros = Volume(np.zeros((8, 9, 5), np.uint8), np.diag([2.0, 2.0, 5.0, 1.0]))
            return MadeCase(
                case_name(number), f"person-{number}", image(), image(), image(), zeros, zeros, 1000.0,
                record(synthetic=True, Number=number), {"things": 2},
            )  # fmt: skip

        return make


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_two_processes_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    produce(Noise(), tmp_path / "one", 4, stage="s", progress=silent)
    produce(Noise(), tmp_path / "two", 4, stage="s", progress=silent, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_interrupted_production_goes_on_without_losing_or_doubling_a_case(tmp_path: Path) -> None:
    def stop_after_two(event: ProgressEvent) -> None:
        if event.done == 2:
            raise CancelledError("stop")

    with pytest.raises(CancelledError):
        produce(Noise(), tmp_path / "a", 5, stage="s", progress=stop_after_two)
    made = produce(Noise(), tmp_path / "a", 5, stage="s", progress=silent)
    assert (made.made, made.kept) == (3, 2)
    produce(Noise(), tmp_path / "whole", 5, stage="s", progress=silent)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_counts_are_summed_over_the_cases(tmp_path: Path) -> None:
    assert produce(Noise(), tmp_path / "a", 3, stage="s", progress=silent).counts == {"things": 6}


def test_cohort_of_another_seed_is_refused(tmp_path: Path) -> None:
    produce(Noise(1), tmp_path / "a", 1, stage="s", progress=silent)
    with pytest.raises(BadInputError, match="made with"):
        produce(Noise(2), tmp_path / "a", 2, stage="s", progress=silent)


@dataclass(frozen=True)
class Impossible(Noise):
    """A recipe whose first case cannot be made."""

    def maker(self) -> Callable[[int], MadeCase]:
        def make(number: int) -> MadeCase:
            raise BadInputError("labels/a.nii.gz: holds no brain.")

        return make


@pytest.mark.parametrize("workers", [1, 2])
def test_production_that_fails_at_its_first_case_leaves_nothing_behind(tmp_path: Path, workers: int) -> None:
    with pytest.raises(BadInputError, match="holds no brain"):
        produce(Impossible(), tmp_path / "cohort", 2, stage="s", progress=silent, workers=workers)
    assert not (tmp_path / "cohort").exists()


def test_folder_with_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(BadInputError, match="not empty"):
        produce(Noise(), tmp_path, 1, stage="s", progress=silent)
    assert contents(tmp_path) == {"thesis.txt": b"dear"}
