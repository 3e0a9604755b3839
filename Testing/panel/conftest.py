"""The panel in the headless host, with folders of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .users import choose_examination, keep_worker, section

MODULE = Path(__file__).resolve().parents[2] / "StrokeSynth" / "StrokeSynth.py"


@pytest.fixture
def panel(host: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The module, loaded and entered; jobs and models of the user's own are elsewhere."""
    monkeypatch.setenv("STROKESYNTH_HOME", str(tmp_path / "my data"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return host.load_module(MODULE)  # type: ignore[attr-defined]


@pytest.fixture
def segment(host: object, panel: object) -> object:
    """The section Segment with a small examination chosen; the models are listed."""
    keep_worker(panel)
    choose_examination(host, panel)
    host.wait_until(lambda: panel.hello, 30, "the worker's hello")  # type: ignore[attr-defined]
    return section(host, panel, "Segment")
