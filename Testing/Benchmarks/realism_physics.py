"""Simulated 3 T examinations beside a real one: slices, histograms, numbers.

    python -m Testing.Benchmarks.realism_physics [--data DIR]

Writes realism_physics.png and realism_physics.json beside this script. Simulated are older people of the
shipped population model with procedural infarcts, skull-stripped as the real examination is. That one is the
sample of the ISLES'22 challenge (ezequieldlrosa/DeepIsles, CC BY-SA 4.0; Hernandez Petzsche et al.,
Scientific Data 2022, 9:762). It has no reference mask, so everything is measured alike on both: on DWI and
ADC alone.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from StrokeSynthLib.anatomy.source import open_anatomies
from StrokeSynthLib.files import write_json
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.source import open_lesions
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner.protocols import PROTOCOLS
from StrokeSynthLib.scanner.simulate import acquire
from StrokeSynthLib.volume import read_volume
from Testing.paths import SHARED

Array = npt.NDArray[Any]

HERE = Path(__file__).parent
PROTOCOL = "3T-2mm"
SEED = 2022
#: ADC limits of normal tissue and of fluid (10^-3 mm^2/s).
TISSUE, FLUID = (0.6, 1.1), 2.6
#: The real patient is old: of the people drawn, those of the older half are taken.
AGE_AT_LEAST = 0.0
#: What is asked for in the examinations that are shown, by the person's number; the others have any lesion.
REQUESTS = {
    5: LesionRequest("MCA", "left", 40.0, 1),
    0: LesionRequest("PCA", "right", 25.0),
}
#: Age of the lesions that are shown (hours); of the others it is drawn.
SHOWN_AGE = 24.0
#: Levels of the slices, as share of the brain's height.
LEVELS = (0.24, 0.34, 0.42, 0.50, 0.62, 0.76)
#: Of lesion voxels in real 3 T examinations, DWI over tissue: mean, 10th and 90th percentile.
REAL_LESIONS = (1.58, 1.14, 2.23)
COLORS = {"tissue": "#2a7f3f", "fluid": "#7b4fa3", "lesion": "#d62728"}


@dataclass(frozen=True)
class Examination:
    """Images (RAS, skull-stripped) of one examination; ``lesion`` where it is known."""

    name: str
    dwi: Array
    adc: Array
    b0: Array
    lesion: Array | None = None

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


def simulated_examinations(count: int) -> dict[int, Examination]:
    """Skull-stripped scans of people of the population model, by number, with procedural infarcts."""
    people, lesions = open_anatomies(None), open_lesions(None)
    examinations: dict[int, Examination] = {}
    for number in itertools.count():
        if len(examinations) == count:
            return examinations
        anatomy = people.draw(number, SEED)
        if anatomy.record["parameters"]["age"] < AGE_AT_LEAST:
            continue
        rng = generator(SEED, "realism", number)
        lesion = lesions.draw(anatomy, REQUESTS.get(number, LesionRequest()), rng)
        age = SHOWN_AGE if number in REQUESTS else None
        scan = acquire(anatomy, lesion, PROTOCOLS[PROTOCOL], rng, skull_stripped=True, lesion_age_hours=age)
        volumes = [v.canonical().array for v in (scan.dwi, scan.adc, scan.b0, scan.lesion)]
        examinations[number] = Examination(anatomy.name, *volumes)
    raise AssertionError


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


def draw(real: Examination, by_number: Mapping[int, Examination], path: Path) -> None:
    """Slices of the real and of two simulated examinations; below, histograms."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    shown = [("real 3 T\nexamination", real)]
    shown += [(f"simulated {n}", by_number[number]) for n, number in enumerate(REQUESTS, 1)]
    simulated = list(by_number.values())
    windows = {"dwi": ("DWI", 2.2), "b0": ("b0", 4.5), "adc": ("ADC", 3.0)}
    figure = plt.figure(figsize=(10.4, 24.0))
    outer = figure.add_gridspec(
        2, 1, height_ratios=[3.2, 1.0], hspace=0.05, left=0.075, right=0.985, top=0.956, bottom=0.024
    )
    pictures = outer[0].subgridspec(3, 1, hspace=0.025)
    for group, (image, (title, top)) in enumerate(windows.items()):
        rows = pictures[group].subgridspec(3, 1, hspace=0.015)
        for row, (name, examination) in enumerate(shown):
            axis = figure.add_subplot(rows[row])
            scale = (
                1.0 if image == "adc" else float(np.median(getattr(examination, image)[examination.tissue]))
            )
            axis.imshow(
                _strip(examination, image), cmap="gray", vmin=0, vmax=top * scale, interpolation="bicubic"
            )
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_ylabel(name, fontsize=10, color="black" if row else "#b35900")
            axis.text(0.006, 0.95, title, color="white", fontsize=11, va="top", transform=axis.transAxes)
    plots = outer[1].subgridspec(2, 3, wspace=0.2, hspace=0.42)
    for column, image in enumerate(windows):
        _brain_histogram(figure.add_subplot(plots[0, column]), real, simulated, image)
        _part_histogram(figure.add_subplot(plots[1, column]), real, simulated, image)
    figure.suptitle(
        "SIMULATED diffusion MR beside one real 3 T examination\n"
        f"Simulated: older people of the population model, procedural infarcts (shown at {SHOWN_AGE:g} h: "
        f"left MCA, right PCA), protocol {PROTOCOL}.\nReal: sample of ISLES'22 (Hernandez Petzsche et al., "
        "Scientific Data 2022, 9:762; CC BY-SA 4.0). The patient's right is on the left.",
        fontsize=10.5, y=0.989,
    )  # fmt: skip
    figure.savefig(path, dpi=90)
    plt.close(figure)
    with Image.open(path) as image_file:
        _few_colors(np.asarray(image_file.convert("RGB"))).save(path, optimize=True)


