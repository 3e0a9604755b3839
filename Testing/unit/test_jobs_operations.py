"""What each request takes and answers: the same as the command line computes, on volumes in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from StrokeSynthLib import __version__
from StrokeSynthLib.anatomy import registration
from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.jobs.operations import OPERATIONS, find_operation
from StrokeSynthLib.jobs.operations.workshop import Workshop
from StrokeSynthLib.jobs.protocol import plain
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.territories import ARTERIES
from StrokeSynthLib.pipeline.synthesis import lesion_for_map
from StrokeSynthLib.progress import ProgressEvent
from StrokeSynthLib.segment import registry
from StrokeSynthLib.segment.segmenter import Prediction
from StrokeSynthLib.translate.registry import open_translator
from StrokeSynthLib.volume import Storage, Volume, read_volume, write_volume
from Testing.builders import small_head
from Testing.examinations import Examination
from Testing.unit import translate_phantom as phantom
from Testing.unit.jobs_builders import Ask, asker, fitted_translator, patient


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted_translator(tmp_path_factory.mktemp("jöbs model"))


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def ask(tmp_path: Path, workshop: Workshop) -> Ask:
    return asker(tmp_path, workshop)


class Finder:
    """A segmenter that marks the brightest voxels and makes a map."""

    kind, model_hash, engine = "unet", "abc", "a test"

    def predict(self, dwi: Volume, adc: Volume | None = None, **wanted: bool) -> Prediction:
        mask = dwi.with_array((dwi.array > 0.8 * dwi.array.max()).astype(np.uint8))
        gray = dwi.with_array((dwi.array / dwi.array.max()).astype(np.float32))
        made = wanted.get("semantic_map")
        semantic_map = dwi.with_array(Examination().semantic_map.array) if made else None
        doubt = gray if wanted.get("uncertainty") else None
        return Prediction(mask, gray, doubt, semantic_map, ("It is odd.",))


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for the networks; tells which were opened."""
    opened: list[str] = []

    def opener(name: str, device: str) -> Finder:
        opened.append(name)
        return Finder()

    monkeypatch.setattr(registry, "open_segmenter", opener)
    return opened


def small_map() -> Volume:
    head = small_head(3.0)
    return Volume(head.labels, head.affine, Storage("uint8"), Path("Kopf"))


