"""How much of one examination is found again in another: correlation of detail, part by part.

Two people's brains in standard space look alike; what is left of each without what people have in common
(its *own detail*: folds, ventricles, lesions) does not. For a pair of images the correlation of own
detail is taken over the whole brain and over parts of it (sides, front and back, slabs of 24 mm), as a
copy may be of one hemisphere or some slices only; at the best of shifts of one step (4 mm)
every way, as registration is not exact; as it is and mirrored. Its sign does not count: an
inverted scale is a copy as well.

All pairs of two sets are compared at once, by products of matrices, block by block of the brain.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .standard import template

Array = npt.NDArray[Any]

#: Slabs of this many steps (4 mm) across the brain.
_SLAB = 6
#: Slabs of fewer voxels, at both ends of the brain, belong to the next one: so few agree by chance.
_FEWEST_VOXELS = 2500
_STEPS = (-1, 0, 1)
_SHIFTS = tuple((i, j, k) for i in _STEPS for j in _STEPS for k in _STEPS)
#: Modes of what people have in common beside their average; fewer with few people.
_MODES = 6
#: A part that is known in less than this share says nothing.
_LEAST_KNOWN = 0.6


@dataclass(frozen=True)
class Parts:
    """How the brain is cut.

    Parameters
    ----------
    blocks
        (voxels,) number of the block that each voxel of the lattice lies in; -1 outside the brain.
    names
        Of the parts.
    members
        (parts, blocks) 1 where a block belongs to a part.
    """

    blocks: Array
    names: tuple[str, ...]
    members: Array


@lru_cache(maxsize=1)
def parts() -> Parts:
    """Blocks of left and right, front and back, and slabs; and the parts that they add up to."""
    head = template()
    x, y, z = np.meshgrid(*map(head.lattice.axis, range(3)), indexing="ij")
    inside = head.inside
    low = int(np.flatnonzero(inside.any(axis=(0, 1)))[0])
    height = np.round((z - head.lattice.low[2]) / head.lattice.step).astype(int)
    slab = (height - low) // _SLAB
    large = np.flatnonzero(np.bincount(slab[inside]) >= _FEWEST_VOXELS)
    slab = np.clip(slab, large[0], large[-1]) - large[0]
    count = int(slab[inside].max()) + 1
    middle = float(np.median(y[inside]))
    blocks = np.where(inside, (slab * 2 + (x > 0)) * 2 + (y > middle), -1)
    every = np.array(list(itertools.product(range(count), (0, 1), (0, 1))))
    members = {
        "whole brain": np.ones(len(every), bool),
        "left side": every[:, 1] == 0,
        "right side": every[:, 1] == 1,
        "back": every[:, 2] == 0,
        "front": every[:, 2] == 1,
    }
    members |= {f"slab {number + 1} of {count}": every[:, 0] == number for number in range(count)}
    return Parts(blocks.ravel(), tuple(members), np.stack(list(members.values())).astype(np.float32))


@dataclass(frozen=True)
class Common:
    """What people have in common in one channel.

    Parameters
    ----------
    patterns
        (n, x, y, z) float32: the average detail, how it changes when it is moved, stretched or sheared a
        little (what registration leaves over), and the strongest modes of the rest.
    """

    patterns: Array

    @classmethod
    def of(cls, detail: Sequence[Array]) -> Common:
        """Of real cases; the same on both sides, so that mirrored copies are no special case."""
        average = average_of(detail)
        patterns = [average, *_moved(average)]
        count = min(_MODES, len(detail) // 8)
        if count:
            rest = Details.of(detail, cls(np.stack(patterns))).values.reshape(len(detail), -1)
            both = np.concatenate([rest, rest.reshape(-1, *average.shape)[:, ::-1].reshape(rest.shape)])
            # Modes by the small matrix of products between cases.
            strength, turned = np.linalg.eigh(both @ both.T)
            for column in np.argsort(strength)[::-1][:count]:
                patterns.append((turned[:, column] @ both).reshape(average.shape))
        scale = [max(float(np.sqrt((p**2).mean())), 1e-9) for p in patterns]
        return cls(np.stack([p / s for p, s in zip(patterns, scale, strict=True)]).astype(np.float32))


def _moved(average: Array) -> list[Array]:
    """Derivatives of an image along small shifts, stretches and shears."""
    places = np.meshgrid(*[np.linspace(-1, 1, n) for n in average.shape], indexing="ij")
    slopes = np.gradient(average)
    return [slope * place for slope in slopes for place in (np.ones(average.shape), *places)]


@dataclass(frozen=True)
class Details:
    """Own detail of some images of one channel.

    Parameters
    ----------
    values
        (images, x, y, z) float32, 0 where nothing is known.
    """

    values: Array

    @classmethod
    def of(cls, detail: Sequence[Array], common: Common) -> Details:
        """What is left of each image's detail without what people have in common (by least squares)."""
        values = np.stack(detail).astype(np.float32)
        patterns = common.patterns.reshape(len(common.patterns), -1)
        for own in values.reshape(len(values), -1):
            known = np.flatnonzero(own)
            if known.size <= len(patterns):
                continue
            seen = patterns[:, known]
            products = seen @ seen.T
            products += 1e-6 * np.trace(products) * np.eye(len(products), dtype=np.float32)
            own[known] -= np.linalg.solve(products, seen @ own[known]) @ seen
        return cls(values)


