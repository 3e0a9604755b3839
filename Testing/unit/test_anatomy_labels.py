"""Label maps in either numbering become classes of the schema, cropped to the head."""

from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.anatomy.labels import MARGIN_MM, crop_to_head, read_labels, translate
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import write_json
from StrokeSynthLib.provenance import record, sidecar_path
from StrokeSynthLib.schema import CLASSES, FREESURFER_TO_CLASS, INDEX, classes_of
from StrokeSynthLib.volume import Orientation, Volume, write_volume
from Testing.paths import NO_SHARED, SHARED

PERSON = SHARED / "anatomy" / "training_seg_13.nii.gz"


def head(numbering: str = "freesurfer", size: int = 80) -> Volume:
    """A ball of white matter (left and right) in a shell of skull, RAS, 2 mm."""
    grid = np.indices((size, size, size)) - (size - 1) / 2
    radius = np.sqrt((grid**2).sum(0))
    left, right, skull = (2, 41, 515) if numbering == "freesurfer" else (1, 2, 37)
    labels = np.where(radius < 28, np.where(grid[0] < 0, left, right), 0)
    labels[(radius >= 28) & (radius < 31)] = skull
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -(size - 1)
    return Volume(labels.astype(np.int16), affine)


def written(folder: Path, volume: Volume, name: str = "map.nii.gz") -> Path:
    path = folder / name
    write_volume(path, volume)
    return path


def test_every_freesurfer_label_of_the_schema_becomes_its_class() -> None:
    labels = np.array(sorted(FREESURFER_TO_CLASS))
    reading = translate(labels, "map")
    assert reading.numbering == "freesurfer"
    assert reading.labels.tolist() == [FREESURFER_TO_CLASS[int(v)] for v in labels]
    assert set(reading.labels.tolist()) == {c.index for c in CLASSES}


def test_a_map_in_the_schema_is_kept_as_it_is() -> None:
    labels = np.arange(len(CLASSES))
    reading = translate(labels, "map")
    assert reading.numbering == "schema"
    assert (reading.labels == labels).all()


def test_floats_that_hold_whole_numbers_are_read() -> None:
    assert translate(np.array([0.0, 2.0, 41.0, 49.0]), "map").labels.tolist() == [0, 1, 2, 12]


def test_the_lesion_class_is_not_part_of_an_anatomy() -> None:
    reading = translate(np.array([0, 1, 2, len(CLASSES)]), "map")
    assert reading.labels[-1] == INDEX["left-white-matter"]
    assert "lesion" in reading.notices[0]


def test_cortical_parcels_are_cortex() -> None:
    assert translate(np.array([1022, 2022, 3022, 4022]), "map").labels.tolist() == [3, 4, 1, 2]


def test_an_unknown_label_outside_the_brain_is_soft_tissue_with_a_notice() -> None:
    reading = translate(np.array([0, 41, 599]), "map")
    assert reading.labels[-1] == INDEX["soft-tissue"]
    assert "599" in reading.notices[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([0, 2, 333]), "333"),
        (np.array([0.0, 1.5, 60.0]), "fractions"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([-5, 2]), "-5"),
        (np.zeros(4), "every voxel is 0"),
    ],
)
def test_what_is_no_label_map_is_refused_in_one_sentence(values: np.ndarray, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        translate(values, "odd.nii.gz")
    assert "odd.nii.gz" in str(caught.value)


def test_the_head_is_cropped_with_a_margin_and_stays_in_place(tmp_path: Path) -> None:
    volume = head()
    read = read_labels(written(tmp_path, volume))
    inside = np.argwhere(read.array > 0)
    margin = int(np.ceil(MARGIN_MM / 2.0))
    assert inside.min(0).tolist() == [margin] * 3
    center = inside.mean(0) @ read.affine[:3, :3].T + read.affine[:3, 3]
    assert np.allclose(center, 0, atol=1e-3)


def test_left_stays_left_in_any_orientation(tmp_path: Path) -> None:
    volume = head()
    turned = Orientation((2, 0, 1), (True, False, True))
    stored = Volume(turned.apply(volume.array), turned.apply_to_grid(volume.grid).affine)
    read = read_labels(written(tmp_path, stored))
    left = np.argwhere(read.array == INDEX["left-white-matter"]).mean(0)
    assert (left @ read.affine[:3, :3].T + read.affine[:3, 3])[0] < -5
    straight = read_labels(written(tmp_path, volume, "straight.nii.gz"))
    assert (straight.array == read.array).all()


def test_a_sidecar_of_ours_settles_the_numbering(tmp_path: Path) -> None:
    path = written(tmp_path, head("schema"))
    write_json(sidecar_path(path), record(synthetic=True))
    assert read_labels(path).metadata["numbering"] == "schema"


def test_a_map_without_a_brain_is_refused(tmp_path: Path) -> None:
    volume = head()
    volume.array[volume.array < 500] = 0
    with pytest.raises(BadInputError, match="ml of brain"):
        read_labels(written(tmp_path, volume))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
def test_empty_space_around_the_head_changes_nothing(tmp_path: Path, dtype: str) -> None:
    volume = head("freesurfer") if dtype != "uint8" else head("schema")
    volume = Volume(volume.array.astype(dtype), volume.affine)
    wide = np.pad(volume.array, [(3, 9), (0, 30), (7, 0)])
    affine = volume.affine.copy()
    affine[:3, 3] -= 2.0 * np.array([3, 0, 7])
    near = read_labels(written(tmp_path, volume, "near.nii.gz"))
    far = read_labels(written(tmp_path, Volume(wide, affine), "far.nii.gz"))
    assert (near.array == far.array).all()
    assert np.allclose(near.affine, far.affine)


def test_long_integers_are_read() -> None:
    for dtype in (np.uint32, np.int64, np.uint64):
        assert translate(np.array([0, 2, 41, 49], dtype), "map").labels.tolist() == [0, 1, 2, 12]


def test_a_head_that_touches_the_border_gets_its_margin_except_at_the_neck() -> None:
    volume = Volume(np.ones((20, 20, 20), np.uint8), np.eye(4))
    cropped = crop_to_head(volume, 3.0)
    assert cropped.array.shape == (26, 26, 23)
    assert np.allclose(cropped.affine[:3, 3], [-3, -3, 0])


@pytest.mark.skipif(not SHARED.exists(), reason=NO_SHARED)
def test_a_real_map_has_a_plausible_brain() -> None:
    read = read_labels(PERSON)
    assert read.array.dtype == np.uint8
    assert (read.orientation.axes, read.orientation.flipped) == ((0, 1, 2), (False, False, False))
    ventricles = np.isin(read.array, classes_of("lateral-ventricle")).sum() * read.grid.voxel_ml
    assert 5 < ventricles < 8
    left = np.argwhere(read.array == INDEX["left-thalamus"]).mean(0)[0]
    right = np.argwhere(read.array == INDEX["right-thalamus"]).mean(0)[0]
    assert left < right
