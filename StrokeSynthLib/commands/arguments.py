"""Arguments that several commands share, read and checked in one way."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def common(parser: argparse.ArgumentParser) -> None:
    """``--progress`` and ``--device``, which every command has."""
    group = parser.add_argument_group("running")
    group.add_argument(
        "--progress", choices=("bar", "json", "none"), default="bar",
        help="bar on a terminal (default), or one JSON object a line on standard output",
    )  # fmt: skip
    group.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="where networks compute (default: a GPU if one works, else the CPU)",
    )  # fmt: skip
    group.add_argument("--debug", action="store_true", help="show the full trace of an unexpected error")


def seed(parser: argparse.ArgumentParser) -> None:
    """``--seed``."""
    parser.add_argument(
        "--seed", type=whole, default=0, metavar="S", help="same seed, same result (default 0)"
    )


def examination(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """``--dwi``, ``--adc`` and ``--b-value`` of one examination."""
    parser.add_argument(
        "--dwi", type=Path, nargs="+", required=required, metavar="DWI",
        help="trace image, a 4D series, or a b0 and a b1000 image (two files, any order)",
    )  # fmt: skip
    parser.add_argument("--adc", type=Path, metavar="ADC", help="ADC map; found unit is converted, another "
                        "grid resampled, both with a notice")  # fmt: skip
    parser.add_argument(
        "--b-value", type=positive, metavar="B", help="b-value (s/mm2) if no sidecar says it (default 1000)"
    )


def training(parser: argparse.ArgumentParser) -> None:
    """What trainings of any kind share: size of the network's view, length, threads, seed."""
    parser.add_argument(
        "--dimensions", type=int, choices=(2, 3), default=2,
        help="networks see slices (2, default; a segmenter their neighbors, too) or blocks of slices (3)",
    )  # fmt: skip
    parser.add_argument("--steps", type=positive_whole, metavar="N", help="training steps (networks)")
    parser.add_argument("--minutes", type=positive, metavar="M", help="stop after this time (networks)")
    parser.add_argument(
        "--threads", type=positive_whole, metavar="T", help="CPU threads (default: all cores)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from where an interrupted training stopped"
    )
    seed(parser)


def sources(parser: argparse.ArgumentParser) -> None:
    """Where anatomies and lesions of new cases come from."""
    parser.add_argument(
        "--anatomies", type=Path, metavar="DIR",
        help="label maps (default: new people from the shipped population model)",
    )  # fmt: skip
    parser.add_argument(
        "--lesions", type=Path, metavar="NAME",
        help="learned (shipped model), lesions-wgan (another), a model folder of your own, a cohort with "
        "masks, or a folder of masks in standard space (default: procedural)",
    )  # fmt: skip
    parser.add_argument(
        "--lesion-free", type=share, default=0.1, metavar="SHARE", help="share without lesion (default 0.1)"
    )


def workers(parser: argparse.ArgumentParser) -> None:
    """``--workers``."""
    parser.add_argument(
        "--workers", type=positive_whole, default=1, metavar="N", help="processes, one core each (default 1)"
    )


def one_core_a_process() -> None:
    """Let numpy compute on one thread, unless the environment says otherwise; before it is loaded.

    For commands that spread over cores by processes: sums over several threads are rounded in another order,
    and threads that wait for one another on a busy machine take ten times as long (measured: 200 CPU seconds
    for what one thread does in 14).
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def whole(text: str) -> int:
    """A whole number of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def positive_whole(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def positive(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def share(text: str) -> float:
    """A number of 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
