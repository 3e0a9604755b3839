"""Whether the shipped network's probability means probability, and how it is best decided.

    python -m Testing.Benchmarks.calibration --model acute --workers 2 --cohort WORK/test-*

1. Reliability before and after calibration on test cohorts (people and lesions that neither training nor
   fitting has seen): expected calibration error (ECE, 15 bins of equal width), Brier score, log loss, over
   all voxels of the brain and over the undecided ones (probability 0.01 to 0.99), by cohort; every
   examination weighs the same.
2. Mean Dice by threshold, with and without ADC.
3. What the rule of the skull base removes and what it loses.

Writes ``calibration.md``, ``calibration.json`` and ``calibration.png``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.modelfolder import open_model
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.segment.calibration import BINS, Calibration, Reliability, Sample, reliability
from StrokeSynthLib.segment.decision import Decision, dice, drop_susceptibility
from StrokeSynthLib.segment.filters import components
from StrokeSynthLib.segment.predict import UNetSegmenter

HERE = Path(__file__).parent
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 17))


@dataclass(frozen=True)
class Looked:
    """What one examination, with or without ADC, gives.

    ``dice``: by threshold, NaN without lesion; ``rule``: what the skull-base rule did, with ADC only.
    """

    sample: Sample
    dice: list[float]
    rule: dict[str, float]


@lru_cache(maxsize=1)
def opened(model: str) -> tuple[UNetSegmenter, Calibration, Decision]:
    """Segmenter, calibration, decision; once a process."""
    config = open_model(model).config
    return (
        UNetSegmenter.open(model, "cpu"),
        Calibration.from_config(config.get("calibration")),
        Decision(**config["decision"]),
    )


def look(model: str, files: CaseFiles, with_adc: bool) -> Looked:
    """One examination."""
    segmenter, calibration, decision = opened(model)
    case = load_case(files)
    if case.lesion is None:
        raise BadInputError(f"{files.name}: has no reference lesion.")
    prepared, found = segmenter.examine(case.dwi, case.adc if with_adc else None, tissue=True)
    lesion = prepared.frame.forward((case.lesion.array > 0).astype(np.float32)) >= 0.5
    logit = found.lesion.transpose(1, 2, 0)
    probability = calibration.probability(logit, with_adc) * prepared.brain
    voxel_ml = prepared.frame.voxel_ml
    overlaps = [
        dice(lesion, Decision(t, decision.smallest_ml).apply(probability, voxel_ml))
        if lesion.any()
        else float("nan")
        for t in THRESHOLDS
    ]
    rule = {}
    if with_adc:
        tissue = None if found.tissue is None else found.tissue.transpose(1, 2, 0)
        marked = decision.apply(probability, voxel_ml) > 0
        kept = drop_susceptibility(marked, prepared, tissue) > 0
        rule = _removed(marked, kept, lesion, voxel_ml)
    rng = generator(7, "benchmark voxels", files.name)
    return Looked(
        Sample.of(files.person, logit, lesion, prepared.brain, adc_known=with_adc, rng=rng), overlaps, rule
    )


def _removed(marked: Any, kept: Any, lesion: Any, voxel_ml: float) -> dict[str, float]:
    gone = marked & ~kept
    parts, sizes = components(gone, diagonal=True)
    true = [n for n in range(1, len(sizes)) if bool((lesion & (parts == n)).any())]
    return {
        "components": len(sizes) - 1 if gone.any() else 0,
        "true_components": len(true),
        "removed_false_ml": float((gone & ~lesion).sum()) * voxel_ml,
        "removed_true_ml": float((gone & lesion).sum()) * voxel_ml,
        "false_ml": float((marked & ~lesion).sum()) * voxel_ml,
        "dice_before": dice(lesion, marked) if lesion.any() else float("nan"),
        "dice_after": dice(lesion, kept) if lesion.any() else float("nan"),
    }


def measured(samples: Sequence[Sample], calibration: Calibration) -> dict[str, Reliability]:
    """Over the brain and over the undecided voxels, before and after."""
    return {
        f"{where} {when}": reliability(samples, one, undecided=where == "undecided")
        for where in ("brain", "undecided")
        for when, one in (("before", Calibration()), ("after", calibration))
    }


def reliability_table(groups: dict[str, list[Sample]], calibration: Calibration) -> list[str]:
    """Markdown: ECE, Brier score and log loss by group."""
    lines = [
        "| examinations | n | ECE brain | ECE undecided | Brier brain | Brier undecided | "
        "log loss undecided |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, samples in groups.items():
        m = measured(samples, calibration)

        def pair(where: str, value: str, digits: int, m: dict[str, Reliability] = m) -> str:
            return " to ".join(f"{getattr(m[f'{where} {w}'], value):.{digits}f}" for w in ("before", "after"))

        lines.append(
            f"| {name} | {len(samples)} | {pair('brain', 'ece', 4)} | {pair('undecided', 'ece', 3)} | "
            f"{pair('brain', 'brier', 4)} | {pair('undecided', 'brier', 3)} | "
            f"{pair('undecided', 'log_loss', 3)} |"
        )
    return lines


def dice_table(found: dict[bool, list[Looked]], chosen: float) -> list[str]:
    """Markdown: mean Dice by threshold."""
    lines = [
        "| threshold | " + " | ".join(f"{t:.2f}" for t in THRESHOLDS) + " |",
        "| --- |" + " --- |" * len(THRESHOLDS),
    ]
    for adc, cases in found.items():
        means = np.nanmean([case.dice for case in cases], axis=0)
        lines.append(
            f"| {'with' if adc else 'without'} ADC | "
            + " | ".join(f"**{100 * m:.1f}**" if m == means.max() else f"{100 * m:.1f}" for m in means)
            + " |"
        )
    return [*lines, "", f"The model decides at {chosen:.2f}."]


def picture(groups: dict[str, list[Sample]], calibration: Calibration, out: Path) -> None:
    """Reliability diagrams, before and after, with the share of voxels below."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        2, len(groups), figsize=(4.2 * len(groups), 5.2), squeeze=False, height_ratios=(3, 1), sharex=True
    )
    for (name, samples), (top, below) in zip(groups.items(), axes.T, strict=True):
        top.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        for when, one, color in (
            ("before", Calibration(), "tab:orange"),
            ("after", calibration, "tab:blue"),
        ):
            r = reliability(samples, one)
            u = reliability(samples, one, undecided=True)
            top.plot(r.predicted, r.observed, "o-", color=color, markersize=3.5, linewidth=1,
                     label=f"{when}: ECE {r.ece:.4f}, undecided {u.ece:.3f}")  # fmt: skip
            below.step((np.arange(BINS) + 0.5) / BINS, r.share, where="mid", color=color, linewidth=1)
        top.set(title=f"{name} (n = {len(samples)})", ylabel="share of lesion")
        top.legend(fontsize=7, loc="upper left")
        below.set(xlabel="probability", ylabel="share of voxels", yscale="log")
    figure.tight_layout()
    figure.savefig(out, dpi=100)
    plt.close(figure)


