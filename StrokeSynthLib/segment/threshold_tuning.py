"""Tuning of the threshold method on cases with reference lesions: random search, then refinement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import RESEARCH_NOTICE, __version__
from ..cohort.case import Case
from ..errors import BadInputError
from ..modelfolder import ModelFolder, save_model
from ..progress import Progress, ProgressEvent, silent
from ..randomness import generator
from .preprocess import FrameOptions, prepare
from .threshold import KIND, ThresholdParameters, config_of, features_of

Array = npt.NDArray[Any]

_SMOOTHING = (0.0, 1.0, 2.0)
_RANGES = {"z": (1.0, 5.0), "adc": (0.4, 0.9), "asymmetry": (-4.0, 3.0), "peak": (0.0, 8.0)}
_SIZES_ML = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
#: Parameters that are tried: half drawn at random, half near the best so far.
TRIALS = 300
#: Cases after which a draw that is clearly behind the best is given up.
_CLEAR_AFTER = 10
#: More cases than this take time and memory and hardly move six parameters.
MOST_CASES = 80


@dataclass(frozen=True)
class _Candidates:
    """Voxels of one case that any parameters could call lesion, at one smoothing.

    ``place`` holds their positions in the flat brain box; the rest are their features.
    """

    place: Array
    z: Array
    asymmetry: Array
    adc: Array | None


@dataclass(frozen=True)
class _Sample:
    """One case: candidates by smoothing, and its reference, in the canonical frame."""

    candidates: dict[float, _Candidates]
    lesion: Array
    lesion_voxels: int
    voxel_ml: float


def tune_threshold(
    cases: Iterable[Case],
    out: Path | str,
    progress: Progress = silent,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    total: int = 0,
) -> ModelFolder:
    """Choose the parameters with the best mean Dice over ``cases`` and write a model folder.

    Parameters
    ----------
    cases
        With reference lesions; read one after the other.
    out
        Model folder to write.
    seed
        Of the search.
    trials
        Sets of parameters that are tried.
    total
        Number of cases, for the progress report only.

    Raises
    ------
    BadInputError
        When no case has a reference lesion.
    """
    frame = FrameOptions()
    samples = []
    for done, case in enumerate(cases):
        progress(ProgressEvent("Preparing cases", done, total))
        if case.lesion is None:
            raise BadInputError(f"{case.name}: has no lesion mask to tune on; add one or leave the case out.")
        samples.append(_sample(case, frame))
        if len(samples) == MOST_CASES:
            break
    if not samples:
        raise BadInputError("There is no case to tune on; give a cohort with lesion masks.")
    chosen: dict[str, ThresholdParameters] = {}
    scores: dict[str, float | None] = {}
    # By Dice over cases with lesion; see decision.mean_dice.
    samples = [s for s in samples if s.lesion_voxels] or samples
    with_adc = [s for s in samples if s.candidates[_SMOOTHING[0]].adc is not None]
    for name, group in (("with_adc", with_adc), ("without_adc", [_blinded(s) for s in samples])):
        # Where no case has ADC, the literature's value stays.
        chosen[name], scores[name] = (
            _search(group, seed, trials, progress) if group else (ThresholdParameters(), None)
        )
    training = {"cases": len(samples), "seed": seed, "mean_dice": scores}
    return save_model(
        out, kind=KIND, config=config_of(chosen["with_adc"], chosen["without_adc"], frame), training=training,
        arrays={}, card=threshold_card(chosen, training),
    )  # fmt: skip


def _sample(case: Case, frame: FrameOptions) -> _Sample:
    assert case.lesion is not None
    prepared = prepare(case.dwi, case.adc, frame)
    lesion = prepared.frame.forward((case.lesion.array > 0).astype(np.float32)) >= 0.5
    candidates = {}
    for smoothing in _SMOOTHING:
        features = features_of(prepared, smoothing)
        place = np.flatnonzero(features.brain & (features.z >= _RANGES["z"][0]))
        adc = None if features.adc is None else features.adc.ravel()[place]
        candidates[smoothing] = _Candidates(
            place, features.z.ravel()[place], features.asymmetry.ravel()[place], adc
        )
    return _Sample(candidates, lesion, int(lesion.sum()), prepared.frame.voxel_ml)


def _blinded(sample: _Sample) -> _Sample:
    return replace(sample, candidates={s: replace(c, adc=None) for s, c in sample.candidates.items()})


def _search(
    samples: Sequence[_Sample], seed: int, trials: int, progress: Progress
) -> tuple[ThresholdParameters, float]:
    """Random search, then steps from the best so far."""
    rng = generator(seed, "threshold")
    best = ThresholdParameters()
    reached = _scores(samples, best, None)
    assert reached is not None
    for turn in range(trials):
        progress(ProgressEvent("Tuning", turn, trials))
        trial = _drawn(rng) if turn < trials // 2 else _nearby(best, rng)
        scores = _scores(samples, trial, reached)
        if scores is not None and scores.mean() > reached.mean():
            best, reached = trial, scores
    return best, float(reached.mean())


def _scores(
    samples: Sequence[_Sample], parameters: ThresholdParameters, reached: Array | None
) -> Array | None:
    """Dice of every case; None as soon as the parameters are clearly behind ``reached``."""
    scores = np.zeros(len(samples))
    for number, sample in enumerate(samples):
        scores[number] = _dice(sample, parameters)
        seen = slice(0, number + 1)
        if (
            reached is not None
            and number >= _CLEAR_AFTER
            and scores[seen].mean() < reached[seen].mean() - 0.04
        ):
            return None
    return scores


def _dice(sample: _Sample, parameters: ThresholdParameters) -> float:
    from scipy.ndimage import generate_binary_structure, label

    voxels = sample.candidates[parameters.smoothing]
    meets = (voxels.z >= parameters.z) & (voxels.asymmetry >= parameters.asymmetry)
    if voxels.adc is not None:
        meets &= voxels.adc <= parameters.adc
    place, z = voxels.place[meets], voxels.z[meets]
    mask = np.zeros(sample.lesion.shape, bool)
    mask.ravel()[place] = True
    parts, count = label(mask, generate_binary_structure(3, 3))
    number = parts.ravel()[place]
    keep = np.bincount(number, minlength=count + 1) >= parameters.smallest_ml / sample.voxel_ml
    strong = np.zeros(count + 1, bool)
    strong[number[z >= parameters.peak]] = True
    kept = place[(keep & strong)[number]]
    total = kept.size + sample.lesion_voxels
    return 2.0 * int(sample.lesion.ravel()[kept].sum()) / total if total else 1.0


def _drawn(rng: np.random.Generator) -> ThresholdParameters:
    values = {name: round(float(rng.uniform(*limits)), 3) for name, limits in _RANGES.items()}
    return ThresholdParameters(
        **values, smallest_ml=float(rng.choice(_SIZES_ML)), smoothing=float(rng.choice(_SMOOTHING))
    )


def _nearby(best: ThresholdParameters, rng: np.random.Generator) -> ThresholdParameters:
    values: dict[str, float] = {}
    for name, (low, high) in _RANGES.items():
        step = float(rng.normal(0, 0.08)) * (high - low) * (rng.random() < 0.6)
        values[name] = round(min(max(getattr(best, name) + step, low), high), 3)
    if rng.random() < 0.3:
        values["smallest_ml"] = float(rng.choice(_SIZES_ML))
    if rng.random() < 0.2:
        values["smoothing"] = float(rng.choice(_SMOOTHING))
    return replace(best, **values)


def threshold_card(chosen: dict[str, ThresholdParameters], training: dict[str, Any]) -> str:
    """Markdown from the parameters and the record of the tuning."""
    rows = "\n".join(
        f"| {name} | {getattr(chosen['with_adc'], name)} | {getattr(chosen['without_adc'], name)} |"
        for name in asdict(chosen["with_adc"])
    )
    dice_of = {name: "not tuned" if s is None else f"{s:.3f}" for name, s in training["mean_dice"].items()}
    return f"""# Threshold

{RESEARCH_NOTICE}

The quick method: DWI z-score over normal tissue, comparison with the other hemisphere, ADC, size. The floor
that every trained segmenter has to beat, not a substitute for one.

| parameter | with ADC | without ADC |
| --- | --- | --- |
{rows}

Tuned on {training["cases"]} cases by random search (seed {training["seed"]}) for mean Dice, which was
{dice_of["with_adc"]} with ADC and {dice_of["without_adc"]} without, on these same cases.
Made by StrokeSynth {__version__}; no weights.
"""
