"""Where a head lies in standard space, as one affine transform: lesions move between people by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...anatomy.registration import register_labels
from ...errors import BadInputError
from ...volume import Volume
from ..examples import IS_INTRACRANIAL, IS_PARENCHYMA

Array = npt.NDArray[Any]

#: Center of the parenchyma in standard space and its spread along each axis (mm), for maps that hold too
#: little of a brain to be registered.
_CENTER, _SPREAD = np.array([0.0, -20.0, 10.0]), np.array([35.0, 42.0, 32.0])
#: Left and right exchanged in standard space.
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


def to_index(spacing: tuple[float, float, float]) -> Array:
    """(4, 4) from the voxels of a RAS+ array to its own mm, which begin at its first voxel."""
    return np.diag([*spacing, 1.0])


def to_standard(labels: Array, spacing: tuple[float, float, float]) -> Array:
    """Affine transform (4, 4) from the voxels of a map, (x, y, z) in RAS+ order, to standard space (mm).

    Least squares over the points of a registration of the labels. A map with less than 200 ml of brain is
    matched by the center of its parenchyma, in its own size.
    """
    volume = Volume(labels, to_index(spacing))
    try:
        found = register_labels(volume)
    except BadInputError:
        return _by_center(labels, spacing)
    steps = np.indices(found.grid.shape).reshape(3, -1)
    own = found.grid.affine[:3, :3] @ steps + found.grid.affine[:3, 3:]
    index = own / np.asarray(spacing)[:, None]
    nearest = np.rint(index).astype(int)
    inside = ((nearest >= 0) & (nearest < np.array(labels.shape)[:, None])).all(0)
    inside[inside] = IS_INTRACRANIAL[labels[tuple(nearest[:, inside])]]
    design = np.vstack([index[:, inside], np.ones(int(inside.sum()))]).T
    if len(design) < 100:
        return _by_center(labels, spacing)
    target = found.coordinates.reshape(3, -1)[:, inside].astype(np.float64).T
    solution = np.linalg.lstsq(design, target, rcond=None)[0].T
    return np.vstack([solution, [0.0, 0.0, 0.0, 1.0]])


def _by_center(labels: Array, spacing: tuple[float, float, float]) -> Array:
    center = np.argwhere(IS_PARENCHYMA[labels]).mean(0) * spacing
    result = to_index(spacing)
    result[:3, 3] = _CENTER - center
    return result


def between(target: Array, source: Array, *, mirrored: bool) -> Array:
    """(4, 4) from the voxels of one person to the corresponding ones of another.

    ``target``, ``source``: of both people, from :func:`to_standard`. ``mirrored``: to the other half.
    """
    return np.asarray(np.linalg.inv(source) @ (MIRROR if mirrored else np.eye(4)) @ target)
