"""A cohort is read case by case before anything long starts; what is wrong is listed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from .Section import setReady
from .Tables import fillTable
from .TrainLogic import absolute

if TYPE_CHECKING:
    from .TrainSection import TrainSection

#: Layouts as users know them.
_LAYOUTS = {"bids": "BIDS", "isles": "ISLES'22", "nnunet": "nnU-Net"}


class CohortCheck:
    """The button "Check", the sentence and the table under it; in the section Train.

    Parameters
    ----------
    section
        Whose widgets ``checkButton``, ``checkLabel`` and ``findingsTable`` are used.
    """

    def __init__(self, section: TrainSection) -> None:
        self._section = section
        #: The folder that was checked, and what was found.
        self._checked: tuple[str, dict[str, Any]] | None = None
        self._shown: dict[str, list[str]] = {}
        section.ui.checkButton.connect("clicked()", self.onCheck)

    def onCheck(self) -> None:
        """Let the worker read every case."""
        folder = absolute(self._folder())

        def checked(answer: dict[str, Any]) -> None:
            self._checked = (folder, answer)
            self._section.refresh()

        self._checked = None
        title = _("Checking {folder}").format(folder=Path(folder).name)
        self._section.worker.request("check_cohort", {"cohort": folder}, checked, title=title, ofScene=False)

    def noFolder(self) -> str:
        """Why there is nothing to check; "" when there is."""
        folder = self._folder()
        if not folder:
            return _("Choose the folder of your cases first")
        if not Path(folder).is_dir():
            return _("{folder}: there is no such folder").format(folder=folder)
        return ""

    def missing(self, *, lesions: bool) -> str:
        """Why the cohort cannot teach; "" when it can. ``lesions``: reference masks are needed."""
        answer = self._answer()
        if answer is None:
            return _("Check the cohort first")
        usable = [case for case in answer["cases"] if case["usable"]]
        if not usable:
            return _("None of the cases can be used; the table says why")
        if lesions and not any(case["lesion"] for case in usable):
            return _("No case has a reference lesion mask, which a segmenter learns from")
        return ""

    def update(self) -> None:
        """Show what was found."""
        ui, answer = self._section.ui, self._answer()
        setReady(
            ui.checkButton, self._section.wait() or self.noFolder(),
            _("Read every case and list what is wrong; nothing is changed"),
        )  # fmt: skip
        ui.checkLabel.visible = answer is not None
        findings = [] if answer is None else sorted(answer["findings"], key=lambda f: f["severity"])
        ui.findingsTable.visible = bool(findings)
        if answer is None:
            return
        usable = [case for case in answer["cases"] if case["usable"]]
        text = _("{count} cases ({layout}): {usable} can be used, {lesions} of them have a reference lesion.")
        ui.checkLabel.setText(
            text.format(
                count=len(answer["cases"]), layout=_LAYOUTS.get(answer["layout"], answer["layout"]),
                usable=len(usable), lesions=sum(case["lesion"] for case in usable),
            )
        )  # fmt: skip
        # The table is narrow, and the folder is known.
        folder = f"{self._checked[0]}{os.sep}" if self._checked is not None else ""
        columns = {
            _("Case"): [finding["case"] or _("all") for finding in findings],
            _("Usable"): [_("no") if f["severity"] == "error" else _("yes") for f in findings],
            _("What was found"): [finding["sentence"].replace(folder, "") for finding in findings],
        }
        if columns != self._shown:
            self._shown = columns
            fillTable(ui.findingsTable, columns)
            # Sentences are read whole: over several lines, not behind a scroll bar.
            header = ui.findingsTable.horizontalHeader()
            header.setStretchLastSection(False)
            header.setSectionResizeMode(2, qt.QHeaderView.Stretch)
            ui.findingsTable.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)

    def _folder(self) -> str:
        parameters = self._section.parameterNode
        return str(parameters.trainCohort) if parameters is not None else ""

    def _answer(self) -> dict[str, Any] | None:
        """What was found in the chosen cohort; None before it was checked."""
        if self._checked is None or not self._folder():
            return None
        folder, answer = self._checked
        return answer if folder == absolute(self._folder()) else None
