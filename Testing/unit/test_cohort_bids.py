"""Cohorts as we write them against the rules of BIDS, from its published schema; nothing is fetched.

What the official validator says of a whole cohort is in docs/cohorts.md; these are the rules it checked.
"""

import csv
import fnmatch
import json
import re

import pytest

from StrokeSynthLib.cohort.export import export_cohort
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.writer import CohortWriter
from StrokeSynthLib.files import read_json
from StrokeSynthLib.pipeline.simulate import SimulationRecipe, simulate
from StrokeSynthLib.provenance import record
from Testing.examinations import Examination

schema_tools = pytest.importorskip("bidsschematools.schema", reason="bidsschematools is not installed")
DERIVED = "derivatives/strokesynth"


@pytest.fixture(scope="module")
def schema():
    return schema_tools.load_schema()


@pytest.fixture
def cohort(tmp_path):
    """Two persons, one of them with a session and without lesion mask and map."""
    exam = Examination()
    writer = CohortWriter(tmp_path, description={"Name": "Test"})
    images = {"dwi": exam.dwi, "adc": exam.adc, "b0": exam.b0, "b_value": 1000.0}
    writer.write(
        "sub-0001", "person 1", lesion=exam.lesion, semantic_map=exam.semantic_map,
        record=record(synthetic=True, MagneticFieldStrength=3.0, EchoTime=0.08, Seed=1), **images,
    )  # fmt: skip
    writer.write(
        "sub-0002_ses-2", "person 2", lesion=None, semantic_map=None, record=record(synthetic=False), **images
    )
    writer.finish()
    return tmp_path


def misnamed(folder, schema, *groups):
    """Files of a data set that no rule of BIDS knows and ``.bidsignore`` does not name."""
    from bidsschematools.rules import regexify_filename_rules

    rules = [
        re.compile(rule["regex"])
        for group in groups
        for rule in regexify_filename_rules(schema.rules.files[group], schema, level=2)
    ]
    ignore = folder / ".bidsignore"
    ignored = [".bidsignore", *(ignore.read_text().split() if ignore.is_file() else [])]
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(
        name
        for name in files
        if not name.startswith("derivatives/")
        and not any(fnmatch.fnmatch(name.rsplit("/", 1)[-1], pattern) for pattern in ignored)
        and not any(rule.match(name) for rule in rules)
    )


def test_every_name_is_one_of_bids(cohort, schema):
    assert misnamed(cohort, schema, "common", "raw") == []
    assert misnamed(cohort / DERIVED, schema, "common", "deriv") == []
    assert (cohort / ".bidsignore").read_text().split() == ["*_desc-b0_trace.*"]


@pytest.mark.parametrize("name", ["sub-0001/dwi/sub-0001_desc-b0_ADC.nii.gz", "sub-0001/dwi/sub-0001_b0.nii"])
def test_a_name_that_bids_does_not_know_is_found(cohort, schema, name):
    (cohort / name).touch()
    assert misnamed(cohort, schema, "common", "raw") == [name]


def test_a_mask_among_the_images_is_found(cohort, schema):
    name = "sub-0001/dwi/sub-0001_label-L_mask.nii.gz"
    (cohort / DERIVED / name).rename(cohort / name)
    assert misnamed(cohort, schema, "common", "raw") == [name]


def test_descriptions_have_what_bids_requires(cohort, schema):
    required = {"Name", "BIDSVersion"}
    raw = read_json(cohort / "dataset_description.json")
    derived = read_json(cohort / DERIVED / "dataset_description.json")
    for content, kind in ((raw, "raw"), (derived, "derivative")):
        assert required | {"GeneratedBy"} <= set(content)
        assert content["DatasetType"] == kind
        assert all("Name" in program for program in content["GeneratedBy"])
    assert derived["DatasetLinks"] == {"raw": "../.."}
    assert (cohort / DERIVED / derived["DatasetLinks"]["raw"] / "participants.tsv").is_file()
    assert all((folder / "README").is_file() for folder in (cohort, cohort / DERIVED))


