"""Lattices, coding of fields, and fold-free deformation."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from StrokeSynthLib.anatomy.coding import decode, encode
from StrokeSynthLib.anatomy.deformation import displace, exponential, jacobian_determinant
from StrokeSynthLib.anatomy.lattice import Lattice, resample

COARSE = Lattice((-20.0, -24.0, -16.0), 4.0, (11, 13, 9))


def wild_velocity(seed: int = 0, size: float = 12.0) -> np.ndarray:
    """A velocity field that would fold if it were taken as a displacement."""
    noise = np.random.default_rng(seed).standard_normal((3, *COARSE.shape)).astype(np.float32)
    field = np.stack([gaussian_filter(axis, 1.2) for axis in noise])
    return size * field / np.abs(field).max()


def test_resampling_is_trilinear_interpolation() -> None:
    values = np.random.default_rng(1).standard_normal(COARSE.shape).astype(np.float32)
    fine = Lattice((-18.5, -20.0, -13.0), 1.5, (20, 24, 15))
    index = (fine.points() - np.array(COARSE.low)[:, None, None, None]) / COARSE.step
    expected = map_coordinates(values, index, order=1, mode="nearest")
    assert np.allclose(resample(values, COARSE, fine), expected, atol=1e-4)


def test_a_lattice_survives_its_configuration() -> None:
    assert Lattice.from_config(COARSE.as_config()) == COARSE


def test_the_exponential_has_no_folds_where_the_displacement_would() -> None:
    velocity = wild_velocity()
    plain = jacobian_determinant(COARSE.points() + velocity, COARSE.step)
    smooth = jacobian_determinant(COARSE.points() + exponential(velocity, COARSE), COARSE.step)
    assert plain.min() < 0
    assert smooth.min() > 0


def test_the_exponential_of_minus_v_undoes_it() -> None:
    velocity = wild_velocity(2, 5.0)
    inner = COARSE.points()[:, 3:-3, 3:-3, 3:-3]
    there = displace(inner, exponential(velocity, COARSE), COARSE)
    back = displace(there, exponential(-velocity, COARSE), COARSE)
    moved = np.linalg.norm(there - inner, axis=0)
    assert moved.max() > 1.0
    assert np.linalg.norm(back - inner, axis=0).mean() < 0.15 * moved.mean()


def test_a_constant_velocity_is_a_shift() -> None:
    velocity = np.zeros((3, *COARSE.shape), np.float32)
    velocity[1] = 2.5
    assert np.allclose(exponential(velocity, COARSE), velocity, atol=1e-4)


def test_coded_integers_come_back_exactly() -> None:
    values = np.random.default_rng(3).integers(0, 45, (4, 5, 6)).astype(np.uint8)
    packed, info = encode(values)
    assert (decode(packed, info) == values).all()


@pytest.mark.parametrize("levels", [14, 127])
def test_coded_fields_come_back_within_half_a_step(levels: int) -> None:
    values = np.random.default_rng(4).standard_normal((3, 50)).astype(np.float32)
    packed, info = encode(values, levels)
    step = np.abs(values).max(axis=1, keepdims=True) / levels
    assert (np.abs(decode(packed, info) - values) <= 0.501 * step).all()
