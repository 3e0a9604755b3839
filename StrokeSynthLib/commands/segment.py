"""``strokesynth segment``: the lesions of one examination, or of a folder of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInputError
from . import arguments as shared
from .console import Console

if TYPE_CHECKING:
    from ..pipeline.single import CohortSegmentation

HELP = "Segment acute ischemic lesions in a DWI/ADC examination, or in a whole cohort."
DETAILS = """\
Everything is written on the grid and in the orientation of the DWI, each with a sidecar
that names the model (with its hash), the input files (with theirs) and all notices.
An examination that is unlike those the model knows (wrong contrast, no brain, noise,
wrong unit of ADC) gets a mask all the same, with a notice and the reasons in the sidecar
under "Unlike": look at such a mask before you use it. With --cohort, masks are
OUT/NAME.nii.gz, the other options name folders too, and cases that cannot be segmented
are named and skipped (exit status 2 then)."""
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
        "--map", type=Path, metavar="FILE", help="also write the semantic map, from the same pass"
    )
    parser.add_argument(
        "--model", metavar="MODEL",
        help="model folder, or the name of a shipped one (default acute; 'strokesynth models' lists them)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Segment and say how much lesion there is."""
    if (arguments.cohort is None) == (arguments.dwi is None):
        raise BadInputError("segment: give either --dwi (one examination) or --cohort (many).")
    if arguments.cohort is not None:
        if arguments.adc is not None or arguments.b_value is not None:
            raise BadInputError("--adc and --b-value are for one examination; a cohort has its own.")
        _run_cohort(arguments, console)
        return
    from ..pipeline.single import segment_examination, volume_text

    entries = segment_examination(
        arguments.dwi, arguments.adc, arguments.out, b_value=arguments.b_value, model=arguments.model,
        device=arguments.device, probability=arguments.probability, uncertainty=arguments.uncertainty,
        semantic_map=arguments.map, say=console.say, progress=console.progress,
    )  # fmt: skip
    console.result(f"{arguments.out}: {volume_text(entries)}, model {entries['Model']['Name']}.", entries)


def _run_cohort(arguments: argparse.Namespace, console: Console) -> None:
    from ..pipeline.single import segment_cohort

    found = segment_cohort(
        arguments.cohort, arguments.out, model=arguments.model, device=arguments.device,
        probability=arguments.probability, uncertainty=arguments.uncertainty, semantic_map=arguments.map,
        say=console.say, tell=console.result, progress=console.progress,
    )  # fmt: skip
    console.result(
        "\n".join([f"{len(found.volumes_ml)} masks written to {arguments.out}.", *_doubts(found)]),
        {"volumes_ml": found.volumes_ml, "unlike": found.unlike, "skipped": found.skipped},
    )
    if found.skipped:
        raise BadInputError(
            f"{arguments.cohort}: {len(found.skipped)} case(s) could not be segmented; see the lines above."
        )


def _doubts(found: CohortSegmentation) -> list[str]:
    if not found.unlike:
        return []
    count = f"{len(found.unlike)} of {len(found.volumes_ml)}"
    lines = [f"{count} cases are unlike what the model knows; look at these masks before you use them:"]
    return lines + [f"  {name}: {' '.join(reasons)}" for name, reasons in found.unlike.items()]
