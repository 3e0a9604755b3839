"""The tree that CMake makes of the extension works by itself, without the source tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .file_lists import ROOT, present

MODULES_FOLDER = Path("lib") / "Slicer-5.12" / "qt-scripted-modules"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the extension's own CMakeLists.txt files, in a folder with blanks and an umlaut in its name."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("CMake is not installed")
    build = tmp_path_factory.mktemp("packäge tree")
    made = subprocess.run(
        [cmake, "-S", str(ROOT), "-B", str(build), "-DBUILD_TESTING=ON",
         f"-DSlicer_DIR={Path(__file__).parent / 'slicer'}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "CMAKE_C_COMPILER" in made.stderr:
        pytest.skip("CMake finds no compiler, which project() asks for")
    assert made.returncode == 0, made.stderr
    return build / MODULES_FOLDER


def test_it_holds_what_belongs_to_the_extension(tree: Path) -> None:
    found = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    library = {f"StrokeSynthLib/{name}" for name in present("StrokeSynthLib")}
    assert found == present("StrokeSynth") | library


def test_slicer_takes_nothing_in_it_for_a_module_but_the_module(tree: Path) -> None:
    assert [path.name for path in tree.glob("*.py")] == ["StrokeSynth.py"]


def test_the_worker_runs_from_it_and_finds_the_shipped_models(tree: Path) -> None:
    """As in Slicer: the folder of modules is on the path, the library is not installed."""
    code = (
        "import json, sys\n"
        "from StrokeSynthLib.jobs.client import WorkerClient\n"
        "client = WorkerClient(sys.executable)\n"
        "client.request('hello', on_result=lambda found: print(json.dumps(found)), on_error=print)\n"
        "client.wait()\n"
        "client.stop()"
    )
    answer = run_in(tree, ["-c", code])
    models = json.loads(answer.stdout)["models"]
    assert {"acute", "anatomy", "territories", "threshold"} <= {model["name"] for model in models}


def test_the_command_line_runs_from_it(tree: Path) -> None:
    answer = run_in(tree, ["-m", "StrokeSynthLib.cli", "--help"])
    assert answer.returncode == 0, answer.stderr
    assert "segment" in answer.stdout


def test_each_part_of_the_library_can_be_imported_from_it(tree: Path) -> None:
    """A file that is missing from the lists shows here too."""
    rooms = sorted(
        f"StrokeSynthLib.{path.stem}"
        for path in (tree / "StrokeSynthLib").glob("*.py")
        if path.stem[0] != "_"
    )
    code = (
        "import importlib, sys\n"
        f"for name in {rooms}: importlib.import_module(name)\n"
        "print(sys.modules['StrokeSynthLib'].__file__)"
    )
    answer = run_in(tree, ["-c", code])
    assert answer.returncode == 0, answer.stderr
    assert Path(answer.stdout.strip()).parents[1] == tree


#: Opens the module as Slicer does: argv is the module's file, the folders of modules, and the host's root.
OPEN = """
import sys
from pathlib import Path

module, folders, root = Path(sys.argv[1]), sys.argv[2].split("|"), sys.argv[3]
sys.path.append(root)
from Testing.Host.install import install, missing
reason = missing()
if reason:
    print("skip:", reason)
    raise SystemExit
install()
from Testing.Host.host import Host
# From here on only what Slicer has: its packages and the folders of modules.
sys.path = folders + [path for path in sys.path if path != root]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
host = Host(Path(sys.argv[4]))
widget = host.load_module(module)
host.process()
import StrokeSynthLib, StrokeSynthWidgets
print(Path(StrokeSynthLib.__file__).parents[1])
print(Path(StrokeSynthWidgets.__file__).parents[1])
host.end()
"""


def opened(module: Path, folder: Path, tmp_path: Path) -> list[Path]:
    """Where the library and the panel's files come from when Slicer opens the module."""
    answer = subprocess.run(
        [sys.executable, "-c", OPEN, str(module), str(folder), str(ROOT), str(tmp_path / "slicer")],
        capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, timeout=180, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "STROKESYNTH_HOME": str(tmp_path / "data")},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.strip().splitlines()
    if lines and lines[0].startswith("skip:"):
        pytest.skip(lines[0])
    return [Path(line) for line in lines[-2:]]


def test_the_module_opens_from_the_package_tree(tree: Path, tmp_path: Path) -> None:
    assert opened(tree / "StrokeSynth.py", tree, tmp_path) == [tree, tree]


def test_the_module_opens_from_a_source_checkout(tmp_path: Path) -> None:
    """Only the module's own folder is on the path then; the module finds the library beside it."""
    checkout = tmp_path / "source chäckout"
    for name in ("StrokeSynth", "StrokeSynthLib"):
        for file in present(name):
            (checkout / name / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name / file, checkout / name / file)
    module = checkout / "StrokeSynth"
    assert opened(module / "StrokeSynth.py", module, tmp_path) == [checkout, module]


def run_in(tree: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, encoding="utf-8",
        env=environment, cwd=tree.anchor, timeout=120, check=False,
    )  # fmt: skip
