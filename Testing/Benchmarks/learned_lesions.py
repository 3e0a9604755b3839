"""Learned, procedural and real lesions side by side: statistics, coverage, copies, and what was asked for.

    python -m Testing.Benchmarks.learned_lesions --data DIR [--models NAME ...] [--number N] [--seed S]

``--data`` holds ``lesions/`` (masks in standard space). All groups are brought to the same people of the
shipped population model and measured there alike: held-out masks (people of ``test_masks.txt``), as many
masks that took part in training (the control: what two samples of real lesions differ by), and each source
with nothing asked. Writes learned_lesions.json, .md and .png beside this file.

- **Distances**: Kolmogorov-Smirnov distance to the held-out masks of volume, components, sphericity, share of
  the largest piece, volume of the smallest, gap (mm) from surface to surface between each further piece and
  the nearest larger one (a lesion's median; lesions of one piece have none), share of the volume on the
  lesser side; for the arteries half the sum of the differences of mean shares. Pieces of 10 mm^3 and more.
  Bootstrap intervals (resampling both groups).
- **At equal volumes**: the same distances of all but volume, with each group weighted so that the fifths of
  the held-out masks' volumes hold a fifth each. A mask that does not fit a person is left out, large ones
  more often; what is made is made to fit. Size decides on much of the rest.
- **Coverage, density** (Naeem et al., 2020) and **precision, recall** (Kynkäänniemi et al., 2019), k = 5, in
  17 descriptors (log volume, log components, sphericity, largest share, log extent, artery shares, center,
  spread along three axes; folded to one side, each over the SD of training masks).
- **Copies**: 1 - Dice of lesions in 4 mm voxels of standard space, folded to one side, to the nearest
  training mask over the nearest held-out mask, both out of equally many; lesions of 10 such voxels and more.
  1 means that training masks are no nearer than masks never seen. The control are held-out masks; planted
  are training masks moved and turned as ``--lesions DIR`` does, which the measure must find.
- **What was asked**: volume within 20 %, share of the draws on the side and in the territory asked for. Both
  sources draw again what does not meet a request, so these are near 1 by construction; *at once* is the share
  of the draws whose first whole lesion met it (the procedural source does not count).
- **Refused**: what was drawn again, by reason: a crop (a piece's shape), a further piece (left out), a
  lesion.
- **Further seeds**: the same models, other draws; what one sample of lesions settles, and what not.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.errors import StrokeSynthError
from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.lesions.learned.source import LearnedLesions
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.masks import MaskFolder, Perturbation, held_out_names, person_of
from StrokeSynthLib.lesions.procedural import ProceduralLesions
from StrokeSynthLib.lesions.statistics import SMALLEST_COUNTED_ML, bounding_box, describe, pieces
from StrokeSynthLib.lesions.territories import ARTERIES, TerritoryAtlas, standard_points_of_voxels
from StrokeSynthLib.randomness import generator
from Testing.Benchmarks.learned_lesions_report import figure, report
from Testing.Benchmarks.measured_once import Cache

HERE = Path(__file__).with_suffix("")
PEOPLE, SEED, NEAREST = 4, 2026, 5
COMPARED = ("volume", "components", "sphericity", "largest", "smallest", "gap", "lesser_side")
BIN_MM = 4.0
LOW, BINS = np.array([0.0, -114.0, -72.0]), (20, 48, 40)
REQUESTS = (
    LesionRequest("MCA", "left", 20.0), LesionRequest("MCA", "right", 80.0),
    LesionRequest("PCA", "right", 8.0), LesionRequest("ACA", "left", 6.0),
    LesionRequest("cerebellar", "right", 10.0), LesionRequest("lacunar", "left", 0.8),
    LesionRequest(None, "left", 3.0),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One lesion on a person: numbers, descriptors, occupied bins, a picture of it."""

    volume: float
    components: int
    sphericity: float
    largest: float
    smallest: float
    gap: float
    lesser_side: float
    arteries: np.ndarray
    descriptors: np.ndarray
    bins: frozenset[int]
    picture: np.ndarray


