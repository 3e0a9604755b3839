"""The pieces of one row of the head-to-head; see :mod:`.head_to_head`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.cohort.writer import CohortWriter
from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.evaluate import realism
from StrokeSynthLib.evaluate.recoverable import recoverable
from StrokeSynthLib.files import read_json
from StrokeSynthLib.modelfolder import open_model
from StrokeSynthLib.pipeline.database import DatabaseRecipe, make_database
from StrokeSynthLib.provenance import record
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.schema import INTRACRANIAL
from StrokeSynthLib.translate.diversity import pairwise_ssim, seed_diversity
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.proposal import Proposer
from StrokeSynthLib.translate.registry import TRANSLATORS, open_translator, train_translator
from StrokeSynthLib.translate.translator import Translator
from Testing.Benchmarks.head_to_head import CLINICAL, HEALTHY, PHYSICS, SAMPLING_STEPS, translator_of
from Testing.Benchmarks.head_to_head_clock import Clock
from Testing.Benchmarks.head_to_head_utility import database_folder, empty, utility

if TYPE_CHECKING:
    from Testing.Benchmarks.head_to_head import Plan

Array = npt.NDArray[Any]
Piece = Callable[["Plan", str, int], dict[str, Any]]
#: Seeds of the images in the picture, and of the diversity between seeds.
SEEDS = (0, 1, 2)
#: Maps on which seeds are compared; SSIM of a volume takes seconds.
DIVERSITY_MAPS = 3
#: Volume (ml) of the lesion in the picture, about.
SHOWN_ML = 25.0
#: Values of each class and case that histograms are made of.
_MOST_VALUES = 4000


def pieces_of(plan: Plan, kind: str, stage: str) -> dict[str, Piece]:
    """What a stage of a row consists of, in order."""
    arms = {CLINICAL: (CLINICAL,), HEALTHY: ("with",)}.get(kind, plan.arms)
    pieces: dict[str, dict[str, Piece]] = {
        "train": {"training": training},
        "database": {"database": database},
        "utility": {f"utility {arm}": utility(arm) for arm in arms}
        | {f"empty {arm}": empty(arm) for arm in arms},
        "score": {"images": images, "features": features, "seeds": seeds, "picture": picture},
    }
    if kind == CLINICAL:
        pieces["score"]["scans"] = scans
    return pieces[stage]


def model_folder(plan: Plan, kind: str, seed: int) -> Path:
    """Where a row's translator lies."""
    return plan.work / "translators" / f"{kind}-{seed}"


def _opened(plan: Plan, kind: str, seed: int) -> Translator:
    return open_translator(model_folder(plan, kind, seed), "cpu", sampling_steps=SAMPLING_STEPS.get(kind))


