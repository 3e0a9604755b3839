"""Arterial territories in standard space, coarse and symmetric, and what they are called.

:class:`TerritoryAtlas` holds, for each of 15 arterial branches, the probability that a point
of the left half of the standard brain belongs to it (the right half is its mirror image), a
map of the solid brain, and how often real acute infarcts cover a point. All are averages on
a 4 mm grid, computed from the digital arterial atlas (Liu et al., Scientific Data 2023,
10:74) and from published lesion masks (Absher et al., Scientific Data 2024, 11:839); see the
card of the shipped model ``territories``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..errors import BadInputError
from ..modelfolder import open_model
from ..volume import Grid

Array = npt.NDArray[Any]

MODEL_NAME = "territories"
MODEL_KIND = "territories"

#: Branches of the atlas, in the order of the shipped maps.
PARTS: tuple[str, ...] = (
    "ACA", "MCA-medial-lenticulostriate", "MCA-lateral-lenticulostriate", "MCA-frontal",
    "MCA-parietal", "MCA-temporal", "MCA-occipital", "MCA-insular", "PCA-temporal", "PCA-occipital",
    "posterior-choroidal", "anterior-choroidal", "basilar", "superior-cerebellar", "inferior-cerebellar",
)  # fmt: skip

#: Branches that feed the cortex from the surface; the others are perforators.
CORTICAL_PARTS: tuple[str, ...] = (
    "ACA", "MCA-frontal", "MCA-parietal", "MCA-temporal", "MCA-occipital", "MCA-insular",
    "PCA-temporal", "PCA-occipital", "superior-cerebellar", "inferior-cerebellar",
)  # fmt: skip
PERFORATORS: tuple[str, ...] = tuple(part for part in PARTS if part not in CORTICAL_PARTS)

#: Large arteries, and the branches counted to each when a lesion is named.
ARTERIES: dict[str, tuple[str, ...]] = {
    "ACA": ("ACA",),
    "MCA": tuple(part for part in PARTS if part.startswith("MCA-")),
    "PCA": ("PCA-temporal", "PCA-occipital", "posterior-choroidal"),
    "anterior-choroidal": ("anterior-choroidal",),
    "basilar": ("basilar",),
    "cerebellar": ("superior-cerebellar", "inferior-cerebellar"),
}
ARTERY_OF: dict[str, str] = {part: artery for artery, parts in ARTERIES.items() for part in parts}


#: Standard-space volumes (ml) that divide small, medium and large infarcts in the statistics.
SIZES_ML: tuple[float, float] = (5.0, 50.0)


@dataclass(frozen=True)
class Territory:
    """Something that can be asked for as ``--territory``.

    Parameters
    ----------
    name
        As it is typed.
    parts
        Branches that make it up.
    pattern
        How lesions lie in it: "branch" (one territory), "malignant" (most of it), "lacunar"
        (one small perforator), "border-zone" (a chain between territories), "embolic"
        (many, over several territories).
    description
        One line for ``--help``.
    """

    name: str
    parts: tuple[str, ...]
    pattern: str
    description: str


_DEEP = ("MCA-medial-lenticulostriate", "MCA-lateral-lenticulostriate", "posterior-choroidal",
         "anterior-choroidal", "basilar")  # fmt: skip
_DESCRIBED: tuple[Territory, ...] = (
    Territory("MCA", ARTERIES["MCA"], "branch", "middle cerebral artery, all branches"),
    Territory("malignant-MCA", ARTERIES["MCA"], "malignant", "most of the middle cerebral territory"),
    Territory("MCA-lenticulostriate", _DEEP[:2], "branch", "deep branches of the middle cerebral artery"),
    *(
        Territory(part, (part,), "branch", f"{part[4:].replace('-', ' ')} branches of the MCA")
        for part in ARTERIES["MCA"]
    ),
    Territory("ACA", ("ACA",), "branch", "anterior cerebral artery"),
    Territory("PCA", ARTERIES["PCA"], "branch", "posterior cerebral artery, all branches"),
    Territory("PCA-temporal", ("PCA-temporal",), "branch", "temporal branches of the PCA"),
    Territory("PCA-occipital", ("PCA-occipital",), "branch", "occipital branches of the PCA"),
    Territory(
        "posterior-choroidal", ("posterior-choroidal",), "branch", "posterior choroidal, thalamoperforators"
    ),
    Territory(
        "anterior-choroidal", ("anterior-choroidal",), "branch", "anterior choroidal, thalamoperforators"
    ),
    Territory("basilar", ("basilar",), "branch", "basilar perforators: pons, midbrain, medulla"),
    Territory("cerebellar", ARTERIES["cerebellar"], "branch", "all cerebellar arteries"),
    Territory("superior-cerebellar", ("superior-cerebellar",), "branch", "superior cerebellar artery"),
    Territory("inferior-cerebellar", ("inferior-cerebellar",), "branch", "PICA and AICA"),
    Territory("lacunar", _DEEP, "lacunar", "one perforator, 3 to 15 mm"),
    Territory("border-zone", ("ACA", *ARTERIES["MCA"], "PCA-temporal", "PCA-occipital"), "border-zone",
              "chain along the internal or cortical border zone"),
    Territory("embolic", CORTICAL_PARTS, "embolic", "shower of small lesions over several territories"),
)  # fmt: skip

#: What ``--territory`` takes.
TERRITORIES: dict[str, Territory] = {territory.name: territory for territory in _DESCRIBED}
SIDES: tuple[str, ...] = ("left", "right", "both")


def find_territory(name: str) -> Territory:
    """The territory of that name, in any case.

    Raises
    ------
    BadInputError
        When there is none; the text lists those there are.
    """
    for known, territory in TERRITORIES.items():
        if known.lower() == name.strip().lower():
            return territory
    raise BadInputError(f"--territory {name}: is not known; choose one of {', '.join(TERRITORIES)}.")


@dataclass(frozen=True)
class Site:
    """Where a lesion lies.

    Parameters
    ----------
    territory
        Large artery (key of :data:`ARTERIES`) with the largest share.
    part
        Branch with the largest share.
    side
        "left", "right", or "both" when less than 95 % lie on one side.
    left_share
        Share of the lesion in the left half.
    shares
        Share of the lesion in each branch, both sides together; sums to 1.
    """

    territory: str
    part: str
    side: str
    left_share: float
    shares: Mapping[str, float]


#: A lesion is one-sided when at least this share of it lies on that side.
ONE_SIDED = 0.95


@dataclass(frozen=True)
class TerritoryAtlas:
    """Territory probabilities and lesion statistics in standard space.

    Parameters
    ----------
    left
        (15, x, y, z) uint8, 255 = certain: the left branches of :data:`PARTS`.
    brain
        (x, y, z) uint8: the solid brain, sulci filled, with ventricles.
    centers
        (4, x, y, z) uint8: how often a point is the center of a real infarct (small, medium,
        large: :data:`SIZES_ML`) or of one of its further pieces; smoothed, both halves
        averaged, each scaled to its largest value.
    grid
        Standard-space grid of the maps (RAS, 4 mm), symmetric about x = 0.
    statistics
        Numbers of real infarcts that the procedural source draws from (``model.json``).
    hash
        Model hash, for records.
    """

    left: Array
    brain: Array
    centers: Array
    grid: Grid
    statistics: Mapping[str, Any]
    hash: str

    @classmethod
    def load(cls) -> TerritoryAtlas:
        """The shipped atlas; read once."""
        return _load_shipped()

    @cached_property
    def sided(self) -> Array:
        """(2, 15, x, y, z) float32 probabilities, left then right."""
        left = self.left.astype(np.float32) / 255.0
        return np.stack([left, left[:, ::-1]])

    def probability(self, parts: tuple[str, ...], side: str) -> Array:
        """Probability map (x, y, z) float32 of some branches on one or both sides."""
        rows = [PARTS.index(part) for part in parts]
        sides = {"left": [0], "right": [1], "both": [0, 1]}[side]
        return np.asarray(np.clip(self.sided[sides][:, rows].sum(axis=(0, 1)), 0.0, 1.0))

    def sample(self, maps: Array, points: Array) -> Array:
        """Values (n, m) of maps (n, x, y, z) at standard-space points (3, m), linear, 0 outside."""
        from scipy.ndimage import map_coordinates

        index = (np.linalg.inv(self.grid.affine) @ np.vstack([points, np.ones(points.shape[1])]))[:3]
        return np.stack([map_coordinates(one, index, output=np.float32, order=1) for one in maps])

    def site_of_points(self, points: Array) -> Site:
        """Name the territory and side of a lesion given as standard-space points (3, n) (mm)."""
        if points.shape[1] == 0:
            raise ValueError("an empty lesion has no site")
        points = _some(points)
        both = self.sample(self.sided.sum(axis=0), points)
        total = both.sum(axis=0)
        inside = total > 0.02
        weights = both[:, inside] / total[inside] if inside.any() else np.full((len(PARTS), 1), 1.0)
        mean = weights.mean(axis=1)
        mean = mean / mean.sum()
        shares = {part: float(value) for part, value in zip(PARTS, mean, strict=True)}
        by_artery = {artery: sum(shares[p] for p in parts) for artery, parts in ARTERIES.items()}
        left = float(np.mean(points[0] < 0))
        side = "left" if left >= ONE_SIDED else "right" if left <= 1 - ONE_SIDED else "both"
        return Site(
            max(by_artery, key=by_artery.__getitem__), max(shares, key=shares.__getitem__), side, left, shares
        )

    def site(self, mask: Array, anatomy: Anatomy) -> Site:
        """Name the territory and side of a mask (boolean) on an anatomy's grid."""
        voxels = np.array(np.nonzero(mask))
        return self.site_of_points(standard_points_of_voxels(_some(voxels), anatomy))


