"""nnU-Net raw data sets: ``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz``, ``dataset.json``."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from ..files import read_json
from ..volume import file_stem
from .bvalues import b_value_in, read_sidecar
from .case import CaseFiles
from .names import is_image, person_of

_IMAGE_FOLDERS = ("imagesTr", "imagesTs")


def nnunet_root(path: Path) -> Path | None:
    """The data set's folder when ``path`` is one, or is its imagesTr or imagesTs; else None."""
    if path.name in _IMAGE_FOLDERS:
        return path.parent
    return path if any((path / folder).is_dir() for folder in _IMAGE_FOLDERS) else None


def nnunet_cases(root: Path, path: Path) -> tuple[list[CaseFiles], list[str]]:
    """Cases of an nnU-Net raw data set, and notices.

    The training cases, unless ``path`` is the folder of test cases or there are no others: test
    cases that slipped into a training would make every later figure worthless.
    """
    notices: list[str] = []
    channels = _channels(root, notices)
    if path.name in _IMAGE_FOLDERS:
        folder = path.name
    else:
        present = [name for name in _IMAGE_FOLDERS if _images(root / name)]
        folder = present[0] if present else _IMAGE_FOLDERS[0]
        if len(present) == 2:
            count = len(_images(root / "imagesTs"))
            notices.append(
                f"{root / 'imagesTs'}: its {count} test cases are left out; name this folder to use them."
            )
    labels = _masks(root / folder.replace("images", "labels"))
    cases = []
    for name, files in sorted(_images(root / folder).items()):
        chosen = {role: files[number] for number, role in channels.items() if number in files}
        if "dwi" not in chosen:
            notices.append(f"{name}: left out, because it has no diffusion image.")
            continue
        cases.append(_case_files(name, chosen, labels.get(name)))
    if not cases:
        raise BadInputError(
            f"{root / folder}: holds no CASE_0000 images; nnU-Net numbers the channels of a case like this."
        )
    return cases, notices


def _case_files(name: str, chosen: dict[str, Path], mask: Path | None) -> CaseFiles:
    try:
        sidecar = read_sidecar(chosen["dwi"])
    except BadInputError:
        sidecar = {}  # said when the case is loaded or checked
    return CaseFiles(
        name=name,
        person=str(sidecar.get("Person", person_of(name))),
        dwi=chosen["dwi"],
        adc=chosen.get("adc"),
        b0=chosen.get("b0"),
        lesion=mask,
        b_value=b_value_in(sidecar),
        synthetic=sidecar.get("Synthetic") is True,
    )


def _masks(folder: Path) -> dict[str, Path]:
    """Label files by case name."""
    if not folder.is_dir():
        return {}
    return {file_stem(file.name): file for file in sorted(folder.iterdir()) if is_image(file.name)}


def _images(folder: Path) -> dict[str, dict[int, Path]]:
    """Files by case name and channel number."""
    found: dict[str, dict[int, Path]] = defaultdict(dict)
    if folder.is_dir():
        for file in sorted(folder.iterdir()):
            match = re.fullmatch(r"(.+)_(\d{4})", file_stem(file.name))
            if match and is_image(file.name):
                found[match.group(1)][int(match.group(2))] = file
    return found


def _channels(root: Path, notices: list[str]) -> dict[int, str]:
    """Role of each channel number, from ``dataset.json``; DWI then ADC where nothing says it."""
    path = root / "dataset.json"
    if not path.is_file():
        notices.append(f"{path}: missing; channel 0000 is taken as DWI and 0001 as ADC.")
        return {0: "dwi", 1: "adc"}
    content: Any = read_json(path)
    # "modality" was the name of the first nnU-Net.
    names = (content.get("channel_names") or content.get("modality")) if isinstance(content, dict) else None
    if not isinstance(names, dict):
        raise BadInputError(f"{path}: lacks channel_names; say there which channel is DWI and which ADC.")
    try:
        roles = {int(number): _role(str(name)) for number, name in names.items()}
    except ValueError as error:
        raise BadInputError(f"{path}: channel_names must be numbered 0, 1, ...; correct them.") from error
    if "dwi" not in roles.values():
        if len(roles) == 1:
            notices.append(f"{path}: names its only channel {names['0']!r}; it is taken as DWI.")
            return {0: "dwi"}
        listed = ", ".join(str(name) for name in names.values())
        raise BadInputError(f"{path}: none of the channels ({listed}) is named DWI; correct channel_names.")
    return {number: role for number, role in roles.items() if role}


def _role(name: str) -> str:
    words = name.lower().replace("_", " ")
    if "adc" in words or "apparent" in words:
        return "adc"
    if re.search(r"\bb\s*=?\s*0\b", words):
        return "b0"
    return "dwi" if re.search(r"dwi|trace|diffusion|b\s*=?\s*1000", words) else ""
