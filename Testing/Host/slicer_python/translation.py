"""slicer.i18n. Text is marked in tests when `mark` is set, which shows what was not made translatable."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

#: Set by a test to see which texts go through tr().
mark = ""


def translate(context: str, text: str) -> str:
    """The text in the language of the application: here always English."""
    if not isinstance(context, str) or not isinstance(text, str):
        raise TypeError("translate takes a context and a text")
    return mark + text


def getContext(sourceFile: str) -> str:
    path = Path(sourceFile)
    package = f"{path.parent.name}." if (path.parent / "__init__.py").is_file() else ""
    return package + path.name.replace(".py", "")


def tr(text: str) -> str:
    """Translate with the context of the calling file."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    translated = translate(getContext(frame.f_back.f_code.co_filename), text)
    assert set(re.findall(r"{[^{}]+}", translated)) == set(re.findall(r"{[^{}]+}", text))
    return translated
