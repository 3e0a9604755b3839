"""The network at work on one map while its lesion changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...schema import LESION
from ..background import softened, softening_reach
from ..boxes import Box, sliced
from ..geometry import slice_axis
from ..output import Rendering, effect_of
from ..physics.canvas import Canvas
from ..physics.paint import Noise, add_noise
from ..signal import MAXIMUM_ADC, adc_from, dwi_from, magnitude
from ..stage import Stage, Step, unheard
from .frame import Frame
from .painter import Painter
from .sketch import drawn_sketch, sketch_reach
from .windows import windows_over

Array = npt.NDArray[Any]
#: Runs the network over a frame: classes (x, y, z), sketch of b0 and ADC (2, x, y, z), and the number of
#: each slice in the map, below 0 for those beyond it -> (2, x, y, z). Tells its steps: as many as the painter
#: takes for an image, for each slice in two dimensions, for each window of slices in three.
Generate = Callable[[Array, Array, list[int], Step], Array]

#: What a slice's painting can be.
_OLD, _APPROXIMATE, _EXACT = range(3)
#: Slices on either side of one that a three-dimensional network sees when it need not be exact.
_AROUND = 4


class NetworkStage(Stage):
    """Sketches of a map, kept up to date, and the network's paintings of them, made when they are asked for.

    A network of two dimensions paints each slice alone, so one slice costs one pass over one slice. One
    of three dimensions is shown all windows of the head to be exact; otherwise it sees a few slices
    around those that are wanted.
    """

    def __init__(
        self, generate: Generate, painter: Painter, canvas: Canvas, frame: Frame, effect: bool
    ) -> None:
        softening = softening_reach(canvas.draw.blur_mm, canvas.spacing) if effect else (0, 0, 0)
        reach = [max(pair) for pair in zip(sketch_reach(canvas), softening, strict=True)]
        super().__init__(canvas.shape, slice_axis(canvas.spacing), reach)
        self.approximates = painter.dimensions == 3
        self._generate = generate
        self._step: Step = unheard
        self._painter = painter
        self._canvas = canvas
        self._frame = frame
        self._versions = (False, True) if effect else (False,)
        self._labels: Array | None = None
        self._weight: Array | None = None
        #: With the lesion, and without it where the effect is asked for:
        #: b0, DWI, what is filled, and the grain of b0 and of DWI.
        self._sketch: dict[bool, list[Array | None]] = {bare: [None] * 5 for bare in self._versions}
        #: b0 and DWI by the network, without grain and noise.
        self._painted = {bare: np.zeros((2, *self.shape), np.float32) for bare in self._versions}
        self._quality = {bare: np.full(self.shape[self.axis], _OLD) for bare in self._versions}

    def prepare(self) -> None:
        """See :class:`..stage.Stage`."""
        super().prepare()
        self._canvas.prepare(self.axis)
        self._painted = {bare: sliced(painted, 1 + self.axis) for bare, painted in self._painted.items()}

    def repaint(self, lesion: Array, box: Box) -> None:
        """See :class:`..stage.Stage`."""
        canvas = self._canvas
        labels = canvas.labels_in(lesion, box)[0]
        same = self._labels is not None and np.array_equal(self._labels[box], labels)
        self._labels = self.put(self._labels, labels, box)
        for bare in self._versions:
            if bare and same:  # well tissue looks as before; a stroke need not wait for it
                continue
            new = drawn_sketch(canvas, lesion, box, bare=bare)
            painting = new.painting
            parts = (painting.b0, painting.dwi, painting.filled, new.grain_b0, new.grain_dwi)
            self._sketch[bare] = [
                self.put(target, part, box) for target, part in zip(self._sketch[bare], parts, strict=True)
            ]
            self._quality[bare][box[self.axis]] = _OLD
        if len(self._versions) > 1:
            weight = softened(lesion, canvas.draw.blur_mm, canvas.spacing, box)
            self._weight = self.put(self._weight, weight, box)

    @property
    def steps(self) -> int:
        """See :class:`..stage.Stage`: each slice that the frame holds, or each window of them in 3D."""
        total = 0
        for bare in self._versions:
            looked_at = self._looked_at(range(self.shape[self.axis]), bare)
            if not looked_at:
                continue
            frame, known = self._frame_of(looked_at)
            flat = self._painter.dimensions == 2
            total += len(known) if flat else len(windows_over(frame.shape[2])) * bool(known)
        return total * (self._painter.sampling_steps or 1)

    def compute(self, step: Step = unheard) -> None:
        """See :class:`..stage.Stage`."""
        self._step = step
        try:
            self._bring_up_to_date(range(self.shape[self.axis]), True)
        finally:
            self._step = unheard

    def draw(self, slices: Sequence[int] | None = None, *, exact: bool = True) -> Rendering:
        """See :class:`..stage.Stage`."""
        self._bring_up_to_date(range(self.shape[self.axis]) if slices is None else slices, exact)
        draw = self._canvas.draw
        _, _, filled, grain_b0, grain_dwi = self._sketch_of(False, slices)
        b0, dwi = (self.picked(image, slices) for image in self._painted[False])
        effect = None
        if self._weight is not None:
            bare = [self.picked(image, slices) for image in self._painted[True]]
            weight = self.picked(self._weight, slices)
            effect = effect_of((b0, dwi), (bare[0], bare[1]), weight, draw.b_value)
        if self._painter.paints_noise:
            signals = zip((b0, dwi), self._finer_noise(slices), strict=True)
            b0, dwi = (np.where(filled, magnitude(signal, noise), 0.0) for signal, noise in signals)
            adc = adc_from(b0, dwi, draw.b_value)
        else:
            noise = self._canvas.noise_in(lambda array: self.picked(array, slices))
            b0, dwi, adc = add_noise(b0 * grain_b0, dwi * grain_dwi, filled, draw, noise)
        parameters = dict(self._canvas.parameters)
        if self._painter.sampling_steps is not None:
            parameters["sampling_steps"] = self._painter.sampling_steps
        return Rendering(b0 * draw.level, dwi * draw.level, adc, draw.b_value, effect, parameters)

    def _finer_noise(self, slices: Sequence[int] | None) -> Noise:
        """Of the noise of the map's own grid, what a painting in the frame cannot hold, and beyond the frame.

        Without it noise that is painted comes out interpolated, and smooth, where the map is finer.
        """

        def finer(array: Array) -> Array:
            some = self.picked(array, slices)
            frame = self._frame.of_slices(some.shape[self.axis])
            return some - frame.back(frame.forward(some))

        return self._canvas.noise_in(finer)

    def _bring_up_to_date(self, slices: Sequence[int], exact: bool) -> None:
        for bare in self._versions:
            self._update(slices, exact, bare)

    def _update(self, slices: Sequence[int], exact: bool, bare: bool) -> None:
        count, quality = self.shape[self.axis], self._quality[bare]
        if self._painter.dimensions == 2 or exact:
            looked_at = self._looked_at(slices, bare)
            if looked_at:
                self._store(looked_at, [*range(len(looked_at))], looked_at, bare)
                quality[looked_at] = _EXACT
            return
        wanted = [number for number in slices if quality[number] < _APPROXIMATE]
        for group in _groups(wanted, _AROUND):
            first, last = max(group[0] - _AROUND, 0), min(group[-1] + _AROUND, count - 1)
            self._store(group, [number - first for number in group], list(range(first, last + 1)), bare)
            quality[group] = _APPROXIMATE

    def _looked_at(self, slices: Sequence[int], bare: bool) -> list[int]:
        """What has to be painted for exact ``slices``."""
        wanted = [number for number in slices if self._quality[bare][number] < _EXACT]
        if self._painter.dimensions == 2 or not wanted:
            return wanted
        return list(range(self.shape[self.axis]))

    def _store(self, slices: list[int], places: list[int], looked_at: list[int], bare: bool) -> None:
        """Paint the slices ``looked_at`` together and keep those at ``places``: ``slices``."""
        target: list[Any] = [slice(None)] * 4
        target[1 + self.axis] = slices
        painted = np.stack(self._paint(looked_at, bare))
        self._painted[bare][tuple(target)] = np.take(painted, places, 1 + self.axis)

    def _paint(self, slices: list[int], bare: bool) -> tuple[Array, Array]:
        """b0 and DWI of slices without noise on the map's own grid, painted together."""
        draw = self._canvas.draw
        sketch_b0, sketch_dwi, *_ = self._sketch_of(bare, slices)
        sketch_adc = adc_from(sketch_b0, sketch_dwi, draw.b_value)
        log_b0, change = self._correction(slices, sketch_b0, sketch_adc, bare)
        # Only the correction is interpolated; the sketch has the map's own resolution.
        b0 = sketch_b0 * np.exp(np.clip(log_b0, -self._painter.reach, self._painter.reach))
        adc = np.clip(sketch_adc + change, 0.0, MAXIMUM_ADC)
        return b0, dwi_from(b0, adc, draw.b_value)

    def _correction(
        self, slices: list[int], sketch_b0: Array, sketch_adc: Array, bare: bool
    ) -> tuple[Array, Array]:
        """What the network changes: of log b0, and of ADC. Nothing in slices that show no head."""
        frame, known = self._frame_of(slices)
        result = np.zeros((2, *sketch_b0.shape), np.float32)
        if not known:
            return result[0], result[1]
        assert self._labels is not None
        assert self.lesion is not None
        numbers = [slices[n] for n in known]
        classes = frame.forward(self.picked(self._labels, numbers), order=0)
        if not bare:
            lesion = frame.forward(self.picked(self.lesion, numbers).astype(np.float32)) > 0.5
            classes = np.where(lesion, LESION, classes)
        inputs = np.stack([frame.forward(self.picked(image, known)) for image in (sketch_b0, sketch_adc)])
        painted = self._generate(classes, inputs, self._numbers(frame, numbers), self._step)
        empty = inputs[0] <= 0
        if not self._painter.paints_noise:
            empty |= classes == 0  # air is noise alone: whatever a network paints there is a fault
        log_b0 = np.where(empty, 0.0, np.log(np.maximum(painted[0], 1e-5) / np.maximum(inputs[0], 1e-5)))
        change = np.where(empty, 0.0, painted[1] - inputs[1])
        target: list[Any] = [slice(None)] * 4
        target[1 + self.axis] = known
        result[tuple(target)] = np.stack([frame.back(log_b0), frame.back(change)])
        return result[0], result[1]

    def _numbers(self, frame: Frame, slices: list[int]) -> list[int]:
        """Which slice of the map each slice of a frame over ``slices`` is; below 0 where it is none."""
        start = int(frame.start[2])
        places = range(start, start + frame.shape[2])
        return [slices[place] if 0 <= place < len(slices) else -1 - abs(place) for place in places]

    def _frame_of(self, slices: list[int]) -> tuple[Frame, list[int]]:
        """The frame of slices, put one on the other, and which of them (by place in the list) it holds."""
        flat = self._painter.dimensions == 2
        if not flat and len(slices) == self.shape[self.axis]:
            return self._frame, list(range(len(slices)))
        start = int(self._frame.start[2])
        known = [n for n, z in enumerate(slices) if 0 <= z - start < self._frame.shape[2]]
        return self._frame.of_slices(len(known), 1 if flat else self._painter.multiple[2]), known

    def _sketch_of(self, bare: bool, slices: Sequence[int] | None) -> list[Array]:
        return [self.picked(array, slices) for array in self._sketch[bare] if array is not None]


def _groups(numbers: Sequence[int], gap: int) -> list[list[int]]:
    """Numbers in order, those together that are at most ``gap`` apart."""
    groups: list[list[int]] = []
    for number in sorted(numbers):
        if groups and number - groups[-1][-1] <= gap:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups
