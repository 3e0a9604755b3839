"""One image: array, geometry, storage; reading and writing.

A :class:`Volume` keeps the axis order of its file. Code that needs one orientation asks
for :meth:`Volume.canonical` (RAS+, by permutation and flips only, so without any
interpolation) and brings results home with :meth:`Volume.from_canonical`. Files are read and
written by SimpleITK, which Slicer has, so that NIfTI, NRRD and MetaImage all work.
"""

from __future__ import annotations

import gzip
import itertools
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from . import nifti
from .errors import BadInputError
from .files import replacing

Array = npt.NDArray[Any]

#: Two grids are the same when no corner is further apart than this share of a voxel.
SAME_GRID_TOLERANCE = 0.05
FILE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
#: Written: those of one file. (".mhd" keeps its voxels in a second one.)
WRITTEN_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Storage:
    """How voxels lie in a file: value = stored number * slope + intercept."""

    dtype: str = "float32"
    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True)
class Grid:
    """Where voxels are: shape (x, y, z) and affine (4, 4) from voxel index to RAS mm."""

    shape: tuple[int, int, int]
    affine: Array

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centers along each array axis (mm)."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel (ml)."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

    def corners(self) -> Array:
        """RAS positions of the eight corner voxels' centers, shape (8, 3) (mm)."""
        index = np.array(list(itertools.product(*[(0, n - 1) for n in self.shape])), float)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3])

    def distance(self, other: Grid) -> float:
        """Largest distance between corresponding corners (mm); infinite for other shapes."""
        if self.shape != other.shape:
            return float("inf")
        return float(np.linalg.norm(self.corners() - other.corners(), axis=1).max())

    def matches(self, other: Grid, tolerance: float = SAME_GRID_TOLERANCE) -> bool:
        """Whether both have the same shape and lie in the same place (share of a voxel)."""
        return self.distance(other) <= tolerance * min(self.spacing)


@dataclass(frozen=True)
class Orientation:
    """Permutation and flips that bring a file's axes to RAS+, and back."""

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def of(cls, affine: Array) -> Orientation:
        """Closest axes of an affine, oblique or not."""
        direction = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        axes = max(
            itertools.permutations(range(3)),
            key=lambda p: sum(abs(direction[world, p[world]]) for world in range(3)),
        )
        flipped = tuple(bool(direction[world, axes[world]] < 0) for world in range(3))
        return cls((axes[0], axes[1], axes[2]), (flipped[0], flipped[1], flipped[2]))

    def apply(self, array: Array) -> Array:
        """From file order to RAS+ order (a view)."""
        turned = array.transpose(self.axes)
        return turned[tuple(slice(None, None, -1 if f else 1) for f in self.flipped)]

    def undo(self, array: Array) -> Array:
        """From RAS+ order back to file order (a view)."""
        turned = array[tuple(slice(None, None, -1 if f else 1) for f in self.flipped)]
        return turned.transpose(np.argsort(self.axes))

    def apply_to_grid(self, grid: Grid) -> Grid:
        """The grid of the turned array; every voxel keeps its place in space."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1.0
        for new, (old, flip) in enumerate(zip(self.axes, self.flipped, strict=True)):
            matrix[old, new] = -1.0 if flip else 1.0
            matrix[old, 3] = grid.shape[old] - 1 if flip else 0.0
        i, j, k = (grid.shape[axis] for axis in self.axes)
        return Grid((i, j, k), grid.affine @ matrix)


@dataclass(frozen=True)
class Volume:
    """One image in the axis order of its file.

    Parameters
    ----------
    array
        Values, shape (x, y, z), after slope and intercept.
    affine
        (4, 4), from voxel index to RAS mm.
    storage
        Type and scaling that the file had, used again when a result is written for it.
    source
        The file it came from, if any.
    metadata
        Text by name, written where the format has room for it.
    """

    array: Array
    affine: Array
    storage: Storage = Storage()
    source: Path | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """Shape and place of the voxels."""
        x, y, z = self.array.shape
        return Grid((x, y, z), self.affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centers along each array axis (mm)."""
        return self.grid.spacing

    @property
    def orientation(self) -> Orientation:
        """What turns this volume to RAS+."""
        return Orientation.of(self.affine)

    def canonical(self) -> Volume:
        """The same voxels in RAS+ order."""
        orientation = self.orientation
        return replace(
            self,
            array=np.ascontiguousarray(orientation.apply(self.array)),
            affine=orientation.apply_to_grid(self.grid).affine,
        )

    def from_canonical(self, array: Array) -> Volume:
        """``array`` (on the grid of ``self.canonical()``) in this volume's own axis order."""
        return replace(self, array=np.ascontiguousarray(self.orientation.undo(array)))

    def with_array(self, array: Array, storage: Storage | None = None) -> Volume:
        """Other values on the same grid."""
        if array.shape != self.array.shape:
            raise ValueError(f"shape {array.shape} does not fit the grid {self.array.shape}")
        return replace(self, array=array, storage=storage or Storage(str(array.dtype)), source=None)

    def resampled(self, grid: Grid, *, order: int = 1, outside: float = 0.0) -> Volume:
        """Values at the voxel centers of ``grid`` by spline interpolation of ``order``.

        Order 0 takes the nearest voxel (label maps). Does not smooth before a coarser grid.
        """
        from scipy.ndimage import affine_transform

        to_index = np.linalg.inv(self.affine) @ grid.affine
        values = self.array if order == 0 else self.array.astype(np.float32, copy=False)
        array = affine_transform(
            values, to_index[:3, :3], to_index[:3, 3], grid.shape, order=order, cval=outside,
            mode="constant",
        )  # fmt: skip
        return Volume(array, grid.affine, Storage(str(array.dtype)), None, self.metadata)


