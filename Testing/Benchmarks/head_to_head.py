"""All translators on one simulated clinic: the same cases, the same steps, one core each, several seeds.

The cohorts are those of ``shipped_cohorts.py``: the clinic is simulated from real anatomies (people 1 to
10) and real lesion masks on named protocols, the test cohort from people 13 to 15 and the saved list of masks
on all protocols, one of which the clinic has not. For each seed 50 cases are drawn from the clinic's 200 (by
case: its 10 people have 20 each), the same for every translator.

A row is a translator and a seed; ``_map`` behind the translator's name: its network sees the map alone.
Its stages, each in a process of its own on one thread:

``train``     the translator, on the drawn cases; so many steps, at widths of about equal cost;
``database``  synthetic cases of new people and lesions, with every lesion recoverable (pipeline/attempts.py);
``utility``   a segmenter on the drawn cases and the database, scored on the test cohort;
``score``     images on 20 maps and lesions of the test cohort, against the simulated scans of the same.

Row ``clinical`` is the drawn cases alone. Row ``healthy`` is a control: a database of the same size, drawn by
the same seed's physics translator, without any lesion, so that what more negatives teach is not credited to
synthetic lesions.

    python -m Testing.Benchmarks.head_to_head --cohorts WORK --work DIR --workers 3 --stage train
    python -m Testing.Benchmarks.head_to_head --cohorts WORK --work DIR --workers 3 --out Testing/Benchmarks

Each piece that is done is a file in ``DIR/pieces``, so any of this can be killed and started again, and
several processes can work on different kinds and seeds. The report is written anew after each row.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.files import read_json, write_json
from StrokeSynthLib.provenance import sidecar_path
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.translate.registry import TRANSLATORS

#: The row of the clinical cases alone: what synthesis has to beat, and what real against real looks like.
CLINICAL = "clinical"
#: The row of the control, and the translator that draws it.
HEALTHY, PHYSICS = "healthy", "physics"
STAGES = ("train", "database", "utility", "score")
#: What is made of a row, over all its stages.
PIECES = (
    "training", "database", "images", "scans", "features", "seeds", "picture",
    "utility clinical", "utility with", "utility only", "empty clinical", "empty with", "empty only",
)  # fmt: skip
#: Channels of the first layer: chosen so that a step costs about the same.
WIDTHS = {"pix2pix": 16, "spade": 8, "cyclegan": 8, "rflow": 12}
#: Steps of sampling for the databases.
SAMPLING_STEPS = {"rflow": 4, "rflow_map": 8}
#: Behind the kind, in rows whose network sees the map alone, as in the papers; others get a sketch beside it.
MAP_ALONE = "_map"
KINDS = (*TRANSLATORS, *(f"{name}{MAP_ALONE}" for name, kind in TRANSLATORS.items() if kind.takes_condition))
#: Every row.
ROWS = (CLINICAL, HEALTHY, *KINDS)
#: Stages of rows that have not all of them.
_STAGES_OF = {CLINICAL: ("utility", "score"), HEALTHY: ("database", "utility")}


def translator_of(kind: str) -> tuple[str, str]:
    """The kind of translator of a row, and what it sees beside the map."""
    name = kind.removesuffix(MAP_ALONE)
    return name, "sketch" if name == kind else "map"


#: What the translators' trainings do not depend on.
_LATER = ("database", "segmenter_steps", "test_each", "maps")
_NUMBERS = ("cases", "test_each", "maps", "steps", "width", "database", "segmenter_steps")


@dataclass(frozen=True)
class Plan:
    """What every row shares; pieces made with other settings are not gone on with.

    Parameters
    ----------
    cohorts, work
        Folder of the cohorts; folder of models, databases and pieces.
    cases
        Drawn from the clinic for each seed.
    test_each
        Test cases of each protocol.
    maps
        Maps and lesions of the test cohort that translators draw on.
    steps, minutes, width
        Of the translators' trainings; ``minutes`` ends them earlier; ``width`` 0: as in :data:`WIDTHS`.
    database
        Synthetic cases of each row.
    segmenter_steps
        Of every segmenter.
    arms
        "with" (drawn and synthetic cases), "only" (synthetic cases).
    """

    cohorts: Path
    work: Path
    cases: int = 50
    test_each: int = 5
    maps: int = 20
    steps: int = 1500
    minutes: float | None = None
    width: int = 0
    database: int = 60
    segmenter_steps: int = 1000
    arms: tuple[str, ...] = ("with",)

    def channels(self, kind: str) -> int | None:
        """Channels that a row's network is asked for; None for a row without a network."""
        name = kind.removesuffix(MAP_ALONE)
        return (self.width or WIDTHS[name]) if name in WIDTHS else None

    def settings(self, piece: str = "", kind: str = "") -> dict[str, Any]:
        """What a piece of a row depends on; without a name, what all rows share."""
        settings = {k: v for k, v in asdict(self).items() if k not in ("cohorts", "work", "arms")}
        passed_over = {"": (), "training": _LATER, "database": ("segmenter_steps", "test_each", "maps")}
        score = ("segmenter_steps", "database")
        ignored = ("maps",) if piece.startswith(("utility", "empty")) else passed_over.get(piece, score)
        kept = {name: value for name, value in settings.items() if name not in ignored}
        channels = self.channels(kind)
        if channels is not None:
            kept["channels"] = channels
            if piece != "training":
                kept["sampling_steps"] = SAMPLING_STEPS.get(kind)
        return kept

    def piece(self, kind: str, seed: int, name: str) -> Path:
        """Where a piece lies."""
        return self.work / "pieces" / f"{kind}-{seed}-{name.replace(' ', '-')}.json"

    def fits(self, kind: str, seed: int, name: str) -> bool:
        """Whether a piece that is done was made with these settings."""
        found: dict[str, Any] = read_json(self.piece(kind, seed, name))
        return bool(found["settings"] == self.settings(name, kind))

    def read(self, kind: str, seed: int, name: str) -> dict[str, Any] | None:
        """A piece that is done; None where it is not.

        Raises
        ------
        SystemExit
            When it was made with other settings.
        """
        path = self.piece(kind, seed, name)
        if not path.is_file():
            return None
        content: dict[str, Any] = read_json(path)
        if not self.fits(kind, seed, name):
            raise SystemExit(
                f"{path}: made with {content['settings']}, not {self.settings(name, kind)}; use another "
                "--work, or remove it and what it was made from."
            )
        return content["found"]  # type: ignore[no-any-return]

    def clinic(self, seed: int) -> list[CaseFiles]:
        """The drawn cases."""
        cases = _cases(self.cohorts / "clinic")
        order = generator(2026, "head to head", seed).permutation(len(cases))
        return [cases[i] for i in sorted(order[: self.cases])]

    def test(self) -> list[CaseFiles]:
        """The first cases of each protocol; names are made unique."""
        found = []
        for folder in sorted(self.cohorts.glob("test-*")):
            for files in _cases(folder)[: self.test_each]:
                found.append(replace(files, name=f"{folder.name.removeprefix('test-')}_{files.name}"))
        return found

    def without_lesion(self) -> list[CaseFiles]:
        """All test cases without a lesion, more than :meth:`test` has; names are made unique."""
        everything = replace(self, test_each=sys.maxsize)
        return [
            files for files in everything.test() if read_json(sidecar_path(files.dwi))["LesionVolumeMl"] == 0
        ]

    def drawn_on(self) -> list[CaseFiles]:
        """Test cases with a lesion, in turn from each protocol."""
        by_protocol: dict[str, list[CaseFiles]] = {}
        for files in self.test():
            if read_json(sidecar_path(files.dwi)).get("LesionVolumeMl"):
                by_protocol.setdefault(files.name.split("_")[0], []).append(files)
        depth = max(map(len, by_protocol.values()))
        turns = [cases[k] for k in range(depth) for cases in by_protocol.values() if k < len(cases)]
        return turns[: self.maps]


