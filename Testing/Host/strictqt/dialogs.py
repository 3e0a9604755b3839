"""Modal dialogs: none ever waits. A test gives the user's answers beforehand; others are problems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6 import QtWidgets

from ..problems import problems


@dataclass
class _Answer:
    text: str  # that the dialog must contain
    value: Any  # what it returns, or a function of the dialog


class Dialogs:
    """What users answer, in order; and what was shown."""

    def __init__(self) -> None:
        self._answers: list[_Answer] = []
        self.shown: list[str] = []

    def answer(self, value: Any, text: str = "") -> None:
        """Answer the next dialog whose text contains `text`.

        `value` is what the dialog returns (a button, a path, True), or a function that gets the dialog,
        acts in it as the user and returns that.
        """
        self._answers.append(_Answer(text, value))

    def ask(self, text: str, dialog: Any, refusal: Any) -> Any:
        """Called for a dialog that would be shown now."""
        self.shown.append(text)
        for answer in self._answers:
            if answer.text in text:
                self._answers.remove(answer)
                return answer.value(dialog) if isinstance(answer.value, Callable) else answer.value
        problems.add(f"a modal dialog that the test does not answer: {text}")
        return refusal

    def take_unused(self) -> list[str]:
        """Answers to dialogs that never came."""
        unused, self._answers = [answer.text for answer in self._answers], []
        self.shown.clear()
        return unused


dialogs = Dialogs()


def _dialog_text(dialog: QtWidgets.QDialog) -> str:
    parts = [dialog.windowTitle]
    for name in ("text", "informativeText", "labelText"):
        value = getattr(dialog, name, "")
        parts.append(value if isinstance(value, str) else "")
    return " ".join([type(dialog).__name__, *filter(None, parts)])


def exec_dialog(self: QtWidgets.QDialog) -> int:
    """In place of QDialog.exec_."""
    result = int(dialogs.ask(_dialog_text(self), self, 0))
    self.setResult(result)
    self.finished(result)
    (self.accepted if result else self.rejected)()
    return result


def exec_menu(self: QtWidgets.QMenu, *_position: Any) -> Any:
    """In place of QMenu.exec_: the answer is the text of an entry."""
    entries = {action.text: action for action in self.actions() if action.text}
    chosen = dialogs.ask("QMenu " + " | ".join(entries), self, None)
    if chosen is not None:
        entries[chosen].trigger()
    return entries.get(chosen)


def _static(name: str, refusal: Any) -> staticmethod:
    def show(_parent: Any = None, *texts: Any) -> Any:
        return dialogs.ask(" ".join([name, *(t for t in texts if isinstance(t, str))]), None, refusal)

    return staticmethod(show)


def install() -> None:
    """Put these in place of PySide6's."""
    QtWidgets.QDialog.exec_ = exec_dialog
    QtWidgets.QMenu.exec_ = exec_menu
    box = QtWidgets.QMessageBox
    for name in ("question", "information", "warning", "critical"):
        setattr(box, name, _static(f"QMessageBox.{name}", box.NoButton))
    # PythonQt returns the path alone, without the filter.
    for name, refusal in (
        ("getOpenFileName", ""),
        ("getOpenFileNames", []),
        ("getSaveFileName", ""),
        ("getExistingDirectory", ""),
    ):
        setattr(QtWidgets.QFileDialog, name, _static(f"QFileDialog.{name}", refusal))
    for cls, names in ((QtWidgets.QInputDialog, ("getText", "getInt", "getDouble", "getItem")),):
        for name in names:
            setattr(cls, name, _static(f"{cls.__name__}.{name}", None))
