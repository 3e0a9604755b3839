"""What users bring: a trace image, pairs of b0 and b1000, 4D series, with or without ADC."""

import json
from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.cohort.load import load_examination
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.volume import Grid, Volume, write_volume
from Testing.examinations import AFFINE, Examination
from Testing.paths import NO_SHARED, SHARED


@pytest.fixture
def exam():
    return Examination()


def series_file(path, volumes):
    import SimpleITK as sitk

    images = []
    for number, volume in enumerate(volumes):
        write_volume(path.with_name(f"part{number}.nii"), volume)
        images.append(sitk.ReadImage(str(path.with_name(f"part{number}.nii"))))
    sitk.WriteImage(sitk.JoinSeries(images), str(path))
    return path


def directions(exam, count=3):
    """Diffusion images of which the geometric mean is the trace image."""
    factors = np.exp(np.linspace(-0.2, 0.2, count))
    return [replace(exam.dwi, array=exam.dwi.array * np.float32(factor)) for factor in factors]


def check_pair(case, exam):
    tissue = exam.lesion.array > 0
    np.testing.assert_allclose(case.dwi.array[tissue], exam.dwi.array[tissue], rtol=1e-4)
    np.testing.assert_allclose(case.b0.array[tissue], exam.b0.array[tissue], rtol=1e-4)
    assert np.median(case.adc.array[tissue]) == pytest.approx(0.45, abs=0.02)
    assert (case.adc.array[exam.adc.array == 0] == 0).mean() > 0.99


@pytest.mark.parametrize("order", [("b0", "dwi"), ("dwi", "b0")])
def test_a_pair_is_told_apart_by_brightness_in_any_order(tmp_path, exam, order):
    exam.write(tmp_path, "{role}.nii.gz", "dwi", "b0")
    paths = [tmp_path / f"{role}.nii.gz" for role in order]
    for path, name in zip(paths, ("first.nii.gz", "second.nii.gz"), strict=True):
        path.rename(tmp_path / name)
    case = load_examination([tmp_path / "first.nii.gz", tmp_path / "second.nii.gz"])
    check_pair(case, exam)
    assert case.b_assumed


def test_a_pair_with_b_values_in_sidecars_uses_them(tmp_path, exam):
    exam.write(tmp_path, "{role}.nii.gz", "dwi", "b0")
    for name, b in (("dwi", 1200), ("b0", 0)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"b_value": b}))
    case = load_examination([tmp_path / "b0.nii.gz", tmp_path / "dwi.nii.gz"])
    assert (case.b_value, case.b_assumed) == (1200, False)
    assert np.median(case.adc.array[exam.lesion.array > 0]) == pytest.approx(0.45 / 1.2, abs=0.02)


@pytest.mark.parametrize(
    ("name", "b_value", "assumed"),
    [("x_b800.nii.gz", 800, False), ("B=1000.nii.gz", 1000, False), ("ward_b12_dwi.nii.gz", 1000, True)],
)
def test_a_file_name_may_state_the_b_value(tmp_path, exam, name, b_value, assumed):
    write_volume(tmp_path / name, exam.dwi)
    case = load_examination([tmp_path / name])
    assert (case.b_value, case.b_assumed) == (b_value, assumed)


def test_a_series_with_a_bval_file_gives_trace_b0_and_adc(tmp_path, exam):
    path = series_file(tmp_path / "a.nii.gz", [exam.b0, *directions(exam), exam.b0])
    (tmp_path / "a.bval").write_text("0 1000 995 1005 5\n")
    case = load_examination([path])
    check_pair(case, exam)
    assert (case.b_value, case.b_assumed) == (1000, False)


def test_a_series_without_b_values_is_split_by_brightness(tmp_path, exam):
    case = load_examination([series_file(tmp_path / "a.nii.gz", [*directions(exam), exam.b0])])
    check_pair(case, exam)
    assert any("volume 4 of 4 is the brightest and is taken as b0" in notice for notice in case.notices)


def test_of_several_shells_the_one_nearest_1000_is_taken(tmp_path, exam):
    dark = replace(exam.dwi, array=exam.dwi.array * 0.3)
    path = series_file(tmp_path / "a.nii.gz", [exam.b0, exam.dwi, dark])
    (tmp_path / "a.bval").write_text("0 800 3000")
    case = load_examination([path])
    assert case.b_value == 800
    np.testing.assert_array_equal(case.dwi.array, exam.dwi.array)


