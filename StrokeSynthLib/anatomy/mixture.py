"""Tissue of each voxel from DWI and ADC: a mixture model with anatomical priors.

Expectation maximization over a few tissue groups (Van Leemput et al., IEEE TMI 1999), each a
normal distribution of the measured channels; the priors are the warped atlas, renewed by a mild
smoothing of the posteriors over neighbors (a mean-field step). What no tissue explains, a
lesion or an artifact, goes to a broad outlier class and has no say in the tissues' means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ITERATIONS = 8
#: Weight of the outlier class against the priors, and its density per unit of the channels.
OUTLIER_SHARE = 0.02
#: How much of the prior comes from the neighbors' posteriors in the later iterations.
NEIGHBOR_SHARE = 0.45
#: Least standard deviation of a tissue, as a share of normal tissue's value.
LEAST_SD = 0.05


@dataclass(frozen=True)
class TissueStart:
    """Where a group's mean starts and how firmly it is held there.

    Parameters
    ----------
    mean, sd
        Per channel; channels are scaled so that normal tissue is about 1 (DWI) and 0.8 (ADC).
    hold
        Weight of the start against the data, in voxels per 1000 of the image.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    hold: float = 50.0


@dataclass(frozen=True)
class MixtureResult:
    """Posteriors of a mixture.

    Parameters
    ----------
    posterior
        (group, voxels): probability of each group, the outlier's share put back by the prior.
    outlier
        (voxels,): probability that no tissue explains the voxel.
    means
        (group, channel).
    """

    posterior: Array
    outlier: Array
    means: Array


def fit(
    channels: Array, priors: Array, starts: tuple[TissueStart, ...], neighbors: Any, spread: tuple[float, ...]
) -> MixtureResult:
    """Fit the mixture.

    Parameters
    ----------
    channels
        (channel, voxels), scaled as :class:`TissueStart` says.
    priors
        (group, voxels), summing to 1 over groups.
    starts
        One for each group.
    neighbors
        Function that smooths a (voxels,) array over the image.
    spread
        Range of each channel over which outliers are spread evenly.
    """
    count = channels.shape[1]
    means = np.array([s.mean for s in starts], np.float32)
    sds = np.array([s.sd for s in starts], np.float32)
    hold = np.array([s.hold for s in starts], np.float32) * count / 1000.0
    start_means, start_variances = means.copy(), sds**2
    floor = np.float32(LEAST_SD)
    context = priors
    odd = np.float32(OUTLIER_SHARE / np.prod(spread))
    posterior, outlier = priors, np.zeros(count, np.float32)
    for step in range(ITERATIONS):
        density = _densities(channels, means, sds)
        joint = context * density
        total = joint.sum(axis=0) + odd
        outlier = odd / total
        posterior = joint / total
        weight = posterior.sum(axis=1) + hold
        means = (posterior @ channels.T + hold[:, None] * start_means) / weight[:, None]
        for group in range(len(means)):
            apart = (channels - means[group][:, None]) ** 2
            variance = (apart @ posterior[group] + hold[group] * start_variances[group]) / weight[group]
            sds[group] = np.sqrt(np.maximum(variance, floor**2))
        if step >= 2:
            full = posterior + outlier * priors
            smoothed = np.stack([neighbors(p) for p in full])
            context = priors * (1 - NEIGHBOR_SHARE) + smoothed * NEIGHBOR_SHARE
            # The atlas keeps its veto: where it says 0, neighbors cannot say otherwise.
            context *= priors > 1e-3
            context /= np.maximum(context.sum(axis=0), 1e-6)
    return MixtureResult(posterior + outlier * context, outlier, means)


def _densities(channels: Array, means: Array, sds: Array) -> Array:
    out = np.empty((len(means), channels.shape[1]), np.float32)
    for group, (mean, sd) in enumerate(zip(means, sds, strict=True)):
        z = (channels - mean[:, None]) / sd[:, None]
        out[group] = np.exp(-0.5 * (z**2).sum(axis=0)) / np.prod(sd * np.sqrt(2 * np.pi))
    return out