@pytest.fixture
def standard_space(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The small head's own correspondence instead of a registration; tells how often it was needed."""
    asked: list[str] = []

    def known(semantic_map: Volume, name: str) -> Anatomy:
        asked.append(name)
        head = small_head(3.0)
        return Anatomy(semantic_map.canonical().array, head.affine, head.correspondence, name, head.record)

    monkeypatch.setattr(registration, "anatomy_of_map", known)
    return asked


# What there is


def test_hello_lists_what_the_registries_hold(ask: Ask, model: Path) -> None:
    from StrokeSynthLib.lesions.source import SOURCES
    from StrokeSynthLib.lesions.territories import TERRITORIES
    from StrokeSynthLib.modelfolder import shipped_models
    from StrokeSynthLib.segment.registry import SEGMENTERS
    from StrokeSynthLib.translate.registry import TRANSLATORS

    hello = ask("hello", folders=[str(model.parent), "/nowhere"])
    assert hello["version"] == __version__
    assert [entry["name"] for entry in hello["translators"]] == list(TRANSLATORS)
    assert [entry["name"] for entry in hello["segmenters"]] == list(SEGMENTERS)
    assert [entry["name"] for entry in hello["lesions"]] == list(SOURCES)
    assert [entry["name"] for entry in hello["territories"]] == list(TERRITORIES)
    assert {entry["name"] for entry in hello["models"] if entry["shipped"]} == set(shipped_models())
    (own,) = [entry for entry in hello["models"] if not entry["shipped"]]
    assert (own["role"], own["kind"], own["path"]) == ("translator", "physics", str(model))
    assert hello["device"]["reason"]
    assert "research" in hello["notice"].lower()


def test_a_bad_model_folder_is_listed_with_its_problem(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "models" / "bröken").mkdir(parents=True)
    (tmp_path / "models" / "bröken" / "model.json").write_text("{}", encoding="utf-8")
    (bad,) = [m for m in ask("hello", folders=[str(tmp_path / "models")])["models"] if not m["shipped"]]
    assert "bröken" in bad["problem"]
    assert bad["role"] == ""


def test_thorough_hello_has_computed_something(ask: Ask) -> None:
    device = ask("hello", thorough=True, device="cpu")["device"]
    assert device["tried"]
    assert "has computed a test image" in device["reason"]
    assert not ask("hello")["device"]["tried"]


def test_a_cohort_is_checked_case_by_case(ask: Ask, workshop: Workshop, tmp_path: Path) -> None:
    for name in ("sub-1", "sub-2"):
        folder = tmp_path / "Kohorte 1" / name / "dwi"
        folder.mkdir(parents=True)
        Examination().write(folder, f"{name}_{{role}}.nii.gz", "dwi", "adc")
    (tmp_path / "Kohorte 1" / "sub-2" / "dwi" / "sub-2_adc.nii.gz").write_bytes(b"no image")
    events: list[ProgressEvent] = []
    workshop.progress = events.append
    found = ask("check_cohort", cohort=str(tmp_path / "Kohorte 1"))
    assert [(case["name"], case["usable"]) for case in found["cases"]] == [("sub-1", True), ("sub-2", False)]
    assert found["unusable"] == 1
    (finding,) = [f for f in found["findings"] if f["severity"] == "error"]
    assert "sub-2_adc.nii.gz" in finding["sentence"]
    assert events[-1].done == events[-1].total == 2


# Segmenting


def test_segment_gives_mask_table_record_and_doubts(ask: Ask, finder: list[str]) -> None:
    case = Examination()
    found = ask("segment", dwi=case.dwi, adc=case.adc, model="acute")
    inside = case.dwi.array > 0.8 * case.dwi.array.max()
    np.testing.assert_array_equal(found["mask"].array, inside)
    np.testing.assert_array_equal(found["mask"].affine, case.dwi.affine)
    assert found["volume_ml"] == pytest.approx(inside.sum() * 16 / 1000, abs=1e-3)
    assert found["probability"] is found["uncertainty"] is found["map"] is found["territories_ml"] is None
    assert found["unlike"] == ["It is odd."]
    assert found["record"]["Model"]["Hash"] == "abc"
    assert set(found["record"]["Parents"]) == {"DWI", "ADC"}


def test_segment_gives_what_is_wanted_too(ask: Ask, finder: list[str]) -> None:
    case = Examination()
    found = ask("segment", dwi=case.dwi, model="acute", want=["probability", "uncertainty", "map"])
    assert found["probability"].array.max() == 1
    assert found["uncertainty"].array.dtype == np.float32
    np.testing.assert_array_equal(found["map"].array, case.semantic_map.array)


def test_lesions_of_a_part_of_a_head_are_found_without_territories(ask: Ask, finder: list[str]) -> None:
    case = Examination()  # 51 ml of brain, which cannot be placed in standard space
    found = ask("segment", dwi=case.dwi, adc=case.adc, model="acute", want=["territories"])
    assert found["lesions"]
    assert found["territories_ml"] is None
    assert any(text.startswith("No territories can be named: ") for text in found["notices"])


def test_adc_in_another_unit_is_converted_with_a_notice(
    ask: Ask, workshop: Workshop, finder: list[str]
) -> None:
    case, said = Examination(), []
    workshop.say = said.append
    adc = replace(case.adc, array=case.adc.array * 1000, source=Path("ADC von heute"))
    found = ask("segment", dwi=case.dwi, adc=adc, model="acute")
    assert any("ADC von heute" in text and "10^-6" in text for text in found["notices"])
    assert said == [f"notice: {text}" for text in found["notices"]]


def test_a_model_stays_open_until_its_folder_changes(ask: Ask, finder: list[str], model: Path) -> None:
    case = Examination()
    for _ in range(2):
        ask("segment", dwi=case.dwi, model=str(model))
    assert len(finder) == 1
    record = model / "model.json"
    content = record.read_bytes()
    record.unlink()
    record.write_bytes(content)
    ask("segment", dwi=case.dwi, model=str(model))
    assert len(finder) == 2
    ask("unload")
    ask("segment", dwi=case.dwi, model=str(model))
    assert len(finder) == 3


def test_image_that_cannot_be_used_is_named(ask: Ask, finder: list[str]) -> None:
    dark = replace(Examination().dwi, array=np.zeros((24, 28, 14), np.float32), source=Path("Serie 3"))
    with pytest.raises(BadInputError, match="Serie 3"):
        ask("segment", dwi=dark, model="acute")


def test_map_is_made_by_the_network_that_is_open(ask: Ask, finder: list[str]) -> None:
    case = Examination()
    made = ask("map", dwi=case.dwi, adc=case.adc, model="acute")
    np.testing.assert_array_equal(made["map"].array, case.semantic_map.array)
    assert made["record"]["Kind"] == "semantic map"
    assert made["unlike"] == ["It is odd."]


# The table


def two_lesions() -> tuple[Volume, Volume]:
    semantic_map = small_map()
    mask = np.zeros(semantic_map.array.shape, np.uint8)
    points = np.argwhere(semantic_map.array == 2)  # right white matter
    x, y, z = points[len(points) // 2]
    mask[x - 2 : x + 2, y - 2 : y + 2, z - 2 : z + 2] = 1
    mask[3, 3, 3] = 1
    return semantic_map, Volume(mask, semantic_map.affine)


def test_table_has_the_largest_first_and_no_territory_without_a_map(ask: Ask) -> None:
    _, mask = two_lesions()
    table = ask("table", mask=mask)
    assert [row["number"] for row in table["lesions"]] == [1, 2]
    assert [row["volume_ml"] for row in table["lesions"]] == pytest.approx([64 * 0.027, 0.027])
    assert table["volume_ml"] == pytest.approx(65 * 0.027)
    assert table["territories_ml"] is None
    place = mask.affine[:3, :3] @ [3, 3, 3] + mask.affine[:3, 3]
    assert table["lesions"][1]["center"] == pytest.approx(place.tolist())


def test_table_names_territory_and_side_with_a_map(ask: Ask, standard_space: list[str]) -> None:
    semantic_map, mask = two_lesions()
    table = ask("table", mask=mask, map=semantic_map)
    first = table["lesions"][0]
    assert first["side"] == "right"
    assert first["part"] in ARTERIES[first["territory"]]
    assert next(iter(table["territories_ml"])) == first["territory"]
    assert sum(table["territories_ml"].values()) == pytest.approx(table["volume_ml"], rel=0.02)
    ask("table", mask=mask, map=semantic_map)
    assert standard_space == ["Kopf"], "the map is placed once"


def test_table_of_an_empty_mask_is_empty(ask: Ask, standard_space: list[str]) -> None:
    semantic_map, mask = two_lesions()
    table = ask("table", mask=replace(mask, array=0 * mask.array), map=semantic_map)
    assert (table["volume_ml"], table["lesions"], table["territories_ml"]) == (0, [], {})


def test_agreement_with_a_reference_in_another_axis_order(ask: Ask) -> None:
    _, mask = two_lesions()
    turned = Volume(mask.array[::-1].copy(), mask.affine @ np.diag([-1.0, 1, 1, 1]))
    turned.affine[:3, 3] = mask.affine[:3, :3] @ [mask.array.shape[0] - 1, 0, 0] + mask.affine[:3, 3]
    scores = ask("agreement", reference=mask, mask=turned)
    assert scores["dice"] == 1
    assert scores["false_positive_ml"] is None, "not defined where there is a lesion"
    assert scores["notices"]


# Lesions and images


def test_lesion_is_the_one_that_the_command_line_makes(
    ask: Ask, standard_space: list[str], tmp_path: Path
) -> None:
    write_volume(tmp_path / "map.nii.gz", small_map())
    request = LesionRequest("MCA", "left", 3.0)
    entries = lesion_for_map(tmp_path / "map.nii.gz", tmp_path / "mask.nii.gz", request, None, seed=4)
    made = ask("lesion", map=small_map(), territory="MCA", side="left", volume_ml=3.0, seed=4)
    np.testing.assert_array_equal(made["mask"].array, read_volume(tmp_path / "mask.nii.gz").array)
    assert made["volume_ml"] == entries["VolumeMl"] == pytest.approx(3.0, rel=0.06)
    assert (made["territory"], made["side"]) == ("MCA", "left")


def test_lesion_of_an_unknown_territory_lists_those_there_are(ask: Ask, standard_space: list[str]) -> None:
    with pytest.raises(BadInputError, match="basilar"):
        ask("lesion", map=small_map(), territory="Amazonas")


def test_synthesize_draws_what_the_translator_draws(ask: Ask, model: Path) -> None:
    drawn = ask(
        "synthesize", model=str(model), map=phantom.map_volume(), lesion=phantom.lesion_volume(), seed=9
    )
    images = open_translator(model).translate(phantom.map_volume(), phantom.lesion_volume(), seed=9)
    for channel in ("dwi", "adc", "b0"):
        np.testing.assert_array_equal(drawn[channel].array, getattr(images, channel).array)
    assert drawn["record"] == json.loads(json.dumps(plain(images.record)))
    assert drawn["record"]["Synthetic"] is True


def test_background_keeps_unit_and_values_of_the_patients_adc(ask: Ask, model: Path) -> None:
    dwi, adc = patient()
    drawn = ask(
        "synthesize", model=str(model), map=phantom.map_volume(), lesion=phantom.lesion_volume(),
        background=dwi, background_adc=adc,
    )  # fmt: skip
    assert drawn["adc_unit"] == "10^-6 mm^2/s"
    changed = drawn["adc"].array != adc.array
    lesion = phantom.lesion_mask() > 0
    assert changed[lesion].mean() > 0.9
    assert not changed[:, :, :2].any()
    assert 300 < np.median(drawn["adc"].array[lesion]) < 900
    assert drawn["record"]["OutsideLesion"]["ADC"] == "patient"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lesion": None}, "There is no lesion"),
        ({"background": None}, "The background has no DWI"),
        ({"background": Examination().dwi, "background_adc": None}, "lies on another grid"),
        ({"lesion": Examination().lesion}, "its grid"),
    ],
)
def test_what_does_not_fit_the_map_is_refused(
    ask: Ask, model: Path, change: dict[str, Any], words: str
) -> None:
    dwi, adc = patient()
    given = {"lesion": phantom.lesion_volume(), "background": dwi, "background_adc": adc, **change}
    with pytest.raises(BadInputError, match=words):
        ask("synthesize", model=str(model), map=phantom.map_volume(), **given)