@lru_cache(maxsize=PEOPLE)
def person(number: int) -> Anatomy:
    return PopulationModel.load().sample(number, SEED)


def measure(mask: np.ndarray, anatomy: Anatomy) -> Measured:
    """Measure a mask on an anatomy; its site in standard space, folded so that most of it is on one side."""
    numbers = describe(mask, anatomy.grid.spacing)
    points = standard_points_of_voxels(np.array(np.nonzero(mask)), anatomy)
    shares = TerritoryAtlas.load().site_of_points(points).shares
    arteries = np.array([sum(shares[p] for p in parts) for parts in ARTERIES.values()])
    volume = numbers.volume_ml / float(anatomy.parenchyma.sum() * anatomy.grid.voxel_ml)
    if points[0].mean() < 0:
        points = points * np.array([[-1.0], [1.0], [1.0]])
    spread = np.log(points.std(axis=1) + 1.0)
    descriptors = np.array(
        [np.log(volume), np.log(max(numbers.components, 1)), numbers.sphericity, numbers.largest_share,
         np.log(numbers.extent_mm), *arteries, *points.mean(axis=1), *spread]
    )  # fmt: skip
    index = np.floor((points.T - LOW) / BIN_MM).astype(int)
    index = index[((index >= 0) & (index < BINS)).all(axis=1)]
    bins, counts = np.unique(np.ravel_multi_index(tuple(index.T), BINS), return_counts=True)
    full = BIN_MM**3 / (1000.0 * anatomy.grid.voxel_ml) * 0.65
    picture = axial(mask, anatomy)
    left = float((points[0] < 0).mean())
    return Measured(
        volume, numbers.components, numbers.sphericity, numbers.largest_share,
        min(numbers.pieces_ml, default=numbers.volume_ml), gap(mask, anatomy), min(left, 1.0 - left),
        arteries, descriptors, frozenset(bins[counts > 0.25 * full].tolist()), picture,
    )  # fmt: skip


def gap(mask: np.ndarray, anatomy: Anatomy) -> float:
    """Median distance (mm) of each further piece from the nearest larger one; nan when there is but one."""
    labels, counts = pieces(mask[bounding_box(mask)])
    found = [n for n in np.argsort(counts)[::-1] if counts[n] * anatomy.grid.voxel_ml >= SMALLEST_COUNTED_ML]
    rim = labels * ~binary_erosion(labels > 0)
    points = [np.argwhere(rim == n) * np.array(anatomy.grid.spacing) for n in found]
    gaps = [
        cKDTree(np.concatenate(points[:n])).query(points[n])[0].min() - 1.0 for n in range(1, len(points))
    ]
    return float(np.median(gaps)) if gaps else float("nan")


def axial(mask: np.ndarray, anatomy: Anatomy) -> np.ndarray:
    """The slice with most lesion, (y, x, 3) uint8: parenchyma gray, lesion red."""
    level = int(mask.sum(axis=(0, 1)).argmax())
    x, y, _ = bounding_box(anatomy.parenchyma)
    brain, lesion = anatomy.parenchyma[x, y, level], mask[x, y, level]
    gray = np.where(brain, 150, 30)
    return (
        np.stack([np.where(lesion, v, gray) for v in (230, 40, 40)], axis=-1)
        .astype(np.uint8)
        .transpose(1, 0, 2)
    )


def drawn(source: Any, number: int, seed: int = SEED) -> tuple[list[Measured], dict[str, float]]:
    """Lesions of which nothing was asked, person by person, and what they cost."""
    found, start, failed = [], time.process_time(), 0
    for draw in sorted(range(number), key=lambda d: d % PEOPLE):
        anatomy = person(draw % PEOPLE)
        try:
            lesion = source.draw(anatomy, LesionRequest(), generator(seed, "learned-lesions", draw))
        except StrokeSynthError:
            failed += 1
            continue
        found.append(measure(lesion.mask, anatomy))
    seconds = (time.process_time() - start) / number
    return found, {"cpu_seconds": round(seconds, 2), "failed": failed, "refused": refusals(source)}


