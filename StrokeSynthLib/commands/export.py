"""``strokesynth export``: a cohort in the layout of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import Console

HELP = "Write a cohort in another layout (nnU-Net raw, BIDS, or a MONAI bundle with a segmenter)."
EXAMPLE = "strokesynth export --cohort cohort --to nnunet --out Dataset501_Stroke"
_BUNDLE = "monai-bundle"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--cohort", type=Path, required=True, metavar="COHORT", help="cohort in any layout that is read"
    )
    parser.add_argument("--to", choices=("nnunet", "bids", _BUNDLE), required=True, help="layout to write")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder")
    parser.add_argument(
        "--model", metavar="MODEL",
        help="the segmenter of the bundle: folder of a trained network (default: the shipped one)",
    )  # fmt: skip
    parser.add_argument(
        "--require-audit", type=Path, metavar="REPORT.json",
        help="write nothing unless this report of strokesynth audit was passed by exactly these cases",
    )  # fmt: skip


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Export and count."""
    from ..cohort.export import export_cohort
    from ..cohort.layouts import open_cohort
    from ..errors import BadInputError

    if arguments.model is not None and arguments.to != _BUNDLE:
        raise BadInputError(f"--model: is of use with --to {_BUNDLE} only; leave it out.")
    cohort, audited = open_cohort(arguments.cohort), ""
    if arguments.require_audit is not None:
        from ..pipeline.audit import require_passed
        from .audit import not_answered

        open_questions = require_passed(arguments.require_audit, cohort, console.progress)
        audited = f"; audit passed{not_answered(open_questions)}"
    if arguments.to == _BUNDLE:
        from ..pipeline.monai_bundle import export_bundle

        count = export_bundle(cohort, arguments.out, arguments.model, console.progress)
    else:
        count = export_cohort(cohort, arguments.to, arguments.out, console.progress)
    console.result(f"{count} cases written to {arguments.out} ({arguments.to}){audited}.", {"cases": count})
