"""Seeds: one number from the user, independent streams for everything drawn from it.

The stream for a case depends on the seed and the case's own number only, never on what was
drawn before, so that cases can be made in any order, again, or on several machines.
"""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, *keys: int | str) -> np.random.Generator:
    """Random stream for ``keys`` (names and numbers) under ``seed``; the same every time."""
    words = [zlib.crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys]
    return np.random.default_rng([int(seed) & 0xFFFFFFFF, *(word & 0xFFFFFFFF for word in words)])