def refusals(source: Any) -> dict[str, int]:
    """What a source has refused so far and drawn again, by reason."""
    return dict(sorted(getattr(source, "refused", {}).items()))


def lesions_refused(source: Any) -> int:
    """Whole lesions that a source has refused so far."""
    return sum(count for reason, count in refusals(source).items() if reason.startswith("lesion"))


def real(folder: MaskFolder, names: list[str], number: int, *, moved: bool = False) -> list[Measured]:
    """Masks on people, each once, as they lie (or moved and turned a little)."""
    paths = {person_of(p): p for p in folder.paths}
    found: list[Measured] = []
    for draw, name in enumerate(names):
        mask = folder.open(paths[name])
        if mask is None:
            continue
        anatomy = person(draw % PEOPLE)
        move = Perturbation.draw(generator(SEED, "moved", draw), draw % 2 == 0) if moved else Perturbation()
        lesion = folder.place(mask, anatomy, move)
        if lesion is not None:
            found.append(measure(lesion.mask, anatomy))
        if len(found) == number:
            break
    return found


def ks(a: np.ndarray, b: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> float:
    """Largest difference of two cumulated distributions with weights; what is not a number is left out."""
    known = [~np.isnan(v) for v in (a, b)]
    (a, b), (of_a, of_b) = ([v[k] for v, k in zip(p, known, strict=True)] for p in ((a, b), (of_a, of_b)))
    order = np.argsort(np.concatenate([a, b]), kind="stable")
    every = np.concatenate([a, b])[order]
    steps = np.concatenate([of_a / of_a.sum(), -of_b / of_b.sum()])[order].cumsum()
    # Equal values are one step.
    return float(np.abs(steps[np.append(every[1:] != every[:-1], True)]).max())


def distances(
    group: list[Measured], reference: list[Measured], weigh: bool = False
) -> dict[str, list[float]]:
    """Each distance with its bootstrap interval (2.5 % and 97.5 %); ``weigh``: at equal volumes."""
    rng = np.random.default_rng(SEED)
    fifths = np.quantile([m.volume for m in reference], [0.2, 0.4, 0.6, 0.8])

    def weights(of: list[Measured]) -> np.ndarray:
        fifth = np.searchsorted(fifths, [m.volume for m in of])
        return 1.0 / np.bincount(fifth, minlength=5)[fifth] if weigh else np.ones(len(of))

    def once(a: list[Measured], b: list[Measured]) -> dict[str, float]:
        w = [weights(g) for g in (a, b)]
        values = {
            name: ks(*(np.array([float(getattr(m, name)) for m in g]) for g in (a, b)), *w)
            for name in COMPARED
            if not (weigh and name == "volume")
        }
        means = [
            np.average([m.arteries for m in g], axis=0, weights=v) for g, v in zip((a, b), w, strict=True)
        ]
        return {**values, "arteries": float(np.abs(means[0] - means[1]).sum() / 2.0)}

    at = once(group, reference)
    again = [
        once([group[i] for i in rng.integers(len(group), size=len(group))],
             [reference[i] for i in rng.integers(len(reference), size=len(reference))])
        for _ in range(500)
    ]  # fmt: skip
    return {
        name: [
            round(value, 3),
            *(round(float(v), 3) for v in np.percentile([o[name] for o in again], [2.5, 97.5])),
        ]
        for name, value in at.items()
    }


def coverage(group: list[Measured], reference: list[Measured], scale: np.ndarray) -> dict[str, float]:
    """Precision, recall, density and coverage of a group against the reference."""
    from scipy.spatial.distance import cdist

    a, b = (np.stack([m.descriptors for m in g]) / scale for g in (group, reference))
    size = min(len(a), len(b))
    a, b = a[:size], b[:size]
    radius = [np.sort(cdist(v, v), axis=1)[:, NEAREST] for v in (a, b)]
    between = cdist(a, b)
    return {
        "precision": round(float((between <= radius[1]).any(axis=1).mean()), 3),
        "recall": round(float((between <= radius[0][:, None]).any(axis=0).mean()), 3),
        "density": round(float((between <= radius[1]).sum(axis=1).mean() / NEAREST), 3),
        "coverage": round(float((between.min(axis=0) <= radius[1]).mean()), 3),
    }


def copies(group: list[Measured], trained: list[Measured], unseen: list[Measured]) -> list[float]:
    """Median ratio of the distances to the nearest trained and unseen mask, with its interval."""
    rng = np.random.default_rng(SEED)
    pools = [[m.bins for m in g if len(m.bins) >= 10] for g in (trained, unseen)]
    size = min(len(pool) for pool in pools)
    queries = [m.bins for m in group if len(m.bins) >= 10]
    near = []
    for pool in pools:
        away = np.array([[1.0 - 2.0 * len(q & p) / (len(q) + len(p)) for p in pool] for q in queries])
        picks = [rng.permutation(len(pool))[:size] for _ in range(20)]
        near.append(np.mean([away[:, pick].min(axis=1) for pick in picks], axis=0))
    ratio = near[0] / np.maximum(near[1], 1e-6)
    again = [np.median(ratio[rng.integers(ratio.size, size=ratio.size)]) for _ in range(500)]
    return [round(float(v), 3) for v in (np.median(ratio), *np.percentile(again, [2.5, 97.5]), ratio.min())]


def asked(source: Any, number: int) -> dict[str, dict[str, float]]:
    """How well requests are met, judged anew from the masks."""
    atlas, found = TerritoryAtlas.load(), {}
    for request in REQUESTS:
        ok = {"volume": 0, "side": 0, "territory": 0, "at_once": 0, "made": 0}
        ratios = []
        for draw in range(number):
            anatomy = person(draw % PEOPLE)
            refused = lesions_refused(source)
            try:
                lesion = source.draw(anatomy, request, generator(SEED, "asked", str(request), draw))
            except StrokeSynthError:
                continue
            volume = float(lesion.mask.sum() * anatomy.grid.voxel_ml)
            site = atlas.site(lesion.mask, anatomy)
            ok["made"] += 1
            ok["at_once"] += lesions_refused(source) == refused
            ok["volume"] += abs(volume / float(request.volume_ml or volume) - 1.0) <= 0.2
            ok["side"] += site.side == request.side
            ok["territory"] += request.territory in (None, "lacunar", site.territory)
            ratios.append(float(lesion.record.get("volume_at_level_zero_ml", volume)) / volume)
        made = max(ok.pop("made"), 1)
        name = f"{request.territory or 'any'} {request.side} {request.volume_ml:g} ml"
        before = [round(float(v), 2) for v in np.percentile(ratios or [0.0], [10, 50, 90])]
        shares = {part: round(count / made, 3) for part, count in ok.items()}
        found[name] = {"made": made / number, **shares, "before_over_after": before}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["lesions-shape", "lesions-wgan"], metavar="MODEL")
    parser.add_argument("--number", type=int, default=170)
    parser.add_argument("--asked", type=int, default=40)
    parser.add_argument("--seed", type=int, default=SEED, help="of what is drawn with nothing asked")
    parser.add_argument("--further-seeds", type=int, nargs="*", default=[11, 12], help="drawn as well")
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument(
        "--cache", type=Path, help="keep what was measured here, for another run of this file"
    )
    arguments = parser.parse_args()
    cached = Cache(arguments.cache, f"{arguments.number}-{arguments.asked}")
    folder = MaskFolder(arguments.data / "lesions")
    held = [n for n in held_out_names() if n in {person_of(p) for p in folder.paths}]
    rest = sorted({person_of(p) for p in folder.paths} - set(held))
    rest = [rest[i] for i in np.random.default_rng(SEED).permutation(len(rest))]
    number = arguments.number
    unseen = cached("unseen", lambda: real(folder, held, 10_000))
    trained = cached("trained", lambda: real(folder, rest[: 3 * number], 2 * number))
    groups = {"real, trained on": trained[:number]}
    cost: dict[str, Any] = {}
    sources = {"procedural": ProceduralLesions()} | {
        f"learned: {model.model.kind}": model for model in (LearnedLesions(m) for m in arguments.models)
    }
    requests: dict[str, Any] = {}
    for name, source in sources.items():
        key = source.model.hash[:12] if "learned" in name else name
        groups[name], cost[name] = cached(
            f"drawn-{key}-{arguments.seed}", partial(drawn, source, number, arguments.seed)
        )
        requests[name] = cached(f"asked-{key}", partial(asked, source, arguments.asked))
        print(name, len(groups[name]), cost[name], flush=True)
    again = {
        f"{name}, seed {seed}": cached(
            f"drawn-{source.model.hash[:12]}-{seed}", partial(drawn, source, number, seed)
        )[0]
        for name, source in sources.items()
        if isinstance(source, LearnedLesions)
        for seed in arguments.further_seeds
    }
    planted = cached("planted", lambda: real(folder, rest[:60], 60, moved=True))
    scale = np.stack([m.descriptors for m in trained]).std(axis=0)
    half = len(unseen) // 2
    # As many as there are unseen ones, so that none of them is left out by chance; the planted are of these.
    first = trained[: len(unseen)]
    result = {
        "numbers": {"held out": len(unseen), **{name: len(group) for name, group in groups.items()}},
        "models": {name: s.model.hash for name, s in sources.items() if isinstance(s, LearnedLesions)},
        "medians": {name: _medians(group) for name, group in {"held out": unseen, **groups}.items()},
        "sphericity_by_volume": {
            name: _by_volume(group, unseen) for name, group in {"held out": unseen, **groups}.items()
        },
        "distances": {name: distances(group, unseen) for name, group in groups.items()},
        "at_equal_volumes": {name: distances(group, unseen, True) for name, group in groups.items()},
        "coverage": {name: coverage(group, unseen, scale) for name, group in groups.items()},
        "further_seeds": {
            name: {"distances": distances(group, unseen), "coverage": coverage(group, unseen, scale)}
            for name, group in again.items()
        },
        "copies": {
            "held out (control)": copies(unseen[:half], first, unseen[half:]),
            "planted (moved training masks)": copies(planted, first, unseen),
            **{name: copies(group, first, unseen) for name, group in groups.items() if "real" not in name},
        },
        "asked": requests,
        "cost": cost,
    }
    write_json(arguments.out.with_suffix(".json"), result)
    write_text(arguments.out.with_suffix(".md"), report(result, __doc__ or ""))
    figure({"held out": unseen, **groups}, arguments.out.with_suffix(".png"))


def _medians(group: list[Measured]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in COMPARED:
        values = np.array([float(getattr(m, name)) for m in group])
        found[name] = [round(float(v), 5) for v in np.nanpercentile(values, [5, 25, 50, 75, 95])]
    found["on_both_sides"] = round(float(np.mean([m.lesser_side > 0.01 for m in group])), 3)
    means = np.mean([m.arteries for m in group], axis=0)
    return {**found, "arteries": {a: round(float(v), 3) for a, v in zip(ARTERIES, means, strict=True)}}


def _by_volume(group: list[Measured], reference: list[Measured]) -> list[float]:
    """Median sphericity in each fifth of the reference's volumes; nan where there is none."""
    fifths = np.quantile([m.volume for m in reference], [0.2, 0.4, 0.6, 0.8])
    fifth = np.searchsorted(fifths, [m.volume for m in group])
    values = np.array([m.sphericity for m in group])
    return [round(float(np.median(values[fifth == n])), 3) for n in range(5)]


if __name__ == "__main__":
    main()
