"""The quick method everyone uses, done with care: the floor in every table.

A voxel is lesion when

1. its DWI, lightly smoothed, stands out: z-score over normal parenchyma (mode and robust spread of
   :mod:`.brain`) of at least ``z``;
2. it stands out against the mirrored place in the other hemisphere by ``asymmetry`` z-scores;
3. its ADC is at most ``adc`` (10^-3 mm^2/s), where ADC is known;

and when its component reaches ``peak`` somewhere (hysteresis: a weak voxel counts beside a strong one) and
``smallest_ml`` in size. The probability is the logistic function of the smallest margin, so that
0.5 is the border of the mask. There is one set of parameters with ADC and one without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..modelfolder import ModelFolder, open_model
from ..volume import Volume
from .decision import without_specks
from .filters import components, gaussian
from .preprocess import FrameOptions, Prepared, prepare
from .segmenter import Prediction

Array = npt.NDArray[Any]
KIND = "threshold"


@dataclass(frozen=True)
class ThresholdParameters:
    """What decides; see the module.

    Parameters
    ----------
    z
        Least DWI z-score.
    adc
        Highest ADC (10^-3 mm^2/s); without effect where ADC is not known.
    asymmetry
        Least difference to the other hemisphere, in z-scores.
    peak
        z-score that a component must reach somewhere.
    smallest_ml
        Least size of a component.
    smoothing
        Standard deviation of the smoothing in the slice plane (mm).
    """

    z: float = 2.0
    adc: float = 0.62
    asymmetry: float = 0.5
    peak: float = 3.0
    smallest_ml: float = 0.1
    smoothing: float = 1.0


@dataclass(frozen=True)
class Features:
    """What the parameters are compared with. All (x, y, z) float32, in the canonical frame.

    Parameters
    ----------
    z, asymmetry
        z-scores of the smoothed DWI and of its difference to the other hemisphere.
    adc
        Smoothed ADC, or None.
    brain
        Boolean.
    """

    z: Array
    asymmetry: Array
    adc: Array | None
    brain: Array
    voxel_ml: float


def features_of(prepared: Prepared, smoothing: float) -> Features:
    """Features of a prepared examination, smoothed by ``smoothing`` mm in the slice plane."""
    spacing = prepared.frame.spacing
    sigma = (smoothing / spacing[0], smoothing / spacing[1], 0.0)

    def smooth(image: Array) -> Array:
        return gaussian(image, sigma) if smoothing > 0 else image

    dwi = smooth(prepared.dwi)
    adc = None
    if prepared.adc is not None:
        # Zero means unknown (outside the brain): kept out of the average.
        known = smooth((prepared.adc > 0).astype(np.float32))
        adc = np.where(known > 0.1, smooth(prepared.adc) / np.maximum(known, 0.1), np.float32(9.0))
    spread = np.float32(prepared.spread)
    return Features(
        (dwi - 1) / spread, (dwi - prepared.mirrored_dwi) / spread, adc, prepared.brain,
        prepared.frame.voxel_ml,
    )  # fmt: skip


def margin_of(features: Features, parameters: ThresholdParameters) -> Array:
    """By how much the weakest condition is met (positive) or missed, in about z-scores; float32."""
    margin = np.minimum(features.z - parameters.z, features.asymmetry - parameters.asymmetry)
    if features.adc is not None:
        # 0.1 x 10^-3 mm^2/s, about one standard deviation of normal tissue, weighs like one z-score.
        margin = np.minimum(margin, (parameters.adc - features.adc) * 10)
    return np.asarray(np.where(features.brain, margin, -np.float32(20)), np.float32)


def accepted(features: Features, margin: Array, parameters: ThresholdParameters) -> Array:
    """Boolean mask: components of positive margin with a peak and of sufficient size."""
    mask = without_specks(margin >= 0, parameters.smallest_ml / features.voxel_ml) > 0
    if not mask.any():
        return mask
    parts, sizes = components(mask, diagonal=True)
    strong = np.zeros(len(sizes), bool)
    strong[np.unique(parts[mask & (features.z >= parameters.peak)])] = True
    strong[0] = False
    return np.asarray(strong[parts])


def probability_of(features: Features, parameters: ThresholdParameters) -> Array:
    """Probability of lesion, float32: 0.5 or more exactly where :func:`accepted`."""
    margin = margin_of(features, parameters)
    lesion = accepted(features, margin, parameters)
    # What was rejected for its size or lack of a peak is a possibility, but below one half.
    margin = np.where(lesion, margin, np.minimum(margin, np.float32(-1e-3)))
    return np.asarray(1 / (1 + np.exp(-np.clip(2 * margin, -30, 30))), np.float32)


class ThresholdSegmenter:
    """Finds lesions by thresholds.

    Parameters
    ----------
    model
        Folder of kind ``threshold``.
    """

    kind = KIND

    def __init__(self, model: ModelFolder) -> None:
        try:
            self._with_adc = ThresholdParameters(**model.config["with_adc"])
            self._without_adc = ThresholdParameters(**model.config["without_adc"])
            self._frame = FrameOptions(**model.config["frame"])
        except (KeyError, TypeError) as error:
            raise BadInputError(
                f"{model.path}: its parameters are not usable ({error}); tune it again."
            ) from error
        self.model_hash = model.hash

    @classmethod
    def open(cls, name_or_path: str = KIND) -> ThresholdSegmenter:
        """From a model folder or the name of a shipped model."""
        return cls(open_model(name_or_path, KIND))

    def predict(
        self, dwi: Volume, adc: Volume | None = None, *, uncertainty: bool = False, semantic_map: bool = False
    ) -> Prediction:
        """Segment one examination; see :class:`.segmenter.Segmenter`. Gives no uncertainty and no map."""
        parameters = self._without_adc if adc is None else self._with_adc
        prepared = prepare(dwi, adc, self._frame)
        features = features_of(prepared, parameters.smoothing)
        probability = prepared.frame.volume(probability_of(features, parameters))
        voxel_ml = probability.grid.voxel_ml
        mask = without_specks(probability.array >= 0.5, parameters.smallest_ml / voxel_ml)
        return Prediction(probability.with_array(mask), probability)


def config_of(
    with_adc: ThresholdParameters, without_adc: ThresholdParameters, frame: FrameOptions
) -> Mapping[str, Any]:
    """Config of a model folder."""
    return {"with_adc": asdict(with_adc), "without_adc": asdict(without_adc), "frame": asdict(frame)}