@cache
def _cases(folder: Path) -> tuple[CaseFiles, ...]:
    return open_cohort(folder).cases


def make_row(plan: Plan, kind: str, seed: int, stage: str) -> bool:
    """The pieces of a row's stage that are missing; whether all are there afterwards."""
    import traceback

    from Testing.Benchmarks.head_to_head_clock import code_state
    from Testing.Benchmarks.head_to_head_row import pieces_of

    code = code_state()  # of the code that runs, before anybody edits it
    whole = True
    for name, function in pieces_of(plan, kind, stage).items():
        if plan.read(kind, seed, name) is not None:
            continue
        started = time.monotonic()
        try:
            found = function(plan, kind, seed)
        except Exception:  # one measure that fails must not cost the others
            traceback.print_exc()
            print(f"{kind} {seed}: {name} FAILED", flush=True)
            whole = False
            continue
        settings = plan.settings(name, kind)
        write_json(plan.piece(kind, seed, name), {"settings": settings, "code": code, "found": found})
        print(f"{kind} {seed}: {name} in {time.monotonic() - started:.0f} s", flush=True)
    return whole


def _needs(row: tuple[str, int, str]) -> tuple[str, int]:
    """The translator that a row writes or reads; one process at a time has it."""
    kind, seed, _ = row
    return (PHYSICS if kind == HEALTHY else kind), seed


