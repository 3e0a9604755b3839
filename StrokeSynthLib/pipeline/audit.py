"""An audit of a synthetic cohort against the real cases it was made from: measured, judged, written down.

1. Every case of the cohorts is read and measured once, on as many processes as asked for.
2. Privacy (:mod:`..evaluate.privacy`) and looks (:mod:`..evaluate.looks`) are judged, each question with its
   rule and its control; utility where it is asked for (:mod:`.audit_utility`).
3. The report holds the hash of every synthetic case, so that others can require an audit of exactly
   these cases (:func:`require_passed`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import RESEARCH_NOTICE, __version__
from ..cohort.layouts import Cohort
from ..errors import BadInputError, StrokeSynthError, require
from ..evaluate.distances import Distances
from ..evaluate.looks import (
    compare_features,
    histogram_readings,
    judge_alikeness,
    judge_intensities,
    judge_realism,
)
from ..evaluate.measured import Measured, case_hash
from ..evaluate.privacy import Privacy, judge_privacy
from ..evaluate.verdict import Finding, listed, passed, unanswered
from ..files import read_json
from ..progress import Progress, ProgressEvent, silent
from .audit_cohorts import open_cohorts
from .audit_measuring import measure_all
from .audit_sources import NAME as TRAINING_CASES
from .audit_sources import judge_sources

Array = npt.NDArray[Any]

KIND = "strokesynth audit"
#: Steps of comparing that progress is told of: shifts and sides, twice, for up to three images.
_LIKENESS_STEPS = 54 * 2 * 3


@dataclass(frozen=True)
class AuditRequest:
    """What is audited.

    Parameters
    ----------
    synthetic, training
        Cohorts.
    holdout
        Real cases that the generator never saw; without it training is split by person.
    seed
        Of subsets and permutations.
    device, workers
        Where the network computes, and in how many processes.
    unmarked
        Take cases that do not say they are synthetic for synthetic ones.
    utility_steps
        Train segmenters on synthetic and on real cases for so many steps and compare; 0 leaves it out.
    model
        The translator that made the synthetic cases, to ask whether ``training`` is what it learned from;
        None leaves the question unanswered.
    """

    synthetic: Path
    training: Path
    holdout: Path | None = None
    seed: int = 0
    device: str = "auto"
    workers: int = 1
    unmarked: bool = False
    utility_steps: int = 0
    model: str | Path | None = None


@dataclass(frozen=True)
class Audit:
    """What was found; :meth:`to_json` is the report.

    Parameters
    ----------
    synthetic, real
        The cases measured; ``held_out`` says which real ones are held out.
    cohorts
        What the report says of the cohorts.
    findings
        All questions.
    """

    request: AuditRequest
    synthetic: Sequence[Measured]
    real: Sequence[Measured]
    held_out: Sequence[bool]
    privacy: Privacy
    findings: Sequence[Finding]
    distances: Mapping[str, Mapping[str, Distances]]
    histograms: Mapping[str, Mapping[str, float]]
    cohorts: Mapping[str, Any]
    utility: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """The verdict."""
        return passed(self.findings)

    @property
    def failed(self) -> list[str]:
        """Names of the questions that failed."""
        return [finding.name for finding in self.findings if finding.passed is False]

    @property
    def unanswered(self) -> list[str]:
        """Names of the questions that were not judged."""
        return unanswered(self.findings)

    def to_json(self) -> dict[str, Any]:
        """The report."""
        return {
            "kind": KIND,
            "version": __version__,
            "passed": self.passed,
            "failed": self.failed,
            "unanswered": self.unanswered,
            "questions": [finding.to_json() for finding in self.findings],
            "cohorts": dict(self.cohorts),
            "distances": {
                extractor: {name: each.to_json() for name, each in pair.items()}
                for extractor, pair in self.distances.items()
            },
            "histogram_distances": {group: dict(values) for group, values in self.histograms.items()},
            "nearest_neighbor_distance_ratio": {
                "synthetic": _quantiles(self.privacy.ratios),
                "held out, among themselves": _quantiles(self.privacy.control_ratios),
            },
            "closest": [
                {
                    "case": self.synthetic[m.case].name,
                    "real": self.real[m.reference].name,
                    "held_out": bool(self.held_out[m.reference]),
                    "channel": m.channel,
                    "part": m.part,
                    "evidence": round(m.evidence, 2),
                    "correlation": round(m.correlation, 3),
                    "mirrored": m.mirrored,
                }
                for m in sorted(self.privacy.matches, key=lambda m: -m.evidence)[:20]
            ],
            "utility": dict(self.utility),
            "seed": self.request.seed,
            "seconds": round(self.seconds, 1),
            "limits": "A pass means that what was looked for was not found; it is no proof of anonymity.",
            "notice": RESEARCH_NOTICE,
        }


def _quantiles(values: Array) -> dict[str, float] | None:
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    points = {"lowest": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95}
    return {name: round(float(np.quantile(known, point)), 4) for name, point in points.items()}


def audit(request: AuditRequest, progress: Progress = silent) -> Audit:
    """Audit a synthetic cohort.

    Raises
    ------
    BadInputError
        When a cohort is missing or empty, one is given twice, a case is unusable, nothing says that the
        cases are synthetic, there are too few real people, or the model cannot be opened.
    """
    require("torch", "monai")
    started = time.monotonic()
    synthetic, training, holdout = open_cohorts(request, progress)
    sources = judge_sources(
        request.model, synthetic.cases, [*training, *([] if request.holdout else holdout)],
        holdout if request.holdout else [], progress,
    )  # fmt: skip
    cases = [*synthetic.cases, *training, *holdout]
    with_adc = all(files.adc is not None or files.b0 is not None for files in cases)
    measured = list(measure_all(cases, request.device, request.workers, with_adc, progress))
    first, last = len(synthetic.cases), len(synthetic.cases) + len(training)
    own, known, other = measured[:first], measured[first:last], measured[last:]
    held_out = [False] * len(known) + [True] * len(other)
    counter = _Counter(progress, "Comparing cases", _LIKENESS_STEPS + 4)
    privacy = judge_privacy(
        own, [*known, *other], held_out, seed=request.seed, unseen=request.holdout is not None,
        step=counter.step,
    )  # fmt: skip
    distances = compare_features(own, known, other, request.seed, counter.step)
    counter.finish()
    findings = [
        _marked(own, request.unmarked), sources, *privacy.findings, *judge_realism(distances),
        judge_alikeness(own, [*known, *other], request.seed), *judge_intensities(own, known, other),
    ]  # fmt: skip
    utility: dict[str, Any] = {}
    if request.utility_steps:
        from .audit_utility import judge_utility

        finding, utility = judge_utility(
            synthetic.cases, training, holdout, request.utility_steps, request.seed, request.device, progress
        )
        findings.append(finding)
    cohorts = _described(request, synthetic, own, known, other)
    return Audit(
        request, own, [*known, *other], held_out, privacy, findings, distances,
        histogram_readings(own, known, other), cohorts, utility, time.monotonic() - started,
    )  # fmt: skip


class _Counter:
    """Progress by counted steps."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self._progress, self._stage, self._total, self._done = progress, stage, total, 0

    def step(self) -> None:
        self._done += 1
        self._progress(ProgressEvent(self._stage, min(self._done, self._total), self._total))

    def finish(self) -> None:
        self._progress(ProgressEvent(self._stage, self._total, self._total))


