"""Off-resonance near air and bone, from the anatomy, by the dipole model.

The field of a distribution of susceptibility chi is its convolution with the unit dipole, in
Fourier space chi * (1/3 - kz^2 / k^2) (Marques & Bowtell, Concepts Magn Reson 2005;25B:65;
Salomir et al., 2003). Air is 9.4 ppm above tissue, bone 2 ppm below. Shimming removes what a
second-order polynomial over the brain can. Along the phase-encoding axis of EPI the image
is shifted by field * readout time voxels, compressed and stretched: bright rims and voids
above the petrous bones and the paranasal sinuses, in every image alike, so ADC stays normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..schema import INDEX, INTRACRANIAL, PARENCHYMA

Array = npt.NDArray[Any]

AIR_PPM, BONE_PPM = 9.4, -2.0
#: Proton frequency (MHz per tesla).
LARMOR = 42.577
#: Spacing of the field map, in voxels of the anatomy of about 1 mm.
STEP = 3
# Cells of air in bone: place in standard space (RAS mm) and largest radii (mm). Their size
# varies between people; label maps of the head show few of them.
AIR_CELLS: dict[str, tuple[tuple[float, float, float], float]] = {
    "left-mastoid": ((-54, -34, -36), 11.0),
    "right-mastoid": ((54, -34, -36), 11.0),
    "left-ear": ((-58, -16, -34), 7.0),
    "right-ear": ((58, -16, -34), 7.0),
    "sphenoid-sinus": ((0, 22, -34), 12.0),
    "left-ethmoid": ((-8, 44, -34), 9.0),
    "right-ethmoid": ((8, 44, -34), 9.0),
    "frontal-sinus": ((4, 74, -14), 10.0),
}


def draw_air_cells(rng: np.random.Generator) -> dict[str, float]:
    """Radius of each air cell (mm), from nearly none to full."""
    return {
        name: float(radius * rng.uniform(0.25, 1.0) ** 0.7 * rng.choice([1.0, 1.0, 1.0, 0.3]))
        for name, (_, radius) in AIR_CELLS.items()
    }


def field_map(anatomy: Anatomy, air_cells: dict[str, float]) -> Array:
    """Off-resonance after shimming, in ppm, on every ``STEP``-th voxel of the anatomy.

    Node (a, b, c) lies at voxel (a, b, c) * STEP. float32.
    """
    labels = anatomy.labels[::STEP, ::STEP, ::STEP]
    brain = _is(labels, PARENCHYMA)
    sources = _sources(anatomy, labels, air_cells)
    # The neck continues below the picture: without it the cut would be a surface to air.
    pad = [(10, 10), (10, 10), (16, 10)]
    padded = np.pad(sources, pad, constant_values=AIR_PPM)
    padded[:, :, :16] = padded[:, :, 16:17]
    field = _dipole(padded, anatomy.grid.spacing)
    field = field[10:-10, 10:-10, 16:-10]
    return _shimmed(field, brain).astype(np.float32)


def _is(labels: Array, classes: tuple[int, ...]) -> Array:
    table = np.zeros(256, bool)
    table[list(classes)] = True
    return np.asarray(table[labels])


def _sources(anatomy: Anatomy, labels: Array, air_cells: dict[str, float]) -> Array:
    """Susceptibility relative to tissue (ppm)."""
    from scipy.ndimage import binary_dilation

    chi = np.zeros(labels.shape, np.float32)
    inside = _is(labels, INTRACRANIAL)
    if (labels == INDEX["skull"]).any():
        chi[labels == INDEX["skull"]] = BONE_PPM
        chi[labels == INDEX["air"]] = AIR_PPM
    else:
        # A map of the brain alone: the head around it is not known, so no air touches it.
        shell = binary_dilation(inside, iterations=5)
        chi[~shell] = AIR_PPM
    for name, radius in air_cells.items():
        if radius <= 0.0:
            continue
        center = _voxel_at(anatomy, AIR_CELLS[name][0]) / STEP
        reach = radius / (np.array(anatomy.grid.spacing) * STEP)
        box = tuple(
            slice(max(int(c - r), 0), max(int(c + r) + 2, 0)) for c, r in zip(center, reach, strict=True)
        )
        x, y, z = np.ogrid[box]
        ball = sum(((g - c) / r) ** 2 for g, c, r in zip((x, y, z), center, reach, strict=True)) < 1.0
        part = chi[box]
        part[(ball[tuple(slice(0, n) for n in part.shape)]) & ~inside[box]] = AIR_PPM
    return chi


def _voxel_at(anatomy: Anatomy, standard: tuple[float, float, float]) -> Array:
    """Voxel of the anatomy whose place in standard space is nearest to ``standard`` (RAS mm)."""
    correspondence = anatomy.correspondence
    square = sum(
        (axis - place) ** 2 for axis, place in zip(correspondence.coordinates, standard, strict=True)
    )
    node = np.unravel_index(int(np.argmin(square)), square.shape)
    to_voxel = np.linalg.inv(anatomy.affine) @ correspondence.grid.affine
    return np.asarray(to_voxel[:3, :3] @ np.array(node) + to_voxel[:3, 3])


def _dipole(chi: Array, spacing: tuple[float, float, float]) -> Array:
    from scipy.fft import irfftn, next_fast_len, rfftn

    shape = tuple(next_fast_len(n, real=True) for n in chi.shape)
    kx = np.fft.fftfreq(shape[0], spacing[0])[:, None, None]
    ky = np.fft.fftfreq(shape[1], spacing[1])[None, :, None]
    kz = np.fft.rfftfreq(shape[2], spacing[2])[None, None, :]
    square = kx**2 + ky**2 + kz**2
    square[0, 0, 0] = 1.0
    kernel = (1.0 / 3.0 - kz**2 / square).astype(np.float32)
    kernel[0, 0, 0] = 0.0
    filled = np.full(shape, chi[0, 0, -1], np.float32)
    filled[: chi.shape[0], : chi.shape[1], : chi.shape[2]] = chi
    field = irfftn(rfftn(filled) * kernel, shape)
    return np.asarray(field[: chi.shape[0], : chi.shape[1], : chi.shape[2]])


def _shimmed(field: Array, brain: Array) -> Array:
    """The field less its best second-order polynomial over the brain."""
    if brain.sum() < 50:
        return field
    # The polynomial stays constant outside the brain's box: extrapolated, it would fold the image.
    axes = []
    for axis, n in enumerate(field.shape):
        where = np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis)))
        axes.append(np.clip(np.linspace(-1, 1, n), *np.linspace(-1, 1, n)[where[[0, -1]]]))
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    terms = [1.0 + 0 * x, x, y, z, x * y, x * z, y * z, x**2, y**2, z**2]
    design = np.stack([np.broadcast_to(term, field.shape)[brain] for term in terms], axis=1)
    weights = np.linalg.lstsq(design[::3], field[brain][::3], rcond=None)[0]
    for weight, term in zip(weights, terms, strict=True):
        field = field - weight * term
    return np.asarray(field)
