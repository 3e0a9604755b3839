"""Processor time and memory of ``strokesynth segment`` beside nnU-Net's command, and of the engines.

    python -m venv NNUNET && NNUNET/bin/pip install torch==2.13.0 nnunetv2
    python Testing/Benchmarks/speed.py --nnunet NNUNET --work WORK --dwi DWI --adc ADC [--openvino ENV]

Writes ``speed.md`` and ``speed.json``. The machine may do other work: what is compared runs alternately, and
ratios are of medians. Processor seconds are user and system time of the whole process, start-up included, one
thread each. nnU-Net's network has the standard plan for such images and weights by chance: they decide what
is found, not how long it takes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from StrokeSynthLib.files import write_json, write_text
from StrokeSynthLib.modelfolder import WEIGHT_ENDINGS, find_model, open_model
from StrokeSynthLib.volume import read_volume

HERE = Path(__file__).parent
DATASET = "Dataset900_Timing"
#: Run in a process of its own: runs a command and says what it used.
METER = (
    "import json, resource, subprocess, sys;"
    "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True);"
    "u = resource.getrusage(resource.RUSAGE_CHILDREN);"
    "print(json.dumps([u.ru_utime + u.ru_stime, u.ru_maxrss / 1024, done.returncode, done.stdout]))"
)
#: Run with nnU-Net's Python: writes a checkpoint with weights by chance for the plan that nnU-Net made.
CHECKPOINT = """
import json, sys, torch
from pathlib import Path
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
folder = Path(sys.argv[1])
plan = PlansManager(json.loads((folder / "plans.json").read_text())).get_configuration("3d_fullres")
torch.manual_seed(0)
network = get_network_from_plans(
    plan.network_arch_class_name, plan.network_arch_init_kwargs, plan.network_arch_init_kwargs_req_import,
    2, 2, allow_init=True, deep_supervision=False)
(folder / "fold_0").mkdir(exist_ok=True)
torch.save({"network_weights": network.state_dict(), "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": "3d_fullres"}, "inference_allowed_mirroring_axes": (0, 1, 2)},
           folder / "fold_0" / "checkpoint_final.pth")
print(json.dumps({"patch": list(map(int, plan.patch_size)), "spacing": list(map(float, plan.spacing)),
                  "parameters": sum(p.numel() for p in network.parameters())}))
"""
#: Run in a fresh process: what one engine takes to start and to compute so many slices.
ENGINE = """
import json, resource, sys, time
import numpy as np
name, path, channels, count, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
inputs = np.random.default_rng(0).normal(0.5, 1, (count, channels, 80, 96)).astype(np.float32)
begin = time.process_time()
if name == "OpenVINO":
    import openvino
    core = openvino.Core()
    whole = core.read_model(path + "/network.onnx")
    kept = [o.get_node() for o in whole.outputs if "tissue" not in o.get_names()]
    part = openvino.Model(kept, whole.get_parameters())
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(part, "CPU", settings).create_infer_request()
    everything = lambda: [request.infer([x[None]], share_inputs=True) for x in inputs]
else:
    from StrokeSynthLib.modelfolder import open_model
    from StrokeSynthLib.segment.engines import OnnxEngine
    model = open_model(path)
    if name == "PyTorch":
        from StrokeSynthLib.device import choose_device
        from StrokeSynthLib.segment.options import NetworkOptions
        from StrokeSynthLib.segment.torch_engine import TorchEngine
        network = NetworkOptions.from_config(model.config["network"])
        engine = TorchEngine.open(model, network, choose_device("cpu"))
    else:
        engine = OnnxEngine(model, threads)
    everything = lambda: engine.run(count, lambda k: inputs[k.start : k.stop])