def _few_colors(pixels: Array) -> Any:
    """Palette image: 192 grays and 64 colors are enough here, at a third of the size."""
    from PIL import Image

    grays = np.linspace(0, 255, 192).round().astype(np.uint8)
    colored = pixels[np.ptp(pixels.astype(int), axis=2) > 24]
    colors = Image.fromarray(colored[None]).quantize(64, Image.Quantize.MEDIANCUT).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*np.repeat(grays, 3).tolist(), *(colors or [])[: 3 * 64]])
    few = Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE)
    # The library's search for the nearest color is a little coarse: a page is white.
    numbers = np.array(few)
    numbers[(pixels == 255).all(axis=2)] = len(grays) - 1
    exact = Image.fromarray(numbers, "P")
    exact.putpalette(few.getpalette() or [])
    return exact


def _strip(examination: Examination, image: str) -> Array:
    """Axial slices side by side, in radiological convention."""
    where = np.nonzero(examination.brain)
    low, high = (f(where, axis=1) for f in (np.min, np.max))
    levels = [round(float(low[2] + share * (high[2] - low[2]))) for share in LEVELS]
    x, y = ((int(a) + int(b)) // 2 + 50 for a, b in zip(low[:2], high[:2], strict=True))
    values = np.pad(getattr(examination, image), ((50, 50), (50, 50), (0, 0)))
    part = values[x - 38 : x + 38, y - 46 : y + 46]
    return np.concatenate([part[::-1, ::-1, z].T for z in levels], axis=1)


TOPS = {"dwi": 2.8, "b0": 6.5, "adc": 4.0}
UNITS = {"dwi": "DWI / tissue", "b0": "b0 / tissue", "adc": "ADC ($10^{-3}$ mm$^2$/s)"}


def _density(values: Array, bins: Array) -> tuple[Array, Array]:
    counts, edges = np.histogram(values, bins, density=True)
    return (edges[1:] + edges[:-1]) / 2, counts


def _brain_histogram(axis: Any, real: Examination, simulated: Sequence[Examination], image: str) -> None:
    """The whole brain: the real one filled, the simulated ones as lines."""
    bins = np.linspace(0.0, TOPS[image], 71)
    axis.fill_between(*_density(_normalized(real, image), bins), step="mid", color="0.78", label="real")
    for number, examination in enumerate(simulated):
        label = f"simulated (n = {len(simulated)})" if number == 0 else None
        axis.plot(*_density(_normalized(examination, image), bins), color="#1f77b4", lw=0.9, alpha=0.6,
                  label=label)  # fmt: skip
    axis.set_title("whole brain", fontsize=10)
    _finish(axis, image)


def _part_histogram(axis: Any, real: Examination, simulated: Sequence[Examination], image: str) -> None:
    """Normal tissue, fluid and lesion, each with an area of 1."""
    bins = np.linspace(0.0, TOPS[image], 71)
    for name, of in (("tissue", _tissue_values), ("fluid", _fluid_values)):
        axis.plot(*_density(of(real, image), bins), "--", color=COLORS[name], lw=1.5, label=f"{name}, real")
        pooled = np.concatenate([of(examination, image) for examination in simulated])
        axis.plot(*_density(pooled, bins), color=COLORS[name], lw=1.5, label=f"{name}, simulated")
    axis.plot(
        *_density(_lesion_values(simulated, image), bins),
        color=COLORS["lesion"],
        lw=1.5,
        label="lesion, simulated",
    )
    if image == "dwi":
        axis.plot(REAL_LESIONS[1:], [0.12, 0.12], color=COLORS["lesion"], lw=5, alpha=0.35,
                  solid_capstyle="butt", label="lesions in real 3 T,\n10th to 90th percentile")  # fmt: skip
    axis.set_title("tissue, fluid, lesion (each of area 1)", fontsize=10)
    _finish(axis, image)


def _finish(axis: Any, image: str) -> None:
    axis.set_xlabel(UNITS[image], fontsize=10)
    axis.set_ylabel("density of voxels", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.set_xlim(0, TOPS[image])
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=7.5, frameon=False, loc="upper right")


def _of(examination: Examination, image: str, where: Array) -> Array:
    values = getattr(examination, image)
    scale = 1.0 if image == "adc" else np.median(values[examination.tissue])
    return np.asarray(values[where] / scale)


def _lesion_values(examinations: Sequence[Examination], image: str) -> Array:
    return np.concatenate([_of(e, image, e.lesion > 0) for e in examinations if e.lesion is not None])


def _tissue_values(examination: Examination, image: str) -> Array:
    return _of(examination, image, examination.tissue)


def _fluid_values(examination: Examination, image: str) -> Array:
    return _of(examination, image, examination.inner & (examination.adc > FLUID))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--count", type=int, default=8)
    arguments = parser.parse_args()
    report(real_examination(arguments.data), simulated_examinations(arguments.count))


def report(real: Examination, by_number: Mapping[int, Examination], folder: Path = HERE) -> None:
    """Write figure and numbers."""
    simulated = list(by_number.values())
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
    ratios = _lesion_values(simulated, "dwi")
    numbers = {
        "protocol": PROTOCOL,
        "seed": SEED,
        "simulated": [e.name for e in simulated],
        "people": f"shipped population model, age coordinate at least {AGE_AT_LEAST:g}; procedural infarcts",
        "shown": [{"name": by_number[n].name, **asdict(request)} for n, request in REQUESTS.items()],
        "measures": summary,
        "wasserstein": distances(real, simulated),
        "lesion_dwi_over_tissue": {
            "simulated": [float(ratios.mean()), *(float(v) for v in np.percentile(ratios, [10, 90]))],
            "real_3T_examinations": list(REAL_LESIONS),
            "what": "mean, 10th and 90th percentile of voxels",
        },
        "source_of_real": "ISLES'22 sample, CC BY-SA 4.0; Hernandez Petzsche et al., Sci Data 2022, 9:762",
        "command": "python -m Testing.Benchmarks.realism_physics",
    }
    write_json(folder / "realism_physics.json", numbers)
    draw(real, by_number, folder / "realism_physics.png")


if __name__ == "__main__":
    main()
