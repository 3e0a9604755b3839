"""A cohort and a segmenter as a MONAI bundle: MONAI runs it, and finds what StrokeSynth finds."""

import json
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import read_json
from StrokeSynthLib.modelfolder import open_model
from StrokeSynthLib.pipeline.monai_bundle import export_bundle
from StrokeSynthLib.pipeline.single import segment_cohort
from StrokeSynthLib.segment.options import NetworkOptions
from StrokeSynthLib.volume import read_volume, write_volume
from Testing.unit.segment_builders import examination
from Testing.unit.test_segment_engines import drawn_model


def cohort(folder: Path, *, adc: bool = True) -> Path:
    """Three examinations: with a lesion, with another, and one whose lesions nobody has marked."""
    for seed in (1, 2, 3):
        case = examination(seed)
        write_volume(folder / f"{case.name}_dwi.nii.gz", case.dwi)
        if adc:
            write_volume(folder / f"{case.name}_adc.nii.gz", case.adc)
        if seed < 3:
            write_volume(folder / f"{case.name}_msk.nii.gz", case.lesion)
    return folder


def workflow(bundle: Path):
    """The bundle's inference, as ``python -m monai.bundle run`` builds it."""
    from monai.bundle import ConfigWorkflow

    configs = bundle / "configs"
    return ConfigWorkflow(
        workflow_type="infer", config_file=str(configs / "inference.json"), logging_file=False,
        meta_file=str(configs / "metadata.json"), bundle_root=str(bundle), device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A bundle with the shipped network, written by the command."""
    folder = tmp_path_factory.mktemp("bundle of Jürgen")
    words = ["export", "--cohort", str(cohort(folder / "cohort")), "--to", "monai-bundle"]
    assert main([*words, "--out", str(folder / "bundle"), "--progress", "none"]) == 0
    return folder / "bundle"


def test_its_inference_finds_what_the_command_line_finds(shipped, tmp_path):
    bundle = workflow(shipped)
    bundle.initialize()
    (volumes,) = bundle.run()
    bundle.finalize()
    assert sorted(volumes) == ["sub-0001", "sub-0002", "sub-0003"]
    mine = tmp_path / "masks", tmp_path / "probabilities"
    segment_cohort(cohort(tmp_path / "cohort"), mine[0], probability=mine[1], device="cpu")
    found_any = False
    for name in volumes:
        for folder, ending, tolerance in ((mine[0], "", 0.0), (mine[1], "_probability", 2e-3)):
            expected = read_volume(folder / f"{name}.nii.gz")
            found = read_volume(shipped / "eval" / f"{name}{ending}.nii.gz")
            assert found.grid.matches(expected.grid)
            # A voxel at the very threshold may fall on either side of it.
            apart = np.abs(found.array.astype(float) - expected.array)
            assert (apart > tolerance).mean() < 1e-3
            found_any |= bool(expected.array.max() > 0.5)
        record = read_json(shipped / "eval" / f"{name}.json")
        assert record["Model"]["Hash"] == open_model("acute").hash
        assert "MONAI" in record["Model"]["Engine"]
    assert found_any, "a comparison of empty masks says nothing"


def test_monai_finds_all_that_a_bundle_must_have(shipped):
    from monai.bundle import verify_net_in_out

    bundle = workflow(shipped)
    bundle.initialize()
    assert not bundle.check_properties()
    configs = shipped / "configs"
    verify_net_in_out(
        net_id="network_def", meta_file=str(configs / "metadata.json"),
        config_file=str(configs / "inference.json"), device="cpu",
    )  # fmt: skip
    metadata = read_json(configs / "metadata.json")
    needed = {"schema", "version", "changelog", "monai_version", "pytorch_version", "numpy_version",
              "required_packages_version", "task", "description", "authors", "copyright",
              "network_data_format"}  # fmt: skip
    assert needed <= set(metadata)
    for side, name in (("inputs", "image"), ("outputs", "pred")):
        tensor = metadata["network_data_format"][side][name]
        assert len(tensor["channel_def"]) == tensor["num_channels"]
    assert "research use" in metadata["description"].lower()
    assert "Apache-2.0" in (shipped / "LICENSE").read_text(encoding="utf-8")
    assert "monai.bundle run" in (shipped / "docs" / "README.md").read_text(encoding="utf-8")


def test_a_network_of_other_channels_than_its_metadata_is_found(shipped, tmp_path):
    from monai.bundle import verify_net_in_out

    metadata = read_json(shipped / "configs" / "metadata.json")
    metadata["network_data_format"]["outputs"]["pred"]["num_channels"] = 2
    (tmp_path / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    with pytest.raises(ValueError, match="output channel number"):
        verify_net_in_out(
            net_id="network_def", meta_file=str(tmp_path / "metadata.json"),
            config_file=str(shipped / "configs" / "inference.json"), device="cpu",
        )  # fmt: skip


def test_its_files_are_a_model_a_cohort_and_a_list_without_pickles(shipped):
    assert open_model(shipped / "models").hash == open_model("acute").hash
    assert len(open_cohort(shipped / "dataset").cases) == 2, "one has no mask"
    content = read_json(shipped / "dataset" / "datalist.json")
    assert [entry["name"] for entry in content["training"]] == ["sub-0001", "sub-0002"]
    assert [entry["name"] for entry in content["testing"]] == ["sub-0003"]
    for entry in (*content["training"], *content["testing"]):
        named = [*entry["image"], *([entry["label"]] if "label" in entry else [])]
        assert all((shipped / "dataset" / path).is_file() for path in named)
    endings = {path.suffix for path in shipped.rglob("*") if path.is_file()}
    assert not endings & {".pt", ".pth", ".pkl", ".ts"}


@pytest.mark.parametrize("changes", [{}, {"dimensions": 3, "norm": "instance", "depth": 8, "tissues": False}])
def test_a_network_of_ones_own_is_the_same_network_there(tmp_path, changes):
    model = drawn_model(tmp_path / "mine", **changes)
    export_bundle(open_cohort(cohort(tmp_path / "cohort", adc=False)), tmp_path / "out", str(model.path))
    bundle = workflow(tmp_path / "out")
    bundle.initialize()
    (volumes,) = bundle.run()
    ours = segment_cohort(
        tmp_path / "cohort",
        tmp_path / "masks",
        model=str(model.path),
        probability=tmp_path / "p",
        device="cpu",
    )
    assert volumes == pytest.approx(ours.volumes_ml, rel=0.01, abs=0.3)
    for name in volumes:
        found = read_volume(tmp_path / "out" / "eval" / f"{name}_probability.nii.gz").array
        assert found == pytest.approx(read_volume(tmp_path / "p" / f"{name}.nii.gz").array, abs=1e-3)
    assert read_json(tmp_path / "out" / "models" / "model.json")["config"]["network"] == (
        NetworkOptions.from_config(model.config["network"]).config()
    )


def test_weights_of_another_network_are_refused(shipped, tmp_path):
    from monai.networks.nets import DynUNet

    from StrokeSynthLib.segment.monai_engine import with_weights

    other = DynUNet(**NetworkOptions(channels=(8, 12, 16)).dynunet())
    with pytest.raises(BadInputError, match="do not fit network_def"):
        with_weights(other, shipped / "models")


def test_what_makes_no_bundle_is_refused_before_anything_is_written(tmp_path):
    opened = open_cohort(cohort(tmp_path / "cohort"))
    with pytest.raises(BadInputError, match="is no network but threshold"):
        export_bundle(opened, tmp_path / "out", "threshold")
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(BadInputError, match="is not empty"):
        export_bundle(opened, tmp_path / "full")
    with pytest.raises(BadInputError, match="a cohort is never written to"):
        export_bundle(opened, tmp_path / "cohort" / "bundle")


def test_a_model_is_for_bundles_only(tmp_path, capsys):
    words = ["export", "--cohort", str(cohort(tmp_path / "cohort")), "--to", "nnunet", "--model", "acute"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "--model: is of use with --to monai-bundle only" in capsys.readouterr().err
