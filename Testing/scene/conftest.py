"""Tests of the scene layer are `unittest` classes for Slicer too; here the headless host goes around."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _application(host: object) -> object:
    return host
