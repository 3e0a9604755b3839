"""A head with its map, DWI and ADC, and a translator, for tests of lesions and synthetic images."""

from __future__ import annotations

import atexit
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from StrokeSynthLib.anatomy.source import open_anatomies
from StrokeSynthLib.jobs.client import WorkerClient
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner.sections import SectionGeometry, draw_frame, section
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.volume import Volume
from Testing.unit import translate_phantom as phantom

#: In-plane voxels of 2.4 mm, slices of 6 mm.
SMALL = SectionGeometry(96, 2.4, 6.0, 20)


@dataclass(frozen=True)
class Head:
    """Volumes of one simulated person without a lesion."""

    semantic_map: Volume
    dwi: Volume
    adc: Volume


@lru_cache(maxsize=1)
def translator() -> Path:
    """Folder of a translator that is fitted to two phantoms."""
    folder = Path(mkdtemp(prefix="translator "))
    return train_translator("physics", phantom.write_cohort(folder / "cohort", 2), folder / "fitted").path


@lru_cache(maxsize=2)
def head(geometry: SectionGeometry = SMALL) -> Head:
    """A person of the population model, oblique in the scanner."""
    anatomy = open_anatomies(None).draw(1, 3)
    frame = draw_frame(anatomy, geometry, generator(3, "preview"))
    semantic_map = section(anatomy, None, frame, skull_stripped=False)[0]
    images = open_translator(translator()).translate(semantic_map, seed=4)
    return Head(semantic_map, images.dwi, images.adc)


class KeptClient(WorkerClient):
    """A client whose worker outlives the panel: tests need not start one each and find the head anew."""

    def stop(self) -> None:
        """Nothing of this panel may reach the next one."""
        if self.busy:
            super().stop()


@lru_cache(maxsize=1)
def kept_client() -> KeptClient:
    """The worker of all tests of this process."""
    client = KeptClient(sys.executable)
    atexit.register(WorkerClient.stop, client)
    return client


class Studio:
    """The panel with a case in it, and what a user does there."""

    def __init__(self, host: Any, panel: Any, geometry: SectionGeometry = SMALL) -> None:
        import slicer

        from StrokeSynthLib.scene.Segmentations import mapSegmentation
        from StrokeSynthLib.scene.VolumeNodes import nodeFromVolume

        panel.logic.client.stop()
        panel.logic.client = panel.worker.client = kept_client()
        panel.askHello()
        self.host, self.panel = host, panel
        self.lesion, self.synth = panel.section("LesionSection"), panel.section("SynthesizeSection")
        self.head = head(geometry)
        self.dwi = nodeFromVolume(self.head.dwi, "Patient DWI")
        self.adc = nodeFromVolume(self.head.adc, "Patient ADC")
        self.tissue = mapSegmentation(self.head.semantic_map, name="Patient map", reference=self.dwi)
        self.tissue.GetDisplayNode().SetVisibility(False)
        parameters = panel.parameterNode
        parameters.caseDwi, parameters.caseAdc, parameters.caseMap = self.dwi, self.adc, self.tissue
        parameters.synthTranslator = str(translator())
        slicer.util.setSliceViewerLayers(background=self.dwi, fit=True)
        slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().RotateToVolumePlane(self.dwi)
        self.look_at(self.middle())
        host.wait_until(lambda: panel.hello, 60, "what the worker has")
        host.toggle(self.lesion.button)

    @property
    def parameters(self) -> Any:
        return self.panel.parameterNode

    @property
    def editor(self) -> Any:
        return self.lesion.editor.widget

    def middle(self, *offset: float) -> tuple[float, float, float]:
        """World point of a voxel near the middle, in white matter of a side."""
        shape, affine = self.head.dwi.array.shape, self.head.dwi.affine
        index = [shape[0] // 2 + 18, shape[1] // 2, shape[2] // 2]
        index = [i + o for i, o in zip(index, offset, strict=False)] + index[len(offset) :]
        place = affine[:3, :3] @ index + affine[:3, 3]
        return (float(place[0]), float(place[1]), float(place[2]))

    def look_at(self, place: tuple[float, float, float]) -> None:
        """All slice views at a world point."""
        import slicer

        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            node.JumpSliceByOffsetting(*place)

    def paint(self, *offset: float, view: str = "Red") -> None:
        """A stroke beside the middle (voxels); the brush is taken up if it is not."""
        if self.editor.activeEffect() is None:
            self.host.click(self.lesion.ui.paintButton)
        self.host.paint(self.editor, self.middle(*offset), view=view)

    def mask(self) -> Any:
        """The lesion's voxels (x, y, z) on the DWI's grid."""
        return self.panel.logic.lesionMask(self.parameters.lesionSegmentation, self.dwi).array

    def wait_idle(self, seconds: float = 60) -> None:
        """Until the worker has nothing to do."""
        self.host.wait_until(lambda: not self.panel.worker.client.busy, seconds, "the worker")

    def wait_complete(self, seconds: float = 60) -> None:
        """Until the preview shows the lesion in all slices, and its record is kept."""
        self.host.wait_until(
            lambda: self.synth.preview.isComplete, seconds, f"the preview ({self.synth.preview.state})"
        )


def synthesize(studio):
    """Click Synthesize and wait; the nodes."""
    studio.host.toggle(studio.synth.button)
    studio.host.click(studio.synth.ui.synthesizeButton)
    studio.host.wait_until(lambda: not studio.panel.worker.busy, 60, "the images")
    studio.host.process()
    return studio.panel.logic.imagesOf(studio.parameters.synthDwi)


def values(node):
    """Voxels (x, y, z) of a volume node."""
    import slicer

    return slicer.util.arrayFromVolume(node).T.copy()


def shown(studio):
    """The nodes of the synthetic images."""
    return studio.panel.logic.imagesOf(studio.parameters.synthDwi)


def as_a_volume(studio):
    """DWI and ADC of the lesion as it is, synthesized at once, by the worker."""
    logic, parameters = studio.panel.logic, studio.parameters
    request = logic.synthesisRequest(
        studio.dwi, studio.tissue, translator=parameters.synthTranslator, adc=studio.adc,
        seed=parameters.synthSeed, keepBackground=parameters.synthKeepBackground,
    )  # fmt: skip
    request["lesion"] = logic.lesionMask(parameters.lesionSegmentation, studio.dwi)
    answer = logic.ask("synthesize", request)
    return answer["dwi"].array, answer["adc"].array
