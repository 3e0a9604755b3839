"""``strokesynth train segmenter``: a U-Net on clinical cases, synthetic cases, or both."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Train a lesion segmenter on a cohort, on synthetic cases, or on both."
EXAMPLE = "strokesynth train segmenter --cohort clinical --synthetic synthetic --out my-unet --steps 2000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from ..segment.registry import SEGMENTERS

    parser.add_argument(
        "--cohort", type=Path, required=True, metavar="COHORT", help="cases with reference lesions"
    )
    parser.add_argument("--synthetic", type=Path, metavar="COHORT", help="synthetic cases to add")
    parser.add_argument(
        "--synthetic-share", type=shared.share, default=0.5, metavar="SHARE",
        help="share of each batch that is synthetic when both are given (default 0.5)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="model folder to write")
    parser.add_argument(
        "--kind", choices=tuple(SEGMENTERS), default="unet", help="what is trained (default unet)"
    )
    parser.add_argument(
        "--start-from", metavar="MODEL",
        help="fine-tune this model (acute: the shipped network) instead of starting from nothing; the "
        "network is then that model's",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=shared.positive_whole, default=1, metavar="N",
        help="compute each step in N processes, a core and a batch each (Linux, without a GPU; default 1)",
    )  # fmt: skip
    shared.training(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Train and say where the model is and what it reached on validation."""
    from ..pipeline.training import TrainingRequest, train_segmenter_on

    names = ("seed", "dimensions", "steps", "minutes", "threads", "resume", "device", "start_from",
             "synthetic_share", "processes")  # fmt: skip
    request = TrainingRequest(
        arguments.kind, arguments.cohort, arguments.out, {name: getattr(arguments, name) for name in names},
        console.say, console.progress,
    )  # fmt: skip
    model = train_segmenter_on(request, arguments.synthetic)
    score = model.training.get("validation_dice")
    reached = f", validation Dice {score:.3f}" if isinstance(score, float) else ""
    console.result(
        f"{model.path}: {model.kind} segmenter{reached}, hash {model.hash[:12]}.", {"hash": model.hash}
    )
