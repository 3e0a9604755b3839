"""Intervals for studies: a hierarchical bootstrap over trainings and test cases.

Seeds (trainings) and test cases are both samples; resampling only the cases would call the
luck of one training a result. In each replicate seeds are drawn with replacement, then, once
for all seeds, test cases; arms that are compared use the same draws, so the difference is paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..randomness import generator

REPLICATES = 4000
#: Replicates that are drawn at once, to bound the memory.
_BLOCK = 200


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval.

    Parameters
    ----------
    mean, low, high
        Of the score; NaN where no case defines it.
    trainings, cases
        How many of each it rests on.
    """

    mean: float
    low: float
    high: float
    trainings: int
    cases: int

    def text(self, scale: float = 1.0, digits: int = 1) -> str:
        """As in tables: "52.1 [44.0, 60.3]"."""
        if not np.isfinite(self.mean):
            return "-"
        values = [f"{value * scale:.{digits}f}" for value in (self.mean, self.low, self.high)]
        return f"{values[0]} [{values[1]}, {values[2]}]"


def _replicates(table: npt.NDArray[Any], seed: int) -> npt.NDArray[Any]:
    rng = generator(seed, "bootstrap")
    trainings, cases = table.shape
    means = []
    for _ in range(REPLICATES // _BLOCK):
        rows = rng.integers(trainings, size=(_BLOCK, trainings, 1))
        columns = rng.integers(cases, size=(_BLOCK, 1, cases))
        sample = table[rows, columns].reshape(_BLOCK, -1)
        defined = np.isfinite(sample)
        with np.errstate(invalid="ignore"):
            means.append(np.where(defined, sample, 0).sum(1) / defined.sum(1))
    return np.concatenate(means)


def estimate(table: npt.NDArray[Any], seed: int = 0) -> Estimate:
    """Mean and interval of scores.

    Parameters
    ----------
    table
        Shape (trainings, cases); NaN where a case does not define the score.
    seed
        Of the bootstrap.
    """
    table = np.atleast_2d(np.asarray(table, float))
    # Cases that never define the score (distances without a lesion) are no part of the sample.
    table = table[:, np.isfinite(table).any(axis=0)]
    if table.size == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), table.shape[0], 0)
    low, high = np.nanpercentile(_replicates(table, seed), [2.5, 97.5])
    return Estimate(float(np.nanmean(table)), float(low), float(high), *table.shape)


def difference(table: npt.NDArray[Any], baseline: npt.NDArray[Any], seed: int = 0) -> Estimate:
    """Paired difference of two arms: same seeds, same test cases, same bootstrap draws.

    Raises
    ------
    ValueError
        When the tables are not of one shape.
    """
    first, second = np.atleast_2d(np.asarray(table, float)), np.atleast_2d(np.asarray(baseline, float))
    if first.shape != second.shape:
        raise ValueError(f"paired tables must have one shape, not {first.shape} and {second.shape}")
    return estimate(first - second, seed)
