"""A cohort and a segmenter as a MONAI bundle: ``strokesynth export --to monai-bundle``.

Layout (https://docs.monai.io/en/stable/mb_specification.html)::

    LICENSE   docs/README.md
    configs/metadata.json   inference.json
    models/        the segmenter: model.json, weights.safetensors, network.onnx if it has one, card.md
    dataset/       the cohort as nnU-Net raw, and datalist.json, which names its cases for MONAI

``python -m monai.bundle run`` of ``inference.json`` builds MONAI's DynUNet, gives it the weights (no pickle)
and segments every case of the data list. What goes on around the network, from the canonical frame to the
calibrated decision, is StrokeSynth's, which metadata.json names among the packages that are required: the
result is that of ``strokesynth segment``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import RESEARCH_NOTICE, __version__
from ..cohort.case import Case
from ..cohort.export import check_target, export_nnunet
from ..cohort.layouts import Cohort, open_cohort
from ..cohort.load import load_examination
from ..errors import BadInputError, require
from ..files import check_output_folder, write_json, write_text
from ..modelfolder import ModelFolder, open_model
from ..progress import Progress, silent
from ..provenance import write_with_record
from ..schema import TISSUES
from ..segment.options import NetworkOptions
from ..segment.predict import KIND, UNetSegmenter
from ..volume import Storage
from .catalog import ModelSummary, summary_of
from .maps import model_entry
from .single import default_segmenter, parents_of, segmentation_record

_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
_METADATA = Path("configs") / "metadata.json"
_PACKAGES = ("safetensors", "SimpleITK", "scipy", "onnxruntime")


def export_bundle(
    cohort: Cohort, out: Path | str, model: str | None = None, progress: Progress = silent
) -> int:
    """Write a cohort and a segmenter as a MONAI bundle; returns the number of cases.

    Parameters
    ----------
    model
        Folder of a trained network or name of a shipped one; None for the shipped network.

    Raises
    ------
    BadInputError
        When the model is no network, ``out`` holds something, or a case is unusable.
    """
    require("torch", "monai")
    out, name = Path(out), model or default_segmenter()
    folder = _network(name)
    check_target(cohort, out)
    if out.exists() and any(out.iterdir()):
        raise BadInputError(f"{out}: is not empty; choose another folder for the bundle.")
    count = _write_dataset(cohort, out / "dataset", progress)
    for path in sorted(folder.path.iterdir()):
        if path.is_file():
            (out / "models").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / "models" / path.name)
    options, summary = NetworkOptions.from_config(folder.config["network"]), summary_of(name)
    write_json(out / "configs" / "inference.json", _inference(options))
    write_text(out / "docs" / "README.md", _readme(cohort, summary, count))
    write_text(out / "LICENSE", f"{summary.license}\n")
    write_json(out / _METADATA, _metadata(options, summary))  # last: says that nothing is missing
    return count


def _network(name: str) -> ModelFolder:
    folder = open_model(name)
    if folder.kind != KIND:
        raise BadInputError(
            f"--model {name}: is no network but {folder.kind}, and a MONAI bundle holds one; name another."
        )
    return folder


def _write_dataset(cohort: Cohort, out: Path, progress: Progress) -> int:
    """The cases as nnU-Net raw, which ``strokesynth`` reads as well, and the list that MONAI reads."""
    adc = all(files.adc is not None or files.b0 is not None for files in cohort.cases)
    count = export_nnunet(cohort, out, progress, channels=("DWI", "ADC") if adc else ("DWI",))
    lists: dict[str, list[dict[str, Any]]] = {"training": [], "testing": []}
    for key, images in (("training", "imagesTr"), ("testing", "imagesTs")):
        if not (out / images).is_dir() or not any((out / images).iterdir()):
            continue
        for files in open_cohort(out / images).cases:
            entry: dict[str, Any] = {
                "name": files.name,
                "image": [p.relative_to(out).as_posix() for p in (files.dwi, files.adc) if p is not None],
            }
            if files.lesion is not None:
                entry["label"] = files.lesion.relative_to(out).as_posix()
            lists[key].append(entry)
    write_json(
        out / "datalist.json",
        {"name": cohort.path.name, "description": RESEARCH_NOTICE, "tensorImageSize": "3D",
         "labels": {"0": "background", "1": "lesion"}, **lists},
    )  # fmt: skip
    return count


def _inference(options: NetworkOptions) -> dict[str, Any]:
    """Contents of ``inference.json``."""

    def listed(key: str) -> str:
        return f"monai.data.load_decathlon_datalist(@dataset_dir + '/datalist.json', data_list_key='{key}')"

    return {
        "imports": ["$import torch", "$import monai"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/dataset'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "datalist": f"${listed('training')} + {listed('testing')}",
        "network_def": {"_target_": "monai.networks.nets.DynUNet", **options.dynunet()},
        "network": {
            "_target_": "StrokeSynthLib.segment.monai_engine.with_weights",
            "network": "$@network_def.to(@device)",
            "model": "$@bundle_root + '/models'",
        },
        "dataset": {"_target_": "monai.data.Dataset", "data": "@datalist"},
        "inferer": {"_target_": "monai.inferers.SimpleInferer"},
        "evaluator": {
            "_target_": "StrokeSynthLib.pipeline.monai_bundle.BundleEvaluator",
            "model": "$@bundle_root + '/models'",
            "network": "@network",
            "inferer": "@inferer",
            "dataset": "@dataset",
            "output_dir": "@output_dir",
            "device": "@device",
        },
        "initialize": [],
        "run": ["$@evaluator.run()"],
        "finalize": [],
    }


def _metadata(options: NetworkOptions, summary: ModelSummary) -> dict[str, Any]:
    """Contents of ``metadata.json``."""
    shape = [f"{multiple}*n" for multiple in options.multiple]
    tensor = {"type": "image", "spatial_shape": shape, "dtype": "float32", "value_range": []}
    outputs = ["logit of acute ischemic lesion"]
    outputs += [f"score of {tissue}" for tissue in TISSUES] if options.tissues else []
    return {
        "schema": _SCHEMA,
        "version": __version__,
        "changelog": {__version__: "exported by StrokeSynth"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {
            "StrokeSynthLib": __version__, **{name: version(name) for name in _PACKAGES}
        },
        "name": f"StrokeSynth {summary.name}",
        "task": "Segmentation of acute ischemic lesions in diffusion MR",
        "description": f"{summary.title}. {RESEARCH_NOTICE}",
        "authors": "The StrokeSynth contributors",
        "copyright": summary.license,
        "intended_use": RESEARCH_NOTICE,
        "data_type": "nifti",
        "model_hash": summary.hash,
        "network_data_format": {
            "inputs": {
                "image": {
                    **tensor, "format": "magnitude", "modality": "MR", "num_channels": options.inputs,
                    "is_patch_data": options.dimensions == 3,
                    "channel_def": _numbered(_channel_names(options)),
                }
            },
            "outputs": {
                "pred": {
                    **tensor, "format": "segmentation", "num_channels": options.outputs,
                    "is_patch_data": options.dimensions == 3, "channel_def": _numbered(outputs),
                }
            },
        },
    }  # fmt: skip


def _channel_names(options: NetworkOptions) -> list[str]:
    """What :func:`..segment.inputs.assemble` puts into each channel."""
    last = ["whether ADC is known", "height in the brain", "distance of slices"]
    mirrored = ["DWI of the other hemisphere", "ADC of the other hemisphere"]
    if options.dimensions == 3:
        return ["DWI", "ADC", *mirrored, *last]
    half = options.depth // 2
    slices = [f"slice {offset:+d}" if offset else "the slice" for offset in range(-half, half + 1)]
    return [*(f"DWI of {s}" for s in slices), *(f"ADC of {s}" for s in slices), *mirrored, *last]


def _numbered(names: Iterable[str]) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names)}


def _readme(cohort: Cohort, summary: ModelSummary, count: int) -> str:
    return f"""# {summary.title}

