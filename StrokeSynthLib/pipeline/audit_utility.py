"""Does training on synthetic images teach what real images would? Both are tested on held-out real cases."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort.case import CaseFiles
from ..cohort.load import load_case
from ..errors import BadInputError
from ..evaluate.agreement import score
from ..evaluate.verdict import Finding
from ..progress import Progress, ProgressEvent
from ..randomness import generator
from ..segment.options import TrainingOptions
from ..segment.registry import open_segmenter, train_segmenter

Array = npt.NDArray[Any]

#: Share of the Dice of training on real cases that training on synthetic ones must reach.
LEAST_SHARE = 0.5
#: With a mean Dice below this, training on real cases has not got far enough to be a control.
LEAST_TAUGHT = 0.1
_RESAMPLES = 2000


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
    return utility_finding(dice, steps, seed), {
        "steps": steps,
        **{name: [round(float(v), 4) for v in each] for name, each in dice.items()},
    }


def utility_finding(dice: Mapping[str, Array], steps: int, seed: int = 0) -> Finding:
    """The answer, from the Dice of each held-out case after training on ``synthetic`` and on ``real`` cases.

    Not judged where training on real cases teaches hardly anything: half of nothing is no limit.
    """
    name, question = (
        "utility", "Does a segmenter that was trained on synthetic cases alone find lesions in real ones?"
    )  # fmt: skip
    own, real = (float(np.mean(dice[key])) for key in ("synthetic", "real"))
    rng = generator(seed, "utility")
    drawn = rng.integers(len(dice["real"]), size=(_RESAMPLES, len(dice["real"])))
    said = [
        "{:.3f} [{:.3f}, {:.3f}]".format(value, *np.quantile(dice[key][drawn].mean(axis=1), [0.025, 0.975]))
        for key, value in (("synthetic", own), ("real", real))
    ]
    sentence = (
        f"Mean Dice {said[0]}, trained on real cases {said[1]} (95 % over {len(dice['real'])} held-out "
        f"cases; {steps} steps, one training each)."
    )
    limit = LEAST_SHARE * real
    rule = (
        f"mean Dice on held-out cases at least {LEAST_SHARE:.0%} of that after as many steps on the real "
        f"training cases ({limit:.2f})"
    )
    if real < LEAST_TAUGHT:
        sentence = f"Not judged, as training on real cases found hardly anything; give more steps. {sentence}"
        return Finding(name, question, None, rule, sentence, own, None, {"mean": real})
    return Finding(name, question, own >= limit, rule, sentence, own, limit, {"mean": real})
