"""What the shipped network's shortcuts cost and save: windows around the brain, the second, flipped look.

    python Testing/Benchmarks/inference_levers.py --cohorts WORK --each 16

Writes ``inference_levers.md``: mean Dice over calibration cases of ``shipped_cohorts.py`` and processor
seconds of a whole prediction, each setting on the same cases, one thread.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.evaluate.agreement import score
from StrokeSynthLib.files import write_text
from StrokeSynthLib.modelfolder import open_model
from StrokeSynthLib.segment import inference
from StrokeSynthLib.segment.predict import UNetSegmenter

HERE = Path(__file__).parent
COHORTS = ("calibration-named", "calibration-wide")
#: Name, voxels around the brain (None: slices whole), whether there is a second look, logit from which on.
SETTINGS: tuple[tuple[str, int | None, bool, float], ...] = (
    ("slices whole, every slice flipped too", None, True, -99.0),
    ("slices whole, second look from -3", None, True, -3.0),
    ("8 voxels around the brain, every slice flipped too", 8, True, -99.0),
    ("**8 voxels around the brain, second look from -3**", 8, True, -3.0),
    ("8 voxels around the brain, second look from -2", 8, True, -2.0),
    ("8 voxels around the brain, no second look", 8, False, 0.0),
    ("4 voxels around the brain, second look from -3", 4, True, -3.0),
)


def measured(model: str, cases: Sequence[Any]) -> list[tuple[str, list[float], float]]:
    """Per setting: its name, the Dice of each case, processor seconds a case."""
    folder = open_model(model)
    rows = []
    for name, margin, flips, threshold in SETTINGS:
        config: Mapping[str, Any] = {**folder.config, "window_margin": margin, "flips": flips}
        segmenter = UNetSegmenter(replace(folder, config=config), "cpu")
        inference.POSSIBLE = threshold
        dice, used = [], 0.0
        for case in cases:
            before = time.process_time()
            found = segmenter.predict(case.dwi, case.adc)
            used += time.process_time() - before
            dice.append(score(case.lesion.array > 0, found.mask.array > 0, case.dwi.spacing).dice)
        rows.append((name, dice, used / len(cases)))
    return rows


def page(rows: Sequence[tuple[str, list[float], float]], model: str, each: int) -> str:
    """As Markdown."""
    first = rows[0]
    lines = [
        "# Shortcuts of inference", "",
        f"`python Testing/Benchmarks/inference_levers.py --cohorts WORK --each {each}`: {len(first[1])} "
        f"simulated calibration cases with a lesion ({', '.join(COHORTS)}), model hash "
        f"{open_model(model).hash[:12]}, whole prediction in one process and one thread. In bold what "
        "is shipped. Difference: of the Dice to the first row, mean over cases and its standard error.", "",
        "| setting | Dice, % | difference, points | CPU s a case |",
        "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, dice, seconds in rows:
        change = 100 * (np.array(dice) - np.array(first[1]))
        error = change.std(ddof=1) / np.sqrt(len(change))
        lines.append(
            f"| {name} | {100 * np.mean(dice):.2f} | {change.mean():+.2f} ± {error:.2f} | {seconds:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=Path, required=True, help="where shipped_cohorts.py wrote")
    parser.add_argument("--each", type=int, default=16, help="cases of each cohort")
    parser.add_argument("--model", default="acute")
    options = parser.parse_args()
    loaded = [
        load_case(files)
        for cohort in COHORTS
        for files in open_cohort(options.cohorts / cohort).cases[: options.each]
    ]
    cases = [case for case in loaded if case.lesion is not None and case.lesion.array.any()]
    write_text(
        HERE / "inference_levers.md", page(measured(options.model, cases), options.model, options.each)
    )


if __name__ == "__main__":
    main()