def main() -> None:
    """Look at every case, write tables and diagram."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", type=Path, nargs="+", required=True)
    parser.add_argument("--model", default="acute")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cases", type=int, help="only so many of each cohort (a trial)")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    _, calibration, decision = opened(arguments.model)
    jobs = {}
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        for cohort in arguments.cohort:
            cases = open_cohort(cohort).cases[: arguments.cases]
            for adc in (True, False):
                jobs[cohort.name, adc] = [pool.submit(look, arguments.model, files, adc) for files in cases]
        found = {key: [job.result() for job in several] for key, several in jobs.items()}
    by_adc = {
        adc: [case for (_, known), cases in found.items() if known == adc for case in cases]
        for adc in (True, False)
    }
    whole = {
        f"{'with' if adc else 'without'} ADC": [c.sample for c in cases] for adc, cases in by_adc.items()
    }
    parts = {
        f"{name}{'' if adc else ', without ADC'}": [c.sample for c in cases]
        for (name, adc), cases in found.items()
    }
    rules = [case.rule for case in by_adc[True]]
    total = {
        name: float(np.nansum([r[name] for r in rules]))
        for name in ("components", "true_components", "removed_false_ml", "removed_true_ml", "false_ml")
    }
    before, after = (float(np.nanmean([r[name] for r in rules])) for name in ("dice_before", "dice_after"))
    kinds = {name: getattr(calibration, name).kind for name in ("with_adc", "without_adc")}
    lines = [
        "# Calibration of the shipped network", "",
        f"`python -m Testing.Benchmarks.calibration --model {Path(arguments.model).name}`, "
        f"{len(by_adc[True])} simulated examinations of test people and lesions. Each figure before and "
        f"after calibration (curves: {kinds['with_adc']} with ADC, {kinds['without_adc']} without); ECE over "
        f"{BINS} bins of equal width, voxels of the brain, each examination of the same weight; *undecided*: "
        "probability 0.01 to 0.99 only.", "",
        *reliability_table(whole | parts, calibration), "",
        "## Threshold", "", "Mean Dice (%) of examinations with lesion, canonical frame.", "",
        *dice_table(by_adc, decision.threshold), "",
        "## Rule of the skull base", "",
        f"Of {total['false_ml']:.1f} ml marked wrongly in {len(rules)} examinations with ADC the rule "
        f"removes {total['removed_false_ml']:.1f} ml in "
        f"{total['components'] - total['true_components']:.0f} components; it loses "
        f"{total['true_components']:.0f} components with {total['removed_true_ml']:.2f} ml of true lesion. "
        f"Mean Dice {100 * before:.2f} before, {100 * after:.2f} after.", "",
    ]  # fmt: skip
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "calibration.md", "\n".join(lines))
    write_json(
        arguments.out / "calibration.json",
        {
            "model": open_model(arguments.model).hash,
            "calibration": calibration.config(),
            "reliability": {
                name: {
                    where: {k: _plain(v) for k, v in vars(one).items()}
                    for where, one in measured(samples, calibration).items()
                }
                for name, samples in whole.items()
            },
            "thresholds": list(THRESHOLDS),
            "dice": {
                "with ADC" if adc else "without ADC": np.nanmean([c.dice for c in cases], axis=0)
                .round(4)
                .tolist()
                for adc, cases in by_adc.items()
            },
            "skull_base": {**total, "dice_before": before, "dice_after": after},
        },
    )
    picture(whole, calibration, arguments.out / "calibration.png")
    print("\n".join(lines))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [None if np.isnan(v) else round(float(v), 6) for v in value]
    return round(float(value), 6)


if __name__ == "__main__":
    main()
