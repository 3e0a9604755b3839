"""``strokesynth study``: arms x case numbers x seeds on your own cohorts."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import arguments as shared
from .console import Console

HELP = "Compare training sets: arms x numbers of clinical cases x seeds, with intervals."
EXAMPLE = "strokesynth study --cohort clinic --test test --arms clinical physics --cases 10 50 --out study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--cohort", type=Path, required=True, metavar="COHORT", help="clinical cases to train with"
    )
    parser.add_argument(
        "--test", type=Path, required=True, metavar="COHORT", help="cases of other people to test on"
    )
    parser.add_argument(
        "--arms", nargs="+", default=["threshold", "clinical", "physics"], metavar="ARM",
        help="threshold, clinical, a translator, or one with -only or -healthy; an unknown name lists all",
    )  # fmt: skip
    parser.add_argument(
        "--cases",
        type=shared.positive_whole,
        nargs="+",
        default=[10],
        metavar="N",
        help="numbers of clinical cases",
    )
    parser.add_argument(
        "--seeds", type=shared.positive_whole, default=3, metavar="N", help="trainings each (default 3)"
    )
    parser.add_argument(
        "--steps", type=shared.positive_whole, default=1500, metavar="N", help="steps of every network"
    )
    parser.add_argument(
        "--synthetic-cases",
        type=shared.positive_whole,
        default=60,
        metavar="N",
        help="size of the synthetic databases",
    )
    parser.add_argument(
        "--translator-steps", type=shared.positive_whole, metavar="N", help="steps of translators"
    )
    parser.add_argument(
        "--maps", type=Path, metavar="DIR", help="semantic maps; missing ones are made and kept here"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder; an interrupted study goes on"
    )
    shared.workers(parser)
    shared.seed(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Carry the study out, write its report and print its table."""
    from ..files import write_json, write_text
    from ..study.pages import report_path, study_sections
    from ..study.plan import StudyPlan
    from ..study.report import findings, write_report
    from ..study.runner import run_study
    from ..study.tables import markdown, strata, text_table

    plan = StudyPlan(
        arguments.cohort, arguments.test, arguments.out, tuple(arguments.arms), tuple(arguments.cases),
        arguments.seeds, arguments.steps, arguments.synthetic_cases, arguments.translator_steps,
        maps=arguments.maps, device=arguments.device, seed=arguments.seed,
    )  # fmt: skip
    results = run_study(plan, progress=console.progress, say=console.say, workers=arguments.workers)
    introduction = [
        f"Training cohort {plan.cohort.name}, test cohort {plan.test.name}; {plan.seeds} training(s) an arm, "
        f"{plan.steps} steps each. Where a cohort is simulated, the result is about simulated images."
    ]
    title = f"StrokeSynth study: {plan.cohort.name}"
    write_report(
        report_path(plan.out), title, introduction, results, study_sections(plan, results), plan.seed
    )
    table = text_table(results, plan.seed)
    by_volume = markdown(strata(results, plan.seed))
    write_text(
        plan.out / "table.md", f"{table}\n\nDice, %, by volume of the reference lesion:\n\n{by_volume}\n"
    )
    write_json(
        plan.out / "study.json", {"settings": plan.settings(), "findings": findings(results, plan.seed)}
    )
    console.result("\n".join([table, "", *findings(results, plan.seed), f"Report: {report_path(plan.out)}"]))