{RESEARCH_NOTICE}

Written by StrokeSynth {__version__}: the segmenter `{summary.name}` (hash {summary.hash[:12]}; what it was
trained on, its figures and where it fails: `models/card.md`) and {count} cases of `{cohort.path.name}`.

    pip install StrokeSynthLib=={__version__} "monai[fire]"
    python -m monai.bundle run --config_file configs/inference.json --bundle_root .

writes a mask and the probability of each case of `dataset/datalist.json` to `eval/`: the same as
`strokesynth segment --cohort dataset --out eval`. Other cases: other entries of the data list, "image" being
DWI and ADC (10^-3 mm^2/s or a unit that is recognized), or DWI alone.

The network sees slices in the model's canonical frame, not files: `evaluator` brings the images there and the
answer back. To train on, `strokesynth train segmenter --start-from models --cohort dataset --out NEW`.

License of the model: {summary.license}
The cases are under the license that they had.
"""


class BundleEvaluator:
    """Segments the cases of a bundle with the network and the inferer of its configuration.

    Parameters
    ----------
    model
        The bundle's ``models``.
    network, inferer
        See :class:`..segment.monai_engine.MonaiEngine`.
    dataset
        Items with "name" and "image", the path of the DWI or the paths of DWI and ADC.
    output_dir
        Gets NAME.nii.gz and NAME_probability.nii.gz, each with its sidecar.
    device
        Where the network is.
    """

    def __init__(
        self, model: str | Path, network: Any, inferer: Callable[..., Any],
        dataset: Iterable[Mapping[str, Any]], output_dir: str | Path, device: Any = "cpu",
    ) -> None:  # fmt: skip
        from ..segment.monai_engine import MonaiEngine

        folder = _network(str(model))
        options = NetworkOptions.from_config(folder.config["network"])
        self._segmenter = UNetSegmenter(folder, engine=MonaiEngine(network, inferer, options, device))
        self._dataset, self._out, self._name = dataset, Path(output_dir), str(model)

    def run(self) -> dict[str, float]:
        """Segment all cases; returns lesion volumes (ml) by name.

        Raises
        ------
        BadInputError
            When a case cannot be used or the results cannot be written.
        """
        check_output_folder(self._out)
        volumes: dict[str, float] = {}
        for item in self._dataset:
            images = item["image"]
            paths = [Path(path) for path in ([images] if isinstance(images, str) else images)]
            dwi, adc = paths[0], paths[1] if len(paths) > 1 else None
            volumes[str(item["name"])] = self._segment(str(item["name"]), load_examination([dwi], adc), paths)
        return volumes

    def _segment(self, name: str, case: Case, paths: list[Path]) -> float:
        found = self._segmenter.predict(case.dwi, case.adc)
        model = model_entry(self._segmenter, self._name)
        entries = segmentation_record(case, found, model, parents_of(paths))
        write_with_record(self._out / f"{name}.nii.gz", found.mask, entries, Storage("uint8"))
        write_with_record(
            self._out / f"{name}_probability.nii.gz", found.probability,
            {**entries, "Kind": "lesion probability"},
        )  # fmt: skip
        return float(entries["VolumeMl"])
