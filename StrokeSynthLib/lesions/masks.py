"""Real lesion masks from a folder, brought to a subject's anatomy.

Masks lie in standard space (MNI152, RAS mm), one file a person. Each is screened when it is
first needed. To place one:

1. it may be mirrored and is moved a little (recorded; off with ``vary=False``),
2. the anatomy's correspondence brings it over, threshold 0.5,
3. what lies outside the subject's parenchyma is clipped, never anything added.

**What counts as lost.** Masks are drawn on diffusion images of about 2 x 2 x 5 mm, and the
standard brain that they lie in is solid: its sulci are filled. A subject's label map has
open sulci, a sixth of the brain's volume, so that every cortical mask covers some sulcal CSF
however well it fits; counting that as misplacement would leave lacunes only. So the mask is
first confined to tissue within the subject's *solid* brain (parenchyma and sulci up to
:data:`SULCUS_MM` wide on either side), and ``loss`` is the share of the mapped mask outside that:
in ventricles, in wide CSF, outside the head. More than :data:`LARGEST_LOSS` rejects the
mask for this subject. The share that lay in narrow sulci is recorded as ``sulcal_share``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..errors import BadInputError, StrokeSynthError
from ..files import sha256_of
from ..volume import FILE_ENDINGS, Grid, Volume, file_stem, read_volume
from .lesion import Lesion, LesionRequest
from .placing import box_of_standard_region, grid_of_box, solid_brain
from .statistics import SMALLEST_COUNTED_ML, bounding_box, describe, pieces, without_dust
from .territories import ARTERIES, Site, Territory, TerritoryAtlas, find_territory

Array = npt.NDArray[Any]

LARGEST_ML = 400.0
LARGEST_SHARE_OUTSIDE = 0.10
LARGEST_LOSS = 0.10
#: Sulci up to twice this wide (mm) belong to the solid brain.
SULCUS_MM = 2.0
#: A placed mask fits a requested volume within this share.
VOLUME_TOLERANCE = 0.25
#: Pieces smaller than this (mm^3) are cut-off slivers.
SMALLEST_PIECE_MM3 = 3.0
TRIES = 200
#: Standard-space volumes (ml) from which an MCA infarct is malignant, and up to which a lacune.
MALIGNANT_ML = 145.0
LACUNAR_ML = 2.7

#: Cosine of half a degree: axes nearer to x, y, z than that are straight.
_STRAIGHT = float(np.cos(np.deg2rad(0.5)))
_TEST_LIST = Path(__file__).with_name("test_masks.txt")


def person_of(path: Path | str) -> str:
    """The person that a mask file belongs to: ``sub-<id>`` in its name, else the whole stem."""
    found = re.search(r"sub-[A-Za-z0-9]+", Path(path).name)
    return found.group(0) if found else file_stem(path)


def read_names(path: Path | str) -> tuple[str, ...]:
    """Names from a text file, one a line; lines that begin with # are comments."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: cannot be read as a list of names; check the file.") from error
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def held_out_names() -> tuple[str, ...]:
    """People whose masks form the project's own test set: used for nothing else."""
    return read_names(_TEST_LIST)


@dataclass(frozen=True)
class StandardMask:
    """One screened mask, kept as packed bits of its bounding box.

    Parameters
    ----------
    name
        Person.
    path
        Its file.
    bits
        Packed voxels of the bounding box with one voxel of margin.
    grid
        Place of that box in standard space (RAS mm).
    volume_ml
        Volume in standard space (ml).
    site
        Territory and side.
    components
        Pieces of 10 mm^3 or more.
    """

    name: str
    path: Path
    bits: Array
    grid: Grid
    volume_ml: float
    site: Site
    components: int

    def unpacked(self) -> Array:
        """The box as booleans."""
        count = int(np.prod(self.grid.shape))
        return np.unpackbits(self.bits, count=count).reshape(self.grid.shape).astype(bool)


