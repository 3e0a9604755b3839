"""Compute the shipped population model of anatomy from label maps of people 1 to 12.

    python -m Testing.Benchmarks.build_population_model --data DIR

Registers the maps groupwise (:mod:`Testing.Benchmarks.population_registration`, about 20 minutes on two
cores), brings the template to the standard space of the lesion masks, averages classes and surfaces there,
and keeps principal modes of velocity and surfaces. Only averages and modes are written, never a person.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import binary_fill_holes, gaussian_filter, map_coordinates
from scipy.optimize import minimize
from scipy.special import ndtri

from StrokeSynthLib.anatomy.coding import encode
from StrokeSynthLib.anatomy.deformation import displace, exponential
from StrokeSynthLib.anatomy.labels import read_labels
from StrokeSynthLib.anatomy.lattice import Lattice, resample
from StrokeSynthLib.anatomy.population import MODEL_KIND
from StrokeSynthLib.anatomy.ribbon import BEYOND_MM, RIBBON_CODES
from StrokeSynthLib.modelfolder import save_model
from StrokeSynthLib.schema import CLASSES, INDEX, MIRRORED, PARENCHYMA, VENTRICLES, classes_of
from StrokeSynthLib.volume import read_volume
from Testing.Benchmarks.population_registration import VELOCITY, Groupwise, landmarks, prepared

PEOPLE = range(1, 13)
LOW, HIGH = np.array([-90.0, -128.0, -92.0]), np.array([90.0, 96.0, 100.0])
STANDARD = Lattice.covering(LOW, HIGH, 1.0)
PROBABILITY = Lattice.covering(LOW, HIGH, 2.0)
SHIPPED_VELOCITY = Lattice.covering(LOW, HIGH, 6.0)
RIBBON = Lattice.covering(np.array([-78.0, -116.0, -72.0]), np.array([78.0, 82.0, 88.0]), 2.5)
VELOCITY_MODES, RIBBON_MODES = 8, 12
#: Weight of the deep landmarks (per mm^2) against the brain's extent when the template is placed.
LANDMARK_WEIGHT = 0.0004
#: Variance of the age coordinate of the people who are drawn (uniform over AGE_RANGE).
AGE_VARIANCE = 0.85
WHITE = (
    *classes_of("white-matter", "white-matter-hyperintensity", "cerebellum-white-matter", "thalamus",
                "caudate", "putamen", "pallidum", "accumbens", "ventral-diencephalon", "brain-stem",
                "hippocampus", "amygdala"), *VENTRICLES,
)  # fmt: skip
#: What lies inside each surface: white matter, pial, lateral ventricles.
SURFACES = (WHITE, (*WHITE, *classes_of("cortex", "cerebellum-cortex")),
            classes_of("lateral-ventricle", "choroid-plexus"))  # fmt: skip
#: Blur (mm) of the frequency with which the people are inside each surface.
FREQUENCY_BLUR = (1.0, 1.0, 0.6)
RIBBON_CLASSES = tuple(
    tuple(INDEX[f"{side}-{tissue}"] for tissue in tissues)
    for tissues in (("white-matter", "cortex", "white-matter-hyperintensity"),
                    ("cerebellum-white-matter", "cerebellum-cortex"))
    for side in ("left", "right")
)  # fmt: skip


@dataclass
class Person:
    """A registered person: standard point x is at index ``affine @ exp(velocity)(x)`` of ``labels``."""

    labels: np.ndarray
    affine: np.ndarray
    velocity: np.ndarray
    voxel_to_mm: np.ndarray

    def index(self, points: np.ndarray) -> np.ndarray:
        """Label-map indices of standard (or template) points, (3, ...)."""
        moved = displace(points, exponential(self.velocity, VELOCITY), VELOCITY)
        shift = self.affine[:3, 3].reshape(3, *[1] * (points.ndim - 1))
        return np.tensordot(self.affine[:3, :3], moved, axes=1) + shift


def member(classes: tuple[int, ...]) -> np.ndarray:
    table = np.zeros(256, np.uint8)
    table[list(classes)] = 1
    return table


def register(data: Path) -> list[Person]:
    """Groupwise registration of the training people."""
    maps = [read_labels(data / "anatomy" / f"training_seg_{n:02d}.nii.gz") for n in PEOPLE]
    group = Groupwise([prepared(m.array, m.affine) for m in maps])
    group.run()
    people = []
    for volume, found in zip(maps, group.people, strict=True):
        affine = found.affine.double().numpy().copy()
        affine[:3] *= 2  # the group images have every second voxel
        people.append(Person(volume.array, affine, found.velocity[0].numpy() * VELOCITY.step, volume.affine))
    return people


def to_standard(people: list[Person], data: Path) -> None:
    """Place the template by the extent of the arterial territories and MNI152's deep centers."""
    brain, centers = np.zeros(PROBABILITY.shape), []
    for person in people:
        tissue = member((*PARENCHYMA, *VENTRICLES))[person.labels].astype(np.float32)
        inside = map_coordinates(tissue, person.index(PROBABILITY.points()), order=1)
        brain += (inside + inside[::-1]) / (2 * len(people))
        own, standard = landmarks(person.labels, np.eye(4))
        back = np.linalg.inv(person.affine[:3, :3]) @ (own.T - person.affine[:3, 3:])
        inverse = exponential(-person.velocity, VELOCITY)
        centers.append(displace(back[:, :, None, None].astype(np.float32), inverse, VELOCITY)[:, :, 0, 0])
    placed = _placement(gaussian_filter(brain, 1.0), np.mean(centers, axis=0), standard, data)
    points = VELOCITY.points()
    moved = np.tensordot(placed[:3, :3], points, axes=1) + placed[:3, 3][:, None, None, None]
    at = (moved - np.array(VELOCITY.low)[:, None, None, None]) / VELOCITY.step
    for person in people:
        # A exp(v) G = (A G) exp(G^-1 v G)
        velocity = np.stack([map_coordinates(c, at, order=1, mode="nearest") for c in person.velocity])
        person.velocity = np.tensordot(np.linalg.inv(placed[:3, :3]), velocity, axes=1).astype(np.float32)
        person.affine = person.affine @ placed


