"""Where real infarcts lie, how large they are, and how their clusters lie to each other.

The shape models make one cluster (:mod:`.crops`); this draws what to ask of them. Only smoothed maps,
histograms and quantiles over many people are kept. Volumes are shares of the solid standard brain, because
standard space is larger than most heads.

1. The artery, then the total volume from that artery's quantiles, then the number of clusters.
2. The center of the largest from the map of its size class, weighted by the artery's probability there.
3. Each further center from the map of further clusters, weighted by how much more often clusters lie at that
   distance from the largest, on its own side or the other, than if they were independent.
4. The extent of each from its volume: log-linear, with the spread that real ones have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..lesion import LesionRequest
from ..territories import ARTERIES, SIZES_ML, TerritoryAtlas
from .crops import Cluster

Array = npt.NDArray[Any]

LEVELS = np.linspace(0.0, 1.0, 21)
#: Clusters of one lesion that are counted apart; more are rare.
MOST_CLUSTERS = 12
_BLUR_MM = 6.0
_RING_MM, _RINGS = 12.0, 12
#: Lesions with 2, 3 to 4, and more clusters share their volume differently.
_NUMBER_BINS = (2, 4)
#: Quantiles are taken over at least so many lesions; an artery with fewer takes those of all.
_LEAST_PEOPLE = 15


@dataclass(frozen=True)
class Ask:
    """What is asked of the shape model for one cluster.

    Parameters
    ----------
    center
        RAS mm in standard space, on the left side (x <= 0).
    right
        Whether the cluster belongs on the right side.
    share
        Volume as a share of the solid standard brain.
    extent_mm
        In standard space.
    artery
        Key of :data:`..territories.ARTERIES` that it belongs to; None for what lies there.
    """

    center: tuple[float, float, float]
    right: bool
    share: float
    extent_mm: float
    artery: str | None


@dataclass(frozen=True)
class Arrangement:
    """Statistics of real lesions, fitted by :meth:`fit`; all arrays by name.

    Parameters
    ----------
    arrays
        ``artery`` (6,) chances; ``right`` (1,) chance that the largest cluster is on the right;
        ``log_share`` (7, 21) quantiles of the log volume, by artery and over all;
        ``number`` (3, 12) chances of 1 to 12 clusters by size; ``largest`` (3, 21) quantiles of the
        largest cluster's share for 2, 3 to 4 and more clusters; ``spread`` (1,) SD of the log volume of
        further clusters; ``maps`` (4, x, y, z) uint8 center densities: small, medium, large, further;
        ``rings`` (2, 12) how much more often than by chance, same side then other, by distance;
        ``extent`` (3,) slope, intercept and SD of log extent over log volume (mm, ml).
    """

    arrays: Mapping[str, Array]

    @classmethod
    def fit(cls, lesions: Sequence[Sequence[Cluster]], atlas: TerritoryAtlas) -> Arrangement:
        """Fit to lesions, each its clusters, the largest first."""
        solid = float(atlas.statistics["solid_brain_ml"])
        names = list(ARTERIES)
        total = np.array([sum(c.volume_ml for c in lesion) for lesion in lesions])
        main = np.array([int(np.argmax(lesion[0].arteries)) for lesion in lesions])
        counts = np.array([min(len(lesion), MOST_CLUSTERS) for lesion in lesions])
        tables = [np.log(total[main == a] / solid) for a in range(len(names))]
        every = np.log(total / solid)
        tables = [t if t.size >= _LEAST_PEOPLE else every for t in tables] + [every]
        size = np.searchsorted(SIZES_ML, total)
        number = np.stack(
            [np.bincount(counts[size == s] - 1, minlength=MOST_CLUSTERS) + 0.05 for s in range(3)]
        )
        largest = []
        for low, high in ((2, 2), (3, 4), (5, MOST_CLUSTERS)):
            shares = [
                lesion[0].volume_ml / t
                for lesion, t, n in zip(lesions, total, counts, strict=True)
                if low <= n <= high
            ]
            largest.append(np.quantile(shares or [0.6], LEVELS))
        further = [np.log(c.volume_ml) for lesion in lesions if len(lesion) > 2 for c in lesion[1:]]
        everyone = [c for lesion in lesions for c in lesion]
        logs = np.log([[c.volume_ml, c.extent_mm] for c in everyone])
        slope, intercept = np.polyfit(logs[:, 0], logs[:, 1], 1)
        spread = float(np.std(logs[:, 1] - slope * logs[:, 0] - intercept))
        maps = _maps(lesions, atlas)
        return cls(
            {
                "artery": np.bincount(main, minlength=len(names)) / len(lesions),
                "right": np.array([np.mean([lesion[0].mirrored for lesion in lesions])]),
                "log_share": np.stack([_quantiles(t) for t in tables]),
                "number": number / number.sum(axis=1, keepdims=True),
                "largest": np.stack(largest),
                "spread": np.array([float(np.std(further)) if len(further) > 1 else 1.0]),
                "maps": maps,
                "rings": _rings(lesions, maps[3], atlas),
                "extent": np.array([slope, intercept, spread]),
            }
        )

    def draw(
        self, request: LesionRequest, parts: Sequence[str] | None, limits: tuple[float, float],
        share: float | None, most: int, least: int, atlas: TerritoryAtlas, rng: np.random.Generator,
    ) -> list[Ask]:  # fmt: skip
        """Draw a lesion's clusters, the largest first.

        Parameters
        ----------
        request
            Its side is followed.
        parts
            Branches that the largest cluster belongs to; None for any.
        limits
            Smallest and largest volume as a share of the brain, where it is drawn.
        share
            The volume that is asked for, as a share of the brain; None draws it.
        most, least
            Numbers of clusters.
        """
        values, names = self.arrays, list(ARTERIES)
        artery = self._artery(parts, rng)
        if share is None:
            share = self._share(names.index(artery), limits, rng)
        solid = float(atlas.statistics["solid_brain_ml"])
        size = int(np.searchsorted(SIZES_ML, share * solid))
        chances = values["number"][size].copy()
        chances[: least - 1], chances[most:] = 0.0, 0.0
        count = 1 + int(rng.choice(MOST_CLUSTERS, p=chances / chances.sum())) if chances.any() else least
        shares = self._split(count, rng) * share
        side = request.side
        right = side == "right" if side in ("left", "right") else bool(rng.random() < values["right"][0])
        wanted = parts or ARTERIES[artery]
        near = atlas.probability(tuple(wanted), "left")[: values["maps"].shape[1]]
        main_size = int(np.searchsorted(SIZES_ML, shares[0] * solid))
        weights = values["maps"][main_size].astype(float) * near
        center = self._place(weights if weights.sum() > 0 else near, atlas, rng)
        asks = [self._ask(center, right, shares[0], solid, artery, rng)]
        for number, part in enumerate(shares[1:]):
            forced = (
                True if side == "both" and number == 0 else None if side is None or side == "both" else False
            )
            asks.append(self._further(asks[0], part, solid, forced, atlas, rng))
        return asks

    def _artery(self, parts: Sequence[str] | None, rng: np.random.Generator) -> str:
        if parts is None:
            return list(ARTERIES)[int(rng.choice(len(ARTERIES), p=self.arrays["artery"]))]
        inside = np.array([float(any(p in parts for p in of)) for of in ARTERIES.values()])
        chances = inside * (self.arrays["artery"] + 1e-3)
        return list(ARTERIES)[int(rng.choice(len(ARTERIES), p=chances / chances.sum()))]

    def _share(self, row: int, limits: tuple[float, float], rng: np.random.Generator) -> float:
        """A volume from an artery's quantiles, within limits."""
        table = self.arrays["log_share"][row]
        low, high = (float(np.interp(np.log(limit), table, LEVELS)) for limit in limits)
        if high - low < 1e-3:  # no real lesion of that artery is so small or so large
            return float(np.exp(rng.uniform(*np.log(limits))))
        return float(np.exp(np.interp(rng.uniform(low, high), LEVELS, table)))

    def _split(self, count: int, rng: np.random.Generator) -> Array:
        """Shares of the volume, the largest first; their sum is 1."""
        if count == 1:
            return np.ones(1)
        row = int(np.searchsorted(_NUMBER_BINS, count))
        largest = float(np.interp(rng.random(), LEVELS, self.arrays["largest"][row]))
        largest = float(np.clip(largest, 1.0 / count, 0.999))
        rest = np.sort(np.exp(rng.normal(0.0, self.arrays["spread"][0], count - 1)))[::-1]
        rest = np.minimum(rest / rest.sum() * (1.0 - largest), largest)
        return np.concatenate([[1.0 - rest.sum()], rest])

    def _ask(
        self, center: Array, right: bool, share: float, solid: float, artery: str | None,
        rng: np.random.Generator,
    ) -> Ask:  # fmt: skip
        slope, intercept, spread = self.arrays["extent"]
        volume = max(share * solid, 0.01)
        extent = np.exp(slope * np.log(volume) + intercept + float(np.clip(rng.normal(), -1.8, 1.8)) * spread)
        # No cluster is smaller than a ball of its volume, and none is longer than the brain.
        extent = float(np.clip(extent, 1.02 * (6000.0 * volume / np.pi) ** (1 / 3), 165.0))
        x, y, z = (float(v) for v in center)
        return Ask((-abs(x), y, z), right, share, extent, artery)

    def _further(
        self, main: Ask, share: float, solid: float, across: bool | None, atlas: TerritoryAtlas,
        rng: np.random.Generator,
    ) -> Ask:  # fmt: skip
        """A further cluster; ``across`` says whether on the other side, None draws it."""
        maps, rings = self.arrays["maps"][3].astype(float), self.arrays["rings"]
        weights = []
        for other in (False, True):
            ring = _ring_of(_distances(main.center, other, maps.shape, atlas))
            weights.append(maps * rings[int(other)][ring] * (across is None or across == other))
        both = np.stack(weights)
        if both.sum() <= 0:
            both = np.stack([maps * (across is not True), maps * (across is True)])
        flat = np.cumsum(both.ravel())
        row = int(np.searchsorted(flat, rng.random() * flat[-1], side="right"))
        across_it, *voxel = np.unravel_index(min(row, flat.size - 1), both.shape)
        center = self._jittered(np.array(voxel, float), atlas, rng)
        return self._ask(center, main.right != bool(across_it), share, solid, None, rng)

    def _place(self, weights: Array, atlas: TerritoryAtlas, rng: np.random.Generator) -> Array:
        flat = np.cumsum(weights.ravel())
        row = min(int(np.searchsorted(flat, rng.random() * flat[-1], side="right")), flat.size - 1)
        return self._jittered(np.array(np.unravel_index(row, weights.shape), float), atlas, rng)

    def _jittered(self, voxel: Array, atlas: TerritoryAtlas, rng: np.random.Generator) -> Array:
        """A point within a voxel of the atlas (RAS mm)."""
        moved = voxel + rng.uniform(-0.5, 0.5, 3)
        return np.asarray(atlas.grid.affine[:3, :3] @ moved + atlas.grid.affine[:3, 3])


