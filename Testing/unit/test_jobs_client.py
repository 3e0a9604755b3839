"""The client's promises, with a real worker process: progress, results, errors, cancelling, cleaning up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from StrokeSynthLib.jobs.client import WorkerClient
from StrokeSynthLib.jobs.exchange import PREFIX
from StrokeSynthLib.jobs.processes import running
from StrokeSynthLib.volume import Storage, Volume
from Testing.unit.jobs_builders import Answers

ROOT = Path(__file__).resolve().parents[2]
#: The real worker with additional operations: slow, greedy, loud and deadly ones.
WORKER = [sys.executable, str(ROOT / "Testing" / "jobs" / "worker.py")]
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def ask(client: WorkerClient, do: str, **args: Any) -> Answers:
    answers = Answers()

    def note(kept: list[Any]) -> Callable[[Any], None]:
        def deliver(value: Any) -> None:
            answers.threads.add(threading.get_ident())
            kept.append(value)

        return deliver

    answers.number = client.request(
        do, args, note(answers.progress), note(answers.results), note(answers.errors)
    )
    return answers


def until(client: WorkerClient, condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        client.poll(0.02)


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def client(tmp_path: Path, log: list[str]) -> Iterator[WorkerClient]:
    # A folder as people have them: blanks, umlauts, other scripts.
    client = WorkerClient(WORKER, exchange=tmp_path / "Jürgens Köpfe 脳", on_log=log.append)
    yield client
    client.stop()


def test_request_is_answered_with_progress_and_log_before_the_result(
    client: WorkerClient, log: list[str]
) -> None:
    answers = ask(client, "sleep")
    assert client.wait()
    assert answers.result == {"slept": True}
    assert answers.progress == [
        {"stage": "Sleeping", "done": 0, "total": 1, "message": "", "values": {"sheep": 3.0}}
    ]
    assert "good night" in log


def test_everything_is_delivered_by_poll_in_its_own_thread(client: WorkerClient) -> None:
    answers = ask(client, "sleep")
    time.sleep(3.0)
    assert not answers.results, "without poll nothing is delivered"
    assert client.wait()
    assert answers.results
    assert answers.threads == {threading.get_ident()}


def test_worker_answers_hello_without_any_large_package(client: WorkerClient) -> None:
    hello, modules = ask(client, "hello"), ask(client, "modules")
    assert client.wait()
    assert {"version", "device", "models", "translators", "lesions", "territories"} <= hello.result.keys()
    assert not {"torch", "monai", "scipy", "SimpleITK", "onnxruntime"} & set(modules.result["names"])


def test_volumes_go_there_and_back_bit_for_bit(client: WorkerClient, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # As Slicer has them: axes reversed in memory, oblique, an integer type.
    array = rng.integers(-9000, 9000, (5, 7, 6), np.int16).transpose(2, 1, 0)
    affine = np.array([[1.9, 0.1, 0, -80], [-0.1, 1.9, 0.2, 3.5], [0, -0.2, 5.0, 7], [0, 0, 0, 1]])
    volume = Volume(array, affine, Storage("int16", 2.0, 1.0), Path("Köpfe 1"), {"adc_unit": "mm^2/s"})
    answers = ask(client, "echo", volume=volume)
    assert client.wait()
    back = answers.result["volume"]
    np.testing.assert_array_equal(back.array, array)
    np.testing.assert_array_equal(back.affine, affine)
    assert back.array.dtype == np.int16
    assert (back.storage, back.metadata) == (volume.storage, volume.metadata)
    assert answers.result["name"] == "Köpfe 1"
    np.testing.assert_array_equal(answers.result["array"][0], array)
    assert arrays_in(client) == []


def test_what_libraries_print_is_logged_and_not_taken_for_an_answer(
    client: WorkerClient, log: list[str]
) -> None:
    answers = ask(client, "shout")
    again = ask(client, "sleep")
    assert client.wait()
    assert answers.result == {"forged": False}
    assert again.result == {"slept": True}
    assert "a launcher says hällo" in log
    assert "{not json}" in log


def test_bad_input_is_one_sentence_with_a_remedy(client: WorkerClient) -> None:
    answers = ask(client, "check_cohort", cohort="/nowhere/at äll")
    assert client.wait()
    assert answers.error.kind == "input"
    assert "/nowhere/at äll" in answers.error.message
    assert answers.error.remedy.endswith(".")


def test_too_little_memory_is_said_and_the_worker_lives_on(client: WorkerClient) -> None:
    ram, gpu, after = ask(client, "exhaust"), ask(client, "exhaust", gpu=True), ask(client, "sleep")
    assert client.wait()
    assert ram.error.kind == gpu.error.kind == "memory"
    assert "memory" in ram.error.message
    assert "processor" in gpu.error.remedy
    assert after.result
    assert client.starts == 1


@posix_only
def test_worker_killed_by_hand_is_explained_and_the_next_request_starts_a_new_one(
    client: WorkerClient,
) -> None:
    answers = ask(client, "sleep", seconds=60)
    until(client, lambda: answers.progress)
    assert client.process_id is not None
    os.kill(client.process_id, signal.SIGKILL)
    until(client, lambda: answers.errors)
    assert answers.error.kind in ("crash", "memory")
    assert "killed" in answers.error.message
    assert answers.error.remedy
    assert not client.alive
    assert ask_and_wait(client, "sleep").result
    assert client.starts == 2


def ask_and_wait(client: WorkerClient, do: str, **args: Any) -> Answers:
    answers = ask(client, do, **args)
    assert client.wait()
    return answers


@posix_only
@pytest.mark.parametrize(
    ("do", "args", "words"),
    [
        ("segfault", {}, "crashed"),
        ("die", {}, "killed"),
        ("die", {"status": 3}, "the last words"),
        ("die", {"status": 139}, "crashed"),  # as a launcher tells of a crash
    ],
)
def test_every_death_has_a_readable_cause(
    client: WorkerClient, do: str, args: dict[str, Any], words: str
) -> None:
    answers = ask_and_wait(client, do, **args)
    assert words in answers.error.message
    assert "Traceback" not in str(answers.error)
    assert ask_and_wait(client, "sleep").result


@posix_only
def test_requests_that_waited_survive_the_death_of_the_worker(client: WorkerClient) -> None:
    first = ask(client, "die")
    volume = Volume(np.ones((2, 3, 4), np.float32), np.eye(4))
    second = ask(client, "echo", volume=volume)
    assert client.wait()
    assert first.error
    np.testing.assert_array_equal(second.result["volume"].array, volume.array)


@posix_only
def test_arrays_that_a_dead_worker_left_are_deleted(client: WorkerClient) -> None:
    assert ask_and_wait(client, "stray").error
    assert arrays_in(client) == []


@posix_only
def test_cancel_ends_the_worker_with_all_that_it_has_started(client: WorkerClient) -> None:
    answers = ask(client, "child")
    until(client, lambda: answers.progress)
    grandchild, worker = answers.progress[0]["done"], client.process_id
    assert worker is not None
    assert running(grandchild)
    client.cancel(answers.number)
    assert not answers.errors, "the news comes with poll"
    client.poll()
    assert answers.error.kind == "cancelled"
    until(client, lambda: not running(grandchild))
    assert not running(worker)


def test_others_in_the_row_go_to_a_new_worker_when_one_is_cancelled(client: WorkerClient) -> None:
    first, second = ask(client, "sleep", seconds=60), ask(client, "sleep")
    until(client, lambda: first.progress)
    client.cancel(first.number)
    assert client.wait()
    assert first.error.kind == "cancelled"
    assert second.result
    assert client.starts == 2


def test_cancelling_what_waits_leaves_the_worker_alone(client: WorkerClient) -> None:
    first = ask(client, "sleep", seconds=0.5)
    volume = Volume(np.ones((2, 3, 4), np.float32), np.eye(4))
    second = ask(client, "echo", volume=volume)
    assert len(arrays_in(client)) == 1
    client.cancel(second.number)
    assert arrays_in(client) == []
    assert client.wait()
    assert first.result
    assert second.error.kind == "cancelled"
    assert client.starts == 1


def test_cancelling_what_is_over_changes_nothing(client: WorkerClient) -> None:
    answers = ask_and_wait(client, "sleep")
    client.cancel(answers.number)
    assert client.wait()
    assert answers.result
    assert client.alive


def test_two_clients_at_once_do_not_meet(client: WorkerClient, tmp_path: Path) -> None:
    other = WorkerClient(WORKER, exchange=tmp_path / "Jürgens Köpfe 脳")
    try:
        volumes = [Volume(np.full((2, 2, 2), n, np.float32), np.eye(4)) for n in (1, 2)]
        one, two = ask(client, "echo", volume=volumes[0]), ask(other, "echo", volume=volumes[1])
        assert client.wait()
        assert other.wait()
        assert one.result["volume"].array.max() == 1
        assert two.result["volume"].array.max() == 2
        assert client.process_id != other.process_id
        assert client.exchange_folder != other.exchange_folder
    finally:
        other.stop()
    assert ask_and_wait(client, "sleep").result


def test_stop_in_the_middle_is_quick_leaves_nothing_and_tells_nobody(client: WorkerClient) -> None:
    answers = ask(client, "sleep", seconds=60)
    until(client, lambda: answers.progress)
    folder, process = client.exchange_folder, client.process_id
    assert folder is not None
    assert process is not None
    start = time.monotonic()
    client.stop()
    assert time.monotonic() - start < 5.0
    client.poll()
    assert not answers.errors
    assert not answers.results
    assert not folder.exists()
    assert not running(process)
    assert ask_and_wait(client, "sleep").result, "it may be used again"


def test_exception_in_a_callback_does_not_lose_the_other_answers(client: WorkerClient) -> None:
    def fail(result: dict[str, Any]) -> None:
        raise RuntimeError("a mistake of the panel")

    client.request("sleep", on_result=fail)
    after = ask(client, "sleep")
    with pytest.raises(RuntimeError, match="a mistake of the panel"):
        client.wait()
    assert client.wait()
    assert after.result


def test_requests_may_be_made_and_the_client_stopped_from_a_callback(client: WorkerClient) -> None:
    seen: list[str] = []

    def first(result: dict[str, Any]) -> None:
        seen.append("first")
        client.request("sleep", on_result=second)

    def second(result: dict[str, Any]) -> None:
        seen.append("second")
        client.stop()

    client.request("sleep", on_result=first)
    assert client.wait()
    assert seen == ["first", "second"]


def test_python_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    client = WorkerClient(tmp_path / "no python here")
    answers = ask_and_wait(client, "hello")
    assert answers.error.kind == "crash"
    assert "no python here" in answers.error.message
    assert "Python" in answers.error.remedy
    client.stop()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import a_package_that_is_missing", "the package a_package_that_is_missing is missing"),
        ("raise SystemExit(7)", "status 7"),
        ('import sys; sys.stdout.write(\'{"id": 1, "resu\'); sys.stdout.flush()', "ended unexpectedly"),
    ],
)
def test_worker_that_cannot_start_is_explained(tmp_path: Path, code: str, words: str) -> None:
    script = tmp_path / "worker.py"
    script.write_text(code, encoding="utf-8")
    client = WorkerClient([sys.executable, str(script)])
    answers = ask_and_wait(client, "hello")
    assert words in answers.error.message
    client.stop()


def test_environment_replaces_the_own_one(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, os, sys\n"
        "line = json.loads(sys.stdin.readline())\n"
        "print(json.dumps({'id': line['id'], 'result': dict(os.environ)}), flush=True)\n",
        encoding="utf-8",
    )
    client = WorkerClient([sys.executable, str(script)], environment={"ONLY": "this", "PYTHONPATH": "x"})
    result = ask_and_wait(client, "hello").result
    client.stop()
    assert result["ONLY"] == "this"
    assert "HOME" not in result
    assert str(ROOT) in result["PYTHONPATH"].split(os.pathsep), "the worker has to find the library"


@posix_only
def test_when_the_client_dies_its_worker_and_its_images_go_too(tmp_path: Path) -> None:
    """Slicer crashes: nobody is left to clean up, but images of patients must not stay behind."""
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from StrokeSynthLib.jobs.client import WorkerClient\n"
        "from StrokeSynthLib.volume import Volume\n"
        f"client = WorkerClient({WORKER!r}, exchange=Path({str(tmp_path)!r}))\n"
        "seen = []\n"
        "client.request('sleep', {'seconds': 60}, on_progress=seen.append)\n"
        "client.request('echo', {'volume': Volume(np.zeros((3, 3, 3)), np.eye(4))})\n"
        "while not seen: client.poll(0.05)\n"
        "print(client.process_id, flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    assert list(tmp_path.glob(PREFIX + "*/*.npy"))
    process.kill()
    process.wait()
    for _ in range(200):
        if not running(worker) and not list(tmp_path.glob(PREFIX + "*")):
            return
        time.sleep(0.05)
    pytest.fail(f"left: {list(tmp_path.rglob('*'))}, worker running: {running(worker)}")


def arrays_in(client: WorkerClient) -> list[Path]:
    assert client.exchange_folder is not None
    return list(client.exchange_folder.glob("*.npy"))
