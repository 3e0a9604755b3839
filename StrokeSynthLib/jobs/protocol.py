"""What client and worker say to each other: one JSON object a line, ASCII only.

Request, to the worker's standard input::

    {"id": 3, "do": "segment", "args": {...}, "exchange": "/folder/of/the/client"}

Answers, on its standard output, any number of the first two and then one of the last two::

    {"id": 3, "progress": {"stage": "Segmenting", "done": 1, "total": 3, "message": "", "values": {}}}
    {"id": 3, "log": "notice: ADC is in 10^-6 mm^2/s; converted to 10^-3 mm^2/s."}
    {"id": 3, "result": {...}}
    {"id": 3, "error": {"kind": "input", "message": "One sentence.", "remedy": "What to do."}}

ASCII, so that no setting of the system can damage a name; arrays travel as files (:mod:`.exchange`).
What each request takes and answers is listed in ``docs/jobs.md``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

#: Raised when a message changes its meaning; ``hello`` tells it.
PROTOCOL = 1

#: Kinds of errors. "input": what was asked for or given cannot be used; "memory": not enough of it; "crash":
#: the worker died or could not be started; "cancelled": as asked for; "closed": a preview session is no
#: longer open; "internal": a mistake of the program.
KINDS = ("input", "memory", "crash", "cancelled", "closed", "internal")


@dataclass(frozen=True)
class Failure:
    """Why a request was not answered.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    message
        One sentence: what went wrong.
    remedy
        One sentence: what to do; "" where nothing can be done.
    """

    kind: str
    message: str
    remedy: str = ""

    @classmethod
    def of_sentence(cls, kind: str, text: str) -> Failure:
        """From "what is wrong; what to do.", which is how errors of the library are worded."""
        text = " ".join(text.split())
        message, separator, remedy = text.rpartition("; ")
        if not separator:
            return cls(kind, text)
        return cls(kind, message + ".", remedy[:1].upper() + remedy[1:])

    @classmethod
    def from_message(cls, value: Any) -> Failure:
        """From the "error" of an answer; never fails."""
        entries = value if isinstance(value, Mapping) else {}
        kind = str(entries.get("kind"))
        message = str(entries.get("message") or "The worker failed without saying why.")
        return cls(kind if kind in KINDS else "internal", message, str(entries.get("remedy") or ""))

    def entries(self) -> dict[str, str]:
        """As in an answer."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


def encode(message: Mapping[str, Any]) -> bytes:
    """One line."""
    return json.dumps(plain(message), ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message in a line.

    Raises
    ------
    ValueError
        When the line is no JSON object.
    """
    message = json.loads(line.decode("utf-8"))  # UnicodeDecodeError and JSONDecodeError are ValueErrors
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return message


def plain(value: Any) -> Any:
    """``value`` as JSON has it: paths as text, numbers of numpy as numbers, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
