"""Preparing without SciPy gives SciPy's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import minimize

from StrokeSynthLib.segment import filters
from StrokeSynthLib.segment.symmetry import _lowest


@pytest.fixture
def image():
    return np.random.default_rng(0).random((13, 17, 9)).astype(np.float32)


@pytest.fixture
def mask():
    return ndimage.gaussian_filter(np.random.default_rng(1).random((20, 22, 12)), 1.0) > 0.5


@pytest.mark.parametrize("sigma", [(1.0, 0.7, 0.0), (0.3, 2.0, 5.0), (0.0, 0.0, 0.0)])
def test_smoothing_is_that_of_scipy(image, sigma):
    np.testing.assert_allclose(
        filters.gaussian(image, sigma), ndimage.gaussian_filter(image, sigma), atol=1e-5
    )


@pytest.mark.parametrize(("fade", "mode"), [(True, "grid-constant"), (False, "constant")])
@pytest.mark.parametrize("scale", [(1.7, 0.6, 1.0), (2.0, 1.0, 0.5)])
def test_interpolation_along_axes_is_that_of_scipy(image, fade, mode, scale):
    start, shape = (-1.3, 0.4, 0.0), (10, 24, 11)
    found = filters.along_axes(
        image,
        [
            filters.linear_matrix(n, m, s, a, fade=fade)
            for n, m, s, a in zip(image.shape, shape, scale, start, strict=True)
        ],
    )
    expected = ndimage.affine_transform(image, np.array(scale), start, shape, order=1, mode=mode)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_oblique_interpolation_is_that_of_scipy(image):
    matrix = np.array([[-0.97, 0.11, 0.07], [0.1, 1.02, -0.05], [0.03, 0.06, 0.98]])
    offset = np.array([11.3, -0.21, 0.33])
    found = filters.Sampling.of(matrix, offset, image.shape).apply(image)
    expected = ndimage.affine_transform(image, matrix, offset, order=1, mode="constant")
    assert (expected == 0).mean() > 0.05
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_images_of_one_slice_are_interpolated_too():
    image = np.random.default_rng(2).random((9, 8, 1)).astype(np.float32)
    matrix, offset = np.diag([-1.0, 1.0, 1.0]), np.array([7.5, 0.25, 0.0])
    expected = ndimage.affine_transform(image, matrix, offset, order=1, mode="constant")
    np.testing.assert_allclose(
        filters.Sampling.of(matrix, offset, image.shape).apply(image), expected, atol=1e-6
    )


def test_morphology_is_that_of_scipy(mask):
    np.testing.assert_array_equal(filters.eroded(mask), ndimage.binary_erosion(mask))
    np.testing.assert_array_equal(filters.opened(mask), ndimage.binary_opening(mask))
    disk = (np.hypot(*np.mgrid[-3:4, -3:4]) <= 3)[:, :, None]
    few = mask & (np.random.default_rng(3).random(mask.shape) > 0.98)
    np.testing.assert_array_equal(filters.dilated(few, disk), ndimage.binary_dilation(few, disk))


def test_holes_are_filled_slice_by_slice(mask):
    expected = np.stack([ndimage.binary_fill_holes(s) for s in np.moveaxis(mask, 2, 0)], axis=2)
    assert (expected != mask).any()
    np.testing.assert_array_equal(filters.filled_slices(mask), expected)


@pytest.mark.parametrize("diagonal", [False, True])
def test_components_are_those_of_scipy(diagonal):
    mask = np.random.default_rng(4).random((14, 15, 16)) > 0.85
    parts, sizes = filters.components(mask, diagonal=diagonal)
    expected, count = ndimage.label(mask, ndimage.generate_binary_structure(3, 3 if diagonal else 1))
    assert len(sizes) == count + 1
    assert sorted(sizes) == sorted([0, *np.bincount(expected.ravel())[1:]])
    pairs = np.unique(np.stack([parts.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == count + 1


def test_largest_component_and_box_of_nothing():
    nothing = np.zeros((4, 5, 6), bool)
    assert filters.largest_component(nothing) is None
    assert nothing[filters.box_of(nothing)].shape == nothing.shape


def test_box_holds_the_mask_and_nothing_more(mask):
    some = np.zeros((20, 20, 20), bool)
    some[3:7, 11, 2:19] = True
    assert filters.box_of(some) == (slice(3, 7), slice(11, 12), slice(2, 19))


@pytest.mark.parametrize("seed", range(4))
def test_simplex_search_takes_the_steps_of_scipy(seed):
    aim = np.random.default_rng(seed).normal(0, 0.2, 3)

    def cost(p):
        x, y, z = p - aim
        return float(3 * x * x + np.abs(y) ** 1.5 + (z - 2 * x * y) ** 2 + 0.1 * np.cos(20 * x))

    start = np.array([[0.0, 0.0, 0.0], [0.12, 0.0, 0.0], [0.0, 0.12, 0.0], [0.0, 0.0, 6.0]])
    options = {"initial_simplex": start, "xatol": 2e-3, "fatol": 1e-5, "maxfev": 150}
    expected = minimize(cost, start[0], method="Nelder-Mead", options=options).x
    np.testing.assert_allclose(_lowest(cost, start), expected, atol=1e-9)
