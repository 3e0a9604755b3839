"""One examination or a whole cohort, files in and files out, whatever the model finds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from StrokeSynthLib import RESEARCH_NOTICE
from StrokeSynthLib.cli import main
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.files import read_json, sha256_of, write_json
from StrokeSynthLib.pipeline.maps import REGISTRATION, open_map_maker
from StrokeSynthLib.pipeline.single import (
    default_segmenter,
    map_of_examination,
    segment_cohort,
    segment_examination,
)
from StrokeSynthLib.pipeline.training import with_maps
from StrokeSynthLib.progress import silent
from StrokeSynthLib.provenance import sidecar_path
from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.segment import registry
from StrokeSynthLib.segment.segmenter import Prediction
from StrokeSynthLib.volume import Volume, read_volume
from Testing.examinations import Examination

DOUBT = "The contrast is not that of a DWI."
BRIGHT = 1000.0
CLASSES = ("left-white-matter", "left-cortex", "csf")


@dataclass
class Finder:
    """A segmenter that marks what is brighter than half of the brightest voxel, and doubts dark images."""

    makes_maps: bool = True
    kind: str = "unet"
    model_hash: str = "c0ffee" * 8
    engine: str = "a test"
    opened: int = 0
    asked: list[dict[str, bool]] = field(default_factory=list)

    def predict(
        self, dwi: Volume, adc: Volume | None = None, *, uncertainty: bool = False, semantic_map: bool = False
    ) -> Prediction:
        self.asked.append({"uncertainty": uncertainty, "semantic_map": semantic_map})
        share = np.clip(dwi.array / dwi.array.max(), 0, 1).astype(np.float32)
        if share.min() == share.max():
            raise StrokeSynthError("no brain was found.")
        slices = np.resize([INDEX[name] for name in CLASSES], dwi.array.shape[2])
        labels = np.where(dwi.array > 50, slices, 0).astype(np.uint8)
        return Prediction(
            dwi.with_array((share > 0.5).astype(np.uint8)),
            dwi.with_array(share),
            dwi.with_array(1 - share) if uncertainty else None,
            dwi.with_array(labels) if semantic_map and self.makes_maps else None,
            () if dwi.array.max() > BRIGHT else (DOUBT,),
        )


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Finder:
    """Every model that is opened by name is this one."""
    found = Finder()

    def open_it(name: str, device: str = "auto") -> Finder:
        found.opened += 1
        return found

    monkeypatch.setattr(registry, "open_segmenter", open_it)
    return found


def model_folder(folder: Path, *, calibrated: bool) -> str:
    """A model folder named "acute", as far as it is read beside the opened model."""
    write_json(folder / "acute" / "model.json", {"config": {"calibration": {"x": 1}} if calibrated else {}})
    return str(folder / "acute")


def written(folder: Path, name: str = "x", scale: float = 1.0) -> dict[str, Path]:
    exam = Examination()
    exam.dwi = exam.dwi.with_array(exam.dwi.array * np.float32(scale))
    exam.write(folder, name + "_{role}.nii.gz", "dwi", "adc")
    return {role: folder / f"{name}_{role}.nii.gz" for role in ("dwi", "adc")}


def test_all_outputs_come_from_one_look_and_carry_the_same_record(tmp_path: Path, finder: Finder) -> None:
    files = written(tmp_path, scale=10)
    names = ("mask", "probability", "uncertainty", "map")
    out = {name: tmp_path / "out" / f"{name}.nii.gz" for name in names}
    entries = segment_examination(
        [files["dwi"]], files["adc"], out["mask"], model=model_folder(tmp_path, calibrated=True),
        probability=out["probability"], uncertainty=out["uncertainty"], semantic_map=out["map"],
    )  # fmt: skip
    assert finder.asked == [{"uncertainty": True, "semantic_map": True}]
    dwi = read_volume(files["dwi"])
    types = {"mask": "uint8", "probability": "float32", "uncertainty": "float32", "map": "uint8"}
    for name, path in out.items():
        image, sidecar = read_volume(path), read_json(sidecar_path(path))
        assert image.grid.matches(dwi.grid)
        assert str(image.array.dtype) == types[name]
        assert sidecar["Model"] == {
            "Name": "acute", "Kind": "unet", "Hash": finder.model_hash, "Engine": "a test"
        }  # fmt: skip
        assert sidecar["Parents"]["x_dwi.nii.gz"] == sha256_of(files["dwi"])
        assert sidecar["Notice"] == RESEARCH_NOTICE
        assert sidecar["Synthetic"] is False
        assert sidecar["Unlike"] == []
    kinds = [read_json(sidecar_path(path))["Kind"] for path in out.values()]
    assert kinds == ["lesion segmentation", "lesion probability", "uncertainty", "semantic map"]
    mask = read_volume(out["mask"]).array
    assert entries["VolumeMl"] == pytest.approx(mask.sum() * dwi.grid.voxel_ml, abs=1e-3)
    assert read_json(sidecar_path(out["map"]))["Classes"] == [0, *(INDEX[name] for name in CLASSES)]


@pytest.mark.parametrize(
    ("calibrated", "words"), [(True, "about a share p was lesion"), (False, "Not calibrated")]
)
def test_a_probability_says_whether_it_means_probability(
    tmp_path: Path, finder: Finder, calibrated: bool, words: str
) -> None:
    model, dwi = model_folder(tmp_path, calibrated=calibrated), written(tmp_path)["dwi"]
    segment_examination(
        [dwi], None, tmp_path / "m.nii.gz", model=model, probability=tmp_path / "p.nii.gz",
        uncertainty=tmp_path / "u.nii.gz",
    )  # fmt: skip
    assert words in read_json(tmp_path / "p.json")["Meaning"]
    assert "undecided" in read_json(tmp_path / "u.json")["Meaning"]
    assert "Meaning" not in read_json(tmp_path / "m.json")


def test_what_is_not_asked_for_is_not_computed(tmp_path: Path, finder: Finder) -> None:
    segment_examination([written(tmp_path)["dwi"]], None, tmp_path / "m.nii.gz")
    assert finder.asked == [{"uncertainty": False, "semantic_map": False}]


def test_an_examination_unlike_the_models_is_noticed_and_recorded(tmp_path: Path, finder: Finder) -> None:
    said: list[str] = []
    files = written(tmp_path)
    segment_examination([files["dwi"]], files["adc"], tmp_path / "m.nii.gz", say=said.append)
    map_of_examination([files["dwi"]], files["adc"], tmp_path / "map.nii.gz", model="acute", say=said.append)
    assert said.count(f"notice: {DOUBT}") == 2
    for name in ("m.json", "map.json"):
        assert read_json(tmp_path / name)["Unlike"] == [DOUBT]


def test_the_command_ends_well_on_an_examination_unlike_the_models(
    tmp_path: Path, finder: Finder, capsys: pytest.CaptureFixture[str]
) -> None:
    files = written(tmp_path)
    words = ["segment", "--dwi", str(files["dwi"]), "--adc", str(files["adc"])]
    assert main([*words, "--out", str(tmp_path / "m.nii.gz")]) == 0
    answer = capsys.readouterr()
    assert f"notice: {DOUBT}" in answer.err
    assert "ml in 1 lesion, model " in answer.out


def test_a_model_is_not_asked_in_vain(tmp_path: Path, finder: Finder) -> None:
    finder.makes_maps = False
    files = written(tmp_path)
    with pytest.raises(BadInputError, match="acute: makes no semantic maps"):
        segment_examination(
            [files["dwi"]], None, tmp_path / "m.nii.gz", model="acute", semantic_map=tmp_path / "map.nii.gz"
        )
    with pytest.raises(BadInputError, match="acute: makes no semantic maps"):
        map_of_examination([files["dwi"]], None, tmp_path / "map.nii.gz", model="acute")
    assert not (tmp_path / "m.nii.gz").exists()


def test_the_threshold_gives_neither_uncertainty_nor_map(tmp_path: Path) -> None:
    files = written(tmp_path)
    for wanted, words in (("uncertainty", "gives none"), ("semantic_map", "makes no semantic maps")):
        out: dict[str, Any] = {wanted: tmp_path / "other.nii.gz"}
        with pytest.raises(BadInputError, match=words):
            segment_examination([files["dwi"]], None, tmp_path / "m.nii.gz", model="threshold", **out)


def cohort(folder: Path) -> Path:
    """A good case, one that the model doubts, one that is damaged."""
    written(folder, "sub-1", scale=10)
    written(folder, "sub-2")
    written(folder, "sub-3")["dwi"].write_bytes(b"")
    return folder


def test_a_cohort_is_segmented_by_one_model_and_doubts_come_at_the_end(
    tmp_path: Path, finder: Finder, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["segment", "--cohort", str(cohort(tmp_path / "c")), "--out", str(tmp_path / "masks")]
    words += ["--probability", str(tmp_path / "p"), "--map", str(tmp_path / "maps")]
    assert main(words) == 2  # a case could not be segmented
    answer = capsys.readouterr()
    assert finder.opened == 1
    lines = answer.out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["sub-1", "sub-2"]
    assert " ml in 1 lesion" in lines[0]
    assert lines[2:4] == [
        f"2 masks written to {tmp_path / 'masks'}.",
        "1 of 2 cases are unlike what the model knows; look at these masks before you use them:",
    ]
    assert lines[4] == f"  sub-2: {DOUBT}"
    assert "skipped sub-3" in answer.err
    for name in ("masks/sub-1.nii.gz", "p/sub-2.nii.gz", "maps/sub-1_dseg.nii.gz"):
        assert (tmp_path / name).is_file()
    first = load_case(open_cohort(tmp_path / "c", tmp_path / "maps").cases[0])
    assert first.semantic_map is not None


def test_programs_get_volumes_doubts_and_skipped_cases(
    tmp_path: Path, finder: Finder, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["segment", "--cohort", str(cohort(tmp_path / "c")), "--out", str(tmp_path / "masks")]
    assert main([*words, "--progress", "json"]) == 2
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    results = [event["values"] for event in events if event["event"] == "result"]
    assert [values["case"] for values in results[:-1]] == ["sub-1", "sub-2"]
    assert results[-1]["unlike"] == {"sub-2": [DOUBT]}
    assert set(results[-1]["volumes_ml"]) == {"sub-1", "sub-2"}
    assert "sub-3" in results[-1]["skipped"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"out": "c"}, "is the cohort, which is never written to"),
        ({"out": "c/labelsTr"}, "is an input and would be overwritten"),
        ({"out": "m", "probability": "m"}, "two outputs"),
        ({"out": "file"}, "is a file"),
        ({"out": "m", "semantic_map": "file/maps"}, "cannot be written"),
    ],
)
def test_masks_of_a_cohort_replace_nothing(
    tmp_path: Path, finder: Finder, wanted: dict[str, str], words: str
) -> None:
    exam = Examination()
    (tmp_path / "file").write_text("x")
    exam.write(tmp_path / "c" / "imagesTr", "a_0000.nii.gz", "dwi")
    exam.write(tmp_path / "c" / "labelsTr", "a.nii.gz", "msk")
    reference = sha256_of(tmp_path / "c" / "labelsTr" / "a.nii.gz")
    paths = {name: tmp_path / place for name, place in wanted.items()}
    out = paths.pop("out")
    with pytest.raises(BadInputError, match=words):
        segment_cohort(tmp_path / "c", out, **paths)
    assert finder.asked == []
    assert sha256_of(tmp_path / "c" / "labelsTr" / "a.nii.gz") == reference


def test_options_of_one_examination_do_not_go_with_a_cohort(tmp_path: Path) -> None:
    words = ["segment", "--cohort", str(tmp_path), "--out", str(tmp_path / "m"), "--adc", "adc.nii.gz"]
    assert main(words) == 2


def test_missing_maps_of_a_cohort_are_made_by_the_network_once_opened(tmp_path: Path, finder: Finder) -> None:
    cases = [case for case in open_cohort(cohort(tmp_path / "c")).cases if case.name != "sub-3"]
    said: list[str] = []
    ready = with_maps(cases, tmp_path / "maps", model="acute", say=said.append, progress=silent)
    assert [case.semantic_map for case in ready] == [
        tmp_path / "maps" / f"{name}_dseg.nii.gz" for name in ("sub-1", "sub-2")
    ]
    assert finder.opened == 1
    assert f"notice: sub-2: {DOUBT}" in said
    assert read_json(tmp_path / "maps" / "sub-1_dseg.json")["Model"]["Hash"] == finder.model_hash


def test_registration_stays_selectable() -> None:
    assert open_map_maker(REGISTRATION).record["Name"] == REGISTRATION


@pytest.mark.parametrize(
    ("shipped", "segments", "maps"),
    [(["acute", "threshold"], "acute", "acute"), (["threshold"], "threshold", REGISTRATION)],
)
def test_the_network_is_the_default_where_it_is_shipped(
    monkeypatch: pytest.MonkeyPatch, finder: Finder, shipped: list[str], segments: str, maps: str
) -> None:
    for module in ("maps", "single"):
        monkeypatch.setattr(f"StrokeSynthLib.pipeline.{module}.shipped_models", lambda: shipped)
    assert default_segmenter() == segments
    assert open_map_maker().record["Name"] == maps
