"""Notices strokes: every change to the voxels of a segmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.util import VTKObservationMixin


class LesionWatch(VTKObservationMixin):
    """Calls back once after each change, however many events it makes.

    Parameters
    ----------
    parent
        Widget that the timer lives with.
    changed
        Called after a change, and when another segmentation is watched.
    """

    def __init__(self, parent: Any, changed: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self.node: Any = None
        self._timer = qt.QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", changed)

    def watch(self, node: Any) -> None:
        """Watch another segmentation; None for none."""
        if node is self.node:
            return
        self.removeObservers()
        self.node = node
        if node is None:
            self._timer.stop()
            return
        kind = slicer.vtkSegmentation
        for event in (
            kind.SourceRepresentationModified, kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified
        ):  # fmt: skip
            self.addObserver(node, event, self._onModified)
        self._timer.start()

    def _onModified(self, caller: Any, event: Any) -> None:
        self._timer.start()
