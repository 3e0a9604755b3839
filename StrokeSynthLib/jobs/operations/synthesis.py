"""Lesions for a map, and images of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cohort.checks import (
    ADC_UNIT_KEY,
    STANDARD_ADC_UNIT,
    checked_gray,
    checked_map,
    checked_mask,
    place_on_grid,
)
from ...errors import BadInputError
from ...pipeline.synthesis import draw_lesion, in_users_unit
from ...provenance import content_hash
from ...translate.translator import Background
from ...volume import Volume
from .arguments import Arguments
from .workshop import Workshop

Array = npt.NDArray[Any]


def lesion(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """A lesion mask for a map, by territory, side, volume and number."""
    from ...lesions.lesion import LesionRequest
    from ...pipeline.cohort_masks import open_lesion_source

    semantic_map = checked_map(arguments.volume("map"))
    request = LesionRequest(
        arguments.text("territory"), arguments.text("side"), arguments.number("volume_ml"),
        arguments.whole("number"),
    )  # fmt: skip
    folder, seed = arguments.path("lesions"), arguments.seed()
    arguments.finish()
    source = open_lesion_source(folder)
    anatomy = workshop.anatomy(semantic_map)
    parents = {"SemanticMap": content_hash(semantic_map)}
    mask, record = draw_lesion(semantic_map, anatomy, source, request, seed, parents)
    drawn = record["Lesion"]
    return {
        "mask": mask,
        "volume_ml": record["VolumeMl"],
        "components": record["Components"],
        "territory": drawn.get("territory", ""),
        "side": drawn.get("side", ""),
        "record": record,
    }


@dataclass(frozen=True)
class Setting:
    """What images are drawn from.

    Parameters
    ----------
    semantic_map, lesion, seed
        As for a translator; the lesion None where there is none.
    background
        The patient's images, or None.
    users_adc
        The patient's ADC on the map's grid in the unit it was given in; None without one.
    notices
        What was noticed about the patient's images.
    """

    semantic_map: Volume
    lesion: Volume | None
    seed: int
    background: Background | None
    users_adc: Volume | None
    notices: tuple[str, ...]

    @classmethod
    def read(cls, arguments: Arguments, workshop: Workshop) -> Setting:
        """From "map", "lesion", "seed", "background", "background_adc", "background_b0" and "b_value"."""
        from ...cohort.load import examination_of

        semantic_map = checked_map(arguments.volume("map"))
        mask = lesion_on(semantic_map, arguments.optional_volume("lesion"))
        dwi, adc = arguments.optional_volume("background"), arguments.optional_volume("background_adc")
        b0, b_value, seed = (
            arguments.optional_volume("background_b0"), arguments.number("b_value"), arguments.seed(),
        )  # fmt: skip
        if dwi is None:
            if adc is not None or b0 is not None:
                raise BadInputError("The background has no DWI; choose the DWI that its ADC belongs to.")
            return cls(semantic_map, mask, seed, None, None, ())
        case = examination_of(dwi, adc, b0, b_value=b_value)
        for notice in case.notices:
            workshop.say(f"notice: {notice}")
        if not case.grid.matches(semantic_map.grid):
            raise BadInputError(
                f"{dwi.source or 'the background'}: lies on another grid than the map; "
                "make the map from this image so that they fit."
            )
        users_adc = None
        if adc is not None:
            users_adc = place_on_grid(checked_gray(adc, "ADC"), case.dwi, "ADC", [], resample=True)
        background = Background(case.dwi, case.adc, case.b0, case.b_value)
        return cls(semantic_map, mask, seed, background, users_adc, case.notices)

    @property
    def adc_unit(self) -> str:
        """Of the ADC that is given back: the patient's own, where there is one."""
        if self.background is None or self.background.adc is None or self.users_adc is None:
            return STANDARD_ADC_UNIT
        return str(self.background.adc.metadata[ADC_UNIT_KEY])

    def in_users_unit(self, adc: Array, axis: int = 0, numbers: tuple[int, ...] | None = None) -> Array:
        """An ADC, or some slices of it along ``axis``, in the unit and with the values that the user gave."""
        if self.background is None or self.background.adc is None or self.users_adc is None:
            return adc
        loaded, original = self.background.adc, self.users_adc.array
        if numbers is not None:
            loaded = replace(loaded, array=np.take(loaded.array, numbers, axis))
            original = np.take(original, numbers, axis)
        return in_users_unit(adc, loaded, original)


def lesion_on(semantic_map: Volume, mask: Volume | None) -> Volume | None:
    """A lesion mask on the map's grid."""
    return (
        None if mask is None else place_on_grid(checked_mask(mask, []), semantic_map, "the lesion mask", [])
    )


def synthesize(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """DWI, ADC and b0 of a map and a lesion."""
    name, device = arguments.named("model"), arguments.text("device", "auto") or "auto"
    setting = Setting.read(arguments, workshop)
    arguments.finish()
    if setting.background is not None and (setting.lesion is None or not setting.lesion.array.any()):
        raise BadInputError("There is no lesion, so nothing in the background would change; paint one first.")
    translator = workshop.translator(name, device)
    images = translator.translate(
        setting.semantic_map, setting.lesion, seed=setting.seed, background=setting.background,
        progress=workshop.progress,
    )  # fmt: skip
    adc = replace(images.adc, array=setting.in_users_unit(images.adc.array))
    return {
        "dwi": images.dwi,
        "adc": adc,
        "b0": images.b0,
        "b_value": images.b_value,
        "adc_unit": setting.adc_unit,
        "notices": list(setting.notices),
        "record": dict(images.record),
    }
