"""What a file name says: whose image it is, and which kind of image.

Names follow BIDS (``sub-0001_ses-2_desc-b0_trace``), ISLES'22 (``sub-strokecase0001_ses-0001_dwi``)
or are plain (``case12_adc``); in each, the last word tells the kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from ..volume import FILE_ENDINGS, file_stem

_SUFFIXES = {
    "trace": "dwi", "dwi": "dwi", "b1000": "dwi",
    "adc": "adc", "b0": "b0",
    "msk": "lesion", "mask": "lesion", "lesion": "lesion", "lesion-msk": "lesion", "lesion-mask": "lesion",
    "dseg": "map",
}  # fmt: skip
# Masks of anything else (brain, white matter) are not lesions.
_LESION_LABELS = {"l", "lesion", "stroke", "infarct"}
_CASE_ENTITIES = ("sub", "ses", "acq", "run")
# Two images of one case, where they are told apart by "acq".
_WEIGHTINGS = {"b0", "b1000"}


@dataclass(frozen=True)
class ImageName:
    """What a file name says.

    Parameters
    ----------
    case
        Name of the case that the file belongs to.
    person
        ``sub-...``, or the case name where names carry no person.
    role
        "dwi", "adc", "b0", "lesion" or "map".
    suffix
        The word that told the role, in lower case ("trace", "msk").
    """

    case: str
    person: str
    role: str
    suffix: str


def is_image(name: str) -> bool:
    """Whether the file name has the ending of an image and is not hidden."""
    return not name.startswith(".") and name.lower().endswith(FILE_ENDINGS)


def parse(path: PurePath) -> ImageName | None:
    """Read a file name; None when it is no image that a case is made of (FLAIR, brain mask)."""
    stem = file_stem(path)
    body, _, suffix = stem.rpartition("_")
    suffix = suffix.lower()
    role = _SUFFIXES.get(suffix)
    if role is None:
        return None
    if not body:  # "patient 7/dwi.nii.gz": the folder is the case
        return ImageName(path.parent.name, path.parent.name, role, suffix)
    entities: dict[str, str] = dict(re.findall(r"(?:^|_)([A-Za-z0-9]+)-([^_]+)", body))
    about = (entities.get("label") or entities.get("desc") or "").lower()
    if role == "lesion" and about and about not in _LESION_LABELS:
        return None
    if role in ("dwi", "adc") and about and (role, about) != ("dwi", "b0"):
        return None
    weighting = entities.get("acq", "").lower()
    if weighting in _WEIGHTINGS:
        del entities["acq"]
    if role == "dwi" and "b0" in (about, weighting):
        role = "b0"
    case = body
    if "sub" in entities:
        case = "_".join(f"{key}-{entities[key]}" for key in _CASE_ENTITIES if key in entities)
    return ImageName(case, person_of(case), role, suffix)


def person_of(case: str) -> str:
    """The person of a case name: ``sub-...`` where it has one, else the whole name."""
    match = re.match(r"(sub-[^_]+)(?:_|$)", case)
    return match.group(1) if match else re.split(r"_ses-", case)[0]


def bids_name(case: str) -> str:
    """A case name as BIDS allows it: ``sub-<letters and digits>[_ses-<letters and digits>]``."""
    match = re.fullmatch(r"(?:sub-)?(.+?)(?:_ses-([^_]+))?", case)
    person, session = match.groups() if match else (case, None)
    clean = re.sub(r"[^A-Za-z0-9]", "", person) or "x"
    ending = re.sub(r"[^A-Za-z0-9]", "", session) if session else ""
    return f"sub-{clean}" + (f"_ses-{ending}" if ending else "")
