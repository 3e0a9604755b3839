"""``strokesynth simulate``: simulated examinations with reference lesions and maps."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Make simulated DWI/b0/ADC examinations with exact lesion masks and semantic maps."
EXAMPLE = "strokesynth simulate --cases 20 --out cohort --scanner mixed --seed 1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--cases", type=shared.positive_whole, required=True, metavar="N", help="how many")
    parser.add_argument("--out", type=Path, required=True, metavar="COHORT", help="folder of the new cohort")
    shared.sources(parser)
    parser.add_argument(
        "--lesion-list", type=Path, metavar="FILE", help="use only the masks (or cases) named in this file"
    )
    from ..scanner.protocols import PROTOCOLS, WIDE

    parser.add_argument(
        "--scanner", default="mixed", metavar="NAME",
        help=f"mixed (default: any that is not held out), {WIDE} (past all of them, for training networks) "
        "or one of " + ", ".join(PROTOCOLS),
    )  # fmt: skip
    skull = parser.add_mutually_exclusive_group()
    skull.add_argument("--skull-stripped", dest="skull", action="store_true", default=None, help="brain only")
    skull.add_argument(
        "--with-skull", dest="skull", action="store_false", help="whole head (default: a mixture)"
    )
    shared.workers(parser)
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Simulate the cohort and say what came out."""
    shared.one_core_a_process()
    from ..lesions.masks import read_names
    from ..pipeline.simulate import SimulationRecipe, simulate

    names = read_names(arguments.lesion_list) if arguments.lesion_list else None
    recipe = SimulationRecipe(
        arguments.anatomies, arguments.lesions, names, arguments.scanner, arguments.lesion_free,
        arguments.skull, arguments.seed,
    )  # fmt: skip
    made = simulate(
        arguments.out, arguments.cases, recipe, progress=console.progress, workers=arguments.workers
    )
    parts = [f"{made.made} simulated cases written to {arguments.out}"]
    if made.kept:
        parts.append(f"{made.kept} were there already")
    parts += [f"{count} {name}" for name, count in made.counts.items() if count]
    console.result("; ".join(parts) + ".", {"made": made.made, "kept": made.kept, **made.counts})