def _placement(brain: np.ndarray, centers: np.ndarray, wanted: np.ndarray, data: Path) -> np.ndarray:
    """(4, 4) from standard space to the template: sizes, pitch and shift in the midplane."""
    atlas = read_volume(data / "arteries" / "ArterialAtlas136.nii.gz").canonical()
    filled = gaussian_filter(binary_fill_holes(atlas.array > 0).astype(np.float32), 1.5)
    target = (0.5 * (filled + filled[::-1]))[2:-1:3, 2:-1:3, 2:-1:3]
    index = np.indices(target.shape).reshape(3, -1) * 3 + 2
    points = index + atlas.affine[:3, 3:]
    target = target.ravel()

    def matrix(p: np.ndarray) -> np.ndarray:
        m = np.diag([*np.exp(p[:3]), 1.0])
        m[1, 2], m[2, 1], m[1, 3], m[2, 3] = p[3], p[4], 10 * p[5], 10 * p[6]
        return m

    def cost(p: np.ndarray) -> float:
        m = matrix(p)
        at = (m[:3, :3] @ points + m[:3, 3:] - np.array(PROBABILITY.low)[:, None]) / PROBABILITY.step
        away = (np.linalg.inv(m[:3, :3]) @ (centers - m[:3, 3:])).T - wanted
        unlike = ((map_coordinates(brain, at, order=1) - target) ** 2).mean()
        return float(unlike + LANDMARK_WEIGHT * (away**2).sum(1).mean())

    return matrix(minimize(cost, np.zeros(7), method="Powell", options={"maxiter": 12, "xtol": 2e-3}).x)


