"""The benchmark of translators in 2D and in 3D: what it calls flicker, and what its page says."""

from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.volume import Volume
from Testing.unit import translate_phantom as phantom

pytest.importorskip("torch")
pytest.importorskip("monai")

from Testing.Benchmarks.volumes import ROWS, Trial
from Testing.Benchmarks.volumes_report import page
from Testing.Benchmarks.volumes_row import between, kind_and_dimensions


def _case(levels):
    """The phantom's scan with each slice times its level."""
    images = {name: phantom.signals(3)[name] * levels for name in ("dwi", "adc")}
    dwi, adc = (Volume(images[name].astype(np.float32), phantom.AFFINE) for name in ("dwi", "adc"))
    return Case("one", "1", dwi, adc, None, phantom.lesion_volume(), phantom.map_volume())


def test_slices_of_other_levels_are_flicker_and_the_scan_itself_is_one():
    scan, flickering = _case(np.ones(12)), _case(np.where(np.arange(12) % 2, 1.3, 1.0))
    same, other = between(scan, scan, "dwi"), between(flickering, scan, "dwi")
    assert same == {"ssim": 1.0, "roughness": 1.0, "flicker": 1.0}
    assert other["flicker"] > 3.0
    assert 1.0 < other["roughness"] < other["flicker"]
    assert other["ssim"] < 0.999


def test_page_shows_what_there_is_and_names_what_is_missing():
    settings = {"cases": 10, "maps": 1, "seed": 0, "cpu_seconds": 5}
    one = {"recovered": True, "voxel_mm": [2.0, 2.0, 5.0], "cpu_s": 1.5}
    one |= {f"{c}_{n}": 0.5 for c in ("dwi", "adc") for n in ("ssim", "roughness", "flicker")}
    drawn = {"maps": [one], "memory_mb": 7, "histograms": {c: {"cortex": 0.25} for c in ("dwi", "adc")}}
    rows = {
        "scan": {"draw": {"found": drawn}},
        "rflow-2": {
            "train": {"found": {"taken": True, "steps": 3, "cpu_s": 9.6, "memory_mb": None}},
            "draw": {"found": drawn},
        },
    }
    text = page(settings, rows)
    assert "| rflow-2* | - | - | 3 | - | 10 | - |" in text
    assert "| rflow-2 | 0.250, 0.250 | nan, nan | 0.50, 0.50 |" in text
    assert "1 of 1" in text
    missing = next(line for line in text.splitlines() if line.startswith("Not measured yet"))
    assert "rflow-3" in missing
    assert "rflow-2" not in missing


def test_rows_have_a_kind_and_dimensions():
    assert kind_and_dimensions("pix2pix-3") == ("pix2pix", 3)
    assert kind_and_dimensions("physics") == ("physics", 2)
    assert len(set(ROWS)) == len(ROWS)


def test_a_stage_of_other_settings_is_not_gone_on_with(tmp_path: Path):
    from StrokeSynthLib.files import write_json

    trial = Trial(tmp_path, tmp_path, cpu_seconds=5)
    path = trial.result("physics", "draw")
    path.parent.mkdir()
    write_json(path, {"settings": trial.settings("draw"), "found": 1})
    assert trial.read("physics", "draw")["found"] == 1
    with pytest.raises(SystemExit, match="physics-draw"):
        Trial(tmp_path, tmp_path, cpu_seconds=6).read("physics", "draw")
