"""The picture of the README, from the output of the demo.

    make demo && python Testing/Benchmarks/overview.py --demo demo-out

Writes ``Resources/Screenshots/overview.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.files import replacing
from StrokeSynthLib.schema import CLASSES, LESION_COLOR
from StrokeSynthLib.study.figures import (
    PREDICTION_COLOR,
    REFERENCE_COLOR,
    Panel,
    display_limits,
    fullest_slice,
    panel_rows,
    slice_of,
)
from StrokeSynthLib.translate.registry import open_translator
from StrokeSynthLib.volume import read_volume

OUT = Path(__file__).parents[2] / "Resources" / "Screenshots" / "overview.png"


def main() -> None:
    """Choose a middle-sized lesion, draw its images, and show the chain in one row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demo", type=Path, required=True)
    parser.add_argument("--arm", default="physics")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--volume-ml", type=float, default=60.0)
    arguments = parser.parse_args()
    cases = [load_case(files) for files in open_cohort(arguments.demo / "test").cases]
    case = min(cases, key=lambda c: abs(c.lesion_ml - arguments.volume_ml))
    assert case.semantic_map is not None
    assert case.lesion is not None
    assert case.adc is not None
    semantic_map, lesion = case.semantic_map.canonical(), case.lesion.canonical()
    index = fullest_slice(lesion)
    outline = slice_of(lesion, index) > 0
    colors = np.array([c.color for c in CLASSES] + [LESION_COLOR], np.float32) / 255
    labels = np.where(outline, len(CLASSES), slice_of(semantic_map, index))
    translator = open_translator(arguments.demo / "translators" / "n10-seed0-physics")
    images = translator.translate(case.semantic_map, case.lesion, seed=arguments.seed)
    dwi = images.dwi.canonical()
    clinic = case.dwi.canonical()
    found = read_volume(
        arguments.demo / "predictions" / f"n10-seed0-{arguments.arm}" / f"{case.name}.nii.gz"
    ).canonical()
    panels = [
        Panel("semantic map + lesion", colors[labels], (0, 1), {}),
        Panel("synthetic DWI", slice_of(dwi, index), display_limits(dwi, semantic_map), {}),
        Panel("synthetic ADC", slice_of(images.adc.canonical(), index), (0, 2.5), {}),
        Panel("test examination (simulated)", slice_of(clinic, index), display_limits(clinic, semantic_map),
              {REFERENCE_COLOR: outline}),
        Panel("segmented by the U-Net", slice_of(clinic, index), display_limits(clinic, semantic_map),
              {PREDICTION_COLOR: slice_of(found, index) > 0}),
    ]  # fmt: skip
    with replacing(OUT) as temporary:
        temporary.write_bytes(panel_rows([("", panels)]))


if __name__ == "__main__":
    main()
