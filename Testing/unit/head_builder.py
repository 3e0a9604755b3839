"""Heads of ellipsoids as examinations: fast to make, upright, front, back and fluid where they belong."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.schema import CLASSES, PARENCHYMA, TISSUE_OF_CLASS
from StrokeSynthLib.segment.examined import Examined
from StrokeSynthLib.segment.preprocess import Prepared, prepare
from StrokeSynthLib.volume import Volume
from Testing.builders import SMALL_HEAD_SCALE, Array, small_head

_FLUID = {"csf", "lateral-ventricle", "third-ventricle", "fourth-ventricle"}
#: Signal without diffusion weighting (white matter 1) and ADC of tissues that are not parenchyma.
_OTHERS = {**dict.fromkeys(_FLUID, (3.6, 3.1)), "air": (0.0, 0.0), "skull": (0.05, 0.6), "scalp": (0.3, 1.2),
           "eye": (3.0, 2.6), "mucosa": (0.8, 1.5), "vessel-dura": (0.5, 1.0)}  # fmt: skip
_GRAY = {
    "cortex",
    "cerebellum-cortex",
    "thalamus",
    "caudate",
    "putamen",
    "hippocampus",
    "amygdala",
    "accumbens",
}


def head_case(seed: int = 0, *, noise: float = 0.04, lesion: bool = True) -> Case:
    """DWI, ADC, b0, map and a bright round lesion of a head of usual size; voxels of about 4 mm."""
    rng = generator(seed, "head")
    labels = small_head(2.2).labels
    spacing = 2.2 / SMALL_HEAD_SCALE * rng.uniform(0.95, 1.05)
    affine = np.diag([spacing] * 3 + [1.0])
    table = np.zeros((2, 256))
    for tissue_class in CLASSES:
        name = tissue_class.tissue
        usual = (1.2, 0.85) if name in _GRAY else (1.0, 0.75)
        table[:, tissue_class.index] = _OTHERS.get(name, usual)
    table *= np.exp(rng.normal(0, 0.03, (2, 256)))
    signal, adc = (ndimage.gaussian_filter(row[labels], 0.4) for row in table)
    place = np.indices(labels.shape)
    center = np.array(labels.shape) * (0.5 + 0.22 * rng.choice([-1, 1]), 0.5, 0.55)
    ball = sum((p - c) ** 2 for p, c in zip(place, center, strict=True)) < 9
    spot = ball & np.isin(labels, PARENCHYMA) & lesion
    adc = np.where(spot, 0.45, adc)
    images = []
    for image in (signal * np.where(spot, 1.2, 1.0), signal * np.where(spot, 1.2, 1.0) * np.exp(-adc)):
        level = noise * 0.45
        parts = rng.normal(0, level, (2, *image.shape))
        images.append(np.hypot(image + parts[0], parts[1]))
    b0, dwi = images
    measured = np.where(b0 > 0.15, np.log(np.maximum(b0, 0.01) / np.maximum(dwi, 0.01)), 0).clip(0, 4)
    volume = Volume((dwi * 700).astype(np.float32), affine)
    return Case(
        f"sub-{seed:04d}", f"sub-{seed:04d}", volume, volume.with_array(measured.astype(np.float32)),
        volume.with_array((b0 * 700).astype(np.float32)), volume.with_array(spot.astype(np.uint8)),
        volume.with_array(labels),
    )  # fmt: skip


def tissue_in(prepared: Prepared, semantic_map: Volume) -> Array:
    """The map's tissues in the canonical frame, as a network would name them at its best."""
    classes = prepared.frame.image.orientation.apply(np.array(TISSUE_OF_CLASS)[semantic_map.array])
    frame = prepared.frame
    index = [
        np.clip(np.rint(np.arange(n) * step + start).astype(int), 0, size - 1)
        for n, step, start, size in zip(frame.shape, frame.scale, frame.start, classes.shape, strict=True)
    ]
    return np.asarray(classes[np.ix_(*index)], np.uint8)


def examined(case: Case, *, with_adc: bool = True, seed: int = 0) -> Examined:
    """The case as if a fair network had looked at it."""
    rng = generator(seed, "examined", case.name)
    prepared = prepare(case.dwi, case.adc if with_adc else None)
    assert case.lesion is not None
    assert case.semantic_map is not None
    lesion = prepared.frame.forward(case.lesion.array.astype(np.float32)) >= 0.5
    logit = np.where(lesion, 3.0, -6.0) + rng.normal(0, 1.5, lesion.shape)
    # What a network's coarsest features might be: something about each slice.
    slices = prepared.dwi.transpose(2, 0, 1).reshape(prepared.dwi.shape[2], -1)
    features = np.stack([slices.mean(1), slices.std(1), (slices > 1.3).mean(1), (slices < 0.5).mean(1)], 1)
    return Examined(
        case.person, prepared, logit.astype(np.float32), tissue_in(prepared, case.semantic_map),
        features.astype(np.float32), lesion,
    )  # fmt: skip
