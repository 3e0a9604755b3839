"""Cohorts are told apart by looking, whatever folders the files are in."""

import json
import time

import pytest

from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.names import bids_name
from StrokeSynthLib.errors import BadInputError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def isles(folder, *, dwi="dwi/", anat="anat/", images="", number=1):
    case = f"sub-strokecase{number:04d}"
    stem = f"{case}_ses-0001"
    touch(
        folder,
        f"{images}{case}/ses-0001/{dwi}{stem}_dwi.nii.gz",
        f"{images}{case}/ses-0001/{dwi}{stem}_adc.nii.gz",
        f"{images}{case}/ses-0001/{anat}{stem}_FLAIR.nii.gz",
        f"derivatives/{case}/ses-0001/{stem}_msk.nii.gz",
    )


def names_of(case):
    return {
        role: getattr(case, role) and getattr(case, role).name
        for role in ("dwi", "adc", "b0", "lesion", "semantic_map")
    }


@pytest.mark.parametrize(
    "variant",
    [{}, {"dwi": "", "anat": ""}, {"images": "rawdata/"}, {"images": "ISLES-2022/"}],
    ids=["as published", "without dwi and anat folders", "rawdata", "nested"],
)
def test_isles_22_is_understood_in_its_variants(tmp_path, variant):
    isles(tmp_path, **variant)
    isles(tmp_path, number=2, **variant)
    cohort = open_cohort(tmp_path)
    assert cohort.layout == "isles"
    assert [case.name for case in cohort.cases] == [
        "sub-strokecase0001_ses-0001",
        "sub-strokecase0002_ses-0001",
    ]
    assert cohort.cases[0].person == "sub-strokecase0001"
    assert names_of(cohort.cases[0]) == {
        "dwi": "sub-strokecase0001_ses-0001_dwi.nii.gz",
        "adc": "sub-strokecase0001_ses-0001_adc.nii.gz",
        "b0": None,
        "lesion": "sub-strokecase0001_ses-0001_msk.nii.gz",
        "semantic_map": None,
    }
    assert cohort.notices == ()


def test_a_rawdata_folder_alone_finds_the_masks_beside_it(tmp_path):
    isles(tmp_path, images="rawdata/")
    assert open_cohort(tmp_path / "rawdata").cases[0].lesion is not None


def test_isles_without_masks_has_cases_without_reference(tmp_path):
    touch(tmp_path, "sub-strokecase0001/ses-0001/sub-strokecase0001_ses-0001_dwi.nii.gz")
    (case,) = open_cohort(tmp_path).cases
    assert case.lesion is None
    assert case.adc is None


@pytest.mark.parametrize(
    "b0", ["sub-0001_desc-b0_trace.nii.gz", "sub-0001_acq-b0_dwi.nii.gz"], ids=["ours", "of BIDS"]
)
def test_our_own_bids_is_understood(tmp_path, b0):
    derived = "derivatives/strokesynth/sub-0001/dwi/sub-0001"
    touch(
        tmp_path, "sub-0001/dwi/sub-0001_trace.nii.gz", "sub-0001/dwi/sub-0001_ADC.nii.gz",
        f"sub-0001/dwi/{b0}", f"{derived}_label-L_mask.nii.gz",
        f"{derived}_dseg.nii.gz", "derivatives/other/sub-0001/sub-0001_desc-brain_mask.nii.gz",
    )  # fmt: skip
    sidecar = {"Synthetic": True, "DiffusionBValue": 1200, "Person": "person-7"}
    (tmp_path / "sub-0001/dwi/sub-0001_trace.json").write_text(json.dumps(sidecar))
    cohort = open_cohort(tmp_path)
    (case,) = cohort.cases
    assert cohort.layout == "bids"
    assert names_of(case) == {
        "dwi": "sub-0001_trace.nii.gz",
        "adc": "sub-0001_ADC.nii.gz",
        "b0": b0,
        "lesion": "sub-0001_label-L_mask.nii.gz",
        "semantic_map": "sub-0001_dseg.nii.gz",
    }
    assert (case.b_value, case.synthetic, case.person) == (1200.0, True, "person-7")


