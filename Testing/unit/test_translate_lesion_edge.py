"""What a lesion does toward its border is learned from the cases: its softness, and its effect by depth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.translate.boxes import changed, grown, whole
from StrokeSynthLib.translate.examples import Example
from StrokeSynthLib.translate.physics.canvas import Canvas
from StrokeSynthLib.translate.physics.lesion_fit import (
    DEPTHS_MM,
    EVEN,
    depth_below,
    depth_reach,
    pooled_profile,
    pooled_softness,
    share_at_depth,
)
from StrokeSynthLib.translate.physics.mixing import fit_case
from StrokeSynthLib.translate.physics.model import SignalModel
from StrokeSynthLib.translate.physics.paint import paint

SHAPE, SPACING = (64, 64, 12), (2.0, 2.0, 5.0)
EFFECT = np.log(1.35), np.log(0.62)


def _ball(radius_mm):
    grid = np.meshgrid(
        *[(np.arange(n) - n / 2) * s for n, s in zip(SHAPE, SPACING, strict=True)], indexing="ij"
    )
    return np.sqrt(sum(axis**2 for axis in grid)) < radius_mm


def _example(seed, *, softness_mm=0.0, profile=EVEN):
    """White matter with a shell of cortex and fluid, and one lesion in it, as a scanner would show them."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint8)
    for radius, name in ((58, "csf"), (54, "left-cortex"), (46, "left-white-matter")):
        labels[_ball(radius)] = INDEX[name]
    lesion = _ball(16.0)
    table = {
        INDEX["csf"]: (3.0, 3.0),
        INDEX["left-cortex"]: (1.3, 0.9),
        INDEX["left-white-matter"]: (1.0, 0.7),
    }
    b0, adc = np.zeros(SHAPE), np.zeros(SHAPE)
    for number, (signal, diffusion) in table.items():
        b0[labels == number], adc[labels == number] = signal, diffusion
    weight = lesion * np.asarray(share_at_depth(lesion, SPACING, profile), float)
    if softness_mm:
        weight = gaussian_filter(weight, [softness_mm / s for s in SPACING])
    b0, adc = b0 * np.exp(weight * EFFECT[0]), adc * np.exp(weight * EFFECT[1])
    images = [gaussian_filter(image, (0.5, 0.5, 0.1)) for image in (b0, b0 * np.exp(-adc))]
    noisy = [
        np.hypot(i + 0.01 * rng.standard_normal(SHAPE), 0.01 * rng.standard_normal(SHAPE)) * (labels > 0)
        for i in images
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = np.where(labels > 0, np.clip(np.log(noisy[0] / noisy[1]), 0, 4), 0.0)
    b0, dwi, measured = (image.astype(np.float32) for image in (*noisy, measured))
    return Example(str(seed), labels, lesion, b0, dwi, measured, SPACING, 1000.0, 1.0, True)


def _model(**edge):
    return SignalModel.from_fits([fit_case(_example(seed, **edge))[0] for seed in range(8)])


@pytest.fixture(scope="module")
def hard():
    return _model()


@pytest.fixture(scope="module")
def soft():
    return _model(softness_mm=2.0)


@pytest.fixture(scope="module")
def cored():
    return _model(profile=(0.6, 0.8, 1.0, 1.3))


def test_a_hard_border_is_found_hard_and_the_effect_even(hard):
    assert hard.lesion_softness_mm < 0.5
    np.testing.assert_allclose(hard.lesion_profile, 1.0, atol=0.1)


def test_a_soft_border_is_found_soft(soft, hard):
    found = [fit_case(_example(seed, softness_mm=2.0))[0].lesion.softness_mm for seed in range(2)]
    assert np.median(found) == pytest.approx(2.0, abs=0.6)
    assert soft.lesion_softness_mm > hard.lesion_softness_mm + 0.5


def test_a_core_is_found(cored):
    # Part of it is taken for softness; what is painted in the end is tested below.
    assert np.all(np.diff(cored.lesion_profile[1:]) > 0)
    assert cored.lesion_profile[-1] - cored.lesion_profile[0] > 0.2


def test_effect_itself_is_found_behind_softness(soft):
    np.testing.assert_allclose(np.median(soft.lesions[:, :2], 0), EFFECT, rtol=0.15)


def _means(b0, dwi, lesion):
    """DWI by layer, outside to inside, against the white matter far away."""
    outside, inside = depth_below(~lesion, SPACING), depth_below(lesion, SPACING)
    layers = [~lesion & (outside < 1.5), lesion & (inside < 1.5), lesion & (inside > 1.5) & (inside < 4)]
    layers.append(lesion & (inside > 6))
    return np.array([np.median(dwi[layer]) for layer in layers]) / np.median(dwi[_ball(40) & (outside > 15)])


@pytest.mark.parametrize("name", ["hard", "soft", "cored"])
def test_painted_lesions_look_like_those_learned_from(name, request):
    edge = {"hard": {}, "soft": {"softness_mm": 2.0}, "cored": {"profile": (0.6, 0.8, 1.0, 1.3)}}[name]
    case = _example(0, **edge)
    draw = request.getfixturevalue(name).of_case(fit_case(case)[0])
    quiet = replace(draw, lesion=(*draw.lesion[:2], 0.0, 0.0, 0.0, 5.0))
    canvas = Canvas(case.labels, SPACING, quiet, 1)
    painted = canvas.paint(case.lesion, whole(SHAPE))
    np.testing.assert_allclose(
        _means(painted.b0, painted.dwi, case.lesion), _means(case.b0, case.dwi, case.lesion), rtol=0.09
    )


def test_a_box_painted_alone_has_the_bits_of_the_whole(cored):
    case = _example(0)
    draw = replace(cored.draw(np.random.default_rng(0)), lesion_softness_mm=1.5)
    canvas = Canvas(case.labels, SPACING, draw, 1)
    before, after = case.lesion, case.lesion.copy()
    after[36:40, 30:33, 5:7] = False
    stroke = changed(before, after)
    assert stroke is not None
    old, new = canvas.paint(before, whole(SHAPE)), canvas.paint(after, whole(SHAPE))
    box = grown(stroke, canvas.reach, SHAPE)
    np.testing.assert_array_equal(canvas.paint(after, box).dwi, new.dwi[box])
    outside = np.ones(SHAPE, bool)
    outside[box] = False
    np.testing.assert_array_equal(old.dwi[outside], new.dwi[outside])
    assert (old.dwi[box] != new.dwi[box]).any()


def test_nothing_is_softened_into_fluid():
    labels = np.full(SHAPE, INDEX["left-white-matter"], np.uint8)
    labels[32:] = INDEX["csf"]
    lesion = np.zeros(SHAPE, bool)
    lesion[28:32, 20:40, 4:8] = True
    draw = replace(
        _model_without_texture(), lesion_softness_mm=3.0, lesion=(*EFFECT, 0.0, 0.0, 0.0, 5.0),
        blur_mm=(0.0, 0.0, 0.0),
    )  # fmt: skip
    nothing, everywhere = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    from StrokeSynthLib.translate.physics.paint import Texture

    zero = np.zeros((), np.float32)
    with_it, without = (
        paint(
            labels,
            mask,
            SPACING,
            draw,
            Texture(zero, zero, zero, zero),
            everywhere,
            np.ones(SHAPE, np.float32),
        )
        for mask in (lesion, nothing)
    )
    different = with_it.b0 != without.b0
    assert not different[32:].any()
    assert different[25, 30, 6]


def _model_without_texture():
    model = SignalModel.from_fits([fit_case(_example(0))[0]])
    return model.plain(model.draw(np.random.default_rng(0)))


def test_models_of_before_have_even_lesions_and_hard_borders(hard):
    config = hard.to_config()
    del config["lesion_profile"], config["lesion_softness_mm"]
    old = SignalModel.from_config(config)
    assert old.lesion_softness_mm == 0.0
    np.testing.assert_array_equal(old.lesion_profile, EVEN)
    again = SignalModel.from_config(hard.to_config())
    np.testing.assert_array_equal(again.lesion_profile, hard.lesion_profile)
    assert again.lesion_softness_mm == hard.lesion_softness_mm


def test_nothing_is_claimed_from_no_lesions():
    assert pooled_softness([]) == 0.0
    np.testing.assert_array_equal(pooled_profile([]), EVEN)


def test_depth_counts_as_far_as_it_is_told():
    assert depth_reach(EVEN, SPACING) == (0, 0, 0)
    reach = depth_reach((0.5, 1.0, 1.0, 1.0), SPACING)
    assert all(r * s >= DEPTHS_MM[-1] for r, s in zip(reach[:2], SPACING, strict=False))
    assert reach[2] == 0, "depth is counted within a slice"
    assert depth_below(np.ones((4, 4, 2), bool), SPACING).min() > DEPTHS_MM[-1], "no border in sight"
    column = np.zeros((20, 20, 5), bool)
    column[5:15, 5:15, 2] = True
    assert depth_below(column, SPACING).max() == 9.0
