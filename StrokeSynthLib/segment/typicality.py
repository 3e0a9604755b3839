"""Whether an examination is like those that a model knows, and if not, what to check.

1. Numbers are measured (:mod:`.measurements`), most of them without the network: how it lies, how
   bright fluid and tissues are, ADC, noise. Each has limits: what unseen simulated examinations show,
   and some room. A number outside gives a sentence that says what was seen and what to check.
2. Brightness as a whole, and what the network saw (its coarsest features), are compared with those
   of known examinations by a distance (:mod:`.distance`).

At most three sentences, the most telling first. A flag does not mean that the result is wrong, nor its
absence that it is right; an image mirrored left to right in particular cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..volume import Volume
from .distance import Distance
from .examined import Examined
from .measurements import Numbers, measure
from .pose import Coarse, Template, coarse
from .preprocess import Prepared
from .rules import Limits, reasons, sentence

Array = npt.NDArray[Any]

MOST_REASONS = 3
#: Percentiles of known examinations between which nothing is odd, and room beyond them, as a share of the
#: distance from the median.
_PERCENTILES, _ROOM = (2.0, 98.0), 0.6
#: Less like the average brain than this, an examination is no example of what is known: its brain was not
#: found, so that everything else was measured in the wrong places.
_LEAST_LIKENESS = 0.85
_LEVELS = ("dwi_p02", "dwi_p10", "dwi_p25", "dwi_p50", "dwi_p75", "dwi_p90", "dwi_p98")
#: Numbers that are looked at together, each group with a distance of its own; see :mod:`.measurements`.
_TOGETHER: dict[str, tuple[str, ...]] = {
    "brightness": (*_LEVELS, "noise", "sharpness", "shading"),
    "contrast": (
        *_LEVELS, "noise", "sharpness", "shading",
        "cortex_to_white", "deep_to_white", "cerebellum_to_white", "fluid_to_white",
    ),
    "diffusion": (
        "adc_tissue", "adc_spread", "adc_fluid_share", "adc_fluid_dwi",
        "adc_agreement", "adc_fine", "adc_tissue_agreement",
    ),
}  # fmt: skip
#: Of these, correlations; all others are positive and taken by their logarithms.
_CORRELATIONS = ("adc_agreement", "adc_fine", "adc_tissue_agreement")
_DIRECTIONS = 16


@dataclass(frozen=True)
class Known:
    """What fitting keeps of an examination.

    Parameters
    ----------
    numbers
        Measured; without those of the pose, which need the template of all.
    picture
        For the template.
    features
        (n,), or None.
    """

    person: str
    numbers: Numbers
    picture: Coarse
    features: Array | None

    @classmethod
    def of(cls, case: Examined) -> Known:
        """Measure one examination; its arrays may be forgotten then."""
        probability = 1 / (1 + np.exp(-np.clip(case.logit.astype(np.float32), -30, 30)))
        numbers = measure(case.prepared, case.tissue, probability)
        return cls(case.person, numbers, coarse(case.prepared), summary(case.features))


@dataclass(frozen=True)
class Typicality:
    """What a model knows of the examinations that it can be used on.

    Parameters
    ----------
    template
        Average brain.
    limits
        Lowest and highest usual value of each number.
    distances
        By what is compared: "brightness", "contrast" (with a map), "diffusion" (with ADC), "features".
    """

    template: Template
    limits: Limits
    distances: Mapping[str, Distance]

    def reasons(
        self,
        prepared: Prepared,
        tissue: Array | None,
        probability: Array | None,
        features: Array | None,
        dwi: Volume | None = None,
        adc: Volume | None = None,
    ) -> tuple[str, ...]:
        """Why an examination is unlike what the model knows; empty where it is like it.

        Parameters
        ----------
        prepared
            The examination in the canonical frame.
        tissue
            (x, y, z) uint8 numbers of :data:`..schema.TISSUES` in that frame; without it, contrast
            between tissues is not judged.
        probability
            (x, y, z) of lesion, left out where normal tissue is measured.
        features
            (slices, n) of the network; None leaves out what it saw.
        dwi, adc
            The images as loaded. Not needed at present: all is measured in the canonical frame.
        """
        numbers = measure(prepared, tissue, probability)
        pose = self.template.pose(coarse(prepared))
        numbers |= pose.numbers()
        shares = self._far(numbers, summary(features))
        far = {name: share for name, share in shares.items() if share > 1}
        return tuple(sentence(reason) for reason in reasons(numbers, pose, self.limits, far)[:MOST_REASONS])

    def _far(self, numbers: Numbers, features: Array | None) -> dict[str, float]:
        """Distances as shares of their limits; of those that can be measured."""
        points = {name: _point(numbers, names) for name, names in _TOGETHER.items()} | {"features": features}
        found = {}
        for name, distance in self.distances.items():
            point = points[name]
            if point is not None and point.size == distance.mean.size:
                found[name] = distance(point) / distance.limit
        return found

    def config(self) -> dict[str, Any]:
        """As JSON, about 40 kB."""
        return {
            "template": self.template.config(),
            "limits": {name: [round(low, 4), round(high, 4)] for name, (low, high) in self.limits.items()},
            "distances": {name: distance.config() for name, distance in self.distances.items()},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Typicality | None:
        """From the JSON of a model folder; None of a model that was fitted without."""
        if config is None:
            return None
        return cls(
            Template.from_config(config["template"]),
            {name: (float(low), float(high)) for name, (low, high) in config["limits"].items()},
            {name: Distance.from_config(distance) for name, distance in config["distances"].items()},
        )


def fit_typicality(known: Iterable[Known]) -> Typicality:
    """Fit on examinations that training has not seen, as wide a choice of scanners as it shall know.

    Parameters
    ----------
    known
        From :meth:`Known.of`; 50 or more, each best with and without its ADC.
    """
    cases = list(known)
    for _ in range(2):
        template = Template.average([case.picture for case in cases])
        poses = [template.pose(case.picture) for case in cases]
        cases = [c for c, pose in zip(cases, poses, strict=True) if pose.likeness >= _LEAST_LIKENESS] or cases
    for case in cases:
        case.numbers.update(template.pose(case.picture).numbers())
    limits = {}
    for name in sorted({name for case in cases for name in case.numbers}):
        values = np.array([case.numbers[name] for case in cases if name in case.numbers])
        low, middle, high = np.percentile(values, (_PERCENTILES[0], 50, _PERCENTILES[1]))
        limits[name] = (float(low - _ROOM * (middle - low)), float(high + _ROOM * (high - middle)))
    distances = {}
    clouds = {name: [_point(case.numbers, names) for case in cases] for name, names in _TOGETHER.items()}
    clouds["features"] = [case.features for case in cases]
    for name, points in clouds.items():
        there = [(point, case.person) for point, case in zip(points, cases, strict=True) if point is not None]
        if len(there) >= _DIRECTIONS:
            distances[name] = Distance.fit(
                np.stack([point for point, _ in there]), [person for _, person in there], _DIRECTIONS
            )
    return Typicality(template, limits, distances)


def summary(features: Array | None) -> Array | None:
    """Features of a whole examination from those of its slices: the mean of its lower and upper half."""
    if features is None or not len(features):
        return None
    half = max(1, len(features) // 2)
    return np.concatenate([features[:half].mean(axis=0), features[-half:].mean(axis=0)])


def _point(numbers: Numbers, names: tuple[str, ...]) -> Array | None:
    """Some numbers, most of them as logarithms; None where one is absent."""
    if any(name not in numbers for name in names):
        return None
    return np.array(
        [numbers[n] if n in _CORRELATIONS else np.log(max(numbers[n], 1e-3)) for n in names], float
    )
