"""Make the shipped model ``territories`` and the list of held-out masks.

    python Testing/Benchmarks/lesion_territories.py draw  --data DIR --seed 2026
    python Testing/Benchmarks/lesion_territories.py build --data DIR

``--data`` holds ``arteries/`` (ArterialAtlas136.nii.gz) and ``lesions/`` (masks in standard
space). ``draw`` writes StrokeSynthLib/lesions/test_masks.txt: 200 people, 20 from each tenth of
the volume distribution of the masks that pass screening. ``build`` computes probability maps
from the arterial labels and statistics from the masks that are not in that list.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_fill_holes,
    distance_transform_edt,
    find_objects,
    gaussian_filter,
)

from StrokeSynthLib.files import write_text
from StrokeSynthLib.lesions.masks import MaskFolder, StandardMask, held_out_names
from StrokeSynthLib.lesions.statistics import SMALLEST_COUNTED_ML, pieces
from StrokeSynthLib.lesions.territories import (
    ARTERIES,
    MODEL_KIND,
    MODEL_NAME,
    ONE_SIDED,
    PARTS,
    SIZES_ML,
    TerritoryAtlas,
)
from StrokeSynthLib.modelfolder import SHIPPED, save_model
from StrokeSynthLib.volume import Grid, Volume, read_volume

TEST_LIST = Path(__file__).resolve().parents[2] / "StrokeSynthLib" / "lesions" / "test_masks.txt"
TEST_COUNT, STRATA = 200, 10
# Left labels of the arterial atlas for each of PARTS; the right one is the next number.
LEFT_LABELS = (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29)
LAST_ARTERIAL_LABEL = 30
STEP_MM, SMOOTHING_MM = 4.0, 2.5
CENTER_SMOOTHING_MM = (5.0, 6.0, 8.0, 6.0)
# Not to the very ends: an extreme would be one person's value.
QUANTILES = np.linspace(0.005, 0.995, 41)
FEWEST = 15


def coarse_grid() -> Grid:
    """4 mm, symmetric about x = 0, covering the standard-space brain."""
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    affine[:3, 3] = (-80.0, -112.0, -52.0)
    return Grid((41, 48, 36), affine)


def to_coarse(values: np.ndarray, affine: np.ndarray, smoothing_mm: float) -> np.ndarray:
    """Smooth (mm = voxels) and sample on the coarse grid."""
    smooth = gaussian_filter(values.astype(np.float32), smoothing_mm)
    return Volume(smooth, affine).resampled(coarse_grid()).array


def as_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)


def territory_maps(arteries: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Left branch probabilities, solid brain (both uint8), and the solid brain's volume (ml)."""
    atlas = read_volume(arteries / "ArterialAtlas136.nii.gz").canonical()
    labels = atlas.array.astype(np.int16)
    left = []
    for label in LEFT_LABELS:
        maps = [to_coarse(labels == number, atlas.affine, SMOOTHING_MM) for number in (label, label + 1)]
        left.append((maps[0] + maps[1][::-1]) / 2.0)
    pad = 8
    closed = binary_closing(np.pad(labels > 0, pad), iterations=5)[pad:-pad, pad:-pad, pad:-pad]
    brain = to_coarse(binary_fill_holes(closed), atlas.affine, 1.0)
    fed = (labels > 0) & (labels <= LAST_ARTERIAL_LABEL)
    return as_bytes(np.stack(left)), as_bytes((brain + brain[::-1]) / 2.0), float(fed.sum()) / 1000.0


def empty_atlas(left: np.ndarray, brain: np.ndarray) -> TerritoryAtlas:
    """Enough of an atlas to screen masks before there are statistics."""
    return TerritoryAtlas(left, brain, np.zeros((4, *brain.shape), np.uint8), coarse_grid(), {}, "")


