"""Tables of the head-to-head, and what can be said of them in words; see :mod:`.head_to_head_report`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from StrokeSynthLib.study.statistics import Estimate, difference, estimate
from StrokeSynthLib.translate.registry import TRANSLATORS
from Testing.Benchmarks.head_to_head import CLINICAL, HEALTHY, SAMPLING_STEPS, WIDTHS, translator_of

#: Pieces by name, by kind and seed.
Rows = dict[str, dict[int, dict[str, Any]]]
#: The row that translators are compared with, where there is one.
SCANS = "simulated scans"
Column = tuple[str, str, int]
#: Heading, path into the row, digits.
TIME: tuple[Column, ...] = (
    ("width", "network/width", 0), ("batch", "network/batch", 0), ("parameters, k", "network/parameters", 0),
    ("steps", "training/steps", 0), ("sampling steps", "network/sampling_steps", 0),
    ("training, CPU s", "training/cpu_s", 0), ("model, MB", "training/megabytes", 1),
    ("CPU s per volume", "images/seconds_per_volume", 2), ("database, CPU s", "database/cpu_s", 0),
)  # fmt: skip
INTENSITIES: tuple[Column, ...] = (
    ("histograms DWI", "images/histograms/dwi/*", 3), ("ADC", "images/histograms/adc/*", 3),
    ("SSIM to the scan, DWI", "images/paired_ssim/dwi", 3), ("ADC", "images/paired_ssim/adc", 3),
)  # fmt: skip
FEATURES: tuple[Column, ...] = (
    ("FID encoder", "features/encoder/fid", 1), ("FID network", "features/network/fid", 1),
    ("FID texture", "features/texture/fid", 1),
    ("MMD encoder", "features/encoder/mmd", 3), ("MMD network", "features/network/mmd", 3),
    ("MMD texture", "features/texture/mmd", 3),
)  # fmt: skip
LESIONS: tuple[Column, ...] = (
    ("recoverable, share", "images/recoverable", 2), ("AUC DWI", "images/dwi_auc", 2),
    ("AUC ADC", "images/adc_auc", 2),
    ("contrast DWI", "images/contrast/dwi_surround", 2), ("contrast ADC", "images/contrast/adc_surround", 2),
    ("histogram of the lesion, DWI", "images/histograms/dwi/lesion", 3),
    ("images refused for the database, share", "database/rejection/image_rejection_rate", 3),
    ("lesions given up", "database/rejection/lesions_given_up", 0),
)  # fmt: skip
DIVERSITY: tuple[Column, ...] = (
    ("SSIM between seeds, DWI", "seeds/dwi_ssim", 3), ("ADC", "seeds/adc_ssim", 3),
    ("MS-SSIM between cases", "images/ms_ssim", 3),
)  # fmt: skip


def named(kind: str) -> str:
    """A row's name for readers."""
    name, condition = translator_of(kind)
    return f"{name}, map alone" if condition == "map" else name


def of_other_people(kind: str) -> bool:
    """Whether a row's images are of other maps and lesions than the scans that it is compared with."""
    return kind == CLINICAL or (kind not in (HEALTHY, SCANS) and _mixes(kind))


def _mixes(kind: str) -> bool:
    return TRANSLATORS[translator_of(kind)[0]].needs_background


def with_scans(rows: Rows) -> Rows:
    """The rows, and above them the simulated scans of the same maps and lesions."""
    first = {s: {"images": row["scans"]} for s, row in rows.get(CLINICAL, {}).items() if "scans" in row}
    return {SCANS: first} | rows if first else rows


def with_networks(rows: Rows) -> Rows:
    """The rows of translators and of the control, each with what its network is."""
    found: Rows = {}
    for kind, seeds in rows.items():
        for seed, row in seeds.items():
            training = row.get("training", {})
            network = {
                "width": training.get("channels"), "batch": training.get("batch"),
                "parameters": training["parameters"] / 1000 if "parameters" in training else None,
                "sampling_steps": SAMPLING_STEPS.get(kind),
            }  # fmt: skip
            if kind != CLINICAL:
                found.setdefault(kind, {})[seed] = row | {"network": network}
    return found


