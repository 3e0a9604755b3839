"""StrokeSynth in 3D Slicer: what Slicer looks for in a module. The rest is in ``StrokeSynthWidgets``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

if importlib.util.find_spec("StrokeSynthLib") is None:
    # From a source checkout only this file's folder is on the path; the library lies beside the folder.
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from StrokeSynthWidgets.Logic import StrokeSynthLogicBase
from StrokeSynthWidgets.Panel import StrokeSynthPanel
from StrokeSynthWidgets.Startup import startup


class StrokeSynth(ScriptedLoadableModule):
    """The module as it is listed in Slicer."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "StrokeSynth"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = ["Volumes", "Segmentations", "SubjectHierarchy", "Terminologies"]
        parent.contributors = ["The StrokeSynth contributors"]
        parent.helpText = _(
            "Paint or generate an ischemic lesion, turn it into synthetic diffusion images, and segment "
            "acute ischemic lesions in DWI and ADC. For research use only. Not for diagnosis or treatment "
            "decisions."
        )
        parent.acknowledgementText = _(
            "Developed by the StrokeSynth contributors. Apache License 2.0, models included."
        )
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)

    def onStartupCompleted(self) -> None:
        """Terminology and sample data, once Slicer has started."""
        startup(Path(self.resourcePath("")))


class StrokeSynthWidget(StrokeSynthPanel):
    """The panel."""

    def makeLogic(self) -> StrokeSynthLogic:
        """The logic that the panel uses."""
        return StrokeSynthLogic()


class StrokeSynthLogic(StrokeSynthLogicBase):
    """What the module can do, for use from Python; described in ``StrokeSynthWidgets/Logic.py``."""


class StrokeSynthTest(ScriptedLoadableModuleTest):
    """Self-test: the shipped case, its map and its lesions."""

    def runTest(self, **arguments: Any) -> None:
        """Slicer's "Reload and Test"."""
        slicer.mrmlScene.Clear(0)
        self.test_shippedCaseIsSegmented()

    def test_shippedCaseIsSegmented(self) -> None:
        """A lesion is found where the simulated one is."""
        logic = StrokeSynthLogic()
        try:
            case = logic.openSampleCase()
            result = logic.segment(case.dwi, case.adc)
            agreement = logic.agreement(result.segmentation, case.reference, case.dwi)
            self.assertGreater(agreement["dice"], 0.5)
        finally:
            logic.client.stop()
        self.delayDisplay("Test passed")