def draw(data: Path, seed: int) -> None:
    """Draw and save the held-out people."""
    left, brain, _ = territory_maps(data / "arteries")
    folder = MaskFolder(data / "lesions", atlas=empty_atlas(left, brain))
    masks = [mask for path in folder.paths if (mask := folder.open(path)) is not None]
    order = sorted(masks, key=lambda mask: (mask.volume_ml, mask.name))
    rng = np.random.default_rng(seed)
    chosen: list[str] = []
    for stratum in np.array_split(np.arange(len(order)), STRATA):
        picked = rng.choice(stratum, TEST_COUNT // STRATA, replace=False)
        chosen += [order[i].name for i in picked]
    header = (
        f"# People whose lesion masks form the project's own test set: {len(chosen)} of the {len(order)}\n"
        f"# usable masks (of {len(folder.paths)}), {TEST_COUNT // STRATA} from each tenth of their volumes.\n"
        "# Nothing is trained on them, averaged over them, tuned to them or computed from them.\n"
        f"# Drawn by: python Testing/Benchmarks/lesion_territories.py draw --data DIR --seed {seed}\n"
    )
    write_text(TEST_LIST, header + "\n".join(sorted(chosen)) + "\n")
    print(folder.screening.summary())


@dataclass(frozen=True)
class Measured:
    """One real infarct in standard space."""

    volume_ml: float
    artery: str
    part: str
    left_share: float
    pieces_ml: tuple[float, ...]
    centers: np.ndarray  # (n, 3) mm, largest piece first
    distances: tuple[float, ...]  # of further pieces from the largest one (mm)
    same_artery: tuple[bool, ...]


def measure(mask: StandardMask, atlas: TerritoryAtlas) -> Measured:
    """Pieces, where their centers are, and how far the others are from the largest."""
    array = mask.unpacked()
    labels, counts = pieces(array)
    order = [int(i) for i in np.argsort(-counts) if counts[i] * mask.grid.voxel_ml >= SMALLEST_COUNTED_ML]
    order = order or [int(counts.argmax())]
    away = distance_transform_edt(labels != order[0]) if len(order) > 1 else None
    centers, distances, same = [], [], []
    main = atlas.site_of_points(_points(labels == order[0], mask.grid))
    boxes = find_objects(labels)
    for label in order:
        box = boxes[label - 1]
        piece = labels[box] == label
        place = Grid(piece.shape, _moved(mask.grid.affine, [s.start for s in box]))
        inner = distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1, 1:-1]
        # The center is the point of the piece deepest inside it that is nearest its centroid.
        voxels = np.argwhere(inner >= 0.6 * inner.max())
        centroid = np.argwhere(piece).mean(axis=0)
        voxel = voxels[np.linalg.norm(voxels - centroid, axis=1).argmin()]
        centers.append(place.affine[:3, :3] @ voxel + place.affine[:3, 3])
        if label != order[0] and away is not None:
            distances.append(float(away[box][piece].min()))
            same.append(atlas.site_of_points(_points(piece, place)).territory == main.territory)
    return Measured(
        mask.volume_ml, mask.site.territory, mask.site.part, mask.site.left_share,
        tuple(float(counts[i]) * mask.grid.voxel_ml for i in order), np.array(centers),
        tuple(distances), tuple(same),
    )  # fmt: skip


def _moved(affine: np.ndarray, start: list[int]) -> np.ndarray:
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.array(start)
    return moved


def _points(mask: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.affine[:3, :3] @ np.array(np.nonzero(mask)) + grid.affine[:3, 3:]


def size_of(volume_ml: float) -> int:
    return int(np.searchsorted(SIZES_ML, volume_ml))


def center_maps(measured: list[Measured]) -> np.ndarray:
    """Smoothed, mirrored densities of centers by size, and of further pieces."""
    grid = coarse_grid()
    counts = np.zeros((4, *grid.shape), np.float32)
    inverse = np.linalg.inv(grid.affine)
    for one in measured:
        for number, center in enumerate(one.centers):
            kind = size_of(one.volume_ml) if number == 0 else 3
            i, j, k = np.rint(inverse[:3, :3] @ center + inverse[:3, 3]).astype(int)
            if all(0 <= v < n for v, n in zip((i, j, k), grid.shape, strict=True)):
                counts[kind, i, j, k] += 1.0
    maps = []
    for one_map, smoothing in zip(counts, CENTER_SMOOTHING_MM, strict=True):
        smooth = gaussian_filter(one_map, smoothing / STEP_MM)
        smooth = smooth + smooth[::-1]
        maps.append(smooth / smooth.max())
    return as_bytes(np.stack(maps))


def quantiles(values: list[float]) -> list[float]:
    return [round(float(v), 5) for v in np.quantile(values, QUANTILES)]


def statistics(measured: list[Measured], solid_ml: float) -> dict[str, Any]:
    """Everything the procedural source draws from, as numbers over many people."""
    count = len(measured)
    size = np.array([size_of(m.volume_ml) for m in measured])
    number = np.array([len(m.pieces_ml) for m in measured])
    both = np.array([ONE_SIDED > m.left_share > 1 - ONE_SIDED for m in measured])
    share = [m.volume_ml / solid_ml for m in measured]
    log_by = {
        name: quantiles([float(np.log(m.volume_ml / solid_ml)) for m in measured if m.artery == name])
        for name in ARTERIES
        if sum(m.artery == name for m in measured) >= FEWEST
    }
    log_by_part = {
        part: quantiles([float(np.log(m.volume_ml / solid_ml)) for m in measured if m.part == part])
        for part in PARTS
        if sum(m.part == part for m in measured) >= FEWEST
    }
    return {
        "masks": count,
        "solid_brain_ml": round(solid_ml, 1),
        "sizes_ml": list(SIZES_ML),
        "quantiles": [round(float(q), 4) for q in QUANTILES],
        "log_share_of_brain": quantiles([float(np.log(s)) for s in share]),
        "log_share_by_artery": log_by,
        "log_share_by_part": log_by_part,
        "artery_weights": {n: round(float(np.mean([m.artery == n for m in measured])), 4) for n in ARTERIES},
        "part_weights": {n: round(float(np.mean([m.part == n for m in measured])), 4) for n in PARTS},
        "left_of_one_sided": round(float(np.mean([m.left_share > 0.5 for m in measured])), 4),
        "number_by_size": [
            [round(float(np.mean(np.minimum(number[size == s], 25) == n)), 4) for n in range(1, 26)]
            for s in range(3)
        ],
        "both_sides": [  # by size, for 1, 2, 3 to 4, 5 to 8 and more pieces
            [_rate(both[(size == s) & (number >= low) & (number <= high)]) for low, high in NUMBER_BINS]
            for s in range(3)
        ],
        "largest_share": [
            quantiles([m.pieces_ml[0] / sum(m.pieces_ml) for m in measured
                       if low <= len(m.pieces_ml) <= high])
            for low, high in NUMBER_BINS[1:]
        ],
        "log_further_piece_ml_sd": round(
            float(np.mean([np.std(np.log(m.pieces_ml[1:])) for m in measured if len(m.pieces_ml) > 3])), 3
        ),
        "further_distance_mm": quantiles([d for m in measured for d in m.distances]),
        "further_same_artery": _rate(np.array([s for m in measured for s in m.same_artery])),
        "further_same_side": _rate(
            np.array([c[0] * m.centers[0][0] > 0 for m in measured for c in m.centers[1:]])
        ),
    }  # fmt: skip


NUMBER_BINS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 1000))


