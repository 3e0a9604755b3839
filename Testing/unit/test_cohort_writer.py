"""Cohorts as we write them: complete cases or none, resumable, the same bytes every time."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.cohort import writer as writer_module
from StrokeSynthLib.cohort.export import export_cohort
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.cohort.writer import CohortWriter
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import read_json
from StrokeSynthLib.provenance import record
from StrokeSynthLib.volume import Storage, read_volume, write_volume
from Testing.examinations import Examination

DESCRIPTION = {"Name": "Test", "seed": 1}


@pytest.fixture
def exam():
    return Examination()


def add(writer, exam, name="sub-0001", person="person-1", **changes):
    images = {
        "dwi": exam.dwi, "adc": exam.adc, "b0": exam.b0, "lesion": exam.lesion,
        "semantic_map": exam.semantic_map, "b_value": 1000.0, "record": record(synthetic=True, Seed=7),
    }  # fmt: skip
    writer.write(name, person, **(images | changes))


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_what_is_written_is_loaded_again(tmp_path, exam):
    writer = CohortWriter(tmp_path, description=DESCRIPTION)
    add(writer, exam)
    writer.finish()
    cohort = open_cohort(tmp_path)
    case = load_case(cohort.cases[0])
    assert cohort.layout == "bids"
    assert (case.name, case.person, case.synthetic) == ("sub-0001", "person-1", True)
    assert (case.b_value, case.b_assumed, case.notices) == (1000.0, False, ())
    np.testing.assert_array_equal(case.lesion.array, exam.lesion.array)
    np.testing.assert_array_equal(case.semantic_map.array, exam.semantic_map.array)
    assert case.adc.array == pytest.approx(exam.adc.array, abs=0.00051)
    for name in ("dwi", "b0"):
        original = getattr(exam, name).array
        assert getattr(case, name).array == pytest.approx(original, abs=float(original.max()) / 4095 * 0.51)
    assert case.grid.matches(exam.dwi.grid)


def test_files_lie_where_bids_wants_them(tmp_path, exam):
    writer = CohortWriter(tmp_path, description=DESCRIPTION)
    add(writer, exam)
    add(writer, exam, "sub-0001_ses-2")
    writer.finish()
    assert set(contents(tmp_path)) >= {
        "README", "dataset_description.json", "participants.tsv", "participants.json", ".bidsignore",
        "sub-0001/dwi/sub-0001_trace.nii.gz", "sub-0001/dwi/sub-0001_ADC.nii.gz",
        "sub-0001/dwi/sub-0001_desc-b0_trace.nii.gz", "sub-0001/dwi/sub-0001_trace.json",
        "derivatives/strokesynth/dataset_description.json", "derivatives/strokesynth/dseg.tsv",
        "derivatives/strokesynth/README",
        "derivatives/strokesynth/sub-0001/dwi/sub-0001_label-L_mask.nii.gz",
        "derivatives/strokesynth/sub-0001/dwi/sub-0001_dseg.nii.gz",
        "sub-0001/ses-2/dwi/sub-0001_ses-2_trace.nii.gz",
    }  # fmt: skip
    assert not [name for name in contents(tmp_path) if ".part" in name or ".old" in name]


def test_images_are_stored_compactly_with_their_units(tmp_path, exam):
    add(CohortWriter(tmp_path, description=DESCRIPTION), exam)
    folder = tmp_path / "sub-0001" / "dwi"
    adc = read_volume(folder / "sub-0001_ADC.nii.gz")
    assert adc.storage.dtype == "int16"
    assert adc.storage.slope == pytest.approx(0.001)
    assert read_json(folder / "sub-0001_ADC.json")["Units"] == "10^-3 mm^2/s"
    sidecar = read_json(folder / "sub-0001_trace.json")
    assert (sidecar["Synthetic"], sidecar["Seed"], sidecar["DiffusionBValue"]) == (True, 7, 1000)
    assert read_json(folder / "sub-0001_desc-b0_trace.json")["DiffusionBValue"] == 0
    assert "research" in sidecar["Notice"].lower()


def test_participants_name_persons_and_what_is_synthetic(tmp_path, exam):
    writer = CohortWriter(tmp_path, description=DESCRIPTION)
    add(writer, exam, "sub-0002", "p2", record=record(synthetic=False), lesion=None)
    add(writer, exam)
    writer.finish()
    volume = f"{exam.lesion.array.sum() * 0.016:.3f}"
    assert (tmp_path / "participants.tsv").read_text().splitlines() == [
        "participant_id\tperson\tsynthetic\tlesion_volume_ml",
        f"sub-0001\tperson-1\ttrue\t{volume}",
        "sub-0002\tp2\tfalse\tn/a",
    ]


def test_the_same_input_gives_the_same_bytes(tmp_path, exam):
    for name in ("a", "b"):
        writer = CohortWriter(tmp_path / name, description=DESCRIPTION)
        add(writer, exam)
        writer.finish()
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_case_that_fails_is_absent(tmp_path, exam, monkeypatch):
    writer = CohortWriter(tmp_path, description=DESCRIPTION)
    real = writer_module.write_with_record

    def fail_at_trace(path, *arguments):
        if path.name == "sub-0001_trace.nii.gz":
            raise OSError("disk full")
        real(path, *arguments)

    monkeypatch.setattr(writer_module, "write_with_record", fail_at_trace)
    with pytest.raises(OSError, match="disk full"):
        add(writer, exam)
    assert not writer.has("sub-0001")
    assert not list(tmp_path.rglob("sub-*"))
    assert not list(tmp_path.rglob(".part*"))


def test_a_cohort_is_resumed(tmp_path, exam):
    add(CohortWriter(tmp_path, description=DESCRIPTION), exam)
    again = CohortWriter(tmp_path, description=DESCRIPTION | {"cases": 2})
    assert again.has("sub-0001")
    assert not again.has("sub-0002")
    add(again, exam, "sub-0002")
    again.finish()
    assert len(open_cohort(tmp_path).cases) == 2


def test_other_settings_do_not_mix_into_a_cohort(tmp_path, exam):
    add(CohortWriter(tmp_path, description=DESCRIPTION), exam)
    with pytest.raises(BadInputError, match="seed 1, now it is 2"):
        CohortWriter(tmp_path, description={"Name": "Test", "seed": 2})


def test_a_folder_of_something_else_is_not_written_to(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(BadInputError, match="holds no cohort written by StrokeSynth"):
        CohortWriter(tmp_path, description=DESCRIPTION)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(BadInputError, match="is a file"):
        CohortWriter(tmp_path / "thesis.txt", description=DESCRIPTION)


def test_names_and_records_that_would_mislead_are_programming_errors(tmp_path, exam):
    writer = CohortWriter(tmp_path, description=DESCRIPTION)
    with pytest.raises(ValueError, match="BIDS name"):
        add(writer, exam, "case 1")
    with pytest.raises(ValueError, match="synthetic"):
        add(writer, exam, record={"Seed": 1})


# Export


def isles(folder, numbers=(1, 2), **changes):
    for number in numbers:
        exam = Examination(number)
        exam.write(folder, f"sub-{number}_ses-1_{{role}}.nii.gz", "dwi", "adc", "msk")
        for role, volume in changes.items():
            write_volume(folder / f"sub-{number}_ses-1_{role}.nii.gz", volume)
    return open_cohort(folder)


def test_nnunet_export_is_read_back_as_the_same_cases(tmp_path):
    cohort = isles(tmp_path / "in", numbers=range(1, 6))
    (tmp_path / "in" / "sub-5_ses-1_msk.nii.gz").unlink()
    cohort = open_cohort(tmp_path / "in")
    assert export_cohort(cohort, "nnunet", tmp_path / "out") == 5
    content = read_json(tmp_path / "out" / "dataset.json")
    assert content["channel_names"] == {"0": "DWI", "1": "ADC"}
    assert content["labels"] == {"background": 0, "lesion": 1}
    assert content["numTraining"] == 4
    again = open_cohort(tmp_path / "out")
    assert (again.layout, len(again.cases)) == ("nnunet", 4)
    for before, after in zip(cohort.cases, again.cases, strict=False):
        first, second = load_case(before), load_case(after)
        assert (first.name, first.person) == (second.name, second.person)
        np.testing.assert_array_equal(first.dwi.array, second.dwi.array)
        np.testing.assert_array_equal(first.lesion.array, second.lesion.array)
    assert len(open_cohort(tmp_path / "out" / "imagesTs").cases) == 1


def test_nnunet_export_of_synthetic_cases_says_so_and_keeps_persons(tmp_path, exam):
    writer = CohortWriter(tmp_path / "in", description=DESCRIPTION)
    add(writer, exam)
    export_cohort(open_cohort(tmp_path / "in"), "nnunet", tmp_path / "out")
    (case,) = open_cohort(tmp_path / "out").cases
    assert (case.synthetic, case.person, case.b_value) == (True, "person-1", 1000)
    header = gzip.decompress(case.adc.read_bytes())[:348]
    assert b"SYNTHETIC" in header


def test_bids_export_keeps_how_a_case_was_made(tmp_path, exam):
    add(CohortWriter(tmp_path / "in", description=DESCRIPTION), exam)
    export_cohort(open_cohort(tmp_path / "in"), "bids", tmp_path / "out")
    (case,) = open_cohort(tmp_path / "out").cases
    assert case.synthetic
    assert read_json(case.dwi.with_name("sub-0001_trace.json"))["SourceRecord"]["Seed"] == 7


def test_a_cohort_whose_beginning_was_interrupted_is_begun_again(tmp_path, exam):
    add(CohortWriter(tmp_path, description=DESCRIPTION), exam)
    marker = tmp_path / "derivatives" / "strokesynth" / "dataset_description.json"
    marker.unlink()
    add(CohortWriter(tmp_path, description=DESCRIPTION), exam, "sub-0002")
    assert marker.is_file()


def test_nothing_is_made_before_the_first_case(tmp_path):
    CohortWriter(tmp_path / "new", description=DESCRIPTION)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said_before_the_first_case(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInputError, match="cannot be written"):
        CohortWriter(tmp_path / "file" / "cohort", description=DESCRIPTION)


def test_nnunet_export_converts_adc_to_one_unit(tmp_path):
    exam = Examination()
    adc = replace(exam.adc, array=exam.adc.array * 1000, storage=Storage("int16"))
    messages = []
    export_cohort(isles(tmp_path / "in", (1,), adc=adc), "nnunet", tmp_path / "out", messages.append)
    written = read_volume(tmp_path / "out" / "imagesTr" / "sub-1_ses-1_0001.nii.gz")
    assert written.array == pytest.approx(exam.adc.array, abs=1e-4)
    assert any("converted" in event.message for event in messages)


def test_nnunet_folds_keep_persons_together(tmp_path):
    for session in (1, 2):
        for number in range(3):
            name = f"sub-{number}_ses-{session}_{{role}}.nii.gz"
            Examination().write(tmp_path / "in", name, "dwi", "adc", "msk")
    export_cohort(open_cohort(tmp_path / "in"), "nnunet", tmp_path / "out")
    for fold in json.loads((tmp_path / "out" / "splits_final.json").read_text()):
        people = [{name.split("_")[0] for name in fold[part]} for part in ("train", "val")]
        assert not people[0] & people[1]
        assert len(fold["train"]) + len(fold["val"]) == 6


def test_nnunet_export_needs_every_channel(tmp_path):
    isles(tmp_path / "in")
    (tmp_path / "in" / "sub-1_ses-1_adc.nii.gz").unlink()
    with pytest.raises(BadInputError, match="sub-1_ses-1: has no ADC"):
        export_cohort(open_cohort(tmp_path / "in"), "nnunet", tmp_path / "out")


def test_bids_export_keeps_what_is_known(tmp_path):
    cohort = isles(tmp_path / "in")
    assert export_cohort(cohort, "bids", tmp_path / "out") == 2
    again = open_cohort(tmp_path / "out")
    assert [case.name for case in again.cases] == ["sub-1_ses-1", "sub-2_ses-1"]
    assert not any(case.synthetic for case in again.cases)
    assert read_json(again.cases[0].dwi.with_name("sub-1_ses-1_trace.json"))["BValueAssumed"] is True
    # A second run finds everything done.
    assert export_cohort(cohort, "bids", tmp_path / "out") == 2


def test_names_that_become_one_are_refused(tmp_path):
    for name in ("a b", "ab"):
        Examination().write(tmp_path / "in", f"{name}_{{role}}.nii.gz", "dwi")
    with pytest.raises(BadInputError, match="all become sub-ab"):
        export_cohort(open_cohort(tmp_path / "in"), "bids", tmp_path / "out")


@pytest.mark.parametrize("out", ["in", "in/deep", "."])
def test_a_cohort_is_never_exported_into_itself(tmp_path, out):
    cohort = isles(tmp_path / "in")
    before = contents(tmp_path)
    with pytest.raises(BadInputError, match="a cohort is never written to"):
        export_cohort(cohort, "nnunet", tmp_path / out)
    assert contents(tmp_path) == before


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="choose nnunet, bids"):
        export_cohort(isles(tmp_path / "in"), "zip", tmp_path / "out")


def test_an_assumed_b_value_stays_an_assumption(tmp_path):
    export_cohort(isles(tmp_path / "in"), "bids", tmp_path / "out")
    again = open_cohort(tmp_path / "out").cases[0]
    sidecar = read_json(again.dwi.with_name("sub-1_ses-1_trace.json"))
    assert "DiffusionBValue" not in sidecar
    assert sidecar["AssumedBValue"] == 1000
    assert again.b_value is None
    case = load_case(again)
    assert (case.b_value, case.b_assumed) == (1000.0, True)


def test_both_descriptions_carry_the_cohorts_name(tmp_path, exam):
    add(CohortWriter(tmp_path, description=DESCRIPTION), exam)
    for folder in (tmp_path, tmp_path / "derivatives" / "strokesynth"):
        content = read_json(folder / "dataset_description.json")
        assert (content["Name"], content["BIDSVersion"]) == ("Test", "1.10.1")
