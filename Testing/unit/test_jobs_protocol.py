"""Lines, arrays and causes of death: what client and worker agree on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.jobs import crash
from StrokeSynthLib.jobs.exchange import PREFIX, Exchange, PrivateFolder, packed, unpacked
from StrokeSynthLib.jobs.locks import Lock
from StrokeSynthLib.jobs.protocol import Failure, decode, encode, plain
from StrokeSynthLib.volume import Volume

VOLUME = Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]))


def test_a_message_is_one_line_of_ascii() -> None:
    line = encode({"path": "/home/Jürgen/脳\n", "lone": "\udcff", "nan": float("nan")})
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert decode(line) == {"path": "/home/Jürgen/脳\n", "lone": "\udcff", "nan": None}


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b"hello", b"\xff\xfe{}"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        decode(line)


def test_values_become_what_json_has() -> None:
    value = {1: np.float32(0.5), "b": (np.int64(3), Path("a b")), "c": np.array([1, 2]), "d": np.inf}
    assert plain(value) == {"1": 0.5, "b": [3, "a b"], "c": [1, 2], "d": None}


def test_a_sentence_of_the_library_is_split_into_cause_and_remedy() -> None:
    failure = Failure.of_sentence("input", "a.nii: is empty;\n  really; export it again.")
    assert failure == Failure("input", "a.nii: is empty; really.", "Export it again.")
    assert Failure.of_sentence("input", "No way.") == Failure("input", "No way.", "")


@pytest.mark.parametrize("value", [None, [], {"kind": "new", "message": ""}, {"message": 3}])
def test_an_error_of_any_form_can_be_shown(value: object) -> None:
    failure = Failure.from_message(value)
    assert failure.kind == "internal"
    assert failure.message


def test_volumes_anywhere_in_a_message_are_replaced_and_found_again(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    sent = packed({"a": [VOLUME, {"b": VOLUME.array}], "c": "text"}, exchange)
    json.dumps(sent)
    got = unpacked(sent, exchange)
    np.testing.assert_array_equal(got["a"][0].array, VOLUME.array)
    np.testing.assert_array_equal(got["a"][1]["b"], VOLUME.array)
    assert got["c"] == "text"
    assert not list(tmp_path.iterdir())


def test_a_file_outside_of_the_exchange_is_neither_read_nor_deleted(tmp_path: Path) -> None:
    own, other = tmp_path / "exchange", tmp_path / "a patient's.npy"
    own.mkdir()
    np.save(other, VOLUME.array)
    for path in (other, own / ".." / other.name):
        with pytest.raises(BadInputError, match="not in the exchange folder"):
            Exchange(own).take({"array": str(path)})
        Exchange(own).discard({"array": str(path)})
    assert other.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"affine": [[1]]}, "cannot be used"),
        ({"affine": np.zeros((4, 4)).tolist()}, "inverted"),
        ({"affine": "x"}, "not described as agreed"),
        ({"storage": {"dtype": "int16", "slope": "x"}}, "not described as agreed"),
    ],
)
def test_a_volume_that_does_not_fit_together_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    exchange = Exchange(tmp_path)
    with pytest.raises(BadInputError, match=words):
        exchange.take_volume({**exchange.put_volume(VOLUME), **change})


def test_a_damaged_array_is_refused_and_removed(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    sent = exchange.put(VOLUME.array)
    Path(sent["array"]).write_bytes(b"\x93NUMPY")
    with pytest.raises(BadInputError, match="cannot be read"):
        exchange.take(sent)
    assert not list(tmp_path.iterdir())


def test_pickles_are_not_read(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    np.save(tmp_path / "evil.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(BadInputError, match="cannot be read"):
        exchange.take({"array": str(tmp_path / "evil.npy")})


def test_only_the_user_can_look_into_the_folder(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "nöw")
    if os.name == "posix":
        assert folder.path.stat().st_mode & 0o077 == 0
    folder.remove()
    assert not folder.path.exists()


def test_folders_of_clients_that_are_gone_are_removed_by_the_next(tmp_path: Path) -> None:
    living = PrivateFolder(tmp_path)
    gone = tmp_path / (PREFIX + "gone")
    gone.mkdir()
    (gone / "image.npy").write_bytes(b"")
    (gone / "in-use").write_bytes(b"")
    for folder in (living.path, gone):
        os.utime(folder / "in-use", (time.time() - 3600,) * 2)
    (tmp_path / "other").mkdir()
    third = PrivateFolder(tmp_path)
    assert not gone.exists()
    assert living.path.exists()
    assert (tmp_path / "other").exists()
    living.remove()
    third.remove()


def test_a_lock_is_free_when_its_holder_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys; from pathlib import Path; from StrokeSynthLib.jobs.locks import Lock\n"
        f"lock = Lock(Path({str(path)!r}))\n"
        "print(lock.acquire(), flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    mine = Lock(path)
    assert mine.held()
    assert not mine.acquire()
    holder.kill()
    holder.wait()
    assert not mine.held()
    assert mine.acquire()
    mine.release()


def test_without_its_file_a_lock_is_free(tmp_path: Path) -> None:
    assert not Lock(tmp_path / "none").held()


@pytest.mark.parametrize(
    ("status", "lines", "kind", "words"),
    [
        (1, ["MemoryError"], "memory", "ran out of memory"),
        (1, ["torch.OutOfMemoryError: CUDA out of memory."], "memory", "graphics card"),
        (1, ["terminate called after throwing std::bad_alloc"], "memory", "ran out of memory"),
        (
            1,
            ["ModuleNotFoundError: No module named 'scipy.ndimage'"],
            "crash",
            "the package scipy is missing",
        ),
        (1, ["ImportError: libgomp.so.1: cannot open shared object file"], "crash", "libgomp.so.1"),
        (-signal.SIGSEGV, [], "crash", "memory that is not its own"),
        (0xC0000005, [], "crash", "memory that is not its own"),
        (0xC0000005 - 2**32, [], "crash", "memory that is not its own"),
        (0xC0000017, [], "memory", "memory ran out"),
        (0xC0000135, [], "crash", "a library is missing"),
        (1, ["", "ValueError: of some kind.", ""], "crash", "ValueError: of some kind."),
        (None, [], "crash", "unexpectedly"),
    ],
)
def test_a_death_is_explained(status: int | None, lines: list[str], kind: str, words: str) -> None:
    failure = crash.explain(status, lines)
    assert failure.kind == kind
    assert words in failure.message
    assert failure.remedy
    assert failure.message.count(". ") == 0, "one sentence"


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize(
    ("before", "now", "kind"), [(3, 4, "memory"), (3, 3, "crash"), (None, 3, "memory"), (3, None, "memory")]
)
def test_killed_for_memory_and_killed_by_hand_are_told_apart_where_the_system_counts(
    monkeypatch: pytest.MonkeyPatch, before: int | None, now: int | None, kind: str
) -> None:
    monkeypatch.setattr(crash, "oom_kills", lambda: now)
    assert crash.explain(-signal.SIGKILL, [], kills_before=before).kind == kind


def test_worker_answers_a_broken_line_and_goes_on(tmp_path: Path) -> None:
    lines = [b"{broken\n", b"\xff\xfe\n", b'{"do": "hello"}\n', b'{"id": 7, "do": "nothing", "args": {}}\n',
             encode({"id": 8, "do": "unload", "args": {}, "exchange": str(tmp_path)})]  # fmt: skip
    worker = subprocess.run(
        [sys.executable, "-m", "StrokeSynthLib.jobs.worker"], input=b"".join(lines), capture_output=True,
        check=True,
    )  # fmt: skip
    answers = [json.loads(line) for line in worker.stdout.splitlines() if line]
    assert [answer["id"] for answer in answers] == [None, None, None, 7, 8]
    assert all("could not be read" in answer["error"]["message"] for answer in answers[:3])
    assert "nothing: is no operation" in answers[3]["error"]["message"]
    assert answers[4]["result"] == {}


def test_worker_ends_when_its_input_ends() -> None:
    worker = subprocess.run(
        [sys.executable, "-m", "StrokeSynthLib.jobs.worker"], input=b"", check=False, timeout=30
    )
    assert worker.returncode == 0
