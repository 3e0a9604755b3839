"""Writing is all or nothing; JSON is JSON."""

import os
import re
import stat
from pathlib import Path

import pytest

from StrokeSynthLib import files
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import (
    check_output_folder,
    check_outputs,
    read_json,
    replacing,
    replacing_folder,
    restore_folder,
    sha256_of,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail():
        with replacing(path) as part:
            part.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_the_temporary_file_keeps_the_whole_ending(tmp_path):
    with replacing(tmp_path / "a.b.nii.gz") as part:
        assert part.name.endswith(".nii.gz")
        part.write_text("x")


def test_others_may_read_what_is_written(tmp_path):
    write_text(tmp_path / "a.txt", "x")
    assert (tmp_path / "a.txt").stat().st_mode & stat.S_IRUSR


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "model"
    for name in ("old", "new"):
        with replacing_folder(folder) as part:
            (part / name).write_text(name)
    assert [p.name for p in folder.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_fails_does_not_appear(tmp_path):
    def fail():
        with replacing_folder(tmp_path / "model") as part:
            (part / "x").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())


def test_writing_below_a_file_is_bad_input(tmp_path):
    write_text(tmp_path / "a", "x")
    with pytest.raises(BadInputError, match="cannot be written"):
        write_text(tmp_path / "a" / "b.txt", "x")


def test_json_round_trip_keeps_other_alphabets(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Müller 大"})
    assert read_json(tmp_path / "a.json") == {"name": "Müller 大"}
    assert "大" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_nan_is_not_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b""])
def test_broken_json_is_bad_input_that_names_the_file(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BadInputError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_hash_depends_on_order_and_content(tmp_path):
    write_text(tmp_path / "a", "1")
    write_text(tmp_path / "b", "2")
    a, b = tmp_path / "a", tmp_path / "b"
    assert sha256_of(a, b) != sha256_of(b, a)
    assert sha256_of(a) == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a-file/below.nii.gz", "cannot be written"),
        ("a-folder", "is a folder"),
        ("a-pipe", "no ordinary file"),
        ("input.nii.gz", "is an input"),
        ("a-folder/../input.nii.gz", "is an input"),
    ],
)
def test_outputs_are_refused_before_any_work(tmp_path, name, words):
    write_text(tmp_path / "a-file", "x")
    write_text(tmp_path / "input.nii.gz", "x")
    (tmp_path / "a-folder").mkdir()
    os.mkfifo(tmp_path / "a-pipe")
    with pytest.raises(BadInputError, match=f"{re.escape(name)}: .*{words}"):
        check_outputs([tmp_path / name], [tmp_path / "input.nii.gz"])


def test_outputs_in_new_folders_are_accepted_and_nothing_is_made(tmp_path):
    check_outputs([tmp_path / "new" / "deep" / "a.nii.gz", None, tmp_path / "b.nii.gz"])
    check_output_folder(tmp_path / "new" / "folder")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where nobody may write")
def test_a_place_where_nobody_may_write_is_refused_before_any_work():
    with pytest.raises(BadInputError, match="cannot be written"):
        check_outputs(["/proc/new/a.nii.gz"])
    with pytest.raises(BadInputError, match="cannot be written"):
        check_output_folder("/proc/new")


def test_folder_outputs_are_no_files_and_hold_nothing_strange(tmp_path):
    write_text(tmp_path / "file", "x")
    write_text(tmp_path / "thesis" / "chapter.txt", "x")
    write_text(tmp_path / "model" / "model.json", "{}")
    with pytest.raises(BadInputError, match="is a file, a folder is needed"):
        check_output_folder(tmp_path / "file")
    with pytest.raises(BadInputError, match=r"thesis: is not empty and holds no model\.json"):
        check_output_folder(tmp_path / "thesis", "model.json")
    check_output_folder(tmp_path / "model", "model.json")
    check_output_folder(tmp_path / "thesis")


def test_a_folder_comes_back_when_its_replacement_was_killed_half_way(tmp_path, monkeypatch):
    target = tmp_path / "model [1].resume"
    with replacing_folder(target) as temporary:
        (temporary / "state").write_text("first")
    moved = []

    def killed(source, place):
        if moved:
            raise KeyboardInterrupt
        moved.append(place)
        Path(source).rename(place)

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt), replacing_folder(target) as temporary:
            (temporary / "state").write_text("second")
    assert not target.exists()
    restore_folder(target)
    assert (target / "state").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    restore_folder(target)
    restore_folder(tmp_path / "never there")
    assert (target / "state").read_text() == "first"
