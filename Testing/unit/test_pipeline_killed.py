"""Cohorts survive processes that are killed at any moment, and come out the same on a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.pipeline.production import MadeCase, produce
from StrokeSynthLib.progress import silent
from Testing.unit.test_pipeline_production import Noise, contents

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs signals")
CASES = 10


@dataclass(frozen=True)
class Slow(Noise):
    """A recipe that takes its time."""

    def maker(self) -> Callable[[int], MadeCase]:
        make = super().maker()

        def slowly(number: int) -> MadeCase:
            time.sleep(0.05)
            return make(number)

        return slowly


@dataclass(frozen=True)
class Doomed(Slow):
    """A recipe whose process is killed at case 4."""

    def maker(self) -> Callable[[int], MadeCase]:
        make = super().maker()

        def deadly(number: int) -> MadeCase:
            if number == 4:
                os.kill(os.getpid(), signal.SIGKILL)
            return make(number)

        return deadly


def complete(out: Path) -> int:
    return len(list(out.glob("sub-*/dwi/*_ADC.json")))


def children(process: int) -> list[int]:
    """Processes whose parent is ``process`` (Linux)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == process:
            found.append(int(status.parent.name))
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@posix_only
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the processes in /proc")
@pytest.mark.parametrize("after", [1, 4, 7])
def test_a_killed_parent_takes_its_processes_along_and_nothing_is_lost_or_doubled(
    tmp_path: Path, after: int
) -> None:
    out = tmp_path / "cohort"
    script = (
        "from Testing.unit.test_pipeline_killed import *\n"
        "if __name__ == '__main__':\n"
        f"    produce(Slow(), Path({str(out)!r}), {CASES}, stage='s', progress=silent, workers=2)"
    )
    (tmp_path / "make.py").write_text(script)
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "make.py")], env=os.environ | {"PYTHONPATH": str(root)}, cwd=root
    )
    deadline = time.monotonic() + 60
    while complete(out) < after:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    workers = children(parent.pid)
    parent.kill()
    parent.wait()
    assert len(workers) >= 2
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "orphans go on"
        time.sleep(0.02)
    # What a process that is killed while it writes a case leaves behind.
    half = out / ".part-half" / "dwi"
    half.mkdir(parents=True)
    (half / "sub-0009_trace.nii.gz").write_bytes(b"half")
    os.utime(half.parent, (time.time() - 60, time.time() - 60))
    kept = complete(out)
    made = produce(Slow(), out, CASES, stage="s", progress=silent, workers=2)
    assert made.made + made.kept == CASES
    assert made.kept >= min(kept, after) - 1
    whole = tmp_path / "whole"
    produce(Slow(), whole, CASES, stage="s", progress=silent)
    assert contents(out) == contents(whole)
    table = (out / "participants.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in table[1:]] == [f"sub-{n:04d}" for n in range(1, CASES + 1)]


@posix_only
def test_a_killed_process_is_told_and_the_rest_is_made_when_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(StrokeSynthError, match="go on with --resume"):
        produce(Doomed(), tmp_path / "a", 6, stage="s", progress=silent, workers=2)
    produce(Slow(), tmp_path / "a", 6, stage="s", progress=silent)
    produce(Slow(), tmp_path / "whole", 6, stage="s", progress=silent)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_a_cluster_makes_the_same_bytes(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        made = produce(
            Noise(), tmp_path / "a", 5, stage="s", progress=silent, scheduler=cluster.scheduler_address
        )
        assert (made.made, made.counts) == (5, {"things": 10})
        with pytest.raises(BadInputError, match="made with"):
            produce(
                Noise(2), tmp_path / "a", 6, stage="s", progress=silent, scheduler=cluster.scheduler_address
            )
    produce(Noise(), tmp_path / "here", 5, stage="s", progress=silent)
    assert contents(tmp_path / "a") == contents(tmp_path / "here")


def test_a_scheduler_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    monkeypatch.setattr("StrokeSynthLib.pipeline.cluster._PATIENCE", 1)
    with pytest.raises(BadInputError, match="no Dask scheduler answers"):
        produce(Noise(), tmp_path / "a", 2, stage="s", progress=silent, scheduler="tcp://127.0.0.1:9")
    assert not (tmp_path / "a").exists()


def test_without_dask_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("StrokeSynthLib.pipeline.cluster.find_spec", lambda name: None)
    with pytest.raises(BadInputError, match=r"StrokeSynthLib\[cluster\]"):
        produce(Noise(), tmp_path / "a", 2, stage="s", progress=silent, scheduler="tcp://127.0.0.1:9")
