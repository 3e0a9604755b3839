"""What an audit asks and what it found: each question with its rule, its limit and its control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    Parameters
    ----------
    name
        Short, stable ("image copies").
    question
        In words.
    passed
        None where it could not be judged; ``sentence`` says why.
    rule
        When it passes, in words, with the limit in it.
    sentence
        What was found.
    value, limit
        The figure that was judged and the one it was held against, where there are such.
    control
        The same of real cases alone: what nothing wrong looks like.
    cases
        Names of the cases that fail.
    """

    name: str
    question: str
    passed: bool | None
    rule: str
    sentence: str
    value: float | None = None
    limit: float | None = None
    control: Mapping[str, float] = field(default_factory=dict)
    cases: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """As it stands in the report."""
        return {
            "name": self.name,
            "question": self.question,
            "passed": self.passed,
            "rule": self.rule,
            "found": self.sentence,
            "value": _rounded(self.value),
            "limit": _rounded(self.limit),
            "control": {name: _rounded(value) for name, value in self.control.items()},
            "cases": list(self.cases),
        }


def passed(findings: Sequence[Finding]) -> bool:
    """Whether no question failed."""
    return all(finding.passed is not False for finding in findings)


def unanswered(findings: Sequence[Finding]) -> list[str]:
    """Names of the questions that were not judged: they have not failed, and not been passed either."""
    return [finding.name for finding in findings if finding.passed is None]


def listed(names: Sequence[str], most: int = 6) -> str:
    """Some names, and how many more."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _rounded(value: float | None) -> float | None:
    """Rounded for the report; NaN is not known."""
    return None if value is None or value != value else round(float(value), 5)
