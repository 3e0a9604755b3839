"""What the extensions index checks of an extension, without the network."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .file_lists import ROOT

ENTRY = ROOT / "Resources" / "ExtensionsIndex" / "StrokeSynth.json"
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
#: Of schema 1.0.2, which allows no others: key and type.
KEYS = {
    "$schema": str, "category": str, "scm_url": str, "scm_revision": str, "scm_type": str,
    "build_dependencies": list, "dicom_support_rule": str, "build_subdirectory": str, "enabled": bool,
    "tier": int,
}  # fmt: skip
REQUIRED = {"$schema", "category", "scm_url"}
SCHEMA = "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
#: What the index allows for a clone with its history (bytes).
LARGEST_CLONE = 100e6
LARGEST_HISTORY = 80e6


def entry() -> dict[str, object]:
    return json.loads(ENTRY.read_text(encoding="utf-8"))


def variable(name: str) -> str:
    """A variable of the root CMakeLists.txt, found as the index's script finds it: in one pair of quotes."""
    found = re.findall(rf'set\s*\({name}\s*"([^"]+)"\)', CMAKE)
    assert len(found) == 1, name
    return found[0]


def file_of(url: str) -> Path:
    """The file of this repository that a raw address of its main branch shows."""
    parts = urlsplit(url)
    assert parts.scheme == "https"
    owner, repository, branch, path = parts.path.lstrip("/").split("/", 3)
    assert f"https://github.com/{owner}/{repository}" == repository_url()
    assert branch == entry().get("scm_revision", "main")
    return ROOT / path


def repository_url() -> str:
    return str(entry()["scm_url"]).removesuffix(".git")


def test_entry_follows_the_schema() -> None:
    content = entry()
    assert content["$schema"] == SCHEMA
    assert set(content) >= REQUIRED
    for key, value in content.items():
        assert type(value) is KEYS[key], key
    assert 1 <= content.get("tier", 1) <= 5


def test_entry_and_project_have_the_extensions_name() -> None:
    names = re.findall(r"project\s*\(\s*([^\s\)\n\r]+)", CMAKE, re.IGNORECASE)
    assert names == [ENTRY.stem] == ["StrokeSynth"]


def test_category_is_one_that_the_index_has() -> None:
    assert entry()["category"] == "Image Synthesis"


def test_repository_is_named_as_the_index_wants() -> None:
    url = urlsplit(str(entry()["scm_url"]))
    assert url.scheme in ("git", "https")
    assert "slicer" in url.path.rsplit("/")[-1].lower()
    assert variable("EXTENSION_HOMEPAGE") == repository_url()


def test_icon_is_a_png_of_128_by_128() -> None:
    assert png_size(file_of(variable("EXTENSION_ICONURL"))) == (128, 128)


def test_screenshots_are_images_of_this_repository() -> None:
    for url in variable("EXTENSION_SCREENSHOTURLS").split():
        assert min(png_size(file_of(url))) > 200


def test_dependencies_are_the_same_for_cmake_and_the_index() -> None:
    assert variable("EXTENSION_DEPENDS").split() == entry()["build_dependencies"] == ["PyTorch"]


@pytest.mark.parametrize("name", ["EXTENSION_CONTRIBUTORS", "EXTENSION_DESCRIPTION", "EXTENSION_KEYWORDS"])
def test_what_the_extensions_manager_shows_is_there(name: str) -> None:
    text = variable(name)
    assert len(text) > 20
    assert "\n" not in text


def test_license_is_in_the_root() -> None:
    assert "Apache License" in (ROOT / "LICENSE.txt").read_text(encoding="utf-8")


def test_readme_has_what_the_index_asks_for() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# StrokeSynth\n")
    assert re.search(r"!\[.+\]\(Resources/Screenshots/\w+\.png\)", text)
    for heading in ("slicer", "license", "citation"):
        assert re.search(rf"^#+ .*{heading}", text, re.MULTILINE | re.IGNORECASE), heading


def test_clone_stays_within_the_indexs_limit() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    # What a clone transfers: every object once, however many packs this copy happens to hold it in.
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "rev-list", "--objects", "--no-object-names", "HEAD"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    sizes = subprocess.run(
        ["git", "-C", str(ROOT), "cat-file", "--batch-check=%(objectsize:disk)"],
        input=listed.stdout, capture_output=True, text=True, check=True,
    )  # fmt: skip
    history = sum(int(size) for size in sizes.stdout.split())
    checked_out = sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file() and _ours(path))
    assert 0 < history < LARGEST_HISTORY
    assert history + checked_out < LARGEST_CLONE


def _ours(path: Path) -> bool:
    return not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(ROOT).parts)


def png_size(path: Path) -> tuple[int, int]:
    """Width and height from the header of a PNG file."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n", path
    width, height = struct.unpack(">2I", head[16:24])
    return width, height
