"""Tables and figure of learned_lesions.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

MEDIANS = ("volume", "components", "sphericity", "largest", "smallest", "gap")


def report(result: dict[str, Any], about: str) -> str:
    """The tables, after what they mean."""

    def interval(v: list[float]) -> str:
        return f"{v[0]:.2f} ({v[1]:.2f} to {v[2]:.2f})"

    lines = [
        "# Learned, procedural and real lesions",
        "",
        *about.split("\n\n", 2)[2].strip().splitlines(),
    ]
    numbers = ", ".join(f"{k} {v}" for k, v in result["numbers"].items())
    lines += ["", f"Number of lesions: {numbers}."]
    for title, key in (
        ("Distance to held-out masks (0 is best)", "distances"),
        ("Distance at equal volumes", "at_equal_volumes"),
    ):
        names = list(next(iter(result[key].values())))
        lines += ["", f"## {title}", "", "| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
        lines += [
            f"| {group} | " + " | ".join(interval(values[n]) for n in names) + " |"
            for group, values in result[key].items()
        ]
    lines += ["", "## Medians (quartiles)", "",
              "| | volume, share of brain | components | sphericity | largest | smallest, ml | gap, mm "
              "| on both sides |",
              "| --- |" + " --- |" * 7]  # fmt: skip
    for group, values in result["medians"].items():
        cells = [f"{v[2]:.4g} ({v[1]:.3g} to {v[3]:.3g})" for v in (values[n] for n in MEDIANS)]
        cells.append(f"{values['on_both_sides']:.0%}")
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    lines += ["", "## Median sphericity by fifth of the held-out masks' volumes, small to large", "",
              "| | 1 | 2 | 3 | 4 | 5 |", "| --- |" + " --- |" * 5]  # fmt: skip
    lines += [
        f"| {group} | " + " | ".join(f"{v:.2f}" for v in values) + " |"
        for group, values in result["sphericity_by_volume"].items()
    ]
    lines += [
        "",
        "## Coverage",
        "",
        "| | precision | recall | density | coverage |",
        "| --- |" + " --- |" * 4,
    ]
    lines += [
        f"| {group} | " + " | ".join(f"{v:.2f}" for v in values.values()) + " |"
        for group, values in result["coverage"].items()
    ]
    lines += ["", "## Copies: nearest training mask over nearest unseen mask", "",
              "| | median (interval) | smallest |", "| --- | --- | --- |"]  # fmt: skip
    lines += [f"| {group} | {interval(v)} | {v[3]:.2f} |" for group, v in result["copies"].items()]
    lines += ["", "## What was asked for", "",
              "Before: volume at level zero over the volume made (10th, 50th, 90th percentile).", "",
              "| source | asked | made | volume within 20 % | on the side | in the territory | at once "
              "| before |", "| --- |" + " --- |" * 7]  # fmt: skip
    for source, requests in result["asked"].items():
        for request, v in requests.items():
            learned = "learned" in source
            before = ", ".join(f"{b:.2f}" for b in v["before_over_after"]) if learned else "-"
            at_once = f"{v['at_once']:.0%}" if learned else "-"
            lines.append(
                f"| {source} | {request} | {v['made']:.0%} | {v['volume']:.0%} | {v['side']:.0%} | "
                f"{v['territory']:.0%} | {at_once} | {before} |"
            )
    lines += ["", "## Cost", "", "| | CPU seconds a lesion | failed |", "| --- | --- | --- |"]
    lines += [f"| {n} | {c['cpu_seconds']} | {c['failed']} |" for n, c in result["cost"].items()]
    lines += _refused(result["cost"], result["numbers"]) + _further_seeds(result)
    return "\n".join(lines) + "\n"


def _refused(cost: dict[str, Any], numbers: dict[str, int]) -> list[str]:
    """What was refused by sources that count it, nothing being asked: per 100 lesions."""
    counted = {name: c["refused"] for name, c in cost.items() if c["refused"]}
    reasons = sorted({reason for refused in counted.values() for reason in refused})
    lines = ["", "## Refused, per 100 lesions of which nothing was asked", "",
             "| | " + " | ".join(counted) + " |", "| --- |" + " --- |" * len(counted)]  # fmt: skip
    for reason in reasons:
        cells = [f"{100 * refused.get(reason, 0) / numbers[name]:.1f}" for name, refused in counted.items()]
        lines.append(f"| {reason} | " + " | ".join(cells) + " |")
    return lines


def _further_seeds(result: dict[str, Any]) -> list[str]:
    """Distances and coverage of the same models with other draws."""
    if not result["further_seeds"]:
        return []
    names = ("volume", "components", "sphericity", "largest", "smallest", "gap", "arteries")
    lines = ["", "## Further seeds", "", "| | " + " | ".join(names) + " | density | coverage |",
             "| --- |" + " --- |" * (len(names) + 2)]  # fmt: skip
    for group, values in result["further_seeds"].items():
        cells = [f"{values['distances'][name][0]:.2f}" for name in names]
        cells += [f"{values['coverage'][name]:.2f}" for name in ("density", "coverage")]
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return lines


def figure(groups: dict[str, list[Any]], path: Path) -> None:
    """Cumulated distributions, and twelve lesions of each group in their largest axial slice, by volume."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 12
    plot = plt.figure(figsize=(16, 3.4 + 1.35 * len(groups)))
    rows = plot.subfigures(2, 1, height_ratios=[3.4, 1.35 * len(groups)])
    axes = rows[0].subplots(1, 6)
    for name, group in groups.items():
        for axis, (label, of) in zip(axes, (
            ("volume, share of brain", [m.volume for m in group]),
            ("components", [m.components for m in group]),
            ("sphericity of the largest piece", [m.sphericity for m in group]),
            ("share of the largest piece", [m.largest for m in group]),
            ("volume of the smallest piece, ml", [m.smallest for m in group]),
            ("gap between pieces, mm", [m.gap for m in group if m.components > 1]),
        ), strict=True):  # fmt: skip
            style = {"color": "black", "lw": 2.5} if name == "held out" else {}
            axis.plot(np.sort(of), np.linspace(0, 1, len(of)), label=name, **style)
            axis.set_xlabel(label)
    for place in (0, 1, 4, 5):
        axes[place].set_xscale("log")
    axes[0].legend(fontsize=7)
    cells = rows[1].subplots(len(groups), columns)
    for row, (name, group) in zip(cells, groups.items(), strict=True):
        order = sorted((m for m in group if m.volume > 0.0008), key=lambda m: m.volume)
        for cell, place in zip(row, np.linspace(0, len(order) - 1, columns).astype(int), strict=True):
            cell.imshow(order[place].picture, origin="lower")
            cell.axis("off")
        row[0].set_title(name, fontsize=8, loc="left")
    plot.savefig(path, dpi=68)
    plt.close(plot)
