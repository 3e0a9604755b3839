"""Is it these real cases that the model learned from? Copies of others were not looked for.

A translator keeps a hash of the images of every case that it was trained on. They are compared with the files
of the real cases: moved and renamed ones are the same, ones that were written again are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..cohort.bvalues import read_sidecar
from ..cohort.case import CaseFiles
from ..cohort.identity import identities
from ..errors import BadInputError
from ..evaluate.verdict import Finding, listed
from ..modelfolder import ModelFolder, open_model
from ..progress import Progress, silent

NAME = "training cases"
_QUESTION = "Are the real cases those that the model was trained on?"
_RULE = (
    "the synthetic cases are of this model, the images of every case that it was trained on are in "
    "--training (by the hashes that it keeps), and none are in --holdout"
)
#: What is wrong, in words, and the names of the cases.
_Fault = tuple[str, list[str]]


def judge_sources(
    model: str | Path | None, synthetic: Sequence[CaseFiles], training: Sequence[CaseFiles],
    holdout: Sequence[CaseFiles], progress: Progress = silent,
) -> Finding:  # fmt: skip
    """The answer; None where the model is not named, or keeps no hashes.

    Parameters
    ----------
    model
        Of the translator: folder, or the name of a shipped one.
    synthetic
        What it made; may be none yet.
    training, holdout
        All cases of the two cohorts. Without a cohort that is held out, ``holdout`` is empty.

    Raises
    ------
    BadInputError
        When the model cannot be opened, its record is damaged, or a file cannot be read.
    """
    if model is None:
        return _unanswered("Not asked: needs the translator that made the synthetic cases (--model).")
    folder = open_model(model)
    learned = _learned(folder)
    faults = _of_other_models(folder, synthetic)
    if not learned and not faults:
        return _unanswered(
            f"Could not be checked: {folder.path.name} keeps no hashes of the cases that it was trained on "
            "(it was trained by an earlier version)."
        )
    known = {identity.images for identity in identities(training, progress)}
    faults += _missing(folder, learned, known) + _leaked(learned, holdout, progress)
    if faults:
        sentence = "; ".join(what for what, _ in faults)
        cases = [name for _, names in faults for name in names]
        return Finding(NAME, _QUESTION, False, _RULE, f"{sentence}.", float(len(cases)), 0.0, {}, cases)
    more = len(known - {hashed for _, hashed in learned})
    found = f"All {len(learned)} are" + (f", and {more} that it was not trained on." if more else ".")
    return Finding(NAME, _QUESTION, True, _RULE, found, 0.0, 0.0)


def _of_other_models(folder: ModelFolder, synthetic: Sequence[CaseFiles]) -> list[_Fault]:
    names = [files.name for files in synthetic if _made_by(files) not in (None, folder.hash)]
    what = f"Of the synthetic cases {len(names)} were made by another model ({listed(names, 3)})"
    return [(what, names)] if names else []


def _missing(folder: ModelFolder, learned: Sequence[tuple[str, str]], known: set[str]) -> list[_Fault]:
    names = [name for name, hashed in learned if hashed not in known]
    what = (
        f"Of the {len(learned)} cases that {folder.path.name} was trained on {len(names)} are not in "
        f"--training ({listed(names, 3)}), so no copies of them were looked for"
    )
    return [(what, names)] if names else []


def _leaked(
    learned: Sequence[tuple[str, str]], holdout: Sequence[CaseFiles], progress: Progress
) -> list[_Fault]:
    hashes = {hashed for _, hashed in learned}
    found = zip(holdout, identities(holdout, progress), strict=True)
    names = [files.name for files, identity in found if identity.images in hashes]
    return (
        [(f"Of the held-out cases {len(names)} were trained on ({listed(names, 3)})", names)] if names else []
    )


def _unanswered(sentence: str) -> Finding:
    return Finding(NAME, _QUESTION, None, _RULE, sentence)


def _learned(model: ModelFolder) -> list[tuple[str, str]]:
    """Name and hash of every case that a model learned from, with and without a map."""
    found: list[tuple[str, str]] = []
    try:
        for names, hashes in (("cases", "case_hashes"), ("unlabeled", "unlabeled_hashes")):
            kept: Any = model.training.get(hashes) or []
            if kept:
                found += zip(map(str, model.training[names]), map(str, kept), strict=True)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{model.path}: the hashes of its training cases are damaged ({error}); train it again."
        ) from error
    return found


def _made_by(files: CaseFiles) -> str | None:
    """Hash of the model that made a synthetic case; None where nothing says it."""
    translation = read_sidecar(files.dwi).get("Translation")
    made_by = translation.get("ModelHash") if isinstance(translation, dict) else None
    return None if made_by is None else str(made_by)
