"""What training a network needs beyond the shipped models: PyTorch and a few packages more."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from .Packages import installPackages
from .Section import setReady
from .TrainLogic import TRAINING_PACKAGES

if TYPE_CHECKING:
    from .TrainSection import TrainSection

#: Module of the extension that installs the PyTorch that fits this computer.
_EXTENSION = "PyTorchUtils"
_REQUIREMENTS = "requirements-train.txt"
_TORCH = ">=2.3,<3"


class TrainPackages:
    """The line that says what is missing, and the button that installs it; in the section Train.

    Parameters
    ----------
    section
        Whose widgets ``packagesLabel`` and ``installButton`` are used.
    """

    def __init__(self, section: TrainSection) -> None:
        self._section = section
        #: Versions of packages as the worker has told them; None for what is not installed.
        self.versions: dict[str, Any] = {}
        section.ui.installButton.connect("clicked()", self.onInstall)

    def lacking(self, training: Mapping[str, Any] | None) -> list[str]:
        """The packages that this kind of training needs and that are not there."""
        if training is None or not training["network"]:
            return []
        return [name for name in TRAINING_PACKAGES if not self.versions.get(name)]

    def lackingText(self, training: Mapping[str, Any] | None) -> str:
        """What is missing and how it is installed, as a sentence; "" when nothing is."""
        lacking = self.lacking(training)
        if not lacking:
            return ""
        what = _("Training this needs {packages}, not installed yet.").format(packages=", ".join(lacking))
        return f"{what} " + (self._noExtension(lacking) or _("Install it with the button below."))

    def update(self, training: Mapping[str, Any] | None) -> None:
        """Show what is missing."""
        ui, lacking = self._section.ui, self.lacking(training)
        ui.packagesLabel.setText(self.lackingText(training))
        ui.packagesLabel.visible = ui.installButton.visible = bool(lacking)
        setReady(
            ui.installButton, self._section.wait() or self._noExtension(lacking),
            _("Install {packages}; you are asked first").format(packages=", ".join(lacking)),
        )  # fmt: skip

    def onInstall(self) -> None:
        """Install what is missing, on the main thread; the worker begins anew with it."""
        with self._section.attempt(_("The packages could not be installed.")):
            if not self.versions.get("torch"):
                logic = importlib.import_module(_EXTENSION).PyTorchUtilsLogic()
                if logic.installTorch(askConfirmation=True, torchVersionRequirement=_TORCH) is None:
                    return  # the user has declined
            installPackages(Path(self._section.panel.resourcePath(_REQUIREMENTS)))
            self._section.worker.client.stop()
            self._section.panel.askHello(thorough=True)

    def _noExtension(self, lacking: list[str]) -> str:
        """How the PyTorch extension is got, where it is needed and not there."""
        if "torch" not in lacking:
            return ""
        # Slicer puts the modules that it has loaded where imports find them.
        if _EXTENSION in sys.modules or importlib.util.find_spec(_EXTENSION) is not None:
            return ""
        return _(
            "Install the extension PyTorch (in the Extensions Manager, search for PyTorch), restart Slicer, "
            "then come back here."
        )
