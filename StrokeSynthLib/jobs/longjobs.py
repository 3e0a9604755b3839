"""Trainings and databases that outlive their starter: ordinary ``strokesynth`` commands in a folder.

A job's folder holds

- ``job.json``: title, command and when it was made, written once;
- ``state.json``: what the runner (:mod:`.runner`) knows, replaced whenever it changes;
- ``progress.jsonl`` and ``log.txt``: what the command said on standard output and error;
- ``stop``: "cancel" or "pause", there when someone has asked for it;
- ``lock``: held as long as anything of the job runs, so nobody takes a dead job for a living one.

Standard library only, no Qt, no Slicer: any process that can see the folder can follow, stop and resume it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from ..files import read_json, replacing, write_json
from .crash import TRY_AGAIN
from .jobfiles import JOB, LOCK, LOG, PROGRESS, STATE, STOP, Event, events_from, last_event, tail
from .locks import Lock
from .processes import detached, end_tree, environment
from .protocol import Failure

RUNNER = "StrokeSynthLib.jobs.runner"

#: What a job can be. "starting" and "stopping" pass; "interrupted": it is gone without a word (killed, power
#: failure), "failed": it said why; these two, "paused" and "cancelled" can be resumed where the command can.
STATES = ("starting", "running", "stopping", "done", "failed", "cancelled", "paused", "interrupted")
_ALIVE = ("starting", "running", "stopping")
#: Commands that go on with ``--resume``, and those that go on by themselves.
_WITH_OPTION = (("train", "translator"), ("train", "segmenter"), ("database",))
_BY_THEMSELVES = (("simulate",), ("study",), ("demo",))
#: Seconds that a new runner has to take its lock.
_STARTING = 60.0

#: The last runner that this process has started for each folder. Unless they are asked for their status they
#: stay in the table of processes.
_started: dict[Path, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class JobStatus:
    """How a job is.

    Parameters
    ----------
    state
        One of :data:`STATES`.
    message, remedy
        Why it failed or was interrupted and what to do, a sentence each; else "".
    started, ended
        Seconds since 1970; None where unknown or not yet.
    """

    state: str
    message: str = ""
    remedy: str = ""
    started: float | None = None
    ended: float | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs, or is about to, or is about to end."""
        return self.state in _ALIVE