def file_stem(path: PurePath | str) -> str:
    """File name without its image ending ("a.nii.gz" -> "a")."""
    name = path.name if isinstance(path, PurePath) else PurePath(path).name
    for ending in FILE_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return PurePath(name).stem


def _reader(path: Path) -> Any:
    """A SimpleITK reader that has read the header of ``path``; RuntimeError when it cannot."""
    import SimpleITK

    sitk: Any = SimpleITK  # its functions carry no types
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


def _unreadable(path: Path) -> BadInputError:
    return BadInputError(
        f"{path}: cannot be read as an image (damaged, cut short, or not one of "
        f"{', '.join(FILE_ENDINGS)}); export it again."
    )


def _read_by_itk(path: Path) -> tuple[Array, Array, Storage]:
    """Values (x, y, z[, t]), affine and storage."""
    import SimpleITK

    sitk: Any = SimpleITK
    try:
        reader = _reader(path)
        if reader.GetNumberOfComponents() != 1:
            raise BadInputError(f"{path}: has several values per voxel (color?); a gray image is needed.")
        array = np.asarray(sitk.GetArrayFromImage(reader.Execute()).T)
    except RuntimeError as error:
        raise _unreadable(path) from error
    return array, _itk_affine(reader), Storage(str(array.dtype))


def _read_nifti(path: Path) -> tuple[Array, Array, Storage]:
    """Values (x, y, z[, t]), affine and storage."""
    try:
        image = nifti.read_nifti(path)
    except nifti.DamagedError as error:
        raise BadInputError(f"{path}: {error}; export it again or copy it anew.") from error
    if image is None:
        return _read_by_itk(path)
    storage = Storage(image.dtype, image.slope, image.intercept)
    if image.array.ndim < 3:
        return image.array, np.eye(4), storage  # refused for its axes
    if image.sform_code > 0 and not _usable(image.sform):
        raise BadInputError(f"{path}: its geometry (affine) is not usable; export it again.")
    try:
        return image.array, _itk_affine(_reader(path)), storage
    except RuntimeError as error:
        if "orthonormal" not in str(error).lower():
            raise _unreadable(path) from error
    # Axes off right angles: registration programs write them, ITK refuses them.
    x, y, z = image.array.shape[:3]
    grid, straight = Grid((x, y, z), image.sform), nifti.right_angled(image.sform)
    if not grid.matches(Grid(grid.shape, straight), tolerance=0.5):
        raise BadInputError(
            f"{path}: its axes are sheared, which no image viewer shows right; "
            "resample it to a grid with right angles."
        )
    return image.array, image.sform, storage


def _usable(affine: Array) -> bool:
    return bool(np.isfinite(affine).all()) and abs(np.linalg.det(affine[:3, :3])) > 1e-9


def _itk_affine(reader: Any) -> Array:
    affine, axes = np.eye(4), min(reader.GetDimension(), 3)
    direction = np.array(reader.GetDirection()).reshape(reader.GetDimension(), -1)[:axes, :axes]
    affine[:axes, :axes] = direction * np.array(reader.GetSpacing()[:axes])
    affine[:axes, 3] = reader.GetOrigin()[:axes]
    return np.asarray(_LPS_RAS @ affine)