def class_counts(people: list[Person]) -> tuple[np.ndarray, np.ndarray]:
    """How often each class is at each standard voxel, people and mirrored people, and how many are seen."""
    counts = np.zeros((len(CLASSES), *STANDARD.shape), np.uint8)
    seen = np.zeros(STANDARD.shape, np.uint8)
    n = STANDARD.shape[0]
    for person in people:
        field = exponential(person.velocity, VELOCITY)
        for x in range(0, n, 20):
            width = min(20, n - x)
            part = Lattice((STANDARD.low[0] + x, *STANDARD.low[1:]), 1.0, (width, *STANDARD.shape[1:]))
            points = part.points() + resample(field, VELOCITY, part)
            at = (
                np.tensordot(person.affine[:3, :3], points, axes=1)
                + person.affine[:3, 3][:, None, None, None]
            )
            index = np.rint(at).astype(int)
            inside = np.all([(index[a] >= 0) & (index[a] < person.labels.shape[a]) for a in range(3)], axis=0)
            clipped = tuple(np.clip(index[a], 0, person.labels.shape[a] - 1) for a in range(3))
            labels = np.where(inside, person.labels[clipped], 0)
            reached = index[2] >= 1  # below its scan a person says nothing
            here, mirror = slice(x, x + width), slice(n - x - width, n - x)
            for number in np.unique(labels[reached]):
                found = (labels == number) & reached
                counts[number, here] += found
                counts[MIRRORED[number], mirror] += found[::-1]
            seen[here] += reached
            seen[mirror] += reached[::-1]
    return counts, seen


def surface_distances(people: list[Person]) -> np.ndarray:
    """(2 * people, surface, points...) signed distances (mm), people then mirrored people."""
    rows = []
    for person in people:
        index = person.index(RIBBON.points())
        row = []
        for classes in SURFACES:
            image = sitk.GetImageFromArray(member(classes)[person.labels])
            distance = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, False, False, True))
            distance -= 0.5 * np.sign(distance)  # zero between the voxels, not in the border voxel
            row.append(
                map_coordinates(np.clip(distance, -BEYOND_MM, BEYOND_MM), index, order=1, mode="nearest")
            )
        rows.append(row)
    array = np.array(rows, np.float32)
    return np.concatenate([array, array[:, :, ::-1]])


def region_map(frequency: Any, seen: np.ndarray) -> np.ndarray:
    """The most frequent region at 1 mm; the folded ribbon's parts are one region each."""
    csf = gaussian_filter(frequency(INDEX["csf"]), 0.8)
    best, region = np.full(STANDARD.shape, -1, np.float32), np.zeros(STANDARD.shape, np.uint8)
    for position, (code, classes) in enumerate(zip(RIBBON_CODES, RIBBON_CLASSES, strict=True)):
        share = gaussian_filter(sum(frequency(c) for c in classes), 0.8)
        # Sulcal fluid within reach of cerebral cortex belongs to the ribbon.
        total = share + np.where(share > 0.06, csf, 0) if position < 2 else share
        region[total > best] = code
        best = np.maximum(best, total)
    for number in range(len(CLASSES)):
        if any(number in classes for classes in RIBBON_CLASSES):
            continue
        share = gaussian_filter(frequency(number), 0.8)
        region[share > best] = number
        best = np.maximum(best, share)
    return np.where(seen < len(PEOPLE), 0, region)


