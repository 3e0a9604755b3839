"""Long jobs outlive their starter, are found again, stop when asked, and go on where they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.jobs import longjobs
from StrokeSynthLib.jobs.jobfiles import events_from, events_in, last_event, tail
from StrokeSynthLib.jobs.longjobs import Job
from StrokeSynthLib.jobs.processes import running

ROOT = Path(__file__).resolve().parents[2]
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def ended(job: Job) -> str:
    until(lambda: not job.status().alive)
    return job.status().state


def simulation(root: Path, out: Path, cases: int = 50, workers: int = 1) -> Job:
    """A job that takes minutes unless it is stopped, and reports every case."""
    command = ["simulate", "--cases", cases, "--out", out, "--scanner", "1.5T-5mm", "--workers", workers]
    return longjobs.start([str(word) for word in command], root, title="Simulation für Jürgen")


def cases_done(job: Job) -> int:
    progress = job.progress()
    return 0 if progress is None else int(progress["done"])


def children_of(job: Job) -> list[int]:
    """Every process of the group that the job's command leads."""
    group = json.loads((job.folder / "state.json").read_text(encoding="utf-8"))["child"]
    found = subprocess.run(["ps", "-eo", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if int(line.split()[1]) == group]


def test_a_job_is_an_ordinary_command_with_its_result_kept(tmp_path: Path) -> None:
    job = longjobs.start(["models"], tmp_path / "jöbs of mine")
    assert job.status().alive
    assert ended(job) == "done"
    result = job.result()
    assert result is not None
    assert "threshold" in {model["name"] for model in result["values"]["models"]}
    status = job.status()
    assert status.started is not None
    assert status.ended is not None
    assert status.started <= status.ended


def test_bad_input_fails_with_the_commands_own_sentence(tmp_path: Path) -> None:
    job = longjobs.start(["check", "--cohort", "nö cohort"], tmp_path)
    assert ended(job) == "failed"
    assert "nö cohort" in job.status().message
    assert job.status().remedy
    assert job.progress() is None


def test_command_line_can_be_copied(tmp_path: Path) -> None:
    job = longjobs.start(["models", "my model"], tmp_path)
    assert job.command_line.startswith("strokesynth models ")
    assert "my model" in job.command_line
    assert ended(job) == "failed"


def test_relative_paths_are_those_of_the_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = longjobs.start(["check", "--cohort", "here"], Path("jobs"))
    monkeypatch.chdir("/")
    assert job.folder.is_absolute()
    assert ended(job) == "failed"
    assert job.directory == tmp_path


@posix_only
def test_job_is_found_and_followed_after_its_starter_has_ended(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from StrokeSynthLib.jobs import longjobs\n"
        f"longjobs.start(['simulate', '--cases', '50', '--out', {str(tmp_path / 'cohort')!r}, '--scanner',"
        f" '1.5T-5mm'], Path({str(tmp_path / 'jobs')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
    (job,) = longjobs.find(tmp_path / "jobs")
    until(lambda: cases_done(job) >= 1)
    assert job.status().state == "running"
    job.cancel()
    assert job.status().state in ("stopping", "cancelled")
    assert ended(job) == "cancelled"


@posix_only
def test_pause_keeps_whole_cases_and_resume_makes_the_rest(tmp_path: Path) -> None:
    out = tmp_path / "cohort of Jürgen"
    job = simulation(tmp_path / "jobs", out, cases=3)
    until(lambda: cases_done(job) >= 1)
    job.pause()
    assert ended(job) == "paused"
    kept = len(list(out.glob("sub-*/dwi/*_ADC.nii.gz")))
    assert 1 <= kept < 3
    events, position = job.events()
    assert events[0]["event"] == "attempt"
    (found,) = longjobs.find(tmp_path / "jobs")
    found.resume()
    assert ended(found) == "done"
    assert len(list(out.glob("sub-*/dwi/*_ADC.nii.gz"))) == 3
    new, _ = job.events(position)
    assert new[0]["event"] == "attempt", "only what is new is read"
    with pytest.raises(BadInputError, match="nothing to resume"):
        found.resume()


@posix_only
def test_cancel_ends_everything_that_the_command_has_started(tmp_path: Path) -> None:
    job = simulation(tmp_path / "jobs", tmp_path / "cohort", workers=2)
    until(lambda: cases_done(job) >= 1)
    family = children_of(job)
    assert len(family) >= 3
    job.cancel()
    assert ended(job) == "cancelled"
    until(lambda: not any(running(number) for number in family), 10)


@posix_only
def test_kill_does_not_wait(tmp_path: Path) -> None:
    job = simulation(tmp_path / "jobs", tmp_path / "cohort")
    until(lambda: job.status().state == "running" and (job.folder / "progress.jsonl").exists())
    until(lambda: "child" in (job.folder / "state.json").read_text(encoding="utf-8"))
    family = children_of(job)
    start = time.monotonic()
    job.kill()
    assert ended(job) == "cancelled"
    assert time.monotonic() - start < 5
    assert not any(running(number) for number in family)


@posix_only
def test_killed_command_says_why_and_can_be_resumed(tmp_path: Path) -> None:
    job = simulation(tmp_path / "jobs", tmp_path / "cohort")
    until(lambda: cases_done(job) >= 1)
    for number in children_of(job):
        os.kill(number, signal.SIGKILL)
    assert ended(job) == "failed"
    assert "killed" in job.status().message
    assert job.resumable
    assert job.status().remedy == "Resume it to go on where it was."


@posix_only
def test_job_whose_runner_died_still_runs_and_can_be_stopped(tmp_path: Path) -> None:
    job = simulation(tmp_path / "jobs", tmp_path / "cohort")
    until(lambda: cases_done(job) >= 1)
    os.kill(json.loads((job.folder / "state.json").read_text(encoding="utf-8"))["runner"], signal.SIGKILL)
    time.sleep(0.3)
    assert job.status().state == "running", "the command holds the lock as well"
    job.cancel()
    assert ended(job) == "cancelled"


def left_behind(root: Path, *, created: float, state: object = None, stop: str = "") -> Job:
    """A job's folder in which nothing runs."""
    folder = root / f"job-{created}"
    folder.mkdir(parents=True)
    facts = {
        "title": "t",
        "command": ["database", "--cases", "3"],
        "created": created,
        "directory": str(root),
    }
    (folder / "job.json").write_text(json.dumps(facts), encoding="utf-8")
    if state is not None:
        (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    if stop:
        (folder / "stop").write_text(stop, encoding="utf-8")
    return Job(folder)


def test_job_that_went_with_the_power_is_interrupted(tmp_path: Path) -> None:
    job = left_behind(
        tmp_path, created=5.0, state={"state": "running", "runner": os.getpid(), "started": 6.0}
    )
    status = job.status()
    assert status.state == "interrupted"
    assert "Resume" in status.remedy
    assert not status.alive


def test_job_that_never_began_has_failed(tmp_path: Path) -> None:
    job = left_behind(tmp_path, created=5.0)
    (job.folder / "log.txt").write_text("ModuleNotFoundError: no numpy\n", encoding="utf-8")
    os.utime(job.folder / "log.txt", (5.0, 5.0))
    status = job.status()
    assert status.state == "failed"
    assert "no numpy" in status.message
    fresh = left_behind(tmp_path, created=time.time())
    assert fresh.status().state == "starting"


def test_resume_adds_the_option_only_when_something_was_begun(tmp_path: Path) -> None:
    job = left_behind(tmp_path, created=5.0)
    assert job.words() == ["database", "--cases", "3", "--progress", "json"]
    (job.folder / "progress.jsonl").write_text("", encoding="utf-8")
    assert job.words() == ["database", "--cases", "3", "--resume", "--progress", "json"]


def test_a_job_of_last_week_is_starting_when_it_is_resumed(tmp_path: Path) -> None:
    job = left_behind(tmp_path, created=5.0, state={"state": "paused", "ended": 6.0})
    (job.folder / "log.txt").touch()
    os.utime(job.folder / "log.txt", (6.0, 6.0))
    job.resume([sys.executable, "-c", "import time; time.sleep(30)"])
    assert job.status().state == "starting", "its log is a week old, but it was launched just now"


def test_what_cannot_go_on_is_not_resumed(tmp_path: Path) -> None:
    job = longjobs.start(["check", "--cohort", "nowhere"], tmp_path)
    assert ended(job) == "failed"
    with pytest.raises(BadInputError, match="start it again"):
        job.resume()


def test_jobs_are_listed_newest_first_and_other_folders_are_passed_over(tmp_path: Path) -> None:
    for created in (2.0, 3.0, 1.0):
        left_behind(tmp_path, created=created, state={"state": "done", "ended": 1.0})
    (tmp_path / "other").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "job.json").write_text("{}", encoding="utf-8")
    assert [job.created for job in longjobs.find(tmp_path)] == [3.0, 2.0, 1.0]
    assert longjobs.find(tmp_path / "none") == []


def test_python_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be started"):
        longjobs.start(["models"], tmp_path, python=tmp_path / "no python")


@posix_only
def test_python_without_the_library_is_explained(tmp_path: Path) -> None:
    job = longjobs.start(["models"], tmp_path, python=["/bin/sh", "-c", "echo no such module >&2; exit 1"])
    assert ended(job) == "failed"
    assert "no such module" in job.status().message


def test_second_runner_of_a_job_steps_back(tmp_path: Path) -> None:
    from StrokeSynthLib.jobs.locks import Lock
    from StrokeSynthLib.jobs.runner import run

    job = left_behind(tmp_path, created=5.0)
    lock = Lock(job.folder / "lock")
    assert lock.acquire()
    assert run(job.folder) == 1
    assert not (job.folder / "state.json").exists()
    lock.release()


def test_events_are_read_while_the_last_one_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_bytes(b'{"event": "progress", "done": 1}\nprinted by a library\n[1]\n{"event": "pro')
    events, position = events_from(path, 0)
    assert events == [{"event": "progress", "done": 1}]
    with path.open("ab") as stream:
        stream.write(b'gress", "done": 2}\n')
    assert events_from(path, position)[0] == [{"event": "progress", "done": 2}]
    assert events_from(tmp_path / "none", 7) == ([], 7)


def test_only_the_last_try_counts(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_text('{"event": "error"}\n{"event": "attempt"}\n{"event": "progress"}\n', encoding="utf-8")
    assert last_event(path, "progress") == {"event": "progress"}
    assert last_event(path, "error") is None


def test_the_end_of_a_long_file_is_found_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_text(
        "".join(f'{{"event": "progress", "done": {n}}}\n' for n in range(20000)), encoding="utf-8"
    )
    assert len(tail(path)) <= 65536
    assert events_in(tail(path))[0].keys() == {"event", "done"}, "no cut line at its beginning"
    assert last_event(path, "progress") == {"event": "progress", "done": 19999}
