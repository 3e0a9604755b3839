"""The cases that a ``copypaste`` model holds: their images, on disk until one is needed.

Signals are kept as float16 in units of the case's own white matter (11 bits: 0.05 % of a value, well below
the noise of an image), masks and classes as uint8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import BadInputError
from ...modelfolder import ModelFolder
from ..examples import Example
from .donor import Donor

Array = npt.NDArray[Any]

#: Cases and lesions that are kept in memory.
_KEPT = 32
#: float16 ends at 65,504; no signal is this many times that of white matter.
_BRIGHTEST = 1000.0


@dataclass(frozen=True)
class LesionFacts:
    """A lesion that can be carried: its box, and what it is chosen by.

    Parameters
    ----------
    start
        First voxel of the box in the donor's image.
    volume_ml, center
        Its volume, and its center in standard space (mm).
    """

    start: tuple[int, int, int]
    volume_ml: float
    center: tuple[float, float, float]


@dataclass(frozen=True)
class CaseFacts:
    """What is known of a case without its images.

    Parameters
    ----------
    code, person
        Of the case and of whose it is: hashes of image content, no names.
    spacing
        mm, of the RAS+ array.
    affine
        (4, 4), from its voxels to the scanner's RAS mm.
    level
        White matter's b0 in the case's own units.
    standard
        (4, 4), from its voxels to standard space (mm).
    blur_mm
        Standard deviation of the point-spread function along each axis.
    with_lesion
        Whether there is any, also one too small to be carried.
    adc_assumed, b0_derived
        As in :class:`..examples.Example`.
    lesion
        None where there is none to be carried.
    """

    code: str
    person: str
    spacing: tuple[float, float, float]
    affine: Array
    level: float
    b_value: float
    standard: Array
    blur_mm: tuple[float, float, float]
    with_lesion: bool
    adc_assumed: bool
    b0_derived: bool
    lesion: LesionFacts | None

    def config(self) -> dict[str, Any]:
        """For ``model.json``."""
        lesion = self.lesion
        return {
            "code": self.code, "person": self.person, "spacing": list(self.spacing),
            "affine": np.asarray(self.affine, float).tolist(), "level": float(self.level),
            "b_value": float(self.b_value), "standard": np.round(self.standard, 6).tolist(),
            "blur_mm": [float(v) for v in self.blur_mm], "with_lesion": self.with_lesion,
            "adc_assumed": self.adc_assumed, "b0_derived": self.b0_derived,
            "lesion": None if lesion is None else {
                "start": list(lesion.start), "volume_ml": round(lesion.volume_ml, 4),
                "center": [round(v, 3) for v in lesion.center],
            },
        }  # fmt: skip

    @classmethod
    def from_config(cls, entry: Mapping[str, Any]) -> CaseFacts:
        """From ``model.json``; KeyError, TypeError or ValueError when it is damaged."""
        lesion = entry["lesion"]
        return cls(
            str(entry["code"]), str(entry["person"]), _three(entry["spacing"]), _matrix(entry["affine"]),
            float(entry["level"]), float(entry["b_value"]), _matrix(entry["standard"]),
            _three(entry["blur_mm"]), bool(entry["with_lesion"]), bool(entry["adc_assumed"]),
            bool(entry["b0_derived"]),
            None if lesion is None else LesionFacts(
                (int(lesion["start"][0]), int(lesion["start"][1]), int(lesion["start"][2])),
                float(lesion["volume_ml"]), _three(lesion["center"]),
            ),
        )  # fmt: skip


def _three(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _matrix(rows: Any) -> Array:
    matrix = np.asarray(rows, float)
    if matrix.shape != (4, 4):
        raise ValueError(f"a matrix of shape {matrix.shape}")
    return matrix


@dataclass(frozen=True)
class Images:
    """A case's own images: signals in units of its white matter, (x, y, z) in RAS+ order."""

    labels: Array
    lesion: Array
    b0: Array
    dwi: Array
    adc: Array


def arrays_of(number: int, example: Example, donor: Donor | None) -> dict[str, Array]:
    """What the weight file holds of a case, by name."""
    signals = {"b0": np.minimum(example.b0, _BRIGHTEST), "dwi": np.minimum(example.dwi, _BRIGHTEST)}
    arrays: dict[str, Array] = {
        "labels": example.labels,
        "lesion": example.lesion.astype(np.uint8),
        **{name: values.astype(np.float16) for name, values in (signals | {"adc": example.adc}).items()},
    }
    if donor is not None:
        arrays |= {
            "donor_b0": donor.b0.astype(np.float16),
            "donor_adc": donor.adc.astype(np.float16),
            "donor_lesion": donor.lesion.astype(np.uint8),
        }
    return {f"{number:05d}/{name}": values for name, values in arrays.items()}


class CaseStore:
    """Reads cases out of a model folder, one at a time.

    Parameters
    ----------
    folder
        Opened, and so found whole.
    facts
        Of all its cases, in the order of the weight file.
    """

    def __init__(self, folder: ModelFolder, facts: list[CaseFacts]) -> None:
        self.facts = facts
        able = [number for number, case in enumerate(facts) if case.lesion is not None]
        #: Numbers of the cases whose lesions are carried: with a measured ADC, where there are any.
        self.donors = [number for number in able if not facts[number].adc_assumed] or able
        self._path = folder.weights()
        self.images = lru_cache(_KEPT)(self._images)
        self.donor = lru_cache(_KEPT)(self._donor)

    def _images(self, number: int) -> Images:
        """Images of case ``number``."""
        labels, lesion, b0, dwi, adc = self._read(number, "labels", "lesion", "b0", "dwi", "adc")
        return Images(labels, lesion > 0, *(values.astype(np.float32) for values in (b0, dwi, adc)))

    def _donor(self, number: int) -> Donor:
        """The lesion of case ``number``, one of :attr:`donors`."""
        facts = self.facts[number]
        if facts.lesion is None:
            raise ValueError(f"case {number} has no lesion that can be carried")
        b0, adc, lesion = self._read(number, "donor_b0", "donor_adc", "donor_lesion")
        return Donor(
            b0.astype(np.float32), adc.astype(np.float32), lesion > 0, facts.lesion.start, facts.spacing
        )

    def _read(self, number: int, *names: str) -> list[Array]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(self._path), framework="numpy") as content:
                return [content.get_tensor(f"{number:05d}/{name}") for name in names]
        except (SafetensorError, OSError) as error:
            raise BadInputError(f"{self._path}: damaged ({error}); copy the model again.") from error
