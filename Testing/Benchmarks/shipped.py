"""The shipped network in figures: by protocol and by lesion volume, against what one would use instead.

    python Testing/Benchmarks/shipped.py --cohorts WORK --model acute --workers 4

1. Trains what it is compared with on the cohort ``clinic`` (10, 50, 200 cases): the same network from
   nothing, the same network started from the shipped one, and the threshold, tuned on them.
2. Segments every test cohort with each, with and without ADC.
3. Writes ``shipped.json`` (every case's scores) and ``shipped.md`` (the tables).

Cohorts come from shipped_cohorts.py and other_simulator.py. All of them are simulated. Interrupted, it
goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.commands.console import Console
from StrokeSynthLib.evaluate.agreement import Scores, score
from StrokeSynthLib.evaluate.summary import STRATA, as_plain, estimate, paired_difference, stratum_of
from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.progress import Progress
from StrokeSynthLib.segment.options import TrainingOptions
from StrokeSynthLib.segment.registry import open_segmenter
from StrokeSynthLib.study.parallel import run_parallel

Names = str | tuple[str, ...]
HERE = Path(__file__).parent
#: As the shipped network, without augmentation past what scanners do: the product's own training.
CLINICAL = TrainingOptions(
    batch=10, channels=(16, 48, 96, 128, 160), depth=5, tissues=True, threads=1, device="cpu",
    averaging=0.998,
)  # fmt: skip
FINE_TUNING = TrainingOptions(threads=1, device="cpu", averaging=0.99)


@dataclass(frozen=True)
class Arm:
    """One thing that segments: a model folder or shipped name, or how it is trained on clinical cases."""

    name: str
    cases: int = 0
    seed: int = 0
    steps: int = 0
    fine_tuned: bool = False
    threshold: bool = False


ARMS = (
    Arm("threshold-10", 10, threshold=True),
    Arm("threshold-200", 200, threshold=True),
    *(Arm(f"scratch-10-{seed}", 10, seed, 1000) for seed in range(3)),
    *(Arm(f"tuned-10-{seed}", 10, seed, 300, fine_tuned=True) for seed in range(3)),
    Arm("scratch-50-0", 50, 0, 1500),
    Arm("scratch-200-0", 200, 0, 2500),
)
SHIPPED = "shipped"
WITHOUT_ADC = "shipped, no ADC"
THRESHOLD = "threshold"


def train_arm(arm: Arm, work: Path, model: str, *, progress: Progress) -> None:
    """Train one arm on its clinical cases, drawn by its seed."""
    from StrokeSynthLib.randomness import generator
    from StrokeSynthLib.segment.threshold_tuning import tune_threshold
    from StrokeSynthLib.segment.training import train_segmenter

    out = work / "arms" / arm.name
    if (out / "model.json").is_file():
        return
    files = open_cohort(work / "clinic").cases
    order = generator(arm.seed, "clinical cases").permutation(len(files))
    cases = [files[i] for i in order[: arm.cases]]
    if arm.threshold:
        tune_threshold((load_case(one) for one in cases), out, progress, total=len(cases))
        return
    if arm.fine_tuned:
        options = replace(FINE_TUNING, steps=arm.steps, start_from=model, seed=arm.seed)
    else:
        options = replace(CLINICAL, steps=arm.steps, seed=arm.seed)
    train_segmenter(cases, [], out, replace(options, resume=True), progress)


def score_cohort(
    name: str, model: str, cohort: Path, out: Path, with_adc: bool, *, progress: Progress
) -> None:  # fmt: skip
    """Scores of every case of a cohort, to ``out``/NAME/COHORT.json."""
    target = out / name / f"{cohort.name}.json"
    if target.is_file():
        return
    segmenter = open_segmenter(model, "cpu")
    scores = {}
    for files in open_cohort(cohort).cases:
        case = load_case(files)
        assert case.lesion is not None
        found = segmenter.predict(case.dwi, case.adc if with_adc else None)
        one = score(case.lesion.array > 0, found.mask.array > 0, case.dwi.spacing)
        scores[files.name] = {k: as_plain(v) for k, v in asdict(one).items()} | {"unlike": list(found.unlike)}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, scores)


def read_scores(folder: Path) -> dict[str, dict[str, Scores]]:
    """By cohort and case; a score that is not defined is NaN."""
    read = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        read[path.stem] = {
            name: Scores(**{k: float("nan") if v is None else v for k, v in one.items() if k != "unlike"})
            for name, one in content.items()
        }
    return read


def joined(cohorts: dict[str, dict[str, Scores]], beginning: Names = "test-") -> dict[str, Scores]:
    """The cases of all cohorts whose name begins so, by cohort and name."""
    return {
        f"{cohort}/{name}": one
        for cohort, cases in cohorts.items()
        if cohort.startswith(beginning)
        for name, one in cases.items()
    }


def _percent(values: Sequence[float]) -> str:
    found = estimate(values)
    if not found.cases:
        return "-"
    interval = f" [{100 * found.low:.0f}, {100 * found.high:.0f}]" if found.cases > 1 else ""
    return f"{100 * found.mean:.1f}{interval}"


def _dice(cases: dict[str, Scores]) -> list[float]:
    return [one.dice for one in cases.values() if one.reference_ml > 0]


def table(arms: dict[str, dict[str, dict[str, Scores]]], groups: list[str], beginning: Names) -> list[str]:
    """Markdown: mean Dice in % of cases with lesion, arms in rows, cohorts in columns, all first."""
    lines = [
        "| | all | " + " | ".join(g.removeprefix("test-") for g in groups) + " |",
        "| --- |" + " --- |" * (len(groups) + 1),
    ]
    for name, cohorts in arms.items():
        cells = [_percent(_dice(joined(cohorts, beginning)))]
        cells += [_percent(_dice(cohorts.get(group, {}))) for group in groups]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def strata_table(arms: dict[str, dict[str, dict[str, Scores]]], beginning: Names) -> list[str]:
    """Markdown: mean Dice by volume of the reference, lesion F1, false positives on lesion-free cases."""
    lines = [
        "| | " + " | ".join(STRATA) + " | lesion F1 | false positives without lesion, ml: mean, largest |",
        "| --- |" + " --- |" * (len(STRATA) + 2),
    ]
    for name, cohorts in arms.items():
        cases = joined(cohorts, beginning)
        cells = []
        for stratum in STRATA:
            values = [
                one.dice
                for one in cases.values()
                if one.reference_ml > 0 and stratum_of(one.reference_ml) == stratum
            ]
            cells.append(f"{_percent(values)} ({len(values)})")
        cells.append(_percent([one.lesion_f1 for one in cases.values() if one.reference_ml > 0]))
        free = [one.false_positive_ml for one in cases.values() if one.reference_ml <= 0]
        cells.append(f"{np.mean(free):.2f}, {np.max(free):.2f} ({len(free)})" if free else "-")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def averaged(runs: list[dict[str, dict[str, Scores]]]) -> dict[str, Scores]:
    """Mean Dice of each test case over trainings, in the place of the case's Dice."""
    cases = [joined(run) for run in runs]
    return {
        name: replace(cases[0][name], dice=float(np.mean([run[name].dice for run in cases])))
        for name in cases[0]
        if cases[0][name].reference_ml > 0
    }


