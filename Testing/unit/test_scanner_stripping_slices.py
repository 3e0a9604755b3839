"""Skull stripping keeps the whole brain whatever the slice thickness."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.scanner.stripping import brain_hull
from StrokeSynthLib.schema import PARENCHYMA
from Testing.builders import small_head


@pytest.mark.parametrize("every", [1, 2, 4])
def test_brain_of_thick_slices_is_kept(every: int) -> None:
    head = small_head(1.5)
    labels = head.labels[:, :, every // 2 :: every]
    hull = brain_hull(labels, (1.5, 1.5, 1.5 * every), 0)
    brain = np.isin(labels, PARENCHYMA)
    kept = (brain & (hull > 0.45)).sum(axis=(0, 1)) / np.maximum(brain.sum(axis=(0, 1)), 1)
    full = brain.sum(axis=(0, 1)) > 0.3 * brain.sum(axis=(0, 1)).max()
    assert kept[full].min() > 0.7
    assert (brain & (hull > 0.45)).sum() / brain.sum() > 0.9
