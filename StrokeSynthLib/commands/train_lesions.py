"""``strokesynth train lesions``: learn shapes and sites of lesions from masks in standard space."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Train a lesion generator on real lesion masks in standard space."
EXAMPLE = (
    "strokesynth train lesions --masks masks --out my-lesions\n"
    "  strokesynth train lesions --masks masks --out my-gan --kind wgan --steps 5000 --minutes 45\n"
    "  strokesynth lesion --map map.nii.gz --out mask.nii.gz --lesions my-gan --side left --volume-ml 20"
)
DETAILS = (
    "The masks lie in MNI152 space, one file a person (sub-ID in the name, else the whole name). They are "
    "screened; people named to be held out take no part. The model is then given as --lesions."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from ..lesions.learned.registry import LESION_KINDS

    parser.add_argument(
        "--masks", type=Path, required=True, metavar="DIR", help="lesion masks in standard space"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="model folder to write")
    parser.add_argument(
        "--kind", choices=tuple(LESION_KINDS), default=next(iter(LESION_KINDS)),
        help="; ".join(f"{kind}: {text}" for kind, text in LESION_KINDS.items())
        + f" (default {next(iter(LESION_KINDS))})",
    )  # fmt: skip
    parser.add_argument(
        "--held-out", type=Path, metavar="FILE",
        help="text file of people who take no part, one a line (sub-ID, or the names of their masks); each "
        "must have a mask in DIR (default: the project's own test list)",
    )  # fmt: skip
    parser.add_argument("--steps", type=shared.positive_whole, metavar="N", help="training steps (wgan)")
    parser.add_argument(
        "--critic-steps",
        type=shared.positive_whole,
        metavar="N",
        help="critic steps in each (wgan; default 5)",
    )
    parser.add_argument("--batch", type=shared.positive_whole, metavar="N", help="pieces in a step (wgan)")
    parser.add_argument("--minutes", type=shared.positive, metavar="M", help="stop after this time (wgan)")
    parser.add_argument(
        "--threads", type=shared.positive_whole, metavar="T", help="CPU threads (default: all cores)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from where an interrupted training stopped"
    )
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Train and say where the model is."""
    from ..pipeline.training import TrainingRequest, train_lesions_on

    names = ("seed", "steps", "critic_steps", "batch", "minutes", "threads", "resume", "device")
    request = TrainingRequest(
        arguments.kind, arguments.masks, arguments.out, {name: getattr(arguments, name) for name in names},
        console.say, console.progress,
    )  # fmt: skip
    model = train_lesions_on(request, arguments.held_out)
    console.result(
        f"{model.path}: {model.kind} lesions from {model.training['people']} people, hash {model.hash[:12]}.",
        {"hash": model.hash},
    )
