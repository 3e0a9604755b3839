"""Background-preserving mode: a lesion is put into the patient's own images.

The translator paints the map twice with the same seed, with the lesion and without. The ratio of
the two is what the lesion does to each voxel's signal, and is applied to the patient's
voxel: so the lesion takes on the patient's intensity level, coil profile and noise.

    b0'  = b0  * r              r = ratio of painted b0, 1 away from the lesion
    ADC' = ADC * a              a = ratio of painted ADC
    DWI' = DWI * r exp(-b (ADC' - ADC))

with r and a brought to exactly 1 outside the softened mask, where every voxel keeps its
very bits. If the patient's images obey the signal equation, so do the new ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..volume import Volume
from .boxes import Box, grown, reach_of, whole, within
from .fields import smooth
from .signal import adc_from, b0_from
from .translator import Background

Array = npt.NDArray[Any]

#: The softened mask ends where the blurred lesion falls below this, and is 1 from SOFT_FULL on.
_SOFT_END, _SOFT_FULL = 0.04, 0.35
_B0_RATIO = (0.3, 4.0)
_ADC_RATIO = (0.25, 4.0)


@dataclass(frozen=True)
class LesionEffect:
    """What the lesion does, on the patient's grid and axis order.

    Parameters
    ----------
    b0_ratio, adc_ratio
        Painted with the lesion over painted without it, no noise in either.
    weight
        Softened lesion mask of 0 to 1, exactly 0 away from the lesion.
    """

    b0_ratio: Array
    adc_ratio: Array
    weight: Array


@dataclass(frozen=True)
class Preserved:
    """The patient's images with the lesion; ``whole_adc``/``whole_b0`` False: the patient had none."""

    dwi: Volume
    adc: Volume | None
    b0: Volume | None
    adc_source: str
    b0_source: str


def softened(
    lesion: Array,
    blur_mm: tuple[float, float, float],
    spacing: tuple[float, float, float],
    box: Box | None = None,
) -> Array:
    """Softened mask: 1 inside, falling over about the width of the blur, exactly 0 beyond.

    With a ``box`` only that part of it.
    """
    box = box or whole(lesion.shape)
    outer = grown(box, softening_reach(blur_mm, spacing), lesion.shape)
    soft = smooth(lesion[outer].astype(np.float32), _softening(blur_mm, spacing), spacing)[within(box, outer)]
    return np.clip((soft - _SOFT_END) / (_SOFT_FULL - _SOFT_END), 0.0, 1.0).astype(np.float32)


def softening_reach(
    blur_mm: tuple[float, float, float], spacing: tuple[float, float, float]
) -> tuple[int, ...]:
    """How far :func:`softened` looks (voxels along each axis)."""
    return reach_of(_softening(blur_mm, spacing), spacing)


def _softening(blur_mm: tuple[float, float, float], spacing: tuple[float, float, float]) -> list[float]:
    return [max(width, 0.5 * step) for width, step in zip(blur_mm, spacing, strict=True)]


def check_background(background: Background, semantic_map: Volume) -> None:
    """The patient's images must lie on the map's grid.

    Raises
    ------
    BadInputError
        When they do not.
    """
    for name in ("dwi", "adc", "b0"):
        volume: Volume | None = getattr(background, name)
        if volume is not None and not volume.grid.matches(semantic_map.grid):
            raise BadInputError(
                f"{volume.source or 'background ' + name}: is not on the map's grid "
                f"({volume.grid.shape} against {semantic_map.grid.shape} voxels); make the map from this "
                "image with `strokesynth map`."
            )


def preserve(background: Background, effect: LesionEffect) -> Preserved:
    """Put the lesion into the patient's images.

    ADC and b0 that the patient lacks are computed from the other two where that is possible;
    with DWI alone neither is known, and both are None here (the translator's own painting stands in,
    and the record says so).
    """
    inside = effect.weight > 0
    dwi = background.dwi.array.astype(np.float64)
    b = background.b_value
    adc, b0 = background.adc, background.b0
    adc_source = b0_source = "patient"
    if adc is None and b0 is not None:
        adc = _float_volume(b0, adc_from(b0.array.astype(np.float64), dwi, b))
        adc_source = "computed from the patient's b0 and DWI"
    elif adc is not None and b0 is None:
        b0 = _float_volume(background.dwi, b0_from(dwi, adc.array.astype(np.float64), b))
        b0_source = "computed from the patient's DWI and ADC"
    weight = effect.weight.astype(np.float64)
    b0_ratio = 1.0 + weight * (np.clip(effect.b0_ratio, *_B0_RATIO) - 1.0)
    adc_ratio = 1.0 + weight * (np.clip(effect.adc_ratio, *_ADC_RATIO) - 1.0)
    # Without the patient's ADC, tissue's usual one stands in for the drop in signal only.
    old_adc = np.full(dwi.shape, 0.8) if adc is None else adc.array.astype(np.float64)
    new_adc = old_adc * adc_ratio
    new_dwi = dwi * b0_ratio * np.exp(-b * 1e-3 * (new_adc - old_adc))
    return Preserved(
        _changed(background.dwi, new_dwi, inside),
        None if adc is None else _changed(adc, new_adc, inside),
        None if b0 is None else _changed(b0, b0.array.astype(np.float64) * b0_ratio, inside),
        adc_source if adc is not None else "synthetic: the patient's ADC is not known",
        b0_source if b0 is not None else "synthetic: the patient's b0 is not known",
    )


def _float_volume(like: Volume, array: Array) -> Volume:
    return like.with_array(array.astype(np.float32))


def _changed(volume: Volume, values: Array, where: Array) -> Volume:
    """``volume`` with new values in ``where`` only; type and storage stay."""
    array = volume.array.copy()
    new = values[where]
    if np.issubdtype(array.dtype, np.integer):
        info = np.iinfo(array.dtype)
        new = np.clip(np.rint(new), info.min, info.max)
    array[where] = new.astype(array.dtype)
    return replace(volume, array=array, source=None)
