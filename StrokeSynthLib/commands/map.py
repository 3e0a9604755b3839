"""``strokesynth map``: the semantic map of an examination."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Make the semantic map (tissue classes) of a DWI/ADC examination."
DETAILS = """\
The map holds 43 classes of tissue by side, without the lesion: infarcted tissue has the
class it had before. Where the shipped network does not know images like these, it says
so in a notice, and in the sidecar under "Unlike"."""
EXAMPLE = "strokesynth map --dwi dwi.nii.gz --adc adc.nii.gz --out map.nii.gz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    shared.examination(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="MAP", help="map to write, on the DWI's grid"
    )
    parser.add_argument(
        "--model", metavar="MODEL",
        help="acute (default): the shipped network; registration: the averaged head fitted to the image; or "
        "a folder of a network that names tissues",
    )  # fmt: skip


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Estimate the map and write it."""
    from ..pipeline.single import map_of_examination

    entries = map_of_examination(
        arguments.dwi, arguments.adc, arguments.out, b_value=arguments.b_value, model=arguments.model,
        device=arguments.device, say=console.say, progress=console.progress,
    )  # fmt: skip
    console.result(
        f"{arguments.out}: semantic map of {len(entries['Classes'])} classes, by {entries['Model']['Name']}.",
        entries,
    )
