"""``strokesynth segment``: the lesions of one examination, or of a folder of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import BadInputError
from . import arguments as shared
from .console import Console

HELP = "Segment acute ischemic lesions in a DWI/ADC examination, or in a whole cohort."
EXAMPLE = "strokesynth segment --dwi dwi.nii.gz --adc adc.nii.gz --out mask.nii.gz --probability prob.nii.gz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    shared.examination(parser, required=False)
    parser.add_argument(
        "--cohort", type=Path, metavar="COHORT", help="segment every case of a cohort instead of --dwi"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="MASK",
        help="mask to write on the DWI's grid; a folder with --cohort",
    )
    parser.add_argument(
        "--probability", type=Path, metavar="FILE", help="also write the lesion probability (0 to 1)"
    )
    parser.add_argument("--uncertainty", type=Path, metavar="FILE", help="also write the model's uncertainty")
    parser.add_argument(
        "--model", default=None, metavar="MODEL", help="model folder, or the name of a shipped one"
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Segment and say how much lesion there is."""
    from ..pipeline.single import segment_cohort, segment_examination

    if (arguments.cohort is None) == (arguments.dwi is None):
        raise BadInputError("segment: give either --dwi (one examination) or --cohort (many).")
    if arguments.cohort is not None:
        if arguments.probability or arguments.uncertainty:
            raise BadInputError(
                "--probability and --uncertainty are for one examination; leave them out with --cohort."
            )
        rows = segment_cohort(
            arguments.cohort, arguments.out, model=arguments.model, device=arguments.device,
            say=console.say, progress=console.progress,
        )  # fmt: skip
        console.result(f"{len(rows)} masks written to {arguments.out}.", {"volumes_ml": rows})
        return
    entries = segment_examination(
        arguments.dwi, arguments.adc, arguments.out, b_value=arguments.b_value, model=arguments.model,
        device=arguments.device, probability=arguments.probability, uncertainty=arguments.uncertainty,
        say=console.say, progress=console.progress,
    )  # fmt: skip
    console.result(
        f"{arguments.out}: {entries['VolumeMl']:.2f} ml in {entries['Components']} lesion(s), "
        f"model {entries['Model']['Name']}.",
        entries,
    )
