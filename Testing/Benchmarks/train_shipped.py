r"""Train the shipped network on the cohorts of shipped_cohorts.py.

    python Testing/Benchmarks/train_shipped.py --cohorts WORK --out WORK/acute-1 --processes 3
    python Testing/Benchmarks/train_shipped.py --cohorts WORK --out WORK/acute --processes 3 \
        --start-from WORK/acute-1

Interrupted, it goes on with ``--resume``. The log goes to standard output, a line every 100 steps. What comes
after the training (calibration, typicality, export) is in finish_shipped.py, the figures in shipped.py.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.progress import ProgressEvent
from StrokeSynthLib.segment.options import TrainingOptions
from StrokeSynthLib.segment.training import train_segmenter

#: 8,000 steps of 3 x 8 slices: 192,000 presentations.
OPTIONS = TrainingOptions(
    steps=8000, batch=8, channels=(16, 48, 96, 128, 160), depth=5, tissues=True, wide=True, margin=14.0,
    without_adc_share=0.2, learning_rate=2.5e-3, warm_up=300, weight_decay=1e-2, averaging=0.999,
    validation_every=1000, patience=100, lesion_share=0.55, seed=7, device="cpu",
)  # fmt: skip
#: What follows from the best weights of that, while the learning rate falls to zero: tissues weigh more, for
#: small ones (the third ventricle) are learned last; the weights at the end are kept.
LAST = replace(
    OPTIONS, steps=1100, learning_rate=1.2e-3, warm_up=50, averaging=0.995, tissue_weight=1.0, seed=8,
    validation_every=100_000,
)  # fmt: skip
#: Validation cases of each kind; enough to see where a training goes, few enough not to take its time.
VALIDATION = 12


def cases_of(work: Path, beginning: str) -> list[CaseFiles]:
    """Cases of all cohorts whose name begins so."""
    return [c for path in sorted(work.glob(beginning + "*")) for c in open_cohort(path).cases]


class Log:
    """A line now and then."""

    def __init__(self) -> None:
        self._start, self._losses = time.monotonic(), []

    def __call__(self, event: ProgressEvent) -> None:
        """Report."""
        minutes = (time.monotonic() - self._start) / 60
        if event.stage == "Training":
            values = dict(event.values or {})
            self._losses.append(values.get("loss", 0.0))
            if event.done % 100 == 0 or "validation_dice" in values:
                mean = sum(self._losses) / len(self._losses)
                self._losses = []
                score = values.get("validation_dice")
                note = "" if score is None else f" validation Dice {score:.4f}"
                print(f"{minutes:7.1f} min step {event.done} loss {mean:.4f}{note}", flush=True)
        elif event.total and event.done % 100 == 0:
            print(f"{minutes:7.1f} min {event.stage} {event.done}/{event.total}", flush=True)


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start-from", help="the last part, from these weights")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int)
    parser.add_argument(
        "--minutes", type=float, help="the learning rate follows the clock where that is faster"
    )
    parser.add_argument("--cases", type=int, help="only so many cases of each training cohort (a trial)")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    training = [
        case
        for path in sorted(arguments.cohorts.glob("training-*"))
        for case in open_cohort(path).cases[: arguments.cases]
    ]
    held_out = [
        case
        for kind in ("named", "wide")
        if (arguments.cohorts / f"calibration-{kind}").is_dir()
        for case in open_cohort(arguments.cohorts / f"calibration-{kind}").cases[:VALIDATION]
    ]
    options = LAST if arguments.start_from else OPTIONS
    options = replace(
        options,
        start_from=arguments.start_from,
        steps=arguments.steps or options.steps,
        minutes=arguments.minutes,
        processes=arguments.processes,
        workers=arguments.workers,
        resume=arguments.resume,
    )
    print(f"{len(training)} training cases, {len(held_out)} validation cases", flush=True)
    model = train_segmenter([], training, arguments.out, options, Log(), held_out)
    print(model.hash, model.training["validation_dice"])


if __name__ == "__main__":
    main()
