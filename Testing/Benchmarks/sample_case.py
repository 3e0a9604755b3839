"""Makes the simulated examination that comes with the Slicer module (``StrokeSynth/Resources/SampleData``).

Run from the repository's root: ``python -m Testing.Benchmarks.sample_case``. Same bytes every time.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from StrokeSynthLib.pipeline.simulate import SimulationRecipe
from StrokeSynthLib.volume import Storage, Volume, write_volume

FOLDER = Path(__file__).resolve().parents[2] / "StrokeSynth" / "Resources" / "SampleData"
NAME = "SimulatedStroke"
#: A middle cerebral artery infarct of some 25 ml on an ordinary 1.5 T scanner; chosen by eye among eight.
RECIPE = SimulationRecipe(scanner="1.5T-6mm", lesion_free=0.0, skull_stripped=False, seed=11)
NUMBER = 8
#: Side of the thumbnail in pixels.
THUMBNAIL = 192


def main() -> None:
    """Write the images, their record and a thumbnail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    case = RECIPE.maker()(NUMBER)
    write_volume(out / f"{NAME}_DWI.nii.gz", case.dwi, _fine(case.dwi, 4000))
    write_volume(out / f"{NAME}_ADC.nii.gz", case.adc, Storage("int16", 0.001))
    write_volume(out / f"{NAME}_Lesion.nii.gz", case.lesion, Storage("uint8"))
    text = json.dumps({**case.record, "DiffusionBValue": case.b_value}, indent=2, sort_keys=True)
    (out / f"{NAME}.json").write_text(text + "\n", encoding="utf-8")
    _thumbnail(case.dwi, case.lesion, out / f"{NAME}.png")


def _fine(volume: Volume, steps: int) -> Storage:
    """Whole numbers for a signal of any scale."""
    return Storage("int16", float(np.float32(volume.array.max() / steps)))


def _thumbnail(dwi: Volume, lesion: Any, path: Path) -> None:
    image, mask = dwi.canonical().array, lesion.canonical().array > 0
    k = int(mask.sum(axis=(0, 1)).argmax())
    # As radiologists look at it: the patient's right is on the left.
    plt.imsave(path, _square(image[::-1, ::-1, k].T), cmap="gray", vmax=float(np.percentile(image, 99.7)))


def _square(image: Any) -> Any:
    """Enlarged to the thumbnail's side, nearest neighbor."""
    rows, columns = (np.linspace(0, n - 1, THUMBNAIL).round().astype(int) for n in image.shape)
    return image[np.ix_(rows, columns)]


if __name__ == "__main__":
    main()
