"""Synthetic images say so, in their sidecar and in themselves."""

import gzip

import numpy as np

from StrokeSynthLib import RESEARCH_NOTICE, __version__
from StrokeSynthLib.files import read_json
from StrokeSynthLib.provenance import content_hash, record, sidecar_path, write_with_record
from StrokeSynthLib.volume import Volume
from Testing.examinations import AFFINE

ARRAY = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)


def test_a_record_says_what_it_is_and_drops_what_is_unknown():
    entries = record(synthetic=True, Seed=3, ModelHash=None)
    assert entries["Synthetic"] is True
    assert entries["Notice"] == RESEARCH_NOTICE
    assert entries["GeneratedBy"] == {"Name": "StrokeSynth", "Version": __version__}
    assert entries["Seed"] == 3
    assert "ModelHash" not in entries


def test_image_and_sidecar_both_say_synthetic(tmp_path):
    path = tmp_path / "sub-1_trace.nii.gz"
    write_with_record(path, Volume(ARRAY, AFFINE), record(synthetic=True))
    assert sidecar_path(path).name == "sub-1_trace.json"
    assert read_json(sidecar_path(path))["Synthetic"] is True
    assert b"SYNTHETIC" in gzip.decompress(path.read_bytes())[148:228]


def test_a_derived_image_is_not_called_synthetic(tmp_path):
    path = tmp_path / "mask.nii.gz"
    write_with_record(path, Volume(ARRAY, AFFINE), record(synthetic=False))
    header = gzip.decompress(path.read_bytes())[148:228]
    assert b"SYNTHETIC" not in header
    assert b"Research use only" in header


def test_content_hash_follows_values_and_place_only():
    volume = Volume(ARRAY, AFFINE)
    moved = AFFINE.copy()
    moved[0, 3] += 1
    assert content_hash(volume) == content_hash(Volume(ARRAY.copy(order="F"), AFFINE.copy()))
    assert content_hash(volume) != content_hash(Volume(ARRAY + 1, AFFINE))
    assert content_hash(volume) != content_hash(Volume(ARRAY, moved))
