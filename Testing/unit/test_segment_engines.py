"""The exported network: the same answers as from PyTorch, without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from StrokeSynthLib.device import Device, choose_device, gpu_in_sight
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.modelfolder import SHIPPED, open_model, save_model
from StrokeSynthLib.schema import CLASSES, TISSUES
from StrokeSynthLib.segment import engines
from StrokeSynthLib.segment.decision import dice
from StrokeSynthLib.segment.export import export_onnx
from StrokeSynthLib.segment.options import NetworkOptions
from StrokeSynthLib.segment.predict import UNetSegmenter
from StrokeSynthLib.segment.registry import open_segmenter
from StrokeSynthLib.segment.torch_engine import TorchEngine
from StrokeSynthLib.segment.unet import UNet
from StrokeSynthLib.volume import read_volume
from Testing.unit.segment_builders import examination, saved, turned


def drawn_model(folder: Path, seed: int = 3, **changes) -> object:
    """A model folder with weights by chance, of a size that gives answers of all kinds."""
    options = NetworkOptions(**{"channels": (8, 12, 16), "depth": 3, "tissues": True} | changes)
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, value in UNet(options).state_dict().items():
        if "num_batches" in name:
            continue
        drawn = torch.randn(value.shape, generator=generator) / max(1, value[0].numel()) ** 0.5
        if "norm" in name and name.endswith(("weight", "running_var")):
            drawn = drawn.abs() + 0.5
        elif name.endswith(("bias", "running_mean")):
            drawn = 0.2 * drawn
        weights[name] = drawn.numpy()
    config = {"network": options.config(), "frame": {"spacing": 4.0, "margin": 4.0},
              "decision": {"threshold": 0.7, "smallest_ml": 0.0}}  # fmt: skip
    return save_model(folder, kind="unet", config=config, training={}, arrays=weights, card="")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return export_onnx(drawn_model(tmp_path_factory.mktemp("models") / "drawn"))


def slices(options: NetworkOptions, count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).normal(0.5, 1, (count, options.inputs, 24, 32)).astype(np.float32)


def answers(model, name: str, *, tissue: bool = True):
    options = NetworkOptions.from_config(model.config["network"])
    if name == "torch":
        engine = TorchEngine.open(model, options, choose_device("cpu"))
    else:
        engine = engines.OnnxEngine(model, 2)
    inputs = slices(options)
    return engine.run(len(inputs), lambda numbers: inputs[numbers.start : numbers.stop], tissue=tissue)


@pytest.mark.parametrize("changes", [{}, {"tissues": False}, {"norm": "instance", "depth": 5}], ids=str)
def test_both_engines_give_the_same_answers(tmp_path, changes):
    model = export_onnx(drawn_model(tmp_path / "m", **changes))
    expected, found = answers(model, "torch"), answers(model, "onnx")
    assert expected.lesion.std() > 0.1
    np.testing.assert_allclose(found.lesion, expected.lesion, atol=1e-3)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-3)
    if changes.get("tissues", True):
        assert (found.tissue == expected.tissue).mean() > 0.999
        assert len(np.unique(expected.tissue)) > 3
        assert found.tissue.dtype == np.uint8
    else:
        assert found.tissue is None
        assert expected.tissue is None


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_tissues_are_given_where_they_are_asked_for(model, runtime):
    with_tissue, without = answers(model, runtime), answers(model, runtime, tissue=False)
    assert with_tissue.tissue is not None
    assert without.tissue is None
    np.testing.assert_array_equal(with_tissue.lesion, without.lesion)


def test_weights_of_16_bits_take_half_the_room_and_agree(tmp_path):
    whole, half = (drawn_model(tmp_path / name) for name in ("whole", "half"))
    whole, half = export_onnx(whole), export_onnx(half, half=True)
    sizes = [(m.path / engines.EXPORTED).stat().st_size for m in (whole, half)]
    assert sizes[1] < 0.75 * sizes[0]  # names and operations take room too
    np.testing.assert_allclose(answers(half, "onnx").lesion, answers(whole, "onnx").lesion, atol=0.05)


def test_export_belongs_to_the_model_and_its_hash(tmp_path):
    plain = drawn_model(tmp_path / "m")
    exported = export_onnx(plain)
    assert exported.hash != plain.hash
    assert open_model(tmp_path / "m").hash == exported.hash
    assert export_onnx(exported).hash == exported.hash
    named = json.loads((tmp_path / "m" / "model.json").read_text())["weights"]
    assert set(named) == {"weights.safetensors", "network.onnx"}
    (tmp_path / "m" / "network.onnx").write_bytes(b"other")
    with pytest.raises(BadInputError, match="damaged"):
        open_model(tmp_path / "m")


def test_three_dimensional_networks_are_not_exported(tmp_path):
    model = save_model(
        tmp_path / "m", kind="unet", training={}, arrays={"w": np.zeros(1)}, card="",
        config={"network": NetworkOptions(3, (4, 6, 8), depth=8).config()},
    )  # fmt: skip
    with pytest.raises(BadInputError, match=r"2\.5D"):
        export_onnx(model)


def test_weights_of_another_network_are_not_exported(tmp_path):
    model = drawn_model(tmp_path / "m")
    config = {**model.config, "network": {**model.config["network"], "channels": [8, 12, 16, 20]}}
    with pytest.raises(BadInputError, match="do not fit together"):
        export_onnx(replace(model, config=config))


def segmenters(model) -> list[UNetSegmenter]:
    """One for each engine."""
    options = NetworkOptions.from_config(model.config["network"])
    with_torch, with_onnx = UNetSegmenter(model, "cpu"), UNetSegmenter(model, "cpu")
    assert "ONNX" in with_onnx.engine
    with_torch._engine = TorchEngine.open(model, options, choose_device("cpu"))
    return [with_torch, with_onnx]


def test_segmentation_is_the_same_on_both_engines(model):
    case = examination(30, spacing=(4.0, 4.0, 6.0))
    expected, found = (s.predict(case.dwi, case.adc, semantic_map=True) for s in segmenters(model))
    assert 0.01 < expected.mask.array.mean() < 0.9
    assert dice(expected.mask.array, found.mask.array) > 0.999
    assert np.abs(expected.probability.array - found.probability.array).max() < 1e-3
    assert (expected.semantic_map.array == found.semantic_map.array).mean() > 0.999


def test_mask_does_not_depend_on_what_else_is_asked_for(model):
    case = examination(31, spacing=(4.0, 4.0, 6.0))
    segmenter = open_segmenter(model.path, "cpu")
    plain = segmenter.predict(case.dwi, case.adc)
    full = segmenter.predict(case.dwi, case.adc, uncertainty=True, semantic_map=True)
    assert plain.uncertainty is None
    assert plain.semantic_map is None
    np.testing.assert_array_equal(plain.probability.array, full.probability.array)
    np.testing.assert_array_equal(plain.mask.array, full.mask.array)
    assert full.uncertainty.array.min() >= 0
    assert 0.1 < full.uncertainty.array.max() <= 1


def test_map_has_sides_by_the_middle_of_this_head_and_lies_on_the_dwi_grid(model):
    case = examination(32, spacing=(4.0, 4.0, 6.0))
    dwi, adc = (turned(v, (2, 0, 1), (1,)) for v in (case.dwi, case.adc))
    segmenter = open_segmenter(model.path, "cpu")
    found = segmenter.predict(case.dwi, case.adc, semantic_map=True).semantic_map
    assert found.array.dtype == np.uint8
    sides = np.array([{"left": -1, "": 0, "right": 1}[c.side] for c in CLASSES])[found.array]
    x = found.affine[0, 0] * np.arange(found.array.shape[0]) + found.affine[0, 3]
    assert (sides[x < -8] <= 0).all()
    assert (sides[x > 8] >= 0).all()
    assert (sides[x < -8] < 0).any()
    assert (sides[x > 8] > 0).any()
    other = segmenter.predict(dwi, adc, semantic_map=True).semantic_map
    agreeing = other.array == turned(found, (2, 0, 1), (1,)).array
    assert agreeing.mean() > 0.98


def test_map_margin_shows_more_of_the_head_and_leaves_the_lesion_alone(model, tmp_path):
    case = examination(33, spacing=(4.0, 4.0, 6.0))
    wide = save_model(
        tmp_path / "wide", kind="unet", config={**model.config, "map_margin": 16.0}, training={},
        arrays=model.arrays(), card="",
    )  # fmt: skip
    narrow_map = open_segmenter(model.path, "cpu").predict(case.dwi, case.adc, semantic_map=True)
    wide_map = open_segmenter(wide.path, "cpu").predict(case.dwi, case.adc, semantic_map=True)
    np.testing.assert_allclose(wide_map.probability.array, narrow_map.probability.array, atol=1e-4)
    assert (wide_map.semantic_map.array > 0).sum() > (narrow_map.semantic_map.array > 0).sum()


def test_network_without_tissues_makes_no_map(tmp_path):
    model = export_onnx(drawn_model(tmp_path / "m", tissues=False))
    case = examination(34, spacing=(5.0, 5.0, 8.0))
    assert open_segmenter(model.path, "cpu").predict(case.dwi, semantic_map=True).semantic_map is None


def test_flips_are_averaged_unless_the_model_says_otherwise(model, tmp_path):
    case = examination(35, spacing=(4.0, 4.0, 6.0))
    once = save_model(
        tmp_path / "once", kind="unet", config={**model.config, "flips": False}, training={},
        arrays=model.arrays(), card="",
    )  # fmt: skip
    a, b = (open_segmenter(m.path, "cpu").predict(case.dwi, case.adc).probability for m in (model, once))
    assert np.abs(a.array - b.array).max() > 0.01


BLOCKED = """
import sys
for name in ("torch", "monai", "matplotlib", "scipy", "onnx"):
    sys.modules[name] = None
