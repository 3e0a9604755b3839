"""The icon, from a simulated case: tissues of the map on the left, the DWI made from them on the right.

    strokesynth simulate --cases 1 --seed 4 --out icon-cohort
    python Testing/Benchmarks/icon.py --cohort icon-cohort

Writes ``Resources/Icons/StrokeSynth.png`` and the module's copy of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.schema import CLASSES, INTRACRANIAL
from StrokeSynthLib.study.figures import fullest_slice, slice_of

ROOT = Path(__file__).parents[2]
OUTS = (
    ROOT / "Resources" / "Icons" / "StrokeSynth.png",
    ROOT / "StrokeSynth" / "Resources" / "Icons" / "StrokeSynth.png",
)
SIZE = 128
#: Between the two halves (pixels of the icon).
GAP = 2


def main() -> None:
    """Cut the brain out of the fullest slice of the lesion and write it small."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", type=Path, required=True)
    case = load_case(open_cohort(parser.parse_args().cohort).cases[0])
    assert case.semantic_map is not None
    assert case.lesion is not None
    index = fullest_slice(case.lesion.canonical())
    labels, dwi, lesion = (
        slice_of(volume.canonical(), index)[::-1, ::-1].T
        for volume in (case.semantic_map, case.dwi, case.lesion)
    )
    if (lesion > 0)[:, : lesion.shape[1] // 2].sum() > (lesion > 0).sum() / 2:
        labels, dwi, lesion = labels[:, ::-1], dwi[:, ::-1], lesion[:, ::-1]
    brain = np.isin(labels, INTRACRANIAL)
    middle = np.median(dwi[brain])
    gray = np.clip(dwi / (1.8 * middle), 0, 1)
    tissues = np.array([c.color for c in CLASSES], float)[labels] / 255
    columns = np.where(brain.any(0))[0]
    half = np.arange(labels.shape[1]) < columns.mean()
    colors = np.where(half[None, :, None], tissues, np.repeat(gray[..., None], 3, axis=2))
    picture = np.concatenate([colors, brain[..., None].astype(float)], axis=2)
    rows = np.where(brain.any(1))[0]
    picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    image = Image.fromarray((picture * 255).astype(np.uint8), "RGBA")
    image.thumbnail((SIZE - 8, SIZE - 8), Image.Resampling.LANCZOS)
    icon = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
    icon.paste(image, ((SIZE - image.width) // 2, (SIZE - image.height) // 2), image)
    pixels = np.asarray(icon).copy()
    pixels[:, SIZE // 2 - GAP // 2 : SIZE // 2 + GAP // 2, 3] = 0
    for path in OUTS:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels, "RGBA").save(path, optimize=True)


if __name__ == "__main__":
    main()