def test_weightings_that_are_told_apart_by_acq_are_images_of_one_case(tmp_path):
    touch(tmp_path, *(f"sub-01/dwi/sub-01_acq-{name}.nii.gz" for name in ("b0_dwi", "b1000_dwi")))
    (case,) = open_cohort(tmp_path).cases
    assert (case.name, case.dwi.name, case.b0.name) == (
        "sub-01", "sub-01_acq-b1000_dwi.nii.gz", "sub-01_acq-b0_dwi.nii.gz",
    )  # fmt: skip


def test_other_acquisitions_are_cases_of_their_own(tmp_path):
    touch(tmp_path, *(f"sub-01/dwi/sub-01_acq-{name}_dwi.nii.gz" for name in ("day1", "day2")))
    assert [case.name for case in open_cohort(tmp_path).cases] == ["sub-01_acq-day1", "sub-01_acq-day2"]


def test_sessions_of_one_person_are_cases_of_one_person(tmp_path):
    touch(tmp_path, *(f"sub-01/ses-{s}/dwi/sub-01_ses-{s}_trace.nii.gz" for s in (1, 2)))
    cohort = open_cohort(tmp_path)
    assert [case.name for case in cohort.cases] == ["sub-01_ses-1", "sub-01_ses-2"]
    assert cohort.persons == ("sub-01",)


def test_a_flat_folder_of_pairs_is_a_cohort(tmp_path):
    touch(tmp_path, "Müller 1_dwi.nii.gz", "Müller 1_adc.nii.gz", "Müller 1_msk.nii.gz", "b_dwi.nrrd")
    cohort = open_cohort(tmp_path)
    assert [case.name for case in cohort.cases] == ["Müller 1", "b"]
    assert cohort.cases[0].lesion.name == "Müller 1_msk.nii.gz"


def test_a_folder_per_case_is_a_cohort(tmp_path):
    touch(tmp_path, "p1/dwi.nii.gz", "p1/adc.nii.gz", "p1/mask.nii.gz", "p2/dwi.nii.gz")
    cohort = open_cohort(tmp_path)
    assert [case.name for case in cohort.cases] == ["p1", "p2"]
    assert cohort.cases[0].lesion is not None


def nnunet(folder, channel_names, ending=".nii.gz"):
    count = len(channel_names)
    touch(folder, *(f"imagesTr/case_{n}_{c:04d}{ending}" for n in (1, 2) for c in range(count)))
    touch(folder, *(f"labelsTr/case_{n}{ending}" for n in (1, 2)))
    touch(folder, *(f"imagesTs/case_9_{c:04d}{ending}" for c in range(count)))
    content = {"channel_names": {str(n): name for n, name in enumerate(channel_names)}, "file_ending": ending}
    (folder / "dataset.json").write_text(json.dumps(content))


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_nnunet_channels_are_told_by_their_names(tmp_path, ending):
    nnunet(tmp_path, ["ADC", "FLAIR", "b0", "DWI"], ending)
    cohort = open_cohort(tmp_path)
    assert cohort.layout == "nnunet"
    assert names_of(cohort.cases[0]) == {
        "dwi": f"case_1_0003{ending}",
        "adc": f"case_1_0000{ending}",
        "b0": f"case_1_0002{ending}",
        "lesion": f"case_1{ending}",
        "semantic_map": None,
    }


def test_nnunet_test_cases_stay_out_unless_named(tmp_path):
    nnunet(tmp_path, ["DWI", "ADC"])
    cohort = open_cohort(tmp_path)
    assert [case.name for case in cohort.cases] == ["case_1", "case_2"]
    assert "1 test cases are left out" in cohort.notices[0]
    assert [case.name for case in open_cohort(tmp_path / "imagesTs").cases] == ["case_9"]


