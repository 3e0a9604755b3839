"""Predictions on disk against references on disk, matched by case name.

Each case with a reference ends in one of three ways, the same whatever the reason:

1. *Scored*: there is one prediction and it lies on the reference's grid: the same voxels, also in
   another axis order, less than half a voxel away (noticed where it is not exactly the same).
2. *Counted as empty*: there is no prediction, and ``missing="empty"`` says that none means no lesion
   found, as segmentation challenges do. It is named in the report.
3. *Not scored*: there is no prediction, or it is damaged, no mask, on another grid, or one of several.
   It is named with the reason and is in no mean. A prediction that is there is never taken for empty:
   it may be right and only stored wrongly.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import RESEARCH_NOTICE, __version__
from ..cohort.checks import place_on_grid, read_mask
from ..cohort.layouts import open_cohort
from ..cohort.names import is_image, parse
from ..errors import BadInputError
from ..files import check_outputs, read_json, write_json
from ..progress import Progress, ProgressEvent, silent
from ..volume import Volume, file_stem, read_volume
from .agreement import Scores, score
from .summary import Summary, as_plain, summarize
from .table import summary_table

#: What is done about a case without prediction.
MISSING = ("report", "empty")


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Parameters
    ----------
    scores
        By case name.
    summary
        Over the scored cases.
    not_scored
        Cases that could not be scored, and why, one sentence each. They are in no mean.
    counted_as_empty
        Cases without prediction that were scored as a mask without lesion.
    notices
        What was noticed or converted, one sentence each.
    """

    reference: str
    prediction: str
    scores: Mapping[str, Scores]
    summary: Summary
    not_scored: Mapping[str, str] = field(default_factory=dict)
    counted_as_empty: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The whole report; a score that is not defined is null."""
        return {
            "reference": self.reference,
            "prediction": self.prediction,
            "notice": RESEARCH_NOTICE,
            "generated_by": {"name": "StrokeSynth", "version": __version__},
            "summary": as_plain(self.summary),
            "cases": as_plain(self.scores),
            "not_scored": dict(self.not_scored),
            "counted_as_empty": list(self.counted_as_empty),
            "notices": list(self.notices),
        }

    def save(self, path: Path | str) -> None:
        """Write the report as JSON, atomically."""
        write_json(path, self.to_json())

    def table(self) -> str:
        """The summary as text, with what could not be scored."""
        lines = [summary_table(self.summary)]
        total = len(self.scores) + len(self.not_scored)
        if self.counted_as_empty:
            count, names = len(self.counted_as_empty), ", ".join(self.counted_as_empty)
            lines += ["", f"Without prediction, counted as empty: {count} of {total} cases: {names}"]
        if self.not_scored:
            lines += ["", f"NOT SCORED, and in no mean: {len(self.not_scored)} of {total} cases:"]
            lines += [f"  {name}: {sentence}" for name, sentence in self.not_scored.items()]
        if self.notices:
            lines += ["", *(f"notice: {sentence}" for sentence in self.notices)]
        return "\n".join(lines)


def check_report_path(path: Path) -> None:
    """Refuse a report that cannot be written, or that would replace anything but an older report.

    Raises
    ------
    BadInputError
        Naming the file.
    """
    check_outputs([path])
    if path.exists():
        try:
            content = read_json(path)
        except BadInputError:
            content = None
        if not isinstance(content, dict) or not {"summary", "cases"} <= set(content):
            raise BadInputError(
                f"{path}: is there already and is no report of an evaluation; choose another."
            )


def evaluate_paths(
    reference: Path | str,
    prediction: Path | str,
    *,
    missing: str = "report",
    seed: int = 0,
    progress: Progress = silent,
) -> Report:
    """Score predictions against references.

    Parameters
    ----------
    reference
        A cohort with lesion masks, a folder of masks, or one mask.
    prediction
        A folder of masks or probabilities named after the cases ("sub-0001.nii.gz",
        "sub-0001_label-L_mask.nii.gz", "sub-0001/lesion.nii.gz"), or one file. Values between 0
        and 1 are thresholded at 0.5.
    missing
        "report": a case without prediction is not scored; "empty": it counts as a mask without lesion.
    seed
        Of the bootstrap.

    Raises
    ------
    BadInputError
        When a path is missing, nothing matches, or no case at all can be scored.
    """
    if missing not in MISSING:
        raise BadInputError(f"--missing {missing}: is not known; choose {' or '.join(MISSING)}.")
    reference, prediction = Path(reference), Path(prediction)
    if not prediction.exists():
        raise BadInputError(f"{prediction}: no such file or folder; name the predicted masks.")
    notices: list[str] = []
    references = _references(reference, notices)
    found = _predictions(references, prediction, reference, notices)
    scores: dict[str, Scores] = {}
    not_scored: dict[str, str] = {}
    for number, (name, mask) in enumerate(references.items()):
        progress(ProgressEvent("Scoring cases", number, len(references)))
        try:
            if name in found:
                scores[name] = _score_files(mask, _only(name, found[name]), notices)
            elif missing == "empty":
                scores[name] = _score_nothing(mask)
            else:
                not_scored[name] = f"has no prediction in {prediction}."
        except BadInputError as error:
            not_scored[name] = str(error)
    progress(ProgressEvent("Scoring cases", len(references), len(references)))
    if not scores:
        name, sentence = next(iter(not_scored.items()))
        more = f" (and {len(not_scored) - 1} more)" if len(not_scored) > 1 else ""
        raise BadInputError(f"No case could be scored{more}: {name}: {sentence}")
    return Report(
        str(reference), str(prediction), scores, summarize(list(scores.values()), seed), not_scored,
        tuple(name for name in scores if name not in found), tuple(dict.fromkeys(notices)),
    )  # fmt: skip


def _references(path: Path, notices: list[str]) -> dict[str, Path]:
    """Reference masks by case name."""
    if path.is_file():
        return {_case_of(path): path}
    if not path.is_dir():
        raise BadInputError(f"{path}: no such file or folder; name the reference masks.")
    try:
        cohort = open_cohort(path)
    except BadInputError:
        masks = {_case_of(file): file for file in _images(path)}
        if not masks:
            raise BadInputError(
                f"{path}: holds neither a cohort nor masks; name the reference masks."
            ) from None
        return masks
    masks = {case.name: case.lesion for case in cohort.cases if case.lesion is not None}
    if not masks:
        raise BadInputError(f"{path}: none of its {len(cohort.cases)} cases has a reference lesion mask.")
    if len(masks) < len(cohort.cases):
        without = len(cohort.cases) - len(masks)
        notices.append(f"{path}: {without} of {len(cohort.cases)} cases have no reference mask; left out.")
    return masks


def _case_of(path: Path) -> str:
    name = parse(path)
    return name.case if name is not None else file_stem(path)


def _images(folder: Path) -> list[Path]:
    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
        if is_image(name) and not any(part.startswith(".") for part in Path(parent).relative_to(folder).parts)
    )


def _predictions(
    references: Mapping[str, Path], prediction: Path, reference: Path, notices: list[str]
) -> dict[str, list[Path]]:
    """Files that could be the prediction, by case name.

    A file belongs to the longest case name that it, or else its folder, begins with.
    """
    if prediction.is_file():
        if len(references) == 1:
            return {next(iter(references)): [prediction]}
        raise BadInputError(
            f"{prediction}: is one file, but {reference} holds {len(references)} references; "
            "name the folder of predictions."
        )
    found: dict[str, list[Path]] = defaultdict(list)
    strangers = 0
    for file in _images(prediction):
        inside = [file_stem(file), *(part for part in reversed(file.relative_to(prediction).parts[:-1]))]
        name = next((n for n in (_longest(references, text) for text in inside) if n), None)
        if name is None:
            strangers += 1
        else:
            found[name].append(file)
    if not found:
        example = next(iter(references))
        raise BadInputError(
            f"{prediction}: none of its {strangers} images is named after a case of {reference}, "
            f"such as {example}.nii.gz; rename the predictions."
        )
    if strangers:
        notices.append(f"{prediction}: {strangers} images belong to no reference and are left out.")
    return found


def _longest(names: Mapping[str, Path], text: str) -> str | None:
    """The longest of the names that ``text`` is, or begins with up to a "_" or "."."""
    for end in sorted({len(text), *(i for i, letter in enumerate(text) if letter in "_.")}, reverse=True):
        if text[:end] in names:
            return text[:end]
    return None


def _only(name: str, files: list[Path]) -> Path:
    """The one file that is the mask of a case: alone, named as the case, or named as a mask."""
    if len(files) == 1:
        return files[0]
    for chosen in (
        [file for file in files if file_stem(file) == name],
        [file for file in files if (parsed := parse(file)) is not None and parsed.role == "lesion"],
    ):
        if len(chosen) == 1:
            return chosen[0]
    listed = ", ".join(file.name for file in files[:4])
    raise BadInputError(f"{len(files)} files could be its prediction ({listed}); keep one.")


def _score_files(reference: Path, prediction: Path, notices: list[str]) -> Scores:
    truth = read_mask(reference, [])
    found = place_on_grid(_read_prediction(prediction, notices), truth, "prediction", notices)
    return score(truth.array, found.array, truth.spacing)


def _score_nothing(reference: Path) -> Scores:
    truth = read_mask(reference, [])
    return score(truth.array, np.zeros_like(truth.array), truth.spacing)


def _read_prediction(path: Path, notices: list[str]) -> Volume:
    """A mask, or probabilities at 0.5."""
    try:
        return read_mask(path, [])
    except BadInputError:
        volume = read_volume(path)
        low, high = float(np.nanmin(volume.array)), float(np.nanmax(volume.array))
        if not np.isfinite(volume.array).all() or low < 0.0 or high > 1.0:
            raise
        notices.append(f"{path.name}: holds values between 0 and 1; lesion is where they are 0.5 or more.")
        return volume.with_array((volume.array >= 0.5).astype(np.uint8))
