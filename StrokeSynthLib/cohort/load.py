"""From files to a :class:`Case`: everything is checked here, once, and nowhere later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import BadInputError
from ..files import sha256_of
from ..schema import ASSUMED_B_VALUE
from ..volume import Grid, Volume, file_stem
from .bvalues import read_sidecar
from .case import Case, CaseFiles
from .checks import checked_gray, in_standard_unit, place_on_grid, read_gray, read_map, read_mask
from .names import parse
from .series import computed_adc, read_series


def load_case(files: CaseFiles) -> Case:
    """Read and check one case of a cohort.

    Raises
    ------
    BadInputError
        When anything in it is not usable; the sentence names the file.
    """
    return _load(files, [files.dwi], files.b_value)


def load_examination(dwi: Sequence[Path], adc: Path | None = None, *, b_value: float | None = None) -> Case:
    """Read and check what a user brings: a trace image, a b0 + b1000 pair, or a 4D file.

    Parameters
    ----------
    dwi
        One file or several, in any order.
    adc
        ADC map in any unit, on any grid that covers the DWI's; computed from b0 and DWI, where
        both are there, when not given.
    b_value
        Of the diffusion image (s/mm^2); else from ``.bval``, sidecar or file name, else 1000.

    Raises
    ------
    BadInputError
        When anything is not usable; the sentence names the file.
    """
    paths = [Path(path) for path in dwi]
    _check_named(paths, None if adc is None else Path(adc))
    _check_b_value(b_value)
    name = file_stem(paths[-1])
    synthetic = any(read_sidecar(path).get("Synthetic") is True for path in paths if path.is_file())
    files = CaseFiles(name, name, paths[0], None if adc is None else Path(adc), synthetic=synthetic)
    return _load(files, paths, b_value)


def examination_of(
    dwi: Volume, adc: Volume | None = None, b0: Volume | None = None, *, b_value: float | None = None
) -> Case:
    """Check what a user brings as images in memory instead of files; otherwise as :func:`load_examination`.

    Messages call an image by its ``source``, which need not be a file.

    Raises
    ------
    BadInputError
        When anything is not usable; the sentence names the image.
    """
    _check_b_value(b_value)
    notices: list[str] = []
    checked = checked_gray(dwi, "DWI")
    if b0 is not None:
        b0 = place_on_grid(checked_gray(b0, "b0"), checked, "b0", notices, resample=True)
    b = b_value or ASSUMED_B_VALUE
    name = "examination" if dwi.source is None else file_stem(dwi.source)
    if adc is not None:
        found: Volume | None = _placed_adc(checked_gray(adc, "ADC"), checked, notices)
    else:
        found = _computed_adc(b0, checked, b, notices)
    return Case(
        name, name, checked, found, b0, b_value=b, b_assumed=b_value is None,
        notices=tuple(dict.fromkeys(notices)),
    )  # fmt: skip


def _check_b_value(b_value: float | None) -> None:
    if b_value is not None and not 100 <= b_value <= 10000:
        raise BadInputError(f"--b-value {b_value:g}: is not a b-value of a diffusion image; 1000 is usual.")


def _check_named(dwi: Sequence[Path], adc: Path | None) -> None:
    """Refuse files that by number, name or content cannot be what they are given as."""
    if not dwi:
        raise BadInputError("--dwi: no file given; name the diffusion image.")
    if len(dwi) > 2:
        raise BadInputError(
            f"--dwi: {len(dwi)} files given; give one trace image, a b0 and a b1000 image, or one 4D series."
        )
    for path, wrong, right in [*((path, "adc", "dwi") for path in dwi), (adc, "dwi", "adc")]:
        name = None if path is None else parse(path)
        if name is not None and name.role == wrong:
            raise BadInputError(
                f"{path}: is given as --{right}, but its name says {name.suffix}; give it as --{wrong}, "
                "or rename it if the name is wrong."
            )
    if adc is not None and any(_same_content(path, adc) for path in dwi):
        raise BadInputError(
            f"{adc}: is given as --dwi and as --adc; leave --adc out if there is no ADC map of its own."
        )


def _same_content(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()) or one.stat().st_size != other.stat().st_size:
        return False
    return one.samefile(other) or sha256_of(one) == sha256_of(other)


def load_mask(path: Path, grid: Grid) -> Volume:
    """Read a lesion mask (uint8, 0 or 1) onto ``grid``: the same, or its axes reordered.

    Raises
    ------
    BadInputError
        When it is no mask or lies on another grid.
    """
    frame = Volume(np.zeros(grid.shape, np.uint8), grid.affine)
    return place_on_grid(read_mask(Path(path), []), frame, "lesion mask", [])


def load_semantic_map(path: Path) -> Volume:
    """Read a semantic map (uint8 classes of the schema) in its own axis order.

    Raises
    ------
    BadInputError
        When it holds other labels.
    """
    return read_map(Path(path))


def _load(files: CaseFiles, dwi_paths: Sequence[Path], b_value: float | None) -> Case:
    notices: list[str] = []
    series = read_series(dwi_paths, b_value, notices)
    dwi, b0 = series.dwi, series.b0
    if series.b_assumed:
        notices.append(f"{files.dwi.name}: nothing states its b-value; {series.b_value:g} s/mm^2 is assumed.")
    if files.b0 is not None:
        b0 = place_on_grid(read_gray(files.b0), dwi, "b0", notices, resample=True)
    return Case(
        name=files.name,
        person=files.person,
        dwi=dwi,
        adc=_adc(files.adc, dwi, b0, series.b_value, notices),
        b0=b0,
        lesion=None if files.lesion is None
        else place_on_grid(read_mask(files.lesion, notices), dwi, "lesion mask", notices),
        semantic_map=None if files.semantic_map is None
        else place_on_grid(read_map(files.semantic_map), dwi, "semantic map", notices),
        b_value=series.b_value,
        b_assumed=series.b_assumed,
        synthetic=files.synthetic,
        notices=tuple(dict.fromkeys(notices)),
    )  # fmt: skip


def _adc(
    path: Path | None, dwi: Volume, b0: Volume | None, b_value: float, notices: list[str]
) -> Volume | None:
    """The given ADC on the DWI's grid in 10^-3 mm^2/s, else the computed one, else None."""
    if path is not None:
        return _placed_adc(read_gray(path), dwi, notices)
    return _computed_adc(b0, dwi, b_value, notices)


def _placed_adc(adc: Volume, dwi: Volume, notices: list[str]) -> Volume:
    return in_standard_unit(place_on_grid(adc, dwi, "ADC", notices, resample=True), dwi, notices)


def _computed_adc(b0: Volume | None, dwi: Volume, b_value: float, notices: list[str]) -> Volume | None:
    if b0 is None:
        return None
    adc = checked_gray(computed_adc(b0, dwi, b_value), f"the ADC computed from {dwi.source or 'b0 and DWI'}")
    notices.append(f"ADC is computed from b0 and DWI with b = {b_value:g} s/mm^2.")
    return adc
