"""Where real infarcts lie, how large they are, and how their pieces lie to each other.

The shape models make one piece (:mod:`.crops`); this draws what to ask of them. Only smoothed maps,
histograms and quantiles over many people are kept. Volumes are shares of the solid standard brain, because
standard space is larger than most heads.

1. The artery, then the total volume from that artery's quantiles, then the number of pieces, their shares of
   the volume and their sides (:mod:`.sharing`).
2. The center of the largest from the map of its size class, weighted by the artery's probability there.
3. The center of each further piece, once the larger ones have their shape, from the map of further pieces,
   at a gap from the larger ones that real pieces have (:mod:`.neighbors`).
4. The extent of each from its volume: log-quadratic, with the spread that real ones have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..lesion import LesionRequest
from ..territories import ARTERIES, SIZES_ML, TerritoryAtlas
from .crops import Piece
from .neighbors import Occupied, ball_radius, fit_neighbors
from .sharing import LEAST_PEOPLE, LEVELS, draw_number, draw_shares, draw_sides, fit_sharing, quantiles

Array = npt.NDArray[Any]

_BLUR_MM = 6.0
#: A piece is no longer than the brain (mm).
_LONGEST_MM = 165.0


@dataclass(frozen=True)
class Ask:
    """What is asked of the shape model for one piece.

    Parameters
    ----------
    center
        RAS mm in standard space, on the left side (x <= 0).
    right
        Whether the piece belongs on the right side.
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
class Plan:
    """A lesion before its further pieces have a place.

    Parameters
    ----------
    main
        The largest piece.
    further
        Share of the brain's volume of each further piece, and whether it lies on the other side.
    """

    main: Ask
    further: tuple[tuple[float, bool], ...]

    @property
    def share(self) -> float:
        """Of all pieces."""
        return self.main.share + sum(share for share, _ in self.further)


@dataclass(frozen=True)
class Arrangement:
    """Statistics of real lesions, fitted by :meth:`fit`; all arrays by name.

    Parameters
    ----------
    arrays
        ``artery`` (6,) chances; ``right`` (1,) chance that the largest piece is on the right;
        ``log_share`` (7, 21) quantiles of the log volume, by artery and over all;
        ``maps`` (4, x, y, z) uint8 center densities: small, medium, large, further;
        ``extent`` (4,) coefficients and SD of log extent over log volume (mm, ml);
        ``rings``, ``gaps``: see :func:`.neighbors.fit_neighbors`; the others: :func:`.sharing.fit_sharing`.
    """

    arrays: Mapping[str, Array]

    @classmethod
    def fit(cls, lesions: Sequence[Sequence[Piece]], atlas: TerritoryAtlas) -> Arrangement:
        """Fit to lesions, each its pieces, the largest first."""
        solid = float(atlas.statistics["solid_brain_ml"])
        names = list(ARTERIES)
        total = np.array([sum(p.volume_ml for p in lesion) for lesion in lesions])
        main = np.array([int(np.argmax(lesion[0].arteries)) for lesion in lesions])
        tables = [np.log(total[main == a] / solid) for a in range(len(names))]
        every = np.log(total / solid)
        tables = [t if t.size >= LEAST_PEOPLE else every for t in tables] + [every]
        maps = _maps(lesions, atlas)
        return cls(
            {
                "artery": np.bincount(main, minlength=len(names)) / len(lesions),
                "right": np.array([np.mean([lesion[0].mirrored for lesion in lesions])]),
                "log_share": np.stack([quantiles(t) for t in tables]),
                "maps": maps,
                "extent": _extents(lesions),
                **fit_neighbors(lesions, maps[3], atlas),
                **fit_sharing(lesions),
            }
        )

    def draw(
        self, request: LesionRequest, parts: Sequence[str] | None, limits: tuple[float, float],
        share: float | None, most: int, least: int, atlas: TerritoryAtlas, rng: np.random.Generator,
    ) -> Plan:  # fmt: skip
        """Draw the largest piece and what further ones there are.

        Parameters
        ----------
        request
            Its side is followed.
        parts
            Branches that the largest piece belongs to; None for any.
        limits
            Smallest and largest volume as a share of the brain, where it is drawn.
        share
            The volume that is asked for, as a share of the brain; None draws it.
        most, least
            Numbers of pieces.
        """
        values, names = self.arrays, list(ARTERIES)
        artery = self._artery(parts, rng)
        if share is None:
            share = self._share(names.index(artery), limits, rng)
        solid = float(atlas.statistics["solid_brain_ml"])
        count = draw_number(values, share * solid, names.index(artery), (least, most), rng)
        shares = [s * share for s in draw_shares(values, share * solid, count, rng)]
        sides = draw_sides(values, count, request.side, rng)
        side = request.side
        right = side == "right" if side in ("left", "right") else bool(rng.random() < values["right"][0])
        wanted = parts or ARTERIES[artery]
        near = atlas.probability(tuple(wanted), "left")[: values["maps"].shape[1]]
        main_size = int(np.searchsorted(SIZES_ML, shares[0] * solid))
        weights = values["maps"][main_size].astype(float) * near
        center = self._place(weights if weights.sum() > 0 else near, atlas, rng)
        main = self._ask(center, right, shares[0], solid, artery, rng)
        return Plan(main, tuple(zip(shares[1:], sides, strict=True)))

    def further(
        self, main: Ask, share: float, across: bool, occupied: Occupied, atlas: TerritoryAtlas,
        rng: np.random.Generator,
    ) -> Ask:  # fmt: skip
        """A further piece beside those that are there."""
        hemisphere = occupied.hemisphere
        solid = float(atlas.statistics["solid_brain_ml"])
        names = list(ARTERIES)
        away = hemisphere.artery != names.index(main.artery or names[0])
        ring = occupied.rings(share * solid, across)
        size = int(np.searchsorted(SIZES_ML, main.share * solid))
        chances = self.arrays["maps"][3][tuple(hemisphere.voxels)].astype(float)
        weights = chances * self.arrays["rings"][int(across)][away.astype(int), ring]
        # Of the gaps that there is room for, each as often as it was seen.
        gaps = self.arrays["gaps"][int(across), size]
        room = np.bincount(ring, weights, minlength=gaps.size)
        weights = weights * (gaps / np.maximum(room, 1e-9))[ring]
        flat = np.cumsum(weights if weights.sum() > 0 else chances)
        row = min(int(np.searchsorted(flat, rng.random() * flat[-1], side="right")), flat.size - 1)
        center = self._jittered(hemisphere.voxels[:, row].astype(float), atlas, rng)
        return self._ask(center, main.right != across, share, solid, None, rng)

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

    def _ask(
        self, center: Array, right: bool, share: float, solid: float, artery: str | None,
        rng: np.random.Generator,
    ) -> Ask:  # fmt: skip
        *curve, spread = self.arrays["extent"]
        volume = max(share * solid, 0.01)
        extent = float(np.exp(np.polyval(curve, np.log(volume)) + np.clip(rng.normal(), -1.8, 1.8) * spread))
        # No piece is smaller than a ball of its volume.
        extent = float(np.clip(extent, 2.04 * ball_radius(volume), _LONGEST_MM))
        x, y, z = (float(v) for v in center)
        return Ask((-abs(x), y, z), right, share, extent, artery)

    def _place(self, weights: Array, atlas: TerritoryAtlas, rng: np.random.Generator) -> Array:
        flat = np.cumsum(weights.ravel())
        row = min(int(np.searchsorted(flat, rng.random() * flat[-1], side="right")), flat.size - 1)
        return self._jittered(np.array(np.unravel_index(row, weights.shape), float), atlas, rng)

    def _jittered(self, voxel: Array, atlas: TerritoryAtlas, rng: np.random.Generator) -> Array:
        """A point within a voxel of the atlas (RAS mm)."""
        moved = voxel + rng.uniform(-0.5, 0.5, 3)
        return np.asarray(atlas.grid.affine[:3, :3] @ moved + atlas.grid.affine[:3, 3])


