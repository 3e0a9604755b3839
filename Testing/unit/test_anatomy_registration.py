"""Maps of other people are brought to standard space, and sources hand them out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from StrokeSynthLib.anatomy import source as source_module
from StrokeSynthLib.anatomy.anatomy import Anatomy, Correspondence
from StrokeSynthLib.anatomy.labels import read_labels
from StrokeSynthLib.anatomy.lattice import Lattice
from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.anatomy.registration import anatomy_of_map, jacobian_range, register_labels
from StrokeSynthLib.anatomy.source import FolderSource, RegistrationCache, as_volume, open_anatomies
from StrokeSynthLib.anatomy.variation import STEP, _read, apply_variation, draw_variation
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.schema import PARENCHYMA, classes_of
from StrokeSynthLib.volume import Grid, Orientation, Volume, write_volume
from Testing.paths import NO_SHARED, SHARED


@pytest.fixture(scope="module")
def person() -> Anatomy:
    return PopulationModel.load().sample(5, seed=2)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def error_mm(anatomy: Anatomy, found: Anatomy) -> float:
    """Median distance in standard space between two correspondences, over the brain."""
    truth = anatomy.correspondence.standard_points(anatomy.grid)
    other = found.correspondence.standard_points(anatomy.grid)
    return float(np.median(np.linalg.norm(truth - other, axis=0)[anatomy.parenchyma]))


def test_a_known_correspondence_is_found_again(person: Anatomy) -> None:
    found = anatomy_of_map(as_volume(person), "again")
    assert error_mm(person, found) < 4.0
    assert jacobian_range(found.correspondence)[0] > 0


def test_a_map_on_thick_slices_is_registered_too(person: Anatomy) -> None:
    coarser = np.diag([2.0, 2.0, 5.0, 1.0])
    coarser[2, 3] = 2.0
    thick = Volume(np.ascontiguousarray(person.labels[::2, ::2, 2::5]), person.affine @ coarser)
    correspondence = register_labels(thick)
    assert error_mm(person, replace(person, correspondence=correspondence)) < 5.0


def test_orientation_of_the_map_makes_no_difference(person: Anatomy) -> None:
    small = Volume(
        np.ascontiguousarray(person.labels[::3, ::3, ::3]), person.affine @ np.diag([3, 3, 3, 1.0])
    )
    turned = Orientation((1, 2, 0), (True, True, False))
    stored = Volume(np.ascontiguousarray(turned.apply(small.array)), turned.apply_to_grid(small.grid).affine)
    a, b = register_labels(small), register_labels(stored)
    assert np.allclose(a.coordinates, b.coordinates, atol=1e-3)


def test_a_map_without_a_brain_is_refused() -> None:
    with pytest.raises(BadInputError, match="ml of brain"):
        register_labels(Volume(np.zeros((40, 40, 40), np.uint8), np.diag([4.0, 4, 4, 1])))


def test_a_variation_is_repeated_from_its_record_and_has_no_folds(person: Anatomy) -> None:
    variation = draw_variation(np.random.default_rng(0))
    one, two = apply_variation(person, variation), apply_variation(person, variation)
    assert (one.labels == two.labels).all()
    assert jacobian_range(one.correspondence)[0] > 0
    atlas = PopulationModel.load().standard_atlas()
    thalamus = classes_of("thalamus")
    pulled = one.pull(atlas.array, atlas.grid, order=0)
    assert dice(np.isin(pulled, thalamus), np.isin(one.labels, thalamus)) > 0.85


def test_a_variation_reads_every_voxel_through_its_own_mapping(person: Anatomy) -> None:
    """Against general interpolation over the whole grid, without any of the short cuts."""
    corners = person.grid.corners()
    own = Lattice.covering(np.floor(corners.min(0)) - 12, corners.max(0) + 12, STEP)
    x, y, z = own.points()
    points = np.stack([x * 0.95 + 2 * np.sin(y / 20), y * 1.03 + 2 * np.cos(z / 25), z + 0.05 * x])
    labels, affine = _read(person, own, points.astype(np.float32))
    index = Correspondence(points, own.grid).points_in(
        person.affine, Grid((labels.shape[0], labels.shape[1], labels.shape[2]), affine)
    )
    expected = map_coordinates(person.labels, index, order=0, mode="constant", cval=0)
    assert (labels != expected).mean() < 1e-4  # half-way voxels are rounded either way


def test_standard_points_are_the_same_on_straight_and_on_oblique_grids(person: Anatomy) -> None:
    turned = np.eye(4)
    turned[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turned[:3, 3] = person.grid.corners().mean(axis=0)
    straight = np.eye(4)
    straight[:3, 3] = turned[:3, 3]
    along = person.correspondence.standard_points(Grid((30, 30, 30), straight))
    across = person.correspondence.standard_points(Grid((30, 30, 30), turned))
    assert np.allclose(across[:, 0, 0], along[:, 0, 0], atol=1e-3)
    # 20 and 10 steps along the turned axes are 16 - 6 mm along x and 12 + 8 mm along y.
    assert np.allclose(across[:, 20, 10], along[:, 10, 20], atol=1e-3)


def test_without_a_folder_people_come_from_the_population() -> None:
    source = open_anatomies(None)
    assert source.name == "population"
    assert source.draw(2, seed=5).name == "person-5-000002"


def folder_of(person: Anatomy, where: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    where.mkdir()
    small = Volume(
        np.ascontiguousarray(person.labels[::3, ::3, ::3]), person.affine @ np.diag([3, 3, 3, 1.0])
    )
    for name in names:
        write_volume(where / f"{name}.nii.gz", small)
    return where


def test_a_folder_is_gone_through_in_a_seeded_order_then_varied(person: Anatomy, tmp_path: Path) -> None:
    source = FolderSource(folder_of(person, tmp_path / "köpfe 1"), tmp_path / "cache")
    first = [source.draw(n, seed=0) for n in range(4)]
    assert {a.name for a in first[:2]} == {"a", "b"} == {a.name for a in first[2:]}
    assert all("variation" not in a.record for a in first[:2])
    assert all("variation" in a.record for a in first[2:])
    assert (source.draw(3, seed=0).labels == first[3].labels).all()


def test_a_registration_is_made_once_and_kept_on_disk(
    person: Anatomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    made = source_module.register_labels

    def counted(labels: Volume) -> object:
        calls.append(1)
        return made(labels)

    monkeypatch.setattr(source_module, "register_labels", counted)
    folder = folder_of(person, tmp_path / "heads", ("a",))
    one = FolderSource(folder, tmp_path / "cache").draw(0, seed=0)
    two = FolderSource(folder, tmp_path / "cache").draw(0, seed=1)
    assert len(calls) == 1
    assert np.array_equal(one.correspondence.coordinates, two.correspondence.coordinates)


def test_a_damaged_or_unwritable_cache_is_no_reason_to_fail(person: Anatomy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = folder_of(person, tmp_path / "heads", ("a",))
    assert FolderSource(folder, tmp_path / "file" / "cache").draw(0, seed=0).name == "a"
    cache = tmp_path / "cache"
    FolderSource(folder, cache).draw(0, seed=0)
    (kept,) = cache.glob("*.npz")
    kept.write_bytes(b"cut short")
    assert FolderSource(folder, cache).draw(0, seed=0).correspondence.coordinates.ndim == 4


def test_only_so_many_heads_stay_in_memory(
    person: Anatomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("StrokeSynthLib.anatomy.source.KEPT", 2)
    source = FolderSource(folder_of(person, tmp_path / "heads", ("a", "b", "c")), tmp_path / "cache")
    for number in range(3):
        source.draw(number, seed=0)
    assert len(source._kept) == 2


def test_an_empty_folder_and_an_unreadable_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="holds no label maps"):
        open_anatomies(tmp_path)
    with pytest.raises(BadInputError, match="no such folder"):
        open_anatomies(tmp_path / "nowhere")
    (tmp_path / "broken.nii.gz").write_bytes(b"not an image")
    with pytest.raises(BadInputError, match="broken"):
        open_anatomies(tmp_path).draw(0, seed=0)


def test_in_a_bids_folder_only_segmentations_are_taken(person: Anatomy, tmp_path: Path) -> None:
    folder = folder_of(person, tmp_path / "bids", ("sub-01_dseg", "sub-01_trace"))
    source = FolderSource(folder, tmp_path / "cache")
    assert {source.draw(n, seed=0).name for n in range(2)} == {"sub-01_dseg"}


def test_the_cache_follows_the_users_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert source_module.default_cache() == tmp_path / "strokesynth" / "registrations"
    assert RegistrationCache()._folder == source_module.default_cache()


@pytest.mark.skipif(not SHARED.exists(), reason=NO_SHARED)
def test_a_person_the_model_never_saw_is_registered() -> None:
    labels = read_labels(SHARED / "anatomy" / "training_seg_15.nii.gz")
    anatomy = anatomy_of_map(labels, "person-15")
    assert jacobian_range(anatomy.correspondence)[0] > 0
    atlas = PopulationModel.load().standard_atlas()
    pulled = anatomy.pull(atlas.array, Grid(atlas.grid.shape, atlas.affine), order=0)
    least = {"thalamus": 0.8, "putamen": 0.75, "brain-stem": 0.85, "lateral-ventricle": 0.7}
    for tissue, limit in least.items():
        classes = classes_of(tissue)
        assert dice(np.isin(pulled, classes), np.isin(anatomy.labels, classes)) > limit, tissue
    assert dice(np.isin(pulled, PARENCHYMA), anatomy.parenchyma) > 0.88
