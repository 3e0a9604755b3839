"""From trained weights to the shipped model: decision, calibration, typicality, export, card.

    python Testing/Benchmarks/finish_shipped.py --cohorts WORK --model WORK/acute --workers 4

Everything is fitted on the calibration cohorts (people 11 and 12, new people of the population model,
reserved masks), with and without ADC; no test case is looked at. The decision is chosen on these and on
calibration cases of the second simulator (``other_simulator.py``), which counts as much: masks there end
where the lesion is seen to end, as drawn ones do. Writes ``StrokeSynthLib/models/acute`` and
``finish_shipped.json``.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import label

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.files import write_json
from StrokeSynthLib.modelfolder import SHIPPED, ModelFolder, open_model, save_model
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.segment.calibration import Calibration, Sample, fit_calibration, reliability
from StrokeSynthLib.segment.decision import Decision, dice
from StrokeSynthLib.segment.engines import open_engine
from StrokeSynthLib.segment.examined import Examined
from StrokeSynthLib.segment.export import export_onnx
from StrokeSynthLib.segment.inference import examine
from StrokeSynthLib.segment.inputs import images_of
from StrokeSynthLib.segment.options import NetworkOptions
from StrokeSynthLib.segment.preprocess import FrameOptions, prepare
from StrokeSynthLib.segment.typicality import Known, fit_typicality

HERE = Path(__file__).parent
#: Kept around the brain when a semantic map is made, so that it shows the scalp (mm): as in training.
MAP_MARGIN = 14.0
#: Voxels shown around the brain in each slice (:mod:`StrokeSynthLib.segment.windows`).
WINDOW_MARGIN = 8
#: Averaging with the flipped examination doubles the time; it must gain this much mean Dice to be worth it.
WORTH = 0.005
#: The examination as it is, and averaged with itself flipped.
KINDS = ("plain", "flipped")
THRESHOLDS = (0.3, 0.4, 0.5, 0.6)
SMALLEST_ML = (0.0, 0.03, 0.06, 0.1)


def look(
    folder: str, files: CaseFiles, number: int
) -> tuple[list[Known], dict[str, list[Sample]], dict[str, Any]]:  # fmt: skip
    """What one case, with and without its ADC, gives for fitting."""
    model = open_model(folder)
    options = NetworkOptions.from_config(model.config["network"])
    engine = open_engine(model, options, "cpu")
    case = load_case(files)
    assert case.lesion is not None
    rng = generator(number, "calibration voxels")
    known: list[Known] = []
    samples: dict[str, list[Sample]] = {kind: [] for kind in KINDS}
    found: dict[str, Any] = {}
    for name, adc in (("with_adc", case.adc), ("without_adc", None)):
        prepared = prepare(case.dwi, adc, FrameOptions(**model.config["frame"]))
        said = [
            examine(engine, options, images_of(prepared), adc_known=adc is not None,
                    thickness=prepared.frame.spacing[2], flips=flips, tissue=True,
                    brain=prepared.brain.transpose(2, 0, 1), margin=WINDOW_MARGIN)
            for flips in (False, True)
        ]  # fmt: skip
        lesion = prepared.frame.forward((case.lesion.array > 0).astype(np.float32)) >= 0.5
        logit = said[0].lesion.transpose(1, 2, 0)
        assert said[0].tissue is not None
        tissue = said[0].tissue.transpose(1, 2, 0)
        known.append(Known.of(Examined(files.person, prepared, logit, tissue, said[0].features, lesion)))
        found[name] = {"lesion": lesion, "voxel_ml": prepared.frame.voxel_ml}
        for kind, one in zip(KINDS, said, strict=True):
            inside = one.lesion.transpose(1, 2, 0)
            samples[kind].append(
                Sample.of(files.person, inside, lesion, prepared.brain, adc_known=adc is not None, rng=rng)
            )
            found[name][kind] = np.where(prepared.brain, inside, -14).astype(np.float16)
    return known, samples, found


def chosen_decision(
    simulators: list[list[dict[str, Any]]], kind: str, calibration: Calibration
) -> tuple[Decision, float, dict[str, Any]]:  # fmt: skip
    """The decision with the best mean of Dice and lesion F1, over cases with and without ADC together.

    Each simulator's mean counts alike. Dice alone would drop small lesions: they hardly count in it. Of
    decisions within half a point of the best, the one that drops least is taken. Also gives the mean
    Dice, and both scores of every decision by simulator.
    """
    decisions = [Decision(threshold, smallest) for threshold in THRESHOLDS for smallest in SMALLEST_ML]
    scores: dict[Decision, list[list[float]]] = {decision: [] for decision in decisions}
    for found in simulators:
        cases = [(one[name], name == "with_adc") for one in found for name in ("with_adc", "without_adc")]
        cases = [(case, adc) for case, adc in cases if case["lesion"].any()]
        probabilities = [calibration.probability(case[kind], adc) for case, adc in cases]
        for decision in decisions:
            pairs = [
                (case["lesion"], decision.apply(p, case["voxel_ml"]))
                for (case, _), p in zip(cases, probabilities, strict=True)
            ]
            scores[decision].append([float(np.mean([f(*pair) for pair in pairs])) for f in (dice, lesion_f1)])
    means = {decision: float(np.mean(pairs)) for decision, pairs in scores.items()}
    near = [decision for decision, mean in means.items() if mean >= max(means.values()) - WORTH]
    chosen = min(near, key=lambda d: (d.smallest_ml, -means[d]))
    table = {f"{d.threshold} {d.smallest_ml}": np.round(v, 4).tolist() for d, v in scores.items()}
    return chosen, float(np.mean([pair[0] for pair in scores[chosen]])), table


def lesion_f1(reference: Any, mask: Any) -> float:
    """Found and missed lesions by touch, as :mod:`StrokeSynthLib.evaluate.agreement` counts them."""
    neighbors = np.ones((3, 3, 3), bool)
    true, there = label(reference, neighbors), label(mask, neighbors)
    hit = len(np.unique(true[0][mask > 0])) - int((true[0][mask > 0] == 0).any())
    right = len(np.unique(there[0][reference])) - int((there[0][reference] == 0).any())
    wrong = there[1] - right
    total = 2 * hit + wrong + (true[1] - hit)
    return 2 * hit / total if total else 1.0


def main() -> None:
    """Fit, export, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=SHIPPED / "acute")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cases", type=int, help="only so many calibration cases of a cohort (a trial)")
    arguments = parser.parse_args()
    files = [
        case
        for kind in ("named", "wide", "people")
        for case in open_cohort(arguments.cohorts / f"calibration-{kind}").cases[: arguments.cases]
    ]
    painted = [
        case
        for folder in sorted((arguments.cohorts / "calibration-painted").iterdir())
        for case in open_cohort(folder).cases[: arguments.cases]
    ]
    model = open_model(arguments.model)
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        wanted = [*files, *painted]
        looks = list(pool.map(look, [str(model.path)] * len(wanted), wanted, range(len(wanted))))
    found = [[one[2] for one in part] for part in (looks[: len(files)], looks[len(files) :])]
    looks = looks[: len(files)]
    known = [one for look_ in looks for one in look_[0]]
    typicality = fit_typicality(known)
    ways = {}
    for kind in KINDS:
        samples = [one for look_ in looks for one in look_[1][kind]]
        calibration, curves = fit_calibration(samples)
        decision, dice_, table = chosen_decision(found, kind, calibration)
        before, after = (reliability(samples, c, undecided=True) for c in (Calibration(), calibration))
        ways[kind] = (calibration, curves, replace(decision, skull_base=True), dice_, table, before, after)
    gain = ways["flipped"][3] - ways["plain"][3]
    flips = gain >= WORTH
    calibration, curves, decision, dice_, table, before, after = ways["flipped" if flips else "plain"]
    facts = {
        "cases": len(files), "painted": len(painted), "curves": curves, "decision": decision.config(),
        "dice_in_frame": round(dice_, 4), "gain_by_flipping": round(gain, 4), "flips": flips,
        "decisions": table,
        "ece_undecided_before": round(before.ece, 4), "ece_undecided_after": round(after.ece, 4),
    }  # fmt: skip
    config = {
        **model.config, "frame": {**model.config["frame"], "margin": FrameOptions().margin},
        "map_margin": MAP_MARGIN, "window_margin": WINDOW_MARGIN, "flips": bool(facts["flips"]),
        "decision": decision.config(),
        "calibration": calibration.config(), "typicality": typicality.config(),
    }  # fmt: skip
    shipped = write(model, config, facts, arguments.out)
    write_json(HERE / "finish_shipped.json", {**facts, "trained_hash": model.hash, "hash": shipped.hash})
    print(json.dumps(facts, indent=1))


def write(model: ModelFolder, config: dict[str, Any], facts: dict[str, Any], out: Path) -> ModelFolder:
    """The model folder, weights with 16 bits, and its exported copy."""
    arrays = {
        name: value.astype(np.float16) if value.ndim > 1 else value for name, value in model.arrays().items()
    }
    training = {**model.training, "finished": facts, "trained_hash": model.hash}
    card = (HERE / "acute_card.md").read_text(encoding="utf-8")
    folder = save_model(out, kind=model.kind, config=config, training=training, arrays=arrays, card=card)
    return export_onnx(folder, half=True)


if __name__ == "__main__":
    main()
