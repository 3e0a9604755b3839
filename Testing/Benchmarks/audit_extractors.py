r"""What each extractor of the audit sees: real against real, databases of translators, and images made worse.

All against the same real cases, by the distances of ``evaluate/distances.py``, in sets of one size:

- *real*: as many other cases of the clinic, of which nothing is wrong;
- a database of each translator, trained on cases of that clinic;
- the same real cases as in *real*, made worse in steps: blurred, noisier, of other contrast; and broken ones.

A useful extractor puts *real* closest and every further step further away. The second part is about copies:
how many copies of training cases (``Testing/plants.py``) lie nearer to their original than any held-out case
lies to its nearest real one. All of them: the extractor could find copies by itself.

::

    python -m Testing.Benchmarks.audit_extractors --cohorts WORK --databases DIR --work KEPT --workers 2

The cohorts are those of ``shipped_cohorts.py``; the databases come from ``head_to_head.py``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.distance import cdist

from StrokeSynthLib.cohort.bvalues import read_sidecar
from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.evaluate.distances import FeatureSet, distances
from StrokeSynthLib.evaluate.features import EXTRACTORS, describe
from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.pipeline.database import DatabaseRecipe, make_database
from StrokeSynthLib.segment.brain import find_brain
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import train_translator
from Testing.plants import PLANTS

Array = npt.NDArray[Any]
HERE = Path(__file__).parent
TRANSLATORS = ("physics", "pix2pix", "spade", "cyclegan", "rflow", "copypaste")
COPIES = ("plain", "mirrored", "noised", "shifted", "turned and stretched", "other grid", "skull removed",
          "gamma", "blurred", "other lesion painted in", "one hemisphere")  # fmt: skip
#: The clinic of one protocol, and cases in each of its sets.
PROTOCOL, EACH = "1.5T-5mm", 15
#: By extractor, features of the slices of one case and of the whole of it.
Features = dict[str, tuple[Array, Array]]


def _blurred(case: Case, width: float) -> Case:
    """By a Gaussian of so many mm."""

    def blur(array: Array) -> Array:
        return ndimage.gaussian_filter(array.astype(np.float32), [width / s for s in case.dwi.spacing])

    return _changed(case, blur, blur)


def _noisier(case: Case, level: float) -> Case:
    """Rician noise of so much of normal tissue in DWI, Gaussian of as much (10^-3 mm^2/s) in ADC."""
    rng, scale = np.random.default_rng(0), _tissue(case)

    def drawn(array: Array, spread: float) -> Array:
        return rng.normal(0, spread, array.shape)

    return _changed(
        case,
        lambda a: np.hypot(a + drawn(a, level * scale), drawn(a, level * scale)),
        lambda a: np.where(a > 0, np.maximum(a + drawn(a, level), 0), 0),
    )


def _flatter(case: Case, power: float) -> Case:
    """Contrast of the DWI around normal tissue to a power below 1; ADC around 0.8 as well."""
    scale = _tissue(case)
    return _changed(
        case,
        lambda a: scale * np.maximum(a / scale, 0) ** power,
        lambda a: 0.8 * np.maximum(a / 0.8, 0) ** power,
    )


def _shuffled(case: Case, _: float) -> Case:
    """Blocks of some 16 mm within the brain change places: every texture right, no anatomy."""
    image = case.dwi.canonical()
    brain = find_brain(image.array, image.spacing).mask
    size = [max(1, round(16 / s)) for s in image.spacing[:2]]
    rng = np.random.default_rng(0)

    def shuffle(array: Array) -> Array:
        turned = case.dwi.with_array(array).canonical().array.copy()
        for z in range(turned.shape[2]):
            blocks = [
                (slice(i, i + size[0]), slice(j, j + size[1]), z)
                for i in range(0, turned.shape[0] - size[0] + 1, size[0])
                for j in range(0, turned.shape[1] - size[1] + 1, size[1])
                if brain[i : i + size[0], j : j + size[1], z].all()
            ]
            kept = [turned[block].copy() for block in blocks]
            for block, other in zip(blocks, rng.permutation(len(blocks)), strict=True):
                turned[block] = kept[other]
        return np.asarray(case.dwi.from_canonical(turned).array)

    return _changed(case, shuffle, shuffle)


def _exchanged(case: Case, _: float) -> Case:
    """ADC upside-down about 0.8: fluid dark, lesions bright."""
    return _changed(case, lambda a: a, lambda a: np.where(a > 0, np.clip(1.6 - a, 0, None), 0))


def _changed(case: Case, dwi: Callable[[Array], Array], adc: Callable[[Array], Array]) -> Case:
    changed = {"dwi": case.dwi.with_array(dwi(case.dwi.array.astype(np.float32)).astype(np.float32))}
    if case.adc is not None:
        changed["adc"] = case.adc.with_array(adc(case.adc.array.astype(np.float32)).astype(np.float32))
    return replace(case, **changed)


def _tissue(case: Case) -> float:
    image = case.dwi.canonical()
    return find_brain(image.array, image.spacing).scale


#: By name: what is done, and its steps.
WORSE: dict[str, tuple[Callable[[Case, float], Case], tuple[float, ...], str]] = {
    "blur": (_blurred, (1.0, 2.0, 3.5), "{:g} mm"),
    "noise": (_noisier, (0.05, 0.12, 0.25), "{:g} of tissue"),
    "contrast": (_flatter, (0.85, 0.65, 0.4), "power {:g}"),
    "broken": (_shuffled, (0.0,), "blocks exchanged"),
    "wrong": (_exchanged, (0.0,), "ADC upside-down"),
}


def _one(job: tuple[Path, int, str, float]) -> Features:
    """Features of one case, made worse or copied as the job says ("" leaves it as it is)."""
    folder, number, kind, step = job
    cases = open_cohort(folder).cases
    case = load_case(cases[number])
    if kind in WORSE:
        case = WORSE[kind][0](case, step)
    elif kind:
        host = load_case(cases[(number + 100) % len(cases)])
        case = PLANTS[kind](case, host, np.random.default_rng(number))
    found = describe(case, "cpu")
    return {name: (found.slices[name], found.whole(name)) for name in EXTRACTORS}


class Measurer:
    """Features of many cases, kept in a folder; its files are read by this program alone."""

    def __init__(self, kept: Path, workers: int) -> None:
        kept.mkdir(parents=True, exist_ok=True)
        self._kept, self._workers = kept, workers

    def __call__(
        self, name: str, folder: Path, numbers: Sequence[int], kind: str = "", step: float = 0.0
    ) -> list[Features]:
        """In the order of the numbers."""
        file = self._kept / f"{name}.pickle"
        if not file.is_file():
            jobs = [(folder, number, kind, step) for number in numbers]
            with ProcessPoolExecutor(self._workers, multiprocessing.get_context("spawn")) as pool:
                file.write_bytes(pickle.dumps(list(pool.map(_one, jobs, chunksize=2))))
            print(name, flush=True)
        found: list[Features] = pickle.loads(file.read_bytes())
        return found


def feature_set(cases: Sequence[Features], extractor: str) -> FeatureSet:
    """Of one extractor."""
    return FeatureSet([c[extractor][0] for c in cases], np.stack([c[extractor][1] for c in cases]))


def copies_seen(
    copies: dict[str, list[Features]],
    originals: Sequence[Features],
    others: Sequence[Features],
    extractor: str,
) -> dict[str, int]:
    """By kind: copies that lie nearer to their original than any other case lies to its nearest original.

    Distances are between whole cases, in the directions that hold 98 % of the originals' variance, each of
    unit spread.
    """
    known = np.stack([c[extractor][1] for c in originals])
    mean, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-4)
    known = (known - mean) / spread
    _, strength, directions = np.linalg.svd(known, full_matrices=False)
    count = int(np.searchsorted(np.cumsum(strength**2) / np.sum(strength**2), 0.98)) + 1
    turn = directions[:count].T / strength[:count]
    known = known @ turn
    rest = (np.stack([c[extractor][1] for c in others]) - mean) / spread @ turn
    limit = cdist(rest, known).min()
    found = {}
    for kind, cases in copies.items():
        distance = cdist((np.stack([c[extractor][1] for c in cases]) - mean) / spread @ turn, known)
        own = np.arange(len(cases))
        found[kind] = int(((distance.argmin(axis=1) == own) & (distance.min(axis=1) < limit)).sum())
    return found


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything; the figures."""
    measure, count = Measurer(arguments.work, arguments.workers), arguments.cases
    clinic = arguments.cohorts / "clinic"
    order = np.random.default_rng(0).permutation(len(open_cohort(clinic).cases))
    reference_of, control_of = order[:count].tolist(), order[count : 2 * count].tolist()
    reference = measure("reference", clinic, reference_of)
    control = measure("real", clinic, control_of)
    sets: dict[str, list[Features]] = {"real": control}
    for kind in TRANSLATORS:
        folder = arguments.databases / f"{kind}-0"
        sets[kind] = measure(kind, folder, range(min(count, len(open_cohort(folder).cases))))
    for kind, (_, steps, words) in WORSE.items():
        for step in steps:
            name = f"{kind}, {words.format(step)}"
            sets[name] = measure(f"{kind}-{step:g}", clinic, control_of, kind, step)
    found = {extractor: against(reference, sets, extractor) for extractor in EXTRACTORS}
    chosen = reference_of[: arguments.victims]
    copies = {kind: measure(f"copy-{kind}", clinic, chosen, kind) for kind in COPIES}
    return {
        "cases": count,
        "distances": found,
        "one protocol": one_protocol(measure, clinic, arguments.work),
        "copies": {
            "of each kind": len(chosen),
            **{extractor: copies_seen(copies, reference, control, extractor) for extractor in EXTRACTORS},
        },
    }


