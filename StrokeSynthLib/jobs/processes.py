"""Processes with everything that they have started: to begin and to end them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WINDOWS = sys.platform == "win32"
#: The folder that has to be on ``sys.path`` for the package to be found.
LIBRARY = Path(__file__).resolve().parents[2]


def own_group() -> dict[str, Any]:
    """Arguments for :class:`subprocess.Popen`: a group of its own, which can be ended as a whole."""
    if WINDOWS:
        return {"creationflags": _windows("CREATE_NEW_PROCESS_GROUP") | _windows("CREATE_NO_WINDOW")}
    return {"start_new_session": True}


def detached() -> dict[str, Any]:
    """Arguments for :class:`subprocess.Popen`: a process that goes on when its starter ends."""
    if WINDOWS:
        flags = ("CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW", "CREATE_BREAKAWAY_FROM_JOB")
        return {"creationflags": sum(_windows(flag) for flag in flags), "close_fds": True}
    return {"start_new_session": True}


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of a new Python process that shall find this package.

    ``base``: instead of those of this process.
    """
    variables = dict(os.environ if base is None else base)
    paths = [str(LIBRARY), *variables.get("PYTHONPATH", "").split(os.pathsep)]
    variables["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
    variables["PYTHONUNBUFFERED"] = "1"
    # Waiting threads must not spin: on a busy machine two threads would be slower than one.
    variables.setdefault("OMP_WAIT_POLICY", "passive")
    return variables


def end_tree(process_id: int, grace: float = 0.0) -> None:
    """End a process that was started with :func:`own_group`, and all that it has started.

    ``grace``: seconds to end by itself after being asked to; 0 asks nothing.
    """
    if WINDOWS:
        if grace > 0 and ask(process_id):
            _wait(process_id, grace)
        subprocess.run(
            ["taskkill", "/PID", str(process_id), "/T", "/F"], check=False, capture_output=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return
    if grace > 0 and ask(process_id):
        _wait(process_id, grace)
    _signal_group(process_id, signal.Signals["SIGKILL"])


def ask(process_id: int) -> bool:
    """Ask one process to end; False when it is gone."""
    try:
        os.kill(process_id, signal.Signals["CTRL_BREAK_EVENT"] if WINDOWS else signal.SIGTERM)
    except (OSError, ValueError):
        return False
    return True


def _wait(process_id: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and running(process_id):
        time.sleep(0.02)


def running(process_id: int) -> bool:
    """Whether a process is there and has not ended."""
    if WINDOWS:
        return _runs_on_windows(process_id)
    try:
        os.kill(process_id, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    # One that has ended stays in the table until its parent asks for its status.
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[:1] != ["Z"]


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return


def _runs_on_windows(process_id: int) -> bool:
    found = subprocess.run(
        ["tasklist", "/FI", f"PID eq {process_id}", "/NH", "/FO", "CSV"], check=False, capture_output=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return f'"{process_id}"'.encode() in found.stdout


def _windows(flag: str) -> int:
    return int(getattr(subprocess, flag, 0))
