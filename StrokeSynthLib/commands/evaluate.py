"""``strokesynth evaluate``: predictions against references."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import BadInputError
from . import arguments as shared
from .console import Console

HELP = "Score predicted lesion masks: Dice, lesion-wise F1, volumes, distances, with intervals."
DETAILS = """\
A case is scored if it has one prediction on the reference's grid (axes in another
order are put right, an offset of less than half a voxel is noticed). Otherwise it is
listed with the reason, is in no mean, and the exit status is 2; the report is written
all the same. That holds for a prediction that is missing, damaged, no mask, on another
grid, or one of several. Only --missing empty counts a missing one as "no lesion found"
(Dice 0 where there is a lesion); one that is there but unusable never counts as empty."""
EXAMPLE = "strokesynth evaluate --reference test-cohort --prediction masks --out report.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="COHORT|DIR|FILE",
        help="cohort with reference lesions, or masks",
    )
    parser.add_argument(
        "--prediction", type=Path, required=True, metavar="DIR|FILE", help="masks, matched by case name"
    )
    parser.add_argument(
        "--missing", choices=("report", "empty"), default="report",
        help="a case without prediction: is listed and not scored (report, the default), "
        "or counts as a mask without lesion (empty)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT.json", help="report to write")
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Score and print the table."""
    from ..evaluate.folders import check_report_path, evaluate_paths

    check_report_path(arguments.out)
    report = evaluate_paths(
        arguments.reference, arguments.prediction, missing=arguments.missing, seed=arguments.seed,
        progress=console.progress,
    )  # fmt: skip
    report.save(arguments.out)
    console.result(report.table(), report.to_json())
    if report.not_scored:
        raise BadInputError(
            f"{arguments.prediction}: {len(report.not_scored)} case(s) could not be scored; the table names "
            f"them, as does {arguments.out}."
        )
