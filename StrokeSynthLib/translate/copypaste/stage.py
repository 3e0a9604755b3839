"""A real lesion's effect carried into any mask, while the mask is painted.

    effect(y) = profile(depth of y below the mask's surface) + texture(corresponding voxel of the donor)

The profile makes the requested mask's edge as soft as the donor's own was; the texture is the donor's, at
the corresponding place in standard space, folded back into the donor's lesion where the mask is larger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..background import LesionEffect, softened, softening_reach
from ..boxes import Box, grown, whole, within
from ..geometry import slice_axis
from ..output import Rendering
from ..physics.canvas import Canvas
from ..signal import dwi_from
from ..stage import Stage
from .choice import Choice
from .donor import DEEPEST, signed_depth

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Carried:
    """A donor's effect on a map: depths (mm) with log b0 and log ADC there, and both textures on the map."""

    code: str
    mirrored: bool
    profile: tuple[Array, Array, Array]
    texture: tuple[Array, Array]


class CopyPasteStage(Stage):
    """Keeps the effect of the requested mask up to date; the images are the patient's own.

    Parameters
    ----------
    canvas
        The map with signals drawn: stands in for an ADC that the patient lacks.
    choose
        The donor for a mask.
    carry
        Brings a donor's effect to the map.
    """

    def __init__(
        self, canvas: Canvas, choose: Callable[[Array], Choice], carry: Callable[[Choice], Carried]
    ) -> None:
        self._blur, self._spacing = canvas.draw.blur_mm, canvas.spacing
        depth = [int(np.ceil(DEEPEST / step)) for step in canvas.spacing]
        soft = softening_reach(self._blur, canvas.spacing)
        self._depth_reach = depth
        super().__init__(
            canvas.shape, slice_axis(canvas.spacing), [max(p) for p in zip(depth, soft, strict=True)]
        )
        self._draw, self._choose, self._carry = canvas.draw, choose, carry
        well = canvas.paint(np.zeros(canvas.shape, bool), whole(canvas.shape), bare=True)
        self._well = (well.b0, well.dwi, well.filled)
        self._choice: Choice | None = None
        self._carried: Carried | None = None
        #: Log of what the lesion does to b0 and to ADC, and the softened mask.
        self._effect: list[Array | None] = [None, None, None]

    def change(self, lesion: Array) -> range:
        """See :class:`..stage.Stage`; with another donor everything changes."""
        choice = self._choose(lesion) if lesion.any() else None
        if choice != self._choice:
            self._choice, self._carried = choice, None if choice is None else self._carry(choice)
            self.lesion = None
        return super().change(lesion)

    def repaint(self, lesion: Array, box: Box) -> None:
        """See :class:`..stage.Stage`."""
        outer = grown(box, self._depth_reach, self.shape)
        depth = signed_depth(lesion[outer], self._spacing)[within(box, outer)]
        if self._carried is None:
            parts = [np.zeros(depth.shape, np.float32), np.zeros(depth.shape, np.float32)]
        else:
            where, *profiles = self._carried.profile
            parts = [
                (np.interp(depth, where, values) + np.where(depth > 0, texture[box], 0.0)).astype(np.float32)
                for values, texture in zip(profiles, self._carried.texture, strict=True)
            ]
        parts.append(softened(lesion, self._blur, self._spacing, box))
        self._effect = [self.put(old, new, box) for old, new in zip(self._effect, parts, strict=True)]

    def draw(self, slices: Sequence[int] | None = None, *, exact: bool = True) -> Rendering:
        """See :class:`..stage.Stage`; always exact."""
        log_b0, log_adc, weight = (self.picked(part, slices) for part in self._effect if part is not None)
        b0, dwi, filled = (self.picked(part, slices) for part in self._well)
        effect = LesionEffect(np.exp(log_b0), np.exp(log_adc), weight)
        b = self._draw.b_value
        with np.errstate(divide="ignore", invalid="ignore"):
            adc = np.where(filled, np.log(np.maximum(b0, 1e-6) / np.maximum(dwi, 1e-6)) / (b * 1e-3), 0.0)
        adc = np.clip(adc, 0.0, 4.0) * (1.0 + weight * (effect.adc_ratio - 1.0))
        b0 = b0 * (1.0 + weight * (effect.b0_ratio - 1.0))
        carried = self._carried
        parameters = {} if carried is None else {"donor": carried.code, "mirrored": carried.mirrored}
        return Rendering(
            b0 * self._draw.level, dwi_from(b0, adc, b) * self._draw.level, adc, b, effect, parameters
        )