def _quantiles(values: Array) -> Array:
    """Quantiles whose ends are not one person's: the outermost two percent are left out."""
    return np.asarray(np.quantile(values, 0.02 + 0.96 * LEVELS))


def _maps(lesions: Sequence[Sequence[Cluster]], atlas: TerritoryAtlas) -> Array:
    """Densities of centers on the left half of the atlas grid, smoothed, each scaled to 255."""
    from scipy.ndimage import gaussian_filter

    solid = atlas.brain > 127
    half = (atlas.brain.shape[0] + 1) // 2
    inverse = np.linalg.inv(atlas.grid.affine)
    maps = np.zeros((4, *atlas.brain.shape), np.float64)
    for lesion in lesions:
        for number, cluster in enumerate(lesion):
            row = 3 if number else int(np.searchsorted(SIZES_ML, cluster.volume_ml))
            index = np.rint(inverse[:3, :3] @ np.array(cluster.center) + inverse[:3, 3]).astype(int)
            index = np.clip(index, 0, np.array(atlas.brain.shape) - 1)
            mirror = (atlas.brain.shape[0] - 1 - index[0], index[1], index[2])
            maps[(row, *index)] += 1.0
            maps[(row, *mirror)] += 1.0
    blur = _BLUR_MM / np.array(atlas.grid.spacing)
    maps = np.stack([gaussian_filter(m, blur) * solid for m in maps])[:, :half]
    scale = maps.max(axis=(1, 2, 3), keepdims=True)
    return np.asarray(np.rint(255.0 * maps / np.where(scale > 0, scale, 1.0)), np.uint8)


