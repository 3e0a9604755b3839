"""Scores of a mask: known answers, and what holds at the edges."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from StrokeSynthLib.evaluate.agreement import score

SPACING = (1.0, 1.0, 2.0)


def boxes(*corners):
    """A mask of cubes of 4 voxels at the given corners."""
    mask = np.zeros((40, 40, 20), np.uint8)
    for x, y, z in corners:
        mask[x : x + 4, y : y + 4, z : z + 4] = 1
    return mask


ONE, NONE = boxes((5, 5, 5)), boxes()


def test_a_perfect_prediction():
    found = score(ONE, ONE, SPACING)
    assert (found.dice, found.lesion_f1, found.lesion_precision, found.lesion_recall) == (1, 1, 1, 1)
    assert found.hausdorff95_mm == 0
    assert found.absolute_volume_difference_ml == 0
    assert found.reference_ml == pytest.approx(64 * 2 / 1000)
    assert math.isnan(found.false_positive_ml)


def test_a_shift_costs_overlap_and_distance_in_mm():
    along_x = score(ONE, boxes((6, 5, 5)), SPACING)
    assert along_x.dice == pytest.approx(0.75)
    assert along_x.hausdorff95_mm == pytest.approx(1.0)
    assert score(ONE, boxes((5, 5, 6)), SPACING).hausdorff95_mm == pytest.approx(2.0)


def test_distances_do_not_depend_on_where_in_the_image_the_lesion_is():
    corner = score(boxes((0, 0, 0)), boxes((2, 0, 0)), SPACING)
    middle = score(boxes((10, 10, 8)), boxes((12, 10, 8)), SPACING)
    assert corner.hausdorff95_mm == middle.hausdorff95_mm == pytest.approx(2.0)


def test_lesions_are_counted_one_by_one():
    truth = boxes((0, 0, 0), (10, 10, 10), (20, 20, 10), (30, 30, 10))
    prediction = boxes((1, 1, 1), (11, 11, 11), (0, 30, 10))
    found = score(truth, prediction, SPACING)
    assert found.lesion_recall == pytest.approx(2 / 4)
    assert found.lesion_precision == pytest.approx(2 / 3)
    assert found.lesion_f1 == pytest.approx(2 * 2 / (2 * 2 + 1 + 2))
    assert found.lesion_count_difference == -1


def test_corners_connect_a_lesion():
    assert score(boxes((0, 0, 0), (4, 4, 4)), NONE, SPACING).reference_lesions == 1


def test_both_empty_is_agreement():
    found = score(NONE, NONE, SPACING)
    assert (found.dice, found.lesion_f1, found.false_positive_ml) == (1, 1, 0)
    assert math.isnan(found.hausdorff95_mm)
    assert math.isnan(found.lesion_precision)
    assert math.isnan(found.lesion_recall)


def test_a_false_alarm_is_measured_in_ml():
    found = score(NONE, ONE, SPACING)
    assert (found.dice, found.lesion_f1, found.lesion_precision) == (0, 0, 0)
    assert found.false_positive_ml == found.prediction_ml == pytest.approx(0.128)
    assert math.isnan(found.hausdorff95_mm)
    assert math.isnan(found.lesion_recall)


def test_a_missed_lesion():
    found = score(ONE, NONE, SPACING)
    assert (found.dice, found.lesion_f1, found.lesion_recall) == (0, 0, 0)
    assert found.volume_difference_ml == pytest.approx(-0.128)
    assert math.isnan(found.lesion_precision)
    assert math.isnan(found.false_positive_ml)


def test_booleans_and_255_are_masks_too():
    assert score(ONE > 0, ONE * np.uint8(255), SPACING).dice == 1


def test_other_shapes_are_a_programming_error():
    with pytest.raises(ValueError, match="shapes differ"):
        score(ONE, ONE[1:], SPACING)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.8, 1.8, 5.0), (2.0, 0.5, 1.0)])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_dice_and_distance_are_those_of_monai(spacing):
    from monai.metrics import compute_dice, compute_hausdorff_distance

    rng = np.random.default_rng(5)
    masks = [gaussian_filter(rng.normal(size=(30, 28, 12)), 2) > 0.05 for _ in range(2)]
    pair = [torch.from_numpy(mask.astype(np.float32))[None, None] for mask in masks]
    options = {"include_background": True, "percentile": 95, "spacing": list(spacing)}
    for one, other, (a, b) in ((0, 1, pair), (1, 0, pair[::-1])):
        found = score(masks[other], masks[one], spacing)
        assert found.dice == pytest.approx(compute_dice(a, b).item())
        expected = compute_hausdorff_distance(a, b, **options).item()
        assert found.hausdorff95_mm == pytest.approx(expected, rel=1e-5)


def test_scoring_needs_neither_torch_nor_monai():
    code = (
        "import sys, numpy as np; from StrokeSynthLib.evaluate.agreement import score;"
        "score(np.eye(9)[None], np.eye(9)[None], (1, 1, 1));"
        "import StrokeSynthLib.evaluate.folders;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'monai')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
