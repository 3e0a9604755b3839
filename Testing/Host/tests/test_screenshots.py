"""The manual's pictures are there, and the panel still looks as they show it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Testing.Host import screenshots

#: Mean difference of gray values, of 255: fonts differ between machines, the network's last digits too.
PANEL_TOLERANCE, VIEW_TOLERANCE = 6.0, 2.0
PANELS = [f"slicer-{name}" for name in screenshots.STEPS]
VIEWS = ["slicer-comparison", "slicer-segmentation"]


@pytest.mark.parametrize("name", [*PANELS, *VIEWS])
def test_pictures_of_the_manual_are_there_and_small(name: str) -> None:
    path = screenshots.OUT / f"{name}.png"
    assert path.stat().st_size <= screenshots.LARGEST
    width, height = Image.open(path).size
    assert width == (screenshots.PANEL_WIDTH if name in PANELS else 912)
    assert height > 300


@pytest.fixture
def tour(host, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("STROKESYNTH_HOME", str(tmp_path / "data"))
    return screenshots.Tour(host, tmp_path, tmp_path)


def test_panel_and_views_look_as_in_the_manual(tour, tmp_path: Path) -> None:
    """From the simulated case to its segmentation; what trains takes minutes and is left to the script."""
    tour.start()
    tour.case()
    tour.segment()
    for name, tolerance in (("slicer-case", PANEL_TOLERANCE), ("slicer-segmentation", VIEW_TOLERANCE)):
        made, kept = tmp_path / f"{name}.png", screenshots.OUT / f"{name}.png"
        assert distance(made, kept) < tolerance, name
    # The comparison tells them apart from others:
    assert distance(tmp_path / "slicer-case.png", screenshots.OUT / "slicer-synthesize.png") > PANEL_TOLERANCE
    shown = screenshots.OUT / "slicer-comparison.png"
    assert distance(tmp_path / "slicer-segmentation.png", shown) > VIEW_TOLERANCE


def distance(first: Path, second: Path) -> float:
    """Mean difference where both are; what only one has counts as half black, half white."""
    a, b = (np.asarray(Image.open(path).convert("L")).astype(float) for path in (first, second))
    height, width = (max(sizes) for sizes in zip(a.shape, b.shape, strict=True))
    different = np.full((height, width), 127.0)
    rows, columns = (min(sizes) for sizes in zip(a.shape, b.shape, strict=True))
    different[:rows, :columns] = np.abs(a[:rows, :columns] - b[:rows, :columns])
    return float(different.mean())