from StrokeSynthLib.cli import main
status = main(sys.argv[1:])
heavy = [n for n in ("torch", "monai", "matplotlib", "scipy", "onnx") if sys.modules.get(n) is not None]
sys.exit(f"imported {heavy}" if heavy else status)
"""
WATCHED = """
import sys
from StrokeSynthLib.cli import main
status = main(sys.argv[1:])
heavy = [n for n in ("torch", "monai", "matplotlib", "scipy", "onnx") if n in sys.modules]
sys.exit(f"imported {heavy}" if heavy else status)
"""


@pytest.mark.parametrize("code", [BLOCKED, WATCHED], ids=["without", "beside"])
def test_segmenting_needs_neither_torch_nor_monai_nor_scipy(model, tmp_path, code):
    files = saved(examination(36, spacing=(4.0, 4.0, 6.0)), tmp_path)
    out = tmp_path / "mask.nii.gz"
    command = ["segment", "--dwi", str(files.dwi), "--adc", str(files.adc), "--out", str(out),
               "--model", str(model.path)]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_volume(out).array.shape == read_volume(files.dwi).array.shape


def test_what_to_install_is_said_in_one_sentence(tmp_path):
    model = drawn_model(tmp_path / "m")  # not exported: needs PyTorch
    files = saved(examination(37, spacing=(5.0, 5.0, 8.0)), tmp_path)
    outputs = ["--out", str(tmp_path / "o.nii.gz"), "--model", str(model.path)]
    command = ["segment", "--dwi", str(files.dwi), *outputs]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert 'pip install "StrokeSynthLib[train]"' in last
    assert "Traceback" not in done.stderr


def test_without_either_engine_the_small_package_is_asked_for(model, monkeypatch):
    monkeypatch.setattr(engines, "gpu_in_sight", lambda: False)
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(BadInputError, match="pip install onnxruntime"):
        engines.open_engine(model, NetworkOptions(), "auto")


def test_unknown_device_is_refused(model):
    with pytest.raises(BadInputError, match="--device tpu"):
        open_segmenter(model.path, "tpu")


def test_threads_follow_the_usual_setting(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert engines.threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= engines.threads() <= 4


def test_number_of_threads_does_not_change_the_answer(model):
    options = NetworkOptions.from_config(model.config["network"])
    inputs = slices(options, 9)
    one, four = (engines.OnnxEngine(model, n).run(9, lambda k: inputs[k.start : k.stop]) for n in (1, 4))
    np.testing.assert_array_equal(one.lesion, four.lesion)


@pytest.mark.skipif(not (SHIPPED / "acute").exists(), reason="no network is shipped yet")
def test_shipped_network_segments_alike_on_both_engines():
    case = examination(38, spacing=(2.0, 2.0, 6.0))
    masks = [s.predict(case.dwi, case.adc).mask.array for s in segmenters(open_model("acute"))]
    assert masks[0].any()
    assert dice(*masks) >= 0.99


def test_tissue_numbers_are_those_of_the_schema(model):
    found = answers(model, "onnx")
    assert found.tissue.max() < len(TISSUES)


def test_graphics_card_is_used_where_it_works(model, monkeypatch):
    card = Device("cpu:0", "a card computed a test convolution.", False)
    monkeypatch.setattr(engines, "gpu_in_sight", lambda: True)
    monkeypatch.setattr(engines, "choose_device", lambda name: card)
    segmenter = open_segmenter(model.path, "auto")
    assert segmenter.engine == card.reason
    case = examination(40, spacing=(4.0, 4.0, 6.0))
    on_processor = segmenters(model)[1].predict(case.dwi, case.adc)
    assert dice(on_processor.mask.array, segmenter.predict(case.dwi, case.adc).mask.array) > 0.999


def test_driver_without_a_usable_card_leaves_the_processor(model, monkeypatch):
    monkeypatch.setattr(engines, "gpu_in_sight", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "ONNX" in open_segmenter(model.path, "auto").engine
    with pytest.raises(BadInputError, match="--device cuda"):
        open_segmenter(model.path, "cuda")


def test_hidden_card_is_not_looked_for(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not gpu_in_sight()
