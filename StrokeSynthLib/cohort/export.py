"""A cohort in the layout of another program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .. import RESEARCH_NOTICE
from ..errors import BadInputError
from ..files import check_output_folder, write_json
from ..progress import Progress, ProgressEvent, silent
from ..provenance import record, write_with_record
from .bids import ACQUISITION_KEYS
from .bvalues import read_sidecar
from .case import Case, CaseFiles
from .layouts import Cohort
from .load import load_case
from .names import bids_name
from .nnunet import nnunet_root
from .writer import CohortWriter


def export_cohort(cohort: Cohort, to: str, out: Path | str, progress: Progress = silent) -> int:
    """Write a cohort as "nnunet" or "bids"; returns the number of cases.

    Raises
    ------
    BadInputError
        When ``out`` is, or lies in, the cohort itself, or cannot be written; as the exports do.
    """
    if to not in EXPORTS:
        raise BadInputError(f"--to {to}: is not known; choose {', '.join(EXPORTS)}.")
    check_target(cohort, out)
    return EXPORTS[to](cohort, out, progress)


def check_target(cohort: Cohort, out: Path | str) -> None:
    """Refuse a folder that is, holds or lies in the cohort itself, or cannot be written.

    Raises
    ------
    BadInputError
        Saying which.
    """
    source, target = cohort.path.resolve(), Path(out).resolve()
    if source == target or source in target.parents or target in source.parents:
        raise BadInputError(
            f"{out}: is, holds or lies in the cohort that is exported; a cohort is never written to, choose "
            "another folder."
        )
    check_output_folder(out)


def _loaded(files: CaseFiles, progress: Progress) -> Case:
    case = load_case(files)
    for sentence in case.notices:
        progress(ProgressEvent("Exporting cases", message=f"{files.name}: {sentence}"))
    return case


def export_bids(cohort: Cohort, out: Path | str, progress: Progress = silent) -> int:
    """Write a cohort as BIDS (the layout of :class:`CohortWriter`); returns the number of cases.

    What is noticed about a case is the message of a progress event.

    Raises
    ------
    BadInputError
        When a case is unusable, or two case names become one under the rules of BIDS.
    """
    writer = CohortWriter(
        out, description={"Name": f"{cohort.path.name}, exported", "source": cohort.path.name}
    )
    names = _unique_bids_names(cohort.cases)
    for number, files in enumerate(cohort.cases):
        progress(ProgressEvent("Exporting cases", number, len(cohort.cases)))
        name = names[files.name]
        if writer.has(name):
            continue
        case, source = _loaded(files, progress), read_sidecar(files.dwi)
        writer.write(
            name, case.person, dwi=case.dwi, adc=case.adc, b0=case.b0, lesion=case.lesion,
            semantic_map=case.semantic_map, b_value=case.b_value, b_assumed=case.b_assumed,
            record=record(
                synthetic=case.synthetic, Source=files.name, Notices=list(case.notices),
                BValueAssumed=case.b_assumed, SourceRecord=source or None,
                **{key: source[key] for key in ACQUISITION_KEYS if key in source},
            ),
        )  # fmt: skip
    writer.finish()
    progress(ProgressEvent("Exporting cases", len(cohort.cases), len(cohort.cases)))
    return len(cohort.cases)


def _unique_bids_names(cases: Sequence[CaseFiles]) -> dict[str, str]:
    names = {case.name: bids_name(case.name) for case in cases}
    if len(set(names.values())) < len(names):
        twice = next(n for n in names.values() if list(names.values()).count(n) > 1)
        both = ", ".join(name for name, new in names.items() if new == twice)
        raise BadInputError(f"{both}: all become {twice} under the rules of BIDS; rename them first.")
    return names


def export_nnunet(
    cohort: Cohort, out: Path | str, progress: Progress = silent, channels: Sequence[str] = ("DWI", "ADC")
) -> int:
    """Write a cohort as nnU-Net raw data set; returns the number of cases.

    Cases with a lesion mask go to ``imagesTr`` and ``labelsTr``, the others to ``imagesTs``.
    ``dataset.json`` comes last. nnU-Net splits by case: for persons with several cases, give it the
    ``splits_final.json`` that is written too (five folds by person).

    Parameters
    ----------
    channels
        ("DWI", "ADC") or ("DWI",); nnU-Net needs all of them in every case.

    Raises
    ------
    BadInputError
        When a case is unusable or lacks a channel, or ``out`` holds something else.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()) and nnunet_root(out) is None:
        raise BadInputError(f"{out}: is not empty and holds no nnU-Net data set; choose another folder.")
    training: list[CaseFiles] = []
    synthetic: list[str] = []
    for number, files in enumerate(cohort.cases):
        progress(ProgressEvent("Exporting cases", number, len(cohort.cases)))
        case = _loaded(files, progress)
        if "ADC" in channels and case.adc is None:
            raise BadInputError(
                f"{files.name}: has no ADC, and nnU-Net needs every channel; export DWI only."
            )
        entries = record(
            synthetic=case.synthetic, Person=case.person, Source=files.name,
            DiffusionBValue=None if case.b_assumed else case.b_value,
        )  # fmt: skip
        folder = out / ("imagesTs" if case.lesion is None else "imagesTr")
        for index, channel in enumerate(channels):
            image = case.dwi if channel == "DWI" else case.adc
            if image is not None:
                write_with_record(folder / f"{case.name}_{index:04d}.nii.gz", image, entries)
        if case.lesion is not None:
            write_with_record(out / "labelsTr" / f"{case.name}.nii.gz", case.lesion, entries)
            training.append(files)
        if case.synthetic:
            synthetic.append(case.name)
    _write_dataset_json(out, cohort, channels, len(training), synthetic)
    if len(training) >= 5:
        write_json(out / "splits_final.json", _folds(training))
    progress(ProgressEvent("Exporting cases", len(cohort.cases), len(cohort.cases)))
    return len(cohort.cases)


def _write_dataset_json(
    out: Path, cohort: Cohort, channels: Sequence[str], training: int, synthetic: Sequence[str]
) -> None:
    write_json(
        out / "dataset.json",
        {
            "channel_names": {str(index): channel for index, channel in enumerate(channels)},
            "labels": {"background": 0, "lesion": 1},
            "numTraining": training,
            "file_ending": ".nii.gz",
            "name": cohort.path.name,
            "description": RESEARCH_NOTICE,
            "synthetic": list(synthetic),
        },
    )


def _folds(cases: Sequence[CaseFiles], count: int = 5) -> list[dict[str, list[str]]]:
    """nnU-Net's five folds, with every person in one validation part only."""
    persons = sorted({case.person for case in cases})
    fold_of = {person: index % count for index, person in enumerate(persons)}
    return [
        {
            "train": [case.name for case in cases if fold_of[case.person] != fold],
            "val": [case.name for case in cases if fold_of[case.person] == fold],
        }
        for fold in range(count)
    ]


#: What a cohort can be written as.
EXPORTS: Mapping[str, Callable[[Cohort, Path | str, Progress], int]] = {
    "nnunet": export_nnunet,
    "bids": export_bids,
}
