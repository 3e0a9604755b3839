"""Whether the shipped network says so when an examination is unlike what it knows.

    python -m Testing.Benchmarks.wrong_inputs --work WORK --model acute --workers 2 --each 20

1. Right examinations: new people of the population model on every named protocol, the held-out one too,
   with and without ADC; with ``--cohort``, those of other cohorts. A flag here is a false one.
2. Wrong ones: every kind of Testing/wrong_inputs.py, written to files and loaded as the command line does.
   What the loader refuses counts by itself; the rest shall be flagged.

Writes ``wrong_inputs.md``, ``wrong_inputs.json`` and ``wrong_inputs.png`` (an example of each kind with
what is said about it). Cases that are there already are not simulated again.
"""

from __future__ import annotations

import argparse
import tempfile
import textwrap
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case, load_examination
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.pipeline.simulate import SimulationRecipe, simulate
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner.protocols import PROTOCOLS
from StrokeSynthLib.segment.registry import open_segmenter
from StrokeSynthLib.segment.segmenter import Segmenter
from StrokeSynthLib.volume import Volume, write_volume
from Testing.wrong_inputs import KINDS, WrongInput, make_wrong

HERE = Path(__file__).parent
SEED = 7202
_Z = 1.96


@lru_cache(maxsize=1)
def segmenter_of(model: str) -> Segmenter:
    """One a process."""
    return open_segmenter(model, "cpu")


def judge(segmenter: Segmenter, dwi: Volume, adc: Volume | None) -> dict[str, Any]:
    """What is said about an examination, and how much is marked in it (ml)."""
    found = segmenter.predict(dwi, adc)
    return {
        "refused": "",
        "unlike": list(found.unlike),
        "marked_ml": round(float((found.mask.array > 0).sum()) * found.mask.grid.voxel_ml, 3),
    }


def right(model: str, files: CaseFiles, with_adc: bool) -> dict[str, Any]:
    """An examination as it should be."""
    case = load_case(files)
    return judge(segmenter_of(model), case.dwi, case.adc if with_adc else None)


def wrong(model: str, files: CaseFiles, kind: str, number: int) -> dict[str, Any]:
    """A wrong input made of an examination, through files, as a user would give it."""
    made = make_wrong(kind, load_case(files), generator(SEED, kind, number))
    with tempfile.TemporaryDirectory(prefix="strokesynth-") as folder:
        dwi, adc = Path(folder) / "dwi.nii.gz", Path(folder) / "adc.nii.gz"
        write_volume(dwi, made.dwi)
        if made.adc is not None:
            write_volume(adc, made.adc)
        try:
            case = load_examination([dwi], adc if made.adc is not None else None)
        except BadInputError as error:
            return {"refused": str(error).replace(f"{folder}/", ""), "unlike": [], "marked_ml": 0.0}
    return judge(segmenter_of(model), case.dwi, case.adc)


def interval(hits: int, count: int) -> str:
    """Share in % with its 95 % interval (Wilson, 1927)."""
    if not count:
        return "-"
    share, square = hits / count, _Z**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _Z * np.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return f"{100 * share:.1f} [{100 * max(middle - half, 0):.0f}, {100 * min(middle + half, 1):.0f}]"


