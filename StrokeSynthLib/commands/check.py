"""``strokesynth check``: what is wrong with a cohort, before anything long starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import BadInputError
from .console import Console

HELP = "Check every case of a cohort and list what is wrong, one sentence each."
EXAMPLE = "strokesynth check --cohort my-cohort"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--cohort", type=Path, required=True, metavar="COHORT", help="BIDS, ISLES'22 or nnU-Net raw"
    )
    parser.add_argument("--maps", type=Path, metavar="DIR", help="semantic maps of the cases")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """List the findings; exit status 2 when a case cannot be used."""
    from ..cohort.check import check_cohort
    from ..cohort.layouts import open_cohort

    cohort = open_cohort(arguments.cohort, arguments.maps)
    findings = check_cohort(cohort, console.progress)
    for finding in findings:
        console.result(
            f"{finding.severity:7} {finding.case}: {finding.sentence}",
            {"case": finding.case, "severity": finding.severity, "sentence": finding.sentence},
        )
    bad = len({finding.case for finding in findings if finding.severity == "error"})
    console.result(f"{len(cohort.cases)} cases ({cohort.layout}), {bad} of them unusable.", {"unusable": bad})
    if bad:
        raise BadInputError(f"{arguments.cohort}: {bad} case(s) cannot be used; the lines above say why.")
