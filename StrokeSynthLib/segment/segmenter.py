"""What anything that segments lesions offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..volume import Volume


@dataclass(frozen=True)
class Prediction:
    """Lesions found in one examination, on the grid and in the axis order of its DWI.

    Parameters
    ----------
    mask
        uint8, 0 or 1.
    probability
        float32 of 0 to 1.
    uncertainty
        float32, 0 (sure) to 1 (undecided); None where it was not asked for or the model gives none.
    semantic_map
        Classes of :mod:`StrokeSynthLib.schema`, uint8, without the lesion; None where it was not
        asked for or the model makes none.
    unlike
        Why this examination is unlike what the model knows, a sentence each; empty where it is like it.
    """

    mask: Volume
    probability: Volume
    uncertainty: Volume | None = None
    semantic_map: Volume | None = None
    unlike: tuple[str, ...] = ()


class Segmenter(Protocol):
    """Anything that finds lesions: the threshold, a trained network."""

    kind: str
    model_hash: str

    def predict(
        self, dwi: Volume, adc: Volume | None = None, *, uncertainty: bool = False, semantic_map: bool = False
    ) -> Prediction:
        """Segment one examination in any orientation.

        Parameters
        ----------
        dwi
            Trace image, any unit.
        adc
            10^-3 mm^2/s, on the DWI's grid.
        uncertainty, semantic_map
            Whether these are wanted too; they take longer, and neither changes mask or probability.
        """
        ...
