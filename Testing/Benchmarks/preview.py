"""From a brush stroke to the synthetic slice: the live preview against synthesizing the volume anew.

    python Testing/Benchmarks/preview.py --work WORK

Writes ``preview.md``. Everything goes through a worker process as in Slicer: a stroke is a new mask that is
sent, the slice is there when its values have been received. Translators are fitted to four simulated cases;
pix2pix is trained for a few steps only, because its weights do not change its speed. Stroke and volume are
measured alternately, and ratios are of medians, so that other work of the machine counts for both alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.anatomy.source import open_anatomies
from StrokeSynthLib.cli import main as strokesynth
from StrokeSynthLib.files import write_text
from StrokeSynthLib.jobs.client import WorkerClient
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner.sections import SectionGeometry, draw_frame, section
from StrokeSynthLib.schema import PARENCHYMA
from StrokeSynthLib.volume import Volume

HERE = Path(__file__).parent
GEOMETRIES = {
    "128x128x25, 1.8x1.8x5 mm": SectionGeometry(128, 1.8, 5.0, 25),
    "128x128x72, 1.8x1.8x2 mm": SectionGeometry(128, 1.8, 2.0, 72),
}
STROKES, VOLUMES = 40, 5
#: Radius of the brush (mm).
BRUSH = 6.0
THREADS = 2


@dataclass(frozen=True)
class Row:
    """What one translator took on one grid; times in s."""

    name: str
    grid: str
    strokes: Sequence[float]
    volumes: Sequence[float]
    opened: float
    changed: float
    difference: float


class Asker:
    """A worker that is asked and waited for."""

    def __init__(self) -> None:
        os.environ["OMP_NUM_THREADS"] = str(THREADS)
        self.client = WorkerClient(sys.executable, on_log=lambda text: print(text, file=sys.stderr))

    def ask(self, do: str, **arguments: Any) -> tuple[dict[str, Any], float]:
        """The answer and the seconds until it was there."""
        answers: list[dict[str, Any]] = []
        errors: list[Any] = []
        start = time.perf_counter()
        self.client.request(do, arguments, on_result=answers.append, on_error=errors.append)
        while self.client.busy:
            self.client.poll(0.01)
        if errors:
            raise SystemExit(str(errors[0]))
        return answers[0], time.perf_counter() - start


def trained(work: Path) -> Mapping[str, Path]:
    """The translators, made where they are not there yet."""
    clinic = work / "clinic"
    if not clinic.exists():
        strokesynth(
            ["simulate", "--cases", "4", "--out", str(clinic), "--scanner", "1.5T-5mm", "--seed", "1"]
        )
    for kind in ("physics", "pix2pix"):
        if not (work / kind).exists():
            command = [
                "train",
                "translator",
                "--kind",
                kind,
                "--cohort",
                str(clinic),
                "--out",
                str(work / kind),
            ]
            strokesynth([*command, "--steps", "5", "--threads", "1"])
    return {kind: work / kind for kind in ("physics", "pix2pix")}


def drawn_map(geometry: SectionGeometry) -> Volume:
    """The semantic map of a person of the population model on a grid."""
    anatomy = open_anatomies(None).draw(1, 3)
    frame = draw_frame(anatomy, geometry, generator(3, "preview"))
    return section(anatomy, None, frame, skull_stripped=False)[0]


def strokes(semantic_map: Volume) -> Sequence[np.ndarray]:
    """Masks as a brush leaves them that is moved through the middle slice, each with one spot more."""
    tissue = np.isin(semantic_map.array, PARENCHYMA)
    middle = tissue.shape[2] // 2
    places = np.argwhere(tissue[:, :, middle])
    rng = np.random.default_rng(0)
    x, y = np.ogrid[: tissue.shape[0], : tissue.shape[1]]
    mask, masks = np.zeros(tissue.shape, np.uint8), []
    for px, py in places[rng.integers(len(places), size=STROKES + 3)]:
        inside = (x - px) ** 2 + (y - py) ** 2 <= (BRUSH / semantic_map.spacing[0]) ** 2
        mask[:, :, middle][inside] = 1
        masks.append(mask.copy())
    return masks


def measure(asker: Asker, name: str, model: Path, grid: str, semantic_map: Volume) -> Row:
    """Strokes and volumes in turn, after three strokes to warm up."""
    setting = {"model": str(model), "map": semantic_map, "seed": 7}
    opened, seconds = asker.ask("preview_open", **setting, draw=True)
    shown, middle = opened["dwi"].array.copy(), semantic_map.array.shape[2] // 2
    taken: list[float] = []
    volumes: list[float] = []
    changed: list[int] = []
    for number, mask in enumerate(strokes(semantic_map)):
        lesion = Volume(mask, semantic_map.affine)
        got, wall = asker.ask("preview_slices", session=opened["session"], lesion=lesion, slices=[middle])
        shown[:, :, middle] = got["dwi"][:, :, 0]
        changed.append(1 + len(got["out_of_date"]))
        if number >= 3:
            taken.append(wall)
        if number % (STROKES // VOLUMES) == STROKES // VOLUMES - 1:
            whole, wall = asker.ask("synthesize", **setting, lesion=lesion)
            volumes.append(wall)
    while got["out_of_date"]:
        got, _ = asker.ask("preview_slices", session=opened["session"])
        shown[:, :, got["slices"]] = got["dwi"]
    whole, _ = asker.ask("synthesize", **setting, lesion=lesion)
    asker.ask("preview_close", session=opened["session"])
    difference = float(np.abs(shown - whole["dwi"].array).max())
    return Row(name, grid, taken, volumes, seconds, statistics.median(changed), difference)


def table(rows: Sequence[Row]) -> str:
    """The page."""
    lines = [
        "# Live preview: from a stroke to the slice", "",
        f"`python Testing/Benchmarks/preview.py --work WORK`, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, at most {THREADS} threads, load {os.getloadavg()[0]:.1f} at the end. "
        f"{STROKES} strokes of a brush of {2 * BRUSH:.0f} mm, median (lowest to highest); wall time from the "
        "new mask in one process to the slice's values back in it, the worker warm. The panel adds "
        "the time until "
        "its timer looks (up to 20 ms) and the drawing of the view.", "",
        "| translator | volume | slice, ms | volume, ms | times faster | opening, s | slices a stroke "
        "changes | largest difference |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in rows:
        ratio = statistics.median(row.volumes) / statistics.median(row.strokes)
        lines.append(
            f"| {row.name} | {row.grid} | {milliseconds(row.strokes)} | {milliseconds(row.volumes)} "
            f"| {ratio:.0f} | {row.opened:.1f} | {row.changed:.0f} | {row.difference:g} |"
        )
    lines += [
        "", "Largest difference: of the DWI put together from slices after all strokes, to the volume "
        "synthesized at once. Slices that a stroke changes beside the visible one follow in batches. Opening "
        "draws the whole volume once. With a network of three dimensions (pix2pix, 3D) slices are "
        "approximate until the stroke rests; that is not measured here.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def milliseconds(values: Sequence[float]) -> str:
    """Median, lowest and highest of seconds."""
    return f"{1000 * statistics.median(values):.0f} ({1000 * min(values):.0f} to {1000 * max(values):.0f})"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for cohort and translators")
    work = parser.parse_args().work
    models = trained(work)
    maps = {grid: drawn_map(geometry) for grid, geometry in GEOMETRIES.items()}
    asker = Asker()
    rows = [
        measure(asker, name, model, grid, semantic_map)
        for name, model in models.items()
        for grid, semantic_map in maps.items()
    ]
    asker.client.stop()
    page = table(rows)
    write_text(HERE / "preview.md", page)
    print(page)


if __name__ == "__main__":
    main()
