"""Where the live preview is shown: volume nodes, and the slice views that look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import slicer

from StrokeSynthLib.jobs.protocol import Failure
from StrokeSynthLib.scene.Layouts import differenceScale
from StrokeSynthLib.scene.Provenance import attach, clear
from StrokeSynthLib.scene.Remaking import keepRequest
from StrokeSynthLib.scene.SyntheticVolumes import UNIT, Making
from StrokeSynthLib.scene.VolumeNodes import gridOfNode, volumeFromNode

from .SynthLogic import SynthImages, putSlices, sourcesOf

#: Attribute of a volume while it does not show the lesion as it is now, or not exactly.
APPROXIMATE = "StrokeSynth.Approximate"
#: Cosine of the angle up to which a view lies in the acquisition plane.
_PARALLEL = 0.999


class PreviewScreen:
    """The :class:`.LivePreview.Screen` of the scene.

    Parameters
    ----------
    logic
        The module's logic.
    onFailed, onChanged
        See :class:`.LivePreview.Screen`.
    """

    def __init__(
        self, logic: Any, onFailed: Callable[[Failure], None], onChanged: Callable[[], None]
    ) -> None:
        self._logic = logic
        self.failed = onFailed
        self.changed = onChanged
        #: The patient's images, and the command line that is equal to the synthesis.
        self.dwi: Any = None
        self.adc: Any = None
        self.commandLine = ""
        self._unit = ""

    def images(self) -> SynthImages | None:
        """The nodes that show the preview; None when there are none yet, or the user has removed them."""
        found: SynthImages | None = self._logic.imagesToReplace(self._logic.parameters().synthDwi, self.dwi)
        return found

    def visible(self, axis: int, count: int) -> list[int]:
        """Slices in the views that lie in the acquisition plane; first those that show synthetic images."""
        manager = slicer.app.layoutManager()
        if manager is None or self.dwi is None:
            return []
        toVoxels = np.linalg.inv(gridOfNode(self.dwi).affine)
        images = self.images()
        shown = [] if images is None else [node.GetID() for node in images.channels.values()]
        found: dict[int, bool] = {}
        for name in manager.sliceViewNames():
            widget = manager.sliceWidget(name)
            node = widget.mrmlSliceNode()
            number = _sliceNumber(node, toVoxels, axis) if node.IsMappedInLayout() else None
            if number is not None and 0 <= number < count:
                layers = widget.sliceLogic().GetSliceCompositeNode()
                volumes = (layers.GetBackgroundVolumeID(), layers.GetForegroundVolumeID())
                found[number] = found.get(number, False) or any(volume in shown for volume in volumes)
        return sorted(found, key=lambda number: not found[number])

    def opened(self, answer: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        """Show the whole volumes; side by side with the original, if they are new."""
        parameters = self._logic.parameters()
        before = self.images()
        self._unit = str(answer["adc_unit"])
        images = self._logic.showImages(answer, request, self.dwi, self.adc, before, self.commandLine)
        if before is None:
            parameters.synthDwi = images.dwi
            self._logic.compareImages(self.dwi, images)

    def slices(self, answer: Mapping[str, Any], axis: int) -> bool:
        """Write slices into the volumes, which are not what their record says until all are exact."""
        images = self.images()
        if images is None:
            return False
        numbers = [int(number) for number in answer["slices"]]
        for channel, node in images.channels.items():
            with slicer.util.NodeModify(node):
                putSlices(node, axis, numbers, answer[channel])
                if node.GetAttribute(APPROXIMATE) is None:
                    clear(node)
                    node.SetAttribute(APPROXIMATE, "true")
        if images.difference is not None:
            original = np.take(slicer.util.arrayFromVolume(self.dwi).T, numbers, axis)
            scaled = answer["dwi"].astype(np.float32) * differenceScale(images.difference)
            putSlices(images.difference, axis, numbers, scaled - original)
        return True

    def complete(self, record: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        """The volumes are what a synthesis makes: keep how they are made again."""
        images = self.images()
        if images is None:
            return
        making = Making(dict(request), self.commandLine, sourcesOf(request, self.dwi, self.adc))
        for channel, node in images.channels.items():
            attach(node, {**record, "Channel": channel}, making.commandLine)
            node.SetAttribute(UNIT, self._unit if channel == "adc" else "arbitrary")
            keepRequest(
                node, "synthesize", making.args, output=channel, volume=volumeFromNode(node),
                sources=making.sources,
            )  # fmt: skip


def _sliceNumber(view: Any, toVoxels: Any, axis: int) -> int | None:
    """The slice across a voxel axis that a view shows; None when it cuts through several."""
    toWorld = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
    across = np.linalg.inv(toVoxels)[:3, axis]
    if abs(across @ toWorld[:3, 2]) < _PARALLEL * np.linalg.norm(across):
        return None
    return round(float((toVoxels @ toWorld[:, 3])[axis]))
