"""Table and picture of the head-to-head, from the pieces that are there; see :mod:`.head_to_head`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.schema import INTRACRANIAL
from StrokeSynthLib.study.statistics import Estimate, difference, estimate
from StrokeSynthLib.translate.registry import TRANSLATORS
from Testing.Benchmarks.head_to_head import (
    CLINICAL,
    HEALTHY,
    MAP_ALONE,
    PIECES,
    ROWS,
    translator_of,
)
from Testing.Benchmarks.small_picture import save_small

if TYPE_CHECKING:
    from Testing.Benchmarks.head_to_head import Plan

Rows = dict[str, dict[int, dict[str, Any]]]
#: Color of the lesion's outline.
_OUTLINE = (232, 163, 61)


def read_rows(plan: Plan) -> tuple[Rows, list[str]]:
    """All pieces that are done, by kind and seed; and what was made with other settings, in words."""
    rows: Rows = {}
    left_out = []
    for kind in ROWS:
        seeds = {int(path.name.split("-")[1]) for path in (plan.work / "pieces").glob(f"{kind}-*-*.json")}
        for seed in sorted(seeds):
            found = {}
            for name in PIECES:
                if not plan.piece(kind, seed, name).is_file():
                    continue
                if plan.fits(kind, seed, name):
                    found[name] = plan.read(kind, seed, name)
                else:
                    left_out.append(f"- {named(kind)}, seed {seed}: {name} was made with other settings.")
            if found:
                rows.setdefault(kind, {})[seed] = found
    return rows, left_out


def write_report(plan: Plan, out: Path) -> None:
    """``head_to_head.md``, ``.json`` and ``.png`` in ``out``."""
    rows, left_out = read_rows(plan)
    write_json(out / "head_to_head.json", {"settings": plan.settings(), "rows": _plain(rows)})
    write_text(out / "head_to_head.md", page(plan, rows, left_out))
    draw_picture(plan, rows, out / "head_to_head.png")


def _plain(rows: Rows) -> dict[str, Any]:
    return {kind: {str(seed): row for seed, row in seeds.items()} for kind, seeds in rows.items()}


def page(plan: Plan, rows: Rows, left_out: Sequence[str] = ()) -> str:
    """The report as Markdown."""
    settings = plan.settings()
    lines = [
        "# All translators on one simulated clinic",
        f"{settings['cases']} training cases for each seed, drawn from 200 simulated cases of people "
        f"1 to 10 with "
        f"real lesion masks; {len(plan.test())} test cases of people 13 to 15 with masks of the saved "
        f"list, on all "
        "seven protocols, one of which the clinic has not. Everything here is about simulated "
        "images. Networks: "
        f"{settings['steps']} steps on one thread; {settings['database']} synthetic cases of the "
        f"shipped population "
        f"model and procedural lesions (copypaste: of its own cases); segmenters: "
        f"{settings['segmenter_steps']} "
        "steps. Where there are several seeds, figures are their means, and brackets the smallest "
        "and the largest; "
        "three trainings show no ranking. Networks correct a sketch drawn from the fitted statistics; "
        f"those called `{named('...' + MAP_ALONE)}` see each class's mean values in its place, the same in "
        "every image, so nothing that the map does not tell, as in the papers.",
        "## Training and time",
        _table(rows, _TIME, without=CLINICAL),
        "CPU seconds on one thread of a shared machine.",
        "## Realism",
        f"Images on {settings['maps']} maps and lesions of test cases, against the simulated scans of "
        f"the same maps. "
        "Row `clinical`: as many training cases with lesion, which is what real against real looks "
        "like here (other "
        "people, lesions and scanners, so not 0). `copypaste` draws on its own cases' anatomies and "
        "is compared as "
        "`clinical` is. Histograms: Wasserstein distance by class, mean of the classes without the lesion, "
        "in units of tissue's median. MMD and FID: features of the shipped segmenter (network) and without "
        "training (texture).",
        _table(rows, _REALISM),
        _equation(rows),
        "## Lesions",
        "Before anything is drawn again: share of images in which the lesion can be told from the "
        "tissue around "
        "(recoverable.py), contrast (median inside over median 4 to 12 mm around), "
        "and what the database then refused.",
        _table(_with_scans(rows), _LESIONS),
        "## Diversity",
        "SSIM between seeds: three images of one map, within the brain (1: the same image). MS-SSIM "
        "between cases: "
        "60 pairs, lower is more diverse; `simulated scans` and `clinical` are what real cases have.",
        _table(_with_scans(rows), _DIVERSITY),
        "## Utility",
        "Dice on the test cases, %, of segmenters trained on the clinical cases and each database: "
        "mean and 95 % "
        "interval of a bootstrap over trainings and cases; gain over the clinical cases alone, "
        "paired by seed and "
        "case. Training cases differ between seeds as well.",
        utility(rows),
        *_failures(rows, left_out),
    ]  # fmt: skip
    return "\n\n".join(line for line in lines if line) + "\n"


def named(kind: str) -> str:
    """A row's name for readers."""
    name, condition = translator_of(kind)
    return f"{name}, map alone" if condition == "map" else name


