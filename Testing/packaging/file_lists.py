"""The files that the extension ships, as CMake lists them and as they are in the tree.

CMake copies only what is listed. ``python -m Testing.packaging.file_lists`` writes the lists anew.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Folders with a list each.
MODULES = ("StrokeSynth", "StrokeSynthLib")
_LIST = re.compile(r"set\((MODULE_PYTHON_\w+)\n(.*?)\n?  \)", re.DOTALL)


def present(module: str) -> set[str]:
    """Files of a module's folder, without CMake's own and what git ignores."""
    folder = ROOT / module
    listing = subprocess.run(
        ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=False,
    )  # fmt: skip
    if listing.returncode == 0 and listing.stdout:
        names = [name for name in listing.stdout.decode().split("\0") if (folder / name).is_file()]
    else:
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    hidden = ("__pycache__", ".")
    return {
        name for name in names
        if name and name != "CMakeLists.txt" and not any(part.startswith(hidden) for part in name.split("/"))
    }  # fmt: skip


def listed(module: str) -> dict[str, list[str]]:
    """The lists of a module's CMakeLists.txt by name."""
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    return {name: content.split() for name, content in _LIST.findall(text)}


def write(module: str) -> None:
    """Bring the lists up to date."""
    files = sorted(present(module))
    lists = {
        "MODULE_PYTHON_SCRIPTS": [name for name in files if name.endswith(".py")],
        "MODULE_PYTHON_RESOURCES": [name for name in files if not name.endswith(".py")],
    }
    path = ROOT / module / "CMakeLists.txt"
    text = path.read_text(encoding="utf-8")
    for name, names in lists.items():
        entries = "".join(f"  {entry}\n" for entry in names)
        start = text.index(f"set({name}\n")
        end = text.index("  )", start)
        text = f"{text[:start]}set({name}\n{entries}{text[end:]}"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for each in MODULES:
        write(each)
