"""The lesions of a mask one by one: how large, where, in which arterial territory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..volume import Volume

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LesionRow:
    """One lesion: voxels that share a face, an edge or a corner.

    Parameters
    ----------
    number
        Counted from 1, the largest first.
    volume_ml
        Its volume (ml).
    center
        RAS mm.
    territory, part, side
        Large artery with the largest share, its branch with the largest share, and the patient's side
        ("left", "right" or "both"); "" where the place in standard space is not known.
    """

    number: int
    volume_ml: float
    center: tuple[float, float, float]
    territory: str = ""
    part: str = ""
    side: str = ""


@dataclass(frozen=True)
class LesionTable:
    """All lesions of a mask, and how their volume is shared between arteries (ml by artery)."""

    lesions: Sequence[LesionRow]
    territories_ml: Mapping[str, float]

    @property
    def volume_ml(self) -> float:
        """Of all lesions (ml)."""
        return sum(row.volume_ml for row in self.lesions)


def lesion_table(mask: Volume, anatomy: Anatomy | None = None) -> LesionTable:
    """Measure the lesions of a mask.

    Parameters
    ----------
    mask
        Above 0 is lesion.
    anatomy
        The head on the mask's grid (:func:`..anatomy.registration.anatomy_of_map`); without it no
        territories are named.
    """
    from ..segment.filters import components

    canonical = mask.canonical()
    inside = canonical.array > 0
    parts, sizes = components(inside, diagonal=True)
    voxels, part_of = np.argwhere(inside), parts[inside]
    order = np.argsort(-sizes[1:], kind="stable") + 1
    voxel_ml = mask.grid.voxel_ml
    rows, shared = [], dict[str, float]()
    for number, component in enumerate(order, 1):
        own = voxels[part_of == component]
        volume_ml = float(sizes[component]) * voxel_ml
        center = canonical.affine[:3, :3] @ own.mean(axis=0) + canonical.affine[:3, 3]
        place = (float(center[0]), float(center[1]), float(center[2]))
        if anatomy is None:
            rows.append(LesionRow(number, volume_ml, place))
            continue
        territory, part, side, shares = _site(own.T, anatomy)
        rows.append(LesionRow(number, volume_ml, place, territory, part, side))
        for artery, share in shares.items():
            shared[artery] = shared.get(artery, 0.0) + share * volume_ml
    largest_first = sorted(shared, key=lambda artery: -shared[artery])
    return LesionTable(tuple(rows), {artery: shared[artery] for artery in largest_first})


def _site(voxels: Array, anatomy: Anatomy) -> tuple[str, str, str, dict[str, float]]:
    """Artery, branch and side of a lesion's voxels (3, n), and its share in each artery that has one."""
    from ..lesions.territories import ARTERIES, TerritoryAtlas, standard_points_of_voxels

    site = TerritoryAtlas.load().site_of_points(standard_points_of_voxels(voxels, anatomy))
    shares = {artery: sum(site.shares[part] for part in parts) for artery, parts in ARTERIES.items()}
    # The branch is looked for within the artery: a neighbor with one branch may have the larger share.
    part = max(ARTERIES[site.territory], key=lambda name: site.shares[name])
    return site.territory, part, site.side, {a: share for a, share in shares.items() if share >= 1e-3}