def test_every_column_of_the_participants_is_described(cohort):
    with (cohort / "participants.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    meaning = read_json(cohort / "participants.json")
    assert set(rows[0]) - {"participant_id"} == set(meaning)
    assert all(entry["Description"] for entry in meaning.values())
    assert {row["synthetic"] for row in rows} <= set(meaning["synthetic"]["Levels"])


def test_volumes_of_several_sessions_are_numbers_in_a_table_of_their_own(tmp_path, schema):
    for session in (1, 2):
        Examination(session).write(
            tmp_path / "in", f"sub-1_ses-{session}_{{role}}.nii.gz", "dwi", "adc", "msk"
        )
    export_cohort(open_cohort(tmp_path / "in"), "bids", tmp_path / "out")
    rows = (tmp_path / "out" / "participants.tsv").read_text().splitlines()
    assert rows[1] == "sub-1\tsub-1\tfalse\tn/a"
    with (tmp_path / "out" / "sub-1" / "sub-1_sessions.tsv").open() as stream:
        table = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["session_id"] for row in table] == ["ses-1", "ses-2"]
    assert all(float(row["lesion_volume_ml"]) > 0 for row in table)
    assert set(read_json(tmp_path / "out" / "sessions.json")) == {"lesion_volume_ml"}
    assert misnamed(tmp_path / "out", schema, "common", "raw") == []


def test_labels_name_the_image_whose_grid_they_have(cohort):
    for kind in ("label-L_mask", "dseg"):
        sidecar = read_json(cohort / DERIVED / "sub-0001" / "dwi" / f"sub-0001_{kind}.json")
        assert sidecar["Description"]
        link, _, path = sidecar["SpatialReference"].removeprefix("bids:").partition(":")
        assert link == "raw"
        assert (cohort / path).is_file()


def test_how_it_was_acquired_stands_beside_every_image(cohort, schema):
    for kind in ("trace", "ADC", "desc-b0_trace"):
        sidecar = read_json(cohort / "sub-0001" / "dwi" / f"sub-0001_{kind}.json")
        assert (sidecar["MagneticFieldStrength"], sidecar["EchoTime"]) == (3.0, 0.08)
        assert ("Seed" in sidecar) == (kind == "trace")


def test_a_simulated_cohort_says_how_it_was_acquired_in_units_of_bids(tmp_path, schema):
    simulate(tmp_path, 1, SimulationRecipe(scanner="3T-2mm"))
    sidecar = read_json(tmp_path / "sub-0001" / "dwi" / "sub-0001_ADC.json")
    scan = read_json(tmp_path / "sub-0001" / "dwi" / "sub-0001_trace.json")["Scan"]
    assert sidecar["MagneticFieldStrength"] == 3.0
    assert sidecar["EchoTime"] == pytest.approx(scan["echo_time"] / 1000, abs=1e-5)  # s, not ms
    assert sidecar["MRAcquisitionType"] in schema.objects.metadata.MRAcquisitionType["enum"]
    assert misnamed(tmp_path, schema, "common", "raw") == []


def test_an_exported_cohort_keeps_how_it_was_acquired(tmp_path, schema):
    source = tmp_path / "in"
    Examination().write(source, "sub-1_ses-1_{role}.nii.gz", "dwi", "adc", "b0", "msk")
    stated = {"EchoTime": 0.07, "Manufacturer": "Maker", "DeviceSerialNumber": "12"}
    (source / "sub-1_ses-1_dwi.json").write_text(json.dumps(stated))
    export_cohort(open_cohort(source), "bids", tmp_path / "out")
    sidecar = read_json(tmp_path / "out" / "sub-1" / "ses-1" / "dwi" / "sub-1_ses-1_ADC.json")
    assert (sidecar["EchoTime"], sidecar["Manufacturer"]) == (0.07, "Maker")
    assert "DeviceSerialNumber" not in sidecar
    assert misnamed(tmp_path / "out", schema, "common", "raw") == []
