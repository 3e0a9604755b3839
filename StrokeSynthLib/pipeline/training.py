"""Training on cohorts: opens and checks them, makes missing maps, hands over to the room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..cohort.case import CaseFiles
from ..cohort.layouts import open_cohort
from ..cohort.load import load_case
from ..errors import BadInputError, StrokeSynthError
from ..files import check_output_folder
from ..modelfolder import ModelFolder, open_model
from ..progress import Progress, ProgressEvent, silent
from .single import keep_map

Say = Callable[[str], None]


def usable_cases(
    cohort: Path, maps: Path | None, *, need_lesion: bool, say: Say, progress: Progress
) -> list[CaseFiles]:
    """The cases of a cohort that pass the checks; the others are named, with the reason.

    Raises
    ------
    BadInputError
        When none is left.
    """
    # A folder that is missing or still empty is where maps will be made.
    filled = maps is not None and maps.is_dir() and any(maps.rglob("*_dseg.*"))
    opened = open_cohort(cohort, maps if filled else None)
    usable = []
    for done, files in enumerate(opened.cases):
        progress(ProgressEvent("Checking cases", done, len(opened.cases)))
        try:
            case = load_case(files)
        except BadInputError as error:
            say(f"left out {files.name}: {error}")
            continue
        if need_lesion and case.lesion is None:
            say(f"left out {files.name}: it has no reference lesion mask.")
            continue
        usable.append(files)
    progress(ProgressEvent("Checking cases", len(opened.cases), len(opened.cases)))
    if not usable:
        raise BadInputError(
            f"{cohort}: none of its {len(opened.cases)} cases can be used; "
            "'strokesynth check --cohort' says why."
        )
    return usable


def _options(kind: type, settings: Mapping[str, Any]) -> Any:
    """An options data class from those settings that were given and that it has."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in settings.items() if name in names and value is not None})


def with_maps(
    cases: list[CaseFiles], maps: Path | None, *, say: Say = print, progress: Progress = silent
) -> list[CaseFiles]:
    """The cases with a semantic map each; missing ones are made and kept in ``maps``.

    Raises
    ------
    BadInputError
        When maps are missing and there is no folder to keep them in.
    """
    from ..anatomy.from_image import estimate_map

    missing = [files for files in cases if files.semantic_map is None]
    if missing and maps is None:
        raise BadInputError(
            f"{len(missing)} case(s) have no semantic map ({missing[0].name}, ...); name a folder with "
            "--maps DIR where maps are made and kept (the cohort itself is never written to)."
        )
    ready = [files for files in cases if files.semantic_map is not None]
    for done, files in enumerate(missing):
        progress(ProgressEvent("Making semantic maps", done, len(missing)))
        assert maps is not None
        path = maps / f"{files.name}_dseg.nii.gz"
        try:
            case = load_case(files)
            keep_map(estimate_map(case, silent), path, case)
        except StrokeSynthError as error:
            say(f"left out {files.name}: {error}")
            continue
        ready.append(replace(files, semantic_map=path))
    return ready


def finished(out: Path, resume: object, say: Say) -> ModelFolder | None:
    """The model that is already at ``out`` when resuming; None when there is none.

    Raises
    ------
    BadInputError
        When there is one and resuming was not asked for: a training never replaces a model. And when
        ``out`` holds something else or cannot be written, which would be a pity after hours of training.
    """
    check_output_folder(out, "model.json")
    if not (out / "model.json").is_file():
        return None
    if not resume:
        raise BadInputError(
            f"{out}: holds a trained model; choose another --out, or delete the folder first."
        )
    say(f"{out}: this training is finished; nothing was done.")
    return open_model(out)


def train_translator_on(
    kind: str,
    cohort: Path,
    maps: Path | None,
    out: Path,
    *,
    settings: Mapping[str, Any],
    say: Say,
    progress: Progress,
) -> ModelFolder:
    """Train a translator of ``kind`` on the usable cases of a cohort."""
    from ..translate.options import TranslatorOptions
    from ..translate.registry import train_translator

    if (done := finished(out, settings.get("resume"), say)) is not None:
        return done
    if maps is not None:
        check_output_folder(maps)
    cases = usable_cases(cohort, maps, need_lesion=False, say=say, progress=progress)
    cases = with_maps(cases, maps, say=say, progress=progress)
    return train_translator(kind, cases, out, _options(TranslatorOptions, settings), progress)


def train_segmenter_on(
    kind: str,
    cohort: Path,
    synthetic: Path | None,
    out: Path,
    *,
    settings: Mapping[str, Any],
    say: Say,
    progress: Progress,
) -> ModelFolder:
    """Train a segmenter of ``kind`` on a cohort, and on a synthetic one where given."""
    from ..segment.options import TrainingOptions
    from ..segment.registry import train_segmenter

    if (done := finished(out, settings.get("resume"), say)) is not None:
        return done
    clinical = usable_cases(cohort, None, need_lesion=True, say=say, progress=progress)
    added = usable_cases(synthetic, None, need_lesion=True, say=say, progress=progress) if synthetic else []
    return train_segmenter(kind, clinical, added, out, _options(TrainingOptions, settings), progress)
