"""The head-to-head of translators: what its pieces depend on, its control, what a piece cost, its report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.files import read_json, write_json
from StrokeSynthLib.modelfolder import open_model
from StrokeSynthLib.progress import ProgressEvent
from StrokeSynthLib.provenance import sidecar_path
from Testing.Benchmarks import head_to_head, head_to_head_clock, head_to_head_report, head_to_head_row
from Testing.Benchmarks import head_to_head_tables as tables
from Testing.Benchmarks.head_to_head import CLINICAL, HEALTHY, PHYSICS, Plan
from Testing.unit import translate_phantom as phantom


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path / "cohorts", tmp_path / "work", cases=2, database=3)


def put(plan: Plan, kind: str, seed: int, name: str, found: dict[str, object]) -> None:
    path = plan.piece(kind, seed, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"settings": plan.settings(name, kind), "found": found})


def test_pieces_of_networks_depend_on_width_and_sampling_steps(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("training", "database"):
        put(plan, "rflow", 0, name, {"cpu_s": 1.0})
    assert plan.read("rflow", 0, "database") == {"cpu_s": 1.0}
    monkeypatch.setitem(head_to_head.SAMPLING_STEPS, "rflow", 5)
    assert plan.read("rflow", 0, "training") is not None
    with pytest.raises(SystemExit, match="sampling_steps"):
        plan.read("rflow", 0, "database")
    monkeypatch.setitem(head_to_head.WIDTHS, "rflow", 99)
    with pytest.raises(SystemExit, match="channels"):
        plan.read("rflow", 0, "training")


@pytest.mark.parametrize("kind", [CLINICAL, HEALTHY, PHYSICS, "copypaste"])
def test_pieces_without_a_network_depend_on_neither(plan: Plan, kind: str) -> None:
    for name in ("training", "database", "images", "utility with"):
        assert plan.settings(name, kind) == plan.settings(name)


def test_the_map_alone_has_its_own_sampling_steps(plan: Plan) -> None:
    assert plan.settings("images", "rflow_map")["sampling_steps"] == 8
    assert plan.settings("images", "spade_map")["sampling_steps"] is None
    assert plan.settings("images", "spade_map")["channels"] == head_to_head.WIDTHS["spade"]


def test_pieces_say_what_code_made_them(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_to_head_row, "pieces_of", lambda *_: {"seeds": lambda *_: {"dwi_ssim": 0.5}})
    assert head_to_head.make_row(plan, PHYSICS, 0, "score")
    content = read_json(plan.piece(PHYSICS, 0, "seeds"))
    assert content["code"] == head_to_head_clock.code_state()
    assert plan.read(PHYSICS, 0, "seeds") == {"dwi_ssim": 0.5}


def test_the_control_and_physics_are_never_worked_on_at_once() -> None:
    assert head_to_head._needs((HEALTHY, 1, "database")) == head_to_head._needs((PHYSICS, 1, "train"))
    assert head_to_head._needs((HEALTHY, 1, "database")) != head_to_head._needs((PHYSICS, 0, "train"))


def test_the_control_has_no_lesion_and_the_anatomies_of_physics(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = phantom.write_cohort(plan.cohorts / "clinic", 2)
    monkeypatch.setattr(Plan, "clinic", lambda *_: cases)
    found = head_to_head_row.database(plan, HEALTHY, 0)  # trains physics, which is missing
    model = head_to_head_row.model_folder(plan, PHYSICS, 0)
    trained = open_model(model).hash
    head_to_head_row.training(plan, PHYSICS, 0)
    head_to_head_row.database(plan, PHYSICS, 0)
    assert open_model(model).hash == trained
    assert found["lesion_volume_ml"] is None
    assert found["rejection"]["cases_with_lesion"] == 0
    healthy, other = (open_cohort(plan.work / "databases" / f"{kind}-0").cases for kind in (HEALTHY, PHYSICS))
    assert len(healthy) == len(other) == plan.database
    ill = 0
    for first, second in zip(map(load_case, healthy), map(load_case, other), strict=True):
        assert not first.lesion_ml
        ill += second.lesion_ml > 0
        assert first.semantic_map is not None
        assert second.semantic_map is not None
        assert (first.semantic_map.array == second.semantic_map.array).all()
    assert ill


def test_cpu_seconds_go_on_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"cpu": 0.0, "wall": 0.0}
    monkeypatch.setattr(head_to_head_clock.time, "process_time", lambda: now["cpu"])
    monkeypatch.setattr(head_to_head_clock.time, "monotonic", lambda: now["wall"])
    clock = head_to_head_clock.Clock(tmp_path / "clock.json")
    now |= {"cpu": 20.0, "wall": 40.0}
    clock.show(ProgressEvent("Making", 1, 3))
    now |= {"cpu": 25.0, "wall": 45.0}
    clock.show(ProgressEvent("Making", 2, 3))  # not yet written down again when it is killed
    now |= {"cpu": 1.0, "wall": 100.0}
    again = head_to_head_clock.Clock(tmp_path / "clock.json")
    now |= {"cpu": 8.0}
    again.keep()
    assert again.before == pytest.approx(27.0)
    assert read_json(tmp_path / "clock.json")["cpu_s"] == pytest.approx(27.0)


def test_the_report_leaves_out_what_was_made_with_other_settings(plan: Plan) -> None:
    put(plan, "spade", 0, "training", {"cpu_s": 1.0, "steps": 3})
    put(plan, "spade", 1, "training", {"cpu_s": 900.0, "steps": 3})
    path = plan.piece("spade", 1, "training")
    content = read_json(path)
    del content["settings"]["channels"]
    write_json(path, content)
    rows, left_out = head_to_head_report.read_rows(plan)
    assert list(rows["spade"]) == [0]
    assert left_out == ["- spade, seed 1: made with other settings, left out: training."]


def test_what_is_marked_without_a_lesion_is_scored_on_every_such_case(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = ("b0", "adc", "lesion", "map")
    lesions = (1.0, 0.0, 2.0, 0.0, 0.0)
    for seed, ml in enumerate(lesions):
        files = phantom.write_case(plan.cohorts / "test-1" / f"sub-{seed}", seed, parts=parts)
        write_json(sidecar_path(files.dwi), {"LesionVolumeMl": ml})
    cases = [phantom_files(plan.cohorts / "test-1" / f"sub-{seed}") for seed in range(len(lesions))]
    monkeypatch.setattr(head_to_head, "_cases", lambda _: tuple(cases))
    few = replace(plan, test_each=2)
    assert [files.name for files in few.test()] == ["1_sub-0", "1_sub-1"]
    assert [files.name for files in few.without_lesion()] == ["1_sub-1", "1_sub-3", "1_sub-4"]


def phantom_files(folder: Path) -> CaseFiles:
    return CaseFiles(folder.name, folder.name, folder / "dwi.nii.gz", folder / "adc.nii.gz", None, None, None)


def scored(*dice: float, **others: float) -> dict[str, object]:
    scores = {f"case-{n}": {"dice": v, "lesion_f1": v} | others for n, v in enumerate(dice)}
    return {"scores": scores}


def test_cells_of_fewer_seeds_than_their_row_say_how_many() -> None:
    rows: tables.Rows = {
        "spade": {
            0: {"training": {"cpu_s": 800.0, "steps": 5, "parameters": 126000, "channels": 5, "batch": 4}},
            1: {"training": {"cpu_s": 900.0, "steps": 5}, "database": {"cpu_s": 70.0}},
        },
        CLINICAL: {0: {"images": {"ms_ssim": 0.2}}},
    }
    lines = tables.table(tables.with_networks(rows), tables.TIME).splitlines()
    assert lines[2] == (
        "| spade | 2 | 5 (n=1) | 4 (n=1) | 126 (n=1) | 5 | - | 850 [800, 900] | - | - | 70 (n=1) |"
    )
    assert len(lines) == 3


def test_rows_of_other_people_say_so_and_the_scans_are_the_reference() -> None:
    rows: tables.Rows = {
        CLINICAL: {0: {"images": {"recoverable": 0.85}, "scans": {"recoverable": 1.0}}},
        PHYSICS: {0: {"images": {"recoverable": 0.9}}},
        "copypaste": {0: {"images": {"recoverable": 0.95}}},
    }
    lines = tables.table(tables.with_scans(rows), tables.LESIONS[:1], marked=True).splitlines()[2:]
    assert lines == [
        "| simulated scans | 1 | 1.00 |",
        "| clinical (other people) | 1 | 0.85 |",
        "| physics | 1 | 0.90 |",
        "| copypaste (other people) | 1 | 0.95 |",
    ]


def test_one_training_has_a_table_of_its_own_that_says_what_its_intervals_lack() -> None:
    rows: tables.Rows = {
        CLINICAL: {s: {"utility clinical": scored(0.4, 0.5)} for s in (0, 1)},
        HEALTHY: {s: {"utility with": scored(0.5, 0.6)} for s in (0, 1)},
        PHYSICS: {s: {"utility with": scored(0.6, 0.7)} for s in (0, 1, 2)},
        "spade": {1: {"utility with": scored(0.3, 0.4), "empty with": scored(1.0, false_positive_ml=2.5)}},
    }
    several, single = tables.utility(rows).split("\n\nOne training")
    assert single.startswith(", 95 % intervals over cases only: they hold no variance between trainings:")
    assert "spade" not in several
    assert "physics" not in single
    healthy, physics = several.splitlines()[5:7]
    assert healthy.split("|")[4:6] == [" 10.0 [10.0, 10.0] ", " - "]
    assert physics.split("|")[4:6] == [" 20.0 [20.0, 20.0] (n=2) ", " 10.0 [10.0, 10.0] (n=2) "]
    assert single.splitlines()[-1].split("|")[4:6] == [" -10.0 [-10.0, -10.0] ", " -20.0 [-20.0, -20.0] "]
    assert single.splitlines()[-1].endswith("| 2.50 [2.50, 2.50] |")
    assert "in the 1 examinations" in tables.without_lesion(rows)


def test_what_networks_cost_is_said() -> None:
    rows: tables.Rows = {
        "pix2pix": {0: {"training": {"cpu_s": 500.0, "steps": 7}}},
        "cyclegan_map": {0: {"training": {"cpu_s": 1000.0, "steps": 7}}},
        PHYSICS: {0: {"training": {"cpu_s": 40.0}}},
    }
    said = tables.cost(rows)
    assert "equal steps, not equal CPU seconds" in said
    assert "from 500 (pix2pix) to 1000 s (cyclegan, map alone), a factor of 2.0" in said
    rows["pix2pix"][0]["training"]["steps"] = 6
    assert "neither equal steps" in tables.cost(rows)
    assert tables.sampling(rows) == ""
    assert "`rflow` draws with 4 sampling steps here" in tables.sampling({"rflow": {}})


def test_the_report_is_written_from_pieces_alone(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "test", lambda _: [])
    put(plan, CLINICAL, 0, "utility clinical", scored(0.4, 0.5))
    put(plan, CLINICAL, 0, "scans", {"ms_ssim": 0.2, "recoverable": 1.0})
    put(plan, HEALTHY, 0, "database", {"cpu_s": 4.0, "failed": "", "rejection": {"lesions_given_up": 0}})
    put(plan, HEALTHY, 0, "utility with", scored(0.5, 0.6))
    put(plan, "spade_map", 0, "training", {"cpu_s": 800.0, "steps": 5})
    tmp_path.joinpath("head_to_head.md").write_text("by hand")
    head_to_head_report.write_report(plan, tmp_path)
    page = tmp_path.joinpath("head_to_head.md").read_text()
    assert "by hand" not in page
    assert "| clinical and healthy | 1 |" in page
    assert "| healthy | 1 | - | - | - | - | - | - | - | - | 4 |" in page
    lesions = page.split("## Lesions")[1].split("##")[0]
    assert "| simulated scans | 1 | 1.00 |" in lesions
    assert "| healthy |" not in lesions
    assert "Not run: physics, pix2pix, spade, rflow" in page
    assert "not written down: clinical, healthy, spade, map alone." in page
    content = read_json(tmp_path / "head_to_head.json")
    assert content["networks"] == {
        "spade_map": {"channels": head_to_head.WIDTHS["spade"], "sampling_steps": None}
    }
    assert content["rows"][CLINICAL]["0"]["scans"]["recoverable"] == 1.0


def test_a_report_of_utility_alone_has_a_name_of_its_own_and_no_empty_tables(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "test", lambda _: [])
    put(plan, CLINICAL, 0, "utility clinical", scored(0.4, 0.5))
    tmp_path.joinpath("head_to_head.md").write_text("of 50 cases")
    head_to_head_report.write_report(plan, tmp_path, "few_cases")
    page = tmp_path.joinpath("few_cases.md").read_text()
    assert "| clinical cases | 1 |" in page
    assert "Images were not compared here." in page
    assert "## Realism" not in page
    assert not tmp_path.joinpath("few_cases.png").exists()
    assert tmp_path.joinpath("head_to_head.md").read_text() == "of 50 cases"
