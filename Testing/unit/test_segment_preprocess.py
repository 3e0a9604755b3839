"""The canonical frame: same result whatever the file's form, and an exact way back."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.segment.brain import find_brain
from StrokeSynthLib.segment.preprocess import FrameOptions, prepare
from StrokeSynthLib.segment.symmetry import find_midplane
from StrokeSynthLib.volume import Volume, read_volume
from Testing.paths import NO_SHARED, SHARED
from Testing.unit.segment_builders import examination, turned


@pytest.mark.parametrize(("axes", "flips"), [((0, 1, 2), (0,)), ((2, 0, 1), ()), ((1, 0, 2), (0, 1, 2))])
def test_orientation_of_the_file_does_not_change_what_the_network_sees(axes, flips):
    case = examination(1)
    straight = prepare(case.dwi, case.adc)
    other = prepare(turned(case.dwi, axes, flips), turned(case.adc, axes, flips))
    np.testing.assert_allclose(other.dwi, straight.dwi, atol=1e-5)
    np.testing.assert_allclose(other.adc, straight.adc, atol=1e-5)


@pytest.mark.parametrize("scale", [0.01, 4000.0])
def test_intensity_unit_does_not_matter(scale):
    case = examination(2)
    scaled = case.dwi.with_array((case.dwi.array * scale).astype(np.float32))
    np.testing.assert_allclose(prepare(scaled).dwi, prepare(case.dwi).dwi, atol=1e-3)


@pytest.mark.parametrize("skull", [True, False])
@pytest.mark.parametrize("radius", [0.0, 35.0])
def test_normal_tissue_is_one_whatever_the_lesion_and_the_skull(skull, radius):
    case = examination(3, lesion_radius=radius, skull=skull)
    prepared = prepare(case.dwi, case.adc)
    lesion = prepared.frame.forward(case.lesion.array) > 0.01
    tissue = prepared.brain & ~lesion & (prepared.adc > 0.6) & (prepared.adc < 1.0) & (prepared.dwi > 0.6)
    assert np.median(prepared.dwi[tissue]) == pytest.approx(1.0, abs=0.04)


def test_background_of_slightly_negative_values_is_background():
    case = examination(4, skull=False)
    negative = np.where(case.dwi.array == 0, -3.0, case.dwi.array)
    found = find_brain(negative, case.dwi.spacing)
    assert found.mask.mean() < 0.6
    assert found.mask[case.lesion.array > 0].all()


def test_frame_is_the_images_own_grid_when_its_spacing_is_near():
    case = examination(5, spacing=(2.0, 2.0, 6.0))
    prepared = prepare(case.dwi, case.adc)
    assert prepared.frame.scale == (1.0, 1.0, 1.0)
    image = case.dwi.array / case.dwi.array.max()
    back = prepared.frame.back(prepared.frame.forward(image))
    inside = back > 0
    np.testing.assert_array_equal(back[inside], image[inside])
    assert (case.lesion.array[~inside] == 0).all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 5.0), (3.0, 3.0, 3.0), (2.0, 6.0, 2.0)])
def test_mask_survives_the_way_there_and_back(spacing):
    case = examination(6, spacing=spacing, lesion_radius=18)
    frame = prepare(case.dwi).frame
    back = frame.back(frame.forward(case.lesion.array.astype(np.float32)))
    assert back.shape == case.dwi.array.shape
    a, b = case.lesion.array > 0, back >= 0.5
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.93
    assert frame.spacing[:2] == pytest.approx((2.0, 2.0))


def test_slices_stay_as_acquired():
    case = examination(7, spacing=(1.2, 1.2, 6.0))
    assert prepare(case.dwi).frame.spacing[2] == pytest.approx(6.0)
    assert prepare(case.dwi).frame.scale[2] == 1.0


def test_missing_and_unusable_adc_values_become_zero():
    case = examination(8)
    broken = case.adc.array.copy()
    broken[::7] = np.nan
    broken[::11] = np.inf
    prepared = prepare(case.dwi, case.adc.with_array(broken))
    assert np.isfinite(prepared.adc).all()
    assert prepare(case.dwi).adc is None


def test_image_without_any_brain_is_not_an_error():
    empty = Volume(np.zeros((20, 20, 10), np.float32), np.diag([4.0, 4.0, 6.0, 1.0]))
    assert prepare(empty).brain.shape == prepare(empty).dwi.shape


def test_midplane_of_a_turned_and_shifted_head_is_found():
    case = examination(9, spacing=(3.0, 3.0, 3.0), lesion_radius=0.0, noise=0.0)
    from scipy.ndimage import affine_transform

    angle = 0.15
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    center = (np.array(case.dwi.array.shape) - 1) / 2
    moved = affine_transform(case.dwi.array, turn, center - turn @ center + turn @ [2.0, 0, 0], order=1)
    plane = find_midplane(moved, case.dwi.spacing)
    seen = plane.reflect(moved, case.dwi.spacing)
    inside = (moved > 50) & (seen > 50)
    assert np.abs(moved - seen)[inside].mean() < 0.25 * np.abs(moved - moved[::-1])[inside].mean()
    assert np.arctan2(plane.normal[1], plane.normal[0]) == pytest.approx(-angle, abs=0.03)


@pytest.mark.skipif(not SHARED.exists(), reason=NO_SHARED)
def test_real_examination_is_brought_to_the_frame():
    dwi = read_volume(SHARED / "real" / "sub-strokecase0001_ses-0001_dwi.nii.gz")
    adc = read_volume(SHARED / "real" / "sub-strokecase0001_ses-0001_adc.nii.gz")
    prepared = prepare(dwi, adc)
    ml = prepared.brain.sum() * prepared.frame.voxel_ml
    assert 1000 < ml < 2200
    white = prepared.brain & (prepared.adc > 0.6) & (prepared.adc < 0.9)
    assert np.median(prepared.dwi[white]) == pytest.approx(1.0, abs=0.12)


def test_frame_options_choose_the_spacing():
    case = examination(10, spacing=(1.0, 1.0, 6.0))
    fine = prepare(case.dwi, None, FrameOptions(spacing=1.5)).frame
    assert fine.spacing[0] == pytest.approx(1.5)


def test_uniform_scalp_is_not_taken_for_the_brain():
    case = examination(11, spacing=(3.0, 3.0, 5.0), lesion_radius=0.0)
    uneven = np.random.default_rng(0).normal(1.0, 0.02, case.dwi.array.shape)
    from scipy.ndimage import gaussian_filter

    texture = gaussian_filter(uneven, 2) - 1
    tissue = (case.dwi.array > 0.7 * 300) & (case.adc.array < 1.2)
    brain = case.dwi.array * (1 + 0.25 * texture / texture.std())
    scalp = np.where(case.dwi.array > 0.18 * 300, 75.0, 0.0)
    head = np.where(tissue, brain, np.where(case.adc.array > 2, 140.0, scalp)).astype(np.float32)
    assert 240 < find_brain(head, case.dwi.spacing).scale < 360
