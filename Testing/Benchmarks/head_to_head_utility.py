"""What segmenters gain: the pieces of the head-to-head's stage ``utility``; see :mod:`.head_to_head`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.evaluate.agreement import score
from StrokeSynthLib.segment.options import TrainingOptions
from StrokeSynthLib.segment.registry import open_segmenter, train_segmenter
from Testing.Benchmarks.head_to_head import CLINICAL
from Testing.Benchmarks.head_to_head_clock import show

if TYPE_CHECKING:
    from Testing.Benchmarks.head_to_head import Plan

Piece = Callable[["Plan", str, int], dict[str, Any]]


def database_folder(plan: Plan, kind: str, seed: int) -> Path:
    """Where a row's synthetic cases lie."""
    return plan.work / "databases" / f"{kind}-{seed}"


def utility(arm: str) -> Piece:
    """Train a segmenter and score it on the test cohort."""

    def stage(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
        started = time.process_time()
        out, cases = _trained(plan, kind, seed, arm)
        spent = time.process_time() - started
        return {"cpu_s": round(spent, 1), "cases": cases, "scores": _scores(out, plan.test())}

    return stage


def empty(arm: str) -> Piece:
    """What that segmenter marks in all examinations of the test cohort that have no lesion.

    In a piece of its own: of the cases that Dice is of, hardly any is without one.
    """

    def stage(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
        out, _ = _trained(plan, kind, seed, arm)
        return {"scores": _scores(out, plan.without_lesion())}

    return stage


def _trained(plan: Plan, kind: str, seed: int, arm: str) -> tuple[Path, int]:
    """The arm's segmenter, trained where it is missing, and how many cases it has seen."""
    clinical, synthetic = plan.clinic(seed), []
    if arm != CLINICAL:
        folder = database_folder(plan, kind, seed)
        kept = folder.with_name(f"{folder.name}-kept")
        synthetic = list(open_cohort(kept if kept.is_dir() else folder).cases)
    if arm == "only":
        clinical, synthetic = synthetic, []
    options = TrainingOptions(seed=seed, steps=plan.segmenter_steps, device="cpu", threads=1, resume=True)
    out = plan.work / "segmenters" / f"{kind}-{arm}-{seed}"
    if not (out / "model.json").is_file():
        train_segmenter("unet", clinical, synthetic, out, options, show)
    return out, len(clinical) + len(synthetic)


def _scores(model: Path, cases: list[CaseFiles]) -> dict[str, dict[str, float | None]]:
    segmenter = open_segmenter(model, "cpu")
    scores = {}
    for files in cases:
        case = load_case(files)
        assert case.lesion is not None
        found = segmenter.predict(case.dwi, case.adc)
        values = asdict(score(case.lesion.array > 0, found.mask.array > 0, case.dwi.spacing))
        scores[files.name] = {
            name: None if not np.isfinite(value) else round(float(value), 5) for name, value in values.items()
        }
    return scores
