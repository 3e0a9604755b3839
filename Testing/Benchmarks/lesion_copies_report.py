"""What :mod:`.lesion_copies` says of its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from StrokeSynthLib.evaluate.lesion_copies import LIMITS, VOLUMES_ML, threshold_of

VOLUMES = {
    "below 1 ml": (0.0, 1.0),
    "1 to 3 ml": (1.0, 3.0),
    "3 to 20 ml": (3.0, 20.0),
    "20 ml and more": (20.0, 1e9),
}
#: Judged and real cases of the cohorts that are drawn.
COHORTS = ((30, 40), (60, 60), (100, 100))
DRAWS = 2000


def alarms(
    found: np.ndarray, control: np.ndarray, judged: Sequence[str], real: Sequence[str]
) -> dict[str, Any]:
    """How often strangers are called copies.

    Parameters
    ----------
    found
        (judged, real) evidence.
    control
        (real, real) evidence among them.
    judged, real
        Whose each is.
    """
    rng = np.random.default_rng(0)
    names = np.array(real)
    alone = np.array([np.flatnonzero(names != name) for name in judged], dtype=object)
    over = [(judged[i], real[j]) for i, j in zip(*np.nonzero(found >= 1.0), strict=True)]
    number = len({tuple(sorted(pair)) for pair in over})
    low, high = (
        stats.chi2.ppf(q, 2 * n) / 2 if n else 0.0 for q, n in ((0.025, number), (0.975, number + 1))
    )
    pairs = sum(len(each) for each in alone)
    if set(judged) <= set(real):
        pairs -= len(judged) * (len(judged) - 1) // 2
    rates = {}
    for own, other in COHORTS:
        if own > len(judged) or own + other > len(set(judged) | set(real)):
            continue
        failed = 0
        for _ in range(DRAWS):
            rows = rng.permutation(len(judged))[:own]
            left = np.flatnonzero(~np.isin(names, [judged[i] for i in rows]))
            columns = rng.permutation(left)[:other]
            limit = threshold_of(float(control[np.ix_(columns, columns)].max(initial=0.0)))
            failed += bool((found[np.ix_(rows, columns)] >= limit).any())
        rates[f"{own} against {other}"] = failed / DRAWS
    return {
        "judged": len(judged), "pairs": pairs, "pairs called copies": number,
        "interval": [round(float(low), 2), round(float(high), 2)],
        "highest evidence": [round(float(v), 2) for v in np.sort(found, axis=None)[::-1][:5]],
        "cohorts failed": rates,
    }  # fmt: skip


def page(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    limits = ", ".join(
        f"{limit:g} at {volume:g} ml" for volume, limit in zip(VOLUMES_ML, LIMITS, strict=True)
    )
    judged = "the 200 masks of `test_masks.txt`, which had no part in choosing the limits"
    if any(found["design"] for found in figures.values()):
        judged = "the masks that the limits were chosen on"
    lines = ["# Copied lesion masks: found, and falsely called", "", f"Limits of apartness: {limits}.", ""]
    lines += [
        "*Scanned*: real masks drawn in heads of random size, tilt and voxels (slices of 2 to 6 mm) by an "
        "affine pose. *Placed*: on people of the shipped population model, as `--lesions DIR` does, without "
        f"sulci. Judged are {judged} (those of 0.3 ml and more that pass the screening).",
        "",
        "## Strangers called copies",
        "",
        "| drawn | judged | masks | pairs | called copies (95 % interval) | highest evidence | "
        + " | ".join(f"{own} against {other}" for own, other in COHORTS)
        + " |",
        "| --- | --- | --- | --- | --- | --- |" + " --- |" * len(COHORTS),
    ]
    for way, found in figures.items():
        for name, row in found["judged"].items():
            rates = [row["cohorts failed"].get(f"{own} against {other}") for own, other in COHORTS]
            low, high = row["interval"]
            lines.append(
                f"| {way} | {name} | {row['judged']} | {row['pairs']} | {row['pairs called copies']} "
                f"[{low:.1f}, {high:.1f}] | {row['highest evidence'][0]:.2f} | "
                + " | ".join("" if rate is None else f"{rate:.1%}" for rate in rates)
                + " |"
            )
    lines += [
        "",
        f"The last columns: share of {DRAWS} random cohorts of so many judged and real cases that fail, with "
        "the control of their own real cases. The interval is that of a count (Poisson).",
        "",
        "## Copies found",
        "",
        "Copies among 60 real cases at most, by volume of the mask that is copied: found / copies.",
    ]
    for way, found in figures.items():
        lines += ["", f"### {way.capitalize()}", "", "| change | " + " | ".join(VOLUMES) + " |"]
        lines.append("| --- |" + " --- |" * len(VOLUMES))
        for kind, counts in found["recall"].items():
            cells = [f"{counts[name][0]} / {counts[name][1]}" for name in VOLUMES]
            lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "What the changes are: `Testing/mask_changes.py`. A copy counts where the right case is named.",
    ]
    return "\n".join(lines) + "\n"
