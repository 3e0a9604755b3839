"""Other images of a head that may be taken for its DWI: T1, T2, FLAIR, CT, from a semantic map.

Contrast follows from each sequence's signal equation. Values: T1 at 3 T (ms), Wansapura et al., JMRI
1999;9:531 (white matter 832, gray 1331); CT numbers (Hounsfield units) as in radiology textbooks: white
matter 25 to 32, gray 35 to 40, fluid 0 to 10. T2 and proton density are the scanner model's, those of fat
and bone without its fat suppression.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from StrokeSynthLib.scanner.fields import smooth_noise
from StrokeSynthLib.scanner.tissue import TISSUES as SCANNER_TISSUES
from StrokeSynthLib.schema import TISSUE_OF_CLASS, TISSUES
from StrokeSynthLib.volume import Volume

Array = npt.NDArray[Any]

_DEEP = ("thalamus", "caudate", "putamen", "accumbens", "ventral-diencephalon")
_T1 = {
    "air": 1000.0, "white-matter": 840.0, "cerebellum-white-matter": 840.0, "cortex": 1340.0,
    "cerebellum-cortex": 1300.0, "pallidum": 950.0, "hippocampus": 1300.0, "amygdala": 1300.0,
    "brain-stem": 900.0, "spinal-cord": 900.0, "white-matter-hyperintensity": 1150.0,
    "choroid-plexus": 2000.0, "optic-nerve": 900.0, "vessel-dura": 1600.0, "skull": 380.0,
    "soft-tissue": 1300.0, "scalp": 370.0, "eye": 3800.0, "mucosa": 1500.0,
    **dict.fromkeys(_DEEP, 1150.0),
    **dict.fromkeys(("csf", "lateral-ventricle", "third-ventricle", "fourth-ventricle"), 4100.0),
}  # fmt: skip
_HOUNSFIELD = {
    "air": -1000.0, "white-matter": 29.0, "cerebellum-white-matter": 30.0, "brain-stem": 31.0,
    "white-matter-hyperintensity": 24.0, "choroid-plexus": 30.0, "optic-nerve": 30.0, "vessel-dura": 45.0,
    "skull": 900.0, "soft-tissue": 55.0, "scalp": -40.0, "eye": 8.0, "mucosa": 30.0, "spinal-cord": 32.0,
    **dict.fromkeys(("csf", "lateral-ventricle", "third-ventricle", "fourth-ventricle"), 6.0),
}  # fmt: skip
#: Without fat suppression: proton density and T2 (ms).
_UNSUPPRESSED = {"scalp": (0.9, 65.0), "skull": (0.2, 60.0), "soft-tissue": (0.75, 38.0)}


def _properties(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """T1, T2 (ms) and proton density by tissue number, of one person."""
    rows = []
    for name in TISSUES:
        tissue = SCANNER_TISSUES[name]
        density, t2 = _UNSUPPRESSED.get(name, (tissue.density, tissue.t2_high))
        rows.append((_T1.get(name, 1300.0), t2, density))
    values = np.array(rows).T * np.exp(rng.normal(0, 0.03, (3, len(TISSUES))))
    return values[0], values[1], values[2]


def _rendered(table: Array, semantic_map: Volume, lesion: Array | None, of_lesion: float,
              rng: np.random.Generator, *, texture: float) -> Array:  # fmt: skip
    """Signal of each voxel: the tissue's, the lesion's share added, textured, edges softened."""
    signal = table[np.array(TISSUE_OF_CLASS)[semantic_map.array]].astype(np.float32)
    if lesion is not None:
        signal = np.where(lesion > 0, signal * np.float32(of_lesion), signal)
    scale = [8.0 / s for s in semantic_map.spacing]
    field = ndimage.gaussian_filter(rng.standard_normal(signal.shape, dtype=np.float32), scale)
    signal *= 1 + texture * field / max(float(field.std()), 1e-6)
    return np.asarray(ndimage.gaussian_filter(signal, [0.8 / s for s in semantic_map.spacing]))


def as_mr(signal: Array, rng: np.random.Generator, *, snr: tuple[float, float] = (15, 60)) -> Array:
    """Coil shading, Rician noise and a scanner's arbitrary gain; ``snr`` of the brightest quarter."""
    shape = signal.shape
    nodes = smooth_noise(rng, (6, 6, 5), 1.2)
    zoom = [n / m for n, m in zip(shape, nodes.shape, strict=True)]
    shading = ndimage.zoom(nodes, zoom, order=1, mode="nearest", grid_mode=True)
    signal = signal * np.exp(rng.uniform(0.03, 0.15) * shading[tuple(slice(0, n) for n in shape)])
    level = float(np.percentile(signal[signal > 0.2 * signal.max()], 75))
    sigma = level / rng.uniform(*snr)
    noise = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(sigma)
    gain = np.exp(rng.uniform(np.log(100), np.log(1500))) / level
    return np.asarray(np.hypot(signal + noise[0], noise[1]) * gain, np.float32)


