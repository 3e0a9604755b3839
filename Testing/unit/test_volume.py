"""Volumes: exact geometry in every orientation, faithful storage, clear words for bad files."""

import gzip
import itertools
import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.volume import Grid, Orientation, Storage, Volume, read_volume, read_volumes, write_volume
from Testing.examinations import AFFINE, OBLIQUE

SHAPE = (5, 6, 7)
ARRAY = np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.float32)
FORTY_EIGHT = [
    (axes, signs)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]


def rotation(angles):
    """Rotation about x, then y, then z (radians)."""
    result = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [(1, 2), (0, 2), (0, 1)][axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result


def affine_of(axes, signs, angles=(0.0, 0.0, 0.0), spacing=(1.5, 2.0, 4.0), origin=(-20.0, 13.0, 7.5)):
    """An affine whose array axis ``n`` runs along world axis ``axes[n]``, then turned."""
    direction = np.zeros((3, 3))
    for n, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        direction[axis, n] = sign
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles) @ direction * np.array(spacing)
    affine[:3, 3] = origin
    return affine


def patched(path, target, offset, layout, *values):
    """A copy of a NIfTI file with some bytes of its header replaced, uncompressed."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(layout, content, offset, *values)
    target.write_bytes(content)
    return target


@pytest.fixture
def nifti(tmp_path):
    path = tmp_path / "image.nii.gz"
    write_volume(path, Volume(ARRAY, AFFINE))
    return path


angles = st.floats(-0.7, 0.7)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORTY_EIGHT), st.tuples(angles, angles, angles))
def test_canonical_and_back_is_exact_in_every_orientation(orientation, turned):
    affine = affine_of(*orientation, turned)
    volume = Volume(ARRAY, affine)
    canonical = volume.canonical()
    assert Orientation.of(canonical.affine) == Orientation((0, 1, 2), (False, False, False))
    # Every voxel keeps its place in space.
    index = np.array([[0, 0, 0], [4, 5, 6], [1, 2, 3]])
    places = index @ affine[:3, :3].T + affine[:3, 3]
    found = np.linalg.inv(canonical.affine) @ np.c_[places, np.ones(3)].T
    i, j, k = np.rint(found[:3]).astype(int)
    np.testing.assert_allclose(found[:3], np.rint(found[:3]), atol=1e-9)
    np.testing.assert_array_equal(canonical.array[i, j, k], ARRAY[tuple(index.T)])
    home = volume.from_canonical(canonical.array)
    np.testing.assert_array_equal(home.array, ARRAY)
    np.testing.assert_array_equal(home.affine, affine)


@pytest.mark.parametrize(("axes", "signs"), FORTY_EIGHT)
def test_a_file_comes_back_in_its_own_orientation_and_grid(tmp_path, axes, signs):
    affine = affine_of(axes, signs, (0.1, -0.2, 0.3))
    path = tmp_path / "in.nii.gz"
    write_volume(path, Volume(ARRAY, affine))
    read = read_volume(path)
    result = read.from_canonical(read.canonical().array * 2)
    write_volume(tmp_path / "out.nii.gz", result, read.storage)
    again = read_volume(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(again.array, ARRAY * 2)
    np.testing.assert_allclose(again.affine, read.affine, atol=1e-6)  # the header holds float32
    np.testing.assert_allclose(again.affine, affine, atol=1e-5)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_every_format_keeps_values_and_geometry(tmp_path, ending):
    path = tmp_path / f"image{ending}"
    write_volume(path, Volume(ARRAY, AFFINE))
    read = read_volume(path)
    np.testing.assert_array_equal(read.array, ARRAY)
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_the_same_volume_gives_the_same_bytes(tmp_path, ending):
    paths = [tmp_path / name / f"image{ending}" for name in ("a", "b")]
    for path in paths:
        write_volume(path, Volume(ARRAY, AFFINE))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_names_with_blanks_and_other_alphabets_work(tmp_path):
    path = tmp_path / "Ünïversität 大学" / "bild 1 é.nii.gz"
    write_volume(path, Volume(ARRAY, AFFINE))
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_types_come_back_as_they_were(tmp_path, dtype):
    array = np.rint(np.clip(ARRAY, 0, 200)).astype(dtype)
    write_volume(tmp_path / "a.nii.gz", Volume(array, AFFINE, Storage(dtype)))
    read = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read.array, array)
    assert read.storage == Storage(dtype)


def test_scaling_is_applied_on_reading_and_kept_for_writing(tmp_path):
    storage = Storage("int16", 0.01, 5.0)
    write_volume(tmp_path / "a.nii.gz", Volume(ARRAY, AFFINE), storage)
    read = read_volume(tmp_path / "a.nii.gz")
    assert read.array == pytest.approx(ARRAY, abs=0.0051)
    assert read.storage.dtype == "int16"
    assert read.storage.slope == pytest.approx(0.01)
    write_volume(tmp_path / "b.nii.gz", read)
    again = read_volume(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(again.array, read.array)
    assert again.storage == read.storage


def test_values_beyond_the_type_are_clipped_not_wrapped(tmp_path):
    write_volume(tmp_path / "a.nii.gz", Volume(np.full(SHAPE, 70000, np.int32), AFFINE), Storage("int16"))
    assert read_volume(tmp_path / "a.nii.gz").array.max() == 32767


@pytest.mark.parametrize("slope", [float("nan"), float("inf"), 0.0])
def test_a_meaningless_slope_counts_as_none(tmp_path, nifti, slope):
    path = patched(nifti, tmp_path / "b.nii", 112, "<2f", slope, 0.0)
    read = read_volume(path)
    np.testing.assert_array_equal(read.array, ARRAY)
    assert read.storage == Storage("float32")


def test_big_endian_files_are_read(tmp_path):
    write_volume(tmp_path / "a.nii", Volume(ARRAY, AFFINE))
    little = (tmp_path / "a.nii").read_bytes()
    content = bytearray(little)
    fields = "i10s18sihcB8h3f4h8f3fhcB4f2i80s24s2h6f12f16s4s"
    struct.pack_into(">" + fields, content, 0, *struct.unpack_from("<" + fields, little))
    content[352:] = np.frombuffer(little[352:], "<f4").astype(">f4").tobytes()
    (tmp_path / "b.nii").write_bytes(content)
    read = read_volume(tmp_path / "b.nii")
    np.testing.assert_array_equal(read.array, ARRAY)
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1)], ids=["qform only", "sform only"])
def test_either_form_of_the_geometry_suffices(tmp_path, nifti, codes):
    path = patched(nifti, tmp_path / "b.nii", 252, "<2h", *codes)
    np.testing.assert_allclose(read_volume(path).affine, AFFINE, atol=1e-4)


def test_axes_a_little_off_right_angles_are_read_and_written_exactly(tmp_path, nifti):
    sheared = AFFINE.copy()
    sheared[0, 1] += 0.01  # registration programs write such; ITK alone refuses them
    path = patched(nifti, tmp_path / "b.nii", 252, "<2h", 0, 1)
    content = bytearray(path.read_bytes())
    struct.pack_into("<12f", content, 280, *sheared[:3].ravel())
    path.write_bytes(content)
    read = read_volume(path)
    np.testing.assert_array_equal(read.array, ARRAY)
    np.testing.assert_allclose(read.affine, sheared, atol=1e-5)
    write_volume(tmp_path / "out.nii", read)
    written = struct.unpack_from("<12f", (tmp_path / "out.nii").read_bytes(), 280)
    np.testing.assert_allclose(np.reshape(written, (3, 4)), sheared[:3], atol=1e-5)


def test_truly_sheared_axes_are_refused(tmp_path, nifti):
    sheared = AFFINE.copy()
    sheared[0, 1] += 1.0
    path = patched(nifti, tmp_path / "b.nii", 280, "<12f", *sheared[:3].ravel())
    path = patched_codes(path, 0, 1)
    with pytest.raises(BadInputError, match="sheared"):
        read_volume(path)


def patched_codes(path, qform, sform):
    content = bytearray(path.read_bytes())
    struct.pack_into("<2h", content, 252, qform, sform)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_an_unusable_affine_is_named(tmp_path, nifti, value):
    path = patched(nifti, tmp_path / "b.nii", 280, "<12f", *([value] * 12))
    with pytest.raises(BadInputError, match="geometry"):
        read_volume(path)


def damage(path, kind):
    """Make ``path`` a file that is damaged in one way."""
    write_volume(path, Volume(ARRAY, AFFINE))
    content = path.read_bytes()
    if kind == "half":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "last bytes":
        path.write_bytes(content[:-5])
    elif kind == "voxels missing inside":
        path.write_bytes(gzip.compress(gzip.decompress(content)[:-40]))
    elif kind == "text":
        path.write_text("this is no image " * 60, encoding="utf-8")
    else:
        path.write_bytes(b"")


@pytest.mark.parametrize("kind", ["half", "last bytes", "voxels missing inside", "text", "empty"])
def test_damaged_files_are_refused_not_filled_with_zeros(tmp_path, kind):
    path = tmp_path / "a.nii.gz"
    damage(path, kind)
    with pytest.raises(BadInputError, match=r"a\.nii\.gz: ") as error:
        read_volume(path)
    assert "\n" not in str(error.value)


def test_a_file_compressed_in_several_blocks_is_whole(tmp_path, nifti):
    plain = gzip.decompress(nifti.read_bytes())
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(plain[:500]) + gzip.compress(plain[500:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii.gz").array, ARRAY)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
@example([(110, 0xC0), (111, 0x7F)])  # the place of the voxels is no number
def test_a_damaged_header_is_read_or_refused_never_a_crash(tmp_path, nifti, bytes_changed):
    content = bytearray(gzip.decompress(nifti.read_bytes()))
    for place, value in bytes_changed:
        content[place] = value
    (tmp_path / "b.nii").write_bytes(content)
    try:
        volumes = read_volumes(tmp_path / "b.nii")
    except BadInputError:
        return
    assert all(np.isfinite(volume.affine).all() for volume in volumes)


def test_missing_file_and_folder_are_said(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        read_volume(tmp_path / "nothing.nii.gz")
    with pytest.raises(BadInputError, match="is a folder"):
        read_volume(tmp_path)


def test_color_and_flat_images_are_refused(tmp_path):
    import SimpleITK as sitk

    color = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    sitk.WriteImage(color, str(tmp_path / "color.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((5, 6), np.float32)), str(tmp_path / "flat.nii.gz"))
    with pytest.raises(BadInputError, match="several values per voxel"):
        read_volume(tmp_path / "color.nrrd")
    with pytest.raises(BadInputError, match="2 axes"):
        read_volume(tmp_path / "flat.nii.gz")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_not_turned_into_zeros(tmp_path, value):
    array = ARRAY.copy()
    array[1, 2, 3] = value
    write_volume(tmp_path / "a.nii.gz", Volume(array, AFFINE))
    assert not np.isfinite(read_volume(tmp_path / "a.nii.gz").array[1, 2, 3])


def test_a_flipped_bit_is_noticed(tmp_path, nifti):
    content = bytearray(nifti.read_bytes())
    content[len(content) // 2] ^= 1
    nifti.write_bytes(content)
    with pytest.raises(BadInputError, match="is damaged"):
        read_volume(nifti)


def test_a_series_is_a_list_and_a_series_of_one_is_a_volume(tmp_path):
    import SimpleITK as sitk

    for count in (1, 2):
        series = np.stack([ARRAY.T * (n + 1) for n in range(count)])
        sitk.WriteImage(sitk.GetImageFromArray(series, isVector=False), str(tmp_path / f"{count}.nii.gz"))
    np.testing.assert_array_equal(read_volume(tmp_path / "1.nii.gz").array, ARRAY)
    both = read_volumes(tmp_path / "2.nii.gz")
    np.testing.assert_array_equal(both[1].array, ARRAY * 2)
    with pytest.raises(BadInputError, match="2 volumes"):
        read_volume(tmp_path / "2.nii.gz")


@pytest.mark.parametrize("name", ["a.mhd", "a.jpg", "a"])
def test_formats_that_are_not_written_are_named(tmp_path, name):
    with pytest.raises(BadInputError, match="written as"):
        write_volume(tmp_path / name, Volume(ARRAY, AFFINE))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_read_only_folder_is_said(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(BadInputError, match="cannot be written"):
        write_volume(tmp_path / "a.nii.gz", Volume(ARRAY, AFFINE))


def test_writing_leaves_nothing_but_the_file(tmp_path):
    write_volume(tmp_path / "a.nii.gz", Volume(ARRAY, AFFINE))
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


def test_grids_match_within_a_twentieth_of_a_voxel():
    grid = Grid(SHAPE, AFFINE)
    near, far = AFFINE.copy(), AFFINE.copy()
    near[0, 3] += 0.09
    far[0, 3] += 0.11
    assert grid.matches(Grid(SHAPE, near))
    assert not grid.matches(Grid(SHAPE, far))
    assert not grid.matches(Grid((5, 6, 8), AFFINE))


def test_resampling_onto_a_shifted_grid_moves_values_by_whole_voxels():
    volume = Volume(ARRAY, np.diag([2.0, 2.0, 2.0, 1.0]))
    shifted = np.diag([2.0, 2.0, 2.0, 1.0])
    shifted[0, 3] = 2.0
    moved = volume.resampled(Grid(SHAPE, shifted))
    np.testing.assert_allclose(moved.array[:-1], ARRAY[1:], rtol=1e-6)
    assert (moved.array[-1] == 0).all()


def test_spacing_and_voxel_volume_come_from_the_affine():
    grid = Grid(SHAPE, AFFINE)
    assert grid.spacing == pytest.approx((2.0, 2.0, 4.0))
    assert grid.voxel_ml == pytest.approx(0.016)
    assert Grid(SHAPE, OBLIQUE).spacing[2] == pytest.approx(3.99, abs=0.01)
