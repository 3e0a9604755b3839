"""Procedural against real infarcts: volume, pieces, shape and site, in one figure.

    python Testing/Benchmarks/lesion_statistics.py --data DIR [--procedural 500] [--placed 300] [--workers 2]

``--data`` holds ``lesions/`` (masks in standard space). Three groups are measured alike: real masks
where they lie in standard space; real masks brought to people of the shipped population model;
procedural infarcts on the same people. Volumes are compared as shares of the brain, because standard space
is larger than most heads. The held-out masks are drawn as a line of their own, and no number is computed
from them but that line's median. Writes lesion_statistics.png and .json beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.files import write_json
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.masks import SULCUS_MM, MaskFolder, Perturbation, held_out_names, person_of
from StrokeSynthLib.lesions.procedural import ProceduralLesions
from StrokeSynthLib.lesions.statistics import describe
from StrokeSynthLib.lesions.territories import (
    ARTERIES,
    TerritoryAtlas,
    standard_points_of_voxels,
)
from StrokeSynthLib.randomness import generator

HERE = Path(__file__).with_suffix("")
PEOPLE, SEED = 8, 2026
BIN_MM = 4.0
LOW, BINS = np.array([-80.0, -114.0, -72.0]), (40, 48, 40)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Measured:
    """One infarct."""

    share: float
    volume_ml: float
    components: int
    sphericity: float
    largest_share: float
    side: str
    shares: dict[str, float]
    bins: np.ndarray


def measure(
    mask: np.ndarray, spacing: tuple[float, float, float], points: np.ndarray, brain_ml: float
) -> Measured:
    """Measure a mask whose voxels lie at ``points`` of standard space."""
    numbers = describe(mask, spacing)
    site = TerritoryAtlas.load().site_of_points(points)
    by_artery = {a: sum(site.shares[p] for p in parts) for a, parts in ARTERIES.items()}
    index = np.floor((points.T - LOW) / BIN_MM).astype(int)
    index = index[((index >= 0) & (index < BINS)).all(axis=1)]
    bins, counts = np.unique(np.ravel_multi_index(tuple(index.T), BINS), return_counts=True)
    full = BIN_MM**3 / float(np.prod(spacing)) * brain_ml / _standard_ml()
    return Measured(
        numbers.volume_ml / brain_ml, numbers.volume_ml, numbers.components, numbers.sphericity,
        numbers.largest_share, site.side, by_artery, bins[counts > 0.25 * full],
    )  # fmt: skip


def _standard_ml() -> float:
    return float(TerritoryAtlas.load().statistics["solid_brain_ml"])


@lru_cache(maxsize=2)
def person(number: int) -> Anatomy:
    return PopulationModel.load().sample(number, SEED)


def _brain_ml(anatomy: Anatomy) -> float:
    return float(anatomy.parenchyma.sum() * anatomy.grid.voxel_ml)


def real(data: Path, files: list[str]) -> list[tuple[str, Measured]]:
    """Usable masks, in standard space."""
    folder = MaskFolder(data / "lesions")
    measured = []
    for path in (p for p in folder.paths if p.name in set(files)):
        mask = folder.open(path)
        if mask is not None:
            array = mask.unpacked()
            points = mask.grid.affine[:3, :3] @ np.array(np.nonzero(array)) + mask.grid.affine[:3, 3:]
            measured.append((mask.name, measure(array, mask.grid.spacing, points, _standard_ml())))
    return measured


def placed(data: Path, draws: list[int]) -> list[tuple[str, Measured]]:
    """Real masks that took part in building, on people of the population."""
    held_out = set(held_out_names())
    names = [person_of(p) for p in (data / "lesions").glob("*.nii.gz") if person_of(p) not in held_out]
    source = MaskFolder(data / "lesions", names)
    return [("placed", _on(person(d % PEOPLE), source, d)) for d in sorted(draws, key=lambda d: d % PEOPLE)]


def procedural(draws: list[int]) -> list[tuple[str, Measured]]:
    """Procedural infarcts of which nothing was asked, on the same people."""
    source = ProceduralLesions()
    return [
        ("procedural", _on(person(d % PEOPLE), source, d)) for d in sorted(draws, key=lambda d: d % PEOPLE)
    ]


def _on(anatomy: Anatomy, source: Any, draw: int) -> Measured:
    lesion = source.draw(anatomy, LesionRequest(), generator(SEED, "lesion-statistics", draw))
    points = standard_points_of_voxels(np.array(np.nonzero(lesion.mask)), anatomy)
    return measure(lesion.mask, anatomy.grid.spacing, points, _brain_ml(anatomy))


def in_parallel(
    work: Callable[[list[Any]], list[tuple[str, Any]]], items: Iterable[Any], workers: int
) -> list[tuple[str, Any]]:
    items = list(items)
    parts = [items[i::workers] for i in range(workers)]
    with ProcessPoolExecutor(workers) as pool:
        return [one for part in pool.map(work, parts) for one in part]


STRATA_ML = ((0.0, 1.0), (1.0, 5.0), (5.0, 20.0), (20.0, 70.0), (70.0, 400.0))


def acceptance(data: Path, numbers: list[int]) -> list[tuple[str, Any]]:
    """Whether masks, each on one person, keep 90 %: of the solid brain, and were all CSF counted as lost."""
    held_out = set(held_out_names())
    names = [person_of(p) for p in (data / "lesions").glob("*.nii.gz") if person_of(p) not in held_out]
    solid, strict = (MaskFolder(data / "lesions", names, sulcus_mm=mm) for mm in (SULCUS_MM, 0.0))
    order = generator(SEED, "acceptance").permutation(len(solid.paths))
    found: list[tuple[str, Any]] = []
    for number in sorted(numbers, key=lambda n: n % PEOPLE):
        mask = solid.open(solid.paths[order[number]])
        if mask is not None:
            anatomy = person(number % PEOPLE)
            kept = [source.place(mask, anatomy, Perturbation()) is not None for source in (solid, strict)]
            found.append((mask.name, (mask.volume_ml, *kept)))
    return found


def acceptance_by_volume(found: list[Any]) -> dict[str, dict[str, float]]:
    """Share of masks accepted, by their volume in standard space."""
    table = {}
    for low, high in STRATA_ML:
        some = [one for one in found if low < one[0] <= high]
        if not some:
            continue
        table[f"{low:g} to {high:g} ml"] = {
            "masks": len(some),
            "accepted": round(float(np.mean([one[1] for one in some])), 3),
            "accepted_if_all_csf_counted": round(float(np.mean([one[2] for one in some])), 3),
        }
    return table


def numbers_of(group: list[Measured]) -> dict[str, Any]:
    """Medians and quantiles of one group."""
    ml = _standard_ml()
    return {
        "count": len(group),
        "volume_ml_at_standard_size": _quantiles([m.share * ml for m in group]),
        "volume_ml_in_own_space": _quantiles([m.volume_ml for m in group]),
        "components": _quantiles([float(m.components) for m in group]),
        "sphericity": _quantiles([m.sphericity for m in group]),
        "largest_share": _quantiles([m.largest_share for m in group]),
        "one_sided": round(float(np.mean([m.side != "both" for m in group])), 3),
        "territory_shares": {a: round(float(np.mean([m.shares[a] for m in group])), 3) for a in ARTERIES},
    }


def _quantiles(values: list[float]) -> list[float]:
    return [float(f"{v:.4g}") for v in np.quantile(values, QUANTILES)]


def distances(one: list[Measured], other: list[Measured]) -> dict[str, float]:
    """Kolmogorov-Smirnov distances, and the correlation of the two probability maps."""
    from scipy.stats import ks_2samp

    result = {}
    for name in ("share", "components", "sphericity", "largest_share"):
        values = [[float(getattr(m, name)) for m in group] for group in (one, other)]
        result[f"ks_{name}"] = round(float(ks_2samp(*values).statistic), 3)
    maps = [probability(group).ravel() for group in (one, other)]
    anywhere = (maps[0] > 0) | (maps[1] > 0)
    result["site_map_correlation"] = round(float(np.corrcoef(maps[0][anywhere], maps[1][anywhere])[0, 1]), 3)
    return result


def probability(group: list[Measured]) -> np.ndarray:
    """Share of the group that covers each 4 mm voxel of standard space."""
    total = np.zeros(int(np.prod(BINS)))
    for one in group:
        total[one.bins] += 1
    return total.reshape(BINS) / len(group)


def draw_figure(groups: dict[str, list[Measured]], held_out: list[Measured]) -> None:
    """The figure: three distributions, sites, and projections of the probability maps."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colors = dict(zip(groups, ("#1f4e79", "#5b9bd5", "#c0392b"), strict=True))
    figure = plt.figure(figsize=(13, 6.3), constrained_layout=True)
    plots, maps = figure.subfigures(2, 1, height_ratios=[1.75, 1], hspace=0.03)
    axes = dict(zip("vcst", plots.subplots(1, 4), strict=True))
    ml = _standard_ml()
    for name, group in groups.items():
        label = f"{name} (n = {len(group)})"
        _curve(axes["v"], [m.share * ml for m in group], colors[name], label)
        _curve(axes["s"], [m.sphericity for m in group], colors[name], label)
        counts = np.bincount([min(m.components, 16) for m in group], minlength=17)[1:] / len(group)
        axes["c"].step(np.arange(1, 17), counts, where="mid", color=colors[name], label=label)
    _curve(axes["v"], [m.share * ml for m in held_out], "black", f"held-out masks (n = {len(held_out)})", ":")
    axes["v"].set(xscale="log", xlabel="ml at the size of the standard brain", ylabel="share below",
                  xlim=(0.02, 500), title="Volume")  # fmt: skip
    axes["v"].legend(fontsize=7, loc="upper left")
    axes["c"].set(
        xlabel="pieces of 10 mm³ or more (last: 16 and more)", ylabel="share", title="Number of pieces"
    )
    axes["s"].set(xlabel="sphericity of the largest piece", ylabel="share below", title="Shape")
    width = 0.27
    for number, (name, group) in enumerate(groups.items()):
        shares = [np.mean([m.shares[a] for m in group]) for a in ARTERIES]
        axes["t"].barh(
            np.arange(len(ARTERIES)) + width * number, shares, width, color=colors[name], label=name
        )
    axes["t"].set(
        yticks=np.arange(len(ARTERIES)) + width, xlabel="mean share of the infarct", title="Territory"
    )
    axes["t"].set_yticklabels(ARTERIES, fontsize=8)
    axes["t"].invert_yaxis()
    for key in "cst":
        axes[key].legend(fontsize=7)
    panels = maps.subplots(1, 3)
    for axis, (name, group) in zip(panels, groups.items(), strict=True):
        smooth = probability(group)
        views = [smooth.max(axis=2).T, smooth.max(axis=1).T, np.maximum(smooth, smooth[::-1]).max(axis=0).T]
        height = max(view.shape[0] for view in views)
        row = np.concatenate([np.pad(view, ((0, height - view.shape[0]), (1, 1))) for view in views], axis=1)
        image = axis.imshow(row, origin="lower", cmap="magma", vmin=0, vmax=0.12)
        axis.set_title(f"{name}: from above, front, side", fontsize=10)
        axis.axis("off")
    maps.colorbar(image, ax=panels, location="right", shrink=0.8, aspect=12,
                  label="share of infarcts\nthat cover a point\n(largest along the axis)")  # fmt: skip
    figure.savefig(HERE.with_suffix(".png"), dpi=100)