def right_table(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Markdown of the false flags."""
    lines = ["| examinations | n | flagged, % [95 %] | what is said |", "| --- | --- | --- | --- |"]
    for name, cases in found.items():
        flagged = [case["unlike"] for case in cases if case["unlike"]]
        said = Counter(beginning(reasons[0]) for reasons in flagged)
        lines.append(
            f"| {name} | {len(cases)} | {interval(len(flagged), len(cases))} | "
            + "; ".join(f"{text} ({n})" for text, n in said.most_common())
            + " |"
        )
    return lines


def wrong_table(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Markdown of what is caught."""
    lines = [
        "| given | n | refused | flagged | caught, % [95 %] | what is said first | marked when missed, ml |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, cases in found.items():
        refused = sum(bool(case["refused"]) for case in cases)
        flagged = [case["unlike"] for case in cases if case["unlike"]]
        missed = [case["marked_ml"] for case in cases if not case["unlike"] and not case["refused"]]
        said = Counter(beginning(reasons[0]) for reasons in flagged)
        lines.append(
            f"| {kind} | {len(cases)} | {refused} | {len(flagged)} | "
            f"{interval(refused + len(flagged), len(cases))} | "
            + "; ".join(f"{text} ({n})" for text, n in said.most_common(3))
            + f" | {', '.join(f'{ml:.1f}' for ml in missed)} |"
        )
    return lines


def beginning(sentence: str) -> str:
    """The first words of a sentence, up to its first number or punctuation."""
    words = []
    for word in sentence.split():
        if any(c.isdigit() for c in word) or word.startswith("("):
            break
        words.append(word)
        if word[-1] in ",:.":
            break
    return " ".join(words).rstrip(",:.")


def picture(model: str, sources: list[CaseFiles], out: Path) -> None:
    """One example of each kind: an axial slice, and what is said."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = 6
    rows = -(-len(KINDS) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.5 * columns, 3.4 * rows), squeeze=False)
    for number, (axis, kind) in enumerate(zip(axes.flat, KINDS, strict=False)):
        files = sources[number % len(sources)]
        made = make_wrong(kind, load_case(files), generator(SEED, kind, 0))
        said = wrong(model, files, kind, 0)
        _slice(axis, made)
        text = said["refused"] or (said["unlike"] or ["(not flagged)"])[0]
        axis.set_title(kind, fontsize=9, weight="bold")
        axis.text(0.5, -0.03, textwrap.fill(("Refused: " if said["refused"] else "") + text, 44),
                  transform=axis.transAxes, fontsize=5.5, ha="center", va="top")  # fmt: skip
    for axis in axes.flat:
        axis.set_axis_off()
    figure.tight_layout(h_pad=2.2)
    figure.savefig(out, dpi=80)
    plt.close(figure)


def _slice(axis: Any, made: WrongInput) -> None:
    image = made.dwi.canonical()
    plane = image.array[:, :, image.array.shape[2] // 2].T
    high = float(np.percentile(image.array, 99.5)) or 1.0
    axis.imshow(plane, origin="lower", cmap="gray", vmin=0, vmax=max(high, 1e-3),
                aspect=image.spacing[1] / image.spacing[0])  # fmt: skip


def main() -> None:
    """Simulate, judge, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of the simulated examinations")
    parser.add_argument("--model", default="acute")
    parser.add_argument("--each", type=int, default=20, help="wrong inputs of each kind")
    parser.add_argument("--right", type=int, default=40, help="right examinations of each protocol")
    parser.add_argument("--cohort", type=Path, nargs="*", default=[], help="more right examinations")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    cohorts: dict[str, list[CaseFiles]] = {}
    for name in PROTOCOLS:
        folder = arguments.work / f"right-{name}"
        recipe = SimulationRecipe(scanner=name, lesion_free=0.15, seed=SEED)
        if not folder.is_dir() or len(open_cohort(folder).cases) < arguments.right:
            simulate(folder, arguments.right, recipe, workers=arguments.workers)
        cohorts[name] = list(open_cohort(folder).cases[: arguments.right])
    protocols = list(cohorts)
    for folder in arguments.cohort:
        cohorts[folder.name] = list(open_cohort(folder).cases)
    # Wrong inputs are made of every protocol in turn.
    sources = [cohorts[protocols[i % len(protocols)]][i // len(protocols)] for i in range(arguments.each)]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        good = {
            f"{name}{'' if adc else ', without ADC'}": [
                pool.submit(right, arguments.model, files, adc) for files in cases
            ]
            for adc in (True, False)
            for name, cases in cohorts.items()
        }
        bad = {
            kind: [pool.submit(wrong, arguments.model, files, kind, n) for n, files in enumerate(sources)]
            for kind in KINDS
        }
        rights = {name: [job.result() for job in jobs] for name, jobs in good.items()}
        wrongs = {kind: [job.result() for job in jobs] for kind, jobs in bad.items()}
    named = [c for name, cases in rights.items() if name.split(",")[0] in PROTOCOLS for c in cases]
    every = [case for cases in wrongs.values() for case in cases]
    flagged = sum(bool(case["unlike"]) for case in named)
    caught = sum(bool(case["unlike"] or case["refused"]) for case in every)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_json(
        arguments.out / "wrong_inputs.json",
        {"model": segmenter_of(arguments.model).model_hash, "right": rights, "wrong": wrongs},
    )
    lines = [
        "# Inputs that the shipped network should not be used on", "",
        f"`python -m Testing.Benchmarks.wrong_inputs --model {Path(arguments.model).name} "
        f"--each {arguments.each} --right {arguments.right}`; all examinations are simulated, of people whom "
        "neither training nor fitting has seen.", "",
        f"False flags on all named protocols: {interval(flagged, len(named))} % of {len(named)}. "
        f"Wrong inputs caught: {interval(caught, len(every))} % of {len(every)}.", "",
        "## Right examinations", "", *right_table(rights), "",
        "## Wrong inputs", "", *wrong_table(wrongs), "",
    ]  # fmt: skip
    write_text(arguments.out / "wrong_inputs.md", "\n".join(lines))
    picture(arguments.model, sources, arguments.out / "wrong_inputs.png")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
