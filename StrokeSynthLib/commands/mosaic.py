"""``strokesynth mosaic``: a cohort on one picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Draw the cases of a cohort on one picture, to look them over."
EXAMPLE = "strokesynth mosaic --cohort synthetic --out mosaic.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--cohort", type=Path, required=True, metavar="COHORT", help="cohort in any layout that is read"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PNG", help="picture to write")
    parser.add_argument(
        "--most", type=shared.positive_whole, default=48, metavar="N",
        help="cases at most, picked at even distances (default 48)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Draw and say what is shown."""
    from ..cohort.layouts import open_cohort
    from ..study.mosaic import write_mosaic

    cohort = open_cohort(arguments.cohort)
    made = write_mosaic(cohort, arguments.out, most=arguments.most, progress=console.progress)
    console.result(
        f"{made.path}: {len(made.shown)} of {made.cases} cases; left DWI, right ADC with the lesion",
        {"shown": list(made.shown), "cases": made.cases, "columns": made.columns},
    )
