"""Averaging with the flipped examination costs a second look at doubtful slices only."""

from __future__ import annotations

import numpy as np

from StrokeSynthLib.segment.engines import NetworkOutput
from StrokeSynthLib.segment.inference import POSSIBLE, examine
from StrokeSynthLib.segment.inputs import DWI
from StrokeSynthLib.segment.options import NetworkOptions

OPTIONS = NetworkOptions(depth=3)


class Brightness:
    """A network whose logit is the DWI of the slice itself, 10 times, less 10; counts what it is asked."""

    reason = "a test"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def run(self, count, inputs, *, tissue=False):
        self.asked.append(count)
        slices = inputs(range(count))
        logit = 10 * slices[:, 1] - 10  # DWI of below, of the slice, of above come first
        # Not symmetric: the left half is seen twice as well.
        logit[:, : logit.shape[1] // 2] += 1
        return NetworkOutput(logit.astype(np.float32), None, np.zeros((count, 2), np.float32))


def examination() -> np.ndarray:
    images = np.zeros((4, 6, 16, 16), np.float16)
    images[DWI, 2, 4, 5] = 2.0
    images[DWI, 4, 9, 9] = 1.5
    return images


def look(*, flips: bool) -> tuple[NetworkOutput, list[int]]:
    network = Brightness()
    found = examine(network, OPTIONS, examination(), adc_known=False, thickness=5.0, flips=flips)
    return found, network.asked


def test_only_slices_with_a_possible_lesion_are_looked_at_again():
    assert look(flips=False)[1] == [6]
    assert look(flips=True)[1] == [6, 2]


def test_second_look_is_turned_back_and_averaged():
    plain, both = look(flips=False)[0].lesion, look(flips=True)[0].lesion
    # Seen once on the left (+1) and once on the right.
    assert both[2, 4, 5] == plain[2, 4, 5] - 0.5
    assert both[4, 9, 9] == plain[4, 9, 9] + 0.5
    others = [0, 1, 3, 5]
    np.testing.assert_array_equal(both[others], plain[others])
    assert plain[others].max() < POSSIBLE
