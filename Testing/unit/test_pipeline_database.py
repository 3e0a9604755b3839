"""A database from end to end: the cases, their tries, the data sheet, the pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.evaluate.recoverable import recoverable
from StrokeSynthLib.files import read_json
from StrokeSynthLib.pipeline.database import DatabaseRecipe, make_database
from StrokeSynthLib.pipeline.datasheet import COLUMNS, write_datasheet
from StrokeSynthLib.pipeline.production import MadeCase
from StrokeSynthLib.pipeline.wishes import LesionWishes
from StrokeSynthLib.study.mosaic import write_contact_sheets
from StrokeSynthLib.translate.diversity import pairwise_ssim, seed_diversity
from StrokeSynthLib.translate.registry import open_translator, train_translator
from Testing.unit import translate_phantom as phantom
from Testing.unit.test_pipeline_production import contents

CASES = 4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return train_translator("physics", phantom.write_cohort(folder / "cohort", 2), folder / "clinic").path


@pytest.fixture(scope="module")
def database(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("database") / "synthetic"
    status = main(
        ["database", "--model", str(model), "--cases", str(CASES), "--out", str(out), "--seed", "4",
         "--lesion-free", "0.3", "--side", "left", "--volume-ml", "10", "60", "--progress", "none"]
    )  # fmt: skip
    assert status == 0
    return out


def test_two_processes_that_were_interrupted_write_the_same_bytes(
    database: Path, model: Path, tmp_path: Path
) -> None:
    recipe = DatabaseRecipe(
        str(model), lesion_free=0.3, seed=4, wishes=LesionWishes((), ("left",), (10.0, 60.0))
    )
    out = tmp_path / "two"
    make_database(out, 2, recipe)
    made = make_database(out, CASES, recipe, resume=True, workers=2)
    assert (made.made, made.kept) == (CASES - 2, 2)
    write_contact_sheets(open_cohort(out), out)
    assert contents(out) == contents(database)


def test_every_lesion_can_be_seen_and_lies_where_it_was_asked_for(database: Path) -> None:
    seen = 0
    for files in open_cohort(database).cases:
        case = load_case(files)
        sidecar = read_json(Path(str(files.dwi).replace(".nii.gz", ".json")))
        assert sidecar["Grid"]["shape"] == list(case.dwi.array.shape)
        assert case.semantic_map is not None
        assert case.lesion is not None
        if not case.lesion_ml:
            assert "Tries" not in sidecar
            assert "Requested" not in sidecar
            continue
        seen += 1
        assert recoverable(case.dwi, case.adc, case.semantic_map, case.lesion).recovered
        assert sidecar["Tries"][-1]["recovered"] is True
        assert sidecar["Requested"]["side"] == sidecar["Lesion"]["side"] == "left"
        assert 10 <= sidecar["Requested"]["volume_ml"] <= 60
    assert seen >= 1


def test_the_data_sheet_counts_what_is_there(database: Path) -> None:
    sheet = read_json(database / "datasheet.json")
    volumes = [load_case(files).lesion_ml for files in open_cohort(database).cases]
    assert sheet["cases"] == CASES
    assert sheet["lesion_free"]["cases"] == volumes.count(0.0)
    assert sheet["lesion_volume_ml"]["p50"] == pytest.approx(np.median([v for v in volumes if v]), rel=1e-3)
    assert sheet["asked_and_got"]["side"] == 1.0
    rejection = sheet["rejection"]
    assert rejection["images_tested"] - rejection["images_refused"] == CASES - volumes.count(0.0)
    rows = [line.split("\t") for line in (database / "datasheet.tsv").read_text().splitlines()]
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == CASES + 1
    page = (database / "datasheet.md").read_text()
    assert sheet["model"]["hash"] in page
    assert "No image is a patient's" in page
    ignored = (database / ".bidsignore").read_text()
    assert "datasheet.*" in ignored
    assert "contact_sheet_*.png" in ignored


def test_the_command_of_the_data_sheet_is_understood(database: Path) -> None:
    from StrokeSynthLib.cli import build_parser
    from StrokeSynthLib.commands.database import recipe_of

    words = read_json(database / "datasheet.json")["command"].split()[1:]
    recipe = recipe_of(build_parser().parse_args(words))
    assert (recipe.seed, recipe.lesion_free, recipe.wishes.volume_ml) == (4, 0.3, (10.0, 60.0))


def test_contact_sheets_hold_every_case_page_by_page(database: Path, tmp_path: Path) -> None:
    (tmp_path / "contact_sheet_009.png").touch()
    pages = write_contact_sheets(open_cohort(database), tmp_path, each=3)
    assert [page.name for page in pages] == ["contact_sheet_001.png", "contact_sheet_002.png"]
    assert sorted(tmp_path.iterdir()) == pages, "a page of a larger set is gone"


def test_refused_images_show_in_the_data_sheet(tmp_path: Path) -> None:
    """The sheet is read from the sidecars, so tries of any kind can be written for it."""
    tries = [
        [{"lesion": 1, "image": 1, "recovered": True, "dwi_auc": 0.9, "volume_ml": 5.0}],
        [
            {"lesion": 1, "image": 1, "recovered": False, "reason": "not brighter than the tissue around",
             "dwi_auc": 0.6, "volume_ml": 0.4},
            {"lesion": 2, "recovered": False, "reason": "lost on the image's grid"},
            {"lesion": 3, "image": 1, "recovered": True, "dwi_auc": 0.8, "volume_ml": 7.0},
        ],
    ]  # fmt: skip
    for number, tried in enumerate(tries, 1):
        folder = tmp_path / f"sub-{number:04d}" / "dwi"
        folder.mkdir(parents=True)
        content = {"LesionVolumeMl": 5.0, "Tries": tried, "Requested": {}, "DiffusionBValue": 1000}
        (folder / f"sub-{number:04d}_trace.json").write_text(json.dumps(content))
    (tmp_path / "dataset_description.json").write_text(json.dumps({"StrokeSynth": {"Settings": {}}}))
    found = write_datasheet(tmp_path, "simulated")["rejection"]
    assert (found["images_tested"], found["images_refused"], found["first_image_kept"]) == (3, 1, 1)
    assert found["image_rejection_rate"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["lesions_given_up"] == 2
    assert found["given_up_volume_ml"]["p50"] == 0.4
    assert found["reasons"] == {"not brighter than the tissue around": 1, "lost on the image's grid": 1}


def test_the_users_maps_keep_their_grids(database: Path, model: Path, tmp_path: Path) -> None:
    recipe = DatabaseRecipe(str(model), maps=database / "derivatives", lesion_free=1.0, seed=1)
    make: list[MadeCase] = [recipe.maker()(number) for number in (1, 2)]
    grids = {files.name: load_case(files).grid for files in open_cohort(database).cases}
    for case in make:
        assert case.dwi.grid.matches(grids[case.person])
    assert make[0].person != make[1].person, "each map has its turn before one comes again"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"maps": Path("maps"), "anatomies": Path("heads")}, "--maps and --anatomies"),
        ({"maps": Path("nowhere")}, "nowhere: no such folder"),
    ],
)
def test_what_cannot_be_meant_is_refused(model: Path, options: dict[str, Path], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        DatabaseRecipe(str(model), **options).maker()


def test_seeds_differ_and_how_much_is_measured(model: Path) -> None:
    translator = open_translator(model)
    found = seed_diversity(translator, phantom.map_volume(), phantom.lesion_volume(), (1, 2, 3))
    assert 0.05 < found.dwi_ssim < 0.98
    assert found.seeds == 3
    with pytest.raises(BadInputError, match="two seeds"):
        seed_diversity(translator, phantom.map_volume(), None, (1, 1))
    image = np.random.default_rng(0).random(phantom.SHAPE).astype(np.float32)
    assert pairwise_ssim([image, image], image > 0) == pytest.approx(1.0)


class Verdict:
    """An audit that has been done."""

    def __init__(self, passed: bool) -> None:
        self.passed = passed
        self.failed = [] if passed else ["image copies"]
        self.unanswered = ["closer to training"]

    def to_json(self) -> dict[str, bool]:
        return {"passed": self.passed}


@pytest.mark.parametrize(
    ("passed", "required", "status"), [(True, True, 0), (False, True, 1), (False, False, 0)]
)
def test_a_required_audit_that_is_not_passed_ends_it_before_the_copy(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: bool, required: bool, status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("monai", reason="needs the extra 'train'")
    asked = []
    monkeypatch.setattr("StrokeSynthLib.pipeline.audit_cohorts.LEAST_PERSONS", 2)
    monkeypatch.setattr(
        "StrokeSynthLib.pipeline.audit.audit",
        lambda request, progress: asked.append(request) or Verdict(passed),
    )
    monkeypatch.setattr("StrokeSynthLib.study.audit_page.write_page", lambda path, found: path.touch())
    out, copy, real = tmp_path / "cases", tmp_path / "copy", model.parent / "cohort"
    words = ["database", "--model", str(model), "--cases", "1", "--out", str(out), "--nnunet", str(copy)]
    words += ["--audit-against", str(real), "--progress", "none", *["--require-audit"] * required]
    assert main(words) == status
    assert (asked[0].synthetic, asked[0].training, asked[0].model) == (out, real, str(model))
    assert json.loads((out / "audit.json").read_text()) == {"passed": passed}
    assert copy.exists() == (status == 0)
    said = "".join(capsys.readouterr())
    verdict = (
        "passed (not answered: closer to training)" if passed else "did not pass the audit: image copies"
    )
    assert verdict in said


def test_an_audit_cannot_be_required_of_nothing(model: Path, tmp_path: Path) -> None:
    words = [
        "database",
        "--model",
        str(model),
        "--cases",
        "1",
        "--out",
        str(tmp_path / "a"),
        "--require-audit",
    ]
    assert main(words) == 2
    assert main([*words, "--audit-against", str(tmp_path / "nowhere")]) == 2
    assert not (tmp_path / "a").exists()


def test_what_an_audit_would_refuse_is_refused_before_a_case_is_made(
    model: Path, database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("monai", reason="needs the extra 'train'")
    out, few = tmp_path / "a", model.parent / "cohort"
    many = phantom.write_cohort(tmp_path / "many", 6)[0].dwi.parents[1]

    def refused(*options: object) -> str:
        words = ["database", "--model", model, "--cases", "2", "--out", out, "--progress", "none", *options]
        assert main([*map(str, words)]) == 2
        assert not out.exists()
        return capsys.readouterr().err

    assert "holds 2 people; an audit needs 6" in refused("--audit-against", few)
    assert f"2 people are in {many} as well" in refused("--audit-against", many, "--audit-holdout", few)
    assert "give each cohort its own folder" in refused("--audit-against", many, "--audit-holdout", many)
