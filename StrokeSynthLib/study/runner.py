"""Carries a study out: translators and databases first, then segmenters, each scored on the test.

Every finished run is a JSON file, so an interrupted study goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.case import CaseFiles
from ..cohort.load import load_case
from ..errors import BadInputError, require
from ..evaluate.agreement import score
from ..files import check_output_folder, write_json
from ..modelfolder import ModelFolder, open_model
from ..pipeline.database import DatabaseRecipe, make_database
from ..pipeline.training import usable_cases, with_maps
from ..progress import Progress, ProgressEvent, silent
from ..provenance import record, write_with_record
from ..segment.options import TrainingOptions
from ..segment.registry import open_segmenter, train_segmenter
from ..translate.options import TranslatorOptions
from ..translate.registry import train_translator
from ..volume import Storage
from .parallel import run_parallel
from .plan import Run, StudyPlan, check_disjoint, draw_cases

Say = Callable[[str], None]

#: Of the cases of a synthetic database with lesions, so many have none.
_LESION_FREE_SHARE = 0.1


def run_study(
    plan: StudyPlan, *, progress: Progress = silent, say: Say = lambda text: None, workers: int = 1
) -> list[dict[str, Any]]:
    """Carry out what is missing of a study and return the results of all runs.

    Raises
    ------
    BadInputError
        When cohorts cannot be used, or ``plan.out`` holds a study of other settings.
    """
    require("matplotlib")
    if any(run.arm.network for run in plan.runs()):
        require("torch", "monai")
    for folder in (plan.out, plan.maps):
        if folder is not None:
            check_output_folder(folder)
            if folder.resolve() in (plan.cohort.resolve(), plan.test.resolve()):
                raise BadInputError(
                    f"{folder}: is one of the cohorts, which are never written to; choose another folder."
                )
    runs = plan.runs()
    missing = [run for run in runs if run.finished(plan) is None]
    if missing:
        clinical = usable_cases(plan.cohort, plan.maps, need_lesion=True, say=say, progress=progress)
        test = usable_cases(plan.test, None, need_lesion=True, say=say, progress=progress)
        check_disjoint(clinical, test, plan.cohort.resolve() == plan.test.resolve())
        draws = {run.subset: draw_cases(clinical, run.cases, plan.seed, run.seed) for run in missing}
        if plan.also_fit or any(run.arm.translator for run in missing):
            draws = {
                name: with_maps(cases, plan.maps, device=plan.device, say=say, progress=progress)
                for name, cases in draws.items()
            }
        made = {(run.subset, run.arm.translator) for run in missing if run.arm.translator}
        made |= {(run.subset, kind) for run in missing for kind in plan.also_fit}
        fits = [(plan, subset, kind, draws[subset]) for subset, kind in sorted(made)]
        run_parallel(_fit_translator, fits, "Fitting translators", progress, workers)
        wanted = {(run.subset, run.arm.translator, run.arm.lesions) for run in missing if run.arm.translator}
        # Fewer databases than processes share them out.
        spread = max(1, workers // max(1, len(wanted)))
        databases = [(plan, *key, spread) for key in sorted(wanted)]
        run_parallel(_make_database, databases, "Making synthetic databases", progress, workers)
        trainings = [(plan, run, draws[run.subset], test) for run in missing]
        run_parallel(_train_and_score, trainings, "Training and testing segmenters", progress, workers)
    results = [run.finished(plan) for run in runs]
    return [result for result in results if result is not None]


def translator_folder(plan: StudyPlan, subset: str, kind: str) -> Path:
    """Where the translator of a draw lies."""
    return plan.out / "translators" / f"{subset}-{kind}"


def database_folder(plan: StudyPlan, subset: str, kind: str, lesions: bool) -> Path:
    """Where the synthetic database of a draw lies."""
    return plan.out / "synthetic" / (f"{subset}-{kind}" + ("" if lesions else "-healthy"))


def _seed_of(plan: StudyPlan, subset: str) -> int:
    return plan.seed * 1000 + int(subset.rsplit("seed", 1)[1])


def _fit_translator(
    plan: StudyPlan, subset: str, kind: str, cases: list[CaseFiles], *, progress: Progress
) -> None:
    folder = translator_folder(plan, subset, kind)
    if (folder / "model.json").is_file():
        return
    options = TranslatorOptions(
        seed=_seed_of(plan, subset), steps=plan.translator_steps, device=plan.device, threads=plan.threads
    )
    train_translator(kind, cases, folder, options, progress)


def _make_database(
    plan: StudyPlan, subset: str, kind: str, lesions: bool, workers: int, *, progress: Progress
) -> None:
    folder = translator_folder(plan, subset, kind)
    recipe = DatabaseRecipe(
        str(folder),
        lesion_free=_lesion_free_share(folder) if lesions else 1.0,
        seed=_seed_of(plan, subset) + 7,
        device=plan.device,
    )
    make_database(
        database_folder(plan, subset, kind, lesions), plan.synthetic_cases, recipe, resume=True,
        progress=progress, workers=workers,
    )  # fmt: skip


def _lesion_free_share(folder: Path) -> float:
    """Share of a database's cases without a lesion: none where the translator has only cases with one.

    Only translators that mix the images of their own cases say how many of these have none.
    """
    return 0.0 if open_model(folder).training.get("without_lesion") == 0 else _LESION_FREE_SHARE


def _train_and_score(
    plan: StudyPlan, run: Run, clinical: list[CaseFiles], test: list[CaseFiles], *, progress: Progress
) -> None:
    started = time.monotonic()
    model = _train(plan, run, clinical, progress)
    seconds = time.monotonic() - started
    segmenter = open_segmenter(str(model.path), plan.device)
    scores: dict[str, Any] = {}
    for done, files in enumerate(test):
        progress(ProgressEvent("Testing", done, len(test)))
        case = load_case(files)
        if case.lesion is None:  # the check before kept only cases with a reference
            raise BadInputError(f"{files.name}: has no reference lesion mask; leave it out of --test.")
        found = segmenter.predict(case.dwi, case.adc)
        values = asdict(score(case.lesion.array > 0, found.mask.array > 0, case.dwi.spacing))
        scores[files.name] = {name: _plain(value) for name, value in values.items()}
        if run.seed == 0:
            entries = record(synthetic=False, Kind="lesion segmentation", ModelHash=model.hash)
            path = plan.out / "predictions" / run.name / f"{files.name}.nii.gz"
            write_with_record(path, found.mask, entries, Storage("uint8"))
    write_json(
        run.result_path(plan),
        {
            "arm": run.arm.name, "cases": run.cases, "seed": run.seed, "settings": plan.settings(),
            "clinical": sorted(files.name for files in clinical), "model": model.hash,
            "training": _plain(model.training), "seconds": round(seconds, 1), "scores": scores,
        },
    )  # fmt: skip


def _train(plan: StudyPlan, run: Run, clinical: list[CaseFiles], progress: Progress) -> ModelFolder:
    folder = plan.out / "segmenters" / run.name
    synthetic: list[CaseFiles] = []
    if run.arm.translator:
        database = database_folder(plan, run.subset, run.arm.translator, run.arm.lesions)
        synthetic = usable_cases(database, None, need_lesion=True, say=lambda text: None, progress=silent)
    options = TrainingOptions(
        seed=_seed_of(plan, run.subset), steps=plan.steps, device=plan.device, threads=plan.threads
    )
    kind = "unet" if run.arm.network else "threshold"
    if not run.arm.clinical:
        clinical, synthetic = synthetic, []
    return train_segmenter(kind, clinical, synthetic, folder, options, progress)


def _plain(value: Any) -> Any:
    """What JSON can hold: numpy numbers as numbers, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
