"""A map and a lesion become images: what the command line and the Slicer panel ask for one case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..cohort.checks import ADC_UNIT_KEY, STANDARD_ADC_UNIT, in_file_unit, place_on_grid, read_gray
from ..cohort.load import load_mask, load_semantic_map
from ..errors import BadInputError
from ..lesions.lesion import LesionRequest, LesionSource
from ..progress import Progress, ProgressEvent, silent
from ..provenance import check_image_outputs, record, write_with_record
from ..randomness import generator
from ..volume import Storage, Volume
from .single import Say, loaded_examination, parents_of, quiet

Array = npt.NDArray[Any]


def lesion_for_map(
    semantic_map: Path, out: Path, request: LesionRequest, lesions: Path | None, seed: int
) -> dict[str, Any]:
    """Draw a lesion for a map and write it on the map's grid; returns the sidecar's entries."""
    from ..anatomy.registration import anatomy_of_map
    from .cohort_masks import open_lesion_source

    check_image_outputs([out], [semantic_map])
    volume = load_semantic_map(semantic_map)
    anatomy = anatomy_of_map(volume, semantic_map.name)
    mask, entries = draw_lesion(
        volume, anatomy, open_lesion_source(lesions), request, seed, parents_of([semantic_map])
    )  # fmt: skip
    write_with_record(out, mask, entries, Storage("uint8"))
    return entries


def draw_lesion(
    semantic_map: Volume, anatomy: Anatomy, lesions: LesionSource, request: LesionRequest, seed: int,
    parents: Mapping[str, str],
) -> tuple[Volume, dict[str, Any]]:  # fmt: skip
    """A lesion mask on a map's grid, and the entries of its sidecar.

    ``anatomy`` is the map in standard space (:func:`..anatomy.registration.anatomy_of_map`), ``parents`` is
    what the mask is made from, with hashes.
    """
    from ..lesions.statistics import describe

    lesion = lesions.draw(anatomy, request, generator(seed, "lesion"))
    drawn = Volume(lesion.mask.astype(np.uint8), anatomy.affine)
    canonical = semantic_map.canonical()
    if not drawn.grid.matches(canonical.grid):
        drawn = drawn.resampled(canonical.grid, order=0)
    statistics = describe(drawn.array > 0, drawn.spacing)
    entries = record(
        synthetic=True,
        Kind="lesion mask",
        Seed=seed,
        Parents=dict(parents),
        Lesion=dict(lesion.record),
        VolumeMl=round(statistics.volume_ml, 4),
        Components=statistics.components,
    )
    array = semantic_map.from_canonical(drawn.array).array
    return Volume(array, semantic_map.affine, Storage("uint8")), entries


def synthesize(
    model: str | Path,
    semantic_map: Path,
    lesion: Path | None,
    out: Path,
    *,
    background: Path | None = None,
    background_adc: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    sampling_steps: int | None = None,
    say: Say = quiet,
    progress: Progress = silent,
) -> list[Path]:
    """Draw images for a map and a lesion and write them to the folder ``out``.

    ``sampling_steps``: see :func:`StrokeSynthLib.translate.registry.open_translator`.

    Raises
    ------
    BadInputError
        When the files do not lie on one grid, an ADC is given without its DWI, or a background without
        a lesion to put into it.
    """
    from ..translate.output import image_paths, write_images
    from ..translate.registry import open_translator
    from ..translate.translator import Background

    if background is not None and lesion is None:
        raise BadInputError(
            f"--background {background}: without --lesion nothing in it would change; name the lesion mask."
        )
    name = semantic_map.name.split(".")[0]
    inputs = [semantic_map, lesion, background, background_adc]
    check_image_outputs(image_paths(out, name).values(), inputs)
    volume = load_semantic_map(semantic_map)
    mask = None if lesion is None else load_mask(lesion, volume.grid)
    kept = None
    if background is not None:
        if mask is not None and not mask.array.any():
            raise BadInputError(f"{lesion}: the mask is empty, so nothing in {background} would change.")
        case = loaded_examination([background], background_adc, None, say)
        if not case.grid.matches(volume.grid):
            raise BadInputError(
                f"{background}: lies on another grid than {semantic_map}; make the map from this "
                "image (strokesynth map) so that they fit."
            )
        kept = Background(case.dwi, case.adc, case.b0, case.b_value)
    elif background_adc is not None:
        raise BadInputError(
            f"--background-adc {background_adc}: needs --background, the DWI that it belongs to."
        )
    progress(ProgressEvent("Opening the translator"))
    translator = open_translator(model, device, sampling_steps=sampling_steps)
    images = translator.translate(volume, mask, seed=seed, background=kept, progress=progress)
    unit = STANDARD_ADC_UNIT
    if kept is not None and kept.adc is not None and background_adc is not None:
        unit = kept.adc.metadata[ADC_UNIT_KEY]
        images = replace(images, adc=_as_in_file(images.adc, kept.adc, background_adc))
    paths = write_images(out, name, images, adc_unit=unit)
    return list(paths.values())


def _as_in_file(adc: Volume, loaded: Volume, path: Path) -> Volume:
    """ADC in the unit and storage of the user's file, with that file's very values where nothing changed.

    ``loaded`` is the file's ADC as :func:`StrokeSynthLib.cohort.load.load_examination` gave it.
    """
    original = place_on_grid(read_gray(path), loaded, "ADC", [], resample=True)
    return replace(adc, array=in_users_unit(adc.array, loaded, original.array), storage=original.storage)


def in_users_unit(adc: Array, loaded: Volume, original: Array) -> Array:
    """ADC in the unit that the user's image had, with that image's very values where nothing changed.

    Parameters
    ----------
    adc
        10^-3 mm^2/s, what became of ``loaded``.
    loaded
        The user's ADC as an examination holds it.
    original
        The same as the user gave it, on the grid of ``loaded``.
    """
    changed = adc != loaded.array
    result = original.copy()
    result[changed] = in_file_unit(replace(loaded, array=adc), loaded).array[changed]
    return result