def t1_like(semantic_map: Volume, lesion: Array | None, rng: np.random.Generator) -> Volume:
    """T1-weighted: spin echo (short TR) or inversion-prepared gradient echo."""
    t1, t2, density = _properties(rng)
    if rng.random() < 0.5:
        repeat, echo = rng.uniform(420, 650), rng.uniform(9, 15)
        signal = density * (1 - np.exp(-repeat / t1)) * np.exp(-echo / t2)
    else:
        inversion, repeat = rng.uniform(850, 1000), rng.uniform(1900, 2400)
        signal = density * np.abs(1 - 2 * np.exp(-inversion / t1) + np.exp(-repeat / t1))
    table = signal / signal.max()
    return semantic_map.with_array(
        as_mr(_rendered(table, semantic_map, lesion, 0.88, rng, texture=0.03), rng)
    )


def t2_like(semantic_map: Volume, lesion: Array | None, rng: np.random.Generator) -> Volume:
    """T2-weighted fast spin echo."""
    t1, t2, density = _properties(rng)
    signal = density * (1 - np.exp(-rng.uniform(3500, 6000) / t1)) * np.exp(-rng.uniform(80, 115) / t2)
    return semantic_map.with_array(
        as_mr(_rendered(signal, semantic_map, lesion, 1.35, rng, texture=0.04), rng)
    )


def flair_like(semantic_map: Volume, lesion: Array | None, rng: np.random.Generator) -> Volume:
    """T2-weighted with the fluid's signal inverted away."""
    t1, t2, density = _properties(rng)
    repeat, echo = rng.uniform(8000, 10000), rng.uniform(90, 130)
    null = -4100 * np.log((1 + np.exp(-repeat / 4100)) / 2) * rng.uniform(0.95, 1.05)
    signal = density * np.abs(1 - 2 * np.exp(-null / t1) + np.exp(-repeat / t1)) * np.exp(-echo / t2)
    return semantic_map.with_array(
        as_mr(_rendered(signal, semantic_map, lesion, 1.35, rng, texture=0.04), rng)
    )


def ct_like(semantic_map: Volume, lesion: Array | None, rng: np.random.Generator) -> Volume:
    """Computed tomography: Hounsfield units, the same from 0 upward, or a brain window as gray levels."""
    table = np.array([_HOUNSFIELD.get(name, 36.0) for name in TISSUES]) + rng.normal(0, 1, len(TISSUES))
    image = _rendered(table, semantic_map, lesion, 0.8, rng, texture=0.02)
    image += rng.normal(0, rng.uniform(2, 5), image.shape).astype(np.float32)
    form = rng.integers(3)
    if form == 1:
        image = image + 1024
    elif form == 2:
        image = np.clip(image, 0, 80) / 80 * 255
    return semantic_map.with_array(np.rint(image).astype(np.float32))
