"""The whole chain on real anatomies and real lesions: cohorts, translators, segmenters, scores.

Needs the development data (label maps, lesion masks); the product does not. Training cases come from
people 1 to 12 and masks outside the saved test list, test cases from people 13 to 15 and masks on it.

    python Testing/Benchmarks/chain.py --data DIR --out chain --workers 2

writes ``chain/`` (cohorts, models, predictions) and ``Testing/Benchmarks/chain*``. Interrupted,
it goes on where it stopped.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from StrokeSynthLib.commands.console import Console
from StrokeSynthLib.evaluate.folders import evaluate_paths
from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.lesions.masks import held_out_names, person_of
from StrokeSynthLib.pipeline.simulate import SimulationRecipe, simulate
from StrokeSynthLib.pipeline.single import segment_cohort
from StrokeSynthLib.progress import Progress
from StrokeSynthLib.study.pages import report_path, study_sections
from StrokeSynthLib.study.parallel import run_parallel
from StrokeSynthLib.study.plan import StudyPlan
from StrokeSynthLib.study.report import findings, write_report
from StrokeSynthLib.study.runner import run_study
from StrokeSynthLib.study.tables import SCORES, markdown, rows, strata, text_table
from StrokeSynthLib.volume import file_stem

HERE = Path(__file__).parent
TEST_PEOPLE = ("13", "14", "15")
TRAINING_CASES, TEST_CASES, HELD_OUT_CASES = 60, 30, 20


def people_folder(data: Path, out: Path, *, test: bool) -> Path:
    """A folder of links to the label maps of one side of the split by person."""
    folder = out / ("people-test" if test else "people-training")
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "anatomy").glob("*.nii.gz")):
        if (file_stem(path)[-2:] in TEST_PEOPLE) == test and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.resolve())
    return folder


def make_cohorts(data: Path, out: Path, workers: int, console: Console) -> None:
    """Training, test and held-out-scanner cohorts."""
    lesions = data / "lesions"
    test = held_out_names()
    everyone = sorted({person_of(path) for path in lesions.glob("*.nii.gz")})
    training = tuple(name for name in everyone if name not in set(test))
    assert len(test) == 200
    base = SimulationRecipe(lesions=lesions, seed=2026)
    recipes = (
        ("training", TRAINING_CASES, replace(base, lesion_names=training)),
        ("test", TEST_CASES, replace(base, lesion_names=test, seed=2027)),
        ("test-heldout", HELD_OUT_CASES, replace(base, lesion_names=test, seed=2028, scanner="heldout-1.5T")),
    )
    for name, cases, recipe in recipes:
        people = people_folder(data, out, test=name != "training")
        recipe = replace(recipe, anatomies=people)
        made = simulate(out / name, cases, recipe, progress=console.progress, workers=workers)
        console.say(f"{name}: {made.made} made, {made.kept} kept, {dict(made.counts)}")


def main() -> None:
    """Make the cohorts, carry the study out, write table and numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cases", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--arms", nargs="+", default=["threshold", "clinical", "physics"])
    parser.add_argument("--cohorts-only", action="store_true")
    arguments = parser.parse_args()
    console = Console("bar")
    make_cohorts(arguments.data, arguments.out, arguments.workers, console)
    if arguments.cohorts_only:
        return
    study(arguments, console)
    held_out_scanner(arguments.out, console, arguments.workers)


def study(arguments: argparse.Namespace, console: Console) -> None:
    """The arms, trained and scored on the test cohort."""
    out = arguments.out
    plan = StudyPlan(
        out / "training", out / "test", out / "study", tuple(arguments.arms), tuple(arguments.cases),
        arguments.seeds, arguments.steps, synthetic_cases=120,
    )  # fmt: skip
    results = run_study(plan, progress=console.progress, say=console.say, workers=arguments.workers)
    title = "Simulated examinations of real anatomies with real lesions"
    introduction = [
        f"Training: {TRAINING_CASES} simulated cases (people 1 to 12, masks outside the saved list), all "
        f"protocols but the held-out one. Test: {TEST_CASES} simulated cases of people 13 to 15 with masks "
        "of the saved list.",
        f"{plan.steps} steps a network, {plan.seeds} training(s) an arm; 120 synthetic cases where an arm "
        "has them, of the shipped population model and procedural lesions.",
    ]
    write_report(report_path(plan.out), title, introduction, results, study_sections(plan, results))
    lines = [
        f"# {title}",
        "",
        *introduction,
        "",
        text_table(results),
        "",
        "Dice, %, by volume of the reference lesion:",
        "",
        markdown(strata(results)),
        "",
    ]
    write_text(HERE / "chain.md", "\n".join([*lines, *(f"- {line}" for line in findings(results)), ""]))
    values = [
        {"arm": row.arm, "cases": row.cases}
        | {key: [_rounded(v) for v in (e.mean, e.low, e.high)] for key in SCORES if (e := row.estimates[key])}
        for row in rows(results)
    ]
    write_json(HERE / "chain.json", {"settings": plan.settings(), "rows": values})
    console.result(text_table(results))


def held_out_scanner(out: Path, console: Console, workers: int) -> None:
    """Every trained segmenter of the study on the cohort of the scanner that training has not seen."""
    models = sorted(path for path in (out / "study" / "segmenters").iterdir() if path.suffix != ".resume")
    reports = out / "heldout-reports"
    run_parallel(
        _held_out, [(out, model, reports) for model in models], "Held-out scanner", console.progress, workers
    )
    parts = [
        f"## {model.name}\n\n```\n{(reports / (model.name + '.txt')).read_text()}```\n" for model in models
    ]
    introduction = (
        "# A scanner that training has not seen\n\nThe segmenters of [chain.md](chain.md) on "
        f"{HELD_OUT_CASES} simulated cases of the protocol heldout-1.5T, people 13 to 15, masks of "
        "the saved list. `n10` and `n60`: clinical cases trained with; intervals over cases only.\n\n"
    )
    write_text(HERE / "chain-heldout.md", introduction + "\n".join(parts))


def _held_out(out: Path, model: Path, reports: Path, *, progress: Progress) -> None:
    masks = out / "heldout-predictions" / model.name
    segment_cohort(out / "test-heldout", masks, model=str(model), progress=progress)
    report = evaluate_paths(out / "test-heldout", masks, progress=progress)
    write_text(reports / f"{model.name}.txt", report.table() + "\n")


def _rounded(value: float) -> float | None:
    return round(value, 4) if value == value else None


if __name__ == "__main__":
    main()
