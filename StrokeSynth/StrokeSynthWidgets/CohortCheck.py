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
        #: What was found, by folder.
        self._checked: dict[str, dict[str, Any]] = {}
        self._shown: dict[str, list[str]] = {}
        section.ui.checkButton.connect("clicked()", self.onCheck)

    def onCheck(self) -> None:
        """Let the worker read every case."""
        self._checked = {}
        self._check([absolute(folder) for folder in self._folders() if Path(folder).is_dir()])

    def _check(self, folders: list[str]) -> None:
        """Check the first of these folders, then the others."""

        def checked(answer: dict[str, Any]) -> None:
            self._checked[folders[0]] = answer
            if folders[1:]:
                self._check(folders[1:])
            self._section.refresh()

        title = _("Checking {folder}").format(folder=Path(folders[0]).name)
        self._section.worker.request(
            "check_cohort", {"cohort": folders[0]}, checked, title=title, ofScene=False
        )

    def noFolder(self) -> str:
        """Why there is nothing to check; "" when there is."""
        folder = self._folders()[0]
        if not folder:
            return _("Choose the folder of your cases first")
        if not Path(folder).is_dir():
            return _("{folder}: there is no such folder").format(folder=folder)
        return ""

    def missing(self, *, lesions: bool) -> str:
        """Why the cohort cannot teach; "" when it can. ``lesions``: reference masks are needed."""
        answers = self._answers()
        if answers[0] is None:
            return _("Check the cohort first")
        if not any(case["usable"] for case in answers[0]["cases"]):
            return _("None of the cases can be used; the table says why")
        if lesions and not any(case["usable"] and case["lesion"] for case in answers[0]["cases"]):
            return _("No case has a reference lesion mask, which a segmenter learns from")
        for folder, answer in list(zip(self._folders(), answers, strict=True))[1:]:
            if Path(folder).is_dir() and answer is None:
                return _("Check the added examinations first")
            if answer is not None and not any(case["usable"] for case in answer["cases"]):
                return _("None of the added examinations can be used; the table says why")
        return ""

    def update(self) -> None:
        """Show what was found."""
        ui, folders = self._section.ui, self._folders()
        setReady(
            ui.checkButton, self._section.wait() or self.noFolder(),
            _("Read every case and list what is wrong; nothing is changed"),
        )  # fmt: skip
        found = [
            (f, answer) for f, answer in zip(folders, self._answers(), strict=True) if answer is not None
        ]
        ui.checkLabel.visible = bool(found)
        findings = [
            {**finding, "sentence": finding["sentence"].replace(f"{absolute(folder)}{os.sep}", "")}
            for folder, answer in found
            for finding in sorted(answer["findings"], key=lambda f: f["severity"])
        ]
        ui.findingsTable.visible = bool(findings)
        if not found:
            return
        ui.checkLabel.setText("\n".join(self._summary(f, answer) for f, answer in found))
        self._show(findings)

    def _summary(self, folder: str, answer: dict[str, Any]) -> str:
        """How many cases there are and can be used, as a sentence."""
        usable = [case for case in answer["cases"] if case["usable"]]
        text = (
            _("{count} cases ({layout}): {usable} can be used, {lesions} of them have a reference mask.")
            if folder == self._folders()[0]
            else _("Added: {count} examinations ({layout}), {usable} can be used.")
        )
        return text.format(
            count=len(answer["cases"]), layout=_LAYOUTS.get(answer["layout"], answer["layout"]),
            usable=len(usable), lesions=sum(case["lesion"] for case in usable),
        )  # fmt: skip

    def _show(self, findings: list[dict[str, Any]]) -> None:
        """Fill the table."""
        columns = {
            _("Case"): [finding["case"] or _("all") for finding in findings],
            _("Usable"): [_("no") if f["severity"] == "error" else _("yes") for f in findings],
            _("What was found"): [finding["sentence"] for finding in findings],
        }
        if columns != self._shown:
            self._shown = columns
            table = self._section.ui.findingsTable
            fillTable(table, columns)
            # Sentences are read whole: over several lines, not behind a scroll bar.
            header = table.horizontalHeader()
            header.setStretchLastSection(False)
            header.setSectionResizeMode(2, qt.QHeaderView.Stretch)
            table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)

    def _folders(self) -> list[str]:
        """The cohort, and the examinations without maps where there are any."""
        parameters = self._section.parameterNode
        if parameters is None:
            return [""]
        added = self._section.unlabeledFolder()
        return [str(parameters.trainCohort), *([added] if added else [])]

    def _answers(self) -> list[dict[str, Any] | None]:
        """What was found in each of the folders; None before it was checked."""
        return [self._checked.get(absolute(folder)) if folder else None for folder in self._folders()]
