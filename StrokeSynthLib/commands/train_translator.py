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
    from ..translate.registry import TRANSLATORS

    parser.add_argument("--kind", choices=tuple(TRANSLATORS), required=True, help="which translator")
    parser.add_argument("--cohort", type=Path, required=True, metavar="COHORT", help="cases to learn from")
    parser.add_argument(
        "--maps",
        type=Path,
        metavar="DIR",
        help="semantic maps of the cases; missing ones are made and kept here",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="model folder to write")
    parser.add_argument(
        "--dimensions", type=int, choices=(2, 3), default=2, help="2D slices or 3D patches (networks)"
    )
    parser.add_argument("--steps", type=shared.positive_whole, metavar="N", help="training steps (networks)")
    parser.add_argument(
        "--minutes", type=shared.positive, metavar="M", help="stop after this time (networks)"
    )
    parser.add_argument(
        "--width", type=shared.positive_whole, metavar="W", help="channels of the first layer (networks)"
    )
    parser.add_argument(
        "--threads", type=shared.positive_whole, metavar="T", help="CPU threads (default: all cores)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from where an interrupted training stopped"
    )
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Train and say where the model is."""
    from ..pipeline.training import train_translator_on

    model = train_translator_on(
        arguments.kind, arguments.cohort, arguments.maps, arguments.out,
        settings={name: getattr(arguments, name) for name in
                  ("seed", "dimensions", "steps", "minutes", "width", "threads", "resume", "device")},
        say=console.say, progress=console.progress,
    )  # fmt: skip
    console.result(f"{model.path}: {model.kind} translator, hash {model.hash[:12]}.", {"hash": model.hash})
