"""The cohorts of an audit, opened and checked: what cannot be compared is refused before it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..cohort.case import CaseFiles
from ..cohort.layouts import Cohort, open_cohort
from ..cohort.split import split_by_person
from ..errors import BadInputError
from ..evaluate.verdict import listed
from ..progress import Progress, ProgressEvent

if TYPE_CHECKING:
    from .audit import AuditRequest

#: With fewer real people there is no saying what no copy looks like.
LEAST_PERSONS = 6


def open_cohorts(
    request: AuditRequest, progress: Progress
) -> tuple[Cohort, list[CaseFiles], list[CaseFiles]]:
    """The synthetic cohort, the training cases and those held out (half of the training people
    where no others are given).

    Raises
    ------
    BadInputError
        When a cohort is missing, empty or given twice, nothing says that the cases are synthetic, or the real
        cases will not do (:func:`check_people`).
    """
    named = {"--synthetic": request.synthetic, "--training": request.training}
    if request.holdout is not None:
        named["--holdout"] = request.holdout
    check_apart(named)
    cohorts = {name: open_cohort(path) for name, path in named.items()}
    for cohort in cohorts.values():
        for notice in cohort.notices:
            progress(ProgressEvent("Opening cohorts", message=notice))
    synthetic, training = cohorts["--synthetic"], list(cohorts["--training"].cases)
    if not request.unmarked and not any(files.synthetic for files in synthetic.cases):
        raise BadInputError(
            f"{synthetic.path}: none of its {len(synthetic.cases)} cases says that it is synthetic; give the "
            "synthetic cohort as --synthetic, or add --unmarked if another program made it."
        )
    if len(synthetic.cases) < 2:
        raise BadInputError(f"{synthetic.path}: holds one case; a cohort of two at least can be judged.")
    check_people(cohorts["--training"], cohorts.get("--holdout"))
    if request.holdout is None:
        split = split_by_person(training, {"training": 0.5, "control": 0.5}, request.seed)
        return synthetic, split.select(training, "training"), split.select(training, "control")
    return synthetic, training, list(cohorts["--holdout"].cases)


def check_people(training: Cohort, holdout: Cohort | None) -> None:
    """Refuse real cases that no audit could compare with: too few people, or the same in both cohorts.

    Raises
    ------
    BadInputError
        Naming the cohort.
    """
    held_out = () if holdout is None else holdout.cases
    persons = {files.person for files in (*training.cases, *held_out)}
    if len(persons) < LEAST_PERSONS:
        raise BadInputError(
            f"{training.path}: holds {len(persons)} people; an audit needs {LEAST_PERSONS} real ones at "
            "least to know what no copy looks like; add cases, or give others as held-out cases."
        )
    if holdout is None:
        return
    both = {files.person for files in training.cases} & {files.person for files in held_out}
    if both:
        raise BadInputError(
            f"{holdout.path}: {len(both)} people are in {training.path} as well ({listed(sorted(both), 3)}); "
            "held-out people must be others."
        )
    if len(held_out) < 2:
        raise BadInputError(f"{holdout.path}: holds one case; two at least are needed as held-out cases.")


def check_apart(named: Mapping[str, Path]) -> None:
    """No folder twice, none within another; folders by the option that they are given as.

    Raises
    ------
    BadInputError
        Naming the folder.
    """
    seen: dict[Path, str] = {}
    for name, path in named.items():
        own = path.resolve()
        for other, before in seen.items():
            if own == other or other in own.parents or own in other.parents:
                raise BadInputError(
                    f"{path}: is given as {before} and as {name}, or one lies within the other; give each "
                    "cohort its own folder."
                )
        seen[own] = name
