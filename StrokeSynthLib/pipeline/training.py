"""Training on cohorts: opens and checks them, makes missing maps, hands over to the room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..cohort.case import CaseFiles
from ..cohort.layouts import open_cohort
from ..cohort.load import load_case
from ..errors import BadInputError, StrokeSynthError, require
from ..files import check_output_folder
from ..modelfolder import ModelFolder, open_model
from ..progress import Progress, ProgressEvent, silent
from .maps import open_map_maker
from .single import Say, keep_map, quiet

#: Kinds whose training is a fit without PyTorch.
_NO_NETWORK = ("threshold", "physics", "copypaste")


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


def with_maps(
    cases: list[CaseFiles],
    maps: Path | None,
    *,
    model: str | None = None,
    device: str = "auto",
    say: Say = quiet,
    progress: Progress = silent,
) -> list[CaseFiles]:
    """The cases with a semantic map each, in their order; missing ones are made and kept in ``maps``.

    The order is the same when all maps are there already, so that a training can be gone on with.

    Parameters
    ----------
    model
        What makes them; see :func:`.maps.open_map_maker`.

    Raises
    ------
    BadInputError
        When maps are missing and there is no folder to keep them in.
    """
    missing = [files for files in cases if files.semantic_map is None]
    if missing and maps is None:
        raise BadInputError(
            f"{len(missing)} case(s) have no semantic map ({missing[0].name}, ...); name a folder with "
            "--maps DIR where maps are made and kept (the cohort itself is never written to)."
        )
    if not missing or maps is None:
        return cases
    made_maps: dict[str, Path] = {}
    maker = open_map_maker(model, device)
    for done, files in enumerate(missing):
        progress(ProgressEvent("Making semantic maps", done, len(missing)))
        path = maps / f"{files.name}_dseg.nii.gz"
        try:
            case = load_case(files)
            made = maker.make(case)
        except StrokeSynthError as error:
            say(f"left out {files.name}: {error}")
            continue
        for reason in made.unlike:
            say(f"notice: {files.name}: {reason}")
        keep_map(case, made, maker, path)
        made_maps[files.name] = path
    progress(ProgressEvent("Making semantic maps", len(missing), len(missing)))
    found = [replace(f, semantic_map=f.semantic_map or made_maps.get(f.name)) for f in cases]
    return [files for files in found if files.semantic_map is not None]


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


@dataclass(frozen=True)
class TrainingKind:
    """Something that can be trained, for lists: all kinds of all registries.

    Parameters
    ----------
    role
        "segmenter", "translator", "lesions".
    kind, summary
        As the registry has it.
    command
        What trains it, after ``strokesynth``.
    network
        Whether it is a network: needs PyTorch, takes steps, and can be given a time.
    fine_tunes
        Whether it can start from a trained model of its kind.
    synthetic
        Whether synthetic cases can be added.
    maps
        Whether every case needs a semantic map.
    masks
        Whether it learns from a folder of lesion masks in standard space (``--masks``), not from a cohort.
    unlabeled
        Whether examinations without maps and masks can be added.
    conditions
        What it can be let see beside the map, the usual first; empty where that cannot be chosen.
    """

    role: str
    kind: str
    summary: str
    command: tuple[str, ...]
    network: bool
    fine_tunes: bool = False
    synthetic: bool = False
    maps: bool = False
    masks: bool = False
    unlabeled: bool = False
    conditions: tuple[str, ...] = ()


def trainings() -> tuple[TrainingKind, ...]:
    """Everything that can be trained."""
    from ..lesions.learned.registry import LESION_KINDS, NETWORK_KINDS
    from ..segment.registry import SEGMENTERS
    from ..translate.options import CONDITIONS
    from ..translate.registry import TRANSLATORS

    segmenters = [
        TrainingKind(
            "segmenter", kind, summary, ("train", "segmenter", "--kind", kind), kind not in _NO_NETWORK,
            fine_tunes=kind not in _NO_NETWORK, synthetic=True,
        )
        for kind, summary in SEGMENTERS.items()
    ]  # fmt: skip
    translators = [
        TrainingKind(
            "translator", kind, entry.summary, ("train", "translator", "--kind", kind),
            kind not in _NO_NETWORK, maps=True, unlabeled=entry.takes_unlabeled,
            conditions=CONDITIONS if entry.takes_condition else (),
        )
        for kind, entry in TRANSLATORS.items()
    ]  # fmt: skip
    lesions = [
        TrainingKind(
            "lesions", kind, summary, ("train", "lesions", "--kind", kind), kind in NETWORK_KINDS, masks=True
        )
        for kind, summary in LESION_KINDS.items()
    ]
    return (*segmenters, *translators, *lesions)


@dataclass(frozen=True)
class TrainingRequest:
    """What is asked of a training, of whatever room.

    Parameters
    ----------
    kind
        Of the model, as the room's registry knows it.
    cohort
        Cases to train with; masks in standard space where lesions are learned.
    out
        Model folder to write.
    settings
        Options of the room by name; None is left to the room's default.
    say, progress
        Told of cases that are left out, and of the progress.
    """

    kind: str
    cohort: Path
    out: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    say: Say = quiet
    progress: Progress = silent

    def finished(self) -> ModelFolder | None:
        """See :func:`finished`."""
        return finished(self.out, self.settings.get("resume"), self.say)

    def cases(self, cohort: Path, maps: Path | None = None, *, need_lesion: bool) -> list[CaseFiles]:
        """See :func:`usable_cases`."""
        return usable_cases(cohort, maps, need_lesion=need_lesion, say=self.say, progress=self.progress)

    def options(self, kind: type) -> Any:
        """A room's options data class from those settings that were given and that it has."""
        names = {option.name for option in fields(kind)}
        return kind(**{n: value for n, value in self.settings.items() if n in names and value is not None})


