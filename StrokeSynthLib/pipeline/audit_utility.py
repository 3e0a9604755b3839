"""Does training on synthetic images teach what real images would? Both are tested on held-out real cases."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.case import CaseFiles
from ..cohort.load import load_case
from ..errors import BadInputError
from ..evaluate.agreement import score
from ..evaluate.verdict import Finding
from ..progress import Progress, ProgressEvent
from ..segment.options import TrainingOptions
from ..segment.registry import open_segmenter, train_segmenter

#: Share of the Dice of training on real cases that training on synthetic ones must reach.
LEAST_SHARE = 0.5


def judge_utility(
    synthetic: Sequence[CaseFiles], training: Sequence[CaseFiles], holdout: Sequence[CaseFiles], steps: int,
    seed: int, device: str, progress: Progress,
) -> tuple[Finding, dict[str, Any]]:  # fmt: skip
    """Train one segmenter on synthetic and one on training cases, ``steps`` steps each; test both on holdout.

    Raises
    ------
    BadInputError
        When one of the three sets has no reference lesions.
    """
    sets = {"synthetic": synthetic, "real": training, "held-out": holdout}
    labeled = {name: [files for files in cases if files.lesion is not None] for name, cases in sets.items()}
    for name, cases in labeled.items():
        if len(cases) < 2:
            raise BadInputError(
                f"--utility: needs two {name} cases with lesion masks; leave it out or add masks."
            )
    dice = {}
    for name in ("synthetic", "real"):
        options = TrainingOptions(steps=steps, seed=seed, device=device)
        with tempfile.TemporaryDirectory(prefix="strokesynth-utility-") as folder:
            model = train_segmenter("unet", labeled[name], [], Path(folder) / "model", options, progress)
            segmenter = open_segmenter(model.path, device)
            values = []
            for done, files in enumerate(labeled["held-out"]):
                progress(ProgressEvent(f"Testing on held-out cases ({name})", done, len(labeled["held-out"])))
                case = load_case(files)
                if case.lesion is not None and case.lesion.array.any():
                    found = segmenter.predict(case.dwi, case.adc).mask
                    values.append(score(case.lesion.array, found.array, case.dwi.spacing).dice)
        dice[name] = np.array(values)
    own, real = (float(np.mean(dice[name])) for name in ("synthetic", "real"))
    limit = LEAST_SHARE * real
    finding = Finding(
        "utility", "Does a segmenter that was trained on synthetic cases alone find lesions in real ones?",
        own >= limit,
        f"mean Dice on held-out cases at least {LEAST_SHARE:.0%} of that after as many steps on the real "
        f"training cases ({limit:.2f})",
        f"Mean Dice {own:.3f}, trained on real cases {real:.3f} ({len(dice['real'])} held-out cases, {steps} "
        "steps, one training each).",
        own, limit, {"mean": real},
    )  # fmt: skip
    return finding, {
        "steps": steps,
        **{name: [round(float(v), 4) for v in each] for name, each in dice.items()},
    }
