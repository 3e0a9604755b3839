"""Distances between sets of features answer known questions."""

import warnings

import numpy as np
import pytest
import scipy
import torch

from StrokeSynthLib.evaluate.distances import FeatureSet, distances, frechet, neighbors


def drawn(count: int, seed: int, *, shift: float = 0.0, scale: float = 1.0, width: int = 8) -> np.ndarray:
    mixing = np.random.default_rng(100).normal(size=(width, width))
    return (np.random.default_rng(seed).normal(size=(count, width)) * scale) @ mixing + shift


def cases(seed: int, **changes: float) -> FeatureSet:
    slices = [drawn(6, 1000 * seed + n, **changes).astype(np.float32) for n in range(20)]
    return FeatureSet(slices, np.stack([s.mean(axis=0) for s in slices]))


@pytest.mark.parametrize("count", [200, 6], ids=["many", "fewer than features"])
def test_the_frechet_distance_is_monais(count):
    """As long as SciPy still takes the argument that MONAI gives it."""
    if tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 18):
        pytest.skip("MONAI's FID needs SciPy below 1.18")
    from monai.metrics import FIDMetric

    first, second = drawn(count, 1), drawn(count, 2, shift=0.3, scale=1.4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = float(FIDMetric()(torch.from_numpy(first), torch.from_numpy(second)))
    assert frechet(first, second) == pytest.approx(expected, rel=1e-4)


def test_the_frechet_distance_of_known_distributions():
    """Same axes, variances 1 and 4, means 3 apart along one of them: 9 + m (1 + 4 - 2 * 2)."""
    noise = np.random.default_rng(0).normal(size=(400, 3))
    white = (noise - noise.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(noise, rowvar=False))).T
    assert frechet(white, 2 * white + [3, 0, 0]) == pytest.approx(9 + 3, rel=1e-6)
    assert frechet(white, white) == pytest.approx(0, abs=1e-9)


def test_the_distances_need_no_deprecated_call():
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        distances(cases(1), cases(2), np.random.default_rng(0))


def test_what_is_further_away_is_measured_as_such():
    reference = cases(1)
    same, near, far = (
        distances(each, reference, np.random.default_rng(0))
        for each in (cases(2), cases(3, shift=0.8), cases(4, shift=3.0))
    )
    assert same.fid < near.fid < far.fid
    assert same.kid < near.kid < far.kid
    assert same.mmd < near.mmd < far.mmd
    assert same.precision > far.precision
    assert same.coverage > far.coverage
    assert same.kid_low < 0 < same.kid_high
    assert far.kid_low > 0


def test_one_image_again_and_again_is_precise_and_covers_little():
    reference = drawn(40, 1)
    precision, coverage = neighbors(np.repeat(reference[:1], 40, axis=0), reference)
    assert precision == 1.0
    assert coverage < 0.5
