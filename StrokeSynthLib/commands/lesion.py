"""``strokesynth lesion``: a lesion for one semantic map."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Make an ischemic lesion inside an arterial territory of one semantic map."
EXAMPLE = (
    "strokesynth lesion --map map.nii.gz --out mask.nii.gz --territory MCA --side left --volume-ml 20\n"
    "  strokesynth lesion --map map.nii.gz --out mask.nii.gz --lesions learned --side right"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--map", type=Path, required=True, metavar="MAP", help="semantic map (any grid)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="MASK", help="lesion mask to write, on the map's grid"
    )
    parser.add_argument(
        "--territory", metavar="NAME", help="MCA, ACA, PCA, basilar, cerebellar, lacunar, border-zone, "
        "embolic, or a part; an unknown name lists them all (default: drawn)",
    )  # fmt: skip
    parser.add_argument(
        "--side", choices=("left", "right", "both"), help="the patient's side (default: drawn)"
    )
    parser.add_argument(
        "--volume-ml", type=shared.positive, metavar="ML", help="total volume (default: drawn)"
    )
    parser.add_argument(
        "--number", type=shared.positive_whole, metavar="N", help="separate lesions (default: drawn)"
    )
    parser.add_argument(
        "--lesions", type=Path, metavar="NAME",
        help="learned (shipped model), lesions-wgan (another), a model folder of your own, a cohort with "
        "masks, or a folder of masks in standard space (default: procedural)",
    )  # fmt: skip
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Draw the lesion and write it on the map's grid."""
    from ..lesions.lesion import LesionRequest
    from ..pipeline.synthesis import lesion_for_map

    request = LesionRequest(arguments.territory, arguments.side, arguments.volume_ml, arguments.number)
    entries = lesion_for_map(arguments.map, arguments.out, request, arguments.lesions, arguments.seed)
    console.result(
        f"{arguments.out}: {entries['VolumeMl']:.1f} ml in {entries['Components']} component(s), "
        f"{entries['Lesion'].get('territory', 'unknown territory')}, {entries['Lesion'].get('side', '')}.",
        entries,
    )
