"""How different the images are that a translator draws for one and the same map.

A translator that has learned one answer for each map adds nothing with a second seed; SSIM between its seeds
is then near 1. The comparison is within the brain: air is alike in all images and would raise any mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..schema import INTRACRANIAL
from ..volume import Volume
from .translator import Translator

Array = npt.NDArray[Any]

#: Window of SSIM (pixels) and its standard deviation (Wang et al., IEEE TIP 2004).
_WINDOW, _SIGMA = 11, 1.5


@dataclass(frozen=True)
class SeedDiversity:
    """Similarity of images of one map that differ in their seed only.

    Parameters
    ----------
    dwi_ssim, adc_ssim
        Mean over all pairs of seeds and all voxels of the brain; 1: the same image.
    seeds
        How many.
    """

    dwi_ssim: float
    adc_ssim: float
    seeds: int


def seed_diversity(
    translator: Translator, semantic_map: Volume, lesion: Volume | None, seeds: Sequence[int]
) -> SeedDiversity:
    """Draw the same map and lesion with several seeds and compare the images.

    Parameters
    ----------
    semantic_map, lesion
        On one grid.
    seeds
        Two or more, all different.

    Raises
    ------
    BadInputError
        With fewer seeds, or a map without a brain.
    """
    if len(set(seeds)) < 2:
        raise BadInputError("diversity between seeds needs two seeds or more; give more.")
    images = [translator.translate(semantic_map, lesion, seed=seed) for seed in seeds]
    brain = np.isin(semantic_map.canonical().array, INTRACRANIAL)
    dwi, adc = ([_canonical(getattr(image, name)) for image in images] for name in ("dwi", "adc"))
    return SeedDiversity(pairwise_ssim(dwi, brain), pairwise_ssim(adc, brain), len(seeds))


def _canonical(volume: Volume) -> Array:
    return volume.canonical().array


def pairwise_ssim(images: Sequence[Array], brain: Array) -> float:
    """Mean SSIM over all pairs of images, in slices (the last axis), within ``brain``.

    Each image is divided by its median in the brain first; the range is that of both up to their 99.5th
    percentile.
    """
    if not brain.any():
        raise BadInputError("the semantic map holds no brain; give the map of a head.")
    scaled = []
    for image in images:
        median = float(np.median(image[brain]))
        scaled.append(np.asarray(image, np.float32) / (median if median > 0 else 1.0))
    top = max(float(np.percentile(image[brain], 99.5)) for image in scaled)
    pairs = combinations([np.clip(image, 0.0, top) / top for image in scaled], 2)
    return float(np.mean([_ssim(a, b, brain) for a, b in pairs]))


def _ssim(first: Array, second: Array, brain: Array) -> float:
    import torch
    from monai.metrics.regression import compute_ssim_and_cs

    margin = _WINDOW // 2

    def tensor(image: Array) -> Any:
        # (x, y, z) to (z, 1, x, y), padded because the window is moved within the image only.
        padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)))
        return torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1)))[:, None]

    ssim, _ = compute_ssim_and_cs(
        tensor(first), tensor(second), spatial_dims=2, kernel_size=(_WINDOW, _WINDOW),
        kernel_sigma=(_SIGMA, _SIGMA), data_range=1.0,
    )  # fmt: skip
    values = ssim[:, 0].numpy().transpose(1, 2, 0)
    return float(values[brain].mean())