def training(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
    """Train the translator on the clinic."""
    name, condition = translator_of(kind)
    options = TranslatorOptions(
        condition=condition, seed=seed, steps=plan.steps, minutes=plan.minutes,
        width=plan.channels(kind) or TranslatorOptions.width, resume=True, device="cpu", threads=1,
    )  # fmt: skip
    out = model_folder(plan, kind, seed)
    clock = Clock(plan.work / "clocks" / f"{kind}-{seed}.json")
    if not (out / "model.json").is_file():
        train_translator(name, plan.clinic(seed), out, options, clock.show)
        clock.keep()
    model = open_model(out)
    kept = model.training | {"channels": model.config.get("network", {}).get("width")}
    facts = ("steps", "seconds", "parameters", "batch", "channels")
    known = {fact: kept[fact] for fact in facts if kept.get(fact) is not None}
    megabytes = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    return known | {"cpu_s": round(clock.before, 1), "megabytes": round(megabytes, 2)}


@lru_cache(maxsize=1)
def _drawn(plan: Plan, kind: str, seed: int) -> tuple[list[Case], float]:
    """As many images as there are maps, and CPU seconds for one.

    On the maps and lesions of test cases; a translator that mixes real cases proposes its own.
    """
    controls = [load_case(files) for files in plan.drawn_on()]
    if kind == CLINICAL:
        with_lesion = [case for case in map(load_case, plan.clinic(seed)) if case.lesion_ml]
        order = generator(seed, "real against real").permutation(len(with_lesion))
        return [with_lesion[i] for i in order[: len(controls)]], 0.0
    translator = _opened(plan, kind, seed)
    made, started = [], time.process_time()
    for number, case in enumerate(controls):
        image_seed = 1000 * seed + number
        if isinstance(translator, Proposer) and TRANSLATORS[translator_of(kind)[0]].needs_background:
            proposal = translator.propose(image_seed)
            semantic_map, lesion, drawn = proposal.semantic_map, proposal.lesion, proposal.images
        else:
            assert case.semantic_map is not None
            semantic_map, lesion = case.semantic_map, case.lesion
            drawn = translator.translate(semantic_map, lesion, seed=image_seed)
        made.append(
            Case(case.name, case.person, drawn.dwi, drawn.adc, drawn.b0, lesion, semantic_map, drawn.b_value)
        )
    return made, (time.process_time() - started) / len(made)


def images(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
    """Realism, lesion fidelity and time of images; no image is refused here."""
    made, seconds = _drawn(plan, kind, seed)
    controls = [load_case(files) for files in plan.drawn_on()]
    return {
        "seconds_per_volume": round(seconds, 2),
        "histograms": {name: _histograms(made, controls, name) for name in ("dwi", "adc")},
        "paired_ssim": None if _unpaired(kind) else _paired_ssim(made, controls),
        "ms_ssim": _ms_ssim(made, seed),
        "written_equation": _written_equation(made),
    } | _lesions(made)  # fmt: skip


def scans(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
    """The simulated scans that translators are compared with, by themselves."""
    controls = [load_case(files) for files in plan.drawn_on()]
    return {"ms_ssim": _ms_ssim(controls, seed)} | _lesions(controls)


def _lesions(made: Sequence[Case]) -> dict[str, Any]:
    """Whether lesions can be seen, and how they stand out."""
    found = [recoverable(c.dwi, c.adc, _map(c), _lesion(c)) for c in made]
    contrasts = [realism.lesion_contrast(case) for case in made]
    return {
        "recoverable": round(float(np.mean([f.recovered for f in found])), 4),
        "dwi_auc": round(float(np.nanmean([f.dwi_auc for f in found])), 4),
        "adc_auc": round(float(np.nanmean([f.adc_auc for f in found])), 4),
        "contrast": {
            name: round(float(np.nanmedian([getattr(c, name) for c in contrasts])), 4)
            for name in ("dwi_surround", "adc_surround", "dwi_contralateral", "adc_contralateral")
        },
    }  # fmt: skip


def _unpaired(kind: str) -> bool:
    """Whether the images are not of the same maps and lesions as the controls."""
    return kind == CLINICAL or TRANSLATORS[translator_of(kind)[0]].needs_background


def _paired_ssim(made: Sequence[Case], controls: Sequence[Case]) -> dict[str, float]:
    """SSIM of each image to the simulated scan of the same map and lesion, within the brain."""
    result = {}
    for channel in ("dwi", "adc"):
        values = []
        for case, control in zip(made, controls, strict=True):
            brain = np.isin(_map(control).canonical().array, INTRACRANIAL)
            pair = [getattr(c, channel).canonical().array for c in (case, control)]
            values.append(pairwise_ssim(pair, brain))
        result[channel] = round(float(np.mean(values)), 4)
    return result


def _map(case: Case) -> Any:
    assert case.semantic_map is not None
    return case.semantic_map


def _lesion(case: Case) -> Any:
    assert case.lesion is not None
    return case.lesion


def _written_equation(made: Sequence[Case]) -> float:
    """Largest departure of DWI from b0 exp(-b ADC) over the brightest DWI, in images written and read again.

    Where ADC is neither 0 nor cut. Before writing it says nothing: ADC is computed from the other two.
    """
    worst = 0.0
    with TemporaryDirectory() as folder:
        writer = CohortWriter(Path(folder) / "cases", description={"Name": "signal equation"})
        for number, case in enumerate(made):
            writer.write(
                f"sub-{number:04d}", f"{number:04d}", dwi=case.dwi, adc=case.adc, b0=case.b0, lesion=None,
                semantic_map=None, b_value=case.b_value, record=record(synthetic=True),
            )  # fmt: skip
        writer.finish()
        for case in map(load_case, open_cohort(writer.out).cases):
            assert case.b0 is not None
            assert case.adc is not None
            free = (case.adc.array > 0.01) & (case.adc.array < 3.5) & (case.b0.array > 0)
            expected = case.b0.array * np.exp(-case.b_value / 1000 * case.adc.array)
            off = np.abs(case.dwi.array - expected)[free]
            worst = max(worst, float(off.max(initial=0.0)) / float(case.dwi.array.max()))
    return round(worst, 6)


def _histograms(made: Sequence[Case], controls: Sequence[Case], channel: str) -> dict[str, float]:
    """Wasserstein distance of intensities by class from the controls', in units of tissue's median."""
    rng = np.random.default_rng(0)

    def pooled(cases: Sequence[Case]) -> dict[str, Array]:
        values: dict[str, list[Array]] = {}
        for case in cases:
            found = realism.intensities_by_class(getattr(case, channel), _map(case), case.lesion)
            for name, some in found.items():
                values.setdefault(name, []).append(rng.choice(some, min(some.size, _MOST_VALUES), False))
        return {name: np.concatenate(parts) for name, parts in values.items()}

    distances = realism.histogram_distances(pooled(made), pooled(controls))
    return {name: round(value, 4) for name, value in distances.items()}


def features(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
    """Distances from the simulated scans, in the feature space of every extractor of the audit."""
    made, _ = _drawn(plan, kind, seed)
    controls = [load_case(files) for files in plan.drawn_on()]
    from StrokeSynthLib.evaluate.distances import FeatureSet, distances
    from StrokeSynthLib.evaluate.features import EXTRACTORS, describe

    described = [[describe(case, "cpu") for case in cases] for cases in (made, controls)]
    result = {}
    for extractor in EXTRACTORS:
        sets = [
            FeatureSet([d.slices[extractor] for d in some], np.stack([d.whole(extractor) for d in some]))
            for some in described
        ]
        result[extractor] = distances(sets[0], sets[1], generator(seed, "features")).to_json()
    return result


def _ms_ssim(made: Sequence[Case], seed: int, pairs: int = 60) -> float:
    """Mean multi-scale SSIM between cases, of the fullest slice at one size; lower is more diverse."""
    import torch
    from monai.metrics import MultiScaleSSIMMetric
    from scipy.ndimage import zoom

    pictures = []
    for case in made:
        dwi, brain = case.dwi.canonical().array, _map(case).canonical().array > 0
        axis = int(np.argmax(case.dwi.canonical().spacing))
        index = int(np.argmax(brain.sum(axis=tuple(a for a in range(3) if a != axis))))
        image, inside = dwi.take(index, axis).astype(np.float32), brain.take(index, axis)
        rows, columns = (np.flatnonzero(inside.any(axis=a)) for a in (1, 0))
        cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        cut = zoom(cut, (128 / cut.shape[0], 128 / cut.shape[1]), order=1)
        pictures.append(np.clip(cut / max(float(np.percentile(cut, 99.5)), 1e-6), 0, 1))
    # Four scales: the window of 11 pixels has to fit into the coarsest picture.
    metric = MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0, weights=(0.0517, 0.3295, 0.3462, 0.2726))
    everything = [(i, j) for i in range(len(pictures)) for j in range(i)]
    chosen = generator(seed, "pairs").permutation(len(everything))[:pairs]
    values = []
    for k in chosen:
        first, second = (torch.from_numpy(pictures[n])[None, None] for n in everything[k])
        values.append(float(metric(first, second)))
    return round(float(np.mean(values)), 4)


def seeds(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
    """How much images of one map differ with the seed; nothing for one that proposes whole cases."""
    if _unpaired(kind):
        return {}
    translator = _opened(plan, kind, seed)
    found = []
    for files in plan.drawn_on()[:DIVERSITY_MAPS]:
        case = load_case(files)
        found.append(seed_diversity(translator, _map(case), case.lesion, [s + 10 * seed for s in SEEDS]))
    return {
        name: round(float(np.mean([getattr(f, name) for f in found])), 4) for name in ("dwi_ssim", "adc_ssim")
    }


def picture(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
    """Slices for the picture: one map, one lesion, three seeds; kept as arrays below WORK."""
    from StrokeSynthLib.study.figures import fullest_slice

    cases = [load_case(files) for files in plan.drawn_on()]
    shown = min(cases, key=lambda c: abs(np.log(max(c.lesion_ml, 1e-3) / SHOWN_ML)))
    if kind == CLINICAL:
        drawn = [shown]
    else:
        translator = _opened(plan, kind, seed)
        drawn = []
        for image_seed in SEEDS:
            if isinstance(translator, Proposer) and TRANSLATORS[translator_of(kind)[0]].needs_background:
                made = translator.propose(image_seed)
                drawn.append(
                    Case("", "", made.images.dwi, made.images.adc, None, made.lesion, made.semantic_map)
                )
            else:
                out = translator.translate(_map(shown), shown.lesion, seed=image_seed)
                drawn.append(Case("", "", out.dwi, out.adc, None, shown.lesion, shown.semantic_map))
    arrays = {}
    for number, case in enumerate(drawn):
        index = fullest_slice(_lesion(case).canonical())
        for name, volume in (
            ("dwi", case.dwi),
            ("adc", case.adc),
            ("lesion", case.lesion),
            ("map", _map(case)),
        ):
            assert volume is not None
            arrays[f"{name}{number}"] = volume.canonical().array[:, :, index]
    path = plan.work / "pictures" / f"{kind}-{seed}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return {"case": shown.name, "lesion_ml": round(shown.lesion_ml, 2), "images": len(drawn)}


def _model(plan: Plan, kind: str, seed: int) -> Path:
    """The translator of a row's database; the control's is that of ``physics``, which is made if missing."""
    if kind == HEALTHY:
        kind = PHYSICS
        training(plan, kind, seed)
    return model_folder(plan, kind, seed)


def database(plan: Plan, kind: str, seed: int) -> dict[str, Any]:
    """The synthetic cases of a segmenter; where lesions cannot be drawn, they are kept, marked.

    The control's have the anatomies, grids and seed of the others, and no lesion.
    """
    out = database_folder(plan, kind, seed)
    recipe = DatabaseRecipe(
        str(_model(plan, kind, seed)), seed=7000 + seed, device="cpu",
        sampling_steps=SAMPLING_STEPS.get(kind),
    )  # fmt: skip
    if kind == HEALTHY:
        recipe = replace(recipe, lesion_free=1.0)
    clock = Clock(plan.work / "clocks" / f"{kind}-{seed}-database.json")
    failed = ""
    try:
        make_database(out, plan.database, recipe, resume=True, progress=clock.show)
    except BadInputError:  # of other settings or another model: nothing that could be kept
        raise
    except StrokeSynthError as error:
        failed = str(error)
        recipe, out = replace(recipe, keep_unrecoverable=True), out.with_name(f"{out.name}-kept")
        make_database(out, plan.database, recipe, resume=True, progress=clock.show)
    clock.keep()
    sheet = read_json(out / "datasheet.json")
    return {
        "folder": out.name, "failed": failed, "cpu_s": round(clock.before, 1),
        "rejection": sheet["rejection"], "lesion_volume_ml": sheet["lesion_volume_ml"],
    }  # fmt: skip
