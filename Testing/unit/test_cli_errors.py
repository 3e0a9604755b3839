"""The command line answers bad input with one line and the right status, never a trace."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from StrokeSynthLib import RESEARCH_NOTICE
from StrokeSynthLib.cli import COMMANDS, build_parser, main


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "StrokeSynthLib.cli", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"strokesynth {command}" in text
    assert "example:" in text
    assert "research use only" in text


def test_help_imports_no_library_that_takes_time() -> None:
    code = (
        "import sys; from StrokeSynthLib.cli import main; main(['--help']);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'monai', 'SimpleITK', 'scipy', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_help_answers_within_half_a_second_of_processor_time() -> None:
    run("--help")
    start = time.perf_counter()
    assert run("--help").returncode == 0
    # Generous against a busy machine; an accidental import of torch alone costs more.
    assert time.perf_counter() - start < 1.5


def test_missing_file_is_one_line_and_status_two(tmp_path: Path) -> None:
    answer = run("segment", "--dwi", str(tmp_path / "nö file.nii.gz"), "--out", str(tmp_path / "m.nii.gz"))
    assert answer.returncode == 2
    assert len(answer.stderr.strip().splitlines()) <= 2  # a stage line may stand above it
    assert "nö file.nii.gz" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_unknown_argument_is_one_line_and_status_two() -> None:
    answer = run("simulate", "--cases", "0", "--out", "x")
    assert answer.returncode == 2
    assert len(answer.stderr.strip().splitlines()) == 1


def test_no_command_is_status_two() -> None:
    assert run().returncode == 2


def test_json_mode_reports_errors_as_an_event(tmp_path: Path) -> None:
    answer = run("check", "--cohort", str(tmp_path / "none"), "--progress", "json")
    assert answer.returncode == 2
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    assert events[-1]["event"] == "error"
    assert events[-1]["status"] == 2


@pytest.mark.parametrize(
    "line", ["simulate --cases 3 --out x", "train translator --kind physics --cohort c --out m"]
)
def test_the_parser_of_one_command_reads_it_as_the_whole_parser_does(line: str) -> None:
    words = line.split()
    assert build_parser(words).parse_args(words) == build_parser().parse_args(words)


def test_version_is_printed() -> None:
    assert run("--version").stdout.startswith("strokesynth ")


def test_notice_stands_under_every_output(tmp_path: Path) -> None:
    from StrokeSynthLib.commands.console import Console

    class Stream:
        text = ""

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return False

    stream = Stream()
    Console("bar", err=stream).close()  # type: ignore[arg-type]
    assert RESEARCH_NOTICE in stream.text
