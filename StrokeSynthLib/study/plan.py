"""What a study is: arms x case numbers x seeds, and where its results lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..cohort.case import CaseFiles
from ..errors import BadInputError
from ..files import read_json
from ..randomness import generator
from .arms import Arm, parse_arm


@dataclass(frozen=True)
class StudyPlan:
    """Everything that decides a study's result.

    Parameters
    ----------
    cohort, test
        Cases to train on and to test on; persons must differ.
    out
        Folder of the study.
    arms
        Names, see :mod:`StrokeSynthLib.study.arms`.
    cases
        Numbers of clinical cases to train with.
    seeds
        Trainings per arm and number, each with its own draw of clinical cases.
    steps
        Training steps of every network.
    synthetic_cases
        Size of the synthetic databases.
    translator_steps
        Training steps of translators that are networks; None for their default.
    also_fit
        Translators that are fitted and shown in the report without an arm of their own.
    maps
        Folder for semantic maps that have to be made.
    device
        "auto", "cpu" or "cuda".
    threads
        CPU threads of each training.
    seed
        Of the study; every draw follows from it.
    """

    cohort: Path
    test: Path
    out: Path
    arms: tuple[str, ...] = ("threshold", "clinical", "physics")
    cases: tuple[int, ...] = (10,)
    seeds: int = 1
    steps: int = 1500
    synthetic_cases: int = 60
    translator_steps: int | None = None
    also_fit: tuple[str, ...] = ()
    maps: Path | None = None
    device: str = "auto"
    threads: int = 1
    seed: int = 0

    def runs(self) -> list[Run]:
        """Every training of the study."""
        return [
            Run(parse_arm(arm), number, seed)
            for number in self.cases
            for seed in range(self.seeds)
            for arm in self.arms
        ]

    def settings(self) -> dict[str, Any]:
        """What a result must have been made with to count for this plan."""
        values = asdict(self)
        for key in ("out", "also_fit", "arms", "cases", "seeds", "maps", "device", "threads"):
            del values[key]
        return values | {"cohort": self.cohort.name, "test": self.test.name}


@dataclass(frozen=True)
class Run:
    """One training: an arm with so many clinical cases, and a seed."""

    arm: Arm
    cases: int
    seed: int

    @property
    def subset(self) -> str:
        """Name of the draw of clinical cases, shared by all arms."""
        return f"n{self.cases}-seed{self.seed}"

    @property
    def name(self) -> str:
        """Unique in the study."""
        return f"{self.subset}-{self.arm.name}"

    def result_path(self, plan: StudyPlan) -> Path:
        """Where the scores are written when the run is finished."""
        return plan.out / "runs" / f"{self.name}.json"

    def finished(self, plan: StudyPlan) -> dict[str, Any] | None:
        """The result, if it is there and was made with the plan's settings."""
        path = self.result_path(plan)
        if not path.is_file():
            return None
        content = read_json(path)
        if content.get("settings") != plan.settings():
            raise BadInputError(
                f"{path}: was made with other settings than are asked for now; choose another --out."
            )
        return dict(content)


def draw_cases(cases: Sequence[CaseFiles], number: int, plan_seed: int, seed: int) -> list[CaseFiles]:
    """Draw ``number`` clinical cases, whole persons at a time.

    The draws of one seed are nested: its first 10 are among its first 50.

    Raises
    ------
    BadInputError
        When the cohort has fewer.
    """
    if number > len(cases):
        raise BadInputError(
            f"--cases {number}: the cohort has only {len(cases)} usable cases; ask for fewer."
        )
    persons = sorted({files.person for files in cases})
    order = generator(plan_seed, "clinical", seed).permutation(len(persons))
    drawn: list[CaseFiles] = []
    for index in order:
        drawn += [files for files in cases if files.person == persons[index]]
    return drawn[:number]


def check_disjoint(training: Sequence[CaseFiles], test: Sequence[CaseFiles], same_cohort: bool) -> None:
    """Persons of training and test must differ when both come from one cohort.

    Raises
    ------
    BadInputError
        When a person is in both.
    """
    shared = {files.person for files in training} & {files.person for files in test}
    if same_cohort and shared:
        raise BadInputError(
            f"--test: {len(shared)} person(s) are also in --cohort ({sorted(shared)[0]}, ...)."
        )
