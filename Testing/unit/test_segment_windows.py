"""What a 2D network is shown of each slice, and that nothing gets lost or moved by it."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.segment.engines import NetworkOutput
from StrokeSynthLib.segment.inference import NO_LESION, examine
from StrokeSynthLib.segment.inputs import DWI
from StrokeSynthLib.segment.options import NetworkOptions
from StrokeSynthLib.segment.windows import around

OPTIONS = NetworkOptions(channels=(4, 8, 8), depth=3, tissues=True)  # sizes are multiples of 4


class Copying:
    """A network whose logit is the DWI and whose tissue is its whole part; keeps what it was shown."""

    reason = "a test"

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def run(self, count, inputs, *, tissue=False):
        slices = inputs(range(count))[:, 1]  # DWI of below, of the slice, of above come first
        self.shown += [one.shape for one in slices]
        return NetworkOutput(
            slices, slices.astype(np.uint8) if tissue else None, slices.mean(axis=(1, 2))[:, None]
        )


def examination() -> tuple[np.ndarray, np.ndarray]:
    """Images (4, 5, 30, 37) with another value in every voxel, and a brain that grows with height."""
    images = np.zeros((4, 5, 30, 37), np.float16)
    images[DWI] = np.arange(5 * 30 * 37).reshape(5, 30, 37) / 100
    brain = np.zeros((5, 30, 37), bool)
    for z in range(1, 5):
        brain[z, 14 - 3 * z : 15 + 3 * z, 18 - 4 * z : 20 + 4 * z] = True
    return images, brain


def test_every_window_holds_the_brain_and_its_margin():
    _, brain = examination()
    windows = around(brain, 2, (4, 4))
    assert windows[0] is None
    for one, window in zip(brain[1:], windows[1:], strict=True):
        assert window is not None
        assert all(size % 4 == 0 for size in window.shape)
        near = np.zeros((32, 40), bool)  # padded
        near[:30, :37] = one
        where = np.argwhere(near)
        low, high = np.maximum(where.min(0) - 2, 0), np.minimum(where.max(0) + 3, (30, 37))
        assert window.x.start <= low[0]
        assert window.x.stop >= high[0]
        assert window.y.start <= low[1]
        assert window.y.stop >= high[1]
        assert window.x.start >= 0
        assert window.x.stop <= 32
        assert window.y.stop <= 40


@pytest.mark.parametrize("flips", [False, True])
def test_answers_come_back_to_their_voxels(flips):
    images, brain = examination()
    network = Copying()
    found = examine(
        network, OPTIONS, images, adc_known=False, thickness=5.0, tissue=True, flips=flips, brain=brain,
        margin=2,
    )  # fmt: skip
    np.testing.assert_allclose(found.lesion[brain], images[DWI][brain].astype(np.float32))
    assert found.tissue is not None
    np.testing.assert_array_equal(found.tissue[brain], images[DWI][brain].astype(np.uint8))
    assert (found.lesion[0] == NO_LESION).all()
    assert (found.tissue[0] == 0).all()
    assert len(found.features) == 4  # of the slices that were shown
    assert max(x * y for x, y in network.shown) <= 32 * 40
    assert min(x * y for x, y in network.shown) < 32 * 40 / 2


def test_an_examination_without_brain_has_no_lesion_and_no_features():
    images, brain = examination()
    found = examine(
        Copying(), OPTIONS, images, adc_known=False, thickness=5.0, brain=np.zeros_like(brain), flips=True
    )
    assert (found.lesion == NO_LESION).all()
    assert len(found.features) == 0
