"""The audit's page shows a match where it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from StrokeSynthLib.evaluate.copies import Match
from StrokeSynthLib.evaluate.likeness import alike_slices, parts
from StrokeSynthLib.evaluate.standard import StandardCase, Standardized, template
from StrokeSynthLib.study.audit_page import _panels

SLABS = [name for name in parts().names if name.startswith("slab")]


def detail(seed: int) -> np.ndarray:
    """Detail of somebody's own."""
    inside = template().inside
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(inside.shape), 0.8)
    return np.where(inside, noise / noise[inside].std(), 0.0).astype(np.float16)


def heights(part: str) -> range:
    """Slices of a part."""
    cut = parts()
    belongs = np.append(cut.members[cut.names.index(part)], 0.0)[cut.blocks] > 0
    found = np.flatnonzero(belongs.reshape(template().inside.shape).any((0, 1)))
    return range(int(found[0]), int(found[-1]) + 1)


def copied(own: np.ndarray, other: np.ndarray, slices: range) -> np.ndarray:
    """``other`` with these slices of ``own``."""
    result = other.copy()
    result[:, :, slices] = own[:, :, slices]
    return result


@pytest.mark.parametrize("part", [SLABS[0], SLABS[3], SLABS[-1], "whole brain"])
@pytest.mark.parametrize("change", ["same", "moved", "inverted"])
def test_the_slices_are_those_that_were_copied(part: str, change: str) -> None:
    place = heights(part)
    middle = place[len(place) // 2]
    first = detail(1)
    second = copied(first, detail(2), range(middle - 1, middle + 2))
    off = 0
    if change == "moved":
        second, off = np.roll(second, (1, 0, -1), (0, 1, 2)), -1
    if change == "inverted":
        second = -second
    one, other = alike_slices(first, second, part)
    assert one in (middle - 1, middle, middle + 1)
    assert other == one + off


def test_the_slices_lie_in_the_part_whatever_agrees_elsewhere() -> None:
    first = detail(1)
    everywhere = first.copy()
    for part in SLABS:
        assert alike_slices(first, everywhere, part)[0] in heights(part)


@pytest.mark.parametrize("mirrored", [False, True])
def test_panels_show_the_slab_of_the_match(mirrored: bool) -> None:
    own, part = detail(1), SLABS[-1]
    other = copied(own, detail(2), heights(part))
    if mirrored:
        other = other[::-1]
    images = [np.random.default_rng(seed).random(own.shape).astype(np.float16) for seed in (3, 4)]
    audit: Any = SimpleNamespace(
        synthetic=[_measured("made", images[0], own)], real=[_measured("person", images[1], other)]
    )
    panels = _panels(audit, Match(0, 0, "adc", part, 20.0, 0.5, mirrored))
    assert [panel.title for panel in panels] == [
        "synthetic made", "real person", "detail of synthetic", "detail of real",
    ]  # fmt: skip
    (number,) = [z for z in range(own.shape[2]) if np.array_equal(panels[2].image, own[:, :, z])]
    assert number in heights(part)
    assert np.array_equal(panels[0].image, images[0][:, :, number])
    seen = images[1][::-1] if mirrored else images[1]
    assert np.array_equal(panels[1].image, seen[:, :, number])
    assert np.array_equal(panels[2].image, panels[3].image), "the copy is seen to be one"


def _measured(name: str, image: np.ndarray, own: np.ndarray) -> Any:
    standard = StandardCase({"adc": Standardized(image, own)}, np.eye(4))
    return SimpleNamespace(name=name, standard=standard)
