"""Both translators trained on a simulated clinic of 10 cases, beside examinations they have not seen.

    python -m Testing.Benchmarks.translators --work WORK [--steps 300]

Simulates 10 skull-stripped examinations of people of the shipped population model with procedural infarcts,
and 4 of other people; trains on the first, draws on the maps of the second. ``physics`` is also fitted to 10
examinations with skull, for what it makes of the head and of the air around it. Writes translators.png and
translators.json beside this script. "Simulated" below is the scanner's image of the same map and lesion.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import wasserstein_distance

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.files import write_json
from StrokeSynthLib.pipeline.simulate import SimulationRecipe, simulate
from StrokeSynthLib.progress import ProgressEvent
from StrokeSynthLib.schema import CLASSES, LESION_COLOR, PARENCHYMA, classes_of
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import open_translator, train_translator

Array = npt.NDArray[Any]
HERE = Path(__file__).parent
SCANNER, TRAINING, TESTS = "3T-4mm", 10, 4
SEEDS = (0, 1, 2)
#: Volume (ml) of the lesion that the figure shows, about.
SHOWN_ML = 25.0
#: Cohorts by name: cases, whether skull-stripped, seed. People and lesions differ with the seed.
COHORTS = {
    "training": (TRAINING, True, 31),
    "test": (TESTS, True, 32),
    "training-with-skull": (TRAINING, False, 33),
    "test-with-skull": (TESTS, False, 35),
}
#: Where each translator learns, by the name of its folder.
FITS = {
    "physics": ("physics", "training"),
    "pix2pix": ("pix2pix", "training"),
    "physics-with-skull": ("physics", "training-with-skull"),
}


def cohorts(work: Path) -> None:
    """Simulate all cohorts below ``work``, unless they are there."""
    for name, (count, skull_stripped, seed) in COHORTS.items():
        recipe = SimulationRecipe(scanner=SCANNER, lesion_free=0.0, skull_stripped=skull_stripped, seed=seed)
        simulate(work / name, count, recipe)


def _ratios(images: dict[str, Array], case: Case) -> dict[str, float]:
    """What radiologists compare: signal against white matter, texture, and lesion contrast."""
    assert case.semantic_map is not None
    assert case.lesion is not None
    labels, lesion = case.semantic_map.array, case.lesion.array > 0
    dwi, adc = images["dwi"], images["adc"]
    shown = (dwi > 0) & ~lesion

    def of(*tissues: str) -> Array:
        return np.isin(labels, classes_of(*tissues)) & shown

    white = float(np.median(dwi[of("white-matter")]))
    inside = of("white-matter")
    both = inside[1:] & inside[:-1]
    first, second = dwi[1:][both] / white, dwi[:-1][both] / white
    return {
        "dwi cortex / white matter": float(np.median(dwi[of("cortex")]) / white),
        "dwi ventricle / white matter": float(np.median(dwi[of("lateral-ventricle")]) / white),
        "dwi lesion / white matter": float(np.median(dwi[lesion]) / white),
        "adc white matter": float(np.median(adc[of("white-matter")])),
        "adc cortex": float(np.median(adc[of("cortex")])),
        "adc lesion": float(np.median(adc[lesion])),
        "dwi spread in white matter": float(np.std(dwi[inside]) / white),
        "dwi neighbor correlation in white matter": float(np.corrcoef(first, second)[0, 1]),
    }


def _brain(images: dict[str, Array], case: Case) -> Array:
    assert case.semantic_map is not None
    inside = np.isin(case.semantic_map.array, PARENCHYMA) & (images["dwi"] > 0)
    values = images["dwi"][inside]
    return np.asarray(values / np.median(values))


def _images(source: Any) -> dict[str, Array]:
    return {name: np.asarray(getattr(source, name).array, float) for name in ("dwi", "adc", "b0")}


def _train(work: Path, steps: int) -> dict[str, float]:
    """Train all, unless they are there; seconds of each that was."""
    seconds = {}
    for name, (kind, cohort) in FITS.items():
        cases = open_cohort(work / cohort).cases
        out = work / name
        if (out / "model.json").exists():
            continue
        start = time.process_time()

        def show(event: ProgressEvent) -> None:
            if event.values and event.done % 20 == 0:
                values = {name: round(value, 4) for name, value in event.values.items()}
                print(event.stage, event.done, event.total, values, flush=True)

        train_translator(
            kind, cases, out, TranslatorOptions(seed=1, steps=steps, device="cpu", resume=True), show
        )
        seconds[name] = round(time.process_time() - start, 1)
    return seconds


def main() -> None:
    """Simulate, train, draw, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    cohorts(arguments.work)
    seconds = _train(arguments.work, arguments.steps)
    tests = _tests(arguments.work / "test")
    results: dict[str, Any] = {"simulated": [_ratios(_images(case), case) for case in tests]}
    distances: dict[str, list[float]] = {"physics": [], "pix2pix": [], "other simulated case": []}
    drawn: dict[str, list[dict[str, Array]]] = {}
    timing, diversity = {}, {}
    for number, case in enumerate(tests):
        own, next_case = _brain(_images(case), case), tests[(number + 1) % len(tests)]
        distances["other simulated case"].append(
            wasserstein_distance(own, _brain(_images(next_case), next_case))
        )
    for kind in ("physics", "pix2pix"):
        translator = open_translator(arguments.work / kind, "cpu")
        results[kind] = []
        for number, case in enumerate(tests):
            assert case.semantic_map is not None
            start = time.process_time()
            images = [
                _images(translator.translate(case.semantic_map, case.lesion, seed=100 * number + seed))
                for seed in SEEDS
            ]
            timing[kind] = round((time.process_time() - start) / len(SEEDS), 2)
            results[kind] += [_ratios(image, case) for image in images]
            real = _brain(_images(case), case)
            distances[kind] += [wasserstein_distance(real, _brain(image, case)) for image in images]
            if number == 0:
                drawn[kind] = images
                first, second = (i["dwi"] / np.median(i["dwi"][i["dwi"] > 0]) for i in images[:2])
                diversity[kind] = round(float(np.mean(np.abs(first - second)[first > 0])), 4)
    summary = {who: _mean(rows) for who, rows in results.items()}
    report: dict[str, Any] = {
        "command": f"python -m Testing.Benchmarks.translators --steps {arguments.steps}",
        "people": "shipped population model, procedural infarcts",
        "scanner": SCANNER, "training_cases": TRAINING, "test_cases": TESTS, "seeds": list(SEEDS),
        "mean over test cases": summary,
        "distance of DWI histograms in parenchyma (Wasserstein, median = 1)":
            {name: round(float(np.mean(values)), 4) for name, values in distances.items()},
        "relative difference between two seeds": diversity,
        "CPU seconds of training": seconds, "CPU seconds a volume": timing,
        "volume": [list(case.grid.shape) for case in tests],
    }  # fmt: skip
    report["air around the head (with skull)"] = air = {}
    with_skull = _tests(arguments.work / "test-with-skull")
    translator = open_translator(arguments.work / "physics-with-skull", "cpu")
    heads: list[dict[str, Array]] = []
    air["simulated"] = _mean([_air(_images(case), case) for case in with_skull])
    rows = []
    for number, case in enumerate(with_skull):
        assert case.semantic_map is not None
        images = [
            _images(translator.translate(case.semantic_map, case.lesion, seed=100 * number + s))
            for s in SEEDS
        ]
        heads = heads or images
        rows += [_air(image, case) for image in images]
    air["physics"] = _mean(rows)
    write_json(HERE / "translators.json", report)
    _figure(tests[0], drawn, with_skull[0], heads)


