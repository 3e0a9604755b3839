"""What all sections of the panel share."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from StrokeSynthLib.errors import StrokeSynthError

from .CommandLine import CommandLineRow

if TYPE_CHECKING:
    from StrokeSynthLib.jobs.protocol import Failure

    from .Panel import StrokeSynthPanel
    from .ParameterNode import StrokeSynthParameterNode
    from .Work import Work

#: Property of a widget in a .ui file: the parameter that it follows.
_PARAMETER_NAME = "SlicerParameterName"


class Section:
    """One section: a collapsible button with the widgets of its ``.ui`` file in it.

    A section overrides what it needs: :meth:`connectWidgets`, :meth:`update`, :meth:`commandLine`,
    :meth:`onParameterNodeChanged`, :meth:`onSceneClosed`, :meth:`onHello`, :meth:`cleanup`. ``self.ui`` holds
    the widgets by name; those with a ``SlicerParameterName`` follow the parameter node by themselves.
    :meth:`update` is called after every change of a parameter and of the worker's state; it enables and
    disables, and says in tooltips what is missing. It must be quick and must not change parameters.

    Parameters
    ----------
    panel
        The panel that the section is in.
    """

    #: File under ``Resources/UI``.
    uiFile = ""
    #: Whether it is open at the start.
    opened = False

    def __init__(self, panel: StrokeSynthPanel) -> None:
        self.panel = panel
        self.ui: Any = None
        self.button: Any = None
        self._guiTag: int | None = None
        self._commandRow: CommandLineRow | None = None

    @property
    def title(self) -> str:
        """As on the screen, translated."""
        raise NotImplementedError

    @property
    def logic(self) -> Any:
        """The module's logic."""
        return self.panel.logic

    @property
    def worker(self) -> Work:
        """What does the work."""
        return self.panel.worker

    @property
    def parameterNode(self) -> StrokeSynthParameterNode | None:
        """The parameters; None while a scene is being closed and while another module is shown."""
        return self.panel.parameterNode

    def setup(self, layout: Any) -> None:
        """Make the widgets and add them to a layout."""
        self.button = ctk.ctkCollapsibleButton()
        self.button.text = self.title
        self.button.objectName = type(self).__name__
        content = slicer.util.loadUI(self.panel.resourcePath(f"UI/{self.uiFile}"))
        # What is shown and hidden lies one level deeper: a closed button would show its own children.
        body = qt.QWidget()
        qt.QVBoxLayout(self.button).addWidget(body)
        inside = qt.QVBoxLayout(body)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(content)
        self.ui = slicer.util.childWidgetVariables(content)
        if hasattr(content, "setMRMLScene"):
            content.setMRMLScene(slicer.mrmlScene)
        self._commandRow = CommandLineRow(inside, f"{type(self).__name__}Command")
        layout.addWidget(self.button)
        self.button.collapsed = not self.opened
        self.connectWidgets()

    def connectParameters(self) -> None:
        """Let the widgets follow the parameter node; called by the panel when there is a new one."""
        self.disconnectParameters()
        if self.parameterNode is not None:
            # Not connectGui: in some versions of Slicer it does not return the tag that ends the connection.
            self._guiTag = self.parameterNode.connectParametersToGui(self._boundWidgets())
            self.onParameterNodeChanged()

    def disconnectParameters(self) -> None:
        """The opposite; called by the panel before the parameter node goes."""
        if self._guiTag is not None and self.parameterNode is not None:
            self.parameterNode.disconnectGui(self._guiTag)
        self._guiTag = None

    def _boundWidgets(self) -> dict[str, Any]:
        """The widgets that name a parameter, by that name."""
        named = {widget.property(_PARAMETER_NAME): widget for widget in vars(self.ui).values()}
        return {name: widget for name, widget in named.items() if name}

    def refresh(self) -> None:
        """Bring everything that is shown up to date."""
        if self.ui is None:  # a section before it has failed to be made
            return
        self.update()
        if self._commandRow is not None:
            self._commandRow.show(self.commandLine())

    def open(self) -> None:
        """Show this section; the others are closed."""
        self.button.collapsed = False

    def wait(self) -> str:
        """Why nothing can be begun now: something is at work; "" when nothing is."""
        return (
            _("Wait until this is done, or cancel it: {what}").format(what=self.worker.message)
            if (self.worker.busy)
            else ""
        )

    def packagesReady(self) -> bool:
        """Whether the packages that networks need are there; else the user is asked to install them.

        Only in a button's handler, which is on the main thread.
        """
        return bool(self.panel.section("StartSection").makeReady())

    @contextlib.contextmanager
    def attempt(self, problem: str) -> Iterator[None]:
        """For what a button does at once: an error is told at the foot, with this in front of it."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, StrokeSynthError):  # those speak for themselves
                logging.exception("%s", problem)
            self.worker.say(f"{problem} {error}".strip(), isError=True)

    # For sections

    def connectWidgets(self) -> None:
        """Connect signals of ``self.ui``; once."""

    def onParameterNodeChanged(self) -> None:
        """There is another parameter node: fill what does not follow it by itself."""

    def onHello(self, hello: dict[str, Any]) -> None:
        """The worker has told what there is: models, translators, territories (operation "hello")."""

    def onNoHello(self, failure: Failure) -> None:
        """The worker could not even tell what there is."""

    def update(self) -> None:
        """Enable, disable, and say what is missing."""

    def commandLine(self) -> str:
        """The ``strokesynth`` command for what the section would do now; "" for none."""
        return ""

    def onSceneClosed(self) -> None:
        """The scene is empty now: forget what was kept of it. There is no parameter node."""

    def cleanup(self) -> None:
        """The panel goes: stop timers."""


def setReady(button: Any, missing: str, tip: str) -> None:
    """Enable a button when nothing is missing; else its tooltip says what is."""
    button.enabled = not missing
    button.toolTip = missing or tip


def modelTitle(model: Mapping[str, Any]) -> str:
    """A model of the worker's list as the user reads it: the heading of its card, and its name."""
    title = str(model["title"]).replace("`", "")
    return title if title.lower().startswith(str(model["name"]).lower()) else f"{model['name']}: {title}"


def modelValue(model: Mapping[str, Any]) -> str:
    """What a model is asked for by: the name of a shipped one, the folder of another."""
    return str(model["name"] if model["shipped"] else model["path"])
