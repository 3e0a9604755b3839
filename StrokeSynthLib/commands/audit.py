"""``strokesynth audit``: are synthetic images like real ones, and copies of none?"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import StrokeSynthError
from . import arguments as shared
from .console import Console

HELP = "Judge a synthetic cohort: realism, diversity, lesions, and copies of real cases; pass or fail."
DETAILS = """\
Every question is answered with its rule, its limit and its control (real cases against
other people's). The exit status is 0 when none failed, 1 when one did, 2 for bad input.
Copies are looked for in the whole image and in parts of it, in every channel, whatever
was done to them: mirrored, scaled, inverted, moved, resliced, noisy, without the skull,
with another lesion; and in lesion masks. Without --holdout training is split by person,
and whether images lie closer to training than to unseen cases is not asked. Beside the
report a page with the pictures is written (REPORT.html). A pass means that what was
looked for was not found; it is no proof of anonymity."""
EXAMPLE = (
    "strokesynth audit --synthetic synthetic --training clinical --holdout unseen --model clinic-model "
    "--out audit.json"
)


#: More processes than this are started on demand only.
_MOST_WORKERS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--synthetic", type=Path, required=True, metavar="COHORT", help="synthetic cases to be judged"
    )
    parser.add_argument(
        "--training", type=Path, required=True, metavar="COHORT", help="real cases that they were made from"
    )
    parser.add_argument(
        "--holdout",
        type=Path,
        metavar="COHORT",
        help="real cases of other people, never shown to the generator",
    )
    parser.add_argument(
        "--model", metavar="MODEL",
        help="the translator that made the synthetic cases: asks whether --training is what it learned from",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT.json", help="report to write")
    parser.add_argument(
        "--unmarked", action="store_true", help="take cases that do not say so for synthetic ones"
    )
    parser.add_argument(
        "--utility", type=shared.positive_whole, default=0, metavar="STEPS",
        help="train a segmenter on synthetic and one on real cases, so many steps each, and compare them on "
        "held-out cases (minutes to hours)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=shared.positive_whole, metavar="N",
        help=f"processes that measure cases, half a GB each (default: as many as processors, {_MOST_WORKERS} "
        "at most)",
    )  # fmt: skip
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Audit, write the report and its page, say the verdict."""
    shared.one_core_a_process()
    from ..files import check_outputs, write_json
    from ..pipeline.audit import AuditRequest, audit
    from ..study.audit_page import write_page

    page = arguments.out.with_suffix(".html")
    check_outputs([arguments.out, page])
    request = AuditRequest(
        arguments.synthetic, arguments.training, arguments.holdout, arguments.seed, arguments.device,
        arguments.workers or min(_processors(), _MOST_WORKERS), arguments.unmarked, arguments.utility,
        arguments.model,
    )  # fmt: skip
    found = audit(request, console.progress)
    report = found.to_json()
    write_json(arguments.out, report)
    write_page(page, found)
    answers = {True: "pass", False: "FAIL", None: "-"}
    for finding in found.findings:
        console.result(f"{answers[finding.passed]:4}  {finding.name}: {finding.sentence}", finding.to_json())
    console.result(
        f"{'Passed' if found.passed else 'FAILED'}{not_answered(found.unanswered)}; report {arguments.out}, "
        f"page {page}.",
        {"passed": found.passed, "failed": found.failed, "unanswered": found.unanswered},
    )
    if not found.passed:
        raise StrokeSynthError(f"{arguments.synthetic}: did not pass the audit: {', '.join(found.failed)}.")


def not_answered(questions: Sequence[str]) -> str:
    """What a verdict does not cover, to be said beside it; empty where every question was answered."""
    return f" (not answered: {', '.join(questions)})" if questions else ""


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
