"""Drawing what a procedural infarct shall be, before any voxel of it is grown.

A :class:`LesionPlan` lists foci: where each starts, how large it becomes, which branches it may
fill. It is drawn from the statistics of real infarcts (see the card of the model
``territories``) over a coarse view of the anatomy, or from what was asked for. Volumes are
drawn as shares of the brain, because real masks lie in standard space, which is larger than
most heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..errors import StrokeSynthError
from .growth import LEAST_PROBABILITY, Focus
from .territories import ARTERIES, ARTERY_OF, PARTS, PERFORATORS, SIZES_ML, TerritoryAtlas

Array = npt.NDArray[Any]

#: Lacunes are 3 to 15 mm wide; the largest, as long as 1.6 widths, holds this much (ml).
LACUNE_MM = (3.0, 15.0)
LARGEST_LACUNE_ML = np.pi / 6.0 * LACUNE_MM[1] ** 3 / 1000.0
#: No focus is smaller than this (ml): under it a DWI voxel would not show it.
SMALLEST_FOCUS_ML = 0.012
#: Share of a territory's capacity that one focus may fill before neighbors are opened.
FULL = 0.85
_COARSE_MM = 4.0


@dataclass(frozen=True)
class LesionPlan:
    """What will be grown.

    Parameters
    ----------
    territory
        As asked for, or the artery of the largest focus.
    pattern
        See :class:`~StrokeSynthLib.lesions.territories.Territory`.
    foci
        Largest first.
    """

    territory: str
    pattern: str
    foci: tuple[Focus, ...]


class CoarseAnatomy:
    """An anatomy at about 4 mm: where its parenchyma is, and in which territory.

    Attributes
    ----------
    voxels
        (n, 3) voxel indices of parenchyma.
    points
        (3, n) their standard-space RAS mm.
    branches
        (2, 15, n) probability of each branch, left and right.
    centers
        (4, n) densities of infarct centers.
    voxel_ml
        Parenchyma that one of them stands for (ml).
    parenchyma_ml
        Of the whole anatomy (ml).
    """

    def __init__(self, anatomy: Anatomy, atlas: TerritoryAtlas) -> None:
        from .territories import standard_points_of_voxels

        stride = np.maximum(1, np.rint(_COARSE_MM / np.array(anatomy.grid.spacing))).astype(int)
        some = anatomy.parenchyma[:: stride[0], :: stride[1], :: stride[2]]
        self.voxels = np.argwhere(some) * stride
        if self.voxels.shape[0] == 0:
            raise StrokeSynthError(f"{anatomy.name}: has no gray or white matter; give another anatomy.")
        self.points = standard_points_of_voxels(self.voxels.T, anatomy)
        sided = atlas.sided.reshape(-1, *atlas.brain.shape)
        self.branches = atlas.sample(sided, self.points).reshape(2, len(PARTS), -1)
        self.centers = atlas.sample(atlas.centers.astype(np.float32), self.points)
        self.parenchyma_ml = float(anatomy.parenchyma.sum() * anatomy.grid.voxel_ml)
        self.voxel_ml = self.parenchyma_ml / self.voxels.shape[0]

    def probability(self, parts: tuple[str, ...], side: str) -> Array:
        """(n,) probability of some branches on a side."""
        rows = [PARTS.index(part) for part in parts]
        sides = {"left": [0], "right": [1], "both": [0, 1]}[side]
        return np.asarray(self.branches[sides][:, rows].sum(axis=(0, 1)))

    def capacity_ml(self, parts: tuple[str, ...], side: str) -> float:
        """Parenchyma that a lesion of these branches can fill (ml)."""
        return float((self.probability(parts, side) >= LEAST_PROBABILITY).sum() * self.voxel_ml)

    def place(self, weights: Array, rng: np.random.Generator) -> int:
        """Draw one of the voxels by weight.

        Raises
        ------
        StrokeSynthError
            When all weights are 0.
        """
        if not float(weights.sum()) > 0:
            raise StrokeSynthError("no parenchyma is left there for a lesion; ask for less or elsewhere.")
        return _pick(weights, rng)

    def branch_at(self, index: int, side: str, among: tuple[str, ...], rng: np.random.Generator) -> str:
        """Draw the branch that feeds a voxel, by its probabilities there."""
        rows = {"left": self.branches[0], "right": self.branches[1]}.get(side, self.branches.sum(axis=0))
        chances = np.array([rows[PARTS.index(part), index] for part in among]) + 1e-6
        return among[_pick(chances, rng)]


class Statistics:
    """Drawing from the shipped numbers of real infarcts."""

    def __init__(self, numbers: Mapping[str, Any]) -> None:
        self.numbers = numbers
        self.levels = np.array(numbers["quantiles"])

    def quantile(self, table: Any, rng: np.random.Generator) -> float:
        """One value of a distribution given by its quantiles."""
        return float(np.interp(rng.random(), self.levels, table))

    def brain_share(self, parts: tuple[str, ...] | None, rng: np.random.Generator) -> float:
        """Volume as a share of the brain, for one branch, an artery, or any infarct."""
        numbers = self.numbers
        table = numbers["log_share_of_brain"]
        if parts is not None:
            # Branches that are too rarely hit for numbers of their own: those of the basilar
            # perforators, which are as small.
            by_artery = numbers["log_share_by_artery"]
            table = by_artery.get(ARTERY_OF[parts[0]], by_artery["basilar"])
            if len(parts) == 1:
                table = numbers["log_share_by_part"].get(parts[0], table)
        return float(np.exp(self.quantile(table, rng)))

    def size(self, share: float) -> int:
        """0, 1 or 2 for a small, medium or large infarct."""
        return int(np.searchsorted(SIZES_ML, share * self.numbers["solid_brain_ml"]))

    def number(self, size: int, rng: np.random.Generator) -> int:
        """Count of pieces of an infarct of that size class."""
        return _pick(np.array(self.numbers["number_by_size"][size]), rng) + 1

    def on_both_sides(self, size: int, number: int, rng: np.random.Generator) -> bool:
        """Whether an infarct of so many pieces lies on both sides."""
        return bool(rng.random() < self.numbers["both_sides"][size][_number_bin(number)])

    def piece_shares(self, number: int, rng: np.random.Generator) -> Array:
        """Shares of the volume in each piece, largest first; sums to 1."""
        if number == 1:
            return np.ones(1)
        largest = self.quantile(self.numbers["largest_share"][_number_bin(number) - 1], rng)
        largest = float(np.clip(largest, 1.0 / number, 0.999))
        rest = np.sort(np.exp(rng.normal(0.0, self.numbers["log_further_piece_ml_sd"], number - 1)))[::-1]
        rest = np.minimum(rest / rest.sum() * (1.0 - largest), largest)
        return np.concatenate([[1.0 - rest.sum()], rest])


def _pick(weights: Array, rng: np.random.Generator) -> int:
    """Index drawn with chances in proportion to weights."""
    cumulated = np.cumsum(weights, dtype=float)
    place = int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right"))
    return min(place, weights.size - 1)


def _number_bin(number: int) -> int:
    return int(np.searchsorted([1, 2, 4, 8], number))


def perforator_axis(part: str, side: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Direction and length of a lacune along its perforator (RAS); length in widths.

    Lenticulostriate arteries rise and fan outward, thalamic perforators rise backward, pontine
    perforators run from the basilar artery backward.
    """
    outward = -1.0 if side == "left" else 1.0
    direction = {"basilar": (0.0, -1.0, 0.15), "posterior-choroidal": (0.2 * outward, -0.4, 1.0)}.get(
        part, (0.35 * outward, 0.0, 1.0)
    )
    vector = np.array(direction) + rng.normal(0.0, 0.15, 3)
    vector *= rng.uniform(1.05, 1.7) / np.linalg.norm(vector)
    return float(vector[0]), float(vector[1]), float(vector[2])


def parts_to_fill(
    coarse: CoarseAnatomy, part: str, side: str, volume_ml: float, rng: np.random.Generator
) -> tuple[str, ...]:
    """Branches that an infarct of unrestricted site may fill: its own artery, more when full.

    A large infarct comes from a proximal occlusion: when the artery's territory cannot hold it,
    neighbors open in random order (as carotid occlusion opens ACA beside MCA).
    """
    if part in PERFORATORS and volume_ml < 0.5 * coarse.capacity_ml((part,), side):
        return (part,)
    parts = ARTERIES[ARTERY_OF[part]]
    order = ["ACA", "MCA", "PCA", "anterior-choroidal"]
    if ARTERY_OF[part] in ("basilar", "cerebellar"):
        order = ["cerebellar", "basilar", "PCA"]
    rest = [name for name in order if name != ARTERY_OF[part]]
    rest = [rest[i] for i in rng.permutation(len(rest))]
    while rest and coarse.capacity_ml(parts, side) * FULL < volume_ml:
        parts = (*parts, *ARTERIES[rest.pop(0)])
    return parts