def test_a_bval_file_of_another_length_is_refused(tmp_path, exam):
    path = series_file(tmp_path / "a.nii.gz", [exam.b0, exam.dwi])
    (tmp_path / "a.bval").write_text("0 1000 1000")
    with pytest.raises(BadInputError, match=r"a\.bval: lists 3 b-values, but a\.nii\.gz holds 2"):
        load_examination([path])


def test_two_images_of_one_kind_cannot_be_told_apart(tmp_path, exam):
    for name in ("x", "y"):
        write_volume(tmp_path / f"{name}.nii.gz", exam.dwi)
    with pytest.raises(BadInputError, match="cannot be told apart"):
        load_examination([tmp_path / "x.nii.gz", tmp_path / "y.nii.gz"])


def test_b0_alone_is_refused(tmp_path, exam):
    exam.write(tmp_path, "x_{role}.nii.gz", "b0")
    with pytest.raises(BadInputError, match="without diffusion weighting"):
        load_examination([tmp_path / "x_b0.nii.gz"])


def test_a_given_adc_is_used_not_computed(tmp_path, exam):
    exam.write(tmp_path, "x_{role}.nii.gz", "dwi", "b0", "adc")
    paths = [tmp_path / "x_b0.nii.gz", tmp_path / "x_dwi.nii.gz"]
    case = load_examination(paths, tmp_path / "x_adc.nii.gz")
    np.testing.assert_array_equal(case.adc.array, exam.adc.array)


def test_the_b_value_that_is_given_wins(tmp_path, exam):
    exam.write(tmp_path, "x_{role}.nii.gz", "dwi")
    case = load_examination([tmp_path / "x_dwi.nii.gz"], b_value=1500)
    assert (case.b_value, case.b_assumed) == (1500, False)
    with pytest.raises(BadInputError, match="--b-value 0"):
        load_examination([tmp_path / "x_dwi.nii.gz"], b_value=0)


def test_b0_on_another_grid_is_resampled_onto_the_dwi(tmp_path, exam):
    coarse = Grid((12, 14, 14), AFFINE @ np.diag([2.0, 2.0, 1.0, 1.0]))
    write_volume(tmp_path / "x_b0.nii.gz", exam.b0.resampled(coarse))
    write_volume(tmp_path / "x_b1000.nii.gz", exam.dwi)
    case = load_examination([tmp_path / "x_b0.nii.gz", tmp_path / "x_b1000.nii.gz"])
    assert case.b0.grid.matches(case.dwi.grid)
    assert not case.b_assumed


def test_more_than_a_pair_of_files_is_refused(tmp_path, exam):
    for name in ("x", "y", "z"):
        write_volume(tmp_path / f"{name}.nii.gz", exam.dwi)
    with pytest.raises(BadInputError, match="3 files given; give one trace image"):
        load_examination([tmp_path / f"{name}.nii.gz" for name in ("x", "y", "z")])


def test_one_file_as_dwi_and_adc_is_refused_also_as_a_copy(tmp_path, exam):
    for name in ("x", "copy"):
        write_volume(tmp_path / f"{name}.nii.gz", exam.dwi)
    for adc in ("x", "copy"):
        with pytest.raises(BadInputError, match=f"{adc}.nii.gz: is given as --dwi and as --adc"):
            load_examination([tmp_path / "x.nii.gz"], tmp_path / f"{adc}.nii.gz")


def test_files_whose_names_say_that_they_are_swapped_are_refused(tmp_path, exam):
    exam.write(tmp_path, "x_{role}.nii.gz", "dwi", "adc")
    with pytest.raises(BadInputError, match=r"x_adc\.nii\.gz: is given as --dwi, but its name says adc"):
        load_examination([tmp_path / "x_adc.nii.gz"], tmp_path / "x_dwi.nii.gz")
    with pytest.raises(BadInputError, match=r"x_dwi\.nii\.gz: is given as --adc, but its name says dwi"):
        load_examination([tmp_path / "x_dwi.nii.gz"], tmp_path / "x_dwi.nii.gz")


@pytest.mark.skipif(not SHARED.exists(), reason=NO_SHARED)
def test_a_real_examination_comes_in(tmp_path):
    case = load_examination([next((SHARED / "real").glob("*dwi*"))], next((SHARED / "real").glob("*adc*")))
    assert case.dwi.array.shape == (112, 112, 73)
    assert 0.6 < np.median(case.adc.array[case.dwi.array > np.percentile(case.dwi.array, 90)]) < 1.0
    mirrored = Volume(case.dwi.array, case.dwi.affine)
    np.testing.assert_array_equal(mirrored.from_canonical(mirrored.canonical().array).array, case.dwi.array)
