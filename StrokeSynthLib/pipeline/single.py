"""An examination in, its lesions and its map out: what the command line and the Slicer panel ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.case import Case
from ..cohort.layouts import open_cohort
from ..cohort.load import load_case, load_examination
from ..errors import BadInputError, StrokeSynthError
from ..files import sha256_of
from ..progress import Progress, ProgressEvent, silent
from ..provenance import check_image_outputs, content_hash, record, write_with_record
from ..volume import Storage, Volume

#: What ``strokesynth segment`` uses when no model is named.
DEFAULT_SEGMENTER = "threshold"

Say = Callable[[str], None]


def quiet(text: str) -> None:
    """Say nothing."""


def loaded_examination(dwi: Sequence[Path], adc: Path | None, b_value: float | None, say: Say) -> Case:
    """Load an examination and say what was noticed about it."""
    case = load_examination(dwi, adc, b_value=b_value)
    for notice in case.notices:
        say(f"notice: {notice}")
    return case


def parents_of(paths: Sequence[Path | None]) -> dict[str, str]:
    """Names and hashes of the files that a result was made from."""
    return {path.name: sha256_of(path) for path in paths if path is not None and path.is_file()}


def map_of_examination(
    dwi: Sequence[Path],
    adc: Path | None,
    out: Path,
    *,
    b_value: float | None = None,
    say: Say = quiet,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Estimate the semantic map of an examination and write it on the DWI's grid.

    Returns the sidecar's entries.
    """
    from ..anatomy.from_image import estimate_map

    check_image_outputs([out], [*dwi, adc])
    case = loaded_examination(dwi, adc, b_value, say)
    semantic_map = estimate_map(case, progress)
    entries = record(
        synthetic=False,
        Kind="semantic map",
        Parents=parents_of([*dwi, adc]),
        Classes=[int(index) for index in np.unique(semantic_map.array)],
        Notices=list(case.notices),
    )
    write_with_record(out, semantic_map, entries, Storage("uint8"))
    return entries


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
    say: Say = quiet,
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
    case = loaded_examination(dwi, adc, b_value, say)
    progress(ProgressEvent("Segmenting", 1, 3))
    found = segmenter.predict(case.dwi, case.adc)
    if uncertainty is not None and found.uncertainty is None:
        raise BadInputError(f"--uncertainty: model {name} gives none; leave it out or use a network.")
    progress(ProgressEvent("Segmenting", 2, 3))
    entries = _segmentation_record(case, found.mask, segmenter, Path(name).name, parents_of([*dwi, adc]))
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
    say: Say = quiet,
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
        parents = parents_of([files.dwi, files.adc])
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
