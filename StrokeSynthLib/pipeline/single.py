"""One file in, one file out: what the command line and the Slicer panel ask for one case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.case import Case
from ..cohort.checks import ADC_UNIT_KEY, STANDARD_ADC_UNIT, in_file_unit, place_on_grid, read_gray
from ..cohort.layouts import open_cohort
from ..cohort.load import load_case, load_examination, load_mask, load_semantic_map
from ..errors import BadInputError, StrokeSynthError
from ..files import sha256_of
from ..lesions.lesion import LesionRequest
from ..progress import Progress, ProgressEvent, silent
from ..provenance import check_image_outputs, content_hash, record, write_with_record
from ..randomness import generator
from ..volume import Storage, Volume

#: What ``strokesynth segment`` uses when no model is named.
DEFAULT_SEGMENTER = "threshold"

Say = Callable[[str], None]


def _quiet(text: str) -> None:
    """Say nothing."""


def _examination(dwi: Sequence[Path], adc: Path | None, b_value: float | None, say: Say) -> Case:
    case = load_examination(dwi, adc, b_value=b_value)
    for notice in case.notices:
        say(f"notice: {notice}")
    return case


def _parents(paths: Sequence[Path | None]) -> dict[str, str]:
    """Names and hashes of the files that a result was made from."""
    return {path.name: sha256_of(path) for path in paths if path is not None and path.is_file()}


def map_of_examination(
    dwi: Sequence[Path],
    adc: Path | None,
    out: Path,
    *,
    b_value: float | None = None,
    say: Say = _quiet,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Estimate the semantic map of an examination and write it on the DWI's grid.

    Returns the sidecar's entries.
    """
    from ..anatomy.from_image import estimate_map

    check_image_outputs([out], [*dwi, adc])
    case = _examination(dwi, adc, b_value, say)
    semantic_map = estimate_map(case, progress)
    entries = record(
        synthetic=False,
        Kind="semantic map",
        Parents=_parents([*dwi, adc]),
        Classes=[int(index) for index in np.unique(semantic_map.array)],
        Notices=list(case.notices),
    )
    write_with_record(out, semantic_map, entries, Storage("uint8"))
    return entries


def lesion_for_map(
    semantic_map: Path, out: Path, request: LesionRequest, lesions: Path | None, seed: int
) -> dict[str, Any]:
    """Draw a lesion for a map and write it on the map's grid; returns the sidecar's entries."""
    from ..anatomy.registration import anatomy_of_map
    from ..lesions.source import open_lesions
    from ..lesions.statistics import describe

    check_image_outputs([out], [semantic_map])
    volume = load_semantic_map(semantic_map)
    anatomy = anatomy_of_map(volume, semantic_map.name)
    lesion = open_lesions(lesions).draw(anatomy, request, generator(seed, "lesion"))
    drawn = Volume(lesion.mask.astype(np.uint8), anatomy.affine)
    canonical = volume.canonical()
    if not drawn.grid.matches(canonical.grid):
        drawn = drawn.resampled(canonical.grid, order=0)
    mask = volume.from_canonical(drawn.array)
    statistics = describe(drawn.array > 0, drawn.spacing)
    entries = record(
        synthetic=True,
        Kind="lesion mask",
        Seed=seed,
        Parents=_parents([semantic_map]),
        Lesion=dict(lesion.record),
        VolumeMl=round(statistics.volume_ml, 4),
        Components=statistics.components,
    )
    write_with_record(out, mask, entries, Storage("uint8"))
    return entries


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
    say: Say = _quiet,
) -> list[Path]:
    """Draw images for a map and a lesion and write them to the folder ``out``.

    Raises
    ------
    BadInputError
        When the files do not lie on one grid, or an ADC is given without its DWI.
    """
    from ..translate.output import write_images
    from ..translate.registry import open_translator
    from ..translate.translator import Background

    volume = load_semantic_map(semantic_map)
    mask = None if lesion is None else load_mask(lesion, volume.grid)
    kept = None
    if background is not None:
        case = _examination([background], background_adc, None, say)
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
    images = open_translator(model, device).translate(volume, mask, seed=seed, background=kept)
    unit = STANDARD_ADC_UNIT
    if kept is not None and kept.adc is not None and background_adc is not None:
        unit = kept.adc.metadata[ADC_UNIT_KEY]
        images = replace(images, adc=_as_in_file(images.adc, kept.adc, background_adc))
    paths = write_images(out, semantic_map.name.split(".")[0], images, adc_unit=unit)
    return list(paths.values())


