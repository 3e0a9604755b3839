"""Lesions from a learned model, brought to a subject's anatomy.

1. What to make is drawn from the statistics of real lesions (:mod:`.arrangement`), following the request.
2. The model draws a crop for each piece, the largest first; one that lies outside the standard brain, in the
   subject's ventricles or on a piece that is there is drawn again. Each further piece gets its place beside
   those that have their shape.
3. The anatomy's correspondence brings the signed distance over, and the piece's **level set is chosen
   there**: the level at which the parenchyma inside has the volume drawn or asked for, of what hangs
   together before sulci cut it. The volume at level zero is recorded beside it. A crop that needs a level far
   from zero is drawn again.
4. Pieces under 10 mm^3 are left out, sides that were not asked for are cut off, and what came out is measured
   and compared with the request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...anatomy.anatomy import Anatomy
from ...errors import BadInputError, StrokeSynthError
from ...modelfolder import ModelFolder, open_model
from ...schema import VENTRICLES
from ..lesion import Lesion, LesionRequest
from ..masks import LACUNAR_ML, MALIGNANT_ML
from ..placing import Box, box_of_standard_region, grid_of_box
from ..statistics import SMALLEST_COUNTED_ML, describe, pieces
from ..territories import (
    ARTERIES,
    Site,
    Territory,
    TerritoryAtlas,
    standard_points_of_voxels,
)
from .arrangement import Arrangement, Ask, Plan
from .asked import VOLUME_TOLERANCE, checked, mismatch
from .crops import REACH, arteries_at, conditions, crop_grid, crop_points, voxel_mm
from .neighbors import Hemisphere, Occupied
from .registry import LESION_KINDS, crop_model
from .sharing import MOST_PIECES

Array = npt.NDArray[Any]

TRIES = 60
#: Draws of one piece before the lesion goes without it; after every few it gets another place.
CROP_TRIES = 12
PLACE_EVERY = 3
#: Choices of a level.
LEVEL_TURNS = 4
#: Share of a crop's lesion that must lie in the solid standard brain, and in the artery it was drawn for:
#: what nine tenths of real pieces have.
LEAST_INSIDE = 0.92
LEAST_IN_ARTERY = 0.6
#: Furthest level from zero (share of the clipped distance): beyond, the shape would not be the model's.
FURTHEST_LEVEL = 0.6
#: Share of a shape that may lie in the subject's ventricles: beyond, it would go through them.
MOST_IN_VENTRICLES = 0.05
#: Share of a further piece's crop that may lie on or beside the pieces that are there.
MOST_OVERLAP = 0.2
#: Before the reasons why a crop was drawn again.
_CROP = "crop: "


@dataclass(frozen=True)
class _Placed:
    """One piece on the anatomy."""

    ask: Ask
    box: Box
    mask: Array
    level: float
    before_ml: float
    #: Points of the crop inside it, on the left (RAS mm), and how far apart they are.
    inside: tuple[Array, float]


class LearnedLesions:
    """Source of lesions from a trained model.

    Parameters
    ----------
    model
        Folder of a lesion model, or the name of a shipped one.
    atlas
        Territories; the shipped ones when None.
    """

    def __init__(self, model: Path | str | ModelFolder, atlas: TerritoryAtlas | None = None) -> None:
        folder = model if isinstance(model, ModelFolder) else open_model(model, *LESION_KINDS)
        self.model = folder
        self.name = f"learned ({folder.kind})"
        self._atlas = atlas or TerritoryAtlas.load()
        arrays = folder.arrays()
        try:
            self._arrangement = Arrangement(_under("arrangement/", arrays))
            self._crops = crop_model(folder.kind, _under("shape/", arrays))
        except KeyError as error:
            raise BadInputError(f"{folder.path}: {error} is missing; copy the model again.") from error
        self._hemisphere = Hemisphere(self._atlas)
        self.refused: Counter[str] = Counter()

    @property
    def rejections(self) -> int:
        """Lesions that were drawn again, and further pieces that found no place, so far."""
        return sum(count for reason, count in self.refused.items() if not reason.startswith(_CROP))

    def draw(self, anatomy: Anatomy, request: LesionRequest, rng: np.random.Generator) -> Lesion:
        """Draw one lesion; see :class:`~StrokeSynthLib.lesions.lesion.LesionSource`."""
        territory = checked(request)
        room_ml = float(anatomy.parenchyma.sum() * anatomy.grid.voxel_ml)
        if room_ml <= 0:
            raise StrokeSynthError(f"{anatomy.name}: has no gray or white matter; give another anatomy.")
        problem = "no shape fitted the brain there"
        for _ in range(TRIES):
            plan = self._plan(request, territory, room_ml, rng)
            placed = self._placed(anatomy, plan, request, room_ml, rng)
            if placed is None:
                self.refused["lesion: a piece found no place"] += 1
                continue
            lesion, site = self._described(anatomy, placed, request)
            unmet = mismatch(lesion, site, request, territory)
            if unmet is None:
                return lesion
            problem = unmet.said
            self.refused[f"lesion: {unmet.reason} not as asked"] += 1
        raise StrokeSynthError(
            f"{anatomy.name}: no lesion as asked for after {TRIES} tries ({problem}); "
            "ask for another volume, number or territory, or use the procedural lesions."
        )

    def _plan(
        self, request: LesionRequest, territory: Territory | None, room_ml: float, rng: np.random.Generator
    ) -> Plan:
        """What shall be made."""
        solid = float(self._atlas.statistics["solid_brain_ml"])
        least, most = request.number or 1, min(request.number or MOST_PIECES, MOST_PIECES)
        least = min(least, most)
        low, high = 0.02 / solid, 1.0
        if territory is not None and territory.pattern == "malignant":
            low = MALIGNANT_ML / solid
        if territory is not None and territory.pattern == "lacunar":
            high, most = 0.7 * LACUNAR_ML / solid, request.number or (2 if request.side == "both" else 1)
            least = most = min(most, MOST_PIECES)
        if territory is not None and territory.pattern == "embolic":
            least = 4
        if request.side == "both" and request.number != 1:
            least = max(least, 2)
        share = None if request.volume_ml is None else request.volume_ml / room_ml
        return self._arrangement.draw(
            request, territory.parts if territory else None, (low, high), share, max(most, least), least,
            self._atlas, rng,
        )  # fmt: skip

    def _placed(
        self, anatomy: Anatomy, plan: Plan, request: LesionRequest, room_ml: float, rng: np.random.Generator
    ) -> list[_Placed] | None:
        """Every piece on the anatomy, apart from each other; None when too little finds a place."""
        taken = np.zeros(anatomy.labels.shape, bool)
        main = self._piece(anatomy, lambda: plan.main, request, room_ml, taken, rng)
        if main is None:
            return None
        placed, occupied, owed = [main], Occupied(self._hemisphere), 0.0
        for share, across in plan.further:
            if share * room_ml < SMALLEST_COUNTED_ML:
                owed += share * room_ml
                continue
            self._take(anatomy, placed[-1], plan.main, taken, occupied)
            ask = partial(self._arrangement.further, plan.main, share, across, occupied, self._atlas, rng)
            piece = self._piece(anatomy, ask, request, room_ml, taken, rng)
            if piece is None:
                self.refused["further piece: found no place"] += 1
                owed += share * room_ml
                continue
            placed.append(piece)
        # A satellite that found no place leaves the lesion smaller by that little, or it is drawn again.
        return placed if owed <= 0.5 * VOLUME_TOLERANCE * plan.share * room_ml else None

    def _take(self, anatomy: Anatomy, piece: _Placed, main: Ask, taken: Array, occupied: Occupied) -> None:
        """Mark a piece and the voxels that touch it, and how far all others are."""
        from scipy.ndimage import binary_dilation

        box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in piece.box)
        before = tuple(s.start - b.start for s, b in zip(piece.box, box, strict=True))
        wide = np.zeros([s.stop - s.start for s in box], bool)
        wide = wide[tuple(slice(0, n - b.start) for n, b in zip(taken.shape, box, strict=True))]
        wide[tuple(slice(b, b + n) for b, n in zip(before, piece.mask.shape, strict=True))] = piece.mask
        taken[box] |= binary_dilation(wide, np.ones((3, 3, 3)))
        occupied.add(*piece.inside, piece.ask.right != main.right)

    def _piece(
        self, anatomy: Anatomy, asked: Callable[[], Ask], request: LesionRequest, room_ml: float,
        taken: Array, rng: np.random.Generator,
    ) -> _Placed | None:  # fmt: skip
        solid = float(self._atlas.statistics["solid_brain_ml"])
        for turn in range(CROP_TRIES):
            if turn % PLACE_EVERY == 0:
                ask = asked()
                points = crop_points(np.array(ask.center), voxel_mm(ask.extent_mm))
                arteries = _arteries(np.array(ask.center), ask, self._atlas)
                volume = max(ask.share * solid, SMALLEST_COUNTED_ML)
                told = conditions(np.array(ask.center), ask.extent_mm, volume, arteries)
                brain = self._atlas.sample(self._atlas.brain[None].astype(np.float32), points)[0] >= 127.5
            crop = self._crops.draw(told[None], rng)[0]
            inside = crop.ravel() > 0
            if not inside.any() or brain[inside].mean() < LEAST_INSIDE:
                self.refused[f"{_CROP}outside the brain"] += 1
                continue
            if ask.artery and _in_artery(points[:, inside], ask.artery, self._atlas) < LEAST_IN_ARTERY:
                self.refused[f"{_CROP}outside its artery"] += 1
                continue
            placed = self._level(anatomy, crop, ask, ask.share * room_ml, request, taken)
            if placed is not None:
                return placed
        return None

    def _level(
        self, anatomy: Anatomy, crop: Array, ask: Ask, volume_ml: float, request: LesionRequest, taken: Array
    ) -> _Placed | None:
        """A crop on the anatomy at the level that gives the volume; None when that is far from its own."""
        grid = crop_grid(np.array(ask.center), voxel_mm(ask.extent_mm), ask.right)
        corners = grid.corners()
        box = box_of_standard_region(anatomy, corners.min(axis=0), corners.max(axis=0), 2.0)
        if box is None:
            self.refused[f"{_CROP}outside the anatomy"] += 1
            return None
        onto = grid_of_box(anatomy, box)
        # Outside the crop the pull gives 0, which after the shift means far outside the lesion.
        field = anatomy.pull(crop + 1.0, grid, onto=onto) - 1.0
        taken = taken[box]
        if (taken & (field > 0)).sum() > MOST_OVERLAP * (field > 0).sum():
            self.refused[f"{_CROP}on another piece"] += 1
            return None
        free = anatomy.parenchyma[box] & ~taken & (field > -FURTHEST_LEVEL)
        before_ml = float((free & (field > 0)).sum() * anatomy.grid.voxel_ml)
        free = _on_side(anatomy, box, free, request)
        smallest = max(1, int(np.ceil(SMALLEST_COUNTED_ML / anatomy.grid.voxel_ml - 1e-6)))
        found = _at_volume(field, free, max(round(volume_ml / anatomy.grid.voxel_ml), smallest), smallest)
        if found is None:
            self.refused[f"{_CROP}level far from zero"] += 1
            return None
        mask, level = found
        shape = field >= level
        if (shape & np.isin(anatomy.labels[box], VENTRICLES)).sum() > MOST_IN_VENTRICLES * shape.sum():
            self.refused[f"{_CROP}in the ventricles"] += 1
            return None
        step = voxel_mm(ask.extent_mm)
        inside = crop_points(np.array(ask.center), step)[:, crop.ravel() >= level]
        return _Placed(ask, box, mask, level, before_ml, (inside, step))

    def _described(
        self, anatomy: Anatomy, placed: list[_Placed], request: LesionRequest
    ) -> tuple[Lesion, Site]:
        whole = np.zeros(anatomy.labels.shape, bool)
        for piece in placed:
            whole[piece.box] |= piece.mask
        if request.number is not None:
            whole = _largest_pieces(whole, request.number)
        numbers = describe(whole, anatomy.grid.spacing)
        site = self._atlas.site(whole, anatomy)
        record = {
            "source": "learned", "kind": self.model.kind, "model": self.model.hash,
            "territory": site.territory, "part": site.part, "side": site.side,
            "volume_ml": round(numbers.volume_ml, 4), "components": numbers.components, "loss": 0.0,
            "volume_at_level_zero_ml": round(sum(p.before_ml for p in placed), 4),
            "pieces": [
                {"center_mm": [round(v, 1) for v in p.ask.center], "right": p.ask.right,
                 "extent_mm": round(p.ask.extent_mm, 1)} for p in placed
            ],
            "levels": [round(p.level * REACH, 3) for p in placed],
        }  # fmt: skip
        return Lesion(whole, record), site


def _under(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    found = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    if not found:
        raise KeyError(prefix)
    return found


def _arteries(center: Array, ask: Ask, atlas: TerritoryAtlas) -> Array:
    """Shares of the arteries to expect: what lies around the center, most of it of the artery drawn.

    Three quarters of real pieces lie with 0.88 and more in one artery; a ball around their center does not.
    """
    offsets = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 3, indexing="ij")).reshape(3, -1)
    around = arteries_at(center[:, None] + offsets * ask.extent_mm / 3.0, atlas)
    names = list(ARTERIES)
    main = names.index(ask.artery) if ask.artery else int(around.argmax())
    rest = around.copy()
    rest[main] = 0.0
    share = max(float(around[main]), 0.85)
    return np.asarray(
        np.where(np.arange(len(names)) == main, share, rest / max(rest.sum(), 1e-6) * (1 - share))
    )


def _in_artery(points: Array, artery: str, atlas: TerritoryAtlas) -> float:
    """Share of a crop's lesion in an artery; a few hundred points tell it."""
    some = points[:, :: max(1, points.shape[1] // 300)]
    return float(arteries_at(some, atlas)[list(ARTERIES).index(artery)])


def _on_side(anatomy: Anatomy, box: Box, free: Array, request: LesionRequest) -> Array:
    """Voxels of a box on the side asked for."""
    if request.side not in ("left", "right") or not free.any():
        return free
    voxels = np.array(np.nonzero(free))
    first = np.array([s.start for s in box])[:, None]
    left = standard_points_of_voxels(voxels + first, anatomy)[0] < 0
    wanted = left if request.side == "left" else ~left
    kept = np.zeros_like(free)
    kept[tuple(voxels[:, wanted])] = True
    return kept


def _at_volume(field: Array, free: Array, wanted: int, smallest: int) -> tuple[Array, float] | None:
    """So many free voxels of what hangs together at a level; and the level, None when it is far from zero.

    ``smallest`` is the number of voxels of a piece; smaller ones that sulci cut off are left out.
    """
    from scipy.ndimage import binary_fill_holes

    # What is left out, dust and what is apart, makes room, which further choices of the level fill.
    for _ in range(LEVEL_TURNS):
        values = field[free]
        if values.size < wanted:
            return None
        level = float(np.partition(values, values.size - wanted)[values.size - wanted])
        if abs(level) > FURTHEST_LEVEL:
            return None
        labels, counts = pieces(field >= level)
        whole = labels == counts.argmax()
        mask = free & whole
        labels, counts = pieces(mask)
        mask &= (counts >= smallest)[labels]
        left_out = free & (field >= level) & ~mask
        if not left_out.any():
            break
        free = free & ~left_out
    if not mask.any():
        return None
    return mask | (free & binary_fill_holes(whole)), level


def _largest_pieces(mask: Array, number: int) -> Array:
    """The largest pieces of a mask, as many as asked for."""
    labels, counts = pieces(mask)
    if (counts > 0).sum() <= number:
        return mask
    kept = np.zeros(counts.size, bool)
    kept[np.argsort(counts)[::-1][:number]] = True
    kept[0] = False
    return np.asarray(kept[labels])
