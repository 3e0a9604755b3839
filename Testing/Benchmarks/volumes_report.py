"""Table and picture of :mod:`.volumes`, of the rows that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from StrokeSynthLib.evaluate.realism import LESION_GROUP
from StrokeSynthLib.files import replacing, write_json
from Testing.Benchmarks.volumes import ROWS
from Testing.Benchmarks.volumes_row import SCAN, SHOWN

if TYPE_CHECKING:
    from Testing.Benchmarks.volumes import Trial

Array = npt.NDArray[Any]
#: Slices farther apart than this (mm) are thick.
_THICK = 3.0
#: Size of the picture's file at most (bytes), of a panel (inches), and the outline of lesions.
_MOST, _PANEL, _OUTLINE = 240_000, 1.15, (255, 190, 0)
#: The range of the picture, in units of the shown scan's brightest.
_PERCENTILE = 99.7

Row = Mapping[str, Any]


def write_report(trial: Trial, out: Path) -> None:
    """``volumes.md``, ``.json`` and ``.png`` in ``out``."""
    rows: dict[str, Row] = {}
    for row in ROWS:
        stages = {stage: trial.read(row, stage) for stage in ("train", "draw")}
        rows[row] = {stage: found for stage, found in stages.items() if found is not None}
    rows = {row: stages for row, stages in rows.items() if stages}
    settings = {name: getattr(trial, name) for name in ("cpu_seconds", "cases", "maps", "seed")}
    write_json(out / "volumes.json", {"settings": settings, "rows": rows})
    with replacing(out / "volumes.md") as temporary:
        temporary.write_text(page(settings, rows))
    if (trial.work / "planes" / f"{SCAN}.npz").is_file():
        picture(trial.work / "planes", out / "volumes.png")


def page(settings: Mapping[str, Any], rows: Mapping[str, Row]) -> str:
    """The Markdown page."""
    cases, seed, seconds, maps = (settings[name] for name in ("cases", "seed", "cpu_seconds", "maps"))
    parts = [
        "# Translators in two and in three dimensions\n",
        f"The same {cases} simulated cases, seed {seed}, {seconds} CPU seconds of steps for each training "
        "with a network, one thread. Images on "
        f"{maps} maps and lesions of people that training has not seen, in turn from each protocol, against "
        "the simulated scans of the same. One training a row: differences between two rows can be those "
        "between two seeds.\n",
        _taken(rows) + _missing(rows),
        "## Training\n",
        _training(rows),
        "## Images\n",
        "Histograms: Wasserstein distance of intensities from the scans', mean over tissues, and of lesions, "
        "in units of tissue's median. SSIM to the scan of the same map, in slices. Roughness: mean "
        "difference of adjacent slices, voxel by voxel in the same tissue, over the scan's own (1: as rough "
        "as the scan; noise and texture are in it). Flicker: mean step of whole slices, tissue by tissue, "
        f"over the scan's own. Thick: slices more than {_THICK:.0f} mm apart.\n",
        _images(rows),
        "![Three planes](volumes.png)\n",
        f"DWI of one case of {SHOWN[0]} and one of {SHOWN[1]}: three planes through the lesion (outlined on "
        "the scan), each image in its own gray scale.\n",
    ]
    return "\n".join(parts)


def _missing(rows: Mapping[str, Row]) -> str:
    missing = [row for row in ROWS if "draw" not in rows.get(row, {})]
    return f"Not measured yet: {', '.join(missing)}.\n" if missing else ""


def _taken(rows: Mapping[str, Row]) -> str:
    if not any(stages.get("train", {}).get("found", {}).get("taken") for stages in rows.values()):
        return ""
    return (
        "*: trained by `head_to_head.py` on the same cases with the same seed, for a number of steps instead "
        "of a time; CPU seconds as it kept them.\n\n"
    )


def _training(rows: Mapping[str, Row]) -> str:
    lines = [
        "| row | channels | parameters | steps | s a step | CPU s in all | memory (MB) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row, stages in rows.items():
        if "train" not in stages:
            continue
        found = stages["train"]["found"]
        cells = [
            *(found.get(name) for name in ("channels", "parameters", "steps", "seconds_per_step")),
            round(found["cpu_s"]), found["memory_mb"],
        ]  # fmt: skip
        star = "*" if found.get("taken") else ""
        lines.append(f"| {row}{star} | " + " | ".join("-" if c is None else str(c) for c in cells) + " |")
    return "\n".join(lines) + "\n"


def _images(rows: Mapping[str, Row]) -> str:
    names = (
        "row", "histogram DWI, ADC", "of lesions", "SSIM DWI, ADC", "roughness DWI, ADC", "flicker DWI, ADC",
        "flicker thick, thin", "recoverable", "CPU s thick, thin", "memory (MB)",
    )  # fmt: skip
    lines = ["| " + " | ".join(names) + " |", "| " + " | ".join("---" for _ in names) + " |"]
    for row, stages in rows.items():
        if "draw" not in stages:
            continue
        found = stages["draw"]["found"]
        maps = found["maps"]
        recovered = f"{sum(one['recovered'] for one in maps)} of {len(maps)}"
        if row == SCAN:
            lines.append(f"| {row} | " + " | ".join(["-"] * 6) + f" | {recovered} | - | - |")
            continue
        histograms = [found["histograms"][channel] for channel in ("dwi", "adc")]
        tissues = [np.mean([v for name, v in h.items() if name != LESION_GROUP]) for h in histograms]
        cells = [
            ", ".join(f"{value:.3f}" for value in tissues),
            ", ".join(f"{h.get(LESION_GROUP, np.nan):.3f}" for h in histograms),
            *(_both(maps, name) for name in ("ssim", "roughness", "flicker")),
            _by_thickness(maps, lambda one: one["dwi_flicker"]), recovered,
            _by_thickness(maps, lambda one: one["cpu_s"]), str(found["memory_mb"]),
        ]  # fmt: skip
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _both(maps: Sequence[Row], name: str) -> str:
    return ", ".join(
        f"{np.mean([one[f'{channel}_{name}'] for one in maps]):.2f}" for channel in ("dwi", "adc")
    )


def _by_thickness(maps: Sequence[Row], value: Callable[[Row], float]) -> str:
    thick = [max(one["voxel_mm"]) > _THICK for one in maps]
    cells = []
    for wanted in (True, False):
        some = [value(one) for one, is_thick in zip(maps, thick, strict=True) if is_thick == wanted]
        cells.append(f"{np.mean(some):.2f}" if some else "-")
    return ", ".join(cells)


def picture(planes: Path, path: Path) -> None:
    """A column a row of the table; three planes of each shown protocol below each other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from Testing.Benchmarks.small_picture import save_small

    names = [row for row in ROWS if (planes / f"{row}.npz").is_file()]
    content = {name: np.load(planes / f"{name}.npz") for name in names}
    shown = [(protocol, axis) for protocol in SHOWN for axis in (2, 1, 0)]
    figure, axes = pyplot.subplots(
        len(shown), len(names), figsize=(_PANEL * len(names), _PANEL * len(shown) + 0.3), squeeze=False
    )
    for column, name in enumerate(names):
        for line, (protocol, axis) in enumerate(shown):
            panel = axes[line][column]
            panel.axis("off")
            if f"{protocol} dwi {axis}" in content[name]:
                _plane(panel, content[name], content[SCAN], protocol, axis, outlined=name == SCAN)
        axes[0][column].set_title(name.replace("-", " ") + ("D" if "-" in name else ""), fontsize=8)
    figure.subplots_adjust(0, 0, 1, 1 - 0.25 / (_PANEL * len(shown) + 0.3), 0.02, 0.02)
    save_small(figure, path, [_OUTLINE], _MOST)
    pyplot.close(figure)


def _plane(panel: Any, planes: Any, scan: Any, protocol: str, axis: int, *, outlined: bool) -> None:
    image, lesion = (np.rot90(planes[f"{protocol} {name} {axis}"]) for name in ("dwi", "lesion"))
    # Each in its own units: white matter's level is drawn anew with each image.
    whole = np.concatenate([planes[f"{protocol} dwi {a}"].ravel() for a in range(3)])
    spacing = [float(s) for n, s in enumerate(scan[f"{protocol} spacing"]) if n != axis]
    top = float(np.percentile(whole[whole > 0.05 * whole.max()], _PERCENTILE))
    panel.imshow(
        image, cmap="gray", vmin=0, vmax=top, aspect=spacing[1] / spacing[0], interpolation="nearest"
    )
    if outlined:
        color = tuple(c / 255 for c in _OUTLINE)
        panel.contour(lesion, [0.5], colors=[color], linewidths=0.6, antialiased=False)