def _tests(folder: Path) -> list[Case]:
    """The cases of a cohort; first the one whose lesion is closest to the volume to be shown."""
    cases = [load_case(files) for files in open_cohort(folder).cases]
    return sorted(cases, key=lambda case: abs(np.log(case.lesion_ml / SHOWN_ML)))


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}


def _air(images: dict[str, Array], case: Case) -> dict[str, float]:
    """Of air outside the head: how much is exactly zero, signal against brain, and ADC where it is not."""
    from scipy.ndimage import binary_dilation, binary_fill_holes

    assert case.semantic_map is not None
    head = binary_fill_holes(binary_dilation(case.semantic_map.array > 0, iterations=4))
    outside, dwi, adc, b0 = ~head, images["dwi"], images["adc"], images["b0"]
    brain = np.isin(case.semantic_map.array, PARENCHYMA)
    return {
        "dwi exactly 0": float((dwi[outside] == 0).mean()),
        "dwi / brain": float(dwi[outside].mean() / np.median(dwi[brain])),
        "b0 / brain": float(b0[outside].mean() / np.median(b0[brain])),
        "adc exactly 0": float((adc[outside] == 0).mean()),
        "adc mean": float(adc[outside].mean()),
    }


def _figure(
    case: Case, drawn: dict[str, list[dict[str, Array]]], head: Case, heads: list[dict[str, Array]]
) -> None:
    """A case without skull by all; below, one with skull, and its air in a narrow window."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from PIL import Image

    figure = pyplot.figure(figsize=(12.6, 12.1), facecolor="white")
    grid = figure.add_gridspec(
        6, 8, height_ratios=[1, 1, 1, 0.74, 1.0, 1.0], left=0.035, right=0.995, top=0.925, bottom=0.01,
        wspace=0.03, hspace=0.12,
    )  # fmt: skip
    axes = np.array([[figure.add_subplot(grid[row, column]) for column in range(8)] for row in range(6)])
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
    sources = [("simulated", _images(case))]
    sources += [(f"{kind}, seed {seed}", drawn[kind][n]) for kind in drawn for n, seed in enumerate(SEEDS)]
    view = _View(case, crop=True)
    view.map(axes[0, 0], coronal=False)
    view.map(axes[3, 0], coronal=True)
    _legend(axes[1, 0])
    view.show(axes[2, 0], sources[0][1], "dwi", 2.2, outline=True)
    axes[0, 0].set_title("map, lesion in red", fontsize=9)
    axes[2, 0].set_title("lesion on simulated DWI", fontsize=8, pad=2)
    for axis, (title, images) in zip(axes[:4, 1:].T, sources, strict=True):
        for row, (image, top) in enumerate((("dwi", 2.2), ("adc", 2.5), ("b0", 4.0))):
            view.show(axis[row], images, image, top)
        view.show(axis[3], images, "dwi", 2.2, coronal=True)
        axis[0].set_title(title, fontsize=9)
    view = _View(head, crop=False)
    view.map(axes[4, 0], coronal=False)
    view.map(axes[5, 0], coronal=True)
    axes[4, 0].set_title("map with skull", fontsize=9)
    sources = [("simulated", _images(head))]
    sources += [(f"physics, seed {seed}", images) for seed, images in zip(SEEDS, heads, strict=True)]
    for axis, (title, images) in zip(axes[4:, 1:5].T, sources, strict=True):
        view.show(axis[0], images, "dwi", 2.2)
        view.show(axis[1], images, "adc", 2.5)
        axis[0].set_title(title, fontsize=9)
    for axis, (title, images) in zip(axes[4:, 5:].T, sources[:3], strict=True):
        view.show(axis[0], images, "dwi", 0.35)
        view.show(axis[1], images, "b0", 0.35)
        axis[0].set_title(f"air: {title}", fontsize=9)
    for axis, text in zip(axes[:, 1], ("DWI", "ADC", "b0", "DWI, coronal", "DWI", "ADC"), strict=True):
        axis.text(0.02, 0.02, text, color="white", fontsize=8, transform=axis.transAxes)
    for axis, text in zip(axes[4:, 5], ("DWI, 0 to 0.35", "b0, 0 to 0.35"), strict=True):
        axis.text(0.02, 0.02, text, color="white", fontsize=8, transform=axis.transAxes)
    figure.suptitle(
        "SYNTHETIC images of people of the population model: two translators, trained on 10 simulated cases,"
        " on maps they have not seen\n"
        "DWI from 0 to 2.2, b0 from 0 to 4 times the median of brain tissue, ADC from 0 to 2.5 x 10$^{-3}$ "
        "mm$^2$/s; the patient's right is on the left",
        fontsize=9.5, y=0.99,
    )  # fmt: skip
    path = HERE / "translators.png"
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    with Image.open(path) as image_file:
        few = image_file.convert("RGB").quantize(200, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


class _View:
    """Slices of one case through its lesion, in radiological convention."""

    def __init__(self, case: Case, *, crop: bool) -> None:
        assert case.lesion is not None
        assert case.semantic_map is not None
        self._turn = case.dwi.orientation.apply
        self._lesion = self._turn(case.lesion.array) > 0
        self._labels = self._turn(case.semantic_map.array)
        self._brain = np.isin(self._labels, PARENCHYMA)
        turned = case.dwi.orientation.apply_to_grid(case.grid)
        self._aspect = turned.spacing[2] / turned.spacing[0]
        self._z = int(np.argmax(self._lesion.sum((0, 1))))
        self._y = int(np.argmax(self._lesion.sum((0, 2))))
        inside = np.argwhere(self._brain if crop else self._labels > 0)
        margin = 3 if crop else 7
        center = (inside.min(axis=0) + inside.max(axis=0)) // 2
        half = (np.ptp(inside, axis=0) + 1) // 2 + margin
        self._box = tuple(slice(max(int(c - h), 0), int(c + h)) for c, h in zip(center, half, strict=True))

    def _slice(self, values: Array, coronal: bool) -> Array:
        x, y, z = self._box
        part = values[x, self._y, z] if coronal else values[x, y, self._z]
        return np.asarray(part[::-1].swapaxes(0, 1))

    def map(self, axis: Any, *, coronal: bool) -> None:
        """The map in the classes' colors, the lesion in red."""
        colors = np.array([c.color for c in CLASSES] + [LESION_COLOR], np.float32) / 255
        labels = np.where(self._lesion, len(CLASSES), self._labels)
        axis.imshow(
            colors[self._slice(labels, coronal)], origin="lower", interpolation="nearest",
            aspect=self._aspect if coronal else 1.0,
        )  # fmt: skip

    def show(
        self, axis: Any, images: dict[str, Array], name: str, top: float, *, coronal: bool = False,
        outline: bool = False,
    ) -> None:  # fmt: skip
        """One slice; ``top`` of the window in medians of brain tissue, of ADC as it is."""
        values = self._turn(images[name])
        inside = self._brain & (values > 0)
        unit = 1.0 if name == "adc" else float(np.median(values[inside]))
        axis.imshow(
            self._slice(values, coronal), cmap="gray", vmin=0, vmax=top * unit, origin="lower",
            interpolation="nearest", aspect=self._aspect if coronal else 1.0,
        )  # fmt: skip
        if outline:
            color = tuple(v / 255 for v in LESION_COLOR)
            axis.contour(self._slice(self._lesion, coronal), levels=[0.5], colors=[color], linewidths=1.0)


def _legend(axis: Any) -> None:
    """Colors of the most common classes."""
    shown = ("white-matter", "cortex", "csf", "lateral-ventricle", "thalamus", "putamen",
             "white-matter-hyperintensity", "skull")  # fmt: skip
    colors = {c.tissue: c.color for c in CLASSES}
    names = [(tissue.replace("-", " "), colors[tissue]) for tissue in shown] + [("lesion", LESION_COLOR)]
    for row, (name, color) in enumerate(names):
        y = 0.93 - 0.11 * row
        axis.add_patch(_rectangle(0.02, y - 0.035, tuple(v / 255 for v in color)))
        axis.text(0.15, y, name.replace("hyperintensity", "hyperint."), fontsize=7, va="center")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)


def _rectangle(x: float, y: float, color: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 0.09, 0.07, facecolor=color, edgecolor="0.4", linewidth=0.5)


if __name__ == "__main__":
    main()
