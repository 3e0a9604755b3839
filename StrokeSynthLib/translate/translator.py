"""What anything that turns a map into images offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..progress import Progress, silent
from ..schema import ASSUMED_B_VALUE
from ..volume import Volume


@dataclass(frozen=True)
class Background:
    """The patient's own images, kept outside the lesion."""

    dwi: Volume
    adc: Volume | None = None
    b0: Volume | None = None
    b_value: float = ASSUMED_B_VALUE


@dataclass(frozen=True)
class SyntheticImages:
    """Images made from a map; all on its grid.

    DWI follows from b0 and ADC by the signal equation DWI = b0 exp(-b ADC), except outside
    the softened lesion mask in background-preserving mode, where the patient's voxels stay.
    """

    dwi: Volume
    adc: Volume
    b0: Volume
    b_value: float
    record: Mapping[str, Any]


class Translator(Protocol):
    """Anything that turns a semantic map and a lesion into DWI, ADC and b0."""

    kind: str
    model_hash: str

    def translate(
        self,
        semantic_map: Volume,
        lesion: Volume | None = None,
        *,
        seed: int = 0,
        background: Background | None = None,
        progress: Progress = silent,
    ) -> SyntheticImages:
        """Draw images for ``semantic_map`` (uint8 classes) with ``lesion`` (0/1, same grid).

        ``progress`` is told of one stage, from 0 to its end; what it raises stops the drawing there. It
        changes nothing in the images.
        """
        ...