def _with_scans(rows: Rows) -> Rows:
    """The rows, and above them the simulated scans of the same maps and lesions."""
    first = {s: {"images": row["scans"]} for s, row in rows.get(CLINICAL, {}).items() if "scans" in row}
    return {"simulated scans": first} | rows if first else rows


def _equation(rows: Rows) -> str:
    """How far DWI is from what b0 and ADC say, in what translators draw."""
    drawing = [
        kind
        for kind in rows
        if kind not in (CLINICAL, HEALTHY) and not TRANSLATORS[translator_of(kind)[0]].needs_background
    ]
    found = [
        value
        for kind in drawing
        for row in rows[kind].values()
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


Column = tuple[str, str, int]
#: Heading, path into the row, digits.
_TIME: tuple[Column, ...] = (
    ("training, CPU s", "training/cpu_s", 0), ("steps", "training/steps", 0),
    ("model, MB", "training/megabytes", 1),
    ("CPU s per volume", "images/seconds_per_volume", 2), ("database, CPU s", "database/cpu_s", 0),
)  # fmt: skip
_REALISM: tuple[Column, ...] = (
    ("histograms DWI", "images/histograms/dwi/*", 3), ("ADC", "images/histograms/adc/*", 3),
    ("SSIM to the scan, DWI", "images/paired_ssim/dwi", 3), ("ADC", "images/paired_ssim/adc", 3),
    ("MMD network", "features/network/mmd", 3), ("MMD texture", "features/texture/mmd", 3),
    ("FID network", "features/network/fid", 1), ("FID texture", "features/texture/fid", 1),
)  # fmt: skip
_LESIONS: tuple[Column, ...] = (
    ("recoverable, share", "images/recoverable", 2), ("AUC DWI", "images/dwi_auc", 2),
    ("AUC ADC", "images/adc_auc", 2),
    ("contrast DWI", "images/contrast/dwi_surround", 2), ("contrast ADC", "images/contrast/adc_surround", 2),
    ("histogram of the lesion, DWI", "images/histograms/dwi/lesion", 3),
    ("images refused for the database, share", "database/rejection/image_rejection_rate", 3),
    ("lesions given up", "database/rejection/lesions_given_up", 0),
)  # fmt: skip
_DIVERSITY: tuple[Column, ...] = (
    ("SSIM between seeds, DWI", "seeds/dwi_ssim", 3), ("ADC", "seeds/adc_ssim", 3),
    ("MS-SSIM between cases", "images/ms_ssim", 3),
)  # fmt: skip


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


def _table(rows: Rows, columns: Sequence[Column], without: str = "") -> str:
    lines = [
        "| translator | seeds | " + " | ".join(name for name, _, _ in columns) + " |",
        "| --- " * (len(columns) + 2) + "|",
    ]
    for kind, seeds in rows.items():
        if kind == without:
            continue
        found = [
            [v for row in seeds.values() if (v := value_at(row, path)) is not None] for _, path, _ in columns
        ]
        cells = [_cell(values, digits) for values, (_, _, digits) in zip(found, columns, strict=True)]
        counts = sorted({len(values) for values in found if values})
        if counts:
            number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
            lines.append(f"| {named(kind)} | {number} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float], digits: int) -> str:
    if not values:
        return "-"
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def utility(rows: Rows) -> str:
    """Dice of every arm, and its gain over the clinical cases alone with the same seeds."""
    baseline = {
        seed: row["utility clinical"]
        for seed, row in rows.get(CLINICAL, {}).items()
        if "utility clinical" in row
    }
    lines = [
        "| trained on | trainings | Dice, % | gain, points | lesion F1, % | false positives without "
        "a lesion, ml |",
        "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    arms = [(CLINICAL, "utility clinical", "clinical cases")]
    arms += [(k, "utility with", f"clinical and {named(k)}") for k in rows if k != CLINICAL]
    arms += [(k, "utility only", f"{named(k)} only") for k in rows if k != CLINICAL]
    for kind, piece, label in arms:
        done = {seed: row[piece] for seed, row in rows.get(kind, {}).items() if piece in row}
        if not done:
            continue
        gain = "-"
        both = sorted(set(done) & set(baseline))
        if kind != CLINICAL and both:
            gain = _text(difference(_scores(done, both, "dice"), _scores(baseline, both, "dice")))
        every = sorted(done)
        cells = [_text(estimate(_scores(done, every, name))) for name in ("dice", "lesion_f1")]
        empty = estimate(_scores(done, every, "false_positive_ml"))
        false = f"{empty.mean:.2f}" if np.isfinite(empty.mean) else "-"
        lines.append(f"| {label} | {len(done)} | {cells[0]} | {gain} | {cells[1]} | {false} |")
    return "\n".join(lines)


def _scores(done: dict[int, Any], seeds: Sequence[int], name: str) -> Any:
    cases = sorted(done[seeds[0]]["scores"])
    return np.array(
        [[v if (v := done[s]["scores"][c][name]) is not None else np.nan for c in cases] for s in seeds],
        float,
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _text(found: Estimate) -> str:
    return found.text(100.0)


def _failures(rows: Rows, left_out: Sequence[str]) -> list[str]:
    """What did not work, in words."""
    said = list(left_out)
    said += [
        f"- {named(kind)}, seed {seed}: {row['database']['failed']} Its database was written all the same."
        for kind, seeds in rows.items()
        for seed, row in seeds.items()
        if row.get("database", {}).get("failed")
    ]
    missing = [kind for kind in ROWS if kind not in rows]
    if missing:
        said.append(f"- Not run: {', '.join(map(named, missing))}.")
    return ["## Failures", "\n".join(said)] if said else []


def _cut(image: Any, brain: Any) -> Any:
    """A square around the brain."""
    ends = [np.flatnonzero(brain.any(axis=a))[[0, -1]] for a in (1, 0)]
    half = max(int(high - low) for low, high in ends) // 2 + 4
    middle = [int(low + high) // 2 + half for low, high in ends]
    padded = np.pad(image, half)
    return padded[tuple(slice(m - half, m + half) for m in middle)]


def draw_picture(plan: Plan, rows: Rows, path: Path) -> None:
    """One map and one lesion: the simulated scan, and three images of every translator; DWI over ADC."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = []
    for kind in rows:
        files = sorted((plan.work / "pictures").glob(f"{kind}-*.npz"))
        if files:
            with np.load(files[0]) as content:
                shown.append((kind, dict(content)))
    if not shown:
        return
    columns = 6
    figure, axes = plt.subplots(len(shown), columns, figsize=(1.7 * columns, 1.8 * len(shown)), squeeze=False)
    for line, (kind, arrays) in zip(axes, shown, strict=True):
        for axis in line:
            axis.axis("off")
        for number in range(sum(name.startswith("dwi") for name in arrays)):
            dwi, adc, lesion, labels = (arrays[f"{n}{number}"] for n in ("dwi", "adc", "lesion", "map"))
            brain = np.isin(labels, INTRACRANIAL)
            dwi, adc, lesion, brain = (_cut(image, brain) for image in (dwi, adc, lesion, brain))
            top = 2.6 * float(np.median(dwi[brain])) if brain.any() else float(dwi.max())
            for axis, image, high in ((line[2 * number], dwi, top), (line[2 * number + 1], adc, 2.5)):
                axis.imshow(image.T[::-1, ::-1], cmap="gray", vmin=0, vmax=high, interpolation="antialiased")
            if lesion.any():
                line[2 * number + 1].contour(
                    lesion.T[::-1, ::-1] > 0, [0.5], colors=[tuple(v / 255 for v in _OUTLINE)],
                    linewidths=0.6, antialiased=False,
                )  # fmt: skip
        label = "simulated scan" if kind == CLINICAL else named(kind)
        line[0].set_title(label, fontsize=9, loc="left")
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.97, 0.02, 0.12)
    save_small(figure, path, [_OUTLINE])
    plt.close(figure)
