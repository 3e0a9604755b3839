"""Writing is all or nothing; JSON is JSON."""

import stat

import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import read_json, replacing, replacing_folder, sha256_of, write_json, write_text


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