start = time.process_time() - begin
everything()
before = time.process_time()
everything()
warm = time.process_time() - before
print(json.dumps([start, warm, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
#: Run in a fresh process: what a second examination takes where everything is loaded.
WARM = """
import sys, time
from pathlib import Path
from StrokeSynthLib.cohort.load import load_examination
from StrokeSynthLib.segment.registry import open_segmenter
case = load_examination([Path(sys.argv[2])], Path(sys.argv[3]))
segmenter = open_segmenter(sys.argv[1], "cpu")
segmenter.predict(case.dwi, case.adc)
before = time.process_time()
segmenter.predict(case.dwi, case.adc)
print(time.process_time() - before)
"""


@dataclass(frozen=True)
class Cost:
    """What one process took: processor seconds and peak memory (MB)."""

    seconds: float
    megabytes: float


def metered(command: list[str], environment: Mapping[str, str]) -> Cost:
    """Run a command and read what it used."""
    answer = subprocess.run(
        [sys.executable, "-c", METER, *command], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip
    seconds, megabytes, status, text = json.loads(answer.stdout)
    if status:
        raise SystemExit(f"{command[0]} failed:\n{text[-3000:]}")
    return Cost(seconds, megabytes)


def places(work: Path) -> dict[str, str]:
    """nnU-Net's folders."""
    names = {"nnUNet_raw": "raw", "nnUNet_preprocessed": "preprocessed", "nnUNet_results": "results"}
    return {name: str(work / folder) for name, folder in names.items()} | {"nnUNet_n_proc_DA": "1"}


def make_nnunet(nnunet: Path, work: Path) -> dict[str, Any]:
    """A model folder as nnU-Net leaves it: planned on four simulated examinations, never trained."""
    facts = work / "nnunet.json"
    if facts.exists():
        return dict(json.loads(facts.read_text()))
    library = [sys.executable, "-m", "StrokeSynthLib.cli"]
    cohort, raw = work / "cohort", work / "raw" / DATASET
    metered([*library, "simulate", "--cases", "4", "--scanner", "3T-2mm", "--out", str(cohort)], {})
    metered([*library, "export", "--to", "nnunet", "--cohort", str(cohort), "--out", str(raw)], {})
    tools = nnunet / "bin"
    metered([str(tools / "nnUNetv2_extract_fingerprint"), "-d", "900", "-np", "1"], places(work))
    metered([str(tools / "nnUNetv2_plan_experiment"), "-d", "900"], places(work))
    model = work / "results" / DATASET / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    model.mkdir(parents=True, exist_ok=True)
    shutil.copy(work / "preprocessed" / DATASET / "nnUNetPlans.json", model / "plans.json")
    shutil.copy(raw / "dataset.json", model / "dataset.json")
    made = subprocess.run(
        [str(tools / "python"), "-c", CHECKPOINT, str(model)], capture_output=True, text=True, check=True,
        env={**os.environ, **places(work)},
    )  # fmt: skip
    write_json(facts, json.loads(made.stdout.splitlines()[-1]))
    return dict(json.loads(facts.read_text()))


def commands(options: argparse.Namespace) -> dict[str, tuple[list[str], dict[str, str]]]:
    """What is compared, by name: command and environment."""
    work: Path = options.work
    images = work / "images"
    images.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate((options.dwi, options.adc)):
        shutil.copy(path, images / f"case_{number:04d}.nii.gz")
    own = [sys.executable, "-m", "StrokeSynthLib.cli", "segment", "--dwi", str(options.dwi), "--adc",
           str(options.adc), "--out", str(work / "mask.nii.gz"), "--model"]  # fmt: skip
    plan = ("-d", "900", "-c", "3d_fullres", "-f", "0", "-npp", "1", "-nps", "1", "-device", "cpu")
    nnunet = [str(options.nnunet / "bin" / "nnUNetv2_predict"), *plan]
    nnunet += ["-i", str(images), "-o", str(work / "out")]
    return {
        "nnU-Net v2, 3d_fullres, --disable_tta": ([*nnunet, "--disable_tta"], places(work)),
        f"strokesynth segment ({Path(options.model).name})": ([*own, options.model], {}),
        "strokesynth segment --model threshold": ([*own, "threshold"], {}),
    }


def alternated(options: argparse.Namespace) -> dict[str, list[Cost]]:
    """Every command in turn, so often; the first turn fills the disk's cache and is left out."""
    compared = commands(options)
    costs: dict[str, list[Cost]] = {name: [] for name in compared}
    for turn in range(options.turns + 1):
        for name, (command, environment) in compared.items():
            cost = metered(command, environment)
            if turn:
                costs[name].append(cost)
            print(f"turn {turn}: {name}: {cost.seconds:.2f} s, {cost.megabytes:.0f} MB", flush=True)
    return costs


def warm(options: argparse.Namespace) -> list[float]:
    """CPU seconds of a prediction where everything is loaded, once a turn."""
    command = [sys.executable, "-c", WARM, options.model, str(options.dwi), str(options.adc)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return [
        float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
        for _ in range(options.turns)
    ]


def engines(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Start and computing of each engine, alternately; 73 slices as of 2 mm and 25 as of 5 mm."""
    model = open_model(options.model)
    network = model.config["network"]
    channels = 2 * network["depth"] + 5
    pythons = {"ONNX Runtime": sys.executable, "PyTorch": sys.executable}
    if options.openvino:
        pythons["OpenVINO"] = str(options.openvino / "bin" / "python")
    folder = str(find_model(options.model))
    rows: list[dict[str, Any]] = []
    for count, threads in ((73, 1), (25, 1), (73, 2)):
        found: dict[str, list[list[float]]] = {name: [] for name in pythons}
        for _ in range(options.turns):
            for name, python in pythons.items():
                answer = subprocess.run(
                    [python, "-c", ENGINE, name, folder, str(channels), str(count), str(threads)],
                    capture_output=True, text=True, check=True,
                    env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                )  # fmt: skip
                found[name].append(json.loads(answer.stdout.splitlines()[-1]))
        for name, runs in found.items():
            start, warm, megabytes = (statistics.median(column) for column in zip(*runs, strict=True))
            rows.append({"engine": name, "slices": count, "threads": threads, "start": round(start, 3),
                         "warm": round(warm, 3), "megabytes": round(megabytes)})  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nnunet", type=Path, required=True, help="virtual environment with nnunetv2")
    parser.add_argument("--openvino", type=Path, help="virtual environment with openvino, for its rows")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--dwi", type=Path, required=True)
    parser.add_argument("--adc", type=Path, required=True)
    parser.add_argument("--model", default="acute")
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    plan = make_nnunet(options.nnunet, options.work)
    costs, again, rows = alternated(options), warm(options), engines(options)
    shape = "x".join(map(str, read_volume(options.dwi).array.shape))
    write_json(
        HERE / "speed.json",
        {"image": shape, "nnunet": plan, "turns": options.turns, "model": open_model(options.model).hash,
         "commands": {name: [vars(cost) for cost in runs] for name, runs in costs.items()},
         "warm": again, "engines": rows},
    )  # fmt: skip
    text = report(options, shape, plan, costs, again, rows)
    write_text(HERE / "speed.md", text)
    print(text)


HEAD = """# Speed and memory of one segmentation

An examination of {shape} voxels, DWI and ADC, cold: start-up, reading, computing and writing included.
{turns} alternations of all commands in one run, medians (lowest to highest), one thread a process,
Python {python}, {cores} cores, load {load:.0f} at the end: seconds rise with the load, ratios hardly.
nnU-Net: its own plan for such images (patch {patch}, {millions:.1f} million weights by chance: they
decide what is found, not how long it takes), no mirroring, no extra workers. Model of `strokesynth`:
{parameters:.2f} million weights, hash {model}. Script: `speed.py`; all numbers: `speed.json`.

| command | CPU seconds | times less than nnU-Net | peak memory, MB |
| --- | --- | --- | --- |
"""
ENGINES = """
Another examination in the same process, everything loaded: {again:.2f} CPU seconds. Weights: {sizes}.

## The network alone

Slices of 80x96 voxels, CPU seconds; start is importing the engine and loading the network. OpenVINO was
measured and is not used: it takes longer to start, and importing it starts a process that reports its
use.

| engine | slices | threads | start | computing | peak memory, MB |
| --- | --- | --- | --- | --- | --- |
"""


def report(
    options: argparse.Namespace, shape: str, plan: Mapping[str, Any], costs: Mapping[str, list[Cost]],
    again: list[float], rows: list[dict[str, Any]],
) -> str:  # fmt: skip
    """The tables in words."""
    model = open_model(options.model)
    text = HEAD.format(
        shape=shape, turns=options.turns, python=platform.python_version(), cores=os.cpu_count(),
        load=os.getloadavg()[0], patch="x".join(map(str, plan["patch"])), millions=plan["parameters"] / 1e6,
        model=model.hash[:12], parameters=sum(a.size for a in model.arrays().values()) / 1e6,
    )  # fmt: skip
    theirs = statistics.median(c.seconds for c in next(iter(costs.values())))
    for name, runs in costs.items():
        seconds = sorted(c.seconds for c in runs)
        middle, peak = statistics.median(seconds), statistics.median(c.megabytes for c in runs)
        spread = f"{middle:.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f})"
        text += f"| {name} | {spread} | {theirs / middle:.1f} | {peak:.0f} |\n"
    weights = [p for p in sorted(find_model(options.model).iterdir()) if p.suffix in WEIGHT_ENDINGS]
    sizes = ", ".join(f"`{p.name}` {p.stat().st_size / 1e6:.1f} MB" for p in weights)
    text += ENGINES.format(again=statistics.median(again), sizes=sizes)
    for row in rows:
        text += "| {engine} | {slices} | {threads} | {start:.2f} | {warm:.2f} | {megabytes} |\n".format(**row)
    return text


if __name__ == "__main__":
    main()