def _some(columns: Array) -> Array:
    """At most 20,000 columns, evenly taken: shares to a percent do not need every voxel."""
    return columns[:, :: columns.shape[1] // 20_000 + 1]


def standard_points_of_voxels(voxels: Array, anatomy: Anatomy) -> Array:
    """Standard-space RAS mm (3, n) of voxel indices (3, n) of the anatomy's grid."""
    from scipy.ndimage import map_coordinates

    correspondence = anatomy.correspondence
    to_index = np.linalg.inv(correspondence.grid.affine) @ anatomy.affine
    index = to_index[:3, :3] @ voxels + to_index[:3, 3:]
    return np.stack(
        [
            map_coordinates(axis, index, order=1, mode="nearest", output=np.float32)
            for axis in correspondence.coordinates
        ]
    )


@lru_cache(maxsize=1)
def _load_shipped() -> TerritoryAtlas:
    model = open_model(MODEL_NAME, MODEL_KIND)
    if tuple(model.config.get("parts", ())) != PARTS:
        raise BadInputError(f"{model.path}: its territories are not those of this version; install again.")
    arrays = model.arrays()
    x, y, z = arrays["brain"].shape
    affine = np.array(model.config["affine"], float)
    return TerritoryAtlas(
        arrays["left"], arrays["brain"], arrays["centers"], Grid((x, y, z), affine),
        model.config["statistics"], model.hash,
    )  # fmt: skip
