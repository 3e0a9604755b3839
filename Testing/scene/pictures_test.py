"""What the views show, as pictures: compared with kept ones, each shown to tell a planted defect.

Kept in ``pictures/``; what is deleted there is made anew with ``STROKESYNTH_NEW_PICTURES=1``, to be
looked at before they are committed. Renderers differ in how they draw lines: what is allowed is in TOLERANCE.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from StrokeSynthLib.volume import Volume
from Testing.scene.Examples import oblique
from Testing.unit import translate_phantom as phantom

pytestmark = pytest.mark.usefixtures("pictures")

KEPT = Path(__file__).parent / "pictures"
#: Mean difference of gray values, of 255, up to which two pictures count as the same.
TOLERANCE = 0.25


class Scene:
    """A patient's DWI, a synthetic one with a lesion, their difference, lesion and map."""

    def __init__(self) -> None:
        from StrokeSynthLib.scene import Layouts, Segmentations, VolumeNodes, Windows

        affine = oblique((3.0, 3.0, 6.0))
        healthy = phantom.signals(5, lesion=False)["dwi"].astype(np.float32)
        mask = Volume(phantom.lesion_mask(), affine)
        self.original = VolumeNodes.nodeFromVolume(Volume(healthy, affine), "DWI")
        self.synthetic = VolumeNodes.nodeFromVolume(
            Volume(healthy * (1 + 0.8 * mask.array).astype(np.float32), affine), "DWI synthetic DWI"
        )
        self.lesion = Segmentations.lesionSegmentation(
            mask, name="lesion", reference=self.original, synthetic=True
        )
        self.map = Segmentations.mapSegmentation(
            Volume(phantom.labels(), affine), name="map", reference=self.original
        )
        self.map.GetDisplayNode().SetVisibility(False)
        Windows.suitDwi(self.original)
        Windows.suitDwi(self.synthetic)
        self.difference = Layouts.differenceNode(self.original, self.synthetic)
        Layouts.showComparison(self.original, self.synthetic, self.difference)
        center = (affine @ [32, 32, 5, 1])[:3]
        for name in Layouts.VIEWS:
            _sliceLogic(name).GetSliceNode().JumpSliceByOffsetting(*center)


@pytest.fixture
def scene(host: Any) -> Scene:
    return Scene()


def comparison(host: Any) -> np.ndarray:
    """The three views beside each other."""
    from StrokeSynthLib.scene import Layouts

    return np.concatenate([_picture(host, name) for name in Layouts.VIEWS], axis=1)


def test_original_synthetic_and_difference_look_as_they_should(host: Any, scene: Scene) -> None:
    assert distance(comparison(host), "comparison") < TOLERANCE


def test_a_wrong_window_is_told(host: Any, scene: Scene) -> None:
    scene.synthetic.GetDisplayNode().SetWindowLevelMinMax(0, 1.3 * _white(scene.synthetic))
    assert distance(comparison(host), "comparison") > TOLERANCE


def test_a_view_on_the_wrong_slice_is_told(host: Any, scene: Scene) -> None:
    logic = _sliceLogic("StrokeSynthSynthetic")
    logic.SetSliceOffset(logic.GetSliceOffset() + 12.0)
    assert distance(comparison(host), "comparison") > TOLERANCE


def test_a_lesion_one_voxel_beside_its_place_is_told(host: Any, scene: Scene) -> None:
    from StrokeSynthLib.scene import Segmentations

    shifted = Volume(np.roll(phantom.lesion_mask(), 1, axis=0), oblique((3.0, 3.0, 6.0)))
    Segmentations.updateSegmentation(scene.lesion, shifted)
    assert distance(comparison(host), "comparison") > TOLERANCE


def test_the_map_has_the_colors_of_the_tissues(host: Any, scene: Scene) -> None:
    scene.map.GetDisplayNode().SetVisibility(True)
    assert distance(_picture(host, "StrokeSynthOriginal"), "map") < TOLERANCE


def test_exchanged_tissues_are_told(host: Any, scene: Scene) -> None:
    from StrokeSynthLib.scene import Segmentations

    scene.map.GetDisplayNode().SetVisibility(True)
    Segmentations.updateSegmentation(
        scene.map, Volume(np.choose(phantom.labels() == 3, [phantom.labels(), 34]), oblique((3.0, 3.0, 6.0)))
    )
    assert distance(_picture(host, "StrokeSynthOriginal"), "map") > TOLERANCE


def distance(picture: np.ndarray, name: str) -> float:
    """Mean difference from the kept picture of that name."""
    path = KEPT / f"{name}.png"
    if os.environ.get("STROKESYNTH_NEW_PICTURES"):
        KEPT.mkdir(exist_ok=True)
        if not path.exists():
            Image.fromarray(picture.astype(np.uint8)).save(path, optimize=True)
    kept = np.asarray(Image.open(path).convert("RGB")).astype(float)
    assert kept.shape == picture.shape
    return float(np.abs(kept - picture).mean())


def _picture(host: Any, view: str) -> np.ndarray:
    return np.asarray(Image.open(host.render_slice(view)).convert("RGB")).astype(float)


def _sliceLogic(view: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(view).sliceLogic()


def _white(node: Any) -> float:
    return float(node.GetDisplayNode().GetWindowLevelMax())
