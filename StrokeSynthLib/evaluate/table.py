"""A summary as text that reads well in a terminal."""

from __future__ import annotations

import math

from .summary import ALL, LESION_FREE, Estimate, Summary

# Score, heading, factor, digits.
_COLUMNS = (
    ("dice", "Dice %", 100.0, 1),
    ("lesion_f1", "lesion F1 %", 100.0, 1),
    ("absolute_volume_difference_ml", "volume error ml", 1.0, 1),
    ("hausdorff95_mm", "HD95 mm", 1.0, 1),
    ("false_positive_ml", "false pos. ml", 1.0, 2),
)


def summary_table(summary: Summary) -> str:
    """Lines of a table: a row per stratum, mean [95 % interval] per score."""
    rows = [["", "cases", *(heading for _, heading, _, _ in _COLUMNS)]]
    for name, estimates in summary.strata.items():
        row = [name, str(summary.cases[name])]
        for measure, _, factor, digits in _COLUMNS:
            # Whoever predicts nothing has a Dice of 1 there; the false-positive volume says it all.
            hidden = name == LESION_FREE and measure in ("dice", "lesion_f1")
            row.append("-" if hidden else _text(estimates[measure], factor, digits))
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.append("")
    lines.append("Mean [95 % bootstrap interval over cases]. False positives: on lesion-free cases only.")
    if LESION_FREE in summary.strata:
        lines.append(f'In "{ALL}", a lesion-free case has Dice and F1 of 1 without false positives, else 0.')
    return "\n".join(lines)


def _text(estimate: Estimate, factor: float, digits: int) -> str:
    if estimate.cases == 0:
        return "-"
    mean = f"{estimate.mean * factor:.{digits}f}"
    if math.isnan(estimate.low):
        return mean
    return f"{mean} [{estimate.low * factor:.{digits}f}, {estimate.high * factor:.{digits}f}]"
