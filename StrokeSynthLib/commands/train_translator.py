"""``strokesynth train translator``: learn to turn maps into images like a cohort's."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Train a translator (semantic map + lesion to DWI, ADC, b0) on a cohort."
EXAMPLE = "strokesynth train translator --kind physics --cohort cohort --out physics-model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from ..translate.options import CONDITIONS
    from ..translate.registry import TRANSLATORS

    parser.add_argument("--kind", choices=tuple(TRANSLATORS), required=True, help="which translator")
    parser.add_argument("--cohort", type=Path, required=True, metavar="COHORT", help="cases to learn from")
    parser.add_argument(
        "--maps",
        type=Path,
        metavar="DIR",
        help="semantic maps of the cases; missing ones are made and kept here",
    )
    parser.add_argument(
        "--unlabeled", type=Path, metavar="COHORT",
        help="examinations without maps or masks to learn from, too (cyclegan)",
    )  # fmt: skip
    parser.add_argument(
        "--condition", choices=CONDITIONS, default=CONDITIONS[0],
        help="what networks see: the map and a sketch drawn from fitted statistics (default), or the map "
        "alone, as in the papers",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="model folder to write")
    parser.add_argument(
        "--width", type=shared.positive_whole, metavar="W", help="channels of the first layer (networks)"
    )
    shared.training(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Train and say where the model is."""
    from ..pipeline.training import TrainingRequest, train_translator_on

    names = ("seed", "dimensions", "steps", "minutes", "width", "threads", "resume", "device", "condition")
    request = TrainingRequest(
        arguments.kind, arguments.cohort, arguments.out, {name: getattr(arguments, name) for name in names},
        console.say, console.progress,
    )  # fmt: skip
    model = train_translator_on(request, arguments.maps, arguments.unlabeled)
    console.result(f"{model.path}: {model.kind} translator, hash {model.hash[:12]}.", {"hash": model.hash})
