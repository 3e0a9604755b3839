"""The manual's pictures: the panel is used as a user does, from the simulated case to a database.

    python -m Testing.Host.screenshots                # into Resources/Screenshots (make screenshots)
    python -m Testing.Host.screenshots --out pictures # elsewhere
    python -m Testing.Host.screenshots --last segment # only so far

All results in them are real: the shipped network segments the shipped case, a translator draws images for a
generated lesion, a training and a database run. Takes some minutes. Widgets look as in the headless host.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "Resources" / "Screenshots"
MODULE = ROOT / "StrokeSynth" / "StrokeSynth.py"
#: Width of the panel and of each view (pixels), and the most that a picture may have (bytes).
PANEL_WIDTH, VIEW_SIZE = 460, 300
LARGEST = 150_000
#: What layouts need to come to rest after the last change (s).
SETTLING = 0.5
#: Longest wait for anything (s).
PATIENCE = 600


class Tour:
    """One run through the panel; each method is a section and leaves its picture.

    Parameters
    ----------
    host
        A fresh host.
    out
        Folder for the pictures.
    home
        Folder for what the tour makes: cohorts, models, jobs.
    """

    def __init__(self, host: Any, out: Path, home: Path) -> None:
        self.host, self.out, self.home = host, out, home
        self.panel = host.load_module(MODULE)
        host.wait_until(lambda: self.panel.hello, PATIENCE, "the worker's hello")

    def start(self) -> None:
        """Device, packages, models; the simulated case is opened."""
        ui = self.open("Start").ui
        self.host.click(ui.checkButton)
        self.finish()
        self.host.click(ui.sampleButton)
        self.host.wait_until(lambda: self.panel.parameterNode.caseDwi, PATIENCE, "the case")
        self.host.toggle(self.panel.section("StartSection").button)
        self.grab("start")

    def case(self) -> None:
        """The tissue map is made."""
        ui = self.open("Case").ui
        self.host.click(ui.mapButton)
        self.finish()
        self.grab("case")

    def segment(self) -> None:
        """Lesions are found and compared with the reference."""
        ui = self.open("Segment").ui
        self.host.click(ui.segmentButton)
        self.host.wait_until(lambda: ui.agreementLabel.text, PATIENCE, "the scores")
        self.finish()
        self.grab("segment")
        self.pictures_of_segmentation()

    def lesion(self) -> None:
        """A second lesion is generated on the other side."""
        ui = self.open("Lesion").ui
        if ui.generateSection.collapsed:
            self.host.toggle(ui.generateSection)
        for box, text in ((ui.territoryBox, "MCA:"), (ui.sideBox, "left")):
            texts = [box.itemText(index) for index in range(box.count)]
            self.host.choose(box, next(entry for entry in texts if entry.startswith(text)))
        self.host.type(ui.volumeBox, "20")
        self.host.click(ui.generateButton)
        self.finish()
        self.host.wait_until(lambda: "MCA" in ui.measureLabel.text, PATIENCE, "volume and territory")
        self.host.click(ui.paintButton)
        self.grab("lesion")

    def synthesize(self) -> None:
        """DWI and ADC with the generated lesion, beside the original."""
        ui = self.open("Synthesize").ui
        self.host.click(ui.synthesizeButton)
        self.finish()
        self.grab("synthesize")
        self.picture_of_comparison()

    def train(self) -> None:
        """The shipped network goes on with simulated cases; taken while it trains."""
        ui = self.open("Train").ui
        ui.cohortEdit.setCurrentPath(str(self.cohort()))
        self.host.process()
        self.host.click(ui.checkButton)
        self.host.wait_until(lambda: ui.checkLabel.visible, PATIENCE, "the check")
        self.host.type(ui.minutesBox, "30")
        self.host.type(ui.nameEdit, "my-hospital")
        self.host.click(ui.startButton)
        self.host.wait_until(lambda: ui.curvesButton.enabled, PATIENCE, "the first steps")
        self.grab("train")
        self.host.click(ui.cancelButton)
        jobs = self.panel.section("TrainSection").jobs
        self.host.wait_until(lambda: jobs.status is None or not jobs.status.alive, PATIENCE, "the end")

    def database(self) -> None:
        """Synthetic cases, and the picture of them."""
        ui = self.open("Database").ui
        self.host.type(ui.casesBox, "6")
        ui.outputEdit.setCurrentPath(str(self.home / "synthetic cases"))
        self.host.process()
        self.host.click(ui.startButton)
        self.host.wait_until(lambda: ui.mosaicLabel.visible, PATIENCE, "the picture of the cases")
        self.grab("database")

    # Help

    def open(self, name: str) -> Any:
        """A section, opened; the others close."""
        section = self.panel.section(f"{name}Section")
        self.host.toggle(section.button)
        return section

    def finish(self) -> None:
        """Wait until nothing is at work."""
        client = self.panel.worker.client
        self.host.wait_until(
            lambda: not self.panel.worker.busy and not client.busy, PATIENCE, "the worker"
        )  # fmt: skip
        assert not self.panel.worker.isError, self.panel.ui.statusLabel.text

    def cohort(self) -> Path:
        """Simulated cases as a user's cohort would lie on a disk."""
        folder = self.home / "my 10 cases"
        if not folder.exists():
            simulate(folder, 10)
        return folder

    def grab(self, name: str) -> None:
        """The panel as high as it needs to be; paths of this computer are shown as a user's."""
        self.host.wait(SETTLING)
        widget = self.panel.parent
        with self.users_paths(widget):
            for _ in range(3):  # wrapped texts find their height when they have their width
                height = widget.layout().totalHeightForWidth(PANEL_WIDTH)
                widget.resize(PANEL_WIDTH, max(height, widget.minimumSizeHint.height()))
                self.host.app.processEvents()
            save(self.host.grab(widget, self.out / f"slicer-{name}.png"))

    @contextlib.contextmanager
    def users_paths(self, widget: Any) -> Iterator[None]:
        """For a picture: "~" for where the tour and the checkout are."""
        import slicer

        changed = []
        for kind in ("QLineEdit", "QLabel"):
            for child in slicer.util.findChildren(widget, className=kind):
                before = child.text
                after = before.replace(str(self.home), "~").replace(str(ROOT), "~/StrokeSynth")
                if after != before:
                    changed.append((child, before))
                    self._write(child, after)
        try:
            yield
        finally:
            for child, before in changed:
                self._write(child, before)

    @staticmethod
    def _write(widget: Any, text: str) -> None:
        blocked = widget.blockSignals(True)
        widget.setText(text)
        if hasattr(widget, "setCursorPosition"):
            widget.setCursorPosition(0)
        widget.blockSignals(blocked)

    def pictures_of_segmentation(self) -> None:
        """Lesion, probability and tissue map over the DWI."""
        import slicer

        parameters = self.panel.parameterNode
        dwi, found, tissue = parameters.caseDwi, parameters.segmentResult, parameters.caseMap
        slicer.util.setSliceViewerLayers(background=dwi, foreground=None, label=None)
        others = list(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
        self.look_at(found, dwi, ["Red"])
        shown = [([found], None), ([], parameters.segmentProbability), ([tissue], None)]
        tiles = []
        for visible, foreground in shown:
            for node in others:
                node.GetDisplayNode().SetVisibility(node in visible)
            slicer.util.setSliceViewerLayers(foreground=foreground, foregroundOpacity=0.6)
            tiles.append(self.view("Red"))
        slicer.util.setSliceViewerLayers(foreground=None)
        found.GetDisplayNode().SetVisibility(True)
        beside(tiles, ("Lesion found", "Probability", "Tissue map"), self.out / "slicer-segmentation.png")

    def picture_of_comparison(self) -> None:
        """The three views of the comparison on the fullest slice of the lesion."""
        import slicer

        from StrokeSynthLib.scene.Layouts import VIEWS

        parameters = self.panel.parameterNode
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            node.GetDisplayNode().SetVisibility(node is parameters.lesionSegmentation)
            node.GetDisplayNode().SetVisibility2DFill(False)  # the signal is what is to be seen
        self.look_at(parameters.lesionSegmentation, parameters.caseDwi, list(VIEWS))
        tiles = [self.view(name) for name in VIEWS]
        beside(tiles, ("Original", "Synthetic", "Difference"), self.out / "slicer-comparison.png")

    def look_at(self, segmentation: Any, reference: Any, views: list[str]) -> None:
        """Views on the slice that holds most of a lesion, in the acquisition plane."""
        import slicer

        from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation

        mask = labelmapFromSegmentation(segmentation, reference)
        index = int(np.argmax(mask.array.sum(axis=(0, 1))))
        x, y, _ = (n // 2 for n in mask.array.shape)
        place = (mask.affine @ [x, y, index, 1])[:3]
        for name in views:
            logic = slicer.app.layoutManager().sliceWidget(name).sliceLogic()
            logic.ResizeSliceNode(VIEW_SIZE, VIEW_SIZE)
            logic.GetSliceNode().RotateToVolumePlane(reference)
            logic.FitSliceToBackground()
            logic.GetSliceNode().JumpSliceByOffsetting(*map(float, place))

    def view(self, name: str) -> Path:
        """A picture of one view."""
        count = len(list(self.home.glob("view-*.png")))
        return Path(self.host.render_slice(name, self.home / f"view-{count}.png"))


#: The sections in the order of the tour: a lesion is generated only after the case was segmented.
STEPS: dict[str, Callable[[Tour], None]] = {
    "start": Tour.start, "case": Tour.case, "segment": Tour.segment, "lesion": Tour.lesion,
    "synthesize": Tour.synthesize, "train": Tour.train, "database": Tour.database,
}  # fmt: skip


def simulate(folder: Path, cases: int) -> None:
    """A simulated cohort."""
    run("simulate", "--cases", str(cases), "--seed", "3", "--scanner", "1.5T-5mm", "--out", str(folder))


def run(*words: str) -> None:
    """The command line, in a process of its own."""
    subprocess.run([sys.executable, "-m", "StrokeSynthLib.cli", *words], check=True, capture_output=True)


def own_translator(models: Path, home: Path) -> None:
    """A translator among the user's own models, where none is shipped."""
    from StrokeSynthLib.modelfolder import open_model, shipped_models
    from StrokeSynthLib.translate.registry import TRANSLATORS

    if any(open_model(name).kind in TRANSLATORS for name in shipped_models()):
        return
    if (models / "clinic").exists():
        return
    simulate(home / "my 10 cases", 10)
    models.mkdir(parents=True)
    run(
        "train", "translator", "--kind", "physics", "--cohort", str(home / "my 10 cases"),
        "--out", str(models / "clinic"),
    )  # fmt: skip


def save(path: Path) -> None:
    """Few colors, if need be, so that the manual loads quickly."""
    from PIL import Image

    image = Image.open(path).convert("RGB")
    image.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        image.quantize(128).save(path, optimize=True)
    assert path.stat().st_size <= LARGEST, f"{path}: {path.stat().st_size} bytes"


def beside(tiles: list[Path], titles: tuple[str, ...], out: Path) -> None:
    """Views side by side, each with its title."""
    from PIL import Image, ImageDraw

    bar, gap = 22, 6
    width = len(tiles) * VIEW_SIZE + (len(tiles) - 1) * gap
    picture = Image.new("RGB", (width, VIEW_SIZE + bar), "white")
    draw = ImageDraw.Draw(picture)
    for index, (tile, title) in enumerate(zip(tiles, titles, strict=True)):
        left = index * (VIEW_SIZE + gap)
        draw.text((left + 4, 5), title, fill="black")
        picture.paste(Image.open(tile).convert("RGB"), (left, bar))
    picture.save(out)
    save(out)


def make(out: Path, last: str = "database", kept: Path | None = None) -> None:
    """Run the tour up to a section; what it makes stays in ``kept``, if that is given."""
    from .install import install, missing

    reason = missing()
    if reason:
        raise SystemExit(reason)
    install()
    from .host import Host

    home = kept or Path(tempfile.mkdtemp(prefix="strokesynth-"))
    data = home / ".local" / "share" / "StrokeSynth"
    os.environ["STROKESYNTH_HOME"] = str(data)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        host = Host(Path(scratch) / "slicer")
        try:
            own_translator(data / "models", home)
            tour = Tour(host, out, home)
            for name, step in STEPS.items():
                print(name, flush=True)
                step(tour)
                if name == last:
                    break
        finally:
            host.end()
    if kept is None:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--last", choices=list(STEPS), default="database")
    parser.add_argument("--home", type=Path, help="folder for cohort and models, kept for the next time")
    given = parser.parse_args()
    make(given.out, given.last, given.home)
