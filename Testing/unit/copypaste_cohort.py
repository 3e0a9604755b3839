"""Cases to mix: three people with the phantom's lesion, one with another place for it, one without."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.volume import Storage, Volume, write_volume
from Testing.unit import translate_phantom as phantom

SPACING = (3.0, 3.0, 6.0)


def write_mixable(folder: Path) -> list[CaseFiles]:
    """Write them; the fourth has the other place, the fifth none."""
    cases = phantom.write_cohort(folder, 3)
    moved = phantom.write_case(folder / "moved", 7, parts=("b0", "adc", "map"))
    signals = phantom.signals(7, lesion=False)
    mask = np.zeros(phantom.SHAPE, bool)
    mask[12:19, 14:22, 4:8] = True
    b0 = np.where(mask, signals["b0"] * 1.3, signals["b0"])
    adc = np.where(mask, signals["adc"] * 0.6, signals["adc"])
    for name, array in (("b0", b0), ("adc", adc), ("dwi", b0 * np.exp(-adc))):
        path = folder / "moved" / f"{name}.nii.gz"
        write_volume(path, Volume(array.astype(np.float32), phantom.AFFINE, Storage("float32")))
    path = folder / "moved" / "lesion.nii.gz"
    write_volume(path, Volume(mask.astype(np.uint8), phantom.AFFINE, Storage("uint8")))
    healthy = phantom.write_case(folder / "healthy", 8, parts=("b0", "adc", "map"))
    return [*cases, replace(moved, lesion=path), healthy]
