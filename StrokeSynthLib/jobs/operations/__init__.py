"""What the worker can do, one file a group. Each operation takes arguments and the workshop, and returns
what is sent back; what they need is imported when they are called, so that the worker answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ...errors import BadInputError
from .arguments import Arguments
from .workshop import Workshop

Operation = Callable[[Arguments, Workshop], dict[str, Any]]

#: Where each operation is: module and function.
OPERATIONS: dict[str, tuple[str, str]] = {
    "hello": (".information", "hello"),
    "segment": (".examination", "segment"),
    "map": (".examination", "make_map"),
    "table": (".examination", "table"),
    "agreement": (".examination", "agreement"),
    "lesion": (".synthesis", "lesion"),
    "synthesize": (".synthesis", "synthesize"),
    "preview_open": (".preview", "open_preview"),
    "preview_slices": (".preview", "slices"),
    "preview_close": (".preview", "close"),
    "check_cohort": (".information", "check"),
    "mosaic": (".information", "mosaic"),
    "unload": (".information", "unload"),
}


def find_operation(name: str) -> Operation:
    """The operation of that name.

    Raises
    ------
    BadInputError
        When there is none.
    """
    if name not in OPERATIONS:
        raise BadInputError(f"{name}: is no operation; there are {', '.join(OPERATIONS)}.")
    module, function = OPERATIONS[name]
    operation: Operation = getattr(import_module(module, __package__), function)
    return operation
