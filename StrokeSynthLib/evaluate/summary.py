"""Scores over cases: means, medians and 95 % bootstrap intervals, by lesion volume."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..randomness import generator
from .agreement import Scores

RESAMPLES = 4000
#: Scores that are summarized, in the order of the tables.
MEASURES = (
    "dice", "lesion_f1", "lesion_precision", "lesion_recall", "absolute_volume_difference_ml",
    "volume_difference_ml", "hausdorff95_mm", "lesion_count_difference", "false_positive_ml",
)  # fmt: skip
ALL = "all cases"
WITH_LESION = "with lesion"
LESION_FREE = "no lesion"
#: Strata by reference volume (ml): from the first number up to, not including, the second.
STRATA: dict[str, tuple[float, float]] = {
    "under 1 ml": (0.0, 1.0),
    "1 to 5 ml": (1.0, 5.0),
    "5 to 20 ml": (5.0, 20.0),
    "20 ml and more": (20.0, float("inf")),
}


@dataclass(frozen=True)
class Estimate:
    """A score over cases.

    Parameters
    ----------
    mean, median
        Over the cases that define the score; NaN without any.
    low, high
        95 % bootstrap interval of the mean over cases; NaN with fewer than two.
    cases
        How many define it.
    """

    mean: float
    median: float
    low: float
    high: float
    cases: int


@dataclass(frozen=True)
class Summary:
    """Estimates by stratum and score, and the number of cases of each stratum.

    Strata are "all cases", "with lesion" (where some have none), those by volume, and "no lesion";
    empty ones are left out.
    """

    strata: Mapping[str, Mapping[str, Estimate]]
    cases: Mapping[str, int]
    seed: int


def estimate(values: Sequence[float] | npt.NDArray[Any], seed: int = 0) -> Estimate:
    """Mean, median and interval of the values that are not NaN.

    The interval is bias-corrected and accelerated (BCa; Efron, JASA 1987), which suits skewed
    scores, and the percentile interval where BCa is not defined.
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if known.size == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    low = high = float("nan")
    if known.size > 1:
        low, high = _interval(known, seed)
    return Estimate(float(known.mean()), float(np.median(known)), low, high, int(known.size))


def _interval(values: npt.NDArray[Any], seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of degenerate data; answered by the second method
            found = bootstrap(
                (values,), np.mean, n_resamples=RESAMPLES, method=method, vectorized=True, axis=-1,
                random_state=generator(seed, "bootstrap"),
            ).confidence_interval  # fmt: skip
        if np.isfinite(found.low) and np.isfinite(found.high):
            break
    return float(found.low), float(found.high)


def stratum_of(reference_ml: float) -> str:
    """Name of the stratum of a reference volume (ml)."""
    if reference_ml <= 0:
        return LESION_FREE
    return next(name for name, (low, high) in STRATA.items() if low <= reference_ml < high)


def summarize(scores: Sequence[Scores], seed: int = 0) -> Summary:
    """Summarize the scores of all cases, over all and by stratum of reference volume."""
    groups: dict[str, list[Scores]] = {ALL: list(scores)}
    diseased = [one for one in scores if one.reference_ml > 0]
    if 0 < len(diseased) < len(scores):
        groups[WITH_LESION] = diseased
    for name in (*STRATA, LESION_FREE):
        members = [one for one in scores if stratum_of(one.reference_ml) == name]
        if members:
            groups[name] = members
    return Summary(
        {
            group: {
                measure: estimate([getattr(one, measure) for one in members], seed) for measure in MEASURES
            }
            for group, members in groups.items()
        },
        {group: len(members) for group, members in groups.items()},
        seed,
    )


def paired_difference(
    first: Mapping[str, Scores], second: Mapping[str, Scores], measure: str = "dice", seed: int = 0
) -> Estimate:
    """Second minus first, case by case, over the cases that both have.

    Pairing takes the spread between cases out, so that small gains can be told from none.
    """
    names = sorted(set(first) & set(second))
    return estimate([getattr(second[n], measure) - getattr(first[n], measure) for n in names], seed)


def as_plain(value: Any) -> Any:
    """Dataclasses, mappings and numbers as JSON takes them; NaN and infinity become None."""
    if isinstance(value, Scores | Estimate | Summary):
        return as_plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): as_plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
