"""What the population model makes, measured: folds, volumes, fit of lesions, registration of new people.

    python -m Testing.Benchmarks.anatomy_quality --data DIR

Writes ``anatomy_quality.json`` and ``anatomy_montage.png`` beside itself. Lesion masks of the test
people (``StrokeSynthLib/lesions/test_masks.txt``) are left out, and how many that were is written down;
people 13 to 15 are only registered.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.labels import read_labels
from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.anatomy.registration import anatomy_of_map, jacobian_range
from StrokeSynthLib.files import write_json
from StrokeSynthLib.lesions.masks import held_out_names, person_of
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.schema import CLASSES, INTRACRANIAL, PARENCHYMA, VENTRICLES, classes_of
from StrokeSynthLib.volume import Grid, read_volume

HERE = Path(__file__).parent
TISSUES = {
    "lateral_ventricles": classes_of("lateral-ventricle", "choroid-plexus"),
    "brain": PARENCHYMA,
    "csf": classes_of("csf"),
    "cortex": classes_of("cortex"),
    "white_matter": classes_of("white-matter", "white-matter-hyperintensity"),
    "hyperintensities": classes_of("white-matter-hyperintensity"),
    "intracranial": INTRACRANIAL,
}
STRUCTURES = ("lateral-ventricle", "thalamus", "caudate", "putamen", "hippocampus", "brain-stem", "cortex",
              "white-matter")  # fmt: skip


def volumes(labels: np.ndarray, voxel_ml: float) -> dict[str, float]:
    counts = np.bincount(labels.ravel(), minlength=len(CLASSES)) * voxel_ml
    return {name: float(counts[list(classes)].sum()) for name, classes in TISSUES.items()}


def spread(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {
        name: {"mean": round(float(v.mean()), 2), "sd": round(float(v.std(ddof=1)), 2),
               "min": round(float(v.min()), 2), "max": round(float(v.max()), 2)}
        for name, v in table.items()
    }  # fmt: skip


def sampled(population: PopulationModel, count: int) -> dict[str, Any]:
    rows, jacobians, seconds = [], [], []
    for number in range(count):
        start = time.process_time()
        person = population.sample(number, seed=0)
        seconds.append(time.process_time() - start)
        rows.append(volumes(person.labels, person.grid.voxel_ml))
        jacobians.append(jacobian_range(person.correspondence))
    low, high = np.array(jacobians).T
    return {
        "people": count, "volumes_ml": spread(rows),
        "jacobian_determinant": {"min": float(low.min()), "max": float(high.max())},
        "cpu_seconds_median": float(np.median(seconds)),
    }  # fmt: skip


def real(data: Path) -> dict[str, Any]:
    rows = []
    for number in range(1, 13):
        labels = read_labels(data / "anatomy" / f"training_seg_{number:02d}.nii.gz")
        rows.append(volumes(labels.array, labels.grid.voxel_ml))
    return {"people": len(rows), "volumes_ml": spread(rows)}


def lesion_fit(population: PopulationModel, data: Path, count: int) -> dict[str, Any]:
    """Where real lesion masks fall on the averaged head, in standard space."""
    probabilities, lattice = population.probabilities()
    groups = {
        "parenchyma": PARENCHYMA, "sulcal_csf": classes_of("csf"),
        "ventricles": VENTRICLES,
        "intracranial": INTRACRANIAL,
    }  # fmt: skip
    maps = {name: probabilities[list(c)].sum(axis=0) for name, c in groups.items()}
    test_people = set(held_out_names())
    everyone = sorted(p.name for p in (data / "lesions").glob("*.nii.gz"))
    names = [name for name in everyone if person_of(name) not in test_people]
    chosen = generator(0, "lesion-fit").permutation(names)[:count]
    rows = []
    for name in chosen:
        mask = read_volume(data / "lesions" / name).canonical()
        points = np.argwhere(mask.array > 0) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
        index = np.rint((points - lattice.low) / lattice.step).astype(int)
        inside = np.all((index >= 0) & (index < lattice.shape), axis=1)
        rows.append({k: float(v[tuple(index[inside].T)].sum() / len(index)) for k, v in maps.items()})
    return {
        "masks": len(rows), "test_masks_left_out": len(everyone) - len(names),
        "mean_share_by_averaged_probability": {k: float(np.mean([r[k] for r in rows])) for k in groups},
    }  # fmt: skip


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def registered(population: PopulationModel, data: Path) -> list[dict[str, Any]]:
    atlas = population.standard_atlas()
    grid = Grid(atlas.grid.shape, atlas.affine)
    anatomy_of_map(atlas, "warm-up")
    rows = []
    for number in (13, 14, 15):
        labels = read_labels(data / "anatomy" / f"training_seg_{number:02d}.nii.gz")
        start = time.process_time()
        person = anatomy_of_map(labels, f"{number}")
        seconds = time.process_time() - start
        pulled = person.pull(atlas.array, grid, order=0)
        row: dict[str, Any] = {"person": number, "cpu_seconds": round(seconds, 2),
                               "jacobian_determinant": jacobian_range(person.correspondence)}  # fmt: skip
        sets = {name: classes_of(name) for name in STRUCTURES} | {"parenchyma": PARENCHYMA}
        row["dice"] = {
            name: round(dice(np.isin(pulled, c), np.isin(person.labels, c)), 3) for name, c in sets.items()
        }
        rows.append(row)
    return rows


def montage(population: PopulationModel, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    colors = np.array([c.color for c in CLASSES], np.uint8)
    figure, axes = plt.subplots(4, 12, figsize=(18, 7.4), facecolor="black")
    for number in range(12):
        person = population.sample(number, seed=0)
        age = population.draw(number, seed=0).age
        ml = volumes(person.labels, person.grid.voxel_ml)["lateral_ventricles"]
        axes[0, number].set_title(f"age {age:+.1f}, {ml:.0f} ml", color="white", fontsize=8)
        for axis, image in zip(axes[:, number], planes(person), strict=True):
            axis.imshow(colors[image].transpose(1, 0, 2)[::-1], interpolation="nearest")
    for axis in axes.ravel():
        axis.axis("off")
    figure.subplots_adjust(0, 0, 1, 0.96, 0.02, 0.02)
    figure.savefig(path, dpi=80, facecolor="black")
    plt.close(figure)


def planes(person: Anatomy) -> list[np.ndarray]:
    """Three axial planes (temporal lobes, thalamus, high) and one coronal one."""
    labels = person.labels
    _, y, z = np.argwhere(np.isin(labels, classes_of("thalamus"))).mean(0).astype(int)
    return [labels[:, :, z - 24], labels[:, :, z + 3], labels[:, :, z + 34], labels[:, y, :]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--people", type=int, default=100)
    options = parser.parse_args()
    population = PopulationModel.load()
    montage(population, HERE / "anatomy_montage.png")
    result: dict[str, Any] = {
        "command": f"python -m Testing.Benchmarks.anatomy_quality --people {options.people}",
        "model_hash": population.hash,
        "sampled": sampled(population, options.people),
        "real_people_1_to_12": real(options.data),
        "lesion_masks": lesion_fit(population, options.data, 200),
        "registration_of_unseen_people": registered(population, options.data),
    }
    write_json(HERE / "anatomy_quality.json", result)


if __name__ == "__main__":
    main()
