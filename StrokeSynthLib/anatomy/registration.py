"""Registration of any label map to standard space, on labels alone.

1. *Affine.* Centers of the deep grey nuclei, cerebellum, brain-stem and hemispheres of both
   maps are matched by least squares; the affine transform is refined on a brain image made of
   the labels (SimpleITK, mean squares, 4 mm).
2. *Deformation.* Diffeomorphic demons (Vercauteren et al., NeuroImage 2009; SimpleITK) at 8 and
   4 mm on the same images, in which fluid, cortex, white and deep grey matter have values of
   their own. The coarse grid and the smoothing keep it free of folds.

The whole takes about a second on one core, because everything happens at 4 mm.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..provenance import content_hash
from ..schema import CLASSES, INTRACRANIAL, PARENCHYMA
from ..volume import Volume
from .anatomy import Anatomy, Correspondence
from .deformation import displace, jacobian_determinant
from .lattice import Lattice
from .population import PopulationModel
from .registering import STEP, affine_refined, as_image, brain_lattice, demons

Array = npt.NDArray[Any]

#: Value of each tissue in the images that are registered. Only differences matter.
TISSUE_VALUES = {
    "white-matter": 1.0, "white-matter-hyperintensity": 1.0, "cortex": 0.65, "thalamus": 0.75,
    "caudate": 0.7, "putamen": 0.65, "pallidum": 0.9, "hippocampus": 0.65, "amygdala": 0.65,
    "accumbens": 0.65, "ventral-diencephalon": 0.9, "brain-stem": 1.0, "cerebellum-cortex": 0.75,
    "cerebellum-white-matter": 1.0, "lateral-ventricle": -0.4, "choroid-plexus": -0.4,
    "third-ventricle": -0.4, "fourth-ventricle": -0.4,
}  # fmt: skip
#: Structures whose centers start the affine match; those a map lacks are left out.
LANDMARKS = (
    "thalamus", "caudate", "putamen", "pallidum", "hippocampus", "amygdala", "white-matter", "cortex",
    "cerebellum-cortex", "brain-stem",
)  # fmt: skip
LEAST_LANDMARKS = 5


def register_labels(labels: Volume) -> Correspondence:
    """Find where each point of a label map lies in standard space.

    Parameters
    ----------
    labels
        Classes of the schema on any grid: a whole head at 1 mm or a map on thick DWI slices.

    Raises
    ------
    BadInputError
        When the map holds too little of a brain to be matched.
    """
    template = _template()
    work = labels.canonical()
    image = _tissue_image(work)
    matrix = _refined(image, template, _affine(work, template))
    placed = _on_lattice(image, matrix, template.lattice)
    displacement = demons(placed, template.image, template.lattice)
    own = _lattice_around(work)
    points = own.points()
    inverse = np.linalg.inv(matrix)
    standard = np.tensordot(inverse[:3, :3], points, axes=1) + inverse[:3, 3][:, None, None, None]
    coordinates = displace(standard.astype(np.float32), displacement, template.lattice)
    return Correspondence(coordinates, own.grid)


def anatomy_of_map(semantic_map: Volume, name: str) -> Anatomy:
    """A user's label map as an anatomy in standard space.

    Parameters
    ----------
    semantic_map
        Classes of the schema (:func:`~StrokeSynthLib.anatomy.labels.read_labels` gives them).
    name
        Unique in its source.

    Raises
    ------
    BadInputError
        When the map holds too little of a brain to be registered.
    """
    work = semantic_map.canonical()
    record: dict[str, Any] = {
        "source": "" if semantic_map.source is None else semantic_map.source.name,
        "map_hash": content_hash(work),
    }
    labels = work.array.astype(np.uint8, copy=False)
    return Anatomy(labels, work.affine, register_labels(semantic_map), name, record)


def jacobian_range(correspondence: Correspondence) -> tuple[float, float]:
    """Smallest and largest Jacobian determinant of a correspondence (1 is no change of volume)."""
    determinant = jacobian_determinant(correspondence.coordinates, correspondence.grid.spacing[0])
    return float(determinant.min()), float(determinant.max())


class _Template:
    """The averaged head, prepared once."""

    def __init__(self, population: PopulationModel) -> None:
        atlas = population.standard_atlas()
        self.lattice = brain_lattice()
        self.centers = _centers(atlas)
        self.image = _on_lattice(_tissue_image(atlas), np.eye(4), self.lattice)


@lru_cache(maxsize=1)
def _template() -> _Template:
    return _Template(PopulationModel.load())


def _value_table() -> Array:
    table = np.zeros(256, np.float32)
    for tissue_class in CLASSES:
        table[tissue_class.index] = TISSUE_VALUES.get(tissue_class.tissue, 0.0)
    return table


def _centers(labels: Volume) -> dict[str, Array]:
    """Centers of the landmark structures, RAS mm, by class name."""
    from scipy.ndimage import find_objects

    found = {}
    boxes = find_objects(labels.array.astype(np.int32), max_label=len(CLASSES))
    for tissue_class in CLASSES:
        box = boxes[tissue_class.index - 1] if tissue_class.index else None
        if tissue_class.tissue not in LANDMARKS or box is None:
            continue
        index = np.argwhere(labels.array[box] == tissue_class.index)
        if len(index) * labels.grid.voxel_ml < 0.2:
            continue
        center = index.mean(axis=0) + [s.start for s in box]
        found[tissue_class.name] = labels.affine[:3, :3] @ center + labels.affine[:3, 3]
    return found


def _affine(labels: Volume, template: _Template) -> Array:
    """Start of the affine match, (4, 4) from standard space to the map's own space (mm)."""
    centers = _centers(labels)
    names = [name for name in centers if name in template.centers]
    brain_ml = float(_lookup(INTRACRANIAL)[labels.array].sum()) * labels.grid.voxel_ml
    if brain_ml < 200:
        raise BadInputError(
            f"{labels.source or 'the label map'}: holds only {brain_ml:.0f} ml of brain; "
            "a map of the whole brain is needed."
        )
    if len(names) >= LEAST_LANDMARKS:
        source = np.array([template.centers[n] for n in names])
        target = np.array([centers[n] for n in names])
        # A weak pull towards equal size keeps few or flat landmarks from shearing the head.
        mean_source, mean_target = source.mean(0), target.mean(0)
        a, b = source - mean_source, target - mean_target
        pull = 0.05 * len(names) * 400.0
        linear = np.linalg.solve(a.T @ a + pull * np.eye(3), a.T @ b + pull * np.eye(3)).T
        start = np.eye(4)
        start[:3, :3], start[:3, 3] = linear, mean_target - linear @ mean_source
    else:
        start = _moments(labels, template)
    return start


