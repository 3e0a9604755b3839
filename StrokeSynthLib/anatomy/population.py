"""New people: an averaged head, its modes of variation, and folds drawn anew.

A person is made in four steps, in standard space, and only then given a shape of their own:

1. *Regions.* The averaged head at 1 mm says which voxels are skull, thalamus, ventricle ... and
   which belong to the folded ribbon (cerebral or cerebellar white matter, cortex or sulcal
   fluid), without saying which of the three.
2. *Ribbon.* Level-set fields, the signed distances to the white-matter and to the pial
   surface, decide the rest: white matter inside the first, cortex between them, fluid outside
   the second; a third does the lateral ventricles. Each is the average, plus an age term (wider
   sulci, larger ventricles), plus principal modes whose coefficients vary smoothly over the
   brain, plus fine noise for the variance that the modes leave out. Coefficients that vary in
   space ("localization", as in ensemble filters) make folds that no person of the training set
   has, with their orientation and width kept.
3. *White-matter hyperintensities* by a threshold on their averaged frequency plus noise.
4. *Shape.* A stationary velocity field (age term, principal modes, fine random part) is
   exponentiated, and size and pose are drawn. The labels are read through this mapping, so the
   place of every voxel in standard space is known exactly.

:meth:`PopulationModel.draw` draws the parameters, :meth:`PopulationModel.build` applies them;
the same parameters give the same person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..modelfolder import ModelFolder, open_model
from ..randomness import generator
from ..volume import Storage, Volume
from .anatomy import Anatomy, Correspondence
from .coding import decode
from .deformation import displace, exponential
from .lattice import Lattice, resample
from .ribbon import Ribbon, RibbonFields

Array = npt.NDArray[Any]

MODEL_KIND = "anatomy-population"
MODEL_NAME = "anatomy"

#: Coefficients of modes are drawn normally and cut here, so that no one is a monster.
LARGEST_COEFFICIENT = 2.0
#: Range of the age coordinate (standard deviations of log ventricle volume in the population).
AGE_RANGE = (-1.6, 1.6)
#: Standard deviation of the head's tilt about x, y, z (degrees) and of its position (mm).
TILT_SD = (5.0, 2.5, 3.0)
SHIFT_SD = (2.0, 4.0, 4.0)
#: Fine random part of the velocity: standard deviation (mm) and correlation length (mm).
FINE_SD, FINE_LENGTH = 1.0, 14.0
#: Level sets of the ribbon: white matter, pial, lateral ventricles.
SURFACES = 3
#: Distance between the points of the correspondence (mm).
CORRESPONDENCE_STEP = 4.0


@dataclass(frozen=True)
class PersonParameters:
    """Everything that makes a person from the model; written into records.

    Parameters
    ----------
    age
        Coordinate along the ageing axis, 0 for the population's middle; lateral ventricles and
        sulci grow with it.
    scales
        Size against standard space along x, y, z.
    tilt
        Rotation about x, y, z (degrees).
    shift
        Position of the standard origin (mm).
    shape
        Coefficients of the velocity modes.
    hyperintensity
        Load of white-matter hyperintensities: 0 typical of the middle-aged, 1 to 2 heavy.
    field_seed
        Seed of the random fields (folds, fine shape, hyperintensities).
    """

    age: float
    scales: tuple[float, float, float]
    tilt: tuple[float, float, float]
    shift: tuple[float, float, float]
    shape: tuple[float, ...]
    hyperintensity: float
    field_seed: int


class PopulationModel:
    """The shipped population of anatomies.

    Examples
    --------
    >>> population = PopulationModel.load()
    >>> person = population.sample(number=12, seed=0)
    >>> person.labels.dtype
    dtype('uint8')
    """

    def __init__(self, folder: ModelFolder) -> None:
        config, packed = folder.config, folder.arrays()

        def field(name: str) -> Array:
            return decode(packed[name], config["fields"][name])

        self.hash = folder.hash
        self.config: Mapping[str, Any] = config
        self.standard = Lattice.from_config(config["lattices"]["standard"])
        self.coarse = Lattice.from_config(config["lattices"]["probability"])
        self._velocity_lattice = Lattice.from_config(config["lattices"]["velocity"])
        self._regions = field("regions")
        self._velocity_age = field("velocity_age")
        self._velocity_modes = field("velocity_modes")
        self._probability = packed["probability"], config["fields"]["probability"]
        self._ribbon = Ribbon(
            self.standard,
            Lattice.from_config(config["lattices"]["ribbon"]),
            RibbonFields(
                mask=field("ribbon_mask") > 0,
                mean=field("ribbon_mean"),
                age=field("ribbon_age"),
                modes=_by_surface(field("ribbon_modes")),
                residual=field("ribbon_residual"),
                hyperintensity=field("hyperintensity")[0],
            ),
        )

    @classmethod
    def load(cls, name_or_path: str | Path = MODEL_NAME) -> PopulationModel:
        """Open the shipped model (kept in memory once opened) or the one in a folder.

        Raises
        ------
        BadInputError
            When the folder is no such model.
        """
        return _load(str(name_or_path))

    def draw(self, number: int, seed: int) -> PersonParameters:
        """Parameters of person ``number`` under ``seed``."""
        rng = generator(seed, "anatomy", number)
        age = float(rng.uniform(*AGE_RANGE))
        scale_mean = np.asarray(self.config["scale_mean"])
        scale_root = np.asarray(self.config["scale_root"])
        # Heads of the young are larger in the population: it is cross-sectional, and brains shrink.
        scale_age = np.asarray(self.config["scale_age"])
        scales = np.exp(scale_mean + age * scale_age + scale_root @ _limited(rng, len(scale_mean)))
        tilt = np.asarray(TILT_SD) * _limited(rng, 3)
        shift = np.asarray(SHIFT_SD) * _limited(rng, 3)
        shape = _limited(rng, len(self._velocity_modes))
        hyperintensity = 0.45 * age + 0.6 * float(_limited(rng, 1)[0])
        return PersonParameters(
            round(age, 4), _three(scales), _three(tilt), _three(shift),
            tuple(round(float(s), 4) for s in shape), round(hyperintensity, 4),
            int(rng.integers(2**31)),
        )  # fmt: skip

    def sample(self, number: int, seed: int) -> Anatomy:
        """Person ``number`` under ``seed``: the same every time, independent of other people.

        The name carries both, so that people of cohorts with different seeds are never taken for one.
        """
        parameters = self.draw(number, seed)
        record = {
            "source": "population", "model_hash": self.hash, "number": number, "seed": seed,
            "parameters": asdict(parameters),
        }  # fmt: skip
        return self.build(parameters, f"person-{seed}-{number:06d}", record)

    def build(
        self, parameters: PersonParameters, name: str, record: Mapping[str, Any] | None = None
    ) -> Anatomy:
        """The head that the parameters describe.

        Returns
        -------
        Anatomy
            1 mm, RAS+, cropped to the head; ``correspondence`` is the mapping through which the
            labels were read.
        """
        rng = generator(parameters.field_seed, "fields")
        labels = self._ribbon.labels(self._regions, parameters.age, parameters.hyperintensity, rng)
        velocity = self._velocity(parameters, rng)
        own, coordinates = self._mapping(parameters, -velocity)
        grown = _read(labels, self.standard, coordinates, own)
        return _cropped(grown, own, coordinates, name, record or {"parameters": asdict(parameters)})

    def standard_atlas(self) -> Volume:
        """The averaged head in standard space: uint8 classes, 1 mm, folds blurred."""
        labels = self._ribbon.labels(self._regions, 0.0, 0.0, None)
        return Volume(labels, self.standard.affine, Storage("uint8"))

    def probabilities(self) -> tuple[Array, Lattice]:
        """Averaged class probabilities in standard space, (class, x, y, z) float32, and their lattice."""
        packed, info = self._probability
        raised = decode(packed, info).astype(np.float32)
        total = raised.sum(axis=0)
        raised[0] += total == 0
        return raised / np.maximum(total, 1), self.coarse

    def _velocity(self, parameters: PersonParameters, rng: np.random.Generator) -> Array:
        from scipy.ndimage import gaussian_filter

        coefficients = np.asarray(parameters.shape, np.float32)
        velocity: Array = np.tensordot(coefficients, self._velocity_modes, axes=1)
        velocity = velocity + np.float32(parameters.age) * self._velocity_age[0]
        sigma = FINE_LENGTH / 2 / self._velocity_lattice.step
        for axis in velocity:
            noise = gaussian_filter(rng.standard_normal(axis.shape).astype(np.float32), sigma)
            axis += FINE_SD * noise / noise.std()
        return velocity

    def _mapping(self, parameters: PersonParameters, velocity: Array) -> tuple[Lattice, Array]:
        """The person's coarse lattice and the standard-space position of its points."""
        matrix, shift = _pose(parameters)
        standard = self.standard
        ends = np.array(
            [standard.low, np.array(standard.low) + standard.step * (np.array(standard.shape) - 1)]
        )
        corners = np.array([[ends[i, 0], ends[j, 1], ends[k, 2]]
                            for i in (0, 1) for j in (0, 1) for k in (0, 1)]) @ matrix.T + shift  # fmt: skip
        own = Lattice.covering(np.floor(corners.min(0)), corners.max(0), CORRESPONDENCE_STEP)
        points = own.points() - shift[:, None, None, None].astype(np.float32)
        points = np.tensordot(np.linalg.inv(matrix).astype(np.float32), points, axes=1)
        displacement = exponential(velocity, self._velocity_lattice)
        return own, displace(points, displacement, self._velocity_lattice)


