"""Operations that no user would want."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np

from StrokeSynthLib.jobs.operations.arguments import Arguments
from StrokeSynthLib.jobs.operations.workshop import Workshop
from StrokeSynthLib.progress import ProgressEvent


def modules(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """What was imported so far."""
    return {"names": sorted(sys.modules)}


def sleep(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Do nothing for a while, and say so."""
    workshop.say("good night")
    workshop.progress(ProgressEvent("Sleeping", 0, 1, values={"sheep": 3.0}))
    time.sleep(arguments.number("seconds") or 0.0)
    return {"slept": True}


def child(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Start a process that starts a process, tell the number of the last, and wait for it."""
    code = (
        "import subprocess, sys\n"
        "last = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(last.pid, flush=True)\n"
        "last.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    workshop.progress(ProgressEvent("Waiting", int(process.stdout.readline()), 10**9))
    process.wait()
    return {}


def die(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """End as the system ends what takes too much memory, or with a status."""
    status = arguments.whole("status")
    if status is not None:
        print("the last words", file=sys.stderr, flush=True)
        os._exit(status)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def segfault(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Crash in native code."""
    ctypes.string_at(0)
    return {}


def exhaust(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Ask for more memory than there is, of the computer or of its graphics card."""
    if arguments.flag("gpu"):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
    return {"array": np.ones(2**60, np.uint8)}


def shout(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Print on standard output, as libraries do, from Python and from below it."""
    print("{not json}", flush=True)
    print('{"id": 1, "result": {"forged": true}}', flush=True)
    os.write(1, b"half a line without an end")
    return {"forged": False}


def echo(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Send a volume back, and its array on its own."""
    volume = arguments.volume("volume")
    return {"volume": volume, "array": [volume.array], "name": str(volume.source)}


def stray(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Die after an array was written that nobody will fetch."""
    exchange = arguments._exchange
    exchange.put(np.zeros(3))
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
