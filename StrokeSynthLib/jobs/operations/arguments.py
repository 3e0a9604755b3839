"""The arguments of a request, read and checked in one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import BadInputError
from ...volume import Volume
from ..exchange import Exchange


class Arguments:
    """Arguments by name; each is read by a method that checks its kind.

    Parameters
    ----------
    operation
        Whose they are, for messages.
    values
        As they came.
    exchange
        Where arrays lie.

    Raises
    ------
    BadInputError
        By every method, when an argument is missing or of another kind.
    """

    def __init__(self, operation: str, values: Any, exchange: Exchange) -> None:
        self.operation = operation
        self._exchange = exchange
        if not isinstance(values, Mapping):
            raise BadInputError(f"{operation}: the arguments are no object; send them by name.")
        # What is null was not given.
        self._values = {str(name): value for name, value in values.items() if value is not None}

    def has(self, name: str) -> bool:
        """Whether it was given."""
        return name in self._values

    def volume(self, name: str) -> Volume:
        """A volume, which must be there; its file is deleted."""
        found = self.optional_volume(name)
        if found is None:
            raise BadInputError(f"{self.operation}: needs {name}; choose a volume for it.")
        return found

    def optional_volume(self, name: str) -> Volume | None:
        """A volume, or None where none is given; its file is deleted."""
        value = self._values.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self._wrong(name, "a volume")
        return self._exchange.take_volume(value)

    def text(self, name: str, default: str | None = None) -> str | None:
        """Text, or ``default``."""
        value = self._of(name, str, default, "text")
        return None if value is None else str(value)

    def named(self, name: str) -> str:
        """Text, which must be there."""
        value = self.text(name)
        if not value:
            raise BadInputError(f"{self.operation}: needs {name}; give it.")
        return value

    def path(self, name: str) -> Path | None:
        """A path, or None."""
        value = self.text(name)
        return None if not value else Path(value)

    def number(self, name: str) -> float | None:
        """A number, or None."""
        value = self._of(name, (int, float), None, "a number")
        return None if value is None else float(value)

    def whole(self, name: str, default: int | None = None) -> int | None:
        """A whole number, or ``default``."""
        value = self._of(name, int, default, "a whole number")
        return None if value is None else int(value)

    def seed(self) -> int:
        """The argument "seed", 0 where it is not given."""
        seed = self.whole("seed", 0) or 0
        if seed < 0:
            raise self._wrong("seed", "a whole number of at least 0")
        return seed

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self._values.pop(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def wholes(self, name: str) -> list[int] | None:
        """A list of whole numbers, or None."""
        return self._list(name, int, "a list of whole numbers")

    def texts(self, name: str, known: Sequence[str] | None = None) -> list[str]:
        """A list of texts (each of ``known``, where that is given), empty where none is given."""
        found = self._list(name, str, "a list of texts") or []
        for text in found:
            if known is not None and text not in known:
                raise self._wrong(name, f"of {', '.join(known)}, not {text}")
        return found

    def finish(self) -> None:
        """Refuse arguments that nobody has read: a mistyped one must not go unnoticed."""
        if self._values:
            raise BadInputError(
                f"{self.operation}: does not know {', '.join(sorted(self._values))}; leave that out."
            )  # fmt: skip

    def _of(self, name: str, kinds: Any, default: Any, what: str) -> Any:
        value = self._values.pop(name, default)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise self._wrong(name, what)
        return value

    def _list(self, name: str, kind: type, what: str) -> list[Any] | None:
        value = self._values.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, list) or any(
            not isinstance(v, kind) or (isinstance(v, bool) and kind is not bool) for v in value
        ):
            raise self._wrong(name, what)
        return value

    def _wrong(self, name: str, what: str) -> BadInputError:
        return BadInputError(f"{self.operation}: {name} is not {what}; correct it.")