def _moments(labels: Volume, template: _Template) -> Array:
    """Start by center and size of the parenchyma, for maps without named structures."""
    index = np.argwhere(_lookup(PARENCHYMA)[labels.array])
    points = index @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    inside = np.argwhere(template.image > 0.3)
    standard = inside * template.lattice.step + np.array(template.lattice.low)
    start = np.diag([*(points.std(0) / standard.std(0)), 1.0])
    start[:3, 3] = points.mean(0) - start[:3, :3] @ standard.mean(0)
    return start


def _refined(image: Volume, template: _Template, start: Array) -> Array:
    """The affine transform after least squares on the tissue images."""
    own = _lattice_around(image)
    moving = as_image(_on_lattice(image, np.eye(4), own), own)
    return affine_refined(as_image(template.image, template.lattice), moving, start)


def _lattice_around(image: Volume) -> Lattice:
    """A lattice that covers the map's grid with one cell to spare."""
    corners = image.grid.corners()
    return Lattice.covering(corners.min(0) - STEP, corners.max(0) + STEP, STEP)


def _tissue_image(labels: Volume) -> Volume:
    """Values of the tissues, smoothed for a lattice of :data:`STEP` mm."""
    from scipy.ndimage import gaussian_filter

    values = _value_table()[labels.array]
    sigma = np.maximum(STEP / 2.0 / np.array(labels.spacing) - 0.3, 0.0)
    return Volume(gaussian_filter(values, sigma, truncate=2.0), labels.affine)


def _on_lattice(image: Volume, matrix: Array, lattice: Lattice) -> Array:
    """An image at the points that ``matrix`` takes from a lattice to the image's space."""
    from scipy.ndimage import affine_transform

    to_index = np.linalg.inv(image.affine) @ matrix @ lattice.affine
    return np.asarray(
        affine_transform(
            image.array, to_index[:3, :3], to_index[:3, 3], lattice.shape, order=1, mode="constant"
        )
    )


def _lookup(classes: tuple[int, ...]) -> Array:
    table = np.zeros(256, bool)
    table[list(classes)] = True
    return table