def _marked(synthetic: Sequence[Measured], unmarked: bool) -> Finding:
    """Whether every case says that it is synthetic."""
    silent_ones = [m.name for m in synthetic if not m.synthetic]
    question = "Does every case say that it is synthetic?"
    rule = '"Synthetic": true in the sidecar of every case'
    if unmarked:
        return Finding("marked", question, None, rule, "Not asked (--unmarked).")
    return Finding(
        "marked", question, not silent_ones, rule,
        f"{len(silent_ones)} do not: {listed(silent_ones)}." if silent_ones else "All do.",
        float(len(silent_ones)), 0.0, {}, silent_ones,
    )  # fmt: skip


def _described(
    request: AuditRequest, synthetic: Cohort, own: Sequence[Measured], known: Sequence[Measured],
    other: Sequence[Measured],
) -> dict[str, Any]:  # fmt: skip
    """What the report says of the cohorts; real cases by number and hash over all, never by path."""
    return {
        "synthetic": {
            "name": synthetic.path.resolve().name,
            "cases": {m.name: m.hash for m in own},
            "hash": cohort_hash([m.hash for m in own]),
        },
        "training": {
            "name": request.training.resolve().name,
            "cases": len(known),
            "persons": len({m.person for m in known}),
            "hash": cohort_hash([m.hash for m in known]),
        },
        "control": {
            "name": "half of training, by person"
            if request.holdout is None
            else request.holdout.resolve().name,
            "cases": len(other),
            "persons": len({m.person for m in other}),
            "hash": cohort_hash([m.hash for m in other]),
        },
    }


def cohort_hash(hashes: Sequence[str]) -> str:
    """SHA-256 over the hashes of cases, in any order."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def require_passed(report: Path | str, cohort: Cohort, progress: Progress = silent) -> list[str]:
    """Refuse a cohort without a passed audit of exactly its cases; returns the questions left unanswered.

    Parameters
    ----------
    report
        What ``strokesynth audit`` wrote.
    cohort
        What is to be exported; cases may have been moved or renamed, not changed, added or left out.

    Raises
    ------
    BadInputError
        When the report is none, or of other cases.
    StrokeSynthError
        When the audit was not passed.
    """
    content = read_json(report)
    try:
        if content["kind"] != KIND:
            raise KeyError("kind")
        questions = [(str(q["name"]), q["passed"]) for q in content["questions"]]
        audited = [str(value) for value in content["cohorts"]["synthetic"]["cases"].values()]
        verdict = content["passed"] is True and not any(answer is False for _, answer in questions)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"{report}: is not a report of strokesynth audit; give such a report.") from error
    if not verdict:
        failed = [name for name, answer in questions if answer is False]
        raise StrokeSynthError(f"{report}: the audit was not passed ({listed(failed) or 'no verdict'}).")
    hashes = []
    for done, files in enumerate(cohort.cases):
        progress(ProgressEvent("Checking against the audit", done, len(cohort.cases)))
        hashes.append(case_hash(files))
    progress(ProgressEvent("Checking against the audit", len(cohort.cases), len(cohort.cases)))
    if sorted(hashes) != sorted(audited):
        known = set(audited)
        changed = [files.name for files, own in zip(cohort.cases, hashes, strict=True) if own not in known]
        what = (
            f"{listed(changed, 3)} differ" if changed else f"it has {len(hashes)} cases, not {len(audited)}"
        )
        raise BadInputError(
            f"{report}: is the audit of other cases than those in {cohort.path} ({what}); audit it again."
        )
    # Reports of earlier versions did not ask it.
    unasked = [] if TRAINING_CASES in dict(questions) else [TRAINING_CASES]
    return unasked + [name for name, answer in questions if answer is None]
