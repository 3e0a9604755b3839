"""How far a point lies from a cloud of known ones, in standard deviations."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: The limit is this quantile of known points that were held out while fitting, times the room. The farthest
#: ones tell little: among examinations spread on purpose some are as odd as wrong inputs are.
QUANTILE, _ROOM = 0.95, 1.5
_FOLDS = 5
#: Share of the points that shape the cloud.
_INNER = 0.95


@dataclass(frozen=True)
class Distance:
    """Mahalanobis distance with a covariance of few parameters (probabilistic PCA, Tipping & Bishop, 1999).

    The cloud's main directions have variances of their own; all others share one. The distance is
    scaled to about 1 for known points: the root of the mean square over the dimensions.

    Parameters
    ----------
    mean, scale
        (n,): subtracted, then divided by, so that no dimension rules by its unit.
    axes
        (k, n): main directions, orthonormal.
    variance
        (k,): along them.
    rest
        Variance along every other direction.
    limit
        Distance beyond which a point is unlike the known ones.
    """

    mean: Array
    scale: Array
    axes: Array
    variance: Array
    rest: float
    limit: float = float("inf")

    def __call__(self, point: Array) -> float:
        """Distance of a point (n,)."""
        offset = (np.asarray(point, float) - self.mean) / self.scale
        along = self.axes @ offset
        beyond = max(float(offset @ offset - along @ along), 0.0)
        square = float((along**2 / self.variance).sum()) + beyond / self.rest
        return float(np.sqrt(square / offset.size))

    @classmethod
    def fit(cls, points: Array, groups: Sequence[str], directions: int) -> Distance:
        """Fit to ``points`` (cases, n).

        Parameters
        ----------
        groups
            Person of each point: the limit is set by people whom a fit has not seen.
        directions
            Main directions at most; a quarter of the cases at most.
        """
        points = np.asarray(points, float)
        people = sorted(set(groups))
        held_out = []
        for start in range(min(_FOLDS, len(people))):
            fold = set(people[start::_FOLDS])
            inside = np.array([group in fold for group in groups])
            if inside.all():
                continue
            distance = cls._trimmed(points[~inside], directions)
            held_out += [distance(point) for point in points[inside]]
        whole = cls._trimmed(points, directions)
        limit = _ROOM * float(np.quantile(held_out, QUANTILE)) if held_out else float("inf")
        return cls(whole.mean, whole.scale, whole.axes, whole.variance, whole.rest, limit)

    @classmethod
    def _trimmed(cls, points: Array, directions: int) -> Distance:
        """Fitted without the farthest points, which would widen the cloud in their direction."""
        first = cls._of(points, directions)
        distances = np.array([first(point) for point in points])
        return cls._of(points[distances <= np.quantile(distances, _INNER)], directions)

    @classmethod
    def _of(cls, points: Array, directions: int) -> Distance:
        mean, scale = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-6)
        scaled = (points - mean) / scale
        count = max(1, min(directions, len(points) // 4, points.shape[1] - 1))
        _, sizes, axes = np.linalg.svd(scaled, full_matrices=False)
        variance = sizes**2 / max(len(points) - 1, 1)
        others = points.shape[1] - count
        rest = max(float(variance[count:].sum()) / max(others, 1), 1e-3)
        return cls(mean, scale, axes[:count], np.maximum(variance[:count], rest), rest)

    def config(self) -> dict[str, Any]:
        """As JSON; arrays as base64 of float16."""
        packed = {name: _packed(getattr(self, name)) for name in ("mean", "scale", "axes", "variance")}
        return {**packed, "rest": round(self.rest, 5), "limit": round(self.limit, 4)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Distance:
        """From the JSON of a model folder."""
        mean, scale, axes, variance = (_unpacked(config[n]) for n in ("mean", "scale", "axes", "variance"))
        return cls(
            mean, scale, axes.reshape(variance.size, mean.size), variance,
            float(config["rest"]), float(config["limit"]),
        )  # fmt: skip


def _packed(array: Array) -> str:
    return base64.b64encode(np.asarray(array, "<f2").tobytes()).decode()


def _unpacked(text: str) -> Array:
    return np.frombuffer(base64.b64decode(text), "<f2").astype(float)
