"""From the runs of a study to tables with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..evaluate.summary import LESION_FREE, STRATA, stratum_of
from .statistics import Estimate, difference, estimate

Result = Mapping[str, Any]

#: Score in the run files -> heading, factor, digits. The order is that of the tables.
SCORES: dict[str, tuple[str, float, int]] = {
    "dice": ("Dice, %", 100.0, 1),
    "lesion_f1": ("lesion F1, %", 100.0, 1),
    "absolute_volume_difference_ml": ("volume error, ml", 1.0, 1),
    "hausdorff95_mm": ("HD95, mm", 1.0, 1),
    "false_positive_ml": ("false positives in lesion-free cases, ml", 1.0, 2),
}
BASELINE = "clinical"


@dataclass(frozen=True)
class Row:
    """One line: an arm with a number of clinical cases.

    Parameters
    ----------
    arm, cases
        Which.
    estimates
        By score.
    gain
        Paired difference of Dice to the arm ``clinical`` with as many cases, or None.
    """

    arm: str
    cases: int
    estimates: Mapping[str, Estimate]
    gain: Estimate | None


def score_table(results: Sequence[Result], arm: str, cases: int, score: str) -> npt.NDArray[Any]:
    """Scores of an arm, shape (trainings, test cases), NaN where undefined; seeds and names sorted."""
    runs = sorted(
        (result for result in results if result["arm"] == arm and result["cases"] == cases),
        key=lambda result: int(result["seed"]),
    )
    names = sorted(runs[0]["scores"]) if runs else []
    return np.array(
        [[_number(run["scores"][name].get(score)) for name in names] for run in runs], float
    ).reshape(len(runs), len(names))


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def rows(results: Sequence[Result], seed: int = 0) -> list[Row]:
    """One row for each arm and number of cases, in the order of the results."""
    keys = list(dict.fromkeys((int(result["cases"]), str(result["arm"])) for result in results))
    out = []
    for cases, arm in sorted(keys, key=lambda key: (key[0], keys.index(key))):
        tables = {name: score_table(results, arm, cases, name) for name in SCORES}
        baseline = score_table(results, BASELINE, cases, "dice")
        gain = None
        if arm != BASELINE and baseline.shape == tables["dice"].shape and baseline.size:
            gain = difference(tables["dice"], baseline, seed)
        out.append(Row(arm, cases, {name: estimate(table, seed) for name, table in tables.items()}, gain))
    return out


def verdict(row: Row) -> str:
    """What the gain of an arm over clinical cases alone allows to say, in one sentence."""
    if row.gain is None:
        return ""
    if row.gain.low > 0:
        finding = "better than clinical cases alone"
    elif row.gain.high < 0:
        finding = "worse than clinical cases alone"
    else:
        finding = "no difference to clinical cases alone is shown"
    return f"{row.arm}, {row.cases} cases: {finding} ({row.gain.text(100)} Dice points)."


def strata(results: Sequence[Result], seed: int = 0) -> list[list[str]]:
    """Dice by reference volume: a heading line, then a line for each arm and number of cases.

    Lesion-free cases are left out: their Dice only says whether anything was marked.
    """
    names = [name for name in STRATA if name != LESION_FREE]
    lines = [["arm", "clinical cases", *names, "all with a lesion"]]
    for row in rows(results, seed):
        runs = [r for r in results if r["arm"] == row.arm and r["cases"] == row.cases]
        volumes = {name: _number(one.get("reference_ml")) for name, one in runs[0]["scores"].items()}
        order = sorted(volumes)
        table = score_table(results, row.arm, row.cases, "dice")
        cells = [row.arm, str(row.cases)]
        for stratum in (*names, None):
            chosen = [
                index
                for index, name in enumerate(order)
                if volumes[name] > 0 and stratum in (None, stratum_of(volumes[name]))
            ]
            text = estimate(table[:, chosen], seed).text(100) if chosen else "-"
            cells.append(f"{text} (n = {len(chosen)})" if chosen else text)
        lines.append(cells)
    return lines


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the first one headings, as an aligned Markdown table."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    out = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
    out.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(out)


def text_table(results: Sequence[Result], seed: int = 0) -> str:
    """The table for a terminal or a Markdown file: mean and 95 % interval."""
    headings = ["arm", "clinical cases", *(heading for heading, _, _ in SCORES.values()), "Dice gain"]
    lines = [headings]
    for row in rows(results, seed):
        cells = [row.arm, str(row.cases)]
        cells += [row.estimates[name].text(factor, digits) for name, (_, factor, digits) in SCORES.items()]
        cells.append(row.gain.text(100) if row.gain else "")
        lines.append(cells)
    return markdown(lines)
