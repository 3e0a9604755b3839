"""What the source of real masks promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.lesions.learned.training import gather
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.masks import (
    LARGEST_LOSS,
    MaskFolder,
    Perturbation,
    StandardMask,
    held_out_names,
    person_of,
)
from StrokeSynthLib.lesions.source import open_lesions
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.volume import Volume, write_volume
from Testing.builders import SMALL_HEAD_SCALE, small_head
from Testing.paths import NO_SHARED, SHARED

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
AFFINE[:3, 3] = (-90.0, -126.0, -72.0)
SHAPE = (91, 109, 91)


def ball(center: tuple[float, float, float], radius: float) -> np.ndarray:
    """A ball (standard-space mm) on a 2 mm standard grid."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"))
    points = index * 2.0 + AFFINE[:3, 3][:, None, None, None]
    return np.linalg.norm(points - np.array(center)[:, None, None, None], axis=0) <= radius


def write(folder: Path, name: str, array: np.ndarray) -> Path:
    path = folder / f"bwsrsub-{name}_lesion.nii.gz"
    write_volume(path, Volume(array.astype(np.uint8), AFFINE))
    return path


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return small_head(1.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three usable masks: left white matter (large), right putamen, left cerebellum."""
    write(tmp_path, "1", ball((-36, -20, 30), 14))
    write(tmp_path, "2", ball((28, 2, 2), 7))
    write(tmp_path, "3", ball((-22, -62, -36), 12))
    return tmp_path


def opened(source: MaskFolder, path: Path) -> StandardMask:
    mask = source.open(path)
    assert mask is not None
    return mask


def test_a_mask_keeps_its_place_and_size_on_the_anatomy(folder: Path, head: Anatomy) -> None:
    source = MaskFolder(folder)
    lesion = source.place(opened(source, source.paths[0]), head, Perturbation())
    assert lesion is not None
    center = head.affine[:3, :3] @ np.argwhere(lesion.mask).mean(axis=0) + head.affine[:3, 3]
    assert center / SMALL_HEAD_SCALE == pytest.approx((-36, -20, 30), abs=2.0)
    expected = 4 / 3 * np.pi * (14 * SMALL_HEAD_SCALE) ** 3 / 1000
    assert lesion.record["volume_ml"] == pytest.approx(expected, rel=0.12)
    assert lesion.record["side"] == "left"
    assert lesion.record["loss"] < 0.02


def test_masks_lie_inside_parenchyma(folder: Path, head: Anatomy) -> None:
    source = MaskFolder(folder)
    for seed in range(6):
        lesion = source.draw(head, LesionRequest(), generator(seed, "lesion"))
        assert lesion.mask.any()
        assert not (lesion.mask & ~head.parenchyma).any()


def test_a_mask_is_clipped_and_never_dilated(tmp_path: Path, head: Anatomy) -> None:
    # Beside the ventricle: a few percent fall into it and are cut off.
    write(tmp_path, "1", ball((34, -22, 24), 13))
    source = MaskFolder(tmp_path)
    lesion = source.place(opened(source, source.paths[0]), head, Perturbation())
    assert lesion is not None
    assert 0 < lesion.record["loss"] <= LARGEST_LOSS
    assert lesion.record["volume_ml"] < lesion.record["mapped_ml"]


def test_a_mask_that_loses_too_much_is_rejected_and_counted(tmp_path: Path, head: Anatomy) -> None:
    write(tmp_path, "1", ball((14, -22, 20), 14))  # mostly in the lateral ventricle
    source = MaskFolder(tmp_path)
    with pytest.raises(StrokeSynthError, match="none of 1 masks"):
        source.draw(head, LesionRequest(), generator(0, "lesion"))
    assert source.screening.clipped.total() == 1
    assert source.screening.placed == 0


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(SHAPE), "empty"),
        (ball((-36, -20, 30), 10) * 2 + ball((30, -20, 30), 10), "not binary"),
        (ball((-36, -20, 30), 60), "over 400 ml"),
        (ball((-75, -20, 10), 14), "more than 10% outside the standard brain"),
    ],
)
def test_masks_are_screened_with_a_reason(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    path = write(tmp_path, "1", array)
    source = MaskFolder(tmp_path)
    assert source.open(path) is None
    assert list(source.screening.rejected.values()) == [reason]
    assert reason in source.screening.summary()


def test_masks_on_the_tilted_grid_of_an_examination_are_refused(tmp_path: Path, head: Anatomy) -> None:
    """Masks as drawn on patients' images: each would be put where standard space is not."""
    tilted = AFFINE.copy()
    tilted[:3, :3] = Rotation.from_euler("x", -12, degrees=True).as_matrix() @ AFFINE[:3, :3]
    path = tmp_path / "sub-1_lesion.nii.gz"
    write_volume(path, Volume(ball((-36, -20, 30), 10).astype(np.uint8), tilted))
    source = MaskFolder(tmp_path)
    with pytest.raises(BadInputError, match=r"bring them to standard space.*1 on a tilted grid"):
        source.draw(head, LesionRequest(), generator(0, "lesion"))
    with pytest.raises(BadInputError, match=r"0 usable masks.*1 on a tilted grid"):
        gather(tmp_path, [])


def test_a_damaged_file_is_screened_out(folder: Path, head: Anatomy) -> None:
    (folder / "bwsrsub-9_lesion.nii.gz").write_bytes(b"not an image")
    source = MaskFolder(folder)
    for seed in range(8):
        source.draw(head, LesionRequest(), generator(seed, "lesion"))
    assert list(source.screening.rejected.values()) == ["unreadable"]


def test_a_request_chooses_among_masks_and_mirrors_if_needed(folder: Path, head: Anatomy) -> None:
    source = MaskFolder(folder)
    lesion = source.draw(head, LesionRequest(territory="cerebellar", side="right"), generator(1, "lesion"))
    assert lesion.record["side"] == "right"
    assert lesion.record["file"] == "bwsrsub-3_lesion.nii.gz"
    assert lesion.record["perturbation"]["mirrored"]


def test_a_lacune_is_asked_for_by_pattern_and_a_border_zone_cannot_be(folder: Path, head: Anatomy) -> None:
    write(folder, "4", ball((26, 2, 4), 4))
    source = MaskFolder(folder)
    lesion = source.draw(head, LesionRequest(territory="lacunar"), generator(1, "lesion"))
    assert lesion.record["file"] in {"bwsrsub-2_lesion.nii.gz", "bwsrsub-4_lesion.nii.gz"}
    with pytest.raises(StrokeSynthError, match="does not tell whether it is a border-zone"):
        source.draw(head, LesionRequest(territory="border-zone"), generator(1, "lesion"))


def test_a_request_that_no_mask_meets_says_so(folder: Path, head: Anatomy) -> None:
    with pytest.raises(StrokeSynthError, match="ACA, 50 ml"):
        MaskFolder(folder).draw(head, LesionRequest("ACA", None, 50.0), generator(1, "lesion"))


def test_the_same_seed_gives_the_same_mask_whatever_was_drawn_before(folder: Path, head: Anatomy) -> None:
    fresh, used = MaskFolder(folder), MaskFolder(folder)
    used.draw(head, LesionRequest(), generator(9, "lesion"))
    first = fresh.draw(head, LesionRequest(), generator(2, "lesion"))
    second = used.draw(head, LesionRequest(), generator(2, "lesion"))
    assert np.array_equal(first.mask, second.mask)
    assert first.record == second.record


def test_only_named_people_are_used(folder: Path) -> None:
    assert [person_of(path) for path in MaskFolder(folder, ["sub-2"]).paths] == ["sub-2"]
    with pytest.raises(BadInputError, match="none of the 1 named masks"):
        MaskFolder(folder, ["sub-77"])


def test_axes_of_standard_grids_are_straight_in_any_order(tmp_path: Path) -> None:
    """Rounding in a header tilts nothing, and the first axis may run from right to left."""
    turned = np.diag([-1.0, 1.0, 1.0, 1.0]) @ AFFINE
    turned[0, 1] = 1e-5
    path = tmp_path / "sub-1_lesion.nii.gz"
    write_volume(path, Volume(ball((-36, -20, 30), 10).astype(np.uint8), turned))
    assert MaskFolder(tmp_path).open(path) is not None


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        MaskFolder(tmp_path / "nowhere")
    with pytest.raises(BadInputError, match="holds no image files"):
        MaskFolder(tmp_path)


def test_200_people_are_held_out() -> None:
    names = held_out_names()
    assert len(names) == len(set(names)) == 200
    assert list(names) == sorted(names)


@pytest.mark.skipif(not SHARED.exists(), reason=NO_SHARED)
def test_the_held_out_people_are_there_and_usable() -> None:
    source = MaskFolder(SHARED / "lesions", held_out_names())
    assert len(source.paths) == 200
    assert all(source.open(path) is not None for path in source.paths[:10])


@pytest.mark.parametrize(
    ("beside", "given"),
    [
        ("sub-1/dwi/sub-1_dwi.nii.gz", "."),
        ("derivatives/strokesynth/sub-1/dwi/sub-1_dseg.nii.gz", "derivatives"),
        ("imagesTr/1_0000.nii.gz", "."),
        ("imagesTr/1_0000.nii.gz", "labelsTr"),
    ],
)
def test_masks_of_a_cohort_are_refused_because_they_lie_on_their_own_images(
    tmp_path: Path, beside: str, given: str
) -> None:
    for name in ("derivatives/sub-1_label-L_mask.nii.gz", "labelsTr/1.nii.gz", beside):
        write_volume(tmp_path / name, Volume(ball((-36, -20, 30), 14).astype(np.uint8), AFFINE))
    with pytest.raises(BadInputError, match=r"holds examinations .* brought to standard space"):
        open_lesions(tmp_path / given)


def test_a_folder_of_masks_in_standard_space_is_opened(folder: Path) -> None:
    assert open_lesions(folder).name == f"masks of {folder.name}"
