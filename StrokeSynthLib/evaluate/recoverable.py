"""Whether a lesion that was asked for can be seen in an image: a rank test, without any training data.

1. The mask falls into components (26 neighbors). Of each, the voxels in brain tissue are ranked by DWI among
   voxels of the same tissue within :data:`REACH_MM` that are no lesion. The area under the ROC curve (AUC)
   says how often a lesion voxel is brighter than one beside it: 1 always, 0.5 by chance (Mann, Whitney 1947).
2. An image passes when the mean AUC, weighted by volume, is :data:`LEAST_AUC` or more, and no large component
   (:data:`LARGE_ML`) lies below :data:`LEAST_LARGE_AUC`: one lesion of two that is missing is found out.

Ranks need no scale, so the test is the same for every scanner and translator. Neighbors are compared rather
than the whole brain, because coils and slices shade images. ADC is measured in the same way (lower is ranked
higher) but does not decide: it is normal again after a week or so, and overlaps more even before.

The limits come from simulated examinations of real lesions; how many of those would be refused, and how often
a mask passes where no lesion was drawn, is in ``Testing/Benchmarks/recoverable.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import rankdata

from ..errors import BadInputError
from ..schema import PARENCHYMA, TISSUE_OF_CLASS
from ..volume import Volume

Array = npt.NDArray[Any]

#: Mean AUC of DWI that an image needs.
LEAST_AUC = 0.75
#: From this volume (ml) on a component must be seen by itself, at this AUC.
LARGE_ML, LEAST_LARGE_AUC = 1.0, 0.65
#: Tissue around a component that it is compared with: from where the lesion's blur ends up to here (mm).
REACH_MM, _BLUR_MM = 12.0, 2.5
#: Voxels of a component that are ranked; smaller ones count only where there are no larger ones.
LEAST_VOXELS = 8
#: Below this many voxels nothing can be said of a lesion.
FEWEST_VOXELS = 4
#: Neighbors of the same tissue that are needed; with fewer, all tissue around is taken.
_ENOUGH = 30

_TISSUE = np.full(256, 255)
_TISSUE[: len(TISSUE_OF_CLASS)] = TISSUE_OF_CLASS
_BRAIN = np.zeros(256, bool)
_BRAIN[list(PARENCHYMA)] = True


@dataclass(frozen=True)
class Component:
    """One connected part of a lesion.

    Parameters
    ----------
    volume_ml, voxels
        Its size on the image's grid.
    dwi_auc, adc_auc
        How far it stands out from the tissue around; NaN where there is nothing to compare with.
    """

    volume_ml: float
    voxels: int
    dwi_auc: float
    adc_auc: float


@dataclass(frozen=True)
class Recovery:
    """What the test found.

    Parameters
    ----------
    recovered
        Whether the lesion can be seen.
    reason
        Why not, in words; "" where it can.
    dwi_auc, adc_auc
        Means over the components, weighted by volume; NaN where nothing could be ranked.
    components
        Those that were ranked, the largest first.
    """

    recovered: bool
    reason: str
    dwi_auc: float
    adc_auc: float
    components: tuple[Component, ...]

    def record(self) -> dict[str, Any]:
        """For a sidecar."""

        def plain(value: float) -> float | None:
            return round(value, 4) if np.isfinite(value) else None

        return {
            "recovered": self.recovered, "dwi_auc": plain(self.dwi_auc), "adc_auc": plain(self.adc_auc),
        } | ({"reason": self.reason} if self.reason else {})  # fmt: skip


def recoverable(dwi: Volume, adc: Volume | None, semantic_map: Volume, lesion: Volume) -> Recovery:
    """Test whether ``lesion`` (0/1) can be told from the tissue around it.

    Parameters
    ----------
    dwi, adc
        The image (arbitrary units; ADC in any unit, or None).
    semantic_map, lesion
        On the same grid; the map without the lesion.

    Raises
    ------
    BadInputError
        When the volumes lie on different grids.
    """
    for volume, name in ((adc, "ADC"), (semantic_map, "semantic map"), (lesion, "lesion")):
        if volume is not None and not volume.grid.matches(dwi.grid):
            raise BadInputError(f"the {name} lies on another grid than the DWI; resample it first.")
    tissue = _TISSUE[semantic_map.array]
    brain = _BRAIN[semantic_map.array]
    mask = lesion.array > 0
    signals = [dwi.array.astype(np.float32)]
    if adc is not None:
        signals.append(-adc.array.astype(np.float32))
    found = _components(mask, dwi, signals, np.where(brain, tissue, 255))
    return _judged(found)


def _judged(found: list[Component]) -> Recovery:
    ranked = [part for part in found if part.voxels >= LEAST_VOXELS and np.isfinite(part.dwi_auc)]
    ranked = ranked or [part for part in found if np.isfinite(part.dwi_auc)]
    ranked.sort(key=lambda part: -part.volume_ml)
    nan = float("nan")
    if sum(part.voxels for part in ranked) < FEWEST_VOXELS:
        return Recovery(False, "too small for this grid", nan, nan, tuple(ranked))
    weights = [part.volume_ml for part in ranked]
    dwi_auc = float(np.average([part.dwi_auc for part in ranked], weights=weights))
    adc_auc = float(np.average([part.adc_auc for part in ranked], weights=weights))
    unseen = [p for p in ranked if p.volume_ml >= LARGE_ML and p.dwi_auc < LEAST_LARGE_AUC]
    reason = ""
    if dwi_auc < LEAST_AUC:
        reason = "not brighter than the tissue around"
    elif unseen:
        reason = f"a part of {unseen[0].volume_ml:.1f} ml is not brighter than the tissue around"
    return Recovery(not reason, reason, dwi_auc, adc_auc, tuple(ranked))


def _components(mask: Array, like: Volume, signals: list[Array], tissue: Array) -> list[Component]:
    """Every component with its contrasts; ``tissue`` is 255 outside the brain."""
    spacing = np.array(like.spacing)
    labels, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())
    pad = np.ceil(REACH_MM / spacing).astype(int)
    components = []
    for number, extent in enumerate(ndimage.find_objects(labels), 1):
        box = tuple(slice(max(s.start - p, 0), s.stop + p) for s, p in zip(extent, pad, strict=True))
        inside = (labels[box] == number) & (tissue[box] != 255)
        voxels = int(inside.sum())
        if voxels == 0:
            continue
        # Neighbors keep away from every lesion, not only from this one.
        clear = ndimage.distance_transform_edt(~mask[box], sampling=spacing) > _BLUR_MM
        near = ndimage.distance_transform_edt(labels[box] != number, sampling=spacing) <= REACH_MM
        around = clear & near & (tissue[box] != 255)
        aucs = [_by_tissue(signal[box], inside, around, tissue[box]) for signal in signals]
        volume = float(sizes[number]) * like.grid.voxel_ml
        components.append(Component(volume, voxels, aucs[0], aucs[1] if len(aucs) > 1 else float("nan")))
    return components


def _by_tissue(signal: Array, inside: Array, around: Array, tissue: Array) -> float:
    """AUC of ``inside`` against ``around``, tissue by tissue, weighted by voxels."""
    total, weight = 0.0, 0
    for kind in np.unique(tissue[inside]):
        here, there = inside & (tissue == kind), around & (tissue == kind)
        if there.sum() < _ENOUGH:
            there = around
        if there.sum() < _ENOUGH:
            continue
        count = int(here.sum())
        total += count * area_under_curve(signal[here], signal[there])
        weight += count
    return total / weight if weight else float("nan")


def area_under_curve(higher: Array, lower: Array) -> float:
    """Chance that a value of the first array exceeds one of the second; ties count half."""
    count = higher.size
    ranks = rankdata(np.concatenate([higher, lower]))[:count].sum()
    return float((ranks - count * (count + 1) / 2) / (count * lower.size))
