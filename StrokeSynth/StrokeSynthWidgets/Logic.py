"""What the module can do, without any widget: for the panel and for scripts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from StrokeSynthLib.errors import StrokeSynthError
from StrokeSynthLib.jobs.client import WorkerClient
from StrokeSynthLib.jobs.protocol import Failure

from .CaseLogic import CaseLogic
from .DatabaseLogic import DatabaseLogic
from .JobsLogic import JobsLogic
from .LesionLogic import LesionLogic
from .ParameterNode import StrokeSynthParameterNode
from .Places import pythonExecutable
from .SegmentLogic import SegmentLogic
from .SynthLogic import SynthLogic
from .TrainLogic import TrainLogic


class StrokeSynthLogicBase(
    CaseLogic, LesionLogic, SynthLogic, SegmentLogic, TrainLogic, DatabaseLogic, JobsLogic,
    ScriptedLoadableModuleLogic,
):  # fmt: skip
    """Maps, lesions and images of the nodes of a scene, computed in a worker process.

    Each action has two forms. Those named by a verb (``segment``) wait for the result and return it: they are
    for scripts. The panel, which never waits, asks with the arguments of ``...Request`` and hands the answer
    to ``show...``; the first form does the same two things.

    Examples
    --------
    In Slicer's Python console::

        logic = slicer.modules.strokesynth.widgetRepresentation().self().logic
        case = logic.openSampleCase()
        tissue = logic.makeMap(case.dwi, case.adc)
        lesion = logic.generateLesion(case.dwi, tissue, territory="MCA", side="left", volumeMl=20)
        images = logic.synthesize(case.dwi, tissue, lesion, translator="simulated", adc=case.adc)
        result = logic.segment(case.dwi, case.adc)
        print(result.volumeMl, logic.agreement(result.segmentation, case.reference, case.dwi)["dice"])

    ``StrokeSynthLogic()`` makes another one with a worker of its own; end it by ``logic.client.stop()``.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        #: Owner of the worker process, which starts with the first request.
        self.client = WorkerClient(pythonExecutable(), Path(slicer.app.temporaryPath), on_log=_log)

    def getParameterNode(self) -> Any:
        """The node that the panel's parameters lie in."""
        return ScriptedLoadableModuleLogic.getParameterNode(self)

    def parameters(self) -> StrokeSynthParameterNode:
        """The panel's parameters, saved with the scene."""
        return StrokeSynthParameterNode(self.getParameterNode())

    def ask(self, do: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the worker and wait; for scripts, as Slicer's window stands still meanwhile.

        Raises
        ------
        StrokeSynthError
            Saying what went wrong and what to do.
        """
        answers: list[dict[str, Any]] = []
        failures: list[Failure] = []
        self.client.request(do, args, on_result=answers.append, on_error=failures.append)
        while not (answers or failures):
            self.client.poll(0.05)
        if failures:
            raise StrokeSynthError(str(failures[0]))
        return answers[0]


def _log(line: str) -> None:
    """What the worker says beside its answers, in Slicer's log."""
    logging.info("StrokeSynth worker: %s", line)