def _as_in_file(adc: Volume, loaded: Volume, path: Path) -> Volume:
    """ADC in the unit and storage of the user's file, with that file's very values where nothing changed.

    ``loaded`` is the file's ADC as :func:`StrokeSynthLib.cohort.load.load_examination` gave it.
    """
    original = place_on_grid(read_gray(path), loaded, "ADC", [], resample=True)
    changed = adc.array != loaded.array
    array = original.array.copy()
    array[changed] = in_file_unit(adc, loaded).array[changed]
    return replace(adc, array=array, storage=original.storage)


def _segmentation_record(case: Case, mask: Volume, segmenter: Any, name: str, parents: Any) -> dict[str, Any]:
    from ..lesions.statistics import describe

    statistics = describe(mask.array > 0, mask.spacing, smallest=1)
    return record(
        synthetic=False,
        Kind="lesion segmentation",
        Model={"Name": name, "Kind": segmenter.kind, "Hash": segmenter.model_hash},
        Parents=parents,
        VolumeMl=round(statistics.volume_ml, 4),
        Components=statistics.components,
        BValue=case.b_value,
        BValueAssumed=case.b_assumed,
        Notices=list(case.notices),
    )


def segment_examination(
    dwi: Sequence[Path],
    adc: Path | None,
    out: Path,
    *,
    b_value: float | None = None,
    model: str | None = None,
    device: str = "auto",
    probability: Path | None = None,
    uncertainty: Path | None = None,
    say: Say = _quiet,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Segment one examination; writes the mask, and the other maps where a path is given.

    Returns the sidecar's entries.

    Raises
    ------
    BadInputError
        As the loading does, and when ``uncertainty`` is asked of a model that gives none.
    """
    from ..segment.registry import open_segmenter

    check_image_outputs([out, probability, uncertainty], [*dwi, adc])
    name = model or DEFAULT_SEGMENTER
    progress(ProgressEvent("Segmenting", 0, 3))
    segmenter = open_segmenter(name, device)
    case = _examination(dwi, adc, b_value, say)
    progress(ProgressEvent("Segmenting", 1, 3))
    found = segmenter.predict(case.dwi, case.adc)
    if uncertainty is not None and found.uncertainty is None:
        raise BadInputError(f"--uncertainty: model {name} gives none; leave it out or use a network.")
    progress(ProgressEvent("Segmenting", 2, 3))
    entries = _segmentation_record(case, found.mask, segmenter, Path(name).name, _parents([*dwi, adc]))
    write_with_record(out, found.mask, entries, Storage("uint8"))
    if probability is not None:
        write_with_record(
            probability, found.probability, {**entries, "Kind": "lesion probability"}, Storage("float32")
        )
    if uncertainty is not None and found.uncertainty is not None:
        write_with_record(
            uncertainty, found.uncertainty, {**entries, "Kind": "uncertainty"}, Storage("float32")
        )
    progress(ProgressEvent("Segmenting", 3, 3))
    return entries


def segment_cohort(
    cohort: Path,
    out: Path,
    *,
    model: str | None = None,
    device: str = "auto",
    say: Say = _quiet,
    progress: Progress = silent,
) -> dict[str, float]:
    """Segment every case of a cohort into ``out``/NAME.nii.gz; a bad case is named and skipped.

    Returns lesion volumes (ml) by case name.

    Raises
    ------
    StrokeSynthError
        When no case could be segmented.
    """
    from ..segment.registry import open_segmenter

    name = model or DEFAULT_SEGMENTER
    segmenter = open_segmenter(name, device)
    cases = open_cohort(cohort).cases
    volumes: dict[str, float] = {}
    for done, files in enumerate(cases):
        progress(ProgressEvent("Segmenting", done, len(cases)))
        try:
            # The reference is not needed, and a damaged one must not stop the segmentation.
            case = load_case(replace(files, lesion=None, semantic_map=None))
            mask = segmenter.predict(case.dwi, case.adc).mask
        except StrokeSynthError as error:
            say(f"skipped {files.name}: {error}")
            continue
        parents = _parents([files.dwi, files.adc])
        entries = _segmentation_record(case, mask, segmenter, Path(name).name, parents)
        write_with_record(out / f"{files.name}.nii.gz", mask, entries, Storage("uint8"))
        volumes[files.name] = entries["VolumeMl"]
    progress(ProgressEvent("Segmenting", len(cases), len(cases)))
    if not volumes:
        raise StrokeSynthError(f"{cohort}: none of its {len(cases)} cases could be segmented.")
    return volumes


def keep_map(semantic_map: Volume, path: Path, case: Case) -> None:
    """Write a map that was made for a case of a cohort."""
    entries = record(synthetic=False, Kind="semantic map", Parents={case.name: content_hash(case.dwi)})
    write_with_record(path, semantic_map, entries, Storage("uint8"))