def _curve(axis: Any, values: list[float], color: str, label: str, style: str = "-") -> None:
    axis.plot(np.sort(values), (np.arange(len(values)) + 0.5) / len(values), style, color=color, label=label)


def main() -> None:
    """Measure, write the numbers, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--procedural", type=int, default=500)
    parser.add_argument("--placed", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    a = parser.parse_args()
    files = [p.name for p in sorted((a.data / "lesions").glob("*.nii.gz"))]
    held_out = set(held_out_names())
    masks = in_parallel(partial(real, a.data), files, a.workers)
    groups = {
        "real, standard space": [m for name, m in masks if name not in held_out],
        "real, on subjects": [m for _, m in in_parallel(partial(placed, a.data), range(a.placed), a.workers)],
        "procedural": [m for _, m in in_parallel(procedural, range(a.procedural), a.workers)],
    }
    tried = in_parallel(partial(acceptance, a.data), range(a.placed), a.workers)
    kept_apart = [m for name, m in masks if name in held_out]
    command = (
        f"python Testing/Benchmarks/lesion_statistics.py --procedural {a.procedural} --placed {a.placed}"
    )
    write_json(
        HERE.with_suffix(".json"),
        {"command": command, "model": TerritoryAtlas.load().hash, "quantiles": list(QUANTILES),
         "people": f"{PEOPLE} of the shipped population model, seed {SEED}",
         "groups": {name: numbers_of(group) for name, group in groups.items()},
         "held_out": {"count": len(kept_apart),
                      "median_ml": round(float(np.median([m.volume_ml for m in kept_apart])), 2)},
         "acceptance_by_volume": acceptance_by_volume([one for _, one in tried]),
         "procedural_against_real_on_subjects": distances(groups["procedural"], groups["real, on subjects"]),
         "procedural_against_real_in_standard_space":
             distances(groups["procedural"], groups["real, standard space"])},
    )  # fmt: skip
    draw_figure(groups, kept_apart)


if __name__ == "__main__":
    main()
