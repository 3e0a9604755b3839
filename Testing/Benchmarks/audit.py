"""How often the audit finds planted copies, and how often it refuses honest cohorts.

A clinic of simulated people (population model, real lesion masks, mixed protocols) is split at random, again
for every seed, into 40 training, 20 held-out and 30 further people, no lesion mask twice. Judged are

- *honest*: the 30 further people, as if they were synthetic: nothing of them is in the other two sets;
- *physics*: 30 cases of a database that the shipped physics translator made;
- *planted*: 28 of the physics cases and two copies of training cases, of every kind in ``Testing/plants.py``.
  Whether a case is called a copy depends on the case, the real cases and the number of cases only, so each
  copy is judged once and rates hold for a cohort of 30.

Cases are measured once and kept in the work folder::

    strokesynth simulate --cases 200 --out clinic --lesions MASKS --lesion-list training.txt --seed 11
    strokesynth database --model simulated --cases 120 --out physics --seed 5
    python -m Testing.Benchmarks.audit --clinic clinic --physics physics --work work
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.cohort.bvalues import read_sidecar
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.evaluate.copies import LEAST_CORRELATION, Reference, is_copy
from StrokeSynthLib.evaluate.lesion_copies import SMALLEST_ML, lesion_evidence
from StrokeSynthLib.evaluate.lesion_shapes import LesionShape
from StrokeSynthLib.evaluate.looks import compare_features, judge_alikeness, judge_intensities, judge_realism
from StrokeSynthLib.evaluate.measured import Measured, halved, measure_case
from StrokeSynthLib.evaluate.privacy import judge_privacy
from StrokeSynthLib.evaluate.standard import standardize
from StrokeSynthLib.evaluate.verdict import Finding
from StrokeSynthLib.files import write_json, write_text
from Testing.plants import LESION_PLANTS, PLANTS

HERE = Path(__file__).parent
TRAINING, HOLDOUT, FURTHER = 40, 20, 30
#: Heads that parts of a copy are hidden in lie so many cases further in the clinic.
HOSTS = 100
_Planted = dict[tuple[int, str], tuple[Any, LesionShape | None]]


def measured(folder: Path, count: int, kept: Path, workers: int) -> list[Measured]:
    """The first cases of a cohort, measured once; its file is read by this program alone."""
    if not kept.is_file():
        cases = open_cohort(folder).cases[:count]
        with ProcessPoolExecutor(workers) as pool:
            kept.write_bytes(pickle.dumps(list(pool.map(measure_case, cases, chunksize=4))))
    found: list[Measured] = pickle.loads(kept.read_bytes())
    return found


def _plant(job: tuple[Path, int, str]) -> tuple[tuple[int, str], tuple[Any, LesionShape | None]]:
    folder, number, kind = job
    cases = open_cohort(folder).cases
    case, host = load_case(cases[number]), load_case(cases[number + HOSTS])
    copy = {**PLANTS, **LESION_PLANTS}[kind](case, host, np.random.default_rng(1000 + number))
    standard = standardize(copy)
    lesion = copy.lesion if copy.lesion is not None and copy.lesion.array.any() else None
    return (number, kind), (
        halved(standard),
        None if lesion is None else LesionShape.of(lesion, standard.pose),
    )


def planted(folder: Path, victims: int, kept: Path, workers: int) -> _Planted:
    """Copies of the first cases of the clinic, of every kind."""
    if not kept.is_file():
        jobs = [(folder, number, kind) for number in range(victims) for kind in {**PLANTS, **LESION_PLANTS}]
        with ProcessPoolExecutor(workers) as pool:
            kept.write_bytes(pickle.dumps(dict(pool.map(_plant, jobs, chunksize=4))))
    found: _Planted = pickle.loads(kept.read_bytes())
    return found


def distinct(folder: Path, clinic: Sequence[Measured]) -> list[int]:
    """Numbers of cases with a lesion mask that no case before them has."""
    seen: set[str] = set()
    kept = []
    for number, files in enumerate(open_cohort(folder).cases[: len(clinic)]):
        mask = str(read_sidecar(files.dwi)["Lesion"].get("file", files.name))
        if mask not in seen:
            kept.append(number)
        seen.add(mask)
    return kept


def judged(
    cases: Sequence[Measured], known: Sequence[Measured], other: Sequence[Measured], reference: Reference
) -> list[Finding]:
    """All questions that ``strokesynth audit`` asks of a cohort, but for the marks."""
    held_out = [False] * len(known) + [True] * len(other)
    privacy = judge_privacy(cases, [*known, *other], held_out, reference=reference)
    return [
        *privacy.findings, *judge_realism(compare_features(cases, known, other)),
        judge_alikeness(cases, [*known, *other]), *judge_intensities(cases, known, other),
    ]  # fmt: skip


def copies_found(
    copies: _Planted, clinic: Sequence[Measured], real: Sequence[int], reference: Reference, victims: int
) -> dict[str, Any]:
    """By kind: how many copies are called copies of the right case, and the lowest evidence."""
    threshold = reference.threshold(FURTHER)
    chosen = [number for number in range(victims) if number in real]
    result: dict[str, Any] = {}
    for kind in PLANTS:
        found = reference.evidence([copies[number, kind][0] for number in chosen])
        own = [real.index(number) for number in chosen]
        right = [
            is_copy(match, threshold) and match.reference == j
            for match, j in zip(found.matches(), own, strict=True)
        ]
        evidence = [found.value[i, j] for i, j in enumerate(own)]
        lowest = round(float(min(evidence)), 1)
        result[kind] = {"copies": len(chosen), "found": int(sum(right)), "lowest evidence": lowest}
    result |= lesions_found(copies, clinic, real, victims)
    return {"threshold": round(threshold, 1), "least correlation": LEAST_CORRELATION, "kinds": result}


def lesions_found(
    copies: _Planted, clinic: Sequence[Measured], real: Sequence[int], victims: int
) -> dict[str, Any]:
    """By kind: how many copied lesions are called copies of the right case's."""
    cases = [clinic[number] for number in real]
    result: dict[str, Any] = {}
    for kind in LESION_PLANTS:
        hosts = [
            replace(clinic[number], shape=copies[number, kind][1])
            for number in range(victims)
            if number in real
            and (shape := copies[number, kind][1]) is not None
            and shape.volume_ml >= SMALLEST_ML
        ]
        found = lesion_evidence(hosts, cases)
        right = (
            set()
            if found is None
            else {hosts[c.case].name for c in found.copied if hosts[c.case].name == cases[c.real].name}
        )
        result[kind] = {"copies": len(hosts), "found": len(right)}
    return result


