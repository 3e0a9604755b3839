"""``strokesynth models``: what is shipped, and the card of a model."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from .console import Console

HELP = "List the models that come with StrokeSynth, or show the card of one."
EXAMPLE = "strokesynth models acute"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="show the card of this model (a shipped one, or a folder)"
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Print the list or the card."""
    from ..pipeline.catalog import ModelSummary, card_of, shipped, summary_of

    def values(model: ModelSummary) -> dict[str, object]:
        return {**asdict(model), "path": str(model.path), "megabytes": round(model.megabytes, 3)}

    if arguments.name is not None:
        card = card_of(arguments.name)
        console.result(card.rstrip(), {**values(summary_of(arguments.name)), "card": card})
        return
    models = shipped()
    rows = [("name", "kind", "size", "hash", "what it is")]
    rows += [(m.name, m.kind, _size(m.megabytes), m.hash[:12], m.title) for m in models]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[4]]))
        if number:
            lines.append(f"{'':{widths[0]}}  license: {models[number - 1].license}")
    console.result("\n".join(lines), {"models": [values(model) for model in models]})


def _size(megabytes: float) -> str:
    return f"{megabytes:.1f} MB" if megabytes >= 0.1 else f"{1000 * megabytes:.0f} kB"
