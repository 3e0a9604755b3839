"""How far two sets of images lie apart: FID, KID, MMD, and precision and coverage of neighbors.

Every figure depends on how many images it is taken over, so sets of one size are compared, and the
same is done with two sets of real images: that is what no difference looks like.

- FID (Heusel 2017) over slices. The figure is MONAI's, which cannot be called any more: it asks SciPy for a
  square root in a way that SciPy 1.18 refuses. Here the root's trace comes from symmetric eigenvalues.
- KID (Binkowski 2018): unbiased squared MMD with the kernel (x.y / n + 1)^3, over random subsets of cases,
  a random slice of each, so that the slices are independent; mean and 95 % interval of the subsets.
- MMD with a Gaussian kernel (Gretton 2012), by MONAI, the kernel by random Fourier features (Rahimi 2007).
- Precision (Kynkäänniemi 2019): share of images within the neighborhood of a real one. Coverage (Naeem 2020):
  share of real images that have one of the others in their neighborhood. Over cases.

Features are divided by their spread among the reference first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SUBSETS = 100
#: Random Fourier features: their error in MMD^2 is about 1 / this.
_FOURIER = 2048
#: A case's neighborhood reaches to its so-manieth neighbor; about the square root of 50 cases.
_NEIGHBORS = 5
#: Directions of the reference that neighbors are looked for in: more than cases allow are noise.
_DIRECTIONS = 12


@dataclass(frozen=True)
class Distances:
    """Between one set and the reference; lower is closer, but for the last two.

    Parameters
    ----------
    fid
        Fréchet distance over slices.
    kid, kid_low, kid_high
        Mean over subsets, and the interval that holds 95 % of them.
    mmd
        Squared, Gaussian kernel.
    precision, coverage
        Shares of 0 to 1.
    """

    fid: float
    kid: float
    kid_low: float
    kid_high: float
    mmd: float
    precision: float
    coverage: float

    def to_json(self) -> dict[str, float]:
        """Rounded."""
        return {name: round(float(value), 5) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class FeatureSet:
    """Features of a set of cases by one extractor.

    Parameters
    ----------
    slices
        (slices, n) of each case.
    whole
        (cases, m), one vector a case.
    """

    slices: Sequence[Array]
    whole: Array

    def some(self, chosen: Array) -> FeatureSet:
        """The cases with these numbers."""
        return FeatureSet([self.slices[i] for i in chosen], self.whole[chosen])


def distances(found: FeatureSet, reference: FeatureSet, rng: np.random.Generator) -> Distances:
    """Of a set from the reference; both of two cases or more."""
    every = np.concatenate(reference.slices)
    mean, spread = every.mean(axis=0), np.maximum(every.std(axis=0), 1e-4)
    first, second = (
        [((s - mean) / spread).astype(np.float32) for s in each.slices] for each in (found, reference)
    )
    size = min(len(first), len(second))
    kids, mmds = _subsets(first, second, max(2, round(0.8 * size)), rng)
    precision, coverage = neighbors(found.whole, reference.whole)
    low, high = np.quantile(kids, [0.025, 0.975])
    return Distances(
        _fid(np.concatenate(first), np.concatenate(second)), float(np.mean(kids)), float(low), float(high),
        float(np.mean(mmds)), precision, coverage,
    )  # fmt: skip


def _fid(first: Array, second: Array) -> float:
    """On the directions of the reference that hold nearly all of its variance.

    With fewer slices than features a covariance matrix is singular; the rest of the directions is noise.
    """
    _, strength, directions = np.linalg.svd(second - second.mean(axis=0), full_matrices=False)
    share = np.cumsum(strength**2) / np.sum(strength**2)
    count = min(int(np.searchsorted(share, 0.98)) + 1, max(2, min(len(first), len(second)) // 4))
    return frechet(first @ directions[:count].T, second @ directions[:count].T)


def frechet(first: Array, second: Array) -> float:
    """Squared Fréchet distance of the normal distributions that fit two sets (n, m), m of 2 or more.

    ``|m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2))``. The product has the eigenvalues of the symmetric
    ``C1^(1/2) C2 C1^(1/2)``; they are no less than 0 but for rounding, and so nothing becomes complex.
    """
    one, two = (each.astype(float) for each in (first, second))
    apart = one.mean(axis=0) - two.mean(axis=0)
    covariance = [np.cov(each, rowvar=False) for each in (one, two)]
    values, vectors = np.linalg.eigh(covariance[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    between = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance[1] @ root), 0)).sum()
    return float(apart @ apart + np.trace(covariance[0]) + np.trace(covariance[1]) - 2 * between)


def _subsets(
    first: Sequence[Array], second: Sequence[Array], size: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """KID and squared MMD of each subset, one random slice of ``size`` cases of each set."""
    import torch
    from monai.metrics import MMDMetric

    count = second[0].shape[1]
    # Width of the kernel: the usual distance between two slices (features have unit spread).
    frequencies = rng.standard_normal((count, _FOURIER)) / np.sqrt(2.0 * count)
    phases = rng.uniform(0, 2 * np.pi, _FOURIER)
    metric = MMDMetric(y_mapping=lambda x: torch.cos(x) * float(np.sqrt(2.0 / _FOURIER)))
    kids, mmds = [], []
    for _ in range(_SUBSETS):
        drawn = [
            np.stack([each[i][rng.integers(len(each[i]))] for i in rng.permutation(len(each))[:size]])
            for each in (first, second)
        ]
        kids.append(_kid(drawn[0], drawn[1]))
        phase = [torch.from_numpy(each @ frequencies + phases) for each in drawn]
        mmds.append(float(metric(phase[1], phase[0])))
    return np.array(kids), np.array(mmds)


def _kid(first: Array, second: Array) -> float:
    """Unbiased squared MMD with the cubic kernel; may be a little below 0."""
    count = first.shape[1]

    def kernel(a: Array, b: Array) -> Array:
        return np.asarray((a.astype(float) @ b.T / count + 1.0) ** 3)

    def within(a: Array) -> float:
        values = kernel(a, a)
        return float((values.sum() - np.trace(values)) / (len(a) * (len(a) - 1)))

    return within(first) + within(second) - 2.0 * float(kernel(first, second).mean())


def neighbors(found: Array, reference: Array) -> tuple[float, float]:
    """Precision and coverage of ``found`` (cases, m) against ``reference`` (cases, m)."""
    from scipy.spatial.distance import cdist

    mean, spread = reference.mean(axis=0), np.maximum(reference.std(axis=0), 1e-4)
    own, other = (reference - mean) / spread, (found - mean) / spread
    _, strength, directions = np.linalg.svd(own, full_matrices=False)
    count = min(_DIRECTIONS, max(1, len(own) // 4))
    scale = np.maximum(strength[:count] / np.sqrt(len(own)), 1e-6)
    own, other = own @ directions[:count].T / scale, other @ directions[:count].T / scale
    among = np.sort(cdist(own, own), axis=1)
    reach = among[:, min(_NEIGHBORS, len(own) - 1)]
    inside = cdist(other, own) <= reach
    return float(inside.any(axis=1).mean()), float(inside.any(axis=0).mean())