def differences(arms: dict[str, dict[str, dict[str, Scores]]]) -> list[str]:
    """What the shipped network gains, and what fine-tuning gains, paired by case."""
    lines = []

    def say(text: str, first: dict[str, Scores], second: dict[str, Scores]) -> None:
        found = paired_difference(first, second)
        lines.append(
            f"- {text}: {100 * found.mean:+.1f} Dice points [{100 * found.low:.1f}, {100 * found.high:.1f}] "
            f"({found.cases} cases)."
        )

    shipped = averaged([arms[SHIPPED]])
    for name in (THRESHOLD, "threshold-200", "scratch-50-0", "scratch-200-0"):
        if name in arms:
            say(f"shipped over {name}", averaged([arms[name]]), shipped)
    if WITHOUT_ADC in arms:
        say("ADC: shipped with it over shipped without", averaged([arms[WITHOUT_ADC]]), shipped)
    tuned = [arms[n] for n in arms if n.startswith("tuned-10-")]
    scratch = [arms[n] for n in arms if n.startswith("scratch-10-")]
    if tuned and scratch:
        say("fine-tuned on 10 cases over trained from nothing on them", averaged(scratch), averaged(tuned))
        say("fine-tuned on 10 cases over shipped", shipped, averaged(tuned))
    return lines