def one_protocol(measure: Measurer, clinic: Path, work: Path) -> dict[str, Any]:
    """The same where all cases are of one protocol, and a translator was fitted to the reference cases."""
    cases = open_cohort(clinic).cases
    own = [i for i, c in enumerate(cases) if read_sidecar(c.dwi)["Scan"]["protocol"] == PROTOCOL]
    reference_of, control_of = own[:EACH], own[EACH : 2 * EACH]
    model, folder = work / "model", work / "database"
    if not folder.is_dir():
        options = TranslatorOptions(device="cpu")
        train_translator("physics", [cases[i] for i in reference_of], model, options)
        make_database(folder, EACH, DatabaseRecipe(str(model), seed=3, device="cpu"))
    reference = measure("one-reference", clinic, reference_of)
    sets = {
        "real": measure("one-real", clinic, control_of),
        "physics": measure("one-physics", folder, range(EACH)),
        "contrast, power 0.85": measure("one-contrast", clinic, control_of, "contrast", 0.85),
        "broken, blocks exchanged": measure("one-broken", clinic, control_of, "broken"),
    }
    return {extractor: against(reference, sets, extractor) for extractor in EXTRACTORS}


def against(
    reference: Sequence[Features], sets: dict[str, list[Features]], extractor: str
) -> dict[str, dict[str, float]]:
    """Distances of every set."""
    known = feature_set(reference, extractor)
    return {
        name: distances(feature_set(cases, extractor), known, np.random.default_rng(0)).to_json()
        for name, cases in sets.items()
    }


