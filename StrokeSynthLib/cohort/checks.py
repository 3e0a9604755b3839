"""Checks at the door: each looks at one property and says what is wrong in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError
from ..schema import CLASSES, INTRACRANIAL, LESION
from ..volume import Storage, Volume, read_volume

Array = npt.NDArray[Any]

#: Median ADC of brain tissue that is believed (10^-3 mm^2/s). Healthy tissue is at 0.70 to 0.89
#: (Helenius et al., AJNR 2002); the range leaves room for infarcts, edema, children and CSF, and is
#: under a factor of 10 wide, so that no value fits two units.
PLAUSIBLE_ADC = (0.3, 2.5)
#: The unit of every ADC inside the library.
STANDARD_ADC_UNIT = "10^-3 mm^2/s"
#: Factors from the units in which ADC is stored to 10^-3 mm^2/s.
ADC_UNITS = {STANDARD_ADC_UNIT: 1.0, "10^-6 mm^2/s": 1e-3, "mm^2/s": 1e3, "m^2/s": 1e9}
#: Tissues of the brain that a semantic map shows at least; white matter, cortex and fluid are in any slab.
LEAST_TISSUES = 3
#: Key of a volume's metadata: the unit in which the file holds the ADC.
ADC_UNIT_KEY = "adc_unit"


def name_of(volume: Volume, what: str) -> str:
    """What to call an image in a message: its file, or what it is."""
    return str(volume.source) if volume.source is not None else what


def read_gray(path: Path) -> Volume:
    """Read a 3D image whose values are usable; see :func:`checked_gray`."""
    return checked_gray(read_volume(path))


def checked_gray(volume: Volume, what: str = "image") -> Volume:
    """An image with finite values that are not all the same, in a floating type.

    float64 stays float64, so that what is not changed can be written back bit by bit.

    Raises
    ------
    BadInputError
        On NaN or infinite voxels, a constant image, or fewer than 8 voxels along two axes.
    """
    name, array = name_of(volume, what), volume.array
    if array.dtype.kind not in "fiub":
        raise BadInputError(f"{name}: holds values of type {array.dtype}; a gray image is needed.")
    if sorted(array.shape)[1] < 8:
        raise BadInputError(f"{name}: has only {_shape(volume)} voxels; a whole image is needed.")
    if array.dtype.kind == "f":
        bad = int(array.size - np.isfinite(array).sum())
        if bad:
            raise BadInputError(
                f"{name}: {bad} voxel{'s are' if bad > 1 else ' is'} NaN or infinite; "
                "set them to 0 if they are background, or export the image again."
            )
    elif array.dtype.kind in "iub":
        array = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise BadInputError(
            f"{name}: every voxel has the value {low:g}; the image is empty, export it again."
        )
    return replace(volume, array=array)


def read_mask(path: Path, notices: list[str]) -> Volume:
    """Read a lesion mask as uint8 of 0 and 1; see :func:`checked_mask`."""
    return checked_mask(read_volume(path), notices)


def checked_mask(volume: Volume, notices: list[str]) -> Volume:
    """A lesion mask as uint8 of 0 and 1.

    {0, 1}, {0, 255}, booleans and values that a scaling factor moved a little are masks;
    an empty one means "no lesion" and is noticed; probabilities and several labels are not masks.

    Raises
    ------
    BadInputError
        When it is not a mask.
    """
    name, array = name_of(volume, "the lesion mask"), volume.array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadInputError(f"{name}: the mask has NaN or infinite voxels; write it again as 0 and 1.")
    high = float(array.max())
    if high == 0.0 and float(array.min()) == 0.0:
        notices.append(f"{Path(name).name}: the mask is empty; the case counts as one without a lesion.")
        return replace(volume, array=np.zeros(array.shape, np.uint8))
    if array.dtype.kind in "bu" and high == 1.0 and not array.all():
        return replace(volume, array=array.astype(np.uint8))
    # One part in 100: what storing a 1 in a scaled integer type costs at most.
    lesion = np.abs(array.astype(np.float32) - high) <= 0.01 * abs(high)
    background = np.abs(array.astype(np.float32)) <= 0.01 * abs(high)
    if not (lesion | background).all() or not (abs(high - 1) <= 0.01 or abs(high - 255) <= 2.55):
        raise BadInputError(f"{name}: is not a mask: {_values(array)}.")
    if lesion.all():
        raise BadInputError(f"{name}: the mask marks every voxel; it should mark the lesion only.")
    return replace(volume, array=lesion.astype(np.uint8))


def _values(array: Array) -> str:
    """What a would-be mask holds, and what to do."""
    sample = np.unique(array)
    if (sample == np.rint(sample)).all():
        shown = ", ".join(f"{value:g}" for value in sample[:4]) + (", ..." if sample.size > 4 else "")
        return f"it holds the values {shown}; write 0 for background and 1 for the lesion"
    between = float(sample[(sample != np.rint(sample)).argmax()])
    return (
        f"it holds values in between such as {between:.3g} (probabilities, or interpolation); "
        "threshold it at 0.5 first"
    )


def read_map(path: Path) -> Volume:
    """Read a semantic map in the schema's numbering as uint8; see :func:`checked_map`."""
    return checked_map(read_volume(path))


