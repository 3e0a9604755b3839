"""Small cohorts and jobs for the panel's tests."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.cohort.writer import CohortWriter
from StrokeSynthLib.provenance import record
from StrokeSynthLib.volume import Volume
from Testing.unit import translate_phantom as phantom
from Testing.unit.segment_builders import examination


def small_cohort(folder: Path, count: int = 4, *, lesions: bool = True) -> Path:
    """Examinations of ellipsoids in BIDS layout, with reference lesions unless told otherwise."""
    writer = CohortWriter(folder, description={"Name": "test"})
    for seed in range(1, count + 1):
        case = examination(seed)
        writer.write(
            f"sub-{seed:04d}", f"sub-{seed:04d}", dwi=case.dwi, adc=case.adc, b0=None,
            lesion=case.lesion if lesions else None, semantic_map=None, b_value=1000.0,
            record=record(synthetic=True),
        )  # fmt: skip
    writer.finish()
    return folder


def mapped_cohort(folder: Path, count: int = 2) -> Path:
    """Small brains with their semantic maps, for translators."""
    writer = CohortWriter(folder, description={"Name": "test"})
    for seed in range(1, count + 1):
        signals = phantom.signals(seed)
        volumes = {
            name: Volume(signals[name].astype(np.float32), phantom.AFFINE) for name in ("dwi", "adc", "b0")
        }
        writer.write(
            f"sub-{seed:04d}", f"sub-{seed:04d}", **volumes, lesion=phantom.lesion_volume(),
            semantic_map=phantom.map_volume(), b_value=1000.0, record=record(synthetic=True),
        )  # fmt: skip
    writer.finish()
    return folder


def damage(cohort: Path, name: str) -> None:
    """Make the DWI of a case unreadable."""
    (cohort / name / "dwi" / f"{name}_trace.nii.gz").write_bytes(b"damaged")


def recorded_job(
    root: Path,
    command: Sequence[str],
    *,
    title: str = "unet-1",
    state: dict[str, Any] | None = None,
    events: Sequence[dict[str, Any]] = (),
) -> Path:
    """The folder of a job that ran before, without the job."""
    folder = root / f"20260101-120000-{title}-{len(list(root.glob('*'))) if root.is_dir() else 0}"
    folder.mkdir(parents=True)
    job = {"title": title, "command": list(command), "created": time.time() - 3600, "directory": str(root)}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    (folder / "state.json").write_text(json.dumps(state or {}), encoding="utf-8")
    lines = [{"event": "attempt", "started": time.time() - 3600}, *events]
    (folder / "progress.jsonl").write_text(
        "".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8"
    )
    (folder / "log.txt").write_text("Something on standard error.\n", encoding="utf-8")
    return folder


def trained(step: int, steps: int = 100, **values: float) -> dict[str, Any]:
    """What a training reports of a step."""
    return {"event": "progress", "stage": "Training", "done": step, "total": steps, "message": "",
            "values": values}  # fmt: skip


def kill_all_of(job: Any) -> None:
    """Runner and command die at once, as when the computer goes off."""
    state = json.loads((job.folder / "state.json").read_text(encoding="utf-8"))
    os.kill(state["runner"], signal.SIGKILL)
    os.killpg(state["child"], signal.SIGKILL)