def run(arguments: argparse.Namespace, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Measure, judge, and return the figures."""
    work, workers = arguments.work, arguments.workers
    work.mkdir(parents=True, exist_ok=True)
    clinic = measured(arguments.clinic, 200, work / "clinic.pickle", workers)
    physics = measured(arguments.physics, 120, work / "physics.pickle", workers)
    people = distinct(arguments.clinic, clinic)
    kept = arguments.out.with_suffix(".json")
    results = json.loads(kept.read_text())["seeds"] if kept.is_file() and arguments.resume else []
    for seed in range(arguments.seeds):
        started = time.process_time()
        known, other, further = split(people, arguments.victims, seed)
        entry = results[seed] if seed < len(results) else {"seed": seed}
        wanted = [name for name in ("honest", "physics") if name not in entry]
        plant = seed < arguments.planted_seeds and "planted" not in entry
        if not wanted and not plant:
            continue
        real = [clinic[n] for n in (*known, *other)]
        reference = Reference.of([m.standard for m in real], [m.person for m in real])
        drawn = np.random.default_rng([seed, 1]).permutation(len(physics))[:FURTHER].tolist()
        sets = {"honest": [clinic[n] for n in further], "physics": [physics[n] for n in drawn]}
        for name in wanted:
            findings = judged(sets[name], real[:TRAINING], real[TRAINING:], reference)
            entry[name] = {
                "failed": [f.name for f in findings if f.passed is False],
                "questions": {f.name: {"found": f.sentence, "rule": f.rule} for f in findings},
            }
            say(f"seed {seed} {name}: failed {entry[name]['failed']}")
        if plant:
            copies = planted(arguments.clinic, arguments.victims, work / "plants.pickle", workers)
            entry["planted"] = copies_found(copies, clinic, [*known, *other], reference, arguments.victims)
            say(f"seed {seed} planted: {entry['planted']}")
        entry["cpu seconds"] = round(time.process_time() - started, 1)
        results = [*results[:seed], entry, *results[seed + 1 :]]
        figures = {"victims": arguments.victims, "seeds": results}
        write_json(kept, figures)
        write_text(arguments.out.with_suffix(".md"), page(figures))
    return {"victims": arguments.victims, "seeds": results}


def split(people: Sequence[int], victims: int, seed: int) -> tuple[list[int], list[int], list[int]]:
    """Training, held-out and further people.

    Those whose copies are planted are training cases; the heads that copies are hidden in are in no set.
    """
    first = [number for number in people if number < victims]
    rest = [n for n in people if n >= victims and not HOSTS <= n < HOSTS + victims]
    order = [*first, *np.random.default_rng(seed).permutation(rest).tolist()]
    end = TRAINING + HOLDOUT
    return order[:TRAINING], order[TRAINING:end], order[end : end + FURTHER]


def page(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    seeds = figures["seeds"]
    lines = [
        "# Audit: planted copies found, honest cohorts refused",
        "",
        (__doc__ or "").split("\n\n", 1)[1].split("::")[0],
    ]
    lines = [
        *lines[:2],
        f"{len(seeds)} splits of {TRAINING} training, {HOLDOUT} held-out and {FURTHER} judged cases.",
        "",
    ]
    lines += ["| cohort | splits | passed | questions failed |", "| --- | --- | --- | --- |"]
    for name, words in (
        ("honest", "other people's examinations"),
        ("physics", "database of the physics translator"),
    ):
        failed = [entry[name]["failed"] for entry in seeds]
        every = sorted({question for each in failed for question in each})
        counts = ", ".join(f"{q} ({sum(q in each for each in failed)})" for q in every) or "none"
        lines.append(f"| {words} | {len(seeds)} | {sum(not each for each in failed)} | {counts} |")
    kinds: dict[str, list[dict[str, Any]]] = {}
    for entry in seeds:
        for kind, found in entry.get("planted", {}).get("kinds", {}).items():
            kinds.setdefault(kind, []).append(found)
    limits = [f"{entry['planted']['threshold']:.1f}" for entry in seeds if "planted" in entry]
    lines += ["", f"Planted copies, with evidence limits of {', '.join(limits)}:", ""]
    lines += [
        "| kind | copies | found | lowest evidence | 2 in 30: cohort fails |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, rows in kinds.items():
        copies, found = sum(row["copies"] for row in rows), sum(row["found"] for row in rows)
        lowest = min((row["lowest evidence"] for row in rows if "lowest evidence" in row), default=None)
        missed = (copies - found) * max(copies - found - 1, 0) / max(copies * (copies - 1), 1)
        lines.append(
            f"| {kind} | {copies} | {found} | {'' if lowest is None else lowest} | {1 - missed:.1%} |"
        )
    lines += ["", "The last column is the chance that at least one of two copies of that kind is found.", ""]
    for name in ("honest", "physics"):
        lines += [f"## First split, {name}", ""]
        lines += [f"- {q}: {answer['found']}" for q, answer in seeds[0][name]["questions"].items()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clinic", type=Path, required=True)
    parser.add_argument("--physics", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "audit")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--planted-seeds", type=int, default=2)
    parser.add_argument("--victims", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="keep the seeds that --out holds already")
    print(json.dumps(run(parser.parse_args())["seeds"][-1]["cpu seconds"]))
