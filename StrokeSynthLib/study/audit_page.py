"""The page of an audit: verdict, questions, distributions, and the closest pairs side by side."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import RESEARCH_NOTICE, __version__
from ..evaluate.copies import Match
from ..evaluate.likeness import alike_slices
from ..evaluate.verdict import Finding
from ..files import write_text
from ..pipeline.audit import Audit
from .figures import Panel, distributions, panel_rows
from .report import STYLE

Array = npt.NDArray[Any]

_ANSWERS = {True: ("pass", "#1a7f37"), False: ("FAIL", "#b42318"), None: ("not judged", "#666")}
_PAIRS = 4
_DISTRIBUTIONS = (
    "Each synthetic case beside real cases compared in the same way. Right of the line a case counts as a "
    "copy. Ratio: distance to the nearest training case over distance to the nearest held-out case; 1 is "
    "equally far, 0 a copy."
)
_CLOSEST = (
    "The synthetic cases with the strongest evidence, and the real case that each is most like, in standard "
    "space: the slice in which they agree most, of the part that is named with its correlation. Detail is "
    "what is compared. A mirrored match is shown mirrored."
)


def write_page(path: Path, audit: Audit) -> None:
    """Write the page as one HTML file that holds its pictures."""
    verdict = "Passed" if audit.passed else "Failed: " + ", ".join(audit.failed)
    if audit.unanswered:
        verdict += f" (not answered: {', '.join(audit.unanswered)})"
    title = f"Audit of {audit.cohorts['synthetic']['name']}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="notice">{html.escape(RESEARCH_NOTICE)} A pass means that what was looked for was not '
        "found; it is no proof of anonymity.</p>",
        f"<h2>{html.escape(verdict)}</h2>",
        f"<p>{len(audit.synthetic)} synthetic cases against {audit.cohorts['training']['cases']} training "
        f"cases and {audit.cohorts['control']['cases']} control cases "
        f"({html.escape(audit.cohorts['control']['name'])}).</p>",
        _questions(audit.findings),
        *_figure(_distributions(audit), _DISTRIBUTIONS),
        "<h2>Closest pairs</h2>",
        *_figure(panel_rows(_pairs(audit)), _CLOSEST),
        f"<p>StrokeSynth {__version__}. {html.escape(RESEARCH_NOTICE)}</p>",
    ]  # fmt: skip
    write_text(
        path,
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>" + "\n".join(parts) + "</body></html>\n",
    )


def _questions(findings: Sequence[Finding]) -> str:
    lines = ["<tr><th></th><th>question</th><th>found</th><th>passes with</th></tr>"]
    for finding in findings:
        word, color = _ANSWERS[finding.passed]
        cells = [finding.question, finding.sentence, finding.rule]
        lines.append(
            f'<tr><td style="color:{color};font-weight:600">{word}</td>'
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    return "<table>" + "".join(lines) + "</table>"


def _figure(png: bytes, caption: str) -> list[str]:
    data = base64.b64encode(png).decode()
    return [
        f'<figure><img alt="" src="data:image/png;base64,{data}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    ]


def _distributions(audit: Audit) -> bytes:
    privacy = audit.privacy
    return distributions(
        [
            ("evidence of a copy", {"synthetic": privacy.evidence, "real, other people": privacy.control},
             privacy.threshold),
            ("nearest training / nearest held-out", {"synthetic": privacy.ratios,
             "held out, among themselves": privacy.control_ratios}, None),
        ]
    )  # fmt: skip


def _pairs(audit: Audit) -> list[tuple[str, list[Panel]]]:
    matches = sorted(audit.privacy.matches, key=lambda m: -m.evidence)[:_PAIRS]
    return [(f"{m.part}, {m.correlation:.2f}", _panels(audit, m)) for m in matches]


def _panels(audit: Audit, match: Match) -> list[Panel]:
    own, other = audit.synthetic[match.case], audit.real[match.reference]
    both = [measured.standard.channels[match.channel] for measured in (own, other)]
    turned = both[1].detail[::-1] if match.mirrored else both[1].detail
    slices = alike_slices(both[0].detail, turned, match.part)
    panels = []
    for word, measured, seen, number in zip(("synthetic", "real"), (own, other), both, slices, strict=True):
        flip = match.mirrored and measured is other
        limits = {"dwi": (0.0, 2.2), "adc": (0.0, 2.5), "b0": (0.0, 2.5)}[match.channel]
        for kind, array, window in (("", seen.image, limits), ("detail of ", seen.detail, (-2.5, 2.5))):
            image = np.asarray(array[:, :, number], np.float32)
            title = f"{kind}{word} {measured.name}" if not kind else f"{kind}{word}"
            panels.append(Panel(title, image[::-1] if flip else image, window, {}))
    return [panels[0], panels[2], panels[1], panels[3]]
