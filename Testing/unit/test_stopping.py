"""Commands stop when they are asked to, and what they have done is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from StrokeSynthLib.commands.console import Console
from StrokeSynthLib.errors import CancelledError
from StrokeSynthLib.progress import ProgressEvent
from StrokeSynthLib.stopping import STOP_FILE, Stopping

POSIX = os.name == "posix"


def test_first_signal_stops_at_the_next_report_of_progress() -> None:
    stopping = Stopping()
    console = Console("none", stopping=stopping)
    with stopping.listening():
        console.progress(ProgressEvent("Working", 1, 2))
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(CancelledError):
            console.progress(ProgressEvent("Working", 2, 2))


def test_second_signal_stops_at_once() -> None:
    with Stopping().listening():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_never_reports_is_stopped_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    from StrokeSynthLib import stopping as module

    monkeypatch.setattr(module, "PATIENCE", 0.1)
    with Stopping().listening():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)


def test_signals_have_their_old_meaning_afterward() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stopping().listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_file_can_ask_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STOP_FILE, str(tmp_path / "stop"))
    stopping = Stopping()
    assert not stopping.asked
    (tmp_path / "stop").touch()
    assert stopping.asked


@pytest.mark.skipif(not POSIX, reason="SIGTERM cannot be sent to another process on Windows")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_terminated_simulation_keeps_whole_cases_and_leaves_nobody_behind(
    tmp_path: Path, workers: str
) -> None:
    out = tmp_path / "cohort of Jürgen"
    command = [
        sys.executable, "-m", "StrokeSynthLib.cli", "simulate", "--cases", "50", "--out", str(out),
        "--scanner", "1.5T-5mm", "--workers", workers, "--progress", "json",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    while '"done": 1,' not in process.stdout.readline():
        assert process.poll() is None
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped; what was finished before is kept" in said
    assert "Traceback" not in said
    assert list(out.glob("sub-*/dwi/*_trace.nii.gz"))
    assert not list(out.rglob(".part-*"))
    assert group_ends(process.pid)


def group_ends(group: int) -> bool:
    """Whether every process of a group has ended, after a moment for the last ones to notice."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
