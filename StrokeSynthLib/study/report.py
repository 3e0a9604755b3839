"""The report of a study: one HTML file that holds its pictures, readable without a network."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import RESEARCH_NOTICE, __version__
from ..files import write_text
from .tables import SCORES, Result, rows, strata, verdict

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; color: #222;
padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; font-size: .9rem; } td, th { border-bottom: 1px solid #ddd;
padding: .35rem .7rem; text-align: left; } img { max-width: 100%; } figure { margin: 1rem 0; }
figcaption { color: #555; font-size: .85rem; } .notice { background: #fff4d6; padding: .6rem 1rem;
border-left: 4px solid #e0a800; } code { background: #f3f3f3; padding: 0 .25rem; }
"""


@dataclass(frozen=True)
class Picture:
    """A picture of the report with the sentence under it."""

    png: bytes
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the report: heading, paragraphs, pictures."""

    heading: str
    paragraphs: Sequence[str] = ()
    pictures: Sequence[Picture] = ()


def _table(results: Sequence[Result], seed: int) -> str:
    headings = ["arm", "clinical cases", *(name for name, _, _ in SCORES.values()), "Dice gain over clinical"]
    lines = ["<tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in headings) + "</tr>"]
    for row in rows(results, seed):
        cells = [row.arm, str(row.cases)]
        cells += [row.estimates[name].text(factor, digits) for name, (_, factor, digits) in SCORES.items()]
        cells.append(row.gain.text(100) if row.gain else "")
        lines.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return "<table>" + "".join(lines) + "</table>"


def findings(results: Sequence[Result], seed: int = 0) -> list[str]:
    """One honest sentence for each comparison, whichever way it falls."""
    return [sentence for row in rows(results, seed) if (sentence := verdict(row))]


def write_report(
    path: Path,
    title: str,
    introduction: Sequence[str],
    results: Sequence[Result],
    sections: Sequence[Section],
    seed: int = 0,
) -> None:
    """Write ``report.html`` atomically: notice, table with intervals, findings, sections."""
    parts = [f"<h1>{html.escape(title)}</h1>", f'<p class="notice">{html.escape(RESEARCH_NOTICE)}</p>']
    parts += [f"<p>{html.escape(text)}</p>" for text in introduction]
    parts.append("<h2>Result</h2>" + _table(results, seed))
    parts.append("<p>Mean over test cases [95 % interval, bootstrap over trainings and cases].</p>")
    lines = [[html.escape(cell) for cell in line] for line in strata(results, seed)]
    body = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>" for line in lines]
    parts.append("<p>Dice, %, by volume of the reference lesion:</p><table>" + "".join(body) + "</table>")
    parts.append(
        "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in findings(results, seed)) + "</ul>"
    )
    for section in sections:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        parts += [f"<p>{html.escape(text)}</p>" for text in section.paragraphs]
        for picture in section.pictures:
            data = base64.b64encode(picture.png).decode()
            parts.append(
                f'<figure><img alt="" src="data:image/png;base64,{data}">'
                f"<figcaption>{html.escape(picture.caption)}</figcaption></figure>"
            )
    parts.append(f"<p>StrokeSynth {__version__}. {html.escape(RESEARCH_NOTICE)}</p>")
    write_text(
        path,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>"
        + "\n".join(parts)
        + "</body></html>\n",
    )
