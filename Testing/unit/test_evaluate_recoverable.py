"""A lesion that was asked for is found where it is drawn, and missed where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.evaluate.recoverable import area_under_curve, recoverable
from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.volume import Volume

AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])
SHAPE = (50, 60, 16)


def brain() -> Volume:
    """White matter within cortex, both sides."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    radius = np.sqrt((x / 0.9) ** 2 + (y / 0.9) ** 2 + (z / 0.95) ** 2)
    labels = np.zeros(SHAPE, np.uint8)
    for side, half in (("left", x < 0), ("right", x >= 0)):
        labels[(radius < 1) & half] = INDEX[f"{side}-cortex"]
        labels[(radius < 0.7) & half] = INDEX[f"{side}-white-matter"]
    return Volume(labels, AFFINE)


def ball(center: tuple[int, int, int], size: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    x, y, z = center
    mask[x - size : x + size, y - size : y + size, z - 1 : z + 2] = 1
    return mask


def image(
    masks: np.ndarray, contrast: float, *, shading: float = 0.0, seed: int = 0
) -> tuple[Volume, Volume]:
    """DWI and ADC with cortex 1.3 times white matter, noise of 5 %, and a coil's shading across."""
    rng = np.random.default_rng(seed)
    labels = brain().array
    dwi = np.where(np.isin(labels, [INDEX["left-cortex"], INDEX["right-cortex"]]), 130.0, 100.0) * (
        labels > 0
    )
    dwi = dwi * np.where(masks > 0, contrast, 1.0) * (1 + rng.normal(0, 0.05, SHAPE))
    dwi *= (1 + shading * np.linspace(-1, 1, SHAPE[0]))[:, None, None]
    adc = np.where(masks > 0, 0.8 / contrast, 0.8) + rng.normal(0, 0.05, SHAPE)
    return Volume(dwi.astype(np.float32), AFFINE), Volume(adc.astype(np.float32), AFFINE)


def test_a_bright_lesion_is_recovered_and_the_same_mask_without_one_is_not() -> None:
    mask = ball((16, 30, 8), 4)
    found = recoverable(*image(mask, 1.4), brain(), Volume(mask, AFFINE))
    assert found.recovered
    assert found.dwi_auc > 0.95
    assert found.adc_auc > 0.95
    missing = recoverable(*image(mask * 0, 1.4), brain(), Volume(mask, AFFINE))
    assert not missing.recovered
    assert missing.dwi_auc == pytest.approx(0.5, abs=0.1)
    assert "not brighter" in missing.reason


def test_cortex_is_not_taken_for_a_lesion_in_white_matter() -> None:
    """A mask in cortex alone, which is brighter than white matter beside it, holds no lesion."""
    labels = brain().array
    mask = (ball((25, 7, 8), 4) > 0) & np.isin(labels, [INDEX["left-cortex"], INDEX["right-cortex"]])
    assert mask.sum() > 50
    assert not recoverable(*image(mask * 0, 1.4), brain(), Volume(mask.astype(np.uint8), AFFINE)).recovered


def test_a_coils_shading_is_no_lesion() -> None:
    mask = ball((35, 30, 8), 4)  # on the bright side
    assert not recoverable(*image(mask * 0, 1.4, shading=0.2), brain(), Volume(mask, AFFINE)).recovered


def test_one_large_part_that_is_missing_is_found_out_though_the_mean_is_high() -> None:
    drawn, missing = ball((14, 30, 8), 7), ball((36, 30, 8), 3)
    dwi, adc = image(drawn, 1.5)
    both = Volume(np.maximum(drawn, missing), AFFINE)
    found = recoverable(dwi, adc, brain(), both)
    assert found.dwi_auc > 0.75
    assert not found.recovered
    assert "a part of" in found.reason
    assert recoverable(dwi, adc, brain(), Volume(drawn, AFFINE)).recovered


def test_what_is_too_small_for_the_grid_cannot_be_recovered() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    for empty in (True, False):
        if not empty:
            mask[20, 30, 8] = 1
        found = recoverable(*image(mask, 3.0), brain(), Volume(mask, AFFINE))
        assert (found.recovered, found.reason) == (False, "too small for this grid")
        assert found.record()["dwi_auc"] is None


def test_scale_does_not_matter_and_adc_may_be_absent() -> None:
    mask = ball((16, 30, 8), 4)
    dwi, adc = image(mask, 1.1)
    first = recoverable(dwi, adc, brain(), Volume(mask, AFFINE))
    second = recoverable(replace(dwi, array=dwi.array * 37), None, brain(), Volume(mask, AFFINE))
    assert second.dwi_auc == pytest.approx(first.dwi_auc, abs=1e-3)
    assert np.isnan(second.adc_auc)


def test_other_grids_are_refused() -> None:
    mask = ball((16, 30, 8), 4)
    with pytest.raises(BadInputError, match="lesion lies on another grid"):
        recoverable(*image(mask, 1.4), brain(), Volume(mask, AFFINE @ np.diag([1.1, 1, 1, 1])))


def test_area_under_curve_counts_ties_half() -> None:
    assert area_under_curve(np.array([1.0, 2.0]), np.array([1.0])) == 0.75
