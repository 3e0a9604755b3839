"""``strokesynth synthesize``: a map and a lesion become DWI, ADC and b0."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Turn a semantic map and a lesion into synthetic DWI, ADC and b0 volumes."
EXAMPLE = (
    "strokesynth synthesize --model physics-model --map map.nii.gz --lesion mask.nii.gz --out out --seed 1"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--model", required=True, metavar="MODEL", help="folder of a trained translator")
    parser.add_argument("--map", type=Path, required=True, metavar="MAP", help="semantic map")
    parser.add_argument(
        "--lesion", type=Path, metavar="MASK", help="lesion mask on the map's grid (default: none)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the synthetic volumes"
    )
    parser.add_argument(
        "--background",
        type=Path,
        metavar="DWI",
        help="keep this patient's DWI outside the softened lesion, bit for bit",
    )
    parser.add_argument("--background-adc", type=Path, metavar="ADC", help="and this ADC")
    parser.add_argument(
        "--sampling-steps",
        type=shared.positive_whole,
        metavar="N",
        help="steps from noise to image, 1 to 30 (rflow; default: the model's)",
    )
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Draw the images and write them."""
    from ..pipeline.synthesis import synthesize

    paths = synthesize(
        arguments.model, arguments.map, arguments.lesion, arguments.out, background=arguments.background,
        background_adc=arguments.background_adc, seed=arguments.seed, device=arguments.device,
        sampling_steps=arguments.sampling_steps, say=console.say,
        progress=console.progress,
    )  # fmt: skip
    console.result("\n".join(str(path) for path in paths), {"files": [str(path) for path in paths]})
