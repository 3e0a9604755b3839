"""Fixtures of all tests."""

from .Host.fixtures import host, pictures

__all__ = ["host", "pictures"]
