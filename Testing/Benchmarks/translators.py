"""Both translators trained on a simulated clinic of 10 cases, beside examinations they have not seen.

    python -m Testing.Benchmarks.translators --data ../shared/data --work WORK [--steps 400]

Simulates 10 skull-stripped 3 T examinations (people 1 to 12) and 3 of other people (13 to 15, lesion masks of
the test list), trains on the first, draws on the maps of the second. Writes translators.png and
translators.json beside this script. "Simulated" below is the scanner's image of the same map and lesion.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import wasserstein_distance

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.files import write_json
from StrokeSynthLib.lesions.masks import held_out_names, person_of
from StrokeSynthLib.pipeline.simulate import SimulationRecipe, simulate
from StrokeSynthLib.progress import ProgressEvent
from StrokeSynthLib.schema import PARENCHYMA, classes_of
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.volume import file_stem

Array = npt.NDArray[Any]
HERE = Path(__file__).parent
SCANNER, TRAINING, TESTS = "3T-4mm", 10, 3
SEEDS = (0, 1, 2)
TEST_PEOPLE = ("13", "14", "15")


def cohorts(data: Path, work: Path) -> None:
    """Simulate both cohorts below ``work``, unless they are there."""
    test_masks = held_out_names()
    other_masks = {person_of(p) for p in (data / "lesions").glob("*.nii.gz")} - set(test_masks)
    for name, count, masks in (
        ("training", TRAINING, tuple(sorted(other_masks))), ("test", TESTS, test_masks),
    ):  # fmt: skip
        people = work / f"people-{name}"
        people.mkdir(parents=True, exist_ok=True)
        for path in sorted((data / "anatomy").glob("*.nii.gz")):
            link = people / path.name
            if (file_stem(path)[-2:] in TEST_PEOPLE) == (name == "test") and not link.exists():
                link.symlink_to(path.resolve())
        recipe = SimulationRecipe(
            people, data / "lesions", masks, SCANNER, lesion_free=0.0, skull_stripped=True, seed=31
        )
        simulate(work / name, count, recipe if name == "training" else replace(recipe, seed=32))


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
    """Train both, unless they are there; seconds of each that was."""
    cases = open_cohort(work / "training").cases
    seconds = {}
    for kind in ("physics", "pix2pix"):
        out = work / kind
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
        seconds[kind] = round(time.process_time() - start, 1)
    return seconds


def main() -> None:
    """Simulate, train, draw, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    cohorts(arguments.data, arguments.work)
    seconds = _train(arguments.work, arguments.steps)
    tests = [load_case(files) for files in open_cohort(arguments.work / "test").cases]
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
    summary = {
        who: {name: round(float(np.mean([r[name] for r in rows])), 3) for name in rows[0]}
        for who, rows in results.items()
    }
    report = {
        "command": f"python -m Testing.Benchmarks.translators --steps {arguments.steps}",
        "scanner": SCANNER, "training_cases": TRAINING, "test_cases": TESTS, "seeds": list(SEEDS),
        "mean over test cases": summary,
        "distance of DWI histograms in parenchyma (Wasserstein, median = 1)":
            {name: round(float(np.mean(values)), 4) for name, values in distances.items()},
        "relative difference between two seeds": diversity,
        "CPU seconds of training": seconds, "CPU seconds a volume": timing,
        "volume": [list(case.grid.shape) for case in tests],
    }  # fmt: skip
    write_json(HERE / "translators.json", report)
    _figure(tests[0], drawn)


def _figure(case: Case, drawn: dict[str, list[dict[str, Array]]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    assert case.lesion is not None
    assert case.semantic_map is not None
    turn = case.dwi.orientation.apply
    lesion = turn(case.lesion.array)
    z = int(np.argmax(lesion.sum((0, 1))))
    y = int(np.argmax(lesion.sum((0, 2))))
    columns = [("simulated", _images(case))]
    columns += [
        (f"{kind}, seed {seed}", image)
        for kind in drawn
        for seed, image in zip(SEEDS, drawn[kind], strict=True)
    ]
    figure, axes = pyplot.subplots(4, len(columns) + 1, figsize=(1.75 * (len(columns) + 1), 7.2))
    labels = turn(case.semantic_map.array)
    thick = case.grid.spacing[2] / case.grid.spacing[0]
    show = {"origin": "lower", "interpolation": "nearest"}
    axes[0, 0].imshow(labels[:, :, z].T, cmap="nipy_spectral", vmin=0, vmax=43, **show)
    axes[1, 0].imshow(lesion[:, :, z].T, cmap="gray", **show)
    axes[3, 0].imshow(labels[:, y].T, cmap="nipy_spectral", vmin=0, vmax=43, aspect=thick, **show)
    axes[0, 0].set_title("map, lesion", fontsize=8)
    for axis, (title, images) in zip(axes[:, 1:].T, columns, strict=True):
        turned = {name: turn(image) for name, image in images.items()}
        brain = turned["dwi"][turned["dwi"] > 0]
        top = 1.9 * float(np.median(brain))
        axis[0].imshow(turned["dwi"][:, :, z].T, cmap="gray", vmin=0, vmax=top, **show)
        axis[1].imshow(turned["adc"][:, :, z].T, cmap="gray", vmin=0, vmax=2.5, **show)
        bright = float(np.percentile(turned["b0"][turned["b0"] > 0], 98))
        axis[2].imshow(turned["b0"][:, :, z].T, cmap="gray", vmin=0, vmax=bright, **show)
        axis[3].imshow(turned["dwi"][:, y].T, cmap="gray", vmin=0, vmax=top, aspect=thick, **show)
        axis[0].set_title(title, fontsize=8)
    for row, text in enumerate(("DWI", "ADC", "b0", "DWI, coronal")):
        axes[row, 1].text(2, 2, text, color="white", fontsize=7)
    for axis in axes.ravel():
        axis.axis("off")
    figure.suptitle(
        "SYNTHETIC images: two translators trained on 10 cases, on a map they have not seen", fontsize=9
    )
    figure.tight_layout()
    figure.savefig(HERE / "translators.png", dpi=110)


if __name__ == "__main__":
    main()
