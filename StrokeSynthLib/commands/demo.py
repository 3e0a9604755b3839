"""``strokesynth demo``: the whole chain in minutes."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Show the whole chain on simulated cases: simulate, translate, train, compare, report."
EXAMPLE = "strokesynth demo --out demo-out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo-out"), metavar="DIR", help="folder (default demo-out)"
    )
    parser.add_argument(
        "--workers",
        type=shared.positive_whole,
        default=2,
        metavar="N",
        help="processes, one core each (default 2)",
    )
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Run the demo and print its table."""
    from ..study.demo import run_demo
    from ..study.pages import report_path

    text = run_demo(
        arguments.out,
        progress=console.progress,
        say=console.say,
        workers=arguments.workers,
        seed=arguments.seed,
    )
    console.result(
        f"{text}\nReport: {report_path(arguments.out)}", {"report": str(report_path(arguments.out))}
    )
