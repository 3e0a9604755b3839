"""Translators in 2D and in 3D: the same kind, the same cases, the same CPU time, thick and thin slices.

The cohorts are those of ``shipped_cohorts.py``, the cases and widths those of ``head_to_head.py``. A row is a
kind of translator in two or in three dimensions; ``physics``, which has no network, is one row. Its stages,
each in a process of its own on one thread:

``train``  a few steps first, to see what one costs, then as many as the CPU time allows;
``draw``   images on maps and lesions of the test cohort, in turn from each protocol, beside the simulated
           scans.

    python -m Testing.Benchmarks.volumes --cohorts WORK --work DIR --out Testing/Benchmarks

``--taken-from`` spares trainings in 2D: it takes those of a run of ``head_to_head.py`` with as many cases,
which had so many steps, not so many seconds. Each stage that is done is a file in ``DIR/rows``, so this can
be killed and started again; ``--rows`` works on some rows, for several processes. The report and the
picture are made of what there is.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from StrokeSynthLib.files import read_json, write_json
from Testing.Benchmarks.head_to_head import Plan

#: Every row: a kind and its dimensions; the scans themselves are compared with nothing, and shown.
ROWS = (
    "scan", "physics", "pix2pix-2", "pix2pix-3", "spade-2", "spade-3", "cyclegan-2", "cyclegan-3",
    "rflow-2", "rflow-3",
)  # fmt: skip
STAGES = ("train", "draw")


@dataclass(frozen=True)
class Trial:
    """What all rows share.

    Parameters
    ----------
    cohorts, work
        Folder of the cohorts; folder of models, images and results.
    cpu_seconds
        Of each training's steps.
    cases, maps
        Of the clinic to learn from; of the test cohort to draw on.
    seed
        Of the trainings and of the images.
    taken_from
        Folder of a run of ``head_to_head.py`` whose translators are taken where they learned from the same
        cases with the same seed; None to train every row here.
    """

    cohorts: Path
    work: Path
    cpu_seconds: int = 600
    cases: int = 10
    maps: int = 7
    seed: int = 0
    taken_from: Path | None = None

    @property
    def plan(self) -> Plan:
        """Which cases and maps there are."""
        return Plan(self.cohorts, self.work, cases=self.cases, maps=self.maps)

    def settings(self, stage: str) -> dict[str, Any]:
        """What a stage depends on."""
        ignored = ("cohorts", "work", "taken_from", *(("maps",) if stage == "train" else ()))
        return {name: value for name, value in asdict(self).items() if name not in ignored}

    def result(self, row: str, stage: str) -> Path:
        """Where the result of a stage lies."""
        return self.work / "rows" / f"{row}-{stage}.json"

    def read(self, row: str, stage: str) -> dict[str, Any] | None:
        """A result that is there; None where it is not.

        Raises
        ------
        SystemExit
            When it was made with other settings.
        """
        path = self.result(row, stage)
        if not path.is_file():
            return None
        content: dict[str, Any] = read_json(path)
        if content["settings"] != self.settings(stage):
            raise SystemExit(f"{path}: made with {content['settings']}; use another --work, or remove it.")
        return content


def make(trial: Trial, row: str, stage: str) -> None:
    """One stage of one row, in this process."""
    from Testing.Benchmarks import volumes_row
    from Testing.Benchmarks.head_to_head_clock import code_state

    code = code_state()
    found = getattr(volumes_row, stage)(trial, row)
    path = trial.result(row, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"settings": trial.settings(stage), "code": code, "found": found})


def run(trial: Trial, rows: list[str], stages: list[str], words: list[str]) -> bool:
    """Each stage of each row in a process of its own, one after the other; whether all went well."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    well = True
    for row in rows:
        for stage in stages:
            if trial.read(row, stage) is not None or (row, stage) == ("scan", "train"):
                continue
            command = [sys.executable, "-m", "Testing.Benchmarks.volumes", *words, "--one", row, stage]
            done = subprocess.run(command, env=environment, check=False)
            well &= done.returncode == 0
            state = "done" if done.returncode == 0 else "FAILED"
            print(f"{time.strftime('%H:%M:%S')} {row} {stage}: {state}", flush=True)
    return well


def main() -> None:
    """Make rows, then the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=Path, required=True, help="folder made by shipped_cohorts.py")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="of the report (default: WORK)")
    for name in ("cpu_seconds", "cases", "maps", "seed"):
        default = getattr(Trial, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help=f"(default {default})"
        )
    parser.add_argument("--taken-from", type=Path, metavar="DIR", help="work folder of head_to_head.py")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS))
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=list(STAGES))
    parser.add_argument("--one", nargs=2, metavar=("ROW", "STAGE"), help="work on this, here")
    given = parser.parse_args()
    trial = Trial(
        given.cohorts, given.work, given.cpu_seconds, given.cases, given.maps, given.seed, given.taken_from
    )
    if given.one:
        make(trial, *given.one)
        return
    words = ["--cohorts", str(trial.cohorts), "--work", str(trial.work)]
    for name in ("cpu_seconds", "cases", "maps", "seed"):
        words += [f"--{name.replace('_', '-')}", str(getattr(trial, name))]
    words += ["--taken-from", str(trial.taken_from)] if trial.taken_from else []
    well = run(trial, given.rows, given.stages, words)
    if given.out:
        from Testing.Benchmarks.volumes_report import write_report

        write_report(trial, given.out)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
