"""The bias field: a smooth factor that the receive coils put on both images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..examples import IS_INTRACRANIAL, Example

Array = npt.NDArray[Any]

#: Furthest log of the field that is believed (a factor of 2.5).
_FURTHEST = 0.9
_FEWEST_VOXELS, _MOST_VOXELS = 500, 20_000


def bias_terms(labels: Array, spacing: tuple[float, float, float]) -> Array:
    """Smooth functions of place for the bias field: all monomials of degree 1 and 2.

    Shape (9, x, y, z), over coordinates from the center of the brain in units of 100 mm.
    """
    brain = IS_INTRACRANIAL[labels]
    axes = []
    for axis, step in enumerate(spacing):
        profile = brain.sum(axis=tuple(a for a in range(3) if a != axis))
        index = np.arange(labels.shape[axis])
        center = float((profile * index).sum() / max(int(profile.sum()), 1))
        shape = [1, 1, 1]
        shape[axis] = -1
        axes.append(((index - center) * step / 100.0).astype(np.float32).reshape(shape))
    x, y, z = axes
    terms = (x, y, z, x * x, y * y, z * z, x * y, x * z, y * z)
    return np.stack([np.broadcast_to(term, labels.shape) for term in terms])


def bias_field(coefficients: Array, labels: Array, spacing: tuple[float, float, float]) -> Array:
    """Factor on both signals, 1 at the center of the brain; within 0.4 to 2.5."""
    return field_of(coefficients, bias_terms(labels, spacing))


def field_of(coefficients: Array, terms: Array) -> Array:
    """Factor of coefficients on :func:`bias_terms`."""
    log = np.tensordot(np.asarray(coefficients, np.float32), terms, 1)
    return np.asarray(np.exp(np.clip(log, -_FURTHEST, _FURTHEST)))


def bias_step(part: Example, b0: Array, dwi: Array, terms: Array, tissue: Array) -> Array:
    """What is left of a smooth factor, from both images, over the parenchyma."""
    index = np.flatnonzero(tissue.ravel() & (part.b0.ravel() > 0.1) & (part.dwi.ravel() > 0.03))
    if index.size < _FEWEST_VOXELS:
        return np.zeros(len(terms))
    index = index[:: index.size // _MOST_VOXELS + 1]
    design = np.concatenate([terms.reshape(len(terms), -1)[:, index], np.ones((1, index.size))]).T
    ratio = [
        image.ravel()[index] / np.maximum(fit.ravel()[index], 1e-3)
        for image, fit in ((part.b0, b0), (part.dwi, dwi))
    ]
    target = np.clip(0.5 * (np.log(ratio[0]) + np.log(ratio[1])), -0.5, 0.5)
    gram = design.T @ design + 1e-2 * index.size * np.diag([*np.full(len(terms), 0.05), 0.0])
    return np.asarray(np.linalg.solve(gram, design.T @ target)[:-1])
