"""Probability that means probability.

A network's logits rank voxels well, but a voxel that it gives 0.8 is a lesion in some other share of
cases. On examinations that training has not seen, a curve from logit to probability is fitted,
one for examinations with ADC and one for those without:

* ``temperature``: logit / T (Guo et al., ICML 2017);
* ``platt``: a * logit + b (Platt, 1999), which can also correct how rare lesions are;
* ``isotonic``: the best nondecreasing curve (Zadrozny and Elkan, KDD 2002), as a table.

The one with the best log loss on people whom it was not fitted to is kept (cross-fitting); a curve with
more freedom must win by more than chance. Every examination weighs the same, whatever its voxel size.
What is reported: reliability curve, expected calibration error (ECE), Brier score, over all voxels of
the brain and, because of these nearly all are plain background, over the undecided ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Curves by increasing freedom.
KINDS = ("identity", "temperature", "platt", "isotonic")
#: Voxels of an examination with a probability in between are "undecided".
UNDECIDED = (0.01, 0.99)
#: Bins of probability, of equal width, for reliability and ECE.
BINS = 15
#: So many voxels of an examination are kept at most: of plain background, and of lesion and doubtful ones.
_BACKGROUND, _TELLING = 4000, 16000
_LARGEST_LOGIT = 14.0
_NODES = 24
_FOLDS = 5


@dataclass(frozen=True)
class Curve:
    """From logit to probability: through points, linear in the logit between them.

    Beyond them it goes on like the line or, of an isotonic curve, with a slope of 1.

    Parameters
    ----------
    logit
        Where the points are, increasing.
    calibrated
        Logit of the true probability there, not decreasing.
    kind
        One of :data:`KINDS`.
    """

    logit: tuple[float, ...] = (-1.0, 1.0)
    calibrated: tuple[float, ...] = (-1.0, 1.0)
    kind: str = "identity"

    def probability(self, logit: Array) -> Array:
        """Calibrated probability, float32, of any shape."""
        x = np.clip(np.asarray(logit, np.float32), -_LARGEST_LOGIT, _LARGEST_LOGIT)
        nodes, values = np.array(self.logit, np.float32), np.array(self.calibrated, np.float32)
        if self.kind == "isotonic":
            shifted = np.interp(x, nodes, values) + (x - np.clip(x, nodes[0], nodes[-1]))
        else:
            slope = (values[-1] - values[0]) / (nodes[-1] - nodes[0])
            shifted = values[0] + slope * (x - nodes[0])
        return sigmoid(shifted)

    @classmethod
    def line(cls, slope: float, shift: float, kind: str) -> Curve:
        """Calibrated logit = slope * logit + shift."""
        return cls((-1.0, 1.0), (shift - slope, shift + slope), kind)

    def config(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind,
            "logit": [round(float(x), 4) for x in self.logit],
            "calibrated": [round(float(y), 4) for y in self.calibrated],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Curve:
        """From the JSON of a model folder."""
        logit, calibrated = (tuple(float(v) for v in config[name]) for name in ("logit", "calibrated"))
        if config["kind"] not in KINDS or len(logit) != len(calibrated) or len(logit) < 2:
            raise ValueError("a calibration curve that is none")
        return cls(logit, calibrated, str(config["kind"]))


@dataclass(frozen=True)
class Calibration:
    """A model's calibration; the default leaves its probabilities as they are."""

    with_adc: Curve = Curve()
    without_adc: Curve = Curve()

    def probability(self, logit: Array, adc_known: bool) -> Array:
        """Probability of lesion, float32, shape of ``logit``."""
        return (self.with_adc if adc_known else self.without_adc).probability(logit)

    def config(self) -> dict[str, Any]:
        """As JSON."""
        return {"with_adc": self.with_adc.config(), "without_adc": self.without_adc.config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Calibration:
        """From the JSON of a model folder; None (a model without calibration) changes nothing."""
        if config is None:
            return cls()
        return cls(Curve.from_config(config["with_adc"]), Curve.from_config(config["without_adc"]))


@dataclass(frozen=True)
class Sample:
    """Voxels of one examination's brain, thinned; weights make up for it.

    Parameters
    ----------
    person
        Whose it is; people are kept together in cross-fitting.
    logit, lesion
        (n,) float32 and boolean.
    weight
        (n,): how many of the examination's voxels each stands for, in shares of all: the sum is 1.
    """

    person: str
    adc_known: bool
    logit: Array
    lesion: Array
    weight: Array

    @classmethod
    def of(
        cls, person: str, logit: Array, reference: Array, brain: Array, *, adc_known: bool,
        rng: np.random.Generator,
    ) -> Sample:  # fmt: skip
        """Thin one examination: lesion and doubtful voxels kept, plain background drawn from.

        Parameters
        ----------
        logit, reference, brain
            Lesion logit, reference lesion (0 or 1) and brain mask, of one shape.
        """
        x = np.asarray(logit[brain], np.float32)
        lesion = np.asarray(reference[brain] > 0)
        telling = lesion | (x > np.log(0.002 / 0.998))
        index, weight = [], []
        for part, most in ((np.flatnonzero(telling), _TELLING), (np.flatnonzero(~telling), _BACKGROUND)):
            drawn = part if part.size <= most else rng.choice(part, most, replace=False)
            index.append(drawn)
            weight.append(np.full(drawn.size, part.size / max(drawn.size * x.size, 1)))
        kept = np.concatenate(index)
        return cls(person, adc_known, x[kept], lesion[kept], np.concatenate(weight))


@dataclass(frozen=True)
class Reliability:
    """How far probabilities are from what they mean.

    Parameters
    ----------
    predicted, observed
        (bins,): mean probability and share of lesion in bins of equal width; NaN where a bin is empty.
    share
        (bins,): share of the voxels.
    ece
        Mean of |predicted - observed|, weighted by share.
    brier
        Mean of (probability - lesion) ^ 2.
    log_loss
        Mean of -log of the probability of what was true (nats).
    """

    predicted: Array
    observed: Array
    share: Array
    ece: float
    brier: float
    log_loss: float


def reliability(
    samples: Sequence[Sample], calibration: Calibration, *, undecided: bool = False, bins: int = BINS
) -> Reliability:
    """Measure calibration on samples, every examination weighing the same.

    Parameters
    ----------
    undecided
        Only voxels with a (calibrated) probability inside :data:`UNDECIDED`; all of the brain otherwise.
    """
    p, y, w = (
        np.concatenate(parts) for parts in zip(*[_graded(s, calibration) for s in samples], strict=True)
    )
    if undecided:
        doubtful = (p > UNDECIDED[0]) & (p < UNDECIDED[1])
        p, y, w = p[doubtful], y[doubtful], w[doubtful]
    w = w / max(float(w.sum()), 1e-12)
    place = np.minimum((p * bins).astype(int), bins - 1)
    share = np.bincount(place, w, bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        predicted = np.bincount(place, w * p, bins) / share
        observed = np.bincount(place, w * y, bins) / share
    ece = float(np.nansum(share * np.abs(predicted - observed)))
    return Reliability(
        predicted, observed, share, ece, float((w * (p - y) ** 2).sum()), float((w * _log_loss(p, y)).sum())
    )


def fit_calibration(samples: Iterable[Sample]) -> tuple[Calibration, dict[str, Any]]:
    """Fit both curves on examinations that training has not seen.

    Parameters
    ----------
    samples
        From :meth:`Sample.of`, an examination with ADC best twice: as it is, and with its ADC hidden.

    Returns
    -------
    tuple
        The calibration, and the record of how it was chosen: for each curve the cross-fitted log loss
        of every kind. Where there is no examination of a kind, its curve changes nothing.
    """
    everything = list(samples)
    curves, records = [], {}
    for name, adc_known in (("with_adc", True), ("without_adc", False)):
        group = [sample for sample in everything if sample.adc_known == adc_known]
        curve, records[name] = _chosen(group)
        curves.append(curve)
    return Calibration(curves[0], curves[1]), records


def sigmoid(logit: Array) -> Array:
    """Logistic function, float32."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(logit, np.float32))), np.float32)


def logit(probability: Array) -> Array:
    """Inverse of :func:`sigmoid`, float32."""
    p = np.clip(np.asarray(probability, float), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(p / (1 - p)), np.float32)


def _graded(sample: Sample, calibration: Calibration) -> tuple[Array, Array, Array]:
    p = calibration.probability(sample.logit, sample.adc_known).astype(float)
    return p, sample.lesion.astype(float), sample.weight


def _log_loss(p: Array, y: Array) -> Array:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log(1 - p)))


def _loss(curve: Curve, sample: Sample) -> float:
    p = curve.probability(sample.logit).astype(float)
    return float((sample.weight * _log_loss(p, sample.lesion.astype(float))).sum())


def _chosen(group: Sequence[Sample]) -> tuple[Curve, dict[str, Any]]:
    """The curve for ``group``, and the cross-fitted losses by which it was chosen."""
    people = sorted({sample.person for sample in group})
    if len(people) < 2:
        return Curve(), {"examinations": len(group), "kind": "identity"}
    folds = [people[start::_FOLDS] for start in range(min(_FOLDS, len(people)))]
    losses: dict[str, Array] = {}
    for kind in KINDS:
        found = []
        for fold in folds:
            curve = _fitted([sample for sample in group if sample.person not in fold], kind)
            found += [(s.person, _loss(curve, s)) for s in group if s.person in fold]
        losses[kind] = np.array([value for _, value in sorted(found, key=lambda pair: pair[0])])
    best = KINDS[0]
    for kind in KINDS[1:]:
        gain = losses[best] - losses[kind]
        # More freedom must pay: by more than the standard error of the mean gain.
        if gain.mean() > gain.std(ddof=1) / np.sqrt(gain.size):
            best = kind
    record = {
        "examinations": len(group),
        "people": len(people),
        "kind": best,
        "log_loss": {kind: round(float(values.mean()), 6) for kind, values in losses.items()},
    }
    return _fitted(group, best), record


def _fitted(group: Sequence[Sample], kind: str) -> Curve:
    if kind == "identity":
        return Curve()
    x, y, w = (
        np.concatenate([getattr(s, name) for s in group]).astype(float)
        for name in ("logit", "lesion", "weight")
    )
    x = np.clip(x, -_LARGEST_LOGIT, _LARGEST_LOGIT)
    if kind == "isotonic":
        return _isotonic(x, y, w / w.sum())
    slope, shift = _line(x, y, w / w.sum(), free_shift=kind == "platt")
    return Curve.line(slope, shift, kind)


def _line(x: Array, y: Array, w: Array, *, free_shift: bool) -> tuple[float, float]:
    """Logistic regression on one variable by Newton's method, weakly held to slope 1 and shift 0."""
    beta, hold = np.array([1.0, 0.0]), 1e-6
    for _ in range(50):
        p = 1 / (1 + np.exp(-(beta[0] * x + beta[1])))
        gradient = np.array([(w * (p - y) * x).sum(), (w * (p - y)).sum()]) + hold * (beta - (1.0, 0.0))
        v = w * p * (1 - p)
        mixed = (v * x).sum()
        hessian = np.array([[(v * x * x).sum(), mixed], [mixed, v.sum()]]) + hold * np.eye(2)
        if not free_shift:
            gradient[1], hessian[0, 1], hessian[1, 0] = 0.0, 0.0, 0.0
        step = np.linalg.solve(hessian, gradient)
        # Half a unit at most, so that it does not run away from a poor start.
        beta = beta - np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-7:
            break
    return max(float(beta[0]), 1e-3), float(beta[1])


def _isotonic(x: Array, y: Array, w: Array) -> Curve:
    """Best nondecreasing curve through bins of the logit, by pooling adjacent violators."""
    edges = np.unique(np.quantile(x, np.linspace(0, 1, 20 * _NODES + 1)))
    if edges.size < 3:
        return Curve(kind="isotonic")
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, edges.size - 2)
    weight = np.bincount(place, w, edges.size - 1)
    filled = weight > 0
    center = (np.bincount(place, w * x, edges.size - 1)[filled]) / weight[filled]
    # Half a voxel's weight of either kind, so that no bin is entirely sure.
    prior = 0.5 * float(np.median(w))
    hits = np.bincount(place, w * y, edges.size - 1)[filled] + prior * sigmoid(center)
    blocks: list[list[float]] = []
    for c, h, total in zip(center, hits, weight[filled] + prior, strict=True):
        blocks.append([c * total, h, total])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][2] >= blocks[-1][1] * blocks[-2][2]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    table = np.array(blocks)
    logit, rate = table[:, 0] / table[:, 2], np.clip(table[:, 1] / table[:, 2], 1e-6, 1 - 1e-6)
    if logit.size > _NODES:
        nodes = np.unique(np.quantile(logit, np.linspace(0, 1, _NODES)))
        rate, logit = sigmoid(np.interp(nodes, logit, np.log(rate / (1 - rate)))), nodes
    if logit.size < 2:
        return Curve(kind="isotonic")
    calibrated = np.log(rate / (1 - rate))
    return Curve(tuple(float(v) for v in logit), tuple(float(v) for v in calibrated), "isotonic")
