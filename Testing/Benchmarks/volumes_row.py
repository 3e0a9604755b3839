"""What is done and measured in one row of :mod:`.volumes`."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.errors import CancelledError
from StrokeSynthLib.evaluate import realism
from StrokeSynthLib.evaluate.recoverable import recoverable
from StrokeSynthLib.files import read_json
from StrokeSynthLib.modelfolder import open_model
from StrokeSynthLib.progress import ProgressEvent
from StrokeSynthLib.schema import INTRACRANIAL
from StrokeSynthLib.translate.diversity import pairwise_ssim
from StrokeSynthLib.translate.geometry import slice_axis
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.translate.signal import dwi_from
from Testing.Benchmarks.head_to_head import WIDTHS

if TYPE_CHECKING:
    from Testing.Benchmarks.volumes import Trial

Array = npt.NDArray[Any]
#: The scans themselves, as a row of the picture and of the table.
SCAN = "scan"
#: Values of each class and case that histograms are made of.
_MOST_VALUES = 4000
#: Voxels of one class in both of two adjacent slices that are needed to compare them.
_LEAST_PAIR = 100
#: Protocols shown in the picture, thin slices and thick ones.
SHOWN = ("3T-2mm", "3T-4mm")

#: What a step costs is looked at for so long (CPU s), over as many steps at least.
_LOOK, _LEAST = 20.0, 3


def kind_and_dimensions(row: str) -> tuple[str, int]:
    """``pix2pix-3`` is ("pix2pix", 3)."""
    kind, _, dimensions = row.partition("-")
    return kind, int(dimensions or 2)


class StepClock:
    """CPU time of this process when steps of a training are reported.

    Parameters
    ----------
    glance
        Stop the training as soon as it is known what a step costs.
    """

    def __init__(self, glance: bool = False) -> None:
        self.at: dict[int, float] = {}
        self._glance = glance

    def __call__(self, event: ProgressEvent) -> None:
        """Note the time."""
        if not event.stage.startswith("Training"):
            return
        self.at[event.done] = now = time.process_time()
        print(event.stage, event.done, event.total, dict(event.values), flush=True)
        first = min(self.at)
        if self._glance and event.done - first >= _LEAST and now - self.at[first] >= _LOOK:
            raise CancelledError("seen enough")

    @property
    def seconds_per_step(self) -> float:
        """Between the first report and the last."""
        first, last = min(self.at), max(self.at)
        return (self.at[last] - self.at[first]) / (last - first)


def train(trial: Trial, row: str) -> dict[str, Any]:
    """As many steps as the CPU time allows."""
    kind, dimensions = kind_and_dimensions(row)
    cases, out = trial.plan.clinic(trial.seed), trial.work / "translators" / row
    taken = _taken(trial, kind, out) if dimensions == 2 else None
    if taken is not None:
        return taken
    options: dict[str, Any] = {
        "seed": trial.seed, "dimensions": dimensions, "width": WIDTHS.get(kind, TranslatorOptions.width),
        "device": "cpu", "threads": 1,
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    clock = StepClock(glance=True)
    if kind in WIDTHS:
        try:
            train_translator(kind, cases, out, TranslatorOptions(**options), clock)
        except CancelledError:
            shutil.rmtree(out.with_name(f"{out.name}.resume"), ignore_errors=True)
        options["steps"] = round(trial.cpu_seconds / clock.seconds_per_step)
        clock = StepClock()
        started = time.process_time()
    model = train_translator(kind, cases, out, TranslatorOptions(**options), clock)
    facts = {
        name: model.training.get(name) for name in ("steps", "batch", "parameters", "ssim_between_seeds")
    }
    found = {
        **facts, "channels": model.config.get("network", {}).get("width"),
        "cpu_s": round(time.process_time() - started, 1), "memory_mb": memory_mb(),
    }  # fmt: skip
    return found | ({"seconds_per_step": round(clock.seconds_per_step, 3)} if clock.at else {})


def _taken(trial: Trial, kind: str, out: Path) -> dict[str, Any] | None:
    """The row's translator out of a run of the head-to-head, where it has one of the same cases and seed."""
    if trial.taken_from is None:
        return None
    name = f"{kind}-{trial.seed}"
    piece = trial.taken_from / "pieces" / f"{name}-training.json"
    folder = trial.taken_from / "translators" / name
    if not piece.is_file() or not (folder / "model.json").is_file():
        return None
    model = open_model(folder)
    if model.training.get("cases") != [files.name for files in trial.plan.clinic(trial.seed)]:
        return None
    shutil.copytree(folder, out, dirs_exist_ok=True)
    found = read_json(piece)["found"]
    names = ("steps", "batch", "parameters", "channels", "cpu_s")
    return {"taken": True, **{fact: found.get(fact) for fact in names}, "memory_mb": None}


