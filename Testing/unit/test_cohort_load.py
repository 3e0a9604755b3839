"""The door: what is let in, what is converted and said, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.cohort.check import check_cohort
from StrokeSynthLib.cohort.checks import in_file_unit
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case, load_mask, load_semantic_map
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.volume import Grid, Storage, read_volume, write_volume
from Testing.examinations import AFFINE, Examination


@pytest.fixture
def exam():
    return Examination()


@pytest.fixture
def load(tmp_path, exam):
    """Write the (changed) examination and load it as a case of a cohort."""

    def write_and_load(**changes):
        for role in ("dwi", "adc", "lesion", "semantic_map"):
            volume = changes.get(role, getattr(exam, role))
            suffix = {"lesion": "msk", "semantic_map": "dseg"}.get(role, role)
            if volume is not None:
                write_volume(tmp_path / f"sub-1_{suffix}.nii.gz", volume)
        return load_case(open_cohort(tmp_path).cases[0])

    return write_and_load


def changed(volume, function, storage=None):
    array = function(volume.array.copy())
    return replace(volume, array=array, storage=storage or Storage(str(array.dtype)))


def put(value):
    def change(array):
        array[3, 4, 5] = value
        return array

    return change


def test_a_good_case_comes_in_unchanged(load, exam):
    case = load()
    np.testing.assert_array_equal(case.dwi.array, exam.dwi.array)
    np.testing.assert_array_equal(case.adc.array, exam.adc.array)
    np.testing.assert_array_equal(case.lesion.array, exam.lesion.array)
    assert case.lesion.array.dtype == case.semantic_map.array.dtype == np.uint8
    assert case.lesion_ml == pytest.approx(exam.lesion.array.sum() * 0.016)
    assert case.b_assumed
    assert case.b_value == 1000
    assert [notice for notice in case.notices if "b-value" not in notice] == []


def test_the_sidecar_states_the_b_value(load, tmp_path):
    (tmp_path / "sub-1_dwi.json").write_text('{"DiffusionBValue": 800, "Synthetic": true}')
    case = load()
    assert (case.b_value, case.b_assumed, case.synthetic) == (800, False, True)


def test_a_damaged_sidecar_is_named(load, tmp_path):
    (tmp_path / "sub-1_dwi.json").write_text("{")
    with pytest.raises(BadInputError, match=r"sub-1_dwi\.json"):
        load()


def test_adc_and_masks_may_be_missing(load):
    case = load(adc=None, lesion=None, semantic_map=None)
    assert case.adc is case.lesion is case.semantic_map is None
    assert case.lesion_ml == 0.0


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(1e3, "10^-6 mm^2/s"), (1e-3, "mm^2/s"), (1e-9, "m^2/s")],
)
def test_adc_in_another_unit_is_converted_and_said(load, exam, factor, unit):
    case = load(adc=changed(exam.adc, lambda array: (array * factor).astype(np.float64)))
    assert case.adc.array == pytest.approx(exam.adc.array, rel=1e-5, abs=1e-6)
    assert any(f"ADC is in {unit}; converted" in notice for notice in case.notices)


def test_integer_adc_goes_back_to_the_file_as_it_was(load, exam, tmp_path):
    case = load(adc=changed(exam.adc, lambda array: array * 1000, Storage("int16")))
    original = read_volume(tmp_path / "sub-1_adc.nii.gz")
    write_volume(tmp_path / "back.nii.gz", in_file_unit(case.adc, case.adc))
    back = read_volume(tmp_path / "back.nii.gz")
    np.testing.assert_array_equal(back.array, original.array)
    assert back.storage == original.storage


def test_adc_that_fits_no_unit_is_refused(load, exam):
    with pytest.raises(BadInputError, match=r"sub-1_adc.* median .* fits no unit of ADC"):
        load(adc=changed(exam.adc, lambda array: array * 70))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("role", ["dwi", "adc"])
def test_nan_and_infinite_voxels_are_counted(load, exam, role, value):
    with pytest.raises(BadInputError, match=rf"sub-1_{role}.nii.gz: 1 voxel is NaN or infinite"):
        load(**{role: changed(getattr(exam, role), put(value))})


@pytest.mark.parametrize("role", ["dwi", "adc"])
def test_constant_images_are_refused(load, exam, role):
    with pytest.raises(BadInputError, match=rf"sub-1_{role}.*every voxel has the value 7"):
        load(**{role: changed(getattr(exam, role), lambda array: np.full_like(array, 7))})


def test_negative_background_is_fine(load, exam):
    case = load(dwi=changed(exam.dwi, put(-3.0)))
    assert case.dwi.array.min() == -3


@pytest.mark.parametrize(
    "form",
    [
        lambda mask: mask * np.uint8(255),
        lambda mask: mask.astype(np.float32),
        lambda mask: mask.astype(np.float64) * 0.9961,
        lambda mask: mask.astype(np.int16),
    ],
    ids=["0 and 255", "float", "nearly 1", "int16"],
)
def test_masks_in_other_clothes_are_masks(load, exam, form):
    case = load(lesion=changed(exam.lesion, form))
    np.testing.assert_array_equal(case.lesion.array, exam.lesion.array)


def test_a_mask_in_a_scaled_type_is_a_mask(load, exam):
    case = load(lesion=changed(exam.lesion, lambda m: m.astype(np.float32), Storage("uint8", 1 / 255)))
    np.testing.assert_array_equal(case.lesion.array, exam.lesion.array)


def test_an_empty_mask_means_no_lesion_and_is_said(load, exam):
    case = load(lesion=changed(exam.lesion, np.zeros_like))
    assert case.lesion is not None
    assert case.lesion_ml == 0
    assert any("without a lesion" in notice for notice in case.notices)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (lambda mask: mask * np.float32(0.7) + np.float32(0.1), "threshold it at 0.5"),
        (lambda mask: mask * np.uint8(2), "values 0, 2"),
        (lambda mask: put(2)(mask), "values 0, 1, 2"),
        (lambda mask: np.ones_like(mask), "marks every voxel"),
        (lambda mask: put(np.nan)(mask.astype(np.float32)), "NaN"),
    ],
    ids=["probabilities", "label 2", "two labels", "all", "nan"],
)
def test_what_is_no_mask_is_refused(load, exam, form, words):
    with pytest.raises(BadInputError, match=f"sub-1_msk.*{words}"):
        load(lesion=changed(exam.lesion, form))


@pytest.mark.parametrize(
    ("value", "words"), [(43, "belongs into its own mask"), (507, "FreeSurfer"), (-1, "labels -1")]
)
def test_labels_outside_the_schema_are_refused(load, exam, value, words):
    labels = changed(exam.semantic_map, lambda array: put(value)(array.astype(np.int16)))
    with pytest.raises(BadInputError, match=words):
        load(semantic_map=labels)


def test_a_map_of_fractions_is_refused(load, exam):
    with pytest.raises(BadInputError, match="fractions"):
        load(semantic_map=changed(exam.semantic_map, lambda array: array * np.float32(0.7)))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1], "a mask of 0 and 1"),
        ([0, 1, 2, 3], "too few of the brain's classes"),  # fluid, grey, white of a tissue segmentation
        ([0, 37, 38, 39, 40], r"\(none\)"),
    ],
    ids=["mask", "three tissues", "no brain"],
)
def test_label_images_that_are_no_semantic_maps_are_refused(load, exam, labels, words):
    def relabeled(array):
        return np.resize(np.array(labels, np.uint8), array.shape)

    with pytest.raises(BadInputError, match=f"sub-1_dseg.*is no semantic map.*{words}.*strokesynth map"):
        load(semantic_map=changed(exam.semantic_map, relabeled))


def turned(volume):
    """The same voxels, stored with two axes swapped and one flipped."""
    affine = volume.affine @ np.array(
        [[0, 1, 0, 0], [-1, 0, 0, volume.array.shape[1] - 1], [0, 0, 1, 0], [0, 0, 0, 1]], float
    )
    return replace(volume, array=volume.array[:, ::-1].transpose(1, 0, 2), affine=affine)


@pytest.mark.parametrize("role", ["adc", "lesion", "semantic_map"])
def test_the_same_voxels_in_another_order_are_reordered_exactly(load, exam, role):
    case = load(**{role: turned(getattr(exam, role))})
    np.testing.assert_array_equal(getattr(case, role).array, getattr(exam, role).array)
    np.testing.assert_array_equal(getattr(case, role).affine, case.dwi.affine)
    assert any("reordered" in notice for notice in case.notices)


def shifted(volume, voxels):
    affine = volume.affine.copy()
    affine[:3, 3] += voxels * affine[:3, 0]
    return replace(volume, affine=affine)


@pytest.mark.parametrize("role", ["adc", "lesion"])
def test_a_shift_under_half_a_voxel_is_taken_as_the_same_grid_and_said(load, exam, role):
    case = load(**{role: shifted(getattr(exam, role), 0.4)})
    np.testing.assert_array_equal(getattr(case, role).array, getattr(exam, role).array)
    assert any("taken as the same grid" in notice for notice in case.notices)


def test_a_mask_on_another_grid_is_refused_with_both_shapes(load, exam):
    smaller = replace(exam.lesion, array=exam.lesion.array[:20])
    with pytest.raises(BadInputError, match=r"sub-1_msk.*20x28x14.*24x28x14"):
        load(lesion=smaller)
    with pytest.raises(BadInputError, match="lies elsewhere"):
        load(lesion=shifted(exam.lesion, 3))


def test_adc_on_another_grid_is_resampled_and_said(load, exam):
    coarse = Grid((12, 14, 14), AFFINE @ np.diag([2.0, 2.0, 1.0, 1.0]))
    case = load(adc=exam.adc.resampled(coarse))
    assert case.adc.grid.matches(case.dwi.grid)
    assert case.adc.array[4, 14, 7] == pytest.approx(0.8, abs=0.05)
    assert any("12x14x14" in notice and "resampled" in notice for notice in case.notices)


def test_adc_of_another_place_is_refused(load, exam):
    with pytest.raises(BadInputError, match=r"sub-1_adc.*covers only 0 %"):
        load(adc=shifted(replace(exam.adc, array=exam.adc.array[:20]), 100))


def test_float64_values_stay_float64(load, exam):
    case = load(dwi=changed(exam.dwi, lambda array: array.astype(np.float64) / 3))
    assert case.dwi.array.dtype == np.float64
    assert case.dwi.storage.dtype == "float64"


def test_unsigned_integers_do_not_wrap_in_later_arithmetic(load, exam):
    case = load(dwi=changed(exam.dwi, lambda array: np.clip(array, 0, None).astype(np.uint16)))
    assert case.dwi.array.dtype == np.float32
    assert case.dwi.storage.dtype == "uint16"


def test_a_file_that_vanished_is_named(tmp_path, exam):
    exam.write(tmp_path, "sub-1_{role}.nii.gz", "dwi", "adc")
    (files,) = open_cohort(tmp_path).cases
    files.adc.unlink()
    with pytest.raises(BadInputError, match=r"sub-1_adc\.nii\.gz: no such file"):
        load_case(files)


def test_checking_a_cohort_names_every_bad_case_and_goes_on(tmp_path, exam):
    exam.write(tmp_path, "sub-1_{role}.nii.gz", "dwi", "adc", "msk")
    exam.write(tmp_path, "sub-2_{role}.nii.gz", "dwi")
    (tmp_path / "sub-3_dwi.nii.gz").write_bytes(b"")
    events = []
    findings = check_cohort(open_cohort(tmp_path), events.append)
    assert [finding.case for finding in findings if finding.severity == "error"] == ["sub-3"]
    assert {finding.case for finding in findings if finding.severity == "notice"} == {"sub-1", "sub-2"}
    assert events[-1].done == events[-1].total == 3


def test_single_masks_and_maps_are_checked_too(tmp_path, exam):
    exam.write(tmp_path, "x_{role}.nii.gz", "msk", "dseg")
    labels = load_semantic_map(tmp_path / "x_dseg.nii.gz")
    mask = load_mask(tmp_path / "x_msk.nii.gz", labels.grid)
    np.testing.assert_array_equal(mask.array, exam.lesion.array)
    with pytest.raises(BadInputError, match="grid"):
        load_mask(tmp_path / "x_msk.nii.gz", Grid((9, 9, 9), np.eye(4)))
