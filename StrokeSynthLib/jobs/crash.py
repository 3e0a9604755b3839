"""Why a process ended, in words: cause and remedy, from its status and the last lines that it wrote."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from .protocol import Failure

_LESS = "Close other programs, or give it less at a time (fewer or smaller images)."
_LESS_GPU = "Use the processor (device cpu), or close other programs that use the graphics card."
#: Remedy where nothing is to be changed.
TRY_AGAIN = "Try again."
_AFTER_CRASH = "Try again; if it comes again, use the processor (device cpu) or install the packages again."
#: What Windows gives as status of a process that it ended (unsigned).
_WINDOWS = {
    0xC0000005: "it touched memory that is not its own",
    0xC00000FD: "its stack was full",
    0xC0000409: "it was stopped by a check of its own memory",
    0xC000001D: "it met an instruction that this processor lacks",
}
_WINDOWS_MEMORY = (0xC0000017, 0xC000012D)
_WINDOWS_LIBRARY = (0xC0000135, 0xC0000139, 0xC0000142)
_SIGNALS = {
    "SIGSEGV": "it touched memory that is not its own",
    "SIGBUS": "it touched memory that is not its own",
    "SIGILL": "it met an instruction that this processor lacks",
    "SIGFPE": "it divided by zero",
    "SIGABRT": "a library stopped it",
}
_MISSING = re.compile(r"(?:ModuleNotFoundError|ImportError): (.+)")
_MODULE = re.compile(r"No module named '([^'.]+)")


def oom_kills() -> int | None:
    """How many processes Linux has ended so far because memory ran out; None where nobody counts."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def explain(
    status: int | None, lines: Sequence[str], what: str = "The worker", kills_before: int | None = None
) -> Failure:
    """Why a process ended that was not asked to.

    Parameters
    ----------
    status
        As :class:`subprocess.Popen` gives it: negative for a signal; None when unknown.
    lines
        The last lines of its standard error.
    what
        What to call it.
    kills_before
        What :func:`oom_kills` gave when it was started.
    """
    text = "\n".join(lines)
    if _out_of_memory(text):
        gpu = "cuda" in text.lower()
        where = "the memory of the graphics card" if gpu else "memory"
        return Failure("memory", f"{what} ran out of {where}.", _LESS_GPU if gpu else _LESS)
    missing = _MISSING.findall(text)
    if missing:
        module = _MODULE.search(missing[-1])
        lacks = f"the package {module.group(1)}" if module else f"a library ({missing[-1].strip()})"
        return Failure("crash", f"{what} could not start: {lacks} is missing.", "Install the packages again.")
    name, code = _signal(status), None if status is None else status & 0xFFFFFFFF
    if name in ("SIGKILL", "SIGTERM"):
        return _killed(what, kills_before)
    if code in _WINDOWS_MEMORY:
        return Failure("memory", f"{what} was ended by the system because memory ran out.", _LESS)
    if code in _WINDOWS_LIBRARY:
        return Failure(
            "crash", f"{what} could not start: a library is missing.", "Install the packages again."
        )
    cause = _SIGNALS.get(name or "") or _WINDOWS.get(code or 0)
    if cause is not None:
        return Failure("crash", f"{what} crashed: {cause}.", _AFTER_CRASH)
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    because = f": {_shortened(said).rstrip('.')}" if said else ""
    ending = f"{what} ended unexpectedly with status {status}{because}."
    return Failure("crash", ending, "Try again; its log says more.")


def _killed(what: str, kills_before: int | None) -> Failure:
    kills = oom_kills()
    if kills is None or kills_before is None:
        return Failure(
            "memory", f"{what} was killed, most likely by the system because memory ran out.", _LESS
        )  # fmt: skip
    if kills > kills_before:
        return Failure("memory", f"{what} was killed by the system because memory ran out.", _LESS)
    return Failure("crash", f"{what} was killed by hand or by another program.", TRY_AGAIN)


def _signal(status: int | None) -> str | None:
    """Name of the signal that ended a process; launchers pass it on as 128 and its number."""
    if status is None:
        return None
    number = -status if status < 0 else status - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def _out_of_memory(text: str) -> bool:
    lowered = text.lower()
    return any(
        word in lowered for word in ("memoryerror", "out of memory", "bad_alloc", "cannot allocate memory")
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "..."
