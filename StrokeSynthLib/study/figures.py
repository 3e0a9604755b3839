"""Pictures of a report: slices with outlines, curves, scores; as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import PARENCHYMA
from ..volume import Volume

Array = npt.NDArray[Any]
REFERENCE_COLOR = "#e8a33d"
PREDICTION_COLOR = "#3dc1e8"
#: ADC shown as black and white (10^-3 mm^2/s).
ADC_LIMITS = (0.0, 2.5)


@dataclass(frozen=True)
class Panel:
    """One picture of a row: an image slice with outlines.

    Parameters
    ----------
    title
        Above it.
    image
        (x, y) gray values or (x, y, 3) colors of 0 to 1, RAS.
    limits
        Values shown as black and white.
    outlines
        Masks (x, y) by color.
    """

    title: str
    image: Array
    limits: tuple[float, float]
    outlines: Mapping[str, Array]


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any, dpi: int = 90) -> bytes:
    stream = io.BytesIO()
    # Without the date the same picture has the same bytes.
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": "StrokeSynth"})
    return stream.getvalue()


def display_limits(volume: Volume, tissue: Volume | None = None) -> tuple[float, float]:
    """Window for a DWI: black to 2.2 times normal tissue, as readers set it.

    ``tissue``: semantic map on the same grid, which says where tissue is; without one, what is
    clearly above the background counts as tissue.
    """
    if tissue is not None:
        inside = volume.array[np.isin(tissue.array, PARENCHYMA)]
    else:
        values = volume.array[np.isfinite(volume.array)]
        inside = values[values > 0.25 * np.percentile(values, 99)]
    level = float(np.median(inside)) if inside.size else 0.0
    return 0.0, max(2.2 * level, 1e-6)


def slice_axis(volume: Volume) -> int:
    """Axis across the slices of a canonical volume: the thickest, the last when all are alike."""
    spacing = volume.spacing
    return 2 if spacing[2] >= 0.9 * max(spacing) else int(np.argmax(spacing))


def slice_of(volume: Volume, index: int) -> Array:
    """One slice of a canonical volume."""
    return np.asarray(np.take(volume.array, index, axis=slice_axis(volume)))


def fullest_slice(mask: Volume) -> int:
    """The slice with most of the mask, the middle one when it is empty (canonical volume)."""
    axis = slice_axis(mask)
    counts = (mask.array > 0).sum(axis=tuple(a for a in range(3) if a != axis))
    return int(np.argmax(counts)) if counts.any() else mask.array.shape[axis] // 2


def panel_rows(rows: Sequence[tuple[str, Sequence[Panel]]]) -> bytes:
    """A grid of pictures; each row has a name and its panels. Left of the picture is the patient's right."""
    columns = max(len(panels) for _, panels in rows)
    figure = _figure(2.1 * columns + 0.3, 2.25 * len(rows) + 0.2)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, panels) in zip(axes, rows, strict=True):
        for axis in line:
            axis.set_axis_off()
        line[0].text(-0.06, 0.5, name, rotation=90, va="center", ha="right", fontsize=8,
                     transform=line[0].transAxes)  # fmt: skip
        for axis, panel in zip(line, panels, strict=False):
            # Radiological convention, as clinicians expect: the patient's right on the left.
            axis.imshow(panel.image[::-1].swapaxes(0, 1), origin="lower", cmap="gray", vmin=panel.limits[0],
                        vmax=panel.limits[1], interpolation="nearest")  # fmt: skip
            for color, mask in panel.outlines.items():
                if mask.any():
                    axis.contour(mask[::-1].T, levels=[0.5], colors=[color], linewidths=0.9)
            axis.set_title(panel.title, fontsize=8)
    return _png(figure)


def curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """Training loss and validation Dice by step, a line for each arm."""
    figure = _figure(8.0, 2.8)
    left, right = figure.subplots(1, 2)
    for name, history in histories.items():
        for axis, key in ((left, "loss"), (right, "validation_dice")):
            points = [(entry["step"], entry[key]) for entry in history if entry.get(key) is not None]
            if points:
                axis.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
    for axis, title in ((left, "training loss"), (right, "validation Dice")):
        axis.set_xlabel("step")
        axis.set_title(title, fontsize=9)
        axis.grid(alpha=0.3)
    left.legend(fontsize=7)
    return _png(figure)


def score_figure(tables: Mapping[str, Array]) -> bytes:
    """Dice of every test case by arm, with the mean."""
    figure = _figure(1.2 + 1.4 * len(tables), 3.2)
    axis = figure.subplots()
    for position, table in enumerate(tables.values()):
        values = table[np.isfinite(table)]
        spread = np.linspace(-0.18, 0.18, len(values)) if len(values) else values
        axis.plot(position + spread, np.sort(values), "o", markersize=3, alpha=0.6)
        if len(values):
            axis.hlines(values.mean(), position - 0.3, position + 0.3, color="black")
    axis.set_xticks(range(len(tables)), list(tables), fontsize=8)
    axis.set_ylim(-0.02, 1.0)
    axis.set_ylabel("Dice, each test case")
    axis.grid(axis="y", alpha=0.3)
    return _png(figure)


def distributions(
    parts: Sequence[tuple[str, Mapping[str, Array], float | None]],
) -> bytes:
    """Histograms side by side: name, values of each group, and where a limit lies (or None)."""
    figure = _figure(4.4 * len(parts), 2.9)
    axes = figure.subplots(1, len(parts), squeeze=False)[0]
    for axis, (name, groups, limit) in zip(axes, parts, strict=True):
        known = {group: values[np.isfinite(values)] for group, values in groups.items()}
        every = np.concatenate([*known.values(), np.array([] if limit is None else [limit])])
        axis.set_xlabel(name, fontsize=8)
        axis.tick_params(labelsize=7)
        if not every.size:
            axis.text(0.5, 0.5, "not measured", ha="center", transform=axis.transAxes, fontsize=8)
            continue
        edges = np.linspace(float(every.min()), float(every.max()) + 1e-6, 31)
        for (group, values), color in zip(known.items(), (PREDICTION_COLOR, REFERENCE_COLOR), strict=False):
            weights = np.full(values.shape, 1.0 / max(len(values), 1))
            axis.hist(values, edges, weights=weights, alpha=0.65, label=group, color=color)
        if limit is not None:
            axis.axvline(limit, color="#b42318", linewidth=1)
        axis.set_ylabel("share of cases", fontsize=8)
        axis.legend(fontsize=7, frameon=False)
    return _png(figure)