def test_nnunet_without_dataset_json_is_dwi_then_adc(tmp_path):
    nnunet(tmp_path, ["DWI", "ADC"])
    (tmp_path / "dataset.json").unlink()
    cohort = open_cohort(tmp_path)
    assert cohort.cases[0].adc.name == "case_1_0001.nii.gz"
    assert any("taken as DWI" in notice for notice in cohort.notices)


def test_nnunet_without_a_dwi_channel_is_refused(tmp_path):
    nnunet(tmp_path, ["T1", "T2"])
    with pytest.raises(BadInputError, match=r"none of the channels \(T1, T2\) is named DWI"):
        open_cohort(tmp_path)


@pytest.mark.parametrize(
    "name", ["{case}.nii.gz", "{case}_dseg.nii.gz", "{case}/anything.nii.gz", "x/{case}_map.mha"]
)
def test_maps_are_found_by_case_name(tmp_path, name):
    isles(tmp_path / "cohort")
    touch(tmp_path / "maps", name.format(case="sub-strokecase0001_ses-0001"))
    (case,) = open_cohort(tmp_path / "cohort", tmp_path / "maps").cases
    assert case.semantic_map is not None


def test_maps_that_fit_no_case_are_refused(tmp_path):
    isles(tmp_path / "cohort")
    touch(tmp_path / "maps", "other.nii.gz")
    with pytest.raises(BadInputError, match="holds no map named after a case"):
        open_cohort(tmp_path / "cohort", tmp_path / "maps")


def test_a_folder_of_something_else_says_what_was_looked_for(tmp_path):
    touch(tmp_path, "a.nii.gz", "photo.jpg")
    with pytest.raises(BadInputError, match=r"is no cohort; looked for .* found 1 image file of other names"):
        open_cohort(tmp_path)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(BadInputError, match="no such folder"):
        open_cohort(tmp_path / "nothing")


def test_a_mask_without_image_is_noticed(tmp_path):
    isles(tmp_path)
    touch(tmp_path, "derivatives/sub-x/sub-x_msk.nii.gz")
    cohort = open_cohort(tmp_path)
    assert len(cohort.cases) == 1
    assert "sub-x: left out, because it has no diffusion image" in cohort.notices[0]


def test_two_masks_of_one_case_are_noticed(tmp_path):
    isles(tmp_path)
    touch(tmp_path, "derivatives/rater2/sub-strokecase0001_ses-0001_msk.nii.gz")
    assert "2 files could be its lesion" in open_cohort(tmp_path).notices[0]


def test_hidden_and_unfinished_files_are_no_cases(tmp_path):
    isles(tmp_path)
    touch(tmp_path, "._sub-9_dwi.nii.gz", ".part-abc/dwi/sub-8_trace.nii.gz")
    assert len(open_cohort(tmp_path).cases) == 1


def test_a_damaged_sidecar_does_not_close_the_cohort(tmp_path):
    touch(tmp_path, "sub-1_dwi.nii.gz")
    (tmp_path / "sub-1_dwi.json").write_text("{")
    assert open_cohort(tmp_path).cases[0].b_value is None


def test_opening_reads_no_image_and_is_fast(tmp_path):
    # Empty files: reading any of them would fail.
    touch(
        tmp_path, *(f"sub-{n:04d}/sub-{n:04d}_{role}.nii.gz" for n in range(1000) for role in ("dwi", "adc"))
    )
    started = time.perf_counter()
    assert len(open_cohort(tmp_path).cases) == 1000
    assert time.perf_counter() - started < 2.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("case_12", "sub-case12"),
        ("sub-0001", "sub-0001"),
        ("sub-a_ses-0001", "sub-a_ses-0001"),
        ("Müller 1", "sub-Mller1"),
    ],
)
def test_names_become_bids_names(name, expected):
    assert bids_name(name) == expected
