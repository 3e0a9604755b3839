"""How infarcts of each pattern are drawn: one function a pattern, one registry.

Each takes the coarse anatomy, the request and the statistics, and returns foci.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import StrokeSynthError
from .growth import Focus
from .lesion import LesionRequest
from .plan import (
    FULL,
    LACUNE_MM,
    LARGEST_LACUNE_ML,
    SMALLEST_FOCUS_ML,
    CoarseAnatomy,
    LesionPlan,
    Statistics,
    parts_to_fill,
    perforator_axis,
)
from .territories import ARTERIES, ARTERY_OF, CORTICAL_PARTS, PARTS, Territory

Array = npt.NDArray[Any]

#: Standard space is this much sharper than a piece's own size: distance kernel (mm).
_NEAR_MM = 5.0
#: Foci of a chain or a shower keep at least this distance (mm).
_APART_MM = 9.0


@dataclass(frozen=True)
class Drawing:
    """What every pattern needs."""

    coarse: CoarseAnatomy
    statistics: Statistics
    request: LesionRequest
    rng: np.random.Generator

    def one_side(self) -> str:
        """The side asked for, or drawn; for infarcts of one side."""
        if self.request.side in ("left", "right"):
            return str(self.request.side)
        return "left" if self.rng.random() < self.statistics.numbers["left_of_one_sided"] else "right"

    def focus(
        self, index: int, volume_ml: float, parts: tuple[str, ...], side: str,
        shape: str = "branch", axis: tuple[float, float, float] = (0.0, 0.0, 1.0),
    ) -> Focus:  # fmt: skip
        """A focus that starts at one of the coarse voxels."""
        x, y, z = (int(v) for v in self.coarse.voxels[index])
        seed = int(self.rng.integers(2**31))
        return Focus((x, y, z), max(float(volume_ml), SMALLEST_FOCUS_ML), parts, side, shape, axis, seed)


def plan_any(drawing: Drawing) -> LesionPlan:
    """Nothing asked about the site: volume, pieces, sides and sites as real infarcts have them."""
    d, coarse = drawing, drawing.coarse
    volume, size = _volume_and_size(d, None)
    number = d.request.number or d.statistics.number(size, d.rng)
    both = _wants_both(d, size, number)
    side = d.one_side()
    reach = coarse.probability(PARTS, "both" if both and number == 1 else side)
    # The main piece is rarely "both"; a midline infarct of one piece starts near the midline.
    weights = coarse.centers[size] * np.minimum(reach, 1.0)
    if both and number == 1:
        weights = weights * (np.abs(coarse.points[0]) < 6.0)
    if volume > FULL * coarse.capacity_ml(PARTS, side):
        raise StrokeSynthError(_too_large(volume, FULL * coarse.capacity_ml(PARTS, side), "one hemisphere"))
    main = coarse.place(weights, d.rng)
    growth_side = "both" if both and number == 1 else side
    part = coarse.branch_at(main, growth_side, PARTS, d.rng)
    shares = d.statistics.piece_shares(number, d.rng)
    parts = parts_to_fill(coarse, part, growth_side, volume * shares[0], d.rng)
    foci = [d.focus(main, volume * shares[0], parts, growth_side)]
    foci += _further(d, foci[0], main, volume * shares[1:], side, both, None)
    return LesionPlan(ARTERY_OF[part], "branch", tuple(foci))


def plan_branch(drawing: Drawing, territory: Territory) -> LesionPlan:
    """One territory: everything stays inside its branches."""
    d, coarse = drawing, drawing.coarse
    volume, size = _volume_and_size(d, territory)
    both = d.request.side == "both"
    number = d.request.number or max(2 if both else 1, d.statistics.number(size, d.rng))
    side = d.one_side()
    midline = both and number == 1
    if midline and not set(territory.parts) & {
        "ACA",
        "basilar",
        "superior-cerebellar",
        "inferior-cerebellar",
    }:
        raise StrokeSynthError(
            f"one lesion cannot lie on both sides in {territory.name}; ask for --number 2 or more."
        )
    growth_side = "both" if midline else side
    room = FULL * coarse.capacity_ml(territory.parts, growth_side)
    volume = _fitted(d, volume, room * (2.0 if both and not midline else 1.0), territory.name)
    near = coarse.probability(territory.parts, growth_side)
    weights = near**2 * (0.02 + coarse.centers[size] / 255.0)
    if midline:
        weights = weights * (np.abs(coarse.points[0]) < 6.0)
    main = coarse.place(weights, d.rng)
    shares = d.statistics.piece_shares(number, d.rng)
    if both and not midline:
        shares = _balanced(shares, d.rng)
    foci = [d.focus(main, volume * shares[0], territory.parts, growth_side)]
    foci += _further(d, foci[0], main, volume * shares[1:], side, both and not midline, territory)
    return LesionPlan(territory.name, "branch", tuple(foci))


def plan_malignant(drawing: Drawing, territory: Territory) -> LesionPlan:
    """Most of the middle cerebral territory of one side."""
    d, coarse = drawing, drawing.coarse
    _one_sided_only(d, territory)
    side = d.one_side()
    room = coarse.capacity_ml(territory.parts, side)
    volume = _fitted(d, d.request.volume_ml or room * d.rng.uniform(0.5, FULL), room, territory.name)
    insula = coarse.probability(("MCA-insular", "MCA-lateral-lenticulostriate"), side)
    main = coarse.place(insula**2, d.rng)
    number = d.request.number or 1
    shares = np.array([1.0]) if number == 1 else np.array([0.97, *[0.03 / (number - 1)] * (number - 1)])
    foci = [d.focus(main, volume * shares[0], territory.parts, side)]
    foci += _further(d, foci[0], main, volume * shares[1:], side, False, territory)
    return LesionPlan(territory.name, "malignant", tuple(foci))


def plan_lacunar(drawing: Drawing, territory: Territory) -> LesionPlan:
    """One perforator (or as many as asked for), an ovoid along it."""
    d, coarse = drawing, drawing.coarse
    number = d.request.number or (2 if d.request.side == "both" else 1)
    if d.request.volume_ml is not None and d.request.volume_ml > number * LARGEST_LACUNE_ML:
        raise StrokeSynthError(_too_large(d.request.volume_ml, number * LARGEST_LACUNE_ML, "lacunar lesions"))
    if d.request.side == "both" and number == 1:
        raise StrokeSynthError("one lacune cannot lie on both sides; ask for --number 2 or more.")
    first = d.one_side()
    foci: list[Focus] = []
    free = np.ones(coarse.voxels.shape[0])
    for count in range(number):
        side = first if d.request.side != "both" or count % 2 == 0 else _other(first)
        width = float(np.clip(np.exp(d.rng.normal(np.log(9.5), 0.35)), *LACUNE_MM))
        volume = d.request.volume_ml / number if d.request.volume_ml else np.pi / 6.0 * width**3 / 1000.0
        weights = coarse.probability(territory.parts, side) ** 2 * (0.05 + coarse.centers[0] / 255.0) * free
        index = coarse.place(weights, d.rng)
        part = coarse.branch_at(index, side, territory.parts, d.rng)
        foci.append(d.focus(index, volume, (part,), side, "ovoid", perforator_axis(part, side, d.rng)))
        free = free * (_distance(coarse, index) > 2.0 * _APART_MM)
    return LesionPlan(territory.name, "lacunar", tuple(foci))


def plan_border_zone(drawing: Drawing, territory: Territory) -> LesionPlan:
    """A chain between territories: deep (a row front to back) or cortical (ACA-MCA, MCA-PCA)."""
    d, coarse = drawing, drawing.coarse
    both = d.request.side == "both"
    number = d.request.number or int(d.rng.integers(3, 9)) * (2 if both else 1)
    share = float(np.exp(d.rng.normal(np.log(0.004), 0.8)))
    volume = d.request.volume_ml or share * coarse.parenchyma_ml
    first = d.one_side()
    kind = str(d.rng.choice(["deep", "deep", "ACA", "PCA"]))
    zones = {side: _border(coarse, kind, side) for side in ("left", "right")}
    room = sum(float((zones[s] > 0.25).sum()) for s in (("left", "right") if both else (first,)))
    volume = _fitted(d, volume, room * coarse.voxel_ml, f"the border zone ({kind})")
    sizes = np.sort(np.exp(d.rng.normal(0.0, 0.8, number)))[::-1]
    foci: list[Focus] = []
    free = np.ones(coarse.voxels.shape[0])
    level: float | None = None
    for count, part_of in enumerate(sizes / sizes.sum()):
        side = first if not both or count % 2 == 0 else _other(first)
        weights = zones[side] ** 2 * free
        if kind == "deep" and level is not None:
            # The deep chain lies in one axial plane, in the corona radiata or centrum semiovale.
            weights = weights * np.exp(-0.5 * ((coarse.points[2] - level) / 5.0) ** 2)
        index = coarse.place(weights + 1e-9 * zones[side], d.rng)
        level = float(coarse.points[2, index]) if level is None else level
        foci.append(d.focus(index, volume * part_of, territory.parts, side))
        radius = np.cbrt(volume * part_of * 240.0)
        free = free * (_distance(coarse, index) > radius + 0.7 * _APART_MM)
    return LesionPlan(territory.name, "border-zone", tuple(foci))


def plan_embolic(drawing: Drawing, territory: Territory) -> LesionPlan:
    """Many small lesions in cortical territories of at least two arteries."""
    d, coarse = drawing, drawing.coarse
    number = d.request.number or int(np.clip(np.exp(d.rng.normal(np.log(9.0), 0.45)), 4, 30))
    share = float(np.exp(d.rng.normal(np.log(0.004), 0.9)))
    volume = d.request.volume_ml or share * coarse.parenchyma_ml
    sides = ("left", "right") if d.request.side in (None, "both") else (str(d.request.side),)
    room = FULL * sum(coarse.capacity_ml(territory.parts, side) for side in sides)
    volume = _fitted(d, volume, 0.5 * room, "an embolic shower")
    sizes = np.sort(np.exp(d.rng.normal(0.0, 0.9, number)))[::-1]
    arteries = [name for name in ("MCA", "PCA", "cerebellar", "ACA") if ARTERIES[name]]
    chances = np.array([0.5, 0.2, 0.2, 0.1])
    foci: list[Focus] = []
    free = np.ones(coarse.voxels.shape[0])
    for count, part_of in enumerate(sizes / sizes.sum()):
        # The first ones alternate, so that a shower never ends up in one artery or side.
        artery = arteries[count % 2] if count < 2 else str(d.rng.choice(arteries, p=chances))
        side = sides[count % len(sides)] if count < 2 else str(d.rng.choice(sides))
        parts = tuple(part for part in ARTERIES[artery] if part in CORTICAL_PARTS)
        weights = coarse.probability(parts, side) ** 2 * (0.05 + coarse.centers[3] / 255.0)
        index = coarse.place(weights * free + 1e-9 * weights, d.rng)
        foci.append(d.focus(index, volume * part_of, parts, side))
        free = free * (_distance(coarse, index) > _APART_MM + np.cbrt(volume * part_of * 240.0))
    return LesionPlan(territory.name, "embolic", tuple(foci))


#: Pattern -> how it is drawn.
PLANNERS: dict[str, Callable[[Drawing, Territory], LesionPlan]] = {
    "branch": plan_branch,
    "malignant": plan_malignant,
    "lacunar": plan_lacunar,
    "border-zone": plan_border_zone,
    "embolic": plan_embolic,
}


def _volume_and_size(d: Drawing, territory: Territory | None) -> tuple[float, int]:
    whole = d.coarse.parenchyma_ml
    if d.request.volume_ml is not None:
        return d.request.volume_ml, d.statistics.size(d.request.volume_ml / whole)
    share = d.statistics.brain_share(territory.parts if territory else None, d.rng)
    return share * whole, d.statistics.size(share)


def _wants_both(d: Drawing, size: int, number: int) -> bool:
    if d.request.side is not None:
        return d.request.side == "both"
    return d.statistics.on_both_sides(size, number, d.rng)


def _further(
    d: Drawing, main: Focus, index: int, volumes: Array, side: str, both: bool, within: Territory | None
) -> list[Focus]:
    """Further pieces: near the largest one or elsewhere, as far apart as real ones lie."""
    coarse, numbers = d.coarse, d.statistics.numbers
    radius = float(np.cbrt(main.volume_ml * 240.0))
    distance = _distance(coarse, index)
    artery = ARTERY_OF[main.parts[0]]
    foci: list[Focus] = []
    for count, volume in enumerate(volumes):
        here = side
        if both and (count == 0 or d.rng.random() > numbers["further_same_side"]):
            here = _other(side)
        parts = within.parts if within else PARTS
        if within is None and d.rng.random() < numbers["further_same_artery"]:
            parts = ARTERIES[artery]
        away = radius + d.statistics.quantile(numbers["further_distance_mm"], d.rng)
        kernel = np.exp(-0.5 * ((distance - away) / _NEAR_MM) ** 2) if here == side else 1.0
        weights = coarse.probability(parts, here) * (0.02 + coarse.centers[3] / 255.0)
        at = coarse.place(weights * (kernel + 1e-6), d.rng)
        part = coarse.branch_at(at, here, parts, d.rng)
        allowed = within.parts if within else parts_to_fill(coarse, part, here, float(volume), d.rng)
        foci.append(d.focus(at, float(volume), allowed, here))
    return foci


def _border(coarse: CoarseAnatomy, kind: str, side: str) -> Array:
    """How much a voxel lies in a border zone, 0 to 1."""
    mca = coarse.probability(tuple(p for p in ARTERIES["MCA"] if p in CORTICAL_PARTS), side)
    if kind == "deep":
        deep = coarse.probability(("MCA-lateral-lenticulostriate", "ACA"), side)
        above_nuclei = coarse.points[2] > 16.0
        inside = (np.abs(coarse.points[0]) > 16.0) & (np.abs(coarse.points[0]) < 38.0)
        return np.asarray(2.0 * np.sqrt(np.clip(deep * mca, 0.0, None)) * above_nuclei * inside)
    other = coarse.probability(("ACA",) if kind == "ACA" else ("PCA-temporal", "PCA-occipital"), side)
    return np.asarray(np.minimum(1.0, 2.0 * np.sqrt(np.clip(other * mca, 0.0, None))))


def _distance(coarse: CoarseAnatomy, index: int) -> Array:
    return np.asarray(np.linalg.norm(coarse.points - coarse.points[:, index : index + 1], axis=0))


def _balanced(shares: Array, rng: np.random.Generator) -> Array:
    """Shares of which the second, on the other side, is at least a tenth of the whole."""
    second = max(shares[1], rng.uniform(0.1, 0.4))
    changed = np.concatenate([[shares[0]], [second], shares[2:]])
    return np.asarray(changed / changed.sum())


def _other(side: str) -> str:
    return "right" if side == "left" else "left"


def _one_sided_only(d: Drawing, territory: Territory) -> None:
    if d.request.side == "both":
        raise StrokeSynthError(f"{territory.name} is a lesion of one side; ask for --side left or right.")


def _fitted(d: Drawing, volume: float, room: float, where: str) -> float:
    """The volume, if it fits; one that was not asked for is made to fit."""
    if volume <= room:
        return volume
    if d.request.volume_ml is None:
        return room * float(d.rng.uniform(0.7, 1.0))
    raise StrokeSynthError(_too_large(volume, room, where))


def _too_large(volume: float, room: float, where: str) -> str:
    return f"{volume:.1f} ml do not fit: {where} holds {room:.1f} ml in this anatomy; ask for less."