def report(work: Path, out: Path, model: str) -> str:
    """Write tables and numbers."""
    order = [SHIPPED, WITHOUT_ADC, THRESHOLD, *(arm.name for arm in ARMS)]
    arms = {name: found for name in order if (found := read_scores(out / name))}
    tests = sorted({cohort for found in arms.values() for cohort in found if cohort.startswith("test-")})
    painted = sorted({c for found in arms.values() for c in found if not c.startswith("test-")})
    lines = [
        "# The shipped network on simulated test cases",
        "",
        "Made by `shipped.py` (cohorts by `shipped_cohorts.py`): people 13 to 15 and the saved 200 lesion",
        "masks, of which nothing was trained, calibrated or tuned. Mean Dice in %, cases with lesion, 95 %",
        "bootstrap intervals over cases. `heldout-1.5T` is a protocol that no training of named protocols",
        "has seen. `threshold` is the shipped one, tuned on 60 cases; `threshold-N`, `scratch-N-SEED` and",
        "`tuned-N-SEED` are the threshold tuned on N cases, the same network",
        "from nothing and the same network started from the shipped one, on N simulated clinical cases of",
        "the named protocols.",
        "",
        *table(arms, tests, "test-"),
        "",
        "By volume of the lesion (number of cases), all protocols:",
        "",
        *strata_table(arms, "test-"),
        "",
        *differences(arms),
        "",
    ]
    if painted:
        lines += [
            "A second, plain simulator, which shares only anatomies and masks (`other_simulator.py`).",
            "Nothing was trained or calibrated on it; the threshold on the probability was chosen on other",
            "cases of both simulators alike (`finish_shipped.py`):",
            "",
            *table(arms, painted, tuple(painted)),
            "",
            *strata_table(arms, tuple(painted)),
            "",
        ]
    text = "\n".join(lines)
    write_text(HERE / "shipped.md", text)
    content = {arm: {c: as_plain(cases) for c, cases in found.items()} for arm, found in arms.items()}
    write_json(HERE / "shipped.json", {"model": model, "scores": _short(content)})
    return text


def _short(content: object) -> object:
    """Numbers to four digits: the file is read by people."""
    if isinstance(content, dict):
        return {key: _short(value) for key, value in content.items()}
    return round(content, 4) if isinstance(content, float) else content


def main() -> None:
    """Train, segment, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=Path, required=True)
    parser.add_argument("--model", default="acute")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--arms", nargs="*", help="only these arms are trained and scored")
    parser.add_argument("--train-only", action="store_true")
    arguments = parser.parse_args()
    work, console = arguments.cohorts, Console("bar")
    chosen = [arm for arm in ARMS if arguments.arms is None or arm.name in arguments.arms]
    jobs = [(arm, work, arguments.model) for arm in sorted(chosen, key=lambda a: -a.steps)]
    if jobs:
        run_parallel(train_arm, jobs, "Training arms", console.progress, arguments.workers)
    if arguments.train_only:
        return
    out = work / "scores"
    cohorts = [*sorted(work.glob("test-*")), *sorted((work / "other").glob("*"))]
    tasks = [(SHIPPED, arguments.model, c, out, True) for c in cohorts]
    tasks += [(WITHOUT_ADC, arguments.model, c, out, False) for c in cohorts]
    tasks += [(THRESHOLD, THRESHOLD, c, out, True) for c in cohorts]
    tasks += [(arm.name, str(work / "arms" / arm.name), c, out, True) for arm in chosen for c in cohorts]
    run_parallel(score_cohort, tasks, "Segmenting test cohorts", console.progress, arguments.workers)
    console.result(report(work, out, arguments.model))


if __name__ == "__main__":
    main()
