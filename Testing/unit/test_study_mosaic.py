"""A cohort on one picture: what stands where, for a check by eye; and the copy for nnU-Net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from StrokeSynthLib.cli import main
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.writer import CohortWriter
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.jobs.exchange import Exchange
from StrokeSynthLib.jobs.operations import find_operation
from StrokeSynthLib.jobs.operations.arguments import Arguments
from StrokeSynthLib.jobs.operations.workshop import Workshop
from StrokeSynthLib.pipeline.database import check_nnunet_copy
from StrokeSynthLib.pipeline.training import trainings
from StrokeSynthLib.provenance import record
from StrokeSynthLib.segment.registry import SEGMENTERS
from StrokeSynthLib.study.lettering import lettered
from StrokeSynthLib.study.mosaic import columns_for, png, spread, write_mosaic
from StrokeSynthLib.translate.registry import TRANSLATORS
from Testing.unit.segment_builders import examination

ORANGE = np.array([0xE8, 0xA3, 0x3D])


def cohort(folder: Path, count: int = 3, radius: float = 16.0) -> Path:
    """A cohort of small examinations in BIDS layout."""
    writer = CohortWriter(folder, description={"Name": "test"})
    for seed in range(1, count + 1):
        case = examination(seed, lesion_radius=radius)
        writer.write(
            f"sub-{seed:04d}", f"sub-{seed:04d}", dwi=case.dwi, adc=case.adc, b0=None, lesion=case.lesion,
            semantic_map=None, b_value=1000.0, record=record(synthetic=True),
        )  # fmt: skip
    writer.finish()
    return folder


def read(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_each_case_shows_its_lesion_on_the_side_where_a_radiologist_looks_for_it(tmp_path: Path) -> None:
    for seed in (1, 2, 3, 4):
        folder = tmp_path / f"cohort {seed}"
        writer = CohortWriter(folder, description={"Name": "test"})
        case = examination(seed)
        writer.write("sub-1", "sub-1", dwi=case.dwi, adc=case.adc, b0=None, lesion=case.lesion,
                     semantic_map=None, b_value=1000.0, record=record(synthetic=True))  # fmt: skip
        writer.finish()
        picture = read(write_mosaic(open_cohort(folder), tmp_path / f"{seed}.png").path)
        rows, columns = np.nonzero((picture == ORANGE).all(-1))
        middle = picture.shape[1] * 3 / 4  # of the right one of the two pictures
        x, y, _ = np.argwhere(case.lesion.array > 0).mean(0) - (np.array(case.lesion.array.shape) - 1) / 2
        assert (columns.mean() < middle) == (x > 0), "the patient's right is on the left"
        if abs(y) > 1:
            assert (rows.mean() < 86) == (y > 0), "the front is up"


def test_the_lesion_is_bright_on_the_left_picture_and_outlined_on_the_right(tmp_path: Path) -> None:
    picture = read(write_mosaic(open_cohort(cohort(tmp_path / "c", 1)), tmp_path / "m.png").path).astype(int)
    rows, columns = np.nonzero((picture == ORANGE).all(-1))
    half = 160
    assert (picture[int(rows.mean()), int(columns.mean())] != ORANGE).any(), "the lesion is not covered"
    inside = picture[int(rows.mean()), int(columns.mean()) - half]
    gray = picture[6:166, 6 : 6 + half].mean(-1)
    assert inside.mean() > 1.3 * np.median(gray[gray > 60])


def test_cases_without_lesion_have_no_outline_but_are_there(tmp_path: Path) -> None:
    made = write_mosaic(open_cohort(cohort(tmp_path / "c", 2, radius=0)), tmp_path / "m.png")
    picture = read(made.path)
    assert made.shown == ("sub-0001", "sub-0002")
    assert not (picture == ORANGE).all(-1).any()
    assert picture[:, : picture.shape[1] // 2].max() > 100


def test_a_case_that_cannot_be_read_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    folder = cohort(tmp_path / "c", 2)
    (folder / "sub-0002" / "dwi" / "sub-0002_trace.nii.gz").write_bytes(b"damaged")
    picture = read(write_mosaic(open_cohort(folder), tmp_path / "m.png").path)
    assert (picture == ORANGE).all(-1).any()
    assert (picture == (255, 160, 120)).all(-1).any()


def test_the_same_cases_make_the_same_picture_in_the_cli_and_in_the_worker(tmp_path: Path) -> None:
    folder = cohort(tmp_path / "größe 1")
    assert main(["mosaic", "--cohort", str(folder), "--out", str(tmp_path / "a ü.png")]) == 0
    arguments = {"cohort": str(folder), "out": str(tmp_path / "b.png"), "most": 48}
    answer = find_operation("mosaic")(Arguments("mosaic", arguments, Exchange(tmp_path)), Workshop())
    assert (answer["cases"], len(answer["shown"])) == (3, 3)
    assert (tmp_path / "a ü.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_of_many_cases_some_are_picked_from_the_first_to_the_last(tmp_path: Path) -> None:
    cases = open_cohort(cohort(tmp_path / "c", 9)).cases
    assert [case.name[-1] for case in spread(cases, 3)] == ["1", "5", "9"]
    assert len(spread(cases, 100)) == 9
    assert [columns_for(n) for n in (1, 2, 7, 48)] == [1, 2, 3, 6]


def test_wrong_places_are_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    opened = open_cohort(cohort(tmp_path / "c", 1))
    with pytest.raises(BadInputError, match=r"\.png"):
        write_mosaic(opened, tmp_path / "m.jpg")
    (tmp_path / "m.png").mkdir()
    with pytest.raises(BadInputError, match="is a folder"):
        write_mosaic(opened, tmp_path / "m.png")


def test_a_png_holds_what_was_given(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (7, 11, 3)).astype(np.uint8)
    (tmp_path / "p.png").write_bytes(png(picture))
    np.testing.assert_array_equal(read(tmp_path / "p.png"), picture)


def test_letters_differ_and_unknown_ones_are_boxes() -> None:
    shapes = {lettered(letter).tobytes() for letter in "ABCabc0123456789-_."}
    assert len(shapes) == 19
    np.testing.assert_array_equal(lettered("字"), lettered("\u2603"))
    assert lettered("ab", 2).shape == (16, 22)
    assert lettered("").shape == (8, 0)


def test_a_copy_for_nnunet_is_not_put_into_the_database_or_over_something_else(tmp_path: Path) -> None:
    for out in (tmp_path / "db", tmp_path / "db" / "copy", tmp_path):
        with pytest.raises(BadInputError, match="lies in the database"):
            check_nnunet_copy(tmp_path / "db", out)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.docx").touch()
    with pytest.raises(BadInputError, match="is not empty"):
        check_nnunet_copy(tmp_path / "db", tmp_path / "other")
    # A copy that was cut off is written again.
    (tmp_path / "begun" / "imagesTr").mkdir(parents=True)
    check_nnunet_copy(tmp_path / "db", tmp_path / "begun")


def test_everything_that_the_registries_can_train_is_listed_with_the_command_that_trains_it() -> None:
    from StrokeSynthLib.cli import build_parser

    found = trainings()
    assert {t.kind for t in found if t.role == "segmenter"} == set(SEGMENTERS)
    assert {t.kind for t in found if t.role == "translator"} == set(TRANSLATORS)
    for training in found:
        line = [*training.command, "--masks" if training.masks else "--cohort", "c", "--out", "m"]
        assert build_parser(line).parse_args(line).kind == training.kind
