"""From what scanners and users deliver (pairs, 4D series) to b0, trace image and ADC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadInputError
from ..schema import ASSUMED_B_VALUE
from ..volume import Storage, Volume, read_volumes
from .bvalues import stated_b_values
from .checks import checked_gray, place_on_grid

#: Below this a volume counts as without diffusion weighting (s/mm^2); scanners use up to 50 for "b0".
B0_LIMIT = 60.0
#: b-values this close are one shell (s/mm^2).
_SHELL_WIDTH = 50.0
#: Highest ADC that is kept where it is computed from noisy images (10^-3 mm^2/s); free water is at 3.2.
_HIGHEST_ADC = 6.0


@dataclass(frozen=True)
class Series:
    """What was found in the files: trace image, b0 or None, b-value of the trace image."""

    dwi: Volume
    b0: Volume | None
    b_value: float
    b_assumed: bool


def read_series(paths: Sequence[Path], b_value: float | None, notices: list[str]) -> Series:
    """Read a trace image, a pair of b0 and b1000 in any order, or 4D files.

    b-values come from ``.bval`` files, sidecars or file names. Where nothing states them, volumes
    with the mean intensity of unweighted images are b0: diffusion weighting only ever takes
    signal away.

    Raises
    ------
    BadInputError
        When a file is unusable, or b0 and diffusion images cannot be told apart.
    """
    volumes: list[Volume] = []
    stated: list[float | None] = []
    for path in paths:
        found = read_volumes(path)
        values = stated_b_values(path, len(found))
        volumes += [checked_gray(volume) for volume in found]
        stated += [None] * len(found) if values is None else list(values)
    if len(volumes) == 1:
        return _single(volumes[0], stated[0], b_value)
    known = all(value is not None for value in stated)
    if known:
        weighted, plain, b = _by_b_values([float(value or 0.0) for value in stated], paths)
    else:
        weighted, plain = _by_intensity(volumes, paths)
        b = ASSUMED_B_VALUE
        notices.append(
            f"{paths[0].name}: no b-values beside it; volume {_numbers(plain)} of {len(volumes)} is the "
            "brightest and is taken as b0."
        )
    dwi = _mean_of([volumes[i] for i in weighted], geometric=True, notices=notices)
    b0 = None
    if plain:
        b0 = _mean_of([volumes[i] for i in plain], geometric=False, notices=notices)
        b0 = place_on_grid(b0, dwi, "b0", notices, resample=True)
    return Series(dwi, b0, b_value or b, b_value is None and not known)


def _numbers(indices: Sequence[int]) -> str:
    return ", ".join(str(index + 1) for index in indices)


def _single(volume: Volume, stated: float | None, b_value: float | None) -> Series:
    if stated is not None and stated < B0_LIMIT and b_value is None:
        raise BadInputError(
            f"{volume.source}: is the image without diffusion weighting (b {stated:g}); "
            "give the diffusion image (b about 1000) as well."
        )
    value = b_value or stated
    return Series(volume, None, value or ASSUMED_B_VALUE, value is None)


def _by_b_values(values: list[float], paths: Sequence[Path]) -> tuple[list[int], list[int], float]:
    """Indices of the shell nearest to b 1000, of b0, and the shell's mean b-value."""
    plain = [i for i, value in enumerate(values) if value < B0_LIMIT]
    others = [value for value in values if value >= B0_LIMIT]
    if not others:
        raise BadInputError(
            f"{paths[0]}: holds no diffusion-weighted volume; give the image with b about 1000."
        )
    center = min(others, key=lambda value: abs(value - ASSUMED_B_VALUE))
    weighted = [i for i, v in enumerate(values) if v >= B0_LIMIT and abs(v - center) <= _SHELL_WIDTH]
    return weighted, plain, float(np.mean([values[i] for i in weighted]))


def _by_intensity(volumes: Sequence[Volume], paths: Sequence[Path]) -> tuple[list[int], list[int]]:
    """Indices of diffusion images and of b0, split at the widest gap between mean intensities."""
    means = np.array([max(float(volume.array.mean()), 1e-12) for volume in volumes])
    order = np.argsort(means)
    gaps = means[order][1:] / means[order][:-1]
    split = int(gaps.argmax()) + 1
    # b 1000 takes half the signal of tissue away (exp(-0.8)); 10 % apart are two of the same kind.
    if gaps.max() < 1.1:
        raise BadInputError(
            f"{paths[0]}: b0 and diffusion images cannot be told apart by brightness; "
            "put a .bval file beside it."
        )
    return sorted(int(i) for i in order[:split]), sorted(int(i) for i in order[split:])


def _mean_of(volumes: Sequence[Volume], *, geometric: bool, notices: list[str]) -> Volume:
    """One image of several with the same weighting.

    The trace image is the geometric mean of the directions, because their exponents add up to the
    trace of the diffusion tensor; repeated b0 images are averaged.
    """
    if len(volumes) == 1:
        return volumes[0]
    first = volumes[0]
    arrays = [place_on_grid(volume, first, "image", notices, resample=True).array for volume in volumes]
    stack = np.stack(arrays).astype(np.float32)
    if geometric:
        # Negative background (after interpolation or filtering) has no logarithm.
        mean = np.exp(np.log(np.maximum(stack, 1e-6)).mean(axis=0))
        mean = np.where((stack > 0).all(axis=0), mean, 0.0)
    else:
        mean = stack.mean(axis=0)
    return Volume(mean.astype(np.float32), first.affine, Storage(), first.source, first.metadata)


def computed_adc(b0: Volume, dwi: Volume, b_value: float) -> Volume:
    """ADC = ln(b0/dwi)/b as a scanner computes it (10^-3 mm^2/s), 0 in the background.

    Background is where b0 is under a tenth of its 98th percentile: there the logarithm is of noise.
    """
    threshold = 0.1 * float(np.percentile(b0.array, 98))
    head = (b0.array > max(threshold, 1e-12)) & (dwi.array > 0)
    adc = np.zeros(dwi.array.shape, np.float32)
    ratio = b0.array[head].astype(np.float64) / dwi.array[head]
    adc[head] = np.clip(np.log(ratio) / b_value * 1000.0, 0.0, _HIGHEST_ADC)
    return Volume(adc, dwi.affine, Storage())