def _distances(
    center: tuple[float, float, float], other: bool, shape: tuple[int, ...], atlas: TerritoryAtlas
) -> Array:
    """Distance (mm) of the left half's voxels, or of their mirror images, from a point on the left."""
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    points = np.tensordot(atlas.grid.affine[:3, :3], np.stack(axes), 1)
    points = points + atlas.grid.affine[:3, 3][:, None, None, None]
    if other:
        points[0] = -points[0]
    return np.asarray(np.linalg.norm(points - np.array(center)[:, None, None, None], axis=0))


def _ring_of(distance: Array) -> Array:
    return np.minimum(distance / _RING_MM, _RINGS - 1).astype(int)


def _rings(lesions: Sequence[Sequence[Cluster]], further: Array, atlas: TerritoryAtlas) -> Array:
    """Observed over expected count of further clusters, by side and distance from the largest."""
    seen, expected = np.full((2, _RINGS), 1.0), np.full((2, _RINGS), 1.0)
    chances = further.astype(float) / max(float(further.sum()), 1.0)
    for lesion in lesions:
        if len(lesion) < 2:
            continue
        main = lesion[0]
        for other in (False, True):
            ring = _ring_of(_distances(main.center, other, further.shape, atlas))
            expected[int(other)] += (
                0.5 * (len(lesion) - 1) * np.bincount(ring.ravel(), chances.ravel(), minlength=_RINGS)
            )
        for cluster in lesion[1:]:
            other = cluster.mirrored != main.mirrored
            x, y, z = cluster.center
            point = np.array([-x if other else x, y, z])
            seen[int(other), int(_ring_of(np.array(np.linalg.norm(point - np.array(main.center)))))] += 1.0
    return np.asarray(seen / expected)
