"""Live preview: the slices that a brush stroke changes, again and again, without the rest of the volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..progress import Progress, silent
from ..volume import Volume
from .drawing import DrawingTranslator, Steps, lesion_array
from .examples import check_labels
from .output import Origin, check_inputs, placed
from .translator import Background, Translator

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PreviewSlices:
    """Slices in the map's own axis order.

    Parameters
    ----------
    numbers
        Along the preview's axis, in the order of the images.
    dwi, adc, b0
        The map's shape, but with these slices only.
    approximate
        Whether they still differ a little from those of the whole volume.
    record
        What makes the whole volume again, once every slice of it has been drawn exactly; else None.
    """

    numbers: tuple[int, ...]
    dwi: Array
    adc: Array
    b0: Array
    approximate: bool
    record: Mapping[str, Any] | None


class Preview:
    """Images of one map with one seed, while the lesion is painted.

    A slice is the same as that of the volume which :meth:`.translator.Translator.translate` makes: bit for
    bit on the processor, to rounding (1e-3 of the range) on a graphics card. Translators with networks of
    three dimensions can give approximate slices in the meantime.

    Parameters
    ----------
    translator
        Open.
    semantic_map, seed, background
        As for the translator.

    Examples
    --------
    >>> preview = Preview(open_translator("physics"), semantic_map)  # doctest: +SKIP
    >>> out_of_date = preview.change(lesion)  # doctest: +SKIP
    >>> visible = preview.draw([12])  # doctest: +SKIP

    Raises
    ------
    BadInputError
        When the inputs do not lie on one grid, or the translator draws whole volumes only.
    """

    def __init__(
        self,
        translator: Translator,
        semantic_map: Volume,
        *,
        seed: int = 0,
        background: Background | None = None,
    ) -> None:
        if not isinstance(translator, DrawingTranslator):
            raise BadInputError(
                f"{translator.kind}: draws whole volumes only and has no preview; synthesize the volume."
            )
        check_inputs(semantic_map, None, background)
        canonical = semantic_map.canonical()
        labels = check_labels(canonical.array, str(semantic_map.source or "the semantic map"))
        self._origin = Origin(
            semantic_map, None, background, translator.kind, translator.model_hash, seed
        )  # fmt: skip
        self._stage = translator.stage(labels, canonical.spacing, seed, effect=background is not None)
        self._stage.prepare()
        orientation = semantic_map.orientation
        #: Across slices, of the map's own array.
        self.axis = orientation.axes[self._stage.axis]
        self._flipped = orientation.flipped[self._stage.axis]
        self.count = semantic_map.array.shape[self.axis]
        self._old: set[int] = set()
        self._rough: set[int] = set()
        self._facts: tuple[float, Mapping[str, str] | None, Mapping[str, Any]] | None = None

    @property
    def approximates(self) -> bool:
        """Whether slices can be had that are approximate but faster."""
        return self._stage.approximates

    @property
    def out_of_date(self) -> tuple[int, ...]:
        """Slices that were not drawn since the lesion changed them."""
        return tuple(sorted(self._old))

    @property
    def approximate(self) -> tuple[int, ...]:
        """Slices that were drawn approximately and not exactly since."""
        return tuple(sorted(self._rough))

    def change(self, lesion: Volume | None) -> tuple[int, ...]:
        """Take another lesion; the numbers of all slices that are out of date now.

        Raises
        ------
        BadInputError
            When it does not lie on the map's grid.
        """
        check_inputs(self._origin.semantic_map, lesion, None)
        numbers = self._stage.change(lesion_array(lesion, self._stage.shape))
        self._origin = replace(self._origin, lesion=lesion)
        changed = {self._turned(number) for number in numbers}
        self._old |= changed
        self._rough -= changed
        return self.out_of_date

    def draw_all(self, progress: Progress = silent) -> PreviewSlices:
        """All of the volume, exactly; ``progress`` as for the translator."""
        if self._stage.lesion is None:
            self.change(None)
        steps = Steps(progress, 1 + self._stage.steps)
        self._stage.compute(steps)
        drawn = self.draw()
        steps()
        return drawn

    def draw(self, numbers: Sequence[int] | None = None, *, exact: bool = True) -> PreviewSlices:
        """Draw slices; all of the volume where no ``numbers`` are given.

        ``exact=False`` takes approximate slices where the translator has them.

        Raises
        ------
        BadInputError
            When there is no such slice.
        """
        if self._stage.lesion is None:
            self.change(None)
        wanted = tuple(range(self.count) if numbers is None else numbers)
        outside = [number for number in wanted if not 0 <= number < self.count]
        if outside or not wanted:
            raise BadInputError(
                f"slices {list(wanted)}: there are 0 to {self.count - 1}; ask for some of them."
            )
        approximate = self.approximates and not exact
        inner = [self._turned(number) for number in wanted]
        # Bringing a stack to the map's order reverses it where the axis is flipped.
        rendering = self._stage.draw(inner[::-1] if self._flipped else inner, exact=not approximate)
        like, background = self._origin.semantic_map, self._origin.background
        images = placed(rendering, like, self._cut_background(background, wanted))
        self._old -= set(wanted)
        self._rough = self._rough | set(wanted) if approximate else self._rough - set(wanted)
        self._facts = (images.b_value, images.sources, rendering.parameters)
        return PreviewSlices(
            wanted, images.dwi.array, images.adc.array, images.b0.array, approximate, self.record()
        )  # fmt: skip

    def record(self) -> dict[str, Any] | None:
        """What makes the whole volume again; None while slices of it were not drawn exactly."""
        if self._old or self._rough or self._facts is None:
            return None
        return self._origin.record(*self._facts)

    def _turned(self, number: int) -> int:
        """Number of a slice in RAS+ order from that in the map's own, and the other way round."""
        return self.count - 1 - number if self._flipped else number

    def _cut(self, volume: Volume, numbers: tuple[int, ...]) -> Volume:
        return replace(volume, array=np.take(volume.array, numbers, self.axis))

    def _cut_background(self, background: Background | None, numbers: tuple[int, ...]) -> Background | None:
        if background is None:
            return None
        adc, b0 = (None if v is None else self._cut(v, numbers) for v in (background.adc, background.b0))
        return Background(self._cut(background.dwi, numbers), adc, b0, background.b_value)