@dataclass(frozen=True)
class Perturbation:
    """How a mask is moved in standard space before it is brought to the anatomy."""

    mirrored: bool = False
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator, mirrored: bool) -> Perturbation:
        """Small: SD 1.5 mm, 2 degrees, 3 %."""
        x, y, z = rng.normal(0.0, 1.5, 3).round(2)
        a, b, c = rng.normal(0.0, 2.0, 3).round(2)
        scale = float(np.clip(rng.normal(1.0, 0.03), 0.9, 1.1).round(3))
        return cls(mirrored, (float(x), float(y), float(z)), (float(a), float(b), float(c)), scale)

    def matrix(self, center: Array) -> Array:
        """(4, 4), from standard to standard RAS mm; turns and scales about ``center``."""
        from scipy.spatial.transform import Rotation

        linear = Rotation.from_euler("xyz", self.rotation_deg, degrees=True).as_matrix() * self.scale
        moved = np.eye(4)
        moved[:3, :3] = linear
        moved[:3, 3] = center + np.array(self.shift_mm) - linear @ center
        return np.diag([-1.0, 1.0, 1.0, 1.0]) @ moved if self.mirrored else moved


@dataclass
class Screening:
    """What was looked at and why some of it was not used."""

    accepted: int = 0
    rejected: dict[str, str] = field(default_factory=dict)
    placed: int = 0
    clipped: Counter[str] = field(default_factory=Counter)

    def screened(self) -> str:
        """What was screened out, and why."""
        reasons = Counter(self.rejected.values())
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        return f"Screened out: {len(self.rejected)}" + (f" ({listed})." if listed else ".")

    def summary(self) -> str:
        """One line for a report."""
        return (
            f"{self.accepted} masks usable. {self.screened()} {self.placed} placed, "
            f"{self.clipped.total()} times a mask lost more than {LARGEST_LOSS:.0%} on an anatomy and "
            "another was taken."
        )


class MaskFolder:
    """Source of real masks from a folder.

    Parameters
    ----------
    folder
        Holds mask files in standard space, directly or below it.
    names
        People whose masks may be used (``sub-1001`` or file stems); all when None.
    vary
        Mirror half of the masks and move each a little.
    sulcus_mm
        Sulci up to twice this wide count as solid brain in ``loss``; 0 counts all CSF as lost.
    atlas
        Standard brain and territory names; the shipped ones when None.
    paths
        Files to use instead of all that are in the folder.
    """

    remedy = "bring them to standard space (MNI152)"

    def __init__(
        self, folder: Path, names: Sequence[str] | None = None, *, vary: bool = True,
        sulcus_mm: float = SULCUS_MM, atlas: TerritoryAtlas | None = None,
        paths: Sequence[Path] | None = None,
    ) -> None:  # fmt: skip
        self.folder = Path(folder)
        self.name = f"masks of {self.folder.name}"
        self.vary = vary
        self.sulcus_mm = sulcus_mm
        self.paths = _mask_files(Path(folder), names) if paths is None else list(paths)
        self.screening = Screening()
        self.atlas = atlas or TerritoryAtlas.load()
        self._opened: dict[Path, StandardMask | None] = {}

    @property
    def rejections(self) -> int:
        """Masks refused so far: screened out, or clipped too much on an anatomy."""
        return len(self.screening.rejected) + sum(self.screening.clipped.values())

    def open(self, path: Path) -> StandardMask | None:
        """The screened mask of a file, or None when it was screened out; read once."""
        if path not in self._opened:
            mask, reason = self.screened(path)
            self._opened[path] = mask
            if mask is None:
                self.screening.rejected[str(path)] = reason
            else:
                self.screening.accepted += 1
        return self._opened[path]

    def screened(self, path: Path) -> tuple[StandardMask | None, str]:
        """The mask of a file, or None and why it is not used."""
        try:
            volume = read_volume(path).canonical()
        except BadInputError:
            return None, "unreadable"
        if _tilted(volume.affine):
            return None, "on a tilted grid, so not in standard space"
        return screened_volume(volume, path, person_of(path), self.atlas)

    def draw(self, anatomy: Anatomy, request: LesionRequest, rng: np.random.Generator) -> Lesion:
        """Draw a mask that fits the request and the anatomy; see :class:`LesionSource`."""
        if request.territory is not None and find_territory(request.territory).pattern == "border-zone":
            raise StrokeSynthError(
                f"{self.name}: a mask does not tell whether it is a border-zone infarct; "
                "use the procedural lesions, or another territory."
            )
        tries = 0
        for index in rng.permutation(len(self.paths)):
            mask = self.open(self.paths[index])
            flip, vary = bool(rng.random() < 0.5), rng.spawn(1)[0]
            if mask is None:
                continue
            mirrored = _mirroring(mask, request, flip and self.vary)
            if mirrored is None:
                continue
            moved = Perturbation.draw(vary, mirrored) if self.vary else Perturbation(mirrored)
            tries += 1
            lesion = self.place(mask, anatomy, moved)
            if lesion is not None and _fits(lesion, request):
                self.screening.placed += 1
                return lesion
            if tries >= TRIES:
                break
        if not self.screening.accepted:
            raise BadInputError(
                f"{self.folder}: none of its masks is usable; {self.remedy}. {self.screening.screened()}"
            )
        raise StrokeSynthError(
            f"{self.name}: none of {tries} masks that suit {_asked(request)} fits {anatomy.name} and keeps "
            f"{1 - LARGEST_LOSS:.0%} of its volume in the brain; ask for less, or use the procedural lesions."
        )

    def place(self, mask: StandardMask, anatomy: Anatomy, moved: Perturbation) -> Lesion | None:
        """One mask on one anatomy, or None (counted) when it loses too much."""
        box_array = mask.unpacked()
        matrix = moved.matrix(mask.grid.corners().mean(axis=0))
        grid = Grid(mask.grid.shape, matrix @ mask.grid.affine)
        corners = grid.corners()
        pad = int(np.ceil(self.sulcus_mm / min(anatomy.grid.spacing))) + 2
        box = box_of_standard_region(anatomy, corners.min(axis=0), corners.max(axis=0), float(pad))
        if box is None:
            self.screening.clipped["outside the anatomy"] += 1
            return None
        mapped = anatomy.pull(box_array, grid, onto=grid_of_box(anatomy, box)) >= 0.5
        parenchyma = anatomy.parenchyma[box]
        solid = solid_brain(
            anatomy.labels[box], parenchyma, round(self.sulcus_mm / min(anatomy.grid.spacing))
        )
        total = int(mapped.sum())
        loss = 1.0 - float((mapped & solid).sum() / total) if total else 1.0
        if loss > LARGEST_LOSS:
            self.screening.clipped["more than the limit outside the brain"] += 1
            return None
        kept = mapped & parenchyma
        kept = without_dust(kept, int(np.ceil(SMALLEST_PIECE_MM3 / (1000 * anatomy.grid.voxel_ml))))
        if not kept.any():
            self.screening.clipped["nothing left in parenchyma"] += 1
            return None
        whole = np.zeros(anatomy.labels.shape, bool)
        whole[box] = kept
        numbers = describe(kept, anatomy.grid.spacing)
        site = self.atlas.site(whole, anatomy)
        return Lesion(
            whole,
            {"source": "real mask", "file": mask.path.name, "sha256": sha256_of(mask.path),
             "territory": site.territory, "part": site.part, "side": site.side,
             "volume_ml": round(numbers.volume_ml, 4), "components": numbers.components,
             "mapped_ml": round(total * anatomy.grid.voxel_ml, 4), "loss": round(loss, 4),
             "sulcal_share": round(float((mapped & solid & ~parenchyma).sum() / total), 4),
             "perturbation": asdict(moved)},
        )  # fmt: skip


def _mask_files(folder: Path, names: Sequence[str] | None) -> list[Path]:
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; give a folder of lesion masks in standard space.")
    files = sorted(p for p in folder.rglob("*") if p.name.lower().endswith(FILE_ENDINGS))
    if not files:
        raise BadInputError(f"{folder}: holds no image files; lesion masks (.nii.gz) are needed.")
    if names is None:
        return files
    wanted = set(names)
    chosen = [p for p in files if person_of(p) in wanted or file_stem(p) in wanted]
    if not chosen:
        raise BadInputError(f"{folder}: none of the {len(wanted)} named masks is here; check the names.")
    return chosen


