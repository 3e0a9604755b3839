"""From a painting to the user's files: grid, units, record, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import provenance
from ..cohort.checks import STANDARD_ADC_UNIT
from ..volume import Volume
from .background import LesionEffect, check_background, preserve
from .signal import adc_from
from .translator import Background, SyntheticImages

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Rendering:
    """What a translator made, RAS+, in the cohort's units.

    Parameters
    ----------
    b0, dwi, adc
        The images, with noise.
    b_value
        s/mm^2.
    effect
        What the lesion does, for the background-preserving mode; None where not asked for.
    parameters
        What was drawn, for the record.
    """

    b0: Array
    dwi: Array
    adc: Array
    b_value: float
    effect: LesionEffect | None
    parameters: Mapping[str, Any]


_WHOLE = "Synthetic image, made by a model from a semantic map; not a patient's."
PARTLY = (
    "Partly synthetic: the lesion was made by a model, the rest is a patient's own image; "
    "protect it as patient data."
)


def effect_of(
    with_lesion: tuple[Array, Array], without: tuple[Array, Array], weight: Array, b_value: float
) -> LesionEffect:
    """Compare two noise-free paintings, each (b0, DWI)."""
    tiny = 1e-4
    b0_ratio = np.maximum(with_lesion[0], tiny) / np.maximum(without[0], tiny)
    adc = [np.maximum(adc_from(b0, dwi, b_value), 0.05) for b0, dwi in (with_lesion, without)]
    return LesionEffect(b0_ratio.astype(np.float32), (adc[0] / adc[1]).astype(np.float32), weight)


@dataclass(frozen=True)
class Placed:
    """A rendering in the map's own axis order.

    ``sources``: where each image's voxels outside the lesion come from, in background-preserving mode.
    """

    dwi: Volume
    adc: Volume
    b0: Volume
    b_value: float
    sources: Mapping[str, str] | None


def placed(rendering: Rendering, like: Volume, background: Background | None) -> Placed:
    """Bring a rendering to the axis order of ``like``, into the patient's images if they are given.

    Rendering and background may both be some slices only.
    """

    def volume(array: Array) -> Volume:
        turned = like.from_canonical(np.asarray(array, np.float32))
        return Volume(turned.array, like.affine)

    dwi, adc, b0 = (volume(a) for a in (rendering.dwi, rendering.adc, rendering.b0))
    if background is None or rendering.effect is None:
        return Placed(dwi, adc, b0, rendering.b_value, None)
    e = rendering.effect
    turned = [like.from_canonical(a).array for a in (e.b0_ratio, e.adc_ratio, e.weight)]
    kept = preserve(background, LesionEffect(*turned))
    sources = {"DWI": "patient", "ADC": kept.adc_source, "b0": kept.b0_source}
    return Placed(kept.dwi, kept.adc or adc, kept.b0 or b0, background.b_value, sources)


@dataclass(frozen=True)
class Origin:
    """What images are made from, for their record."""

    semantic_map: Volume
    lesion: Volume | None
    background: Background | None
    kind: str
    model_hash: str
    seed: int

    def record(
        self, b_value: float, sources: Mapping[str, str] | None, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The sidecar's entries: everything that makes the images again."""
        parents = {"SemanticMap": self.semantic_map, "Lesion": self.lesion}
        if self.background is not None:
            parents |= {
                "BackgroundDWI": self.background.dwi,
                "BackgroundADC": self.background.adc,
                "BackgroundB0": self.background.b0,
            }
        return provenance.record(
            synthetic=True,
            PartlySynthetic=None if self.background is None else True,
            Description=_WHOLE if self.background is None else PARTLY,
            Translator=self.kind, ModelHash=self.model_hash, Seed=self.seed, BValue=b_value,
            Parents={name: provenance.content_hash(v) for name, v in parents.items() if v is not None},
            OutsideLesion=sources, Parameters=dict(parameters),
        )  # fmt: skip


def check_inputs(semantic_map: Volume, lesion: Volume | None, background: Background | None) -> None:
    """Refuse what does not lie on one grid.

    Raises
    ------
    BadInputError
        With a sentence that names what does not fit.
    """
    from ..errors import BadInputError

    if lesion is not None and not lesion.grid.matches(semantic_map.grid):
        raise BadInputError(
            f"{lesion.source or 'the lesion mask'}: is not on the map's grid ({lesion.grid.shape} against "
            f"{semantic_map.grid.shape} voxels); draw it on the map, or resample it to the map."
        )
    if background is not None:
        check_background(background, semantic_map)


def image_paths(out_dir: Path | str, name: str) -> dict[str, Path]:
    """Where :func:`write_images` writes, by channel; the names say that the images are synthetic."""
    return {channel: Path(out_dir) / f"{name}_synthetic_{channel}.nii.gz" for channel in ("dwi", "adc", "b0")}


def write_images(
    out_dir: Path | str, name: str, images: SyntheticImages, *, adc_unit: str = STANDARD_ADC_UNIT
) -> dict[str, Path]:
    """Write DWI, ADC and b0 with a sidecar each.

    ``adc_unit`` is what the sidecar says where the ADC was brought to the unit of the patient's file.
    Returns the paths by channel: "dwi", "adc", "b0".
    """
    units = {"dwi": "arbitrary", "adc": adc_unit, "b0": "arbitrary"}
    paths = image_paths(out_dir, name)
    for channel, path in paths.items():
        entries = {**images.record, "Channel": channel, "Units": units[channel]}
        provenance.write_with_record(path, getattr(images, channel), entries)
    return paths