def draw(trial: Trial, row: str) -> dict[str, Any]:
    """Images on every map, beside the simulated scans; ``row`` may be :data:`SCAN`, the scans themselves."""
    controls = [load_case(files) for files in trial.plan.drawn_on()]
    made, seconds, worst = controls, [], 0.0
    if row != SCAN:
        translator = open_translator(trial.work / "translators" / row, "cpu")
        made = []
        for number, control in enumerate(controls):
            assert control.semantic_map is not None
            started = time.process_time()
            images = translator.translate(control.semantic_map, control.lesion, seed=trial.seed + number)
            seconds.append(time.process_time() - started)
            b0, adc, dwi = (volume.array for volume in (images.b0, images.adc, images.dwi))
            free = (adc > 0.0) & (adc < 4.0)
            off = np.abs(dwi - dwi_from(b0, adc, images.b_value))[free].max(initial=0.0)
            worst = max(worst, float(off / dwi.max()))
            made.append(
                Case(
                    control.name, control.person, images.dwi, images.adc, images.b0, control.lesion,
                    control.semantic_map, images.b_value,
                )
            )  # fmt: skip
            print(control.name, round(seconds[-1], 1), "s", memory_mb(), "MB", flush=True)
    keep_planes(trial, row, made)
    found = [recoverable(c.dwi, c.adc, c.semantic_map, c.lesion) for c in made]  # type: ignore[arg-type]
    maps = []
    for case, control, recovery in zip(made, controls, found, strict=True):
        one = {"case": case.name, "voxel_mm": [round(s, 2) for s in case.dwi.canonical().spacing]}
        one |= {"recovered": bool(recovery.recovered), "dwi_auc": round(recovery.dwi_auc, 4)}
        for channel in ("dwi", "adc"):
            one |= {f"{channel}_{name}": value for name, value in between(case, control, channel).items()}
        maps.append(one)
    for one, spent in zip(maps, seconds, strict=False):
        one["cpu_s"] = round(spent, 2)
    return {
        "maps": maps, "memory_mb": memory_mb(), "signal_equation": worst,
        "histograms": {name: _histograms(made, controls, name) for name in ("dwi", "adc")},
    }  # fmt: skip


def between(case: Case, control: Case, channel: str) -> dict[str, float]:
    """SSIM to the scan in the brain; roughness and flicker, each over the scan's own.

    Adjacent slices are compared where both show the same class, and none of them lesion, in units of the
    brain's median. Roughness: mean difference of voxels, noise and texture in it. Flicker: mean difference
    of whole slices, class by class.
    """
    assert control.semantic_map is not None
    labels = control.semantic_map.canonical().array
    brain = np.isin(labels, INTRACRANIAL)
    images = [np.asarray(getattr(c, channel).canonical().array, np.float32) for c in (case, control)]
    own, scans = (_along_slices(image, labels, control) for image in images)
    return {
        "ssim": round(pairwise_ssim(images, brain), 4), "roughness": round(own[0] / scans[0], 4),
        "flicker": round(own[1] / scans[1], 4),
    }  # fmt: skip


def _along_slices(image: Array, labels: Array, control: Case) -> tuple[float, float]:
    assert control.semantic_map is not None
    axis = slice_axis(control.semantic_map.canonical().spacing)
    lesion = np.zeros(labels.shape, bool) if control.lesion is None else control.lesion.canonical().array > 0
    classes = np.moveaxis(np.where(lesion, 0, labels), axis, 2)
    values = np.moveaxis(image, axis, 2) / np.median(image[np.isin(labels, INTRACRANIAL)])
    steps = np.diff(values, axis=2)
    same = np.where(classes[..., 1:] == classes[..., :-1], classes[..., 1:], 0)
    same *= np.isin(same, INTRACRANIAL)
    levels = [
        abs(float(steps[..., z][same[..., z] == name].mean()))
        for z in range(steps.shape[2])
        for name, count in zip(*np.unique(same[..., z], return_counts=True), strict=True)
        if name and count >= _LEAST_PAIR
    ]
    return float(np.abs(steps[same > 0]).mean()), float(np.mean(levels))


def _histograms(made: Sequence[Case], controls: Sequence[Case], channel: str) -> dict[str, float]:
    """Wasserstein distance of intensities by class from the scans', in units of tissue's median."""
    rng = np.random.default_rng(0)

    def pooled(cases: Sequence[Case]) -> dict[str, Array]:
        values: dict[str, list[Array]] = {}
        for case in cases:
            assert case.semantic_map is not None
            found = realism.intensities_by_class(getattr(case, channel), case.semantic_map, case.lesion)
            for name, some in found.items():
                values.setdefault(name, []).append(rng.choice(some, min(some.size, _MOST_VALUES), False))
        return {name: np.concatenate(parts) for name, parts in values.items()}

    distances = realism.histogram_distances(pooled(made), pooled(controls))
    return {name: round(value, 4) for name, value in distances.items()}


def keep_planes(trial: Trial, row: str, cases: Sequence[Case]) -> None:
    """Three planes through the lesion of one case of each shown protocol, kept as arrays below ``work``."""
    arrays: dict[str, Array] = {}
    for protocol in SHOWN:
        case = next((c for c in cases if c.name.startswith(f"{protocol}_")), None)
        if case is None or case.lesion is None:
            continue
        lesion = case.lesion.canonical().array > 0
        middle = [
            int(np.argmax(lesion.sum(axis=tuple(a for a in range(3) if a != axis)))) for axis in range(3)
        ]
        spacing = case.dwi.canonical().spacing
        for name in ("dwi", "adc"):
            image = np.asarray(getattr(case, name).canonical().array, np.float32)
            for axis in range(3):
                arrays[f"{protocol} {name} {axis}"] = image.take(middle[axis], axis)
        for axis in range(3):
            arrays[f"{protocol} lesion {axis}"] = lesion.take(middle[axis], axis)
        arrays[f"{protocol} spacing"] = np.asarray(spacing)
    path = trial.work / "planes" / f"{row}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def memory_mb() -> int:
    """Most memory that this process has had (MB)."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
