"""Start: what there is, whether it works, and a case to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from .Packages import installPackages, missingPackages
from .Section import Section, setReady
from .Tables import fillTable

if TYPE_CHECKING:
    from StrokeSynthLib.jobs.protocol import Failure

#: Needed for training, for graphics cards and for 3D networks of one's own; not for what is shipped.
_TRAINING = ("torch", "monai")


class StartSection(Section):
    """Device and why, models found, "Check installation", the simulated case."""

    uiFile = "StrokeSynthStart.ui"
    opened = True

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        # Asked for when something may have changed only: it takes longer than everything else here.
        self._missing: list[str] = []

    @property
    def title(self) -> str:
        """As on the screen."""
        return _("Start")

    def connectWidgets(self) -> None:
        """Connect the buttons."""
        self.ui.sampleButton.connect("clicked()", self.onOpenSample)
        self.ui.checkButton.connect("clicked()", self.onCheck)
        self.ui.installButton.connect("clicked()", self.onInstall)
        self.ui.deviceLabel.setText(_("Asking the worker..."))
        self._showPackages(None)
        self._showModels([])

    def update(self) -> None:
        """Enable what can be done now."""
        waiting = self.wait()
        noScene = "" if self.parameterNode is not None else _("Come back to this module first")
        setReady(
            self.ui.sampleButton, waiting or noScene,
            _("Load a simulated examination with a stroke and its exact lesion; nothing is downloaded"),
        )  # fmt: skip
        setReady(
            self.ui.checkButton, waiting,
            _("Let the shipped network compute something, and show what computed it"),
        )  # fmt: skip
        missing = self._missing
        setReady(
            self.ui.installButton, waiting or ("" if missing else _("All packages are installed")),
            _("Install {packages} with pip; you are asked first").format(packages=", ".join(missing)),
        )  # fmt: skip

    def commandLine(self) -> str:
        """What lists the models."""
        return "strokesynth models"

    def onOpenSample(self) -> None:
        """Load the simulated case and choose it everywhere."""
        with self.attempt(_("The simulated case could not be opened.")):
            case = self.logic.openSampleCase()
            self.logic.beginCase(case.dwi, case.adc)
            self.logic.parameters().segmentReference = case.reference
            slicer.util.setSliceViewerLayers(background=case.dwi, foreground=None, label=None, fit=True)
            self.worker.say(_("The simulated case is open: make its map or segment it."))
            self.panel.section("CaseSection").open()

    def onCheck(self) -> None:
        """Try the device, and read everything anew."""
        self.panel.askHello(thorough=True)

    def onInstall(self) -> None:
        """Install what is missing, and try it."""
        if self.makeReady():
            self.panel.askHello(thorough=True)

    def makeReady(self) -> bool:
        """Install what is missing, after asking; whether everything is there. In handlers of buttons only."""
        if self._missing:
            with self.attempt(_("The packages could not be installed.")):
                installPackages(self._requirements)
                self.worker.client.stop()  # the next one finds what was installed
            self._showPackages(self.panel.hello)
            self.panel.refresh()
        return not self._missing

    def onHello(self, hello: dict[str, Any]) -> None:
        """Show device, packages and models."""
        device = hello["device"]
        tried = "" if device["tried"] else " " + _("(not tried yet)")
        self.ui.deviceLabel.setText(f"{device['reason']}{tried}")
        self._showPackages(hello)
        self._showModels(hello["models"])
        if device["tried"]:
            self.worker.say(_("The installation works. {device}").format(device=device["reason"]))

    def onNoHello(self, failure: Failure) -> None:
        """Say why there is nothing to show."""
        self.ui.deviceLabel.setText(str(failure))
        self._showPackages(None)

    @property
    def _requirements(self) -> Path:
        return Path(self.panel.resourcePath("requirements.txt"))

    def _showPackages(self, hello: dict[str, Any] | None) -> None:
        self._missing = missing = missingPackages(self._requirements)
        if missing:
            text = _("Missing: {packages}. Install them below.").format(packages=", ".join(missing))
        else:
            text = _("Everything that the shipped models need is there; they do not need PyTorch.")
        if hello is not None:
            absent = [name for name in _TRAINING if not hello["packages"].get(name)]
            text += " " + (
                _("For training and graphics cards {packages} would be needed.").format(
                    packages=", ".join(absent)
                )
                if absent
                else _("PyTorch {version} is there for training and graphics cards.").format(
                    version=hello["packages"]["torch"]
                )
            )
        self.ui.packagesLabel.setText(text)

    def _showModels(self, models: list[dict[str, Any]]) -> None:
        columns: dict[str, list[str]] = {
            _("Model"): [model["name"] for model in models],
            _("For"): [_purpose(model) for model in models],
            _("Title"): [model["problem"] or model["title"] for model in models],
            _("License"): [model.get("license", "") for model in models],
        }
        fillTable(self.ui.modelsTable, columns)


def _purpose(model: dict[str, Any]) -> str:
    if model["problem"]:
        return _("cannot be used")
    known = {
        "segmenter": _("segmentation"),
        "translator": _("synthesis"),
        "anatomy-population": _("anatomies"),
        "territories": _("lesions"),
        "lesions": _("lesions"),
        "encoder": _("auditing"),
    }
    return known.get(model["role"]) or known.get(model["kind"]) or str(model["kind"])
