"""Which cases lie in a folder: BIDS, ISLES'22 or nnU-Net raw, told apart by looking.

Opening lists files and reads small JSON sidecars, never an image, so that a cohort of 10,000
cases opens in seconds. Files are put together by what their names say, not by the folder they
are in; that is why ISLES'22 is understood with or without ``dwi/``, ``anat/`` and ``rawdata/``.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadInputError
from ..volume import file_stem
from .bvalues import b_value_in, read_sidecar
from .case import CaseFiles
from .names import ImageName, is_image, parse
from .nnunet import nnunet_cases, nnunet_root

LAYOUTS = ("bids", "isles", "nnunet")


@dataclass(frozen=True)
class Cohort:
    """Cases of one folder.

    Parameters
    ----------
    path
        The folder.
    layout
        One of :data:`LAYOUTS`.
    cases
        Sorted by name; the names are unique.
    notices
        What was left out or chosen while looking, one sentence each.
    """

    path: Path
    layout: str
    cases: tuple[CaseFiles, ...]
    notices: tuple[str, ...] = ()

    @property
    def persons(self) -> tuple[str, ...]:
        """Persons, sorted; a person may have several cases."""
        return tuple(sorted({case.person for case in self.cases}))


def open_cohort(path: Path | str, maps: Path | str | None = None) -> Cohort:
    """List the cases of a folder.

    Parameters
    ----------
    path
        A cohort in any of the three layouts, or a plain folder of ``*_dwi``, ``*_adc``, ``*_msk``.
        Of an nnU-Net data set the training cases are taken; name its ``imagesTs`` to get the others.
    maps
        Folder of semantic maps, nested or flat, named after the cases; used instead of those of
        the cohort itself.

    Raises
    ------
    BadInputError
        When the folder is missing, holds no cases, or a map for none of them is in ``maps``.
    """
    path = Path(path)
    if not path.is_dir():
        raise BadInputError(f"{path}: no such folder; a cohort is a folder of cases.")
    root = nnunet_root(path)
    if root is not None:
        cases, notices = nnunet_cases(root, path)
        layout = "nnunet"
    else:
        layout, cases, notices = _named_cases(path)
    if maps is not None:
        cases = _with_maps(cases, Path(maps))
    return Cohort(path, layout, tuple(sorted(cases, key=lambda case: case.name)), tuple(notices))


def _image_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if is_image(name):
                yield Path(parent, name)


def _named_cases(path: Path) -> tuple[str, list[CaseFiles], list[str]]:
    """Cases of a BIDS or ISLES'22 folder, told by file names."""
    found: dict[str, dict[str, list[tuple[Path, ImageName]]]] = defaultdict(lambda: defaultdict(list))
    count = 0
    for file in _image_files(path):
        count += 1
        name = parse(file)
        if name is not None:
            found[name.case][name.role].append((file, name))
    # A folder "rawdata" is usually given alone, with the masks beside it.
    beside = path.parent / "derivatives"
    if path.name.lower() in ("rawdata", "raw_data") and beside.is_dir():
        for file in _image_files(beside):
            name = parse(file)
            if name is not None and name.case in found and name.role in ("lesion", "map"):
                found[name.case][name.role].append((file, name))
    cases, notices, bids = [], [], False
    for case, roles in sorted(found.items()):
        if not roles["dwi"]:
            others = ", ".join(str(files[0][0].relative_to(path.parent)) for files in roles.values() if files)
            notices.append(f"{case}: left out, because it has no diffusion image, only {others}.")
            continue
        chosen = {role: _choose(role, files, notices) for role, files in roles.items() if files}
        bids |= chosen["dwi"][1].suffix == "trace"
        cases.append(_case_files(case, chosen))
    if not cases:
        raise BadInputError(
            f"{path}: is no cohort; looked for imagesTr/ (nnU-Net), *_trace images (BIDS) and *_dwi images "
            f"(ISLES'22), and found {count} image file{'' if count == 1 else 's'} of other names."
        )
    return "bids" if bids else "isles", cases, notices


def _choose(role: str, files: list[tuple[Path, ImageName]], notices: list[str]) -> tuple[Path, ImageName]:
    """One file of a role: images rather not from derivatives, trace rather than series."""
    if len(files) == 1:
        return files[0]

    def rank(item: tuple[Path, ImageName]) -> tuple[bool, bool, str]:
        file, name = item
        derived = "derivatives" in file.parts
        return (derived != (role in ("lesion", "map")), name.suffix == "dwi", str(file))

    ordered = sorted(files, key=rank)
    if rank(ordered[0])[:2] == rank(ordered[1])[:2]:
        case, count = ordered[0][1].case, len(ordered)
        notices.append(f"{case}: {count} files could be its {role}; {ordered[0][0]} is taken.")
    return ordered[0]


def _case_files(case: str, chosen: dict[str, tuple[Path, ImageName]]) -> CaseFiles:
    dwi, name = chosen["dwi"]
    try:
        sidecar = read_sidecar(dwi)
    except BadInputError:
        sidecar = {}  # said when the case is loaded or checked; one bad file does not close a cohort

    def path_of(role: str) -> Path | None:
        return chosen[role][0] if role in chosen else None

    return CaseFiles(
        name=case,
        person=str(sidecar.get("Person", name.person)),
        dwi=dwi,
        adc=path_of("adc"),
        b0=path_of("b0"),
        lesion=path_of("lesion"),
        semantic_map=path_of("map"),
        b_value=b_value_in(sidecar),
        synthetic=sidecar.get("Synthetic") is True,
    )


def _with_maps(cases: list[CaseFiles], folder: Path) -> list[CaseFiles]:
    """Give each case its map of ``folder``: same name, or its name followed by "_..."."""
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; --maps names a folder of semantic maps.")
    by_name: dict[str, Path] = {}
    for file in _image_files(folder):
        words = file_stem(file.name).split("_")
        for count in range(len(words), 0, -1):
            by_name.setdefault("_".join(words[:count]), file)
        by_name.setdefault(file.parent.name, file)
    cases_of = Counter(case.person for case in cases)
    result = []
    for case in cases:
        found = by_name.get(case.name)
        if found is None and cases_of[case.person] == 1:
            found = by_name.get(case.person)
        result.append(replace(case, semantic_map=found or case.semantic_map))
    if cases and not any(case.name in by_name or case.person in by_name for case in cases):
        raise BadInputError(
            f"{folder}: holds no map named after a case, such as {cases[0].name}_dseg.nii.gz; "
            "rename the maps."
        )
    return result
