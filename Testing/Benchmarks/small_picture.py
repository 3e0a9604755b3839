"""Pictures of gray images for the repository, in less than 300 kB: few grays, then fewer pixels."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from StrokeSynthLib.files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

#: Most that a picture may take (bytes): with some room below what the repository takes.
MOST = 290_000
#: Grays that a picture keeps. Noise of the images hides the steps between them.
GRAYS = 32
#: Pixels per inch that are tried, the first that fits is kept.
RESOLUTIONS = (110, 100, 90, 80, 70, 60)


def save_small(
    figure: Figure, path: Path, colors: Sequence[tuple[int, int, int]] = (), most: int = MOST
) -> int:
    """Write a figure as a PNG with a palette; the resolution that it was written with.

    Parameters
    ----------
    figure
        Gray, but for ``colors``; colored lines without antialiasing, whose blends are not kept.
    colors
        RGB of 0 to 255 that are kept beside the grays.
    most
        Size (bytes). The smallest resolution is written even if it takes more.
    """
    palette = _palette(colors)
    for resolution in RESOLUTIONS:
        content = _content(figure, resolution, palette)
        if len(content) <= most:
            break
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return resolution


def _palette(colors: Sequence[tuple[int, int, int]]) -> Image.Image:
    # A little finer where it is dark: tissue is.
    grays = np.rint(255 * np.linspace(0, 1, GRAYS) ** 1.25).astype(int)
    image = Image.new("P", (1, 1))
    image.putpalette(
        [value for gray in grays.tolist() for value in (gray,) * 3] + [v for c in colors for v in c]
    )
    return image


def _content(figure: Figure, resolution: int, palette: Image.Image) -> bytes:
    drawn, written = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=resolution)
    image = Image.open(drawn).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    image.save(written, "PNG", optimize=True)
    return written.getvalue()