# Arguments


@pytest.mark.parametrize(
    ("do", "args", "words"),
    [
        ("fly", {}, "is no operation"),
        ("segment", {}, "needs dwi"),
        ("segment", {"dwi": 3}, "dwi is not a volume"),
        ("segment", {"dwi": Examination().dwi, "wish": 1}, "does not know wish"),
        ("segment", {"dwi": Examination().dwi, "want": ["all"]}, "not all"),
        ("segment", {"dwi": Examination().dwi, "b_value": True}, "b_value is not a number"),
        ("segment", {"dwi": Examination().dwi, "b_value": 3}, "b-value"),
        ("segment", {"dwi": Examination().dwi, "model": 7}, "model is not text"),
        ("synthesize", {"map": phantom.map_volume()}, "needs model"),
        ("synthesize", {"model": "x", "map": phantom.map_volume(), "seed": -1}, "seed"),
        ("synthesize", {"model": "nö model", "map": phantom.map_volume()}, "nö model"),
        ("synthesize", {"model": "x", "map": Examination().dwi}, "label map"),
        ("preview_slices", {"session": "s", "slices": "all"}, "not open"),
        ("check_cohort", {"cohort": ""}, "needs cohort"),
        ("hello", {"thorough": 1}, "true or false"),
        ("hello", {"folders": "x"}, "list of texts"),
    ],
)
def test_wrong_requests_are_refused_in_one_sentence(
    ask: Ask, do: str, args: dict[str, Any], words: str
) -> None:
    with pytest.raises(StrokeSynthError) as refusal:
        ask(do, **args)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_null_is_the_same_as_not_given(ask: Ask, finder: list[str]) -> None:
    case = Examination()
    assert ask("segment", dwi=case.dwi, adc=None, model="acute", want=None)["mask"] is not None


def test_every_operation_is_there_and_documented() -> None:
    pages = (Path(__file__).resolve().parents[2] / "docs" / "jobs.md").read_text(encoding="utf-8")
    for name in OPERATIONS:
        assert find_operation(name).__doc__
        assert f"### `{name}`" in pages