def read_volumes(path: Path | str) -> list[Volume]:
    """Read a 3D or 4D image file as a list of 3D volumes.

    Raises
    ------
    BadInputError
        When the file is missing, unreadable, cut short, not gray, or has fewer than three axes.
    """
    path = Path(path)
    if not path.exists():
        raise BadInputError(f"{path}: no such file; check the name.")
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder, an image file is needed; name the file in it.")
    read = _read_nifti if path.name.lower().endswith((".nii", ".nii.gz")) else _read_by_itk
    array, affine, storage = read(path)
    if array.ndim not in (3, 4):
        raise BadInputError(f"{path}: has {array.ndim} axes; a volume of 3 axes is needed.")
    if array.dtype.kind not in "fiu":
        raise BadInputError(f"{path}: holds {array.dtype} numbers; a gray image is needed.")
    if not _usable(affine):
        raise BadInputError(f"{path}: its geometry (affine) is not usable; export it again.")
    stack = array[..., None] if array.ndim == 3 else array
    return [Volume(stack[..., t], affine, storage, path) for t in range(stack.shape[3])]


def read_volume(path: Path | str) -> Volume:
    """Read one 3D image.

    Raises
    ------
    BadInputError
        As :func:`read_volumes`, and when the file holds several volumes (4D).
    """
    volumes = read_volumes(path)
    if len(volumes) != 1:
        raise BadInputError(
            f"{path}: holds {len(volumes)} volumes (4D) where one is expected; "
            "split it, or give it as --dwi, where a series is understood."
        )
    return volumes[0]


def _as_stored(volume: Volume, storage: Storage) -> Array:
    dtype = np.dtype({"bool": "uint8", "float16": "float32"}.get(storage.dtype, storage.dtype))
    values = volume.array
    if storage.slope != 1.0 or storage.intercept != 0.0:
        values = (values.astype(np.float64) - storage.intercept) / storage.slope
    if dtype.kind in "iu" and values.dtype != dtype and values.dtype.kind != "b":
        info = np.iinfo(dtype)
        values = np.clip(np.rint(values), info.min, info.max)  # a value out of range must not wrap round
    return values.astype(dtype)


def write_volume(path: Path | str, volume: Volume, storage: Storage | None = None) -> None:
    """Write a volume atomically; the same volume gives the same bytes.

    Parameters
    ----------
    path
        Its ending chooses the format (``.nii.gz`` is usual). Slope and intercept other than
        1 and 0 are kept in NIfTI; other formats then hold the plain values.
    volume
        What is written, in the volume's own axis order.
    storage
        Type and scaling in the file; the volume's own by default.
    """
    import SimpleITK

    sitk: Any = SimpleITK  # its functions carry no types
    path = Path(path)
    if not path.name.lower().endswith(WRITTEN_ENDINGS):
        raise BadInputError(f"{path}: images are written as {', '.join(WRITTEN_ENDINGS)}; choose one.")
    storage = storage or volume.storage
    is_nifti = path.name.lower().endswith((".nii", ".nii.gz"))
    if not is_nifti and (storage.slope != 1.0 or storage.intercept != 0.0):
        storage = Storage(str(volume.array.dtype))
    image = sitk.GetImageFromArray(np.ascontiguousarray(_as_stored(volume, storage).T))
    straight = nifti.right_angled(volume.affine)  # ITK takes nothing else
    affine = _LPS_RAS @ straight
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing([float(s) for s in spacing])
    image.SetDirection([float(d) for d in (affine[:3, :3] / spacing).ravel()])
    image.SetOrigin([float(o) for o in affine[:3, 3]])
    for key, text in volume.metadata.items():
        image.SetMetaData("ITK_FileNotes" if key == "descrip" and is_nifti else key, text)
    with replacing(path) as temporary:
        if not is_nifti:
            sitk.WriteImage(image, str(temporary), useCompression=True)
            return
        # Uncompressed first: the scaling is set in the header, and gzip without a time stamp
        # gives the same bytes every time.
        plain = temporary.with_name(temporary.name.replace(".", "_") + ".nii")
        try:
            sitk.WriteImage(image, str(plain), useCompression=False)
            content = bytearray(plain.read_bytes())
        finally:
            plain.unlink(missing_ok=True)
        struct.pack_into("<2f", content, nifti.SLOPE_OFFSET, storage.slope, storage.intercept)
        if not np.allclose(straight, volume.affine, rtol=0, atol=1e-6):
            nifti.put_sform(content, volume.affine)
        if path.name.lower().endswith(".gz"):
            content = bytearray(gzip.compress(bytes(content), compresslevel=3, mtime=0))
        temporary.write_bytes(content)
