"""Pictures for the repository are small and still show what they are to show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
Image = pytest.importorskip("PIL.Image")

from Testing.Benchmarks.small_picture import MOST, RESOLUTIONS, save_small  # noqa: E402

ORANGE = (232, 163, 61)


def montage(rows: int) -> matplotlib.figure.Figure:
    """Noisy disks side by side with an outline, one beside a gray wedge."""
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(0)
    figure, axes = plt.subplots(rows, 6, figsize=(10.2, 1.8 * rows), squeeze=False)
    x, y = np.meshgrid(*[np.linspace(-1, 1, 160)] * 2)
    for axis in axes.ravel():
        axis.axis("off")
        image = np.where(np.hypot(x, y) < 0.9, 0.35 + 0.06 * rng.standard_normal(x.shape), 0.0)
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.contour(np.hypot(x, y) < 0.4, [0.5], colors=[tuple(v / 255 for v in ORANGE)],
                     linewidths=0.6, antialiased=False)  # fmt: skip
    axes[0, 0].clear()
    axes[0, 0].imshow(np.tile(np.linspace(0, 1, 256), (64, 1)), cmap="gray", vmin=0, vmax=1)
    return figure


@pytest.mark.parametrize("rows", [2, 12])
def test_a_montage_fits_whatever_its_length(tmp_path: Path, rows: int) -> None:
    figure = montage(rows)
    figure.savefig(tmp_path / "plain.png", dpi=RESOLUTIONS[0])
    resolution = save_small(figure, tmp_path / "small.png", [ORANGE])
    assert (tmp_path / "small.png").stat().st_size <= MOST
    picture = Image.open(tmp_path / "small.png")
    assert picture.mode == "P"
    assert picture.width == round(10.2 * resolution) >= 600
    if rows == 12:
        assert (tmp_path / "plain.png").stat().st_size > 2 * MOST, "this one would not have fitted"
        assert resolution < RESOLUTIONS[0]
    else:
        assert resolution == RESOLUTIONS[0], "no pixel is given away that has room"


def test_grays_stay_close_and_the_outline_keeps_its_color(tmp_path: Path) -> None:
    figure = montage(2)
    save_small(figure, tmp_path / "small.png", [ORANGE])
    figure.savefig(tmp_path / "plain.png", dpi=RESOLUTIONS[0])
    small, plain = (
        np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"), int) for name in ("small", "plain")
    )
    outline = (plain == ORANGE).all(2)
    assert outline.sum() > 1000
    assert (small[outline] == ORANGE).all()
    gray = (plain == plain[..., :1]).all(2)
    assert np.abs(small - plain)[gray].max() <= 8, "no more than a step between grays makes"
