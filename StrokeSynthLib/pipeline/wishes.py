"""What lesions a database shall have: drawn for each case from what the user allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInputError
from ..lesions.lesion import LesionRequest
from ..lesions.territories import find_territory

SIDES = ("left", "right", "both")


@dataclass(frozen=True)
class LesionWishes:
    """What each lesion is asked for; whatever is left out follows the lesion source's own statistics.

    Parameters
    ----------
    territories
        Names as for ``--territory``; each lesion gets one of them, all equally often. Empty: any.
    sides
        "left", "right", "both"; in the same way.
    volume_ml
        Smallest and largest volume (ml); drawn evenly on a logarithmic scale, as infarcts spread over
        three orders of magnitude. None: any.

    Raises
    ------
    BadInputError
        For an unknown territory or side, or volumes that are not positive and in order.
    """

    territories: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    volume_ml: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in self.territories:
            find_territory(name)
        for side in self.sides:
            if side not in SIDES:
                raise BadInputError(f"--side {side}: is not known; choose {', '.join(SIDES)}.")
        if self.volume_ml is not None and not 0 < self.volume_ml[0] <= self.volume_ml[1]:
            low, high = self.volume_ml
            raise BadInputError(f"--volume-ml {low:g} {high:g}: give the smaller one first, both above 0.")

    @property
    def unrestricted(self) -> bool:
        """Whether nothing is asked for."""
        return not self.territories and not self.sides and self.volume_ml is None

    def draw(self, rng: np.random.Generator) -> LesionRequest:
        """What one lesion is asked for."""

        def one_of(names: Sequence[str]) -> str | None:
            return names[int(rng.integers(len(names)))] if names else None

        territory, side, volume = one_of(self.territories), one_of(self.sides), None
        if self.volume_ml is not None:
            volume = round(float(np.exp(rng.uniform(*np.log(self.volume_ml)))), 3)
        return LesionRequest(territory, side, volume)

    def description(self) -> dict[str, Any]:
        """For ``dataset_description.json``; empty where nothing is asked for."""
        entries = {
            "territories": list(self.territories), "sides": list(self.sides),
            "volume_ml": list(self.volume_ml) if self.volume_ml else [],
        }  # fmt: skip
        return {name: value for name, value in entries.items() if value}
