"""Whether examinations are copies of others: the rule, with the control that shows what no copy looks like.

For every case the likeness (:mod:`.likeness`) to each reference case is taken in every channel and part of
the brain, as Fisher's z. *Evidence* is how far a pair stands above what this case has in common with
reference cases in general: (z - median over the references) / usual spread. So images that are
smooth, or of a protocol of their own, have no more evidence than others. A few real cases are resembled by
many (a scalp that the brain mask let in, a poor registration): a pair must also stand above what other real
people, and the other synthetic cases, reach with that real case.

**Control.** The same for every real case against the real cases of other people. Their highest evidences, one
a case, follow an extreme-value (Gumbel) distribution; it is fitted to their median and 90th percentile, so
that a real case that is in both sets does not widen it. **Rule.** A case is a copy if its evidence
is above the level that a cohort of its size without copies reaches with a probability of 1 %, and never below
:data:`LEAST_EVIDENCE`, and the correlation itself above :data:`LEAST_CORRELATION`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .likeness import Common, Details, compare, parts
from .standard import CHANNELS, StandardCase

Array = npt.NDArray[Any]

FALSE_ALARM = 0.01
LEAST_EVIDENCE = 9.0
LEAST_CORRELATION = 0.3
#: A part's usual spread is not taken to be smaller (Fisher's z): that of some 2,500 independent voxels.
_LEAST_SPREAD = 0.02
#: A real case's own spread is not taken to be wider than so many times that of all pairs.
_WIDEST = 3.0
#: From the median to the upper quartile, in standard deviations.
_QUARTILE = 0.6745
#: Fewer synthetic cases do not tell what is usual among them.
_ENOUGH = 8


@dataclass(frozen=True)
class Match:
    """The reference case that a case is most like.

    Parameters
    ----------
    case, reference
        Numbers in their sets.
    channel, part
        Where the evidence is strongest.
    evidence, correlation
        There.
    mirrored
        Whether the reference's mirror image fits better.
    """

    case: int
    reference: int
    channel: str
    part: str
    evidence: float
    correlation: float
    mirrored: bool


@dataclass(frozen=True)
class Evidence:
    """Of all pairs, the strongest over channels and parts; arrays (cases, references).

    Parameters
    ----------
    value
        NaN for pairs that were left out.
    correlation, channel, part, mirrored
        Of the strongest channel and part.
    whole
        Likeness of the whole brain: the largest correlation over the channels; NaN where none is known.
    general
        The same of the whole brain alone, the largest over the channels, in units of the spread of all pairs.
    """

    value: Array
    correlation: Array
    channel: Array
    part: Array
    mirrored: Array
    whole: Array
    general: Array

    def matches(self) -> list[Match]:
        """The strongest of each case."""
        best = np.nanargmax(np.where(np.isnan(self.value), -np.inf, self.value), axis=1)
        rows = np.arange(len(best))
        return [
            Match(
                int(i), int(j), CHANNELS[self.channel[i, j]], parts().names[self.part[i, j]],
                float(self.value[i, j]), float(self.correlation[i, j]), bool(self.mirrored[i, j]),
            )
            for i, j in zip(rows, best, strict=True)
        ]  # fmt: skip


@dataclass(frozen=True)
class Usual:
    """What correlations of one channel usually are, as Fisher's z without the median of each case.

    Parameters
    ----------
    spread
        (parts,) of all pairs.
    level, wide
        (references, parts) median and spread of each real case among others, in units of ``spread``; the
        latter from 1 to :data:`_WIDEST`.
    """

    spread: Array
    level: Array
    wide: Array

    @classmethod
    def of(cls, correlation: Array) -> Usual:
        """Of real cases against other real people."""
        spread = _spread(correlation)
        level, wide = _columns(_centered(correlation) / spread)
        return cls(spread, level, wide)

    def among(self, correlation: Array) -> Usual:
        """With the spread among these cases as well, where they are enough to tell it.

        Copies of one case in less than a quarter of them do not count in it, and more can hide little: its
        spread is bounded.
        """
        if len(correlation) < _ENOUGH:
            return self
        _, wide = _columns(_centered(correlation) / self.spread)
        return replace(self, wide=np.maximum(self.wide, wide))

    def evidence(self, correlation: Array) -> tuple[Array, Array]:
        """How far each pair stands above what is usual: of its real case, and of all pairs."""
        plain = _centered(correlation) / self.spread
        return (plain - self.level) / self.wide, plain


@dataclass(frozen=True)
class Reference:
    """Real cases that others are compared with.

    Parameters
    ----------
    cases
        In standard space.
    persons
        Whose they are.
    common
        What people have in common, by channel.
    usual
        What is usual, by channel.
    control
        Evidence of every real case against those of other people.
    """

    cases: Sequence[StandardCase]
    persons: Sequence[str]
    common: Mapping[str, Common]
    usual: Mapping[str, Usual]
    control: Evidence

    @classmethod
    def of(
        cls, cases: Sequence[StandardCase], persons: Sequence[str], step: Callable[[], None] = lambda: None
    ) -> Reference:
        """Compare the real cases with each other."""
        common = {
            channel: Common.of([c.channels[channel].detail for c in cases if channel in c.channels])
            for channel in CHANNELS
            if any(channel in c.channels for c in cases)
        }
        same = np.array([[a == b for b in persons] for a in persons])
        found = _correlations(cases, cases, common, step)
        for correlation, _ in found.values():
            correlation[same] = np.nan
        usual = {channel: Usual.of(correlation) for channel, (correlation, _) in found.items()}
        return cls(cases, persons, common, usual, _evidence(found, usual))

    def evidence(self, cases: Sequence[StandardCase], step: Callable[[], None] = lambda: None) -> Evidence:
        """Of cases against all of these."""
        found = _correlations(cases, self.cases, self.common, step)
        usual = {
            channel: self.usual[channel].among(correlation) for channel, (correlation, _) in found.items()
        }
        return _evidence(found, usual)

    def threshold(self, cases: int) -> float:
        """Evidence that a cohort of so many cases without copies hardly ever reaches."""
        tops = np.nanmax(self.control.value, axis=1)
        return max(LEAST_EVIDENCE, extreme(tops[np.isfinite(tops)], FALSE_ALARM / max(cases, 1)))


def extreme(tops: Array, probability: float) -> float:
    """What is exceeded with a small probability: Gumbel distribution through median and 90th percentile."""
    middle, high = np.quantile(tops, [0.5, 0.9])
    width = max(float(high - middle), 1e-6) / (-np.log(-np.log(0.9)) + np.log(np.log(2.0)))
    place = float(middle) + width * float(np.log(np.log(2.0)))
    return float(place - width * np.log(-np.log1p(-probability)))


def is_copy(match: Match, threshold: float) -> bool:
    """Whether a match is a copy by the rule of the module."""
    return match.evidence > threshold and match.correlation > LEAST_CORRELATION


_Found = dict[str, tuple[Array, Array]]


def _correlations(
    first: Sequence[StandardCase], second: Sequence[StandardCase], common: Mapping[str, Common],
    step: Callable[[], None],
) -> _Found:  # fmt: skip
    """By channel: correlation (first, second, parts), NaN where a case lacks the channel; mirrored."""
    found: _Found = {}
    for channel, patterns in common.items():
        has = [[i for i, c in enumerate(cases) if channel in c.channels] for cases in (first, second)]
        shape = (len(first), len(second), len(parts().names))
        correlation, mirrored = np.full(shape, np.nan, np.float32), np.zeros(shape, bool)
        if has[0] and has[1]:
            details = [
                Details.of([cases[i].channels[channel].detail for i in which], patterns)
                for cases, which in zip((first, second), has, strict=True)
            ]
            pair = compare(details[0], details[1], step)
            correlation[np.ix_(*has)], mirrored[np.ix_(*has)] = pair.correlation, pair.mirrored
        found[channel] = (correlation, mirrored)
    return found


def _fisher(correlation: Array) -> Array:
    return np.asarray(np.arctanh(np.clip(correlation, 0.0, 0.9999)))


def _centered(correlation: Array) -> Array:
    """Fisher's z without its median over the references."""
    z = _fisher(correlation)
    return z - _nanmedian(z, 1)[:, None]


