"""One network for lesion and map: what it learns from, what it keeps when fine-tuned, wide augmentation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.modelfolder import open_model, save_model
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.schema import INDEX, TISSUES
from StrokeSynthLib.segment import widening
from StrokeSynthLib.segment.dataset import prepare_example
from StrokeSynthLib.segment.inputs import ADC, DWI, MIRRORED_ADC, MIRRORED_DWI
from StrokeSynthLib.segment.options import TrainingOptions
from StrokeSynthLib.segment.preprocess import FrameOptions
from StrokeSynthLib.segment.registry import open_segmenter
from StrokeSynthLib.segment.training import train_segmenter
from StrokeSynthLib.volume import Volume, write_volume
from Testing.unit.segment_builders import examination, saved

TINY = TrainingOptions(
    steps=100, batch=4, patch=(32, 32), spacing=6.0, channels=(8, 16, 24), warm_up=5, averaging=0.9,
    validation_every=100, threads=1, device="cpu", learning_rate=5e-3, tissues=True, wide=True, depth=3,
)  # fmt: skip
SPACING = (5.0, 5.0, 8.0)


def map_of(case) -> Volume:
    """Fluid where ADC is high, white matter by side elsewhere, scalp around, and a few voxels of others."""
    dwi, adc = case.dwi.array, case.adc.array
    x = np.arange(dwi.shape[0])[:, None, None] - (dwi.shape[0] - 1) / 2
    white = np.where(x < 0, INDEX["left-white-matter"], INDEX["right-white-matter"])
    classes = np.where(dwi > 150, white, 0)
    classes = np.where((dwi > 30) & (dwi <= 150), INDEX["scalp"], classes)
    classes = np.where(adc > 2, INDEX["csf"], classes).astype(np.uint8)
    middle = tuple(n // 2 for n in classes.shape)
    for number, name in enumerate(
        ("brain-stem", "left-cortex", "left-thalamus", "left-putamen", "left-caudate")
    ):
        classes[middle[0] + number, middle[1], middle[2]] = INDEX[name]
    return case.dwi.with_array(classes)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory) -> list[CaseFiles]:
    folder = tmp_path_factory.mktemp("mapped")
    cases = []
    for seed in range(4):
        case = examination(seed, spacing=SPACING)
        path = folder / f"{case.name}_dseg.nii.gz"
        write_volume(path, map_of(case))
        cases.append(replace(saved(case, folder), semantic_map=path))
    return cases


@pytest.fixture(scope="module")
def model(mapped, tmp_path_factory):
    return train_segmenter(mapped, [], tmp_path_factory.mktemp("models") / "both", TINY)


def test_network_learns_tissues_and_sides_are_added(model):
    case = examination(30, spacing=SPACING)
    found = open_segmenter(model.path, "cpu").predict(case.dwi, case.adc, semantic_map=True)
    classes, truth = found.semantic_map.array, map_of(case).array
    np.testing.assert_array_equal(found.semantic_map.affine, case.dwi.affine)
    white = np.isin(truth, [INDEX["left-white-matter"], INDEX["right-white-matter"]])
    named = np.isin(classes, [INDEX["left-white-matter"], INDEX["right-white-matter"]])
    assert 2 * (white & named).sum() / (white.sum() + named.sum()) > 0.8
    assert (classes[named & white] == truth[named & white]).mean() > 0.9


def test_cases_without_map_are_refused_by_name(mapped, tmp_path):
    cases = [mapped[0], replace(mapped[1], semantic_map=None)]
    with pytest.raises(BadInputError, match=mapped[1].name):
        train_segmenter(cases, [], tmp_path / "m", TINY)


def test_fine_tuning_needs_no_maps_and_keeps_what_the_model_knew(model, mapped, tmp_path):
    config = {
        **model.config, "flips": False, "map_margin": 14.0,
        "decision": {**model.config["decision"], "skull_base": True},
        "calibration": {
            name: {"kind": "temperature", "logit": [-1.0, 1.0], "calibrated": [-0.5, 0.5]}
            for name in ("with_adc", "without_adc")
        },
    }  # fmt: skip
    start = save_model(
        tmp_path / "start", kind=model.kind, config=config, training=model.training, arrays=model.arrays(),
        card="start",
    )  # fmt: skip
    cases = [replace(case, semantic_map=None) for case in mapped]
    options = TrainingOptions(
        steps=3, batch=2, patch=(32, 32), validation_every=3, threads=1, device="cpu", warm_up=1,
        start_from=str(start.path),
    )  # fmt: skip
    tuned = train_segmenter(cases, [], tmp_path / "tuned", options)
    assert tuned.training["started_from"] == start.hash
    for name in ("flips", "map_margin", "calibration", "network", "frame"):
        assert tuned.config[name] == config[name]
    assert tuned.config["decision"]["skull_base"]
    case = examination(31, spacing=SPACING)
    both = [
        open_segmenter(path, "cpu").predict(case.dwi, case.adc, semantic_map=True).semantic_map.array
        for path in (start.path, tuned.path)
    ]
    # Three small steps change lesions a little and tissues hardly.
    assert (both[0] == both[1]).mean() > 0.95


def test_validation_cases_can_be_given(mapped, tmp_path):
    options = replace(TINY, steps=2, validation_every=2)
    model = train_segmenter([], mapped[:2], tmp_path / "m", options, held_out=mapped[2:])
    assert model.training["cases"] == {"clinical": 0, "synthetic": 2, "validation": 2}
    assert json.loads((model.path / "history.jsonl").read_text())["step"] == 2


def test_training_ended_by_the_clock_validates_its_last_weights(mapped, tmp_path):
    options = replace(TINY, steps=10**6, minutes=0.03, validation_every=10**5)
    model = train_segmenter(mapped, [], tmp_path / "m", options)
    assert model.training["history"][-1]["step"] == model.training["steps"]


def test_stripped_images_have_no_tissue_where_nothing_is_shown():
    case = examination(3, spacing=SPACING, skull=False)
    example = prepare_example(
        replace(case, semantic_map=map_of(examination(3, spacing=SPACING))), FrameOptions(6.0)
    )
    tissue, dwi = example.tissue, example.images[DWI]
    assert (tissue[dwi == 0] == 0).all()
    assert (tissue[dwi > 0.5] > 0).mean() > 0.9


def images(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    stack = torch.ones(batch, 4, 3, 24, 24)
    lesion = torch.zeros(batch, 3, 24, 24)
    lesion[:, :, 8:12, 8:12] = 1
    stack[:, DWI][lesion > 0] = 1.8
    stack[:, ADC][lesion > 0] = 0.5
    tissue = torch.full((batch, 3, 24, 24), TISSUES.index("cortex"), dtype=torch.uint8)
    return stack, lesion, tissue


def none_drawn(batch: int = 3) -> widening.Widening:
    drawn = widening.draw(batch, 3, generator(0, "none"))
    return replace(
        drawn, tissue_dwi=np.ones_like(drawn.tissue_dwi), tissue_adc=np.ones_like(drawn.tissue_adc),
        lesion=np.ones_like(drawn.lesion), visible=np.zeros_like(drawn.visible),
        slices=np.ones_like(drawn.slices), noise=np.zeros(batch),
        spots=np.zeros_like(drawn.spots), rims=np.zeros_like(drawn.rims), smooth_adc=np.zeros(batch, bool),
        symmetric=np.zeros(batch, bool),
    )  # fmt: skip


def applied(stack, lesion, tissue, adc_shown, drawn, height: float = -0.8) -> torch.Tensor:
    u, v = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    brain = ((u - 12) ** 2 + (v - 12) ** 2 <= 81).float().expand(3, 3, 24, 24)
    position = torch.full((3, 3), height)
    return widening.widen(stack, lesion, brain, tissue, adc_shown, position, drawn)


def widened(drawn: widening.Widening) -> torch.Tensor:
    stack, lesion, tissue = images()
    return applied(stack, lesion, tissue, torch.ones(3), drawn)


def test_a_visible_lesion_is_bright_and_dark_to_its_edge_but_for_fluid():
    stack, lesion, tissue = images()
    inside = lesion[0, 1].nonzero()
    faint, fluid = tuple(inside[0].tolist()), tuple(inside[1].tolist())
    stack[0, DWI, 1][faint], stack[0, ADC, 1][faint] = 1.0, 0.8
    stack[0, DWI, 1][fluid], stack[0, ADC, 1][fluid] = 0.3, 2.5
    before = stack.clone()
    visible = np.zeros((3, 3))
    visible[0] = 1.8, 0.5, 0
    found = applied(stack, lesion, tissue, torch.ones(3), replace(none_drawn(), visible=visible))
    assert float(found[0, DWI, 1][faint]) == pytest.approx(1.8, abs=0.01)
    assert float(found[0, ADC, 1][faint]) == pytest.approx(0.5, abs=0.01)
    for kind in (DWI, ADC):
        assert found[0, kind, 1][fluid] == before[0, kind, 1][fluid]
        outside = lesion[0] == 0
        torch.testing.assert_close(found[0, kind][outside], before[0, kind][outside])
    torch.testing.assert_close(found[1:], before[1:])


def test_a_symmetric_examination_shows_the_lesion_on_both_sides():
    stack, lesion, tissue = images()
    symmetric = np.array([True, False, False])
    found = applied(stack, lesion, tissue, torch.ones(3), replace(none_drawn(), symmetric=symmetric))
    torch.testing.assert_close(found[0, MIRRORED_DWI], found[0, DWI])
    torch.testing.assert_close(found[0, MIRRORED_ADC], found[0, ADC])
    assert not torch.equal(found[1, MIRRORED_DWI], found[1, DWI])


def test_nothing_drawn_changes_nothing():
    assert torch.equal(widened(none_drawn()), images()[0])


def test_same_draw_gives_the_same_images_and_another_seed_others():
    first, again, other = (widened(widening.draw(3, 3, generator(s, "w"))) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_tissue_factor_reaches_dwi_and_adc_of_that_tissue_only():
    drawn = none_drawn()
    drawn.tissue_dwi[:, TISSUES.index("cortex")] = 1.5
    drawn.tissue_adc[:, TISSUES.index("thalamus")] = 9.0
    found = widened(drawn)
    assert found[0, DWI, 1, 20, 20] == pytest.approx(1.5)
    assert found[0, ADC, 1, 20, 20] == pytest.approx(1.0)


def test_lesion_fades_toward_normal_tissue():
    drawn = none_drawn()
    drawn.lesion[:] = (0.5, 0.5)
    found = widened(drawn)
    assert found[0, DWI, 1, 10, 10] == pytest.approx(1.4)
    assert found[0, ADC, 1, 10, 10] == pytest.approx(0.65)


def test_spots_raise_adc_where_it_is_shown_and_stay_away_where_it_is_not():
    drawn = none_drawn()
    drawn.spots[:] = (0.7, 0.7, 3.0, 2.0, 1.5)
    stack, lesion, tissue = images()
    found = applied(stack, lesion, tissue, torch.tensor([1.0, 0.0, 1.0]), drawn)
    assert found[0, DWI, 1, 17, 17] > 1.9
    assert found[0, ADC, 1, 17, 17] > 1.4
    assert torch.equal(found[1], images()[0][1])


@pytest.mark.parametrize(("both", "height"), [(0, -0.8), (1, -0.8), (1, 0.5)])
def test_rims_are_bright_with_normal_adc_low_in_the_brain(both, height):
    drawn = none_drawn()
    drawn.rims[:] = (0.0, 3.0, 3.0, 1.0, both, -0.2)  # toward the first axis' end
    stack, lesion, tissue = images()
    found = applied(stack, lesion, tissue, torch.ones(3), drawn, height)
    before = images()[0]
    assert torch.equal(found[:, ADC], before[:, ADC])
    if height > 0:
        assert torch.equal(found, before)
        return
    assert found[0, DWI, 1, 17, 12] > 2.5
    assert (found[0, DWI, 1, 7, 12] > 2.5) == bool(both)
    # What is seen through the plane of symmetry is the other side's.
    assert found[0, MIRRORED_DWI, 1, 7, 12] > 2.5
    assert torch.equal(found[:, DWI][lesion > 0], before[:, DWI][lesion > 0])


def test_shipped_weights_may_be_stored_with_half_the_bits(model, tmp_path):
    arrays = {n: v.astype(np.float16) if v.ndim > 1 else v for n, v in model.arrays().items()}
    half = save_model(
        tmp_path / "half", kind=model.kind, config=model.config, training=model.training, arrays=arrays,
        card="half",
    )  # fmt: skip
    case = examination(32, spacing=SPACING)
    whole, small = (
        open_segmenter(folder.path, "cpu").predict(case.dwi, case.adc).probability.array
        for folder in (model, open_model(half.path))
    )
    assert (
        Path(half.path / "weights.safetensors").stat().st_size
        < 0.6 * Path(model.path / "weights.safetensors").stat().st_size
    )
    np.testing.assert_allclose(whole, small, atol=0.02)
