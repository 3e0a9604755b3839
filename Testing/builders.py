"""Small, complete inputs for tests: no data needed, made in milliseconds."""

from __future__ import annotations

import numpy as np

from StrokeSynthLib.anatomy.anatomy import Anatomy, Array, Correspondence
from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.volume import Grid

#: The small head is a standard-space (MNI) head of ellipsoids, shrunk by this factor.
SMALL_HEAD_SCALE = 0.52
_EXTENT = (90.0, 110.0, 90.0)

# (tissue, sided, center, half-axes) in standard-space RAS mm, later ones over earlier ones.
# Sided centers are those of the right side (x > 0).
_Vector = tuple[float, float, float]
_PARTS: tuple[tuple[str, bool, _Vector, _Vector], ...] = (
    ("scalp", False, (0, -18, 8), (82, 101, 83)),
    ("skull", False, (0, -18, 8), (76, 95, 77)),
    ("csf", False, (0, -18, 8), (70, 89, 71)),
    ("cortex", True, (0, -18, 15), (66, 85, 58)),
    ("cortex", True, (38, -4, -24), (26, 40, 22)),
    ("white-matter", True, (0, -18, 15), (58, 76, 50)),
    ("white-matter", True, (38, -4, -20), (18, 31, 16)),
    ("lateral-ventricle", True, (14, -22, 20), (9, 36, 12)),
    ("thalamus", True, (12, -18, 6), (10, 15, 9)),
    ("caudate", True, (16, 14, 10), (7, 12, 10)),
    ("putamen", True, (28, 2, 2), (7, 16, 10)),
    ("pallidum", True, (20, -4, 0), (5, 9, 6)),
    ("hippocampus", True, (28, -26, -14), (7, 16, 6)),
    ("amygdala", True, (24, -4, -18), (7, 7, 7)),
    ("accumbens", True, (10, 12, -8), (5, 6, 5)),
    ("ventral-diencephalon", True, (8, -18, -8), (7, 8, 6)),
    ("white-matter-hyperintensity", True, (28, -46, 26), (5, 8, 5)),
    ("cerebellum-cortex", True, (24, -62, -36), (28, 28, 20)),
    ("cerebellum-white-matter", True, (20, -58, -36), (14, 16, 9)),
    ("third-ventricle", False, (0, -14, 4), (3, 12, 9)),
    ("brain-stem", False, (0, -28, -36), (12, 12, 27)),
    ("fourth-ventricle", False, (0, -44, -34), (6, 5, 8)),
    ("choroid-plexus", True, (18, -40, 18), (3, 6, 3)),
    ("vessel-dura", False, (0, -100, 16), (5, 8, 40)),
    ("eye", False, (30, 50, -32), (10, 10, 10)),
    ("eye", False, (-30, 50, -32), (10, 10, 10)),
    ("mucosa", False, (0, 48, -40), (10, 14, 10)),
)


def small_head(spacing: float = 1.5, *, name: str = "small-head") -> Anatomy:
    """A head of ellipsoids, 90 x 110 x 90 mm, both sides of every structure, RAS+.

    Its standard space is its own space divided by ``SMALL_HEAD_SCALE``, so that masks and
    atlases in MNI152 mm fall where they should.
    """
    shape = tuple(round(extent / spacing) for extent in _EXTENT)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    # The middle of the array lies at the middle of the standard-space head.
    middle = np.array([0.0, -18.0, 8.0]) * SMALL_HEAD_SCALE
    affine[:3, 3] = middle - spacing * (np.array(shape) - 1) / 2
    grid = Grid((shape[0], shape[1], shape[2]), affine)

    points = _standard_points(grid)
    labels = np.zeros(grid.shape, np.uint8)
    right = points[0] > 0
    for tissue, sided, center, half_axes in _PARTS:
        if not sided:
            labels[_inside(points, center, half_axes)] = INDEX[tissue]
            continue
        x, y, z = center
        labels[_inside(points, (x, y, z), half_axes) & right] = INDEX[f"right-{tissue}"]
        labels[_inside(points, (-x, y, z), half_axes) & ~right] = INDEX[f"left-{tissue}"]

    coarse = _coarser(grid, 6.0)
    correspondence = Correspondence(_standard_points(coarse).astype(np.float32), coarse)
    return Anatomy(labels, affine, correspondence, name, {"source": "Testing.builders.small_head"})


def _standard_points(grid: Grid) -> Array:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"))
    own = np.tensordot(grid.affine[:3, :3], index, axes=1) + grid.affine[:3, 3][:, None, None, None]
    return np.asarray(own / SMALL_HEAD_SCALE)


def _inside(points: Array, center: _Vector, half_axes: _Vector) -> Array:
    distance = sum(((points[a] - center[a]) / half_axes[a]) ** 2 for a in range(3))
    return np.asarray(distance <= 1.0)


def _coarser(grid: Grid, spacing: float) -> Grid:
    """A grid of ``spacing`` mm that covers ``grid``."""
    extent = (np.array(grid.shape) - 1) * np.array(grid.spacing)
    shape = np.ceil(extent / spacing).astype(int) + 1
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = grid.affine[:3, 3]
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
