"""What went wrong without an exception reaching the test: the host fails the test for it."""

from __future__ import annotations

import sys
import traceback


class Problems:
    """A list of texts; empty at the start and at the end of a good test."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        self.texts.append(text)

    def add_exception(self, where: str, error: BaseException) -> None:
        lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        sys.stderr.write(lines)  # as Slicer does
        self.texts.append(f"exception in a {where}:\n{lines}")

    def take(self) -> list[str]:
        taken, self.texts = self.texts, []
        return taken


problems = Problems()
