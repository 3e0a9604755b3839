"""The parent of a long job: ``python -m StrokeSynthLib.jobs.runner FOLDER``, detached from its starter.

Runs the command of the folder (:mod:`.longjobs`), stops it when the file ``stop`` appears, and writes down
how it ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ..stopping import PATIENCE, STOP_FILE
from .crash import explain, oom_kills
from .jobfiles import ATTEMPT, LOCK, LOG, PROGRESS, STOP, write_state
from .locks import Lock
from .longjobs import Job
from .processes import WINDOWS, ask, end_tree, environment, own_group

#: How often is looked for the end of the command and for ``stop`` (s).
_EVERY = 0.1
#: Seconds from being asked to stop to being ended by force: more than a command's own patience.
_GRACE = PATIENCE + 10.0


def run(folder: Path) -> int:
    """Carry out the job in a folder; its exit status."""
    lock = Lock(folder / LOCK)
    if not lock.acquire():
        print("The job runs already.", file=sys.stderr)
        return 1
    job = Job(folder)
    words, kills = job.words(), oom_kills()
    facts: dict[str, Any] = {"state": "running", "runner": os.getpid(), "started": time.time()}
    write_state(folder, facts)
    with (folder / PROGRESS).open("ab") as progress, (folder / LOG).open("ab") as log:
        # A line that was cut off when the last try died is ended.
        progress.write(b"\n" + json.dumps({"event": ATTEMPT, "started": facts["started"]}).encode() + b"\n")
        progress.flush()
        child = subprocess.Popen(
            [sys.executable, "-m", "StrokeSynthLib.cli", *words],
            stdin=subprocess.DEVNULL, stdout=progress, stderr=log,
            cwd=job.directory if job.directory.is_dir() else None,
            env={**environment(), STOP_FILE: str(folder / STOP)},
            # The lock stays held if this runner dies and the command lives on.
            pass_fds=() if WINDOWS else (lock.share(),), **own_group(),
        )  # fmt: skip
    facts["child"] = child.pid
    write_state(folder, facts)
    _follow(child, folder / STOP)
    status = child.wait()
    end_tree(child.pid)  # what it has started and not ended
    write_state(folder, {**facts, **_ending(job, status, kills), "ended": time.time(), "exit": status})
    lock.release()
    return 0


def _follow(child: subprocess.Popen[bytes], stop: Path) -> None:
    """Wait for the end; from the moment that someone asks to stop, not for longer than the grace."""
    asked: float | None = None
    while child.poll() is None:
        time.sleep(_EVERY)
        if asked is None and stop.exists():
            asked = time.monotonic()
            if not WINDOWS:  # there the command itself looks for the file
                ask(child.pid)
        if asked is not None and time.monotonic() - asked > _GRACE:
            end_tree(child.pid)


def _ending(job: Job, status: int, kills: int | None) -> dict[str, str]:
    """State, message and remedy."""
    if status == 0:
        return {"state": "done"}
    try:
        asked = (job.folder / STOP).read_text(encoding="utf-8").strip()
    except OSError:
        asked = ""
    if asked:
        return {"state": "paused" if asked == "pause" else "cancelled"}
    said = job.last_error()
    if said is not None:
        return {"state": "failed", "message": said.message, "remedy": said.remedy}
    failure = explain(status, job.log(60), "The job", kills)
    return {"state": "failed", "message": failure.message, "remedy": failure.remedy}


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
