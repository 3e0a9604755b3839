"""Simulated 3 T examinations beside a real one: slices, histograms, numbers.

    python -m Testing.Benchmarks.realism_physics [--data ../shared/data]

Writes realism_physics.png and realism_physics.json beside this script. The real examination is the sample
of the ISLES'22 challenge (ezequieldlrosa/DeepIsles, CC BY-SA 4.0; Hernandez Petzsche et al., Scientific Data
2022, 9:762). It has no reference mask, so everything is measured alike on both: on DWI and ADC alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.labels import read_labels
from StrokeSynthLib.anatomy.source import RegistrationCache, open_anatomies
from StrokeSynthLib.files import sha256_of
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.masks import held_out_names, person_of
from StrokeSynthLib.lesions.source import open_lesions
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner.protocols import PROTOCOLS
from StrokeSynthLib.scanner.simulate import acquire
from StrokeSynthLib.volume import file_stem, read_volume
from Testing.paths import SHARED

Array = npt.NDArray[Any]

HERE = Path(__file__).parent
PROTOCOL = "3T-2mm"
SEED = 2022
#: ADC limits of normal tissue and of fluid (10^-3 mm^2/s).
TISSUE, FLUID = (0.6, 1.1), 2.6
#: Middle-aged and old people of the training set, as the real patient.
PEOPLE = ("training_seg_06", "training_seg_08", "training_seg_12", "training_seg_11", "training_seg_10")
LEVELS = (0.16, 0.30, 0.40, 0.50, 0.62, 0.76, 0.90)


@dataclass(frozen=True)
class Examination:
    """Images (RAS, skull-stripped) of one examination; ``lesion`` where it is known."""

    name: str
    dwi: Array
    adc: Array
    b0: Array
    lesion: Array | None = None
    tissue_map: Array | None = None

    @property
    def brain(self) -> Array:
        return np.asarray(ndimage.binary_fill_holes(ndimage.binary_opening(self.dwi > 1e-6)))

    @property
    def inner(self) -> Array:
        """Brain at least 10 mm from the edge of the stripped image."""
        return np.asarray(ndimage.binary_erosion(self.brain, iterations=5))

    @property
    def tissue(self) -> Array:
        """Inner tissue with a normal ADC, without the known lesion."""
        normal = (self.adc > TISSUE[0]) & (self.adc < TISSUE[1]) & self.inner
        return normal if self.lesion is None else normal & (self.lesion == 0)


def real_examination(data: Path) -> Examination:
    """The real examination; b0 from DWI and ADC."""
    folder = data / "real"
    dwi = read_volume(next(folder.glob("*dwi.nii.gz"))).canonical().array
    adc = read_volume(next(folder.glob("*adc.nii.gz"))).canonical().array
    return Examination("real", dwi, adc, dwi * np.exp(np.clip(adc, 0.0, 5.0)))


def simulated_examinations(data: Path, count: int) -> list[Examination]:
    """Skull-stripped scans of training people, then of the population model, with real lesion masks."""
    held_out = set(held_out_names())
    files = (data / "lesions").glob("*_lesion.nii.gz")
    names = sorted(person for person in map(person_of, files) if person not in held_out)
    lesions = open_lesions(data / "lesions", names)
    population = open_anatomies(None)
    people = [registered(data / "anatomy" / f"{name}.nii.gz") for name in PEOPLE]
    people += [population.draw(k, SEED) for k in range(2)]
    return [simulated(anatomy, lesions, k) for k, anatomy in enumerate(people[:count])]


def registered(path: Path) -> Anatomy:
    """A label map with its place in standard space."""
    labels = read_labels(path)
    correspondence = RegistrationCache().correspondence(labels, sha256_of(path))
    return Anatomy(labels.array, labels.affine, correspondence, file_stem(path))


def simulated(anatomy: Anatomy, lesions: Any, number: int) -> Examination:
    """One skull-stripped scan with a lesion."""
    rng = generator(SEED, "realism", number)
    lesion = lesions.draw(anatomy, LesionRequest(), rng)
    scan = acquire(anatomy, lesion, PROTOCOLS[PROTOCOL], rng, skull_stripped=True)
    volumes = [v.canonical().array for v in (scan.dwi, scan.adc, scan.b0, scan.lesion, scan.semantic_map)]
    return Examination(anatomy.name, volumes[0], volumes[1], volumes[2], volumes[3], volumes[4])


def measure(examination: Examination) -> dict[str, float]:
    """Medians, widths and noise, all relative to normal tissue."""
    tissue, inner, brain = examination.tissue, examination.inner, examination.brain
    dwi, adc, b0 = examination.dwi, examination.adc, examination.b0
    median, median_b0 = float(np.median(dwi[tissue])), float(np.median(b0[tissue]))
    fluid = inner & (adc > FLUID)
    histogram, edges = np.histogram(adc[inner], 100, (0.0, 4.0))
    peak = histogram.argmax()
    result = {
        "adc_mode": float((edges[peak] + edges[peak + 1]) / 2),
        "adc_tissue_median": float(np.median(adc[tissue])),
        "adc_tissue_spread": _spread(adc[tissue]),
        "dwi_tissue_spread": _spread(dwi[tissue] / median),
        "b0_tissue_spread": _spread(b0[tissue] / median_b0),
        "dwi_fluid": float(np.median(dwi[fluid]) / median),
        "b0_fluid": float(np.median(b0[fluid]) / median_b0),
        "adc_fluid": float(np.median(adc[fluid])),
        "brain_with_adc_above_1.5": float((adc[brain] > 1.5).mean()),
        "dwi_local_noise": _local_noise(dwi, tissue) / median,
        "adc_local_noise": _local_noise(adc, tissue),
        "dwi_neighbor_correlation": _neighbor_correlation(dwi, tissue),
        "brain_ml": float(brain.sum()) * 0.008,
    }
    for percentile in (1, 5, 95, 99):
        result[f"dwi_brain_p{percentile}"] = float(np.percentile(dwi[brain], percentile) / median)
    if examination.lesion is not None and examination.lesion.any():
        ratio = dwi[examination.lesion > 0] / median
        result["lesion_dwi_mean"] = float(ratio.mean())
    return result


def _spread(values: Array) -> float:
    low, high = np.percentile(values, [10, 90])
    return float(high - low)


def _local_noise(image: Array, where: Array) -> float:
    """Robust spread of the difference from both neighbors across slices."""
    difference = (image - 0.5 * np.roll(image, 1, 2) - 0.5 * np.roll(image, -1, 2)) / np.sqrt(1.5)
    return float(1.4826 * np.median(np.abs(difference[ndimage.binary_erosion(where)])))


def _neighbor_correlation(image: Array, where: Array) -> float:
    """Correlation of neighbors in plane, after a smooth background is taken away."""
    filled = np.where(where, image, np.median(image[where]))
    residue = filled - ndimage.gaussian_filter(filled, 2.0)
    pairs = where & np.roll(where, 1, 0)
    return float(np.corrcoef(residue[pairs], np.roll(residue, 1, 0)[pairs])[0, 1])


def distances(real: Examination, simulated: Sequence[Examination]) -> dict[str, float]:
    """Wasserstein distance of pooled simulated values from the real ones, whole brain."""
    result = {}
    for image in ("dwi", "adc", "b0"):
        pooled = np.concatenate([_normalized(e, image)[::7] for e in simulated])
        result[image] = float(stats.wasserstein_distance(_normalized(real, image)[::3], pooled))
    return result


def _normalized(examination: Examination, image: str) -> Array:
    values = getattr(examination, image)
    inside = values[examination.brain]
    return np.asarray(inside if image == "adc" else inside / np.median(values[examination.tissue]))


def draw(real: Examination, simulated: Sequence[Examination], path: Path) -> None:
    """Slices of the real and of two simulated examinations, and histograms."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    shown = {"dwi": [real, *simulated[:3]], "b0": [real, simulated[0]], "adc": [real, simulated[0]]}
    figure = plt.figure(figsize=(12.6, 21.5), dpi=76)
    rows = [(image, e) for image, examinations in shown.items() for e in examinations]
    grid = figure.add_gridspec(
        len(rows) + 1, 1, height_ratios=[1.0] * len(rows) + [1.9], hspace=0.03, left=0.06, right=0.985,
        top=0.965, bottom=0.055,
    )  # fmt: skip
    for row, (image, examination) in enumerate(rows):
        axis = figure.add_subplot(grid[row])
        scale = (
            3.0
            if image == "adc"
            else (2.2 if image == "dwi" else 3.2) * np.median(getattr(examination, image)[examination.tissue])
        )
        axis.imshow(_strip(examination, image), cmap="gray", vmin=0, vmax=scale, aspect="equal")
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_ylabel(f"{image.upper() if image != 'b0' else 'b0'}\n{examination.name}", fontsize=8)
    bottom = grid[len(rows)].subgridspec(1, 3, wspace=0.18)
    for column, image in enumerate(("dwi", "b0", "adc")):
        _histograms(figure.add_subplot(bottom[column]), real, simulated, image)
    figure.suptitle(
        "A real 3 T examination (ISLES'22 sample, Hernandez Petzsche et al. 2022, CC BY-SA 4.0)"
        " and simulated ones",
        fontsize=11,
    )
    figure.savefig(path)
    plt.close(figure)
    # 160 colors are enough for gray images and a few lines, at a third of the size.
    with Image.open(path) as image_file:
        few = image_file.convert("RGB").quantize(160, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def _strip(examination: Examination, image: str) -> Array:
    """Axial slices side by side."""
    levels = np.flatnonzero(examination.brain.any(axis=(0, 1)))
    where = [int(levels[0] + share * (levels[-1] - levels[0])) for share in LEVELS]
    ys = np.flatnonzero(examination.brain.any(axis=(0, 2)))
    middle = (int(ys[0]) + int(ys[-1])) // 2
    xs = np.flatnonzero(examination.brain.any(axis=(1, 2)))
    center = (int(xs[0]) + int(xs[-1])) // 2
    values = np.pad(getattr(examination, image), ((50, 50), (50, 50), (0, 0)))
    part = values[center + 50 - 40 : center + 50 + 40, middle + 50 - 48 : middle + 50 + 48]
    return np.concatenate([part[::-1, ::-1, z].T for z in where], axis=1)


def _histograms(axis: Any, real: Examination, simulated: Sequence[Examination], image: str) -> None:
    top = {"dwi": 2.8, "b0": 6.5, "adc": 4.0}[image]
    bins = np.linspace(0.0, top, 81)
    axis.hist(_normalized(real, image), bins, density=True, color="0.75", label="real, brain")
    for number, examination in enumerate(simulated):
        values = _normalized(examination, image)
        axis.hist(
            values, bins, density=True, histtype="step", color="C0", alpha=0.45,
            label="simulated, brain" if number == 0 else None,
        )  # fmt: skip
    for name, color, of in (("tissue", "C2", _tissue_values), ("fluid", "C4", _fluid_values)):
        kinds = ((("real",), [real], "--"), (("simulated",), simulated, "-"))
        for (kind,), examinations, style in kinds:
            values = np.concatenate([of(e, image) for e in examinations])
            counts, edges = np.histogram(values, bins, density=True)
            axis.plot((edges[1:] + edges[:-1]) / 2, 0.35 * counts, style, color=color, lw=1.2,
                      label=f"{name}, {kind} (x 0.35)")  # fmt: skip
    lesions = [e for e in simulated if e.lesion is not None and e.lesion.any()]
    values = np.concatenate([_of(e, image, e.lesion > 0) for e in lesions])
    counts, edges = np.histogram(values, bins, density=True)
    axis.plot(
        (edges[1:] + edges[:-1]) / 2, 0.35 * counts, color="C3", lw=1.2, label="lesion, simulated (x 0.35)"
    )
    unit = {"dwi": "DWI / tissue", "b0": "b0 / tissue", "adc": "ADC ($10^{-3}$ mm$^2$/s)"}[image]
    axis.set_xlabel(unit)
    axis.set_yticks([])
    axis.set_xlim(0, top)
    if image == "dwi":
        axis.axvspan(1.14, 2.23, ymin=0.0, ymax=0.02, color="C3", alpha=0.5)
        axis.legend(fontsize=6.5, loc="upper right")


def _of(examination: Examination, image: str, where: Array) -> Array:
    values = getattr(examination, image)
    scale = 1.0 if image == "adc" else np.median(values[examination.tissue])
    return np.asarray(values[where] / scale)


def _tissue_values(examination: Examination, image: str) -> Array:
    return _of(examination, image, examination.tissue)


def _fluid_values(examination: Examination, image: str) -> Array:
    return _of(examination, image, examination.inner & (examination.adc > FLUID))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--count", type=int, default=7)
    arguments = parser.parse_args()
    real = real_examination(arguments.data)
    simulated = simulated_examinations(arguments.data, arguments.count)
    report(real, simulated)


def report(real: Examination, simulated: Sequence[Examination], folder: Path = HERE) -> None:
    """Write figure and numbers."""
    measured = [measure(e) for e in simulated]
    summary = {
        key: {
            "real": measure(real).get(key),
            "simulated_median": float(np.median([m[key] for m in measured if key in m])),
            "simulated_lowest": float(min(m[key] for m in measured if key in m)),
            "simulated_highest": float(max(m[key] for m in measured if key in m)),
        }
        for key in measured[0]
    }
    lesions = [e for e in simulated if e.lesion is not None and e.lesion.any()]
    ratios = np.concatenate([_of(e, "dwi", e.lesion > 0) for e in lesions]) if lesions else np.array([np.nan])
    numbers = {
        "protocol": PROTOCOL,
        "seed": SEED,
        "simulated": [e.name for e in simulated],
        "measures": summary,
        "wasserstein": distances(real, simulated),
        "lesion_dwi_over_tissue": {
            "simulated": [float(ratios.mean()), *(float(v) for v in np.percentile(ratios, [10, 90]))],
            "real_3T_examinations": [1.58, 1.14, 2.23],
            "what": "mean, 10th and 90th percentile of voxels",
        },
        "source_of_real": "ISLES'22 sample, CC BY-SA 4.0; Hernandez Petzsche et al., Sci Data 2022, 9:762",
        "command": "python -m Testing.Benchmarks.realism_physics",
    }
    (folder / "realism_physics.json").write_text(json.dumps(numbers, indent=1) + "\n")
    draw(real, simulated, folder / "realism_physics.png")


if __name__ == "__main__":
    main()
