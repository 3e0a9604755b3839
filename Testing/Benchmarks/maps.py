"""Semantic maps from images: the shipped network against registration of the population model.

    python Testing/Benchmarks/maps.py --cohorts WORK --model acute --workers 4 --cases 3

Dice of each tissue with the true map of simulated test cases (people 13 to 15), within the head that the
image shows, and CPU seconds. Writes ``maps.md`` and ``maps.json``.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from StrokeSynthLib.anatomy.from_image import estimate_map
from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.evaluate.summary import estimate
from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.progress import silent
from StrokeSynthLib.schema import CLASSES, INTRACRANIAL, TISSUES
from StrokeSynthLib.segment.registry import open_segmenter

HERE = Path(__file__).parent
METHODS = ("network", "registration")
SHOWN = (
    "white-matter", "cortex", "lateral-ventricle", "csf", "thalamus", "caudate", "putamen", "pallidum",
    "hippocampus", "cerebellum-cortex", "cerebellum-white-matter", "brain-stem", "third-ventricle",
    "fourth-ventricle", "white-matter-hyperintensity",
)  # fmt: skip


def compare(model: str, files: CaseFiles) -> dict[str, dict[str, float]]:
    """Dice by method and tissue (sides counted apart, then averaged), and CPU seconds."""
    case = load_case(files)
    assert case.semantic_map is not None
    truth = case.semantic_map.array
    result: dict[str, dict[str, float]] = {}
    segmenter = open_segmenter(model, "cpu")
    for method in METHODS:
        started = time.process_time()
        if method == "network":
            found = segmenter.predict(case.dwi, case.adc, semantic_map=True).semantic_map
            assert found is not None
            classes = found.array
        else:
            classes = estimate_map(case, silent).array
        seconds = time.process_time() - started
        # Fluid and membranes at the rim are cut away with the skull; nobody can find them there.
        shown = (case.dwi.array > 0) | ~np.isin(truth, INTRACRANIAL)
        values: dict[str, list[float]] = {}
        for one in CLASSES[1:]:
            reference, there = (truth == one.index) & shown, (classes == one.index) & shown
            if reference.sum() >= 10:
                dice = 2 * (reference & there).sum() / (reference.sum() + there.sum())
                values.setdefault(one.tissue, []).append(float(dice))
        result[method] = {tissue: float(np.mean(found)) for tissue, found in values.items()}
        result[method]["seconds"] = seconds
    return result


def main() -> None:
    """Compare and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=Path, required=True)
    parser.add_argument("--model", default="acute")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cases", type=int, default=3, help="of each protocol")
    arguments = parser.parse_args()
    files = [
        case
        for path in sorted(arguments.cohorts.glob("test-*"))
        for case in open_cohort(path).cases[: arguments.cases]
    ]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        found = list(pool.map(compare, [arguments.model] * len(files), files))
    numbers = {
        method: {
            name: [one[method][name] for one in found if name in one[method]]
            for name in (*TISSUES[1:], "seconds")
        }
        for method in METHODS
    }
    lines = [
        "# Semantic maps from images",
        "",
        f"Made by `maps.py`: mean Dice in % [95 % bootstrap interval] over {len(files)} simulated test cases",
        "of people 13 to 15, all protocols; classes of both sides counted apart and averaged. What a",
        "skull-stripped image does not show is left out.",
        "",
        "| tissue | network | registration |",
        "| --- | --- | --- |",
    ]
    for tissue in SHOWN:
        cells = []
        for method in METHODS:
            one = estimate(numbers[method][tissue])
            cells.append(f"{100 * one.mean:.0f} [{100 * one.low:.0f}, {100 * one.high:.0f}]")
        lines.append(f"| {tissue} | {cells[0]} | {cells[1]} |")
    medians = {method: float(np.median(numbers[method]["seconds"])) for method in METHODS}
    lines += [
        "",
        f"CPU seconds a case, median: network {medians['network']:.1f} (with the lesion), registration "
        f"{medians['registration']:.1f}.",
        "",
    ]
    write_text(HERE / "maps.md", "\n".join(lines))
    summary = {m: {n: round(float(np.mean(v)), 4) for n, v in numbers[m].items() if v} for m in METHODS}
    write_json(HERE / "maps.json", {"cases": len(files), "mean_dice": summary})
    print("\n".join(lines))


if __name__ == "__main__":
    main()