def _by_surface(modes: Array) -> Array:
    """(modes * surfaces, points) as (modes, surfaces, points)."""
    return np.asarray(modes.reshape(-1, SURFACES, modes.shape[-1]))


def _pose(parameters: PersonParameters) -> tuple[Array, Array]:
    """Matrix and shift from standard space to the person's own (mm)."""
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_euler("xyz", parameters.tilt, degrees=True).as_matrix()
    return rotation @ np.diag(parameters.scales), np.asarray(parameters.shift)


def _read(labels: Array, standard: Lattice, coordinates: Array, own: Lattice) -> Array:
    """Labels of the nearest standard-space voxel at every mm of the person's lattice."""
    n = tuple(round((k - 1) * own.step) + 1 for k in own.shape)
    fine = Lattice(own.low, 1.0, (n[0], n[1], n[2]))
    out = np.zeros(fine.shape, np.uint8)
    slab = 16  # x planes at a time, to keep the index arrays in the cache
    low = np.asarray(standard.low, np.float32)
    source = labels.ravel()
    for start in range(0, n[0], slab):
        count = min(slab, n[0] - start)
        part = Lattice((fine.low[0] + start, fine.low[1], fine.low[2]), 1.0, (count, n[1], n[2]))
        position = resample(coordinates, own, part)
        index = np.zeros(part.shape, np.int32)
        inside = np.ones(part.shape, bool)
        for axis in range(3):
            nearest = np.rint(position[axis] - low[axis]).astype(np.int32)
            # One unsigned comparison tests both ends.
            inside &= nearest.view(np.uint32) < np.uint32(labels.shape[axis])
            index *= labels.shape[axis]
            index += nearest
        index *= inside
        out[start : start + count] = source[index] * inside
    return out


def _cropped(
    labels: Array, own: Lattice, coordinates: Array, name: str, record: Mapping[str, Any]
) -> Anatomy:
    from .labels import crop_to_head

    affine = np.eye(4)
    affine[:3, 3] = own.low
    head = crop_to_head(Volume(labels, affine, Storage("uint8")))
    return Anatomy(head.array, head.affine, Correspondence(coordinates, own.grid), name, record)


def _limited(rng: np.random.Generator, count: int) -> Array:
    """Standard normal numbers, cut at :data:`LARGEST_COEFFICIENT`."""
    return np.clip(rng.standard_normal(count), -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT)


def _three(values: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 4) for v in values)
    return x, y, z


@lru_cache(maxsize=2)
def _load(name_or_path: str) -> PopulationModel:
    return PopulationModel(open_model(name_or_path, MODEL_KIND))