def checked_map(volume: Volume) -> Volume:
    """A semantic map in the schema's numbering as uint8.

    Raises
    ------
    BadInputError
        When it holds other labels, fractions, or fewer tissues than any map of a brain.
    """
    name, array = name_of(volume, "the semantic map"), volume.array
    labels = np.unique(array)
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
        raise BadInputError(
            f"{name}: is not a label map, it holds fractions; resample it with nearest neighbor."
        )
    outside = [int(label) for label in labels if not 0 <= label < LESION]
    if outside:
        shown = ", ".join(map(str, outside[:4])) + (", ..." if len(outside) > 4 else "")
        hint = (
            "the lesion belongs into its own mask" if outside == [LESION] else
            "FreeSurfer and SynthSeg numbers must be converted to the classes of StrokeSynth first"
        )  # fmt: skip
        raise BadInputError(
            f"{name}: holds the labels {shown}, but tissue classes are 0 to {LESION - 1}; {hint}."
        )
    _check_tissues(name, labels)
    return replace(volume, array=array.astype(np.uint8))


def _check_tissues(name: str, labels: Array) -> None:
    """Refuse a mask, or a segmentation of another kind, where a semantic map is needed."""
    brain = [CLASSES[int(label)] for label in labels if label in INTRACRANIAL]
    if len({found.tissue for found in brain}) >= LEAST_TISSUES:
        return
    shown = ", ".join(found.name for found in brain) or "none"
    kind = "a mask of 0 and 1" if set(labels) <= {0, 1} else f"too few of the brain's classes ({shown})"
    raise BadInputError(
        f"{name}: is no semantic map, it holds {kind}; give the map that 'strokesynth map' makes."
    )


def in_standard_unit(adc: Volume, dwi: Volume, notices: list[str]) -> Volume:
    """ADC in 10^-3 mm^2/s, whatever unit the file has; both on one grid.

    The unit is told by the median over brain-like voxels: those where the trace image is brighter
    than its mean over positive voxels (parenchyma, not fluid, not air) and ADC is positive. The
    file's unit is kept in the metadata (:data:`ADC_UNIT_KEY`) for :func:`in_file_unit`.

    Raises
    ------
    BadInputError
        When the values fit no unit of ADC.
    """
    name = name_of(adc, "ADC")
    positive = dwi.array > 0
    bright = dwi.array > (float(dwi.array[positive].mean()) if positive.any() else 0.0)
    values = adc.array[bright & (adc.array > 0)]
    if values.size == 0:
        raise BadInputError(f"{name}: has no positive value inside the head; it is not the ADC of this DWI.")
    median = float(np.median(values))
    low, high = PLAUSIBLE_ADC
    unit = next((u for u, factor in ADC_UNITS.items() if low <= median * factor <= high), None)
    if unit is None:
        raise BadInputError(
            f"{name}: the median over the brain is {median:.3g}, which fits no unit of ADC "
            "(about 0.8 in 10^-3 mm^2/s, 800 in 10^-6 mm^2/s); give the ADC map of this DWI."
        )
    factor, metadata = ADC_UNITS[unit], {**adc.metadata, ADC_UNIT_KEY: unit}
    if factor == 1.0:
        return replace(adc, metadata=metadata)
    notices.append(f"{Path(name).name}: ADC is in {unit}; converted to 10^-3 mm^2/s.")
    scaled = Storage(adc.storage.dtype, adc.storage.slope * factor, adc.storage.intercept * factor)
    return replace(adc, array=adc.array * adc.array.dtype.type(factor), storage=scaled, metadata=metadata)