def _nanmedian(values: Array, axis: int | tuple[int, ...]) -> Array:
    """Median of what is known; 0 where nothing is, in silence."""
    empty = np.isnan(values).all(axis=axis, keepdims=True)
    return np.asarray(np.nanmedian(np.where(empty, 0.0, values), axis=axis))


def _spread(correlation: Array) -> Array:
    return np.maximum(1.4826 * _nanmedian(np.abs(_centered(correlation)), (0, 1)), _LEAST_SPREAD)


def _columns(z: Array) -> tuple[Array, Array]:
    """Median and spread (by the upper quartile) of each real case among others, (references, parts)."""
    empty = np.isnan(z).all(axis=0, keepdims=True)
    level, upper = np.nanquantile(np.where(empty, 0.0, z), [0.5, 0.75], axis=0)
    return np.asarray(level), np.clip((upper - level) / _QUARTILE, 1.0, _WIDEST)


def _evidence(found: _Found, usual: Mapping[str, Usual]) -> Evidence:
    channels = [channel for channel in CHANNELS if channel in found]
    correlation = np.stack([found[channel][0] for channel in channels], axis=2)
    mirrored = np.stack([found[channel][1] for channel in channels], axis=2)
    both = [usual[channel].evidence(found[channel][0]) for channel in channels]
    value, plain = (np.stack(each, axis=2) for each in zip(*both, strict=True))
    shape = correlation.shape
    flat = np.where(np.isnan(value), -np.inf, value).reshape(*shape[:2], -1)
    best = flat.argmax(axis=2)[..., None]
    channel, part = (index[..., 0] for index in np.divmod(best, shape[3]))

    def chosen(values: Array) -> Array:
        return np.asarray(np.take_along_axis(values.reshape(*shape[:2], -1), best, axis=2)[..., 0])

    numbers = np.array([CHANNELS.index(name) for name in channels])
    strongest = chosen(flat)
    return Evidence(
        np.where(np.isfinite(strongest), strongest, np.nan), chosen(correlation), numbers[channel], part,
        chosen(mirrored), _largest(correlation[..., 0]), _largest(plain[..., 0]),
    )  # fmt: skip


def _largest(values: Array) -> Array:
    """Over the channels, NaN where none is known."""
    top = np.where(np.isnan(values), -np.inf, values).max(axis=2)
    return np.where(np.isfinite(top), top, np.nan)