def _rate(values: np.ndarray) -> float:
    return round(float(values.mean()), 4) if values.size else 0.0


def build(data: Path) -> None:
    """Compute and save the shipped model."""
    left, brain, solid_ml = territory_maps(data / "arteries")
    atlas = empty_atlas(left, brain)
    held_out = set(held_out_names())
    folder = MaskFolder(data / "lesions", atlas=atlas)
    names = [path for path in folder.paths if not any(f"{name}_" in path.name for name in held_out)]
    measured = [measure(mask, atlas) for path in names if (mask := folder.open(path)) is not None]
    grid = coarse_grid()
    model = save_model(
        SHIPPED / MODEL_NAME,
        kind=MODEL_KIND,
        config={"parts": list(PARTS), "affine": grid.affine.tolist(),
                "statistics": statistics(measured, solid_ml)},
        training={"command": "python Testing/Benchmarks/lesion_territories.py build --data DIR",
                  "screening": folder.screening.summary(), "held_out": len(held_out),
                  "smoothing_mm": SMOOTHING_MM, "center_smoothing_mm": list(CENTER_SMOOTHING_MM)},
        arrays={"left": left, "brain": brain, "centers": center_maps(measured)},
        card=CARD.format(count=len(measured), solid_ml=solid_ml, fewest=FEWEST),
    )  # fmt: skip
    print(folder.screening.summary(), model.hash)


CARD = """# Arterial territories and infarct statistics

**What.** For 15 arterial branches, the probability (uint8, 255 = 1) that a point of standard space
(MNI152, RAS mm, 4 mm grid) belongs to the left one; the right one is the mirror image. A map of the solid
brain (sulci filled). How often a point is the center of an acute infarct, in three size classes, and of
an infarct's further pieces. In `model.json`: distributions of volume, number of pieces, side and
distance of real infarcts.

**From what.**
- Digital arterial territory atlas of Liu et al., Scientific Data 2023, 10:74, as 32 labels in the
  repository neurolabusc/StrokeOutcomeOptimizationProjectDemo (BSD-2-Clause). Both sides were averaged and
  smoothed (2.5 mm SD). The two ventricle labels fit poorly and are left out.
- {count} acute infarct masks of the Stroke Outcome Optimization Project (same repository, BSD-2-Clause;
  data set OpenNeuro ds004889; Absher et al., Scientific Data 2024, 11:839), warped to standard space,
  screened. The 200 people of `StrokeSynthLib/lesions/test_masks.txt` took no part. Only smoothed averages
  (5 to 8 mm SD) and numbers over at least {fewest} people are kept; no mask can be read back.

**Volumes** are kept as shares of the solid standard brain ({solid_ml:.0f} ml without ventricles), because
standard space is larger than most heads: in a subject the same infarct is smaller in ml.

**Limits.** One hospital network's patients (South Carolina, USA); territories vary between people more
than these maps do; borders of the masks carry the thick slices on which they were drawn. Research use only.

License: Apache-2.0, as StrokeSynth; computed from data under BSD-2-Clause (Stroke Outcome Optimization
Project).
"""


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("step", choices=("draw", "build"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    if arguments.step == "draw":
        draw(arguments.data, arguments.seed)
    else:
        build(arguments.data)


if __name__ == "__main__":
    main()