def page(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    found, copies = figures["distances"], figures["copies"]
    lines = [
        "# What the extractors of the audit see", "",
        f"{figures['cases']} cases in each set, all against the same {figures['cases']} cases of a simulated "
        "clinic; *real* are others of it. KID (with the interval that holds 95 % of the subsets) and MMD are "
        "times 100. Lower is closer, but for precision and coverage.",
    ]  # fmt: skip
    for extractor, sets in found.items():
        lines += ["", f"## {extractor}", "", "| set | FID | KID | MMD | precision | coverage |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for name, d in sets.items():
            mean, low, high = (100 * d[key] for key in ("kid", "kid_low", "kid_high"))
            lines.append(
                f"| {name} | {d['fid']:.1f} | {mean:.0f} [{low:.0f}, {high:.0f}] | {100 * d['mmd']:.1f} "
                f"| {d['precision']:.2f} | {d['coverage']:.2f} |"
            )
    single = figures["one protocol"]
    lines += [
        "",
        "## One protocol",
        "",
        f"{EACH} cases of {PROTOCOL} in each set, a translator fitted to the reference cases; FID.",
        "",
        "| set | " + " | ".join(EXTRACTORS) + " |",
        "| --- |" + " --- |" * len(EXTRACTORS),
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{single[e][name]['fid']:.1f}" for e in EXTRACTORS) + " |"
        for name in single[EXTRACTORS[0]]
    ]
    lines += [
        "",
        "## Copies",
        "",
        f"Of {copies['of each kind']} copies of each kind, how many lie nearer to their ",
    ]
    lines[-1] += "original than any held-out case to its nearest real one."
    lines += ["", "| kind | " + " | ".join(EXTRACTORS) + " |", "| --- |" + " --- |" * len(EXTRACTORS)]
    lines += [f"| {kind} | " + " | ".join(str(copies[e][kind]) for e in EXTRACTORS) + " |" for kind in COPIES]
    return "\n".join([*lines, ""])


def draw(figures: dict[str, Any], out: Path) -> None:
    """FID of every set over that of real cases, a panel an extractor."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    found = figures["distances"]
    names = list(next(iter(found.values())))
    figure, axes = plt.subplots(1, len(found), figsize=(11, 5.2), sharey=True, layout="constrained")
    for axis, (extractor, sets) in zip(axes, found.items(), strict=True):
        values = [sets[name]["fid"] / sets["real"]["fid"] for name in names]
        colors = [
            "tab:green" if n == "real" else "tab:blue" if n in TRANSLATORS else "tab:red" for n in names
        ]
        axis.barh(range(len(names)), [value - 1 for value in values], left=1, color=colors)
        axis.set_xscale("log")
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_title(extractor)
        axis.set_xlabel("FID, real against real is 1")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=Path, required=True)
    parser.add_argument("--databases", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "audit_extractors")
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--victims", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    results = run(parser.parse_args())
    target = parser.parse_args().out
    write_json(target.with_suffix(".json"), results)
    write_text(target.with_suffix(".md"), page(results))
    draw(results, target.with_suffix(".png"))
    print(json.dumps(results["copies"]))