def screened_volume(
    volume: Volume, path: Path, person: str, atlas: TerritoryAtlas
) -> tuple[StandardMask | None, str]:
    """A mask that lies in standard space, or None and why it is not used."""
    array = volume.array != 0
    values = volume.array[array]
    if values.size == 0:
        return None, "empty"
    if not np.isfinite(values[0]) or (values != values[0]).any():
        return None, "not binary"
    if array.sum() * volume.grid.voxel_ml > LARGEST_ML:
        return None, f"over {LARGEST_ML:.0f} ml"
    box = bounding_box(array)
    voxels = np.array(np.nonzero(array))
    points = volume.affine[:3, :3] @ voxels + volume.affine[:3, 3:]
    inside = atlas.sample(atlas.brain[None].astype(np.float32), points)[0] >= 127.5
    if 1.0 - inside.mean() > LARGEST_SHARE_OUTSIDE:
        return None, f"more than {LARGEST_SHARE_OUTSIDE:.0%} outside the standard brain"
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (np.array([s.start for s in box]) - 1.0)
    padded = np.pad(array[box], 1)
    x, y, z = padded.shape
    return StandardMask(
        person, path, np.packbits(padded), Grid((x, y, z), affine),
        float(array.sum() * volume.grid.voxel_ml), atlas.site_of_points(points[:, inside]),
        int((pieces(padded)[1] * volume.grid.voxel_ml >= SMALLEST_COUNTED_ML).sum()),
    ), ""  # fmt: skip


def _tilted(affine: Array) -> bool:
    """Whether axes point elsewhere than along x, y, z, as an examination's do and standard grids' never."""
    directions = np.abs(affine[:3, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    return bool((directions.max(axis=0) < _STRAIGHT).any())


def _suits(mask: StandardMask, territory: Territory) -> bool:
    """Whether a mask is a lesion of that territory and pattern, as far as a mask can tell."""
    share = sum(mask.site.shares[part] for part in territory.parts)
    if territory.pattern == "embolic":
        by_artery = [sum(mask.site.shares[part] for part in parts) for parts in ARTERIES.values()]
        return mask.components >= 4 and max(by_artery) < 0.8
    if territory.pattern == "malignant":
        return share >= 0.5 and mask.volume_ml >= MALIGNANT_ML
    if territory.pattern == "lacunar":
        return share >= 0.5 and mask.components == 1 and mask.volume_ml <= LACUNAR_ML
    return share >= 0.5


def _mirroring(mask: StandardMask, request: LesionRequest, wish: bool) -> bool | None:
    """Whether to mirror a mask for a request; None when it does not suit either way."""
    if request.territory is not None and not _suits(mask, find_territory(request.territory)):
        return None
    if request.volume_ml is not None and not 0.5 < mask.volume_ml / request.volume_ml < 4.0:
        return None  # far off whatever the size of the head; the placed volume decides
    if request.side is None:
        return wish
    if request.side == mask.site.side:
        return wish and request.side == "both"
    return True if "both" not in (request.side, mask.site.side) else None


def _fits(lesion: Lesion, request: LesionRequest) -> bool:
    record = lesion.record
    if request.side is not None and record["side"] != request.side:
        return False
    if request.number is not None and record["components"] != request.number:
        return False
    if request.volume_ml is None:
        return True
    return bool(abs(record["volume_ml"] / request.volume_ml - 1.0) <= VOLUME_TOLERANCE)


def _asked(request: LesionRequest) -> str:
    parts = [request.territory, request.side,
             f"{request.volume_ml:g} ml" if request.volume_ml is not None else None,
             f"{request.number} pieces" if request.number is not None else None]  # fmt: skip
    return ", ".join(part for part in parts if part) or "any request"
