"""The panel: notice, sections, foot; and its life with the scene."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from StrokeSynthLib.jobs.protocol import Failure

from .ParameterNode import StrokeSynthParameterNode
from .Places import modelsFolder
from .Section import Section
from .Sections import SECTIONS
from .Startup import startup
from .Work import Work

#: How long Slicer's own status bar shows what the foot says (ms).
_STATUS_MS = 10_000


class StrokeSynthPanel(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Holds the sections, the logic, the worker and the parameter node.

    The parameter node is there from entering the module to leaving it or to the closing of the scene. What
    comes back from the worker meanwhile goes to ``logic.parameters()``, which is always there.
    """

    def __init__(self, parent: Any = None) -> None:
        self.logic: Any = None
        self.worker: Any = None
        self.parameterNode: StrokeSynthParameterNode | None = None
        self.sections: list[Section] = []
        #: What the worker has told at the start; None before.
        self.hello: dict[str, Any] | None = None
        self._refreshing = False
        self._entered = False
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def makeLogic(self) -> Any:
        """The logic that the panel uses."""
        raise NotImplementedError

    def section(self, kind: type[Section] | str) -> Any:
        """A section by its class or the name of that."""
        name = kind if isinstance(kind, str) else kind.__name__
        return next(section for section in self.sections if type(section).__name__ == name)

    # Slicer's calls

    def setup(self) -> None:
        """Make the widgets; once."""
        ScriptedLoadableModuleWidget.setup(self)
        content = slicer.util.loadUI(self.resourcePath("UI/StrokeSynth.ui"))
        self.layout.addWidget(content)
        self.ui = slicer.util.childWidgetVariables(content)
        startup(Path(self.resourcePath("")))  # for a module that is added while Slicer runs
        self.logic = self.makeLogic()
        self.worker = Work(self.logic.client, content, self.refresh, self.showFoot)
        self.ui.cancelButton.connect("clicked()", self.onCancel)
        inside = qt.QVBoxLayout(self.ui.sectionsWidget)
        inside.setContentsMargins(0, 0, 0, 0)
        self.sections = [kind(self) for kind in SECTIONS]
        for section in self.sections:
            section.setup(inside)
            section.button.connect("contentsCollapsed(bool)", self._closerOfOthers(section))
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneImported)
        self.refresh()

    def cleanup(self) -> None:
        """Slicer ends, or reloads the module."""
        for section in self.sections:
            section.cleanup()
        self._setParameterNode(None)
        self.removeObservers()
        if self.worker is not None:
            self.worker.stop()

    def enter(self) -> None:
        """The user comes to the module."""
        self._entered = True
        self._setParameterNode(self.logic.parameters())
        if self.hello is None:
            self.askHello()

    def exit(self) -> None:
        """The user goes to another module; what is at work goes on."""
        self._entered = False
        self._setParameterNode(None)

    def onReload(self) -> None:
        """Developers' "Reload": the panel's own files as well."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "StrokeSynthWidgets"]:
            del sys.modules[name]
        super().onReload()

    # The scene

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        """Nothing of the old scene may come later."""
        self._setParameterNode(None)
        self.worker.forgetScene()

    def onSceneEndClose(self, caller: Any, event: Any) -> None:
        """An empty scene."""
        for section in self.sections:
            section.onSceneClosed()
        self._renew()

    def onSceneImported(self, caller: Any, event: Any) -> None:
        """Another scene was loaded."""
        self._renew()

    def _renew(self) -> None:
        if self._entered:
            self._setParameterNode(self.logic.parameters())
        else:
            self.refresh()

    def _setParameterNode(self, parameterNode: StrokeSynthParameterNode | None) -> None:
        if self.parameterNode is not None:
            for section in self.sections:
                section.disconnectParameters()
            self.removeObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self.parameterNode = parameterNode
        if parameterNode is not None:
            for section in self.sections:
                section.connectParameters()
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self.refresh()

    def onParametersModified(self, caller: Any, event: Any) -> None:
        """A parameter was changed, by the user or by a result."""
        self.refresh()

    # What is shown

    def refresh(self) -> None:
        """Bring all sections and the foot up to date."""
        if self._refreshing or self.worker is None:
            return
        self._refreshing = True
        try:
            for section in self.sections:
                section.refresh()
            self.showFoot()
        finally:
            self._refreshing = False

    def showFoot(self) -> None:
        """What is at work, how far it is, and what happened last."""
        work, ui = self.worker, self.ui
        if work.message != ui.statusLabel.text:
            slicer.util.showStatusMessage(work.message, _STATUS_MS)  # the foot may be out of sight
        ui.statusLabel.setText(work.message)
        ui.statusLabel.setStyleSheet("color: #c0392b;" if work.isError else "")
        ui.statusLabel.visible = bool(work.message)
        ui.progressBar.setRange(0, work.total)  # 0 to 0: at work, nobody knows how long
        ui.progressBar.setValue(work.done)
        ui.progressBar.visible = work.busy
        ui.cancelButton.visible = work.busy

    def onCancel(self) -> None:
        """End what is at work."""
        self.worker.cancel()

    def _closerOfOthers(self, opened: Section) -> Any:
        """One section is open at a time, so that the foot stays in sight."""

        def close(collapsed: bool) -> None:
            if not collapsed:
                for section in self.sections:
                    if section is not opened:
                        section.button.collapsed = True

        return close

    # The worker

    def askHello(self, *, thorough: bool = False) -> None:
        """Ask the worker what there is; each section is told. ``thorough``: try the device, too."""
        args = {"thorough": thorough, "folders": [str(modelsFolder())]}
        title = _("Checking the installation") if thorough else ""
        self.worker.request("hello", args, self.onHello, onError=self.onNoHello, title=title, ofScene=False)

    def onHello(self, hello: dict[str, Any]) -> None:
        """The worker has told what there is."""
        self.hello = hello
        for section in self.sections:
            section.onHello(hello)
        self.refresh()

    def onNoHello(self, failure: Failure) -> None:
        """The worker cannot work: packages are missing, or worse."""
        for section in self.sections:
            section.onNoHello(failure)
        self.worker.say(str(failure), isError=True)
