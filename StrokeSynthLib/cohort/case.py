"""A case: one person's examination, its geometry checked once at the door.

Rooms after this one rely on what :class:`Case` promises and do not check again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..schema import ASSUMED_B_VALUE
from ..volume import Grid, Volume


@dataclass(frozen=True)
class CaseFiles:
    """Where a case lies on disk, before anything of it is read.

    Parameters
    ----------
    name
        Unique in its cohort ("sub-0001", "sub-0001_ses-2").
    person
        Whose examination it is; splits keep a person's cases together.
    dwi
        Trace image (b about 1000), or a 4D series, or None when only a pair is given.
    adc, b0, lesion, semantic_map
        Paths, or None where the cohort has none.
    b_value
        From the sidecar, or None when nothing says it.
    synthetic
        Whether its metadata say that it is synthetic.
    """

    name: str
    person: str
    dwi: Path
    adc: Path | None = None
    b0: Path | None = None
    lesion: Path | None = None
    semantic_map: Path | None = None
    b_value: float | None = None
    synthetic: bool = False


@dataclass(frozen=True)
class Case:
    """One examination. Every volume lies on the grid of ``dwi``, all values are finite.

    Parameters
    ----------
    dwi
        Diffusion-weighted trace image, arbitrary units.
    adc
        Apparent diffusion coefficient (10^-3 mm^2/s), or None.
    b0
        Image without diffusion weighting, same units as ``dwi``, or None.
    lesion
        uint8, 0 or 1, or None when there is no reference. All zero: known to have no lesion.
    semantic_map
        uint8 classes of :mod:`StrokeSynthLib.schema`, without the lesion, or None.
    b_value
        Of ``dwi`` (s/mm^2).
    b_assumed
        Whether nothing stated the b-value and 1000 was taken.
    notices
        What was noticed or converted at the door, one sentence each.
    """

    name: str
    person: str
    dwi: Volume
    adc: Volume | None = None
    b0: Volume | None = None
    lesion: Volume | None = None
    semantic_map: Volume | None = None
    b_value: float = ASSUMED_B_VALUE
    b_assumed: bool = True
    synthetic: bool = False
    notices: tuple[str, ...] = field(default=())

    @property
    def grid(self) -> Grid:
        """Grid of all volumes of the case."""
        return self.dwi.grid

    @property
    def lesion_ml(self) -> float:
        """Volume of the reference lesion (ml); 0.0 without one."""
        return 0.0 if self.lesion is None else float((self.lesion.array > 0).sum()) * self.grid.voxel_ml
