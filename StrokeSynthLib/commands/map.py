"""``strokesynth map``: the semantic map of an examination."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Make the semantic map (tissue classes) of a DWI/ADC examination."
EXAMPLE = "strokesynth map --dwi dwi.nii.gz --adc adc.nii.gz --out map.nii.gz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    shared.examination(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="MAP", help="map to write, on the DWI's grid"
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Estimate the map and write it."""
    from ..pipeline.single import map_of_examination

    entries = map_of_examination(
        arguments.dwi, arguments.adc, arguments.out, b_value=arguments.b_value,
        say=console.say, progress=console.progress,
    )  # fmt: skip
    console.result(f"{arguments.out}: semantic map of {len(entries['Classes'])} classes.", entries)
