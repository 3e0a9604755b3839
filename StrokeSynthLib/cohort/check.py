"""A whole cohort through the door, to know what is wrong before a night of training."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadInputError
from ..progress import Progress, ProgressEvent, silent
from .layouts import Cohort
from .load import load_case


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    case
        Name of the case, or "" when it concerns the cohort.
    severity
        "error" (the case cannot be used) or "notice" (it can, and this was done about it).
    sentence
        What, which file, what to do.
    """

    case: str
    severity: str
    sentence: str


def check_cohort(cohort: Cohort, progress: Progress = silent) -> list[Finding]:
    """Load every case and collect what is said about it, errors and notices."""
    findings = [Finding("", "notice", sentence) for sentence in cohort.notices]
    for number, files in enumerate(cohort.cases):
        progress(ProgressEvent("Checking cases", number, len(cohort.cases)))
        try:
            case = load_case(files)
        except BadInputError as error:
            findings.append(Finding(files.name, "error", str(error)))
        else:
            findings += [Finding(files.name, "notice", sentence) for sentence in case.notices]
    progress(ProgressEvent("Checking cases", len(cohort.cases), len(cohort.cases)))
    return findings
