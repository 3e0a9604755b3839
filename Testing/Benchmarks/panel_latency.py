"""From a brush stroke in the panel to the updated synthetic slice in the scene and in its view.

    python Testing/Benchmarks/panel_latency.py --work WORK

Writes ``panel_latency.md``. The panel runs in the headless host (Testing/Host): Slicer's own scene, segment
editor logic and slice logics, Qt's event loop, the worker as its own process. A stroke begins to count when
the segmentation has changed, which is what Slicer's brush leaves when the mouse is released; the slice counts
as updated when its voxels are in the synthetic volume, and as shown when the view's slice logic has cut its
image from it (drawing that to the screen is the graphics card's). Translators as in ``preview.py``.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from StrokeSynthLib.files import write_text  # noqa: E402
from StrokeSynthLib.schema import PARENCHYMA  # noqa: E402
from Testing.Benchmarks import preview  # noqa: E402

GRID = "128x128x25, 1.8x1.8x5 mm"
WARM_UP, STROKES, VOLUMES = 4, 40, 7
MODES = {"patient's own images": True, "whole brain": False}
VIEW = "StrokeSynthSynthetic"


@dataclass(frozen=True)
class Row:
    """One translator in one mode; times in s."""

    translator: str
    mode: str
    updated: Sequence[float]
    shown: Sequence[float]
    blocked: Sequence[float]
    volumes: Sequence[float]


class Bench:
    """The panel with a lesion, a live preview, and the brush in hand."""

    def __init__(self, host: Any, panel: Any, model: Path) -> None:
        from Testing.panel.studio_case import Studio

        self.studio = Studio(host, panel, preview.GEOMETRIES[GRID])
        self.host, self.panel = host, panel
        self.studio.parameters.synthTranslator = str(model)
        host.click(self.studio.lesion.ui.paintButton)
        host.type(self.studio.lesion.ui.brushSlider, f"{2 * preview.BRUSH:.0f}")
        self.studio.paint()

    def preview(self, keep: bool) -> None:
        """Open the live preview and wait until nothing is left to do."""
        parameters = self.studio.parameters
        parameters.synthKeepBackground = keep
        parameters.synthLivePreview = True
        self.rest()

    def rest(self) -> None:
        """Until all slices and the territories are there."""
        self.studio.wait_complete(300)
        self.host.wait_until(lambda: not self.panel.worker.client.busy, 300)

    def place(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """World point of healthy tissue in the slice in sight."""
        head = self.studio.head
        free = np.isin(head.semantic_map.array, PARENCHYMA) & (self.studio.mask() == 0)
        middle = free.shape[2] // 2
        places = np.argwhere(free[:, :, middle])
        x, y = places[rng.integers(len(places))]
        point = head.dwi.affine @ [x, y, middle, 1]
        return (float(point[0]), float(point[1]), float(point[2]))

    def stroke(self, place: tuple[float, float, float]) -> tuple[float, float, float]:
        """Seconds to the updated slice, to the view's image, and in which the window could do nothing."""
        import slicer
        import vtk

        lesion, node = self.studio.parameters.lesionSegmentation, self.studio.parameters.synthDwi
        logic = slicer.app.layoutManager().sliceWidget(VIEW).sliceLogic()
        times: dict[str, float] = {}
        lesion_tag = lesion.AddObserver(
            slicer.vtkSegmentation.SourceRepresentationModified,
            lambda *_: times.setdefault("changed", time.perf_counter()),
        )
        middle = self.studio.head.dwi.array.shape[2] // 2
        before = slicer.util.arrayFromVolume(node)[middle].copy()

        def modified(*_: object) -> None:
            if "changed" in times and not np.array_equal(slicer.util.arrayFromVolume(node)[middle], before):
                times.setdefault("updated", time.perf_counter())

        image_tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, modified)
        blocked = 0.0
        from Testing.Host.painting import paint_stroke

        paint_stroke(self.studio.editor, [place], "Red")
        end = time.perf_counter() + 8
        while "updated" not in times:
            start = time.perf_counter()
            if start > end:
                raise SystemExit(f"no slice came; the preview is {self.studio.synth.preview.state}")
            self.host.app.processEvents()
            blocked = max(blocked, time.perf_counter() - start)
            time.sleep(0.0005)
        logic.GetImageDataConnection().GetProducer().Update()
        shown = time.perf_counter()
        lesion.RemoveObserver(lesion_tag)
        node.RemoveObserver(image_tag)
        return times["updated"] - times["changed"], shown - times["changed"], blocked

    def volume(self) -> float:
        """Seconds for the volume, from asking to nodes that are up to date."""
        section = self.studio.synth
        start = time.perf_counter()
        section.onSynthesize()
        while self.panel.worker.busy:
            self.host.app.processEvents()
            time.sleep(0.0005)
        return time.perf_counter() - start


def measure(name: str, model: Path, mode: str) -> Row:
    """Strokes with a live preview; then volumes, without one."""
    from Testing.Host.host import Host

    host = Host(Path(tempfile.mkdtemp(prefix="host ")))
    panel = host.load_module(ROOT / "StrokeSynth" / "StrokeSynth.py")
    bench = Bench(host, panel, model)
    bench.preview(MODES[mode])
    rng = np.random.default_rng(0)
    strokes = []
    for _ in range(WARM_UP + STROKES):
        # A little rest, in which other slices are drawn: the next stroke may come in the middle of that.
        host.wait(0.15)
        strokes.append(bench.stroke(bench.place(rng)))
    bench.rest()
    bench.studio.parameters.synthLivePreview = False
    host.wait_until(lambda: not panel.worker.client.busy, 60)
    volumes = [bench.volume() for _ in range(VOLUMES + 1)][1:]
    host.end()
    updated, shown, blocked = zip(*strokes[WARM_UP:], strict=True)
    return Row(name, mode, updated, shown, blocked, volumes)


def table(rows: Sequence[Row]) -> str:
    """The page."""
    lines = [
        "# The panel: from a stroke to the slice", "",
        f"`python Testing/Benchmarks/panel_latency.py --work WORK`, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, at most {preview.THREADS} threads in the worker, load "
        f"{os.getloadavg()[0]:.1f} at the end; {GRID}; {STROKES} strokes of a brush of "
        f"{2 * preview.BRUSH:.0f} mm, one every 0.2 s or so, the worker warm. Median (lowest to highest). "
        'The segmentation has changed at 0; the slice is in the volume ("updated"), and cut for the view '
        '("shown"). "Blocked" is the longest time in which the window did nothing else. The volume is made '
        "by the button Synthesize.", "",
        "| translator | images | updated, ms | shown, ms | strokes shown within 200 ms | blocked, ms | "
        "volume, ms | times faster |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in rows:
        quick = sum(value < 0.2 for value in row.shown)
        ratio = statistics.median(row.volumes) / statistics.median(row.updated)
        updated, shown, blocked, volumes = (
            preview.milliseconds(times) for times in (row.updated, row.shown, row.blocked, row.volumes)
        )
        lines.append(
            f"| {row.translator} | {row.mode} | {updated} | {shown} | {quick} of {len(row.shown)} "
            f"| {blocked} | {volumes} | {ratio:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for cohort and translators")
    models = preview.trained(parser.parse_args().work)
    from Testing.Host.install import install, missing

    if missing():
        raise SystemExit(missing())
    os.environ["OMP_NUM_THREADS"] = str(preview.THREADS)
    install()
    rows = [measure(name, model, mode) for name, model in models.items() for mode in MODES]
    page = table(rows)
    write_text(Path(__file__).parent / "panel_latency.md", page)
    print(page)


if __name__ == "__main__":
    main()