def modes_of(rows: np.ndarray, ages: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Change per unit of age, principal modes (one standard deviation each) and residuals."""
    centered = rows - rows.mean(0)
    slope = np.tensordot(ages, centered, (0, 0)) / (ages**2).sum()
    residual = centered - ages.reshape(-1, *[1] * (rows.ndim - 1)) * slope
    flat = residual.reshape(len(rows), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T / len(flat))
    leading = vectors[:, np.argsort(values)[::-1][:count]]
    return slope, (leading.T @ flat / np.sqrt(len(flat))).reshape(count, *rows.shape[1:]), residual


def ribbon_fields(
    distances: np.ndarray, ages: np.ndarray, frequency: Any
) -> dict[str, tuple[np.ndarray, int | None]]:
    """Level-set fields on the points within reach of the brain."""
    mask = distances.mean(0)[1] < BEYOND_MM - 0.3
    rows = distances[:, :, mask]
    slope, modes, residual = modes_of(rows, ages, RIBBON_MODES)
    left_over = np.sqrt(np.maximum((residual**2).mean(0) - (modes**2).sum(0), 0))
    spread = np.sqrt((residual**2).mean(0) + AGE_VARIANCE * slope**2) + 1e-3
    mean = rows.mean(0)
    at = RIBBON.points() - np.array(STANDARD.low)[:, None, None, None]
    for number, classes in enumerate(SURFACES):
        inside = gaussian_filter(sum(frequency(c) for c in classes), FREQUENCY_BLUR[number])
        share = map_coordinates(inside, at, order=1)[mask]
        # The mean of clipped distances is biased where folds are unlike; the level set is put
        # where a normal variable is inside as often as the people are.
        edge = (share > 0.02) & (share < 0.98)
        mean[number][edge] = (-spread[number] * ndtri(np.clip(share, 0.02, 0.98)))[edge]
    spots = gaussian_filter(sum(frequency(c) for c in classes_of("white-matter-hyperintensity")), 2.0)
    white = gaussian_filter(sum(frequency(c) for c in classes_of("white-matter")), 2.0)
    score = ndtri(np.clip(map_coordinates(spots / (spots + white + 0.05), at, order=1)[mask], 0.002, 0.95))
    return {
        "ribbon_mask": (mask.astype(np.uint8), None), "ribbon_mean": (mean, 127), "ribbon_age": (slope, 31),
        "ribbon_modes": (modes.reshape(-1, modes.shape[-1]), 14), "ribbon_residual": (left_over, 31),
        "hyperintensity": (score[None].astype(np.float32), 40),
    }  # fmt: skip


def average(people: list[Person]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and configuration of the model."""
    ventricles = np.array([member(SURFACES[2])[p.labels].sum() / 1000.0 for p in people])
    log_ml = np.log(ventricles)
    ages = (log_ml - log_ml.mean()) / log_ml.std()
    both = np.r_[ages, ages]  # a mirrored person has the same age
    counts, seen = class_counts(people)
    shares = np.maximum(seen, 1).astype(np.float32)

    def frequency(number: int) -> np.ndarray:
        return counts[number] / shares

    soft = [np.rint(15 * gaussian_filter(frequency(c.index), 0.7)[::2, ::2, ::2]) for c in CLASSES]
    fields: dict[str, tuple[np.ndarray, int | None]] = {
        "regions": (region_map(frequency, seen), None), "probability": (np.array(soft, np.uint8), None)
    }  # fmt: skip
    velocity = np.array(
        [
            resample(gaussian_filter(p.velocity, (0, 0.7, 0.7, 0.7)), VELOCITY, SHIPPED_VELOCITY)
            for p in people
        ]
    )
    mirrored = velocity[:, :, ::-1] * np.array([-1, 1, 1], np.float32).reshape(1, 3, 1, 1, 1)
    slope, modes, _ = modes_of(np.concatenate([velocity, mirrored]), both, VELOCITY_MODES)
    fields |= {"velocity_age": (slope[None], 127), "velocity_modes": (modes, 63)}
    fields |= ribbon_fields(surface_distances(people), both, frequency)
    coded = {name: encode(values, levels) for name, (values, levels) in fields.items()}
    sizes = np.array([np.log(np.linalg.norm(p.affine[:3, :3], axis=0)) for p in people])
    size_age = ages @ (sizes - sizes.mean(0)) / (ages**2).sum()
    left = np.cov((sizes - sizes.mean(0) - ages[:, None] * size_age).T)
    config = {
        "lattices": {"standard": STANDARD.as_config(), "probability": PROBABILITY.as_config(),
                     "velocity": SHIPPED_VELOCITY.as_config(), "ribbon": RIBBON.as_config()},
        "fields": {name: info for name, (_, info) in coded.items()},
        "scale_mean": sizes.mean(0).tolist(), "scale_age": size_age.tolist(),
        "scale_root": np.linalg.cholesky(left + 1e-6 * np.eye(3)).tolist(),
        "age": {"log_lv_mean": float(log_ml.mean()), "log_lv_sd": float(log_ml.std())},
    }  # fmt: skip
    return {name: packed for name, (packed, _) in coded.items()}, config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("StrokeSynthLib/models/anatomy"))
    options = parser.parse_args()
    people = register(options.data)
    to_standard(people, options.data)
    arrays, config = average(people)
    card = options.out / "card.md"
    save_model(
        options.out, kind=MODEL_KIND, config=config, arrays=arrays, training=TRAINING,
        card=card.read_text(encoding="utf-8") if card.exists() else "# Population model of anatomy\n",
    )  # fmt: skip


TRAINING = {
    "source": "SynthSeg label maps (BBillot/SynthSeg), Apache-2.0; Billot et al., Med Image Anal 2023",
    "people": len(PEOPLE),
    "mirrored_copies": True,
    "script": "Testing/Benchmarks/build_population_model.py",
}

if __name__ == "__main__":
    main()
