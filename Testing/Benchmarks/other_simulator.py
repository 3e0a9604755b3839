r"""Examinations from a second, much simpler simulator: a check on learning the first one's habits.

It shares anatomies and masks with :mod:`StrokeSynthLib.scanner` and nothing else: tissue intensities are
painted directly (no T2, no TE, no k-space, no field map), lesions are blobs of constant ratio with a noisy
texture, slices are plain averages, susceptibility is a pair of bright Gaussian spots above the petrous bones,
noise is Rician per voxel. What a network scores here and not there tells what it owes to the simulator.

    python -m Testing.Benchmarks.other_simulator --data DIR --out WORK/other --cases 24
    python -m Testing.Benchmarks.other_simulator --data DIR --out WORK/calibration-painted \
        --people calibration --seed 78

People 13 to 15, masks of the saved test list; with ``--people calibration`` people 11 and 12 and the reserved
masks, on which the shipped network's threshold is chosen together with those of the first simulator. A
simulated cohort, called so.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.source import open_anatomies
from StrokeSynthLib.cohort.writer import CohortWriter
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.source import open_lesions
from StrokeSynthLib.provenance import record
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.schema import CLASSES, INTRACRANIAL
from StrokeSynthLib.volume import Storage, Volume
from Testing.Benchmarks.shipped_cohorts import mask_names, people_folder

Array = npt.NDArray[Any]
B_VALUE = 1000.0


@dataclass(frozen=True)
class Grid:
    """A kind of examination: voxel size (mm), noise (share of white matter on DWI), skull-stripped."""

    name: str
    voxel: tuple[float, float, float]
    noise: float
    stripped: bool


GRIDS = (
    Grid("2mm", (2.0, 2.0, 2.0), 0.06, True),
    Grid("1.8x1.8x4.8mm", (1.8, 1.8, 4.8), 0.05, True),
    Grid("1x1x5.5mm", (1.0, 1.0, 5.5), 0.07, False),
)
#: Signal without diffusion weighting (white matter 1) and ADC (10^-3 mm^2/s) of a few groups of tissues.
_VALUES = {
    "gray": (1.25, 0.84), "white": (1.0, 0.74), "fluid": (3.3, 3.0), "old": (1.5, 1.05), "soft": (0.35, 1.2),
    "nothing": (0.02, 0.8),
}  # fmt: skip
_GROUPS = {
    "white-matter": "white", "cerebellum-white-matter": "white", "brain-stem": "white", "pallidum": "white",
    "ventral-diencephalon": "white", "spinal-cord": "white", "optic-nerve": "white",
    "white-matter-hyperintensity": "old", "lateral-ventricle": "fluid", "third-ventricle": "fluid",
    "fourth-ventricle": "fluid", "csf": "fluid", "choroid-plexus": "fluid", "eye": "fluid", "air": "nothing",
    "skull": "nothing", "soft-tissue": "soft", "scalp": "soft", "mucosa": "soft", "vessel-dura": "soft",
}  # fmt: skip


def paint(anatomy: Anatomy, lesion: Array | None, grid: Grid, rng: np.random.Generator) -> dict[str, Array]:
    """b0, DWI, ADC, lesion share and map on the slices, arrays (x, y, z)."""
    labels = anatomy.labels
    table = np.zeros((2, 256), np.float32)
    group_factor = {group: np.exp(rng.normal(0, 0.04, 2)) for group in _VALUES}
    for c in CLASSES:
        group = _GROUPS.get(c.tissue, "gray")
        table[:, c.index] = np.array(_VALUES[group]) * group_factor[group]
    signal, diffusion = table[0][labels], table[1][labels]
    texture = ndimage.gaussian_filter(rng.standard_normal(labels.shape, dtype=np.float32), 1.5) * 6
    signal *= 1 + 0.05 * texture
    share = np.zeros(labels.shape, np.float32)
    if lesion is not None:
        share = ndimage.gaussian_filter(lesion.astype(np.float32), 0.7)
        ratio, drop = rng.uniform(1.3, 2.3), rng.uniform(0.55, 0.8)
        speckle = np.clip(1 + 0.15 * ndimage.gaussian_filter(texture, 1.0), 0.6, 1.4)
        diffusion = diffusion * (1 + share * (drop * speckle - 1))
        # The asked ratio on DWI, whatever ADC gives already.
        gained = np.exp(B_VALUE / 1000 * 0.8 * (1 - drop))
        signal = signal * (1 + share * (max(ratio / gained, 1.0) - 1))
    signal = signal * _spots(anatomy, rng)
    blurred = [
        ndimage.gaussian_filter(image, [0.35 * v for v in grid.voxel])
        for image in (signal, signal * np.exp(-B_VALUE / 1000 * diffusion), share)
    ]
    zoomed = [_sampled(image, anatomy, grid) for image in blurred]
    classes = _sampled(labels.astype(np.float32), anatomy, grid, order=0).astype(np.uint8)
    level = grid.noise * float(np.exp(-0.74)) * float(rng.uniform(0.7, 1.3))
    shape, axes = zoomed[0].shape, np.indices(zoomed[0].shape, dtype=np.float32)
    slope = sum(float(rng.normal(0, 0.12)) * (a / n - 0.5) for a, n in zip(axes, shape, strict=True))
    b0, dwi = (
        np.hypot(image * np.exp(slope) + s * rng.standard_normal(shape), s * rng.standard_normal(shape))
        for image, s in zip(zoomed[:2], (level * 1.5, level), strict=True)
    )
    adc = np.clip(np.log(np.maximum(b0, 1e-3) / np.maximum(dwi, 1e-3)) * 1000 / B_VALUE, 0, 4)
    if grid.stripped:
        inside = ndimage.binary_closing(np.isin(classes, INTRACRANIAL), iterations=2)
        b0, dwi, adc = (np.where(inside, image, 0) for image in (b0, dwi, adc))
    gain = float(rng.uniform(200, 900))
    return {"b0": b0 * gain, "dwi": dwi * gain, "adc": adc, "lesion": zoomed[2] >= 0.5, "map": classes}


def _spots(anatomy: Anatomy, rng: np.random.Generator) -> Array:
    """Bright in every image alike, so that ADC stays normal."""
    place = anatomy.correspondence
    total = np.ones(anatomy.labels.shape, np.float32)
    to_voxel = np.linalg.inv(anatomy.affine) @ place.grid.affine
    for x in (-45.0, 45.0):
        target = (x, -28.0 + float(rng.normal(0, 4)), -26.0)
        square = sum((a - t) ** 2 for a, t in zip(place.coordinates, target, strict=True))
        node = np.unravel_index(int(np.argmin(square)), square.shape)
        center = to_voxel[:3, :3] @ np.array(node) + to_voxel[:3, 3]
        grids = np.ogrid[tuple(slice(0, n) for n in total.shape)]
        radius = float(rng.uniform(3, 8))
        away = sum(((g - c) / radius) ** 2 for g, c in zip(grids, center, strict=True))
        total += float(rng.uniform(0.2, 1.2)) * np.exp(-0.5 * away)
    return total


def _sampled(image: Array, anatomy: Anatomy, grid: Grid, order: int = 1) -> Array:
    scale = np.array(grid.voxel) / np.array(anatomy.grid.spacing)
    shape = tuple(int(n / s) for n, s in zip(image.shape, scale, strict=True))
    return np.asarray(ndimage.affine_transform(image, scale, output_shape=shape, order=order))


def main() -> None:
    """Write the cohort."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=36)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--people", choices=("test", "calibration"), default="test")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    anatomies = open_anatomies(people_folder(arguments.data, arguments.out.parent, arguments.people))
    lesions = open_lesions(arguments.data / "lesions", mask_names(arguments.data)[arguments.people])
    writers = {}
    for grid in GRIDS:
        description = {"Name": f"Simulated by plain painting ({grid.name})", "Kind": "simulated"}
        writers[grid.name] = CohortWriter(arguments.out / grid.name, description=description)
    for number in range(arguments.cases):
        rng = generator(arguments.seed, "painted", number)
        grid = GRIDS[number % len(GRIDS)]
        anatomy = anatomies.draw(number, arguments.seed)
        lesion = None if rng.random() < 0.1 else lesions.draw(anatomy, LesionRequest(), rng)
        images = paint(anatomy, None if lesion is None else np.asarray(lesion.mask, bool), grid, rng)
        affine = anatomy.affine @ np.diag([*(np.array(grid.voxel) / np.array(anatomy.grid.spacing)), 1.0])

        def volume(
            name: str, dtype: str, images: dict[str, Array] = images, affine: Array = affine
        ) -> Volume:
            return Volume(images[name].astype(dtype), affine, Storage(dtype))

        writers[grid.name].write(
            f"sub-{number + 1:04d}", anatomy.name, dwi=volume("dwi", "float32"), adc=volume("adc", "float32"),
            b0=volume("b0", "float32"), lesion=volume("lesion", "uint8"), semantic_map=volume("map", "uint8"),
            b_value=B_VALUE, record=record(synthetic=True, Kind="simulated by plain painting", Number=number),
        )  # fmt: skip
        print(
            number + 1, grid.name, f"{images['lesion'].sum() * np.prod(grid.voxel) / 1000:.2f} ml", flush=True
        )
    for writer in writers.values():
        writer.finish()


if __name__ == "__main__":
    main()
