"""People made of the average head: folds, size, place and lesion of their own, in milliseconds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from StrokeSynthLib.anatomy.anatomy import Array
from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.cohort.writer import CohortWriter
from StrokeSynthLib.evaluate.standard import template
from StrokeSynthLib.provenance import record
from StrokeSynthLib.volume import Volume


@lru_cache(maxsize=32)
def person(seed: int) -> Case:
    """The average head with folds of its own, bent and of its own size, on slices of 4 mm."""
    rng = np.random.default_rng(seed)
    head = template()
    shape = (80, 96, 40)
    affine = np.diag([2.2, 2.2, 4.0, 1.0])
    affine[:3, 3] = [-87 + rng.uniform(-3, 3), -121 + rng.uniform(-3, 3), -76]
    size = np.diag([*rng.uniform(0.92, 1.08, 3), 1.0])
    to_index = np.linalg.inv(head.lattice.affine) @ size @ affine
    brain = ndimage.affine_transform(head.image, to_index[:3, :3], to_index[:3, 3], shape, order=1)
    folds = [ndimage.gaussian_filter(rng.normal(size=shape), (2.0, 2.0, 1.1)) for _ in range(2)]
    folds = [f / f.std() for f in folds]
    inside = brain > 0.2
    dwi = np.where(inside, 300 * brain * (1 + 0.25 * folds[0]), 0) + np.abs(rng.normal(0, 4, shape))
    adc = np.where(inside, np.clip(3.0 - 2.2 * brain + 0.25 * folds[1] - 0.1 * folds[0], 0.1, 3.2), 0)
    lesion = _lesion(rng, brain, size, affine)
    dwi[lesion > 0] *= 1.9
    adc[lesion > 0] = 0.5

    def volume(array: np.ndarray) -> Volume:
        return Volume(array.astype(np.float32), affine)

    return Case(f"p{seed}", f"p{seed}", volume(dwi), volume(adc), lesion=Volume(lesion, affine))


def _lesion(rng: np.random.Generator, brain: Array, size: Array, affine: Array) -> Array:
    """An irregular lesion of some 20 ml where the brain is solid."""
    places = np.argwhere(ndimage.binary_erosion(brain > 0.8, iterations=3))
    center = places[rng.integers(len(places))]
    spacing = np.diag(affine)[:3]
    mm = [(np.arange(n) - c) * s for n, c, s in zip(brain.shape, center, spacing, strict=True)]
    distance = np.sqrt(sum(axis**2 for axis in np.meshgrid(*mm, indexing="ij")))
    edge = ndimage.gaussian_filter(rng.normal(size=brain.shape), (3.0, 3.0, 1.6))
    return ((distance + 6.0 * edge / edge.std() < 18) & (brain > 0.5)).astype(np.uint8)


def write_people(folder: Path, cases: dict[str, Case], *, synthetic: bool) -> Path:
    """A cohort of such cases, by name (sub-...)."""
    writer = CohortWriter(folder, description={"Name": "people for tests"})
    for name, case in cases.items():
        writer.write(
            name, name if synthetic else case.person, dwi=case.dwi, adc=case.adc, b0=None, lesion=case.lesion,
            semantic_map=None, b_value=1000.0, record=record(synthetic=synthetic),
        )  # fmt: skip
    writer.finish()
    return folder