def value_at(row: dict[str, Any], path: str) -> float | None:
    """A number of a row; ``*`` is the mean of all but the lesion's."""
    at: Any = row
    for step in path.split("/"):
        if at is None:
            return None
        at = [v for k, v in at.items() if k != "lesion"] if step == "*" else at.get(step)
    if isinstance(at, list):
        at = float(np.mean(at)) if at else None
    return None if at is None else float(at)


def table(rows: Rows, columns: Sequence[Column], *, marked: bool = False) -> str:
    """Means over seeds; ``marked``: rows of other people say so.

    A row has as many seeds as its fullest cell; a cell of fewer says how many ("n").
    """
    lines = [
        "| translator | seeds | " + " | ".join(name for name, _, _ in columns) + " |",
        "| --- " * (len(columns) + 2) + "|",
    ]
    for kind, seeds in rows.items():
        found = [
            [v for row in seeds.values() if (v := value_at(row, path)) is not None] for _, path, _ in columns
        ]
        # What follows from the plan alone makes no row.
        measured = [
            len(v) for v, (_, path, _) in zip(found, columns, strict=True) if not path.startswith("network/")
        ]
        most = max(measured)
        if not most:
            continue
        cells = [_cell(values, digits, most) for values, (_, _, digits) in zip(found, columns, strict=True)]
        name = f"{named(kind)} (other people)" if marked and of_other_people(kind) else named(kind)
        lines.append(f"| {name} | {most} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float], digits: int, most: int) -> str:
    if not values:
        return "-"
    mean, low, high = (f"{value:.{digits}f}" for value in (np.mean(values), min(values), max(values)))
    text = mean if low == high else f"{mean} [{low}, {high}]"
    return text if len(values) >= most else f"{text} (n={len(values)})"


def cost(rows: Rows) -> str:
    """That steps and not seconds were equal, and what each network cost."""
    networks = [kind for kind in rows if kind.removesuffix("_map") in WIDTHS]
    seconds: dict[str, float] = {}
    steps: set[float] = set()
    for kind in networks:
        found = [v for row in rows[kind].values() if (v := value_at(row, "training/cpu_s")) is not None]
        steps |= {v for row in rows[kind].values() if (v := value_at(row, "training/steps")) is not None}
        if found:
            seconds[kind] = float(np.mean(found))
    if len(seconds) < 2:
        return ""
    low, high = min(seconds, key=seconds.__getitem__), max(seconds, key=seconds.__getitem__)
    equal = "Networks had equal steps, not" if len(steps) == 1 else "Networks had neither equal steps nor"
    return (
        f"{equal} equal CPU seconds: a training cost from {seconds[low]:.0f} ({named(low)}) to "
        f"{seconds[high]:.0f} s ({named(high)}), a factor of {seconds[high] / seconds[low]:.1f}; nothing "
        "made them equal."
    )


def sampling(rows: Rows) -> str:
    """Where networks draw with other numbers of steps than they would by themselves."""
    asked = {kind: steps for kind, steps in SAMPLING_STEPS.items() if kind in rows}
    if not asked:
        return ""
    from StrokeSynthLib.translate.rflow.flow import FlowOptions

    own = FlowOptions().steps
    said = [
        f"`{named(kind)}` draws with {steps} sampling steps here, by itself with {own}."
        for kind, steps in asked.items()
        if steps != own
    ]
    return " ".join(said)


def equation(rows: Rows) -> str:
    """How far DWI is from what b0 and ADC say, in what translators draw."""
    found = [
        value
        for kind, seeds in rows.items()
        if kind != HEALTHY and not of_other_people(kind)
        for row in seeds.values()
        if (value := value_at(row, "images/written_equation")) is not None
    ]
    if not found:
        return ""
    return (
        "Largest departure of DWI from b0 exp(-b ADC) in images that were written (b0 and DWI in 12 bits, "
        "ADC in steps of 0.001) and read again, of all that translators drew, over their brightest DWI: "
        f"{max(found):.1e} (where ADC is neither 0 nor above 3.5). Before writing there is none: ADC is "
        "computed from b0 and DWI."
    )


def utility(rows: Rows) -> str:
    """Dice of every arm, and its gain over the clinical cases alone and over the control, by the same seeds.

    Arms of one training stand in a table of their own, whose heading says what its intervals lack.
    """
    baseline, control = _scored(rows, CLINICAL, "utility clinical"), _scored(rows, HEALTHY, "utility with")
    arms = [(CLINICAL, "utility clinical", "clinical cases")]
    arms += [(k, "utility with", f"clinical and {named(k)}") for k in rows if k != CLINICAL]
    arms += [(k, "utility only", f"{named(k)} only") for k in rows if k != CLINICAL]
    groups: dict[bool, list[str]] = {False: [], True: []}
    for kind, piece, label in arms:
        done = _scored(rows, kind, piece)
        if not done:
            continue
        over_clinical = "-" if kind == CLINICAL else _gain(done, baseline)
        added = kind not in (CLINICAL, HEALTHY) and piece == "utility with"
        over_control = _gain(done, control) if added else "-"
        every = sorted(done)
        dice, f1 = (estimate(_scores(done, every, name)).text(100.0) for name in ("dice", "lesion_f1"))
        empty = _scored(rows, kind, piece.replace("utility", "empty"))
        cells = [label, str(len(done)), dice, over_clinical, over_control, f1, _marked(empty, len(done))]
        groups[len(done) == 1].append("| " + " | ".join(cells) + " |")
    parts = []
    for single, lines in groups.items():
        if lines:
            parts.append("\n".join([*_heading(single), *lines]))
    return "\n\n".join(parts)


def _heading(single: bool) -> list[str]:
    said = "One training, 95 % intervals over cases only: they hold no variance between trainings:"
    if not single:
        said = "Several trainings, 95 % intervals over trainings and cases:"
    return [
        f"{said}\n",
        "| trained on | trainings | Dice, % | gain over clinical | gain over clinical and healthy "
        "| lesion F1, % | false positives without a lesion, ml |",
        "| --- " * 7 + "|",
    ]


def _scored(rows: Rows, kind: str, piece: str) -> dict[int, Any]:
    return {seed: row[piece] for seed, row in rows.get(kind, {}).items() if piece in row}


def _gain(done: dict[int, Any], against: dict[int, Any]) -> str:
    """Difference of Dice, paired by seed and case; one of fewer seeds than there are says so."""
    both = sorted(set(done) & set(against))
    if not both:
        return "-"
    found: Estimate = difference(_scores(done, both, "dice"), _scores(against, both, "dice"))
    fewer = f" (n={len(both)}{': cases only' if len(both) == 1 else ''})" if len(both) < len(done) else ""
    return found.text(100.0) + fewer


def _marked(done: dict[int, Any], trainings: int) -> str:
    """Volume that is marked in examinations without a lesion (ml)."""
    if not done:
        return "-"
    fewer = f" (n={len(done)})" if len(done) < trainings else ""
    return estimate(_scores(done, sorted(done), "false_positive_ml")).text(1.0, 2) + fewer


def without_lesion(rows: Rows) -> str:
    """How many examinations false positives are of."""
    counts = {
        len(piece["scores"])
        for seeds in rows.values()
        for row in seeds.values()
        for name, piece in row.items()
        if name.startswith("empty")
    }
    if not counts:
        return ""
    return (
        f"False positives: in the {max(counts)} examinations of the test cohort that have no lesion, most of "
        "which are not among the test cases above."
    )


def _scores(done: dict[int, Any], seeds: Sequence[int], name: str) -> Any:
    cases = sorted(done[seeds[0]]["scores"])
    return np.array(
        [[v if (v := done[s]["scores"][c][name]) is not None else np.nan for c in cases] for s in seeds],
        float,
    )
