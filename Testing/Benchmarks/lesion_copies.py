"""How often lesion masks of other people are taken for copies, and how many copies are found.

    python -m Testing.Benchmarks.lesion_copies --data DIR --work WORK [--ways scanned placed] [--others N]

``--data`` holds ``lesions/`` (masks in standard space, one a person). All masks are drawn in heads of random
size, tilt, position and voxels (1 to 2 mm in plane, slices of 2 to 6 mm), in two ways: *scanned*, by an
affine pose, as masks drawn on images are; and *placed* on people of the shipped population model as
``--lesions DIR`` does, moved a little and without sulci. The limits of
:mod:`StrokeSynthLib.evaluate.lesion_copies` were chosen on the masks that are not in ``test_masks.txt``;
those 200 are judged here (``--design``: the others among themselves).

- **False alarms**: evidence of each judged mask against all masks of other people that were drawn the same
  way (``--others``, and the 200), and of lesions of the shipped sources against them; each is laid over the
  three most alike. Rates for cohorts follow from drawing judged and real cases out of these at random, with
  the control of the cohort's own real cases.
- **Recall**: copies with every change of ``Testing/mask_changes.py`` against cohorts of 60 real cases at
  most, of which each is copied once: called a copy of the right case.

Writes lesion_copies.json and .md beside this file, one way at a time; what is drawn is kept in the work
folder.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.errors import StrokeSynthError
from StrokeSynthLib.evaluate.lesion_copies import SMALLEST_ML, compared, same_voxels
from StrokeSynthLib.evaluate.lesion_shapes import LesionShape
from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.lesions.lesion import LesionRequest, LesionSource
from StrokeSynthLib.lesions.masks import MaskFolder, Perturbation, held_out_names, person_of
from StrokeSynthLib.lesions.source import open_lesions
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.volume import Volume
from Testing.Benchmarks.lesion_copies_report import VOLUMES, alarms, page
from Testing.mask_changes import CHANGES, Head, cropped, drawn

HERE = Path(__file__).with_suffix("")
WAYS = ("scanned", "placed")
PEOPLE, SEED, SOURCES = 12, 2026, ("procedural", "lesions-shape", "lesions-wgan")
#: Lesions of each source; real cases that a copy is hidden among.
DRAWS, REAL = 48, 60


@dataclass(frozen=True)
class Drawn:
    """A mask in a head: whose it is, its voxels, head and shape; ``judged`` are those of the test."""

    name: str
    mask: Volume
    head: Head
    shape: LesionShape
    judged: bool


@lru_cache(maxsize=PEOPLE)
def person(number: int) -> tuple[Anatomy, np.ndarray]:
    """A person, and the affine pose (standard space to the head) that fits its brain best."""
    anatomy = PopulationModel.load().sample(number, SEED)
    grid = anatomy.correspondence.grid
    own = grid.affine[:3, :3] @ np.indices(grid.shape).reshape(3, -1) + grid.affine[:3, 3:]
    standard = anatomy.correspondence.coordinates.reshape(3, -1)
    brain = np.linalg.norm(standard - np.array([[0.0], [-18.0], [10.0]]), axis=0) < 85
    known = np.vstack([standard[:, brain], np.ones(int(brain.sum()))]).T
    pose = np.eye(4)
    pose[:3] = np.linalg.lstsq(known, own[:, brain].T, rcond=None)[0].T
    return anatomy, pose


def _entry(name: str, mask: Volume, head: Head, judged: bool) -> Drawn | None:
    if mask.array.sum() * mask.grid.voxel_ml < SMALLEST_ML:
        return None
    return Drawn(name, mask, head, LesionShape.of(mask, head.pose), judged)


@lru_cache(maxsize=1)
def opened(folder: Path) -> MaskFolder:
    return MaskFolder(folder)


def real_mask(folder: Path, way: str, path: Path) -> Drawn | None:
    """One real mask in a head; None where it is screened out, too small or does not fit."""
    source = opened(folder)
    mask = source.open(path)
    if mask is None:
        return None
    rng = generator(SEED, way, mask.name)
    judged = mask.name in set(held_out_names())
    if way == "scanned":
        head = Head.draw(rng)
        box = Volume(mask.unpacked().astype(np.uint8), mask.grid.affine)
        return _entry(mask.name, drawn(box, head.pose, head), head, judged)
    anatomy, pose = person(int(rng.integers(PEOPLE)))
    lesion = source.place(mask, anatomy, Perturbation.draw(rng, bool(rng.random() < 0.5)))
    if lesion is None:
        return None
    head = Head.draw(rng, anatomy, pose)
    whole = cropped(Volume(lesion.mask.astype(np.uint8), anatomy.affine))
    return _entry(mask.name, drawn(whole, np.eye(4), head), head, judged)


@lru_cache(maxsize=1)
def maker(source: str) -> LesionSource:
    return open_lesions(None if source == "procedural" else source)


def made_mask(source: str, number: int) -> Drawn | None:
    """One lesion of a shipped source in a head."""
    anatomy, pose = person(number % PEOPLE)
    rng = generator(SEED, source, number)
    try:
        lesion = maker(source).draw(anatomy, LesionRequest(), rng)
    except StrokeSynthError:
        return None
    head = Head.draw(rng, anatomy, pose)
    whole = cropped(Volume(lesion.mask.astype(np.uint8), anatomy.affine))
    return _entry(f"{source} {number}", drawn(whole, np.eye(4), head), head, True)


def kept(file: Path, make: Callable[[Any], Drawn | None], jobs: Iterable[Any]) -> list[Drawn]:
    """Made once; the file is read by this program alone."""
    if not file.is_file():
        file.write_bytes(pickle.dumps([each for each in map(make, jobs) if each is not None]))
    found: list[Drawn] = pickle.loads(file.read_bytes())
    return found


def table(judged: Sequence[Drawn], real: Sequence[Drawn]) -> np.ndarray:
    """(judged, real) evidence of each with the masks of other people that are most like it; 0 else."""
    found = np.zeros((len(judged), len(real)), np.float32)
    shapes = [each.shape for each in real]
    for start in range(0, len(judged), 100):
        rows = judged[start : start + 100]
        allowed = np.array([[a.name != b.name for b in real] for a in rows])
        for pair in compared([each.shape for each in rows], shapes, allowed):
            place = start + pair.first, pair.second
            found[place] = max(found[place], pair.evidence)
        for row, (column, _) in same_voxels([each.shape for each in rows], shapes).items():
            if allowed[row, column]:
                found[start + row, column] = np.inf
    return found


def recall(judged: Sequence[Drawn], rng: np.random.Generator) -> dict[str, Any]:
    """By change and volume of the mask: copies found, copies."""
    result: dict[str, Any] = {kind: {name: [0, 0] for name in VOLUMES} for kind in CHANGES}
    heads = [judged[n].head for n in rng.permutation(len(judged))]
    for chosen in np.array_split(rng.permutation(len(judged)), -(-len(judged) // REAL)):
        real = [judged[n].shape for n in chosen]
        for kind, change in CHANGES.items():
            copies, own = [], []
            for number, n in enumerate(chosen):
                case = judged[n]
                copy = change(case.mask, case.head, heads[n], generator(SEED, kind, case.name))
                if copy.array.any():
                    copies.append(LesionShape.of(copy, heads[n].pose))
                    own.append(number)
            pairs = sorted(compared(copies, real), key=lambda pair: pair.evidence)
            named = {pair.first: pair.second for pair in pairs if pair.evidence >= 1.0}
            named |= {i: j for i, (j, _) in same_voxels(copies, real).items()}
            for i, number in enumerate(own):
                volume = real[number].volume_ml
                name = next(n for n, (low, high) in VOLUMES.items() if low <= volume < high)
                result[kind][name][0] += int(named.get(i) == number)
                result[kind][name][1] += 1
    return result


def measure(way: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One way of drawing."""
    started = time.process_time()
    folder, work = arguments.data / "lesions", arguments.work
    unseen = set(held_out_names())
    files = sorted(folder.glob("*.nii.gz"))
    others = [path for path in files if person_of(path) not in unseen]
    others = others[:: max(1, len(others) // max(1, arguments.others))] if arguments.others else []
    files = [] if arguments.design else [path for path in files if person_of(path) in unseen]
    masks = kept(work / f"{way}.pickle", partial(real_mask, folder, way), [*files, *others])
    judged = [each for each in masks if each.judged or arguments.design]
    result: dict[str, Any] = {
        "design": arguments.design, "real": len(masks), "others": len(masks) - len(judged), "judged": {},
    }  # fmt: skip
    rng = generator(SEED, "recall", way)
    copied = [judged[n] for n in rng.permutation(len(judged))[: arguments.copies]]
    result["recall"] = recall(copied, rng)
    print(way, result["recall"], flush=True)
    control = table(masks, masks)
    rows = {each.name: control[n] for n, each in enumerate(masks)}
    people = {"masks of other people": judged}
    if way == "placed":
        for source in SOURCES:
            people[source] = kept(work / f"{source}.pickle", partial(made_mask, source), range(DRAWS))
    for name, cases in people.items():
        found = np.stack([rows[each.name] for each in cases]) if cases is judged else table(cases, masks)
        owners = [each.name for each in cases], [each.name for each in masks]
        result["judged"][name] = alarms(found, control, *owners)
        print(way, name, result["judged"][name], flush=True)
    result["cpu_seconds"] = round(time.process_time() - started, 1)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--others", type=int, default=900, help="masks that are not judged, about")
    parser.add_argument("--design", action="store_true", help="judge the others (own work folder)")
    parser.add_argument("--copies", type=int, default=200, help="masks that are copied, of each way")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--out", type=Path, default=HERE)
    wanted = parser.parse_args()
    wanted.work.mkdir(parents=True, exist_ok=True)
    kept_figures = wanted.out.with_suffix(".json")
    figures = json.loads(kept_figures.read_text()) if kept_figures.is_file() else {}
    for way in wanted.ways:
        figures[way] = measure(way, wanted)
        figures = {name: figures[name] for name in WAYS if name in figures}
        write_json(kept_figures, figures)
        write_text(wanted.out.with_suffix(".md"), page(figures))
