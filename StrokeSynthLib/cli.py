"""The command line: ``strokesynth COMMAND ...``.

Exit status 0: done; 1: failed, one line says why; 2: bad input, one line says which file or
argument and what to do.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from . import RESEARCH_NOTICE, __version__

#: Command words -> module in ``commands/``. One line a command; ``--help`` lists these.
COMMANDS: dict[str, str] = {
    "demo": "demo",
    "simulate": "simulate",
    "lesion": "lesion",
    "map": "map",
    "train translator": "train_translator",
    "train segmenter": "train_segmenter",
    "train lesions": "train_lesions",
    "synthesize": "synthesize",
    "database": "database",
    "segment": "segment",
    "evaluate": "evaluate",
    "study": "study",
    "export": "export",
    "audit": "audit",
    "check": "check",
    "mosaic": "mosaic",
    "models": "models",
}

_DESCRIPTION = "Synthetic diffusion MR images of ischemic stroke, and lesion segmentation. " + RESEARCH_NOTICE


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _command_module(name: str) -> Any:
    return importlib.import_module(f".commands.{COMMANDS[name]}", __package__)


def build_parser(line: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser: every command with its help and an example.

    Given the command ``line``, only the command that it names gets its arguments: they say what the
    registries hold, which takes time to import.
    """
    from .commands import arguments

    named = None if line is None else [word for word in line if not word.startswith("-")][:2]

    parser = _Parser(prog="strokesynth", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"strokesynth {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    groups: dict[str, Any] = {}
    for name in COMMANDS:
        module = _command_module(name)
        parent, word = commands, name
        if " " in name:
            group, word = name.split(" ", 1)
            if group not in groups:
                holder = commands.add_parser(group, help=f"{group} a model of your own")
                groups[group] = holder.add_subparsers(
                    title="what", metavar="WHAT", required=True, parser_class=_Parser
                )
            parent = groups[group]
        details = f"\n\n{module.DETAILS}" if hasattr(module, "DETAILS") else ""
        sub = parent.add_parser(
            word, help=module.HELP, description=f"{module.HELP} {RESEARCH_NOTICE}{details}",
            epilog=f"example:\n  {module.EXAMPLE}", formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        if named is None or named[: len(name.split())] == name.split():
            module.add_arguments(sub)
        arguments.common(sub)
        sub.set_defaults(command=name)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    from .commands.console import Console
    from .errors import BadInputError, CancelledError, StrokeSynthError, missing_package
    from .stopping import Stopping

    try:
        arguments = build_parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    # Read before torch and numpy start their threads: two threads on a busy core are many
    # times slower than one, a waiting one must not spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    stopping = Stopping()
    console = Console(arguments.progress, stopping=stopping)
    try:
        with stopping.listening():
            _command_module(arguments.command).run(arguments, console)
        console.close()
        return 0
    except BadInputError as error:
        return _fail(console, str(error), 2)
    except (KeyboardInterrupt, CancelledError):
        return _fail(console, "stopped; what was finished before is kept.", 1)
    except StrokeSynthError as error:
        return _fail(console, str(error), 1)
    except MemoryError:
        return _fail(console, "out of memory; close other programs, or ask for less at a time.", 1)
    except BrokenPipeError:
        return 1
    except ModuleNotFoundError as error:
        advice = missing_package(error)
        return _fail(console, str(advice or f"{error}; install StrokeSynthLib again."), 1)
    except Exception as error:  # the last line of defense: a sentence, never a trace unless asked for
        if arguments.debug:
            raise
        text = f"unexpected {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        if "out of memory" in str(error).lower():
            text = "the GPU is out of memory; use --device cpu, or close other programs that use it."
        return _fail(console, f"{text} (run again with --debug for the full trace)", 1)


def _fail(console: Any, text: str, status: int) -> int:
    console.fail(" ".join(text.split()), status)
    return status


if __name__ == "__main__":
    sys.exit(main())
