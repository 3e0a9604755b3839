"""``strokesynth database``: a cohort of synthetic cases from a translator."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Make a database of synthetic cases: anatomies x lesions x a trained translator."
EXAMPLE = "strokesynth database --model physics-model --cases 200 --out synthetic --seed 1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--model", required=True, metavar="MODEL", help="folder of a trained translator")
    parser.add_argument(
        "--cases", type=shared.positive_whole, required=True, metavar="N", help="how many in all"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="COHORT", help="folder of the synthetic cohort"
    )
    parser.add_argument(
        "--nnunet", type=Path, metavar="DIR", help="when all are made, also write them as nnU-Net raw here"
    )
    shared.sources(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on with a database that was begun; finished cases are kept"
    )
    shared.workers(parser)
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Make the database and say what came out."""
    from ..pipeline.database import DatabaseRecipe, check_nnunet_copy, make_database, write_nnunet_copy

    recipe = DatabaseRecipe(
        arguments.model, arguments.anatomies, arguments.lesions, arguments.lesion_free, arguments.seed,
        arguments.device,
    )  # fmt: skip
    if arguments.nnunet is not None:
        check_nnunet_copy(arguments.out, arguments.nnunet)
    made = make_database(
        arguments.out, arguments.cases, recipe, resume=arguments.resume, progress=console.progress,
        workers=arguments.workers,
    )  # fmt: skip
    parts = [f"{made.made} synthetic cases written to {arguments.out}"]
    if made.kept:
        parts.append(f"{made.kept} were there already")
    if arguments.nnunet is not None:
        write_nnunet_copy(arguments.out, arguments.nnunet, console.progress)
        parts.append(f"copied to {arguments.nnunet} as nnU-Net raw")
    parts += [f"{count} {name}" for name, count in made.counts.items() if count]
    console.result("; ".join(parts) + ".", {"made": made.made, "kept": made.kept, **made.counts})