def train_translator_on(
    request: TrainingRequest, maps: Path | None = None, unlabeled: Path | None = None
) -> ModelFolder:
    """Train a translator on the usable cases of a cohort; maps that are missing are kept in ``maps``.

    ``unlabeled``: a cohort of which the images alone are used, for kinds that can.
    """
    from ..translate.options import TranslatorOptions
    from ..translate.registry import check_condition, check_unlabeled, train_translator

    options = request.options(TranslatorOptions)
    check_condition(request.kind, options.condition)
    if unlabeled is not None:
        check_unlabeled(request.kind)
    if request.kind not in _NO_NETWORK:
        require("torch", "monai")
    if (done := request.finished()) is not None:
        return done
    if maps is not None:
        check_output_folder(maps)
    cases = request.cases(request.cohort, maps, need_lesion=False)
    cases = with_maps(cases, maps, device=options.device, say=request.say, progress=request.progress)
    if unlabeled is not None:
        images = request.cases(unlabeled, need_lesion=False)
        options = replace(
            options, unlabeled=tuple(replace(files, lesion=None, semantic_map=None) for files in images)
        )
    return train_translator(request.kind, cases, request.out, options, request.progress)


def train_segmenter_on(request: TrainingRequest, synthetic: Path | None = None) -> ModelFolder:
    """Train a segmenter on the usable cases of a cohort, and on those of a synthetic one where given.

    Raises
    ------
    BadInputError
        Also when the model to start from is missing or of another kind, which is found out first.
    """
    from ..segment.options import TrainingOptions
    from ..segment.registry import train_segmenter

    if request.kind not in _NO_NETWORK:
        require("torch", "monai")
    if (done := request.finished()) is not None:
        return done
    options = request.options(TrainingOptions)
    if options.start_from is not None:
        open_model(options.start_from, request.kind)
    clinical = request.cases(request.cohort, need_lesion=True)
    added = request.cases(synthetic, need_lesion=True) if synthetic else []
    return train_segmenter(request.kind, clinical, added, request.out, options, request.progress)


def train_lesions_on(request: TrainingRequest, held_out: Path | None = None) -> ModelFolder:
    """Train a lesion generator on a folder of masks, without the people that the file ``held_out`` names."""
    from ..lesions.learned.options import LesionTrainingOptions
    from ..lesions.learned.registry import NETWORK_KINDS
    from ..lesions.learned.training import train_lesions
    from ..lesions.masks import read_names

    if request.kind in NETWORK_KINDS:
        require("torch")
    if (done := request.finished()) is not None:
        return done
    names = read_names(held_out) if held_out is not None else None
    options = request.options(LesionTrainingOptions)
    return train_lesions(request.kind, request.cohort, request.out, options, names, request.progress)
