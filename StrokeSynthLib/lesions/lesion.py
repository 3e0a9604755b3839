"""What a lesion is, what can be asked for, and what anything that makes lesions offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LesionRequest:
    """What is asked for; None leaves the choice to the source's own statistics.

    Parameters
    ----------
    territory
        Name from :data:`StrokeSynthLib.lesions.territories.TERRITORIES` ("MCA", "PCA",
        "lacunar", ...).
    side
        "left", "right" or "both", as the patient's.
    volume_ml
        Total volume (ml) inside parenchyma.
    number
        Number of separate lesions.
    """

    territory: str | None = None
    side: str | None = None
    volume_ml: float | None = None
    number: int | None = None


@dataclass(frozen=True)
class Lesion:
    """An acute lesion on an anatomy's grid, inside its parenchyma.

    Parameters
    ----------
    mask
        Boolean, shape of the anatomy's labels.
    record
        What makes it again, and what it is: source, territory, side, volume_ml, components,
        and for real masks the file's hash and the share lost by clipping.
    """

    mask: Array
    record: Mapping[str, Any] = field(default_factory=dict)


class LesionSource(Protocol):
    """Anything that makes lesions: real masks, the procedural generator, a trained network."""

    name: str

    def draw(self, anatomy: Anatomy, request: LesionRequest, rng: np.random.Generator) -> Lesion:
        """Draw one lesion for ``anatomy``.

        Raises
        ------
        StrokeSynthLib.errors.StrokeSynthError
            When nothing that fits the request could be made; the text says why.
        """
        ...