def in_file_unit(adc: Volume, like: Volume) -> Volume:
    """ADC (10^-3 mm^2/s) in the unit and storage that the file of ``like`` had.

    ``like`` is the ADC of a loaded case; used when a result goes back to the user.
    """
    factor = ADC_UNITS[like.metadata.get(ADC_UNIT_KEY, STANDARD_ADC_UNIT)]
    storage = Storage(like.storage.dtype, like.storage.slope / factor, like.storage.intercept / factor)
    return replace(adc, array=adc.array / adc.array.dtype.type(factor), storage=storage)


def place_on_grid(
    volume: Volume, dwi: Volume, what: str, notices: list[str], *, resample: bool = False
) -> Volume:
    """``volume`` on the grid of ``dwi``, by the gentlest means that is right.

    1. Same grid within the tolerance of :meth:`Grid.matches`: taken as it is.
    2. Same voxels in another axis order or flipped: reordered, exactly.
    3. Same shape and less than half a voxel away: taken as the same grid, with a notice.
    4. Else resampled linearly with a notice where ``resample`` allows it (images), refused where it
       does not (masks and maps, whose borders it would move).

    Raises
    ------
    BadInputError
        When the grids differ and may not be resampled, or do not overlap.
    """
    if volume.grid.matches(dwi.grid):
        return replace(volume, affine=dwi.affine)
    name = Path(name_of(volume, what)).name
    turned, reference = volume.canonical(), dwi.canonical()
    distance = turned.grid.distance(reference.grid)
    if distance <= 0.5 * min(dwi.spacing):
        if volume.orientation != dwi.orientation:
            notices.append(f"{name}: its axes are ordered or flipped otherwise than the DWI's; reordered.")
        if not turned.grid.matches(reference.grid):
            notices.append(
                f"{name}: lies {distance:.2g} mm beside the DWI, under half a voxel; taken as the same grid."
            )
        moved = dwi.from_canonical(turned.array)
        return replace(volume, array=moved.array, affine=dwi.affine)
    if not resample:
        raise BadInputError(
            f"{name_of(volume, what)}: its grid ({_shape(volume)}, {_spacing(volume)} mm) is not that of the "
            f"image it belongs to ({_shape(dwi)}, {_spacing(dwi)} mm)"
            + (", and lies elsewhere" if volume.array.shape == dwi.array.shape else "")
            + "; resample it to that grid with nearest neighbor."
        )
    inside = _share_inside(volume, dwi)
    if inside < 0.5:
        raise BadInputError(
            f"{name_of(volume, what)}: covers only {100 * inside:.0f} % of the DWI's field of view; "
            "the two are not of the same examination, or one has lost its place in space."
        )
    notices.append(
        f"{name}: its grid ({_shape(volume)}, {_spacing(volume)} mm) is not that of the DWI ({_shape(dwi)}, "
        f"{_spacing(dwi)} mm); resampled linearly."
    )
    resampled = volume.resampled(dwi.grid, order=1)
    return replace(resampled, source=volume.source)


def _share_inside(volume: Volume, dwi: Volume) -> float:
    """Share of the DWI's field of view that ``volume`` covers, from a 16^3 lattice of points."""
    axes = [np.linspace(0, n - 1, 16) for n in dwi.grid.shape]
    index = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")] + [np.ones(16**3)])
    other = (np.linalg.inv(volume.affine) @ dwi.affine @ index)[:3].T
    size = np.asarray(volume.grid.shape)
    return float(((other >= -0.5) & (other <= size - 0.5)).all(axis=1).mean())


def _shape(volume: Volume) -> str:
    return "x".join(map(str, volume.array.shape))


def _spacing(volume: Volume) -> str:
    values: Sequence[float] = volume.spacing
    return "x".join(f"{value:.3g}" for value in values)