def run_rows(
    plan: Plan, rows: list[tuple[str, int, str]], workers: int, words: list[str], report: Any
) -> None:
    """Each row's stage in a process of its own; one that fails leaves its log, and the others alone."""
    logs = plan.work / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    waiting, running = list(rows), {}
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    while waiting or running:
        while waiting and len(running) < workers:
            busy = {_needs(row) for row in running}
            free = next((row for row in waiting if _needs(row) not in busy), None)
            if free is None:
                break  # what is left follows from what runs
            waiting.remove(free)
            kind, seed, stage = row = free
            command = [sys.executable, "-m", "Testing.Benchmarks.head_to_head", *words, "--stage", stage]
            with (logs / f"{kind}-{seed}.log").open("a") as log:
                running[row] = subprocess.Popen(
                    [*command, "--row", kind, str(seed)],
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            print(f"{time.strftime('%H:%M:%S')} {kind} {seed} {stage}: started", flush=True)
        time.sleep(0.5)
        for row, process in list(running.items()):
            if process.poll() is None:
                continue
            del running[row]
            state = "done" if process.returncode == 0 else f"FAILED, see {logs}/{row[0]}-{row[1]}.log"
            print(f"{time.strftime('%H:%M:%S')} {row[0]} {row[1]} {row[2]}: {state}", flush=True)
            report()


def main() -> None:
    """Make rows, then the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=Path, required=True, help="folder made by shipped_cohorts.py")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="of the report (default: WORK)")
    parser.add_argument("--name", default="head_to_head", help="of the report's files")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--stage", nargs="+", choices=(*STAGES, "report"), default=list(STAGES))
    parser.add_argument("--kinds", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    for name in _NUMBERS:
        default = getattr(Plan, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help=f"(default {default})"
        )
    parser.add_argument("--minutes", type=float, help="longest training of a translator")
    parser.add_argument("--arms", nargs="+", choices=("with", "only"), default=list(Plan.arms))
    parser.add_argument("--row", nargs=2, metavar=("KIND", "SEED"), help="work on one row, here")
    given = parser.parse_args()
    plan = Plan(
        given.cohorts, given.work, given.cases, given.test_each, given.maps, given.steps, given.minutes,
        given.width, given.database, given.segmenter_steps, tuple(given.arms),
    )  # fmt: skip
    if given.row:
        done = [make_row(plan, given.row[0], int(given.row[1]), stage) for stage in given.stage]
        sys.exit(0 if all(done) else 1)

    def report() -> None:
        from Testing.Benchmarks.head_to_head_report import write_report

        write_report(plan, given.out or plan.work, given.name)

    rows = [
        (kind, seed, stage)
        for seed in given.seeds
        for stage in given.stage
        for kind in given.kinds
        if stage in _STAGES_OF.get(kind, STAGES)
    ]
    run_rows(plan, rows, given.workers, _words(given), report)
    report()


def _words(given: argparse.Namespace) -> list[str]:
    words = ["--cohorts", str(given.cohorts), "--work", str(given.work), "--arms", *given.arms]
    for name in (*_NUMBERS, "minutes"):
        value = getattr(given, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


if __name__ == "__main__":
    main()
