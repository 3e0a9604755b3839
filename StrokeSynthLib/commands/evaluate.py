"""``strokesynth evaluate``: predictions against references."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import BadInputError
from . import arguments as shared
from .console import Console

HELP = "Score predicted lesion masks: Dice, lesion-wise F1, volumes, distances, with intervals."
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
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT.json", help="report to write")
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Score and print the table."""
    from ..evaluate.folders import evaluate_paths

    report = evaluate_paths(
        arguments.reference, arguments.prediction, seed=arguments.seed, progress=console.progress
    )
    report.save(arguments.out)
    console.result(report.table(), report.to_json())
    if report.errors:
        raise BadInputError(
            f"{arguments.prediction}: {len(report.errors)} case(s) could not be scored; the table names them."
        )
