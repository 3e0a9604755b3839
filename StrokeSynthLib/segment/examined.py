"""One examination with what the network said about it: what calibration and typicality are fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from .preprocess import Prepared

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Examined:
    """An examination in the canonical frame; arrays (x, y, z) unless said.

    Parameters
    ----------
    person
        Whose it is; people are kept together in cross-fitting.
    prepared
        What the network saw; ``prepared.adc`` is None where it had no ADC.
    logit
        Lesion logit, as prediction computes it (averaged over flips where prediction does).
    tissue
        uint8 numbers of :data:`..schema.TISSUES`, or None of networks that name none.
    features
        (slices, n): mean of the coarsest features in each slice.
    lesion
        Boolean reference.
    """

    person: str
    prepared: Prepared
    logit: Array
    tissue: Array | None
    features: Array
    lesion: Array

    @property
    def adc_known(self) -> bool:
        """Whether the network had the ADC."""
        return self.prepared.adc is not None
