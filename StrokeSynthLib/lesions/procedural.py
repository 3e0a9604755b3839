"""Infarcts grown inside arterial territories: no file needed, any size, side and site."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..errors import BadInputError, StrokeSynthError
from .growth import grow
from .lesion import Lesion, LesionRequest
from .patterns import PLANNERS, Drawing, plan_any
from .plan import CoarseAnatomy, LesionPlan, Statistics
from .statistics import bounding_box, describe
from .territories import SIDES, TerritoryAtlas, find_territory

Array = npt.NDArray[Any]

#: A requested volume is met within this share.
VOLUME_TOLERANCE = 0.05
TRIES = 6


class ProceduralLesions:
    """Source of procedural infarcts.

    1. A plan is drawn: artery, side, number of foci, their volumes and seeds
       (:mod:`StrokeSynthLib.lesions.patterns`), from the request and, where it is silent, from
       the statistics of real infarcts.
    2. Each focus is grown in the subject's parenchyma (:mod:`StrokeSynthLib.lesions.growth`),
       apart from the others.
    3. What came out is measured and, where volume or number were asked for, compared; a plan
       that its territory could not hold is drawn again.

    Parameters
    ----------
    atlas
        Territories and statistics; the shipped ones when None.
    """

    name = "procedural"

    def __init__(self, atlas: TerritoryAtlas | None = None) -> None:
        self.atlas = atlas or TerritoryAtlas.load()
        self.statistics = Statistics(self.atlas.statistics)
        self._coarse: tuple[Anatomy, CoarseAnatomy] | None = None

    def draw(self, anatomy: Anatomy, request: LesionRequest, rng: np.random.Generator) -> Lesion:
        """Draw one infarct; see :class:`~StrokeSynthLib.lesions.lesion.LesionSource`."""
        _check(request)
        problem = "nothing could be grown there"
        for _ in range(TRIES):
            plan = self.plan(anatomy, request, rng)
            mask = self.apply(anatomy, plan)
            if not mask.any():
                continue
            lesion = self._described(mask, anatomy, plan)
            problem_now = _mismatch(lesion, request)
            if problem_now is None:
                return lesion
            problem = problem_now
        raise StrokeSynthError(
            f"{anatomy.name}: no lesion as asked for after {TRIES} tries ({problem}); "
            "ask for a smaller volume, another number or a larger territory."
        )

    def plan(self, anatomy: Anatomy, request: LesionRequest, rng: np.random.Generator) -> LesionPlan:
        """Draw what shall be grown; nothing is grown yet."""
        drawing = Drawing(self._coarse_of(anatomy), self.statistics, request, rng)
        if request.territory is None:
            return plan_any(drawing)
        territory = find_territory(request.territory)
        return PLANNERS[territory.pattern](drawing, territory)

    def apply(self, anatomy: Anatomy, plan: LesionPlan) -> Array:
        """Grow a plan: the mask on the anatomy's grid. Foci that find no room are left out."""
        mask = np.zeros(anatomy.labels.shape, bool)
        taken = np.zeros_like(mask)
        for focus in plan.foci:
            result = grow(anatomy, self.atlas, focus, taken)
            if result is None:
                continue
            box, piece = result
            mask[box] |= piece
            _block(taken, box, piece)
        return mask

    def _coarse_of(self, anatomy: Anatomy) -> CoarseAnatomy:
        if self._coarse is None or self._coarse[0] is not anatomy:
            self._coarse = (anatomy, CoarseAnatomy(anatomy, self.atlas))
        return self._coarse[1]

    def _described(self, mask: Array, anatomy: Anatomy, plan: LesionPlan) -> Lesion:
        numbers = describe(mask, anatomy.grid.spacing)
        site = self.atlas.site(mask, anatomy)
        return Lesion(
            mask,
            {"source": "procedural", "model": self.atlas.hash, "territory": plan.territory,
             "pattern": plan.pattern, "part": site.part, "side": site.side,
             "volume_ml": round(numbers.volume_ml, 4), "components": numbers.components, "loss": 0.0,
             "foci": [asdict(focus) for focus in plan.foci]},
        )  # fmt: skip


def _check(request: LesionRequest) -> None:
    if request.side is not None and request.side not in SIDES:
        raise BadInputError(f"--side {request.side}: is not known; choose {', '.join(SIDES)}.")
    if request.volume_ml is not None and not 0.003 <= request.volume_ml < 2000.0:
        raise BadInputError(
            f"--volume-ml {request.volume_ml:g}: give a volume of 0.003 to 2000 ml, less than the brain."
        )
    if request.number is not None and not 1 <= request.number <= 200:
        raise BadInputError(f"--number {request.number}: give 1 to 200.")


def _mismatch(lesion: Lesion, request: LesionRequest) -> str | None:
    record = lesion.record
    if request.volume_ml is not None and abs(record["volume_ml"] / request.volume_ml - 1) > VOLUME_TOLERANCE:
        return f"{record['volume_ml']:.2f} ml instead of {request.volume_ml:.2f}"
    if request.number is not None and record["components"] != request.number:
        return f"{record['components']} lesions instead of {request.number}"
    if request.side is not None and record["side"] != request.side:
        return f"side {record['side']} instead of {request.side}"
    return None


def _block(taken: Array, box: tuple[slice, slice, slice], piece: Array) -> None:
    """Keep a gap of two voxels around a grown focus."""
    from scipy.ndimage import binary_dilation, generate_binary_structure

    if not piece.any():
        return
    inner = bounding_box(piece)
    outer = tuple(
        slice(max(0, b.start + i.start - 2), min(n, b.start + i.stop + 2))
        for b, i, n in zip(box, inner, taken.shape, strict=True)
    )
    here = np.zeros(tuple(s.stop - s.start for s in outer), bool)
    here[
        tuple(
            slice(b.start + i.start - o.start, b.start + i.stop - o.start)
            for b, i, o in zip(box, inner, outer, strict=True)
        )
    ] = piece[inner]
    taken[outer] |= binary_dilation(here, generate_binary_structure(3, 2), iterations=2)
