"""`host`: a fresh application with an empty scene. `pictures`: skips where nothing can be rendered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .install import install, missing


@pytest.fixture
def host(tmp_path: Path) -> Iterator[object]:
    """See host.Host. Problems that the application reports fail the test, at the latest at its end."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    install()
    from .host import Host

    running = Host(tmp_path / "slicer")
    yield running
    running.end()


@pytest.fixture(scope="session")
def pictures() -> None:
    """For tests that render slice or 3D views."""
    reason = missing()
    if reason is None:
        from .rendering import cannot_render

        reason = cannot_render()
    if reason:
        pytest.skip(reason)