def average_of(detail: Sequence[Array]) -> Array:
    """Mean detail where it is known, the same on both sides, so that mirrored copies are no special case."""
    total = np.zeros(detail[0].shape, np.float64)
    known = np.zeros(detail[0].shape, np.float64)
    for each in detail:
        total += each + each[::-1]
        known += (each != 0).astype(float) + (each[::-1] != 0)
    return np.asarray(total / np.maximum(known, 1), np.float32)


@dataclass(frozen=True)
class Likeness:
    """Of every pair of two sets: arrays (first, second, parts).

    Parameters
    ----------
    correlation
        Of own detail, without its sign, at the best shift and side; NaN where too little is known of a part.
    mirrored
        Whether the mirrored image fits better.
    """

    correlation: Array
    mirrored: Array


def compare(
    first: Details, second: Details, step: Callable[[], None] = lambda: None, *,
    shifts: Sequence[tuple[int, int, int]] = _SHIFTS, flips: Sequence[bool] = (False, True),
) -> Likeness:  # fmt: skip
    """Every image of the first set against every one of the second; ``step`` is told of each shift."""
    if len(second.values) > len(first.values):  # what is moved about should be the smaller set
        turned = compare(second, first, step, shifts=shifts, flips=flips)
        return Likeness(turned.correlation.swapaxes(0, 1), turned.mirrored.swapaxes(0, 1))
    cut = parts()
    inside = np.flatnonzero(cut.blocks >= 0)
    inside = inside[np.argsort(cut.blocks[inside], kind="stable")]
    ends = np.cumsum(np.bincount(cut.blocks[inside], minlength=cut.members.shape[1]))
    size = np.diff(ends, prepend=0).astype(np.float32) @ cut.members.T
    shape = (len(first.values), len(second.values), len(cut.names))
    best, mirrored = np.full(shape, -1.0, np.float32), np.zeros(shape, bool)
    own = _by_block(first.values, inside, ends)
    _, _, rows, columns = second.values.shape
    for flip in flips:
        turned_values = np.ascontiguousarray(second.values[:, ::-1]) if flip else second.values
        for i, j, k in shifts:
            # The lattice reaches beyond the brain, so that no shift by a step runs over its edge.
            offset = (i * rows + j) * columns + k
            other = _by_block(turned_values, np.clip(inside - offset, 0, cut.blocks.size - 1), ends)
            found = _correlations(own, other, cut.members, size)
            better = found > best
            best[better], mirrored[better] = found[better], flip
            step()
    best[best < 0] = np.nan
    return Likeness(best, mirrored)


def alike_slices(first: Array, second: Array, part: str) -> tuple[int, int]:
    """The slice of each of two images' detail, (x, y, z), in which a part of them is most alike: for the eye.

    Numbers along z; that of the second differs where it fits best a step higher or lower. A mirrored match
    has to be given mirrored. What people have in common is not taken out here.
    """
    cut = parts()
    belongs = np.append(cut.members[cut.names.index(part)], 0.0)[cut.blocks].reshape(first.shape) > 0
    own = np.where(belongs, first, 0.0).astype(np.float32)
    best, found = -1.0, (0, 0)
    for shift in _SHIFTS:
        other = np.where(belongs, np.roll(second.astype(np.float32), shift, (0, 1, 2)), 0.0)
        product = (own * other).sum((0, 1))
        likeness = abs(float(product.sum())) / max(float(np.linalg.norm(other)), 1e-9)
        if likeness > best:
            slice_ = int((product * np.sign(product.sum())).argmax())
            best, found = likeness, (slice_, slice_ - shift[2])
    return found


def _by_block(values: Array, places: Array, ends: Array) -> list[tuple[Array, Array, Array]]:
    """For each block (images, voxels): values, their squares, and whether they are known."""
    chosen = values.reshape(len(values), -1)[:, places]
    squares, known = chosen**2, (chosen != 0).astype(np.float32)
    cuts = [slice(low, high) for low, high in zip([0, *ends[:-1]], ends, strict=True)]
    return [(chosen[:, cut], squares[:, cut], known[:, cut]) for cut in cuts]


def _correlations(
    own: Sequence[tuple[Array, Array, Array]], other: Sequence[tuple[Array, Array, Array]],
    members: Array, size: Array,
) -> Array:  # fmt: skip
    """(first, second, parts), -1 where too little is known."""
    sums = [
        (a @ b.T, aa @ known_b.T, known_a @ bb.T, known_a @ known_b.T)
        for (a, aa, known_a), (b, bb, known_b) in zip(own, other, strict=True)
    ]
    product, first, second, known = (np.stack(each, axis=-1) @ members.T for each in zip(*sums, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.abs(product) / np.sqrt(first * second)
    return np.where((known >= _LEAST_KNOWN * size) & np.isfinite(value), value, -1.0)
