"""What the shipped network makes of a real examination: map and lesions over the images.

    python Testing/Benchmarks/real_examination.py --data DIR [--model acute]

One real examination without a reference mask, strong susceptibility brightening at the skull base: a picture
to judge by eye and a few numbers, no score. Writes ``real_examination.png`` and ``real_examination.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from StrokeSynthLib.cohort.load import load_examination
from StrokeSynthLib.files import write_json
from StrokeSynthLib.schema import CLASSES, LESION_COLOR, TISSUES
from StrokeSynthLib.segment.preprocess import prepare
from StrokeSynthLib.segment.registry import open_segmenter

mpl.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
Array = npt.NDArray[Any]
COLUMNS = 9


def components(
    mask: Array, probability: Array, adc: Array, other_adc: Array, ml: float
) -> list[dict[str, Any]]:
    """Size, place and ADC of each connected piece of a mask, the largest first."""
    from scipy.ndimage import center_of_mass, generate_binary_structure, label

    parts, count = label(mask > 0, generate_binary_structure(3, 3))
    found = []
    for number in range(1, count + 1):
        inside = parts == number
        known = inside & (other_adc > 0)
        ratio = float(np.median(adc[known]) / np.median(other_adc[known])) if known.any() else None
        found.append(
            {
                "ml": round(float(inside.sum()) * ml, 3),
                "center_voxel": [round(float(c), 1) for c in center_of_mass(inside)],
                "mean_probability": round(float(probability[inside].mean()), 3),
                "adc_median": round(float(np.median(adc[inside])), 3),
                "adc_to_other_side": None if ratio is None else round(ratio, 3),
            }
        )
    return sorted(found, key=lambda one: -float(one["ml"]))


def colors() -> Array:
    """Display color of each class, 0 to 1."""
    table = np.zeros((256, 3))
    for one in CLASSES:
        table[one.index] = np.array(one.color) / 255
    return table


def picture(
    dwi: Array, adc: Array, classes: Array, masks: dict[str, Array], aspect: float, out: Path
) -> None:
    """Rows: DWI, ADC, map, and one of each mask as outlines; columns: slices from below to above."""
    brain = np.flatnonzero((dwi > 0).any(axis=(0, 1)))
    slices = np.linspace(brain[0] + 0.08 * brain.size, brain[-1] - 0.1 * brain.size, COLUMNS).astype(int)
    lesion = next(reversed(masks.values())).sum(axis=(0, 1))
    slices[COLUMNS // 2] = int(lesion.argmax()) if lesion.any() else slices[COLUMNS // 2]
    slices.sort()
    rows = ["DWI", "ADC", "map", *masks]
    figure, axes = plt.subplots(len(rows), COLUMNS, figsize=(1.7 * COLUMNS, 2.05 * len(rows)))
    top, table = float(np.percentile(dwi[dwi > 0], 99.7)), colors()
    for column, z in enumerate(slices):
        for row, name in enumerate(rows):
            axis = axes[row, column]
            axis.set_xticks([])
            axis.set_yticks([])
            if name == "ADC":
                axis.imshow(adc[:, :, z].T, cmap="gray", vmin=0, vmax=2.5, origin="lower", aspect=aspect)
            elif name == "map":
                axis.imshow(table[classes[:, :, z].T], origin="lower", aspect=aspect)
            else:
                axis.imshow(dwi[:, :, z].T, cmap="gray", vmin=0, vmax=top, origin="lower", aspect=aspect)
            if name in masks and masks[name][:, :, z].any():
                outline = masks[name][:, :, z].T
                axis.contour(outline, [0.5], colors=[np.array(LESION_COLOR) / 255], linewidths=1.0)
            if column == 0:
                axis.set_ylabel(name, fontsize=9)
    figure.subplots_adjust(0.03, 0.005, 0.998, 0.995, 0.02, 0.02)
    figure.savefig(out, dpi=70)
    plt.close(figure)


def main() -> None:
    """Segment, measure, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="acute")
    parser.add_argument("--out", type=Path, default=HERE / "real_examination.png")
    arguments = parser.parse_args()
    files = sorted((arguments.data / "real").rglob("*.nii.gz"))
    dwi_path = next(p for p in files if "dwi" in p.name.lower())
    adc_path = next(p for p in files if "adc" in p.name.lower())
    case = load_examination([dwi_path], adc_path)
    assert case.adc is not None
    found = open_segmenter(arguments.model, "cpu").predict(case.dwi, case.adc, semantic_map=True)
    threshold = open_segmenter("threshold").predict(case.dwi, case.adc)
    assert found.semantic_map is not None
    dwi, adc, classes = (v.canonical().array for v in (case.dwi, case.adc, found.semantic_map))
    masks = {
        "threshold": threshold.mask.canonical().array > 0,
        arguments.model if arguments.model == "acute" else "network": found.mask.canonical().array > 0,
    }
    canonical = case.dwi.canonical()
    x, y, _ = canonical.spacing
    picture(dwi, adc, classes, masks, y / x, arguments.out)
    prepared = prepare(case.dwi, case.adc)
    assert prepared.mirrored_adc is not None
    mirrored = prepared.frame.volume(prepared.mirrored_adc).canonical().array
    numbers: dict[str, Any] = {"unlike": list(found.unlike), "masks": {}}
    for name, mask in masks.items():
        probability = (found if name != "threshold" else threshold).probability.canonical().array
        pieces = components(mask, probability, adc, mirrored, canonical.grid.voxel_ml)
        numbers["masks"][name] = {"ml": round(sum(p["ml"] for p in pieces), 3), "pieces": pieces}
    ml = canonical.grid.voxel_ml
    numbers["tissues_ml"] = {
        tissue: round(float(np.isin(classes, [c.index for c in CLASSES if c.tissue == tissue]).sum()) * ml, 1)
        for tissue in TISSUES[1:]
    }
    if arguments.out == HERE / "real_examination.png":
        write_json(HERE / "real_examination.json", numbers)
    for name, one in numbers["masks"].items():
        print(name, one["ml"], "ml", len(one["pieces"]), "pieces", one["pieces"][:8])
    print("unlike:", numbers["unlike"])
    print(numbers["tissues_ml"])


if __name__ == "__main__":
    main()