class Job:
    """A job by its folder.

    Raises
    ------
    BadInputError
        When the folder is no job's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).absolute()
        content = read_json(self.folder / JOB)
        try:
            self.title = str(content["title"])
            self.command = [str(word) for word in content["command"]]
            self.created = float(content["created"])
            #: Relative paths in the command are relative to this.
            self.directory = Path(content["directory"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"{self.folder / JOB}: is not a job's; {error} is missing.") from error

    @property
    def command_line(self) -> str:
        """What a user would type for the same."""
        words = ["strokesynth", *self.command]
        return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)

    @property
    def resumable(self) -> bool:
        """Whether the command can go on where it was stopped."""
        return any(tuple(self.command[: len(words)]) == words for words in (*_WITH_OPTION, *_BY_THEMSELVES))

    def status(self) -> JobStatus:
        """How it is now."""
        _reap()
        state = self._state()
        started, ended = state.get("started"), state.get("ended")
        asked = self._asked()
        if Lock(self.folder / LOCK).held():
            return JobStatus("stopping" if asked else "running", started=started)
        again = "Resume it to go on where it was." if self.resumable else "Start it again."
        if ended is not None:
            message, remedy = str(state.get("message", "")), str(state.get("remedy", ""))
            remedy = again if remedy == TRY_AGAIN else remedy
            return JobStatus(str(state.get("state")), message, remedy, started, ended)
        if not state and time.time() - self._launched() < _STARTING and not self._failed_to_start():
            return JobStatus("starting")
        if asked:
            return JobStatus("paused" if asked == "pause" else "cancelled", started=started)
        if not state:
            return JobStatus("failed", f"The job could not be started: {self._last_words()}.", TRY_AGAIN)
        return JobStatus(
            "interrupted", "The job ended without a word: it was killed, or the computer went off.", again,
            started,
        )  # fmt: skip

    def progress(self) -> Event | None:
        """The last report ("stage", "done", "total", "message", "values"); None before the first."""
        return last_event(self.folder / PROGRESS, "progress")

    def result(self) -> Event | None:
        """The last result that the command gave ("message", "values"); None where there is none."""
        return last_event(self.folder / PROGRESS, "result")

    def last_error(self) -> Failure | None:
        """What the command said of its failure; None where it said nothing."""
        event = last_event(self.folder / PROGRESS, "error")
        return None if event is None else Failure.of_sentence("input", str(event.get("message", "")))

    def events(self, offset: int = 0) -> tuple[list[Event], int]:
        """All events from a position in the file on, and the position to ask from next time.

        An event "attempt" comes first each time the job is begun or resumed.
        """
        return events_from(self.folder / PROGRESS, offset)

    def log(self, lines: int = 200) -> list[str]:
        """The end of what the command wrote beside its progress."""
        text = tail(self.folder / LOG).decode("utf-8", errors="replace")
        return text.splitlines()[-lines:]

    def cancel(self) -> None:
        """Stop it at the next good point, after some seconds by force, with all that it has started."""
        self._ask("cancel")

    def pause(self) -> None:
        """As :meth:`cancel`, but the job counts as paused: what it has done is kept for :meth:`resume`."""
        self._ask("pause")

    def kill(self) -> None:
        """End it at once, with all that it has started."""
        self._ask("cancel")
        process_id = self._state().get("child")
        # While the lock is held the number is that of the job's command and of nothing else.
        if isinstance(process_id, int) and Lock(self.folder / LOCK).held():
            end_tree(process_id)

    def resume(
        self,
        python: str | Path | Sequence[str] = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Go on where it was stopped.

        Raises
        ------
        BadInputError
            When it runs, is done, or its command cannot be resumed.
        """
        state = self.status().state
        if state in (*_ALIVE, "done"):
            raise BadInputError(f"{self.title}: is {state}, there is nothing to resume.")
        if not self.resumable:
            raise BadInputError(f"{self.title}: cannot go on where it was stopped; start it again.")
        for name in (STOP, STATE):
            (self.folder / name).unlink(missing_ok=True)
        _launch(self.folder, python, environment)

    def words(self) -> list[str]:
        """The command as the runner carries it out: when it was begun before, it goes on."""
        begun = (self.folder / PROGRESS).exists()
        option = any(tuple(self.command[: len(words)]) == words for words in _WITH_OPTION)
        add = ["--resume"] if begun and option and "--resume" not in self.command else []
        return [*self.command, *add, "--progress", "json"]

    def _ask(self, what: str) -> None:
        if self.status().alive:
            with replacing(self.folder / STOP) as temporary:
                temporary.write_text(what, encoding="utf-8")

    def _asked(self) -> str:
        try:
            return (self.folder / STOP).read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def _state(self) -> dict[str, Any]:
        try:
            content = read_json(self.folder / STATE)
        except BadInputError:
            return {}
        return content if isinstance(content, dict) else {}

    def _launched(self) -> float:
        try:
            return (self.folder / LOG).stat().st_mtime
        except OSError:
            return self.created

    def _failed_to_start(self) -> bool:
        process = _started.get(self.folder)
        return process is not None and process.poll() is not None

    def _last_words(self) -> str:
        said = [line for line in self.log() if line.strip()]
        return said[-1].rstrip(".") if said else "nothing was said"


def start(
    command: Sequence[str | Path],
    root: Path,
    *,
    title: str = "",
    python: str | Path | Sequence[str] = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Job:
    """Start a ``strokesynth`` command in the background.

    Parameters
    ----------
    command
        Its words, without "strokesynth" and ``--progress``.
    root
        Where jobs lie; a folder for this one is made in it.
    title
        For lists; the command's first words where it is not given.
    python
        Executable that has the packages, or a command line that begins with it.
    environment
        Variables for the job instead of this process's own.

    Raises
    ------
    BadInputError
        When the folder cannot be written to or the executable cannot be started.
    """
    words = [str(word) for word in command]
    title = title or " ".join(word for word in words[:2] if not word.startswith("-"))
    stamp = time.strftime("%Y%m%d-%H%M%S")
    safe = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40]
    folder = Path(root).absolute() / f"{stamp}-{safe or 'job'}-{uuid.uuid4().hex[:6]}"
    write_json(
        folder / JOB, {"title": title, "command": words, "created": time.time(), "directory": str(Path.cwd())}
    )
    _launch(folder, python, environment)
    return Job(folder)


def find(root: Path) -> list[Job]:
    """The jobs under a folder, the newest first; what is no job is passed over."""
    jobs = []
    for path in Path(root).glob(f"*/{JOB}"):
        with contextlib.suppress(BadInputError):
            jobs.append(Job(path.parent))
    return sorted(jobs, key=lambda job: (job.created, job.folder.name), reverse=True)


def _launch(folder: Path, python: str | Path | Sequence[str], variables: Mapping[str, str] | None) -> None:
    command = [str(python)] if isinstance(python, str | Path) else [str(part) for part in python]
    (folder / LOG).touch()  # its time says when the job was launched last
    with (folder / LOG).open("ab") as log:
        try:
            process = subprocess.Popen(
                [*command, "-m", RUNNER, str(folder)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment(variables), **detached(),
            )  # fmt: skip
        except OSError as error:
            raise BadInputError(
                f"{command[0]}: cannot be started ({error.strerror or error}); choose the Python that the "
                "packages are installed in."
            ) from error
    _started[folder] = process


def _reap() -> None:
    for process in _started.values():
        process.poll()