def _extents(lesions: Sequence[Sequence[Piece]]) -> Array:
    """Log extent over log volume: quadratic, linear, constant coefficient, and SD of the rest."""
    logs = np.log([[p.volume_ml, p.extent_mm] for lesion in lesions for p in lesion])
    curve = np.polyfit(logs[:, 0], logs[:, 1], 2)
    return np.array([*curve, float(np.std(logs[:, 1] - np.polyval(curve, logs[:, 0])))])


def _maps(lesions: Sequence[Sequence[Piece]], atlas: TerritoryAtlas) -> Array:
    """Densities of centers on the left half of the atlas grid, smoothed, each scaled to 255."""
    from scipy.ndimage import gaussian_filter

    solid = atlas.brain > 127
    half = (atlas.brain.shape[0] + 1) // 2
    inverse = np.linalg.inv(atlas.grid.affine)
    maps = np.zeros((4, *atlas.brain.shape), np.float64)
    for lesion in lesions:
        for number, piece in enumerate(lesion):
            row = 3 if number else int(np.searchsorted(SIZES_ML, piece.volume_ml))
            index = np.rint(inverse[:3, :3] @ np.array(piece.center) + inverse[:3, 3]).astype(int)
            index = np.clip(index, 0, np.array(atlas.brain.shape) - 1)
            mirror = (atlas.brain.shape[0] - 1 - index[0], index[1], index[2])
            maps[(row, *index)] += 1.0
            maps[(row, *mirror)] += 1.0
    blur = _BLUR_MM / np.array(atlas.grid.spacing)
    maps = np.stack([gaussian_filter(m, blur) * solid for m in maps])[:, :half]
    scale = maps.max(axis=(1, 2, 3), keepdims=True)
    return np.asarray(np.rint(255.0 * maps / np.where(scale > 0, scale, 1.0)), np.uint8)
