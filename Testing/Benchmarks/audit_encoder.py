r"""Train the shipped self-supervised encoder of the audit, ``StrokeSynthLib/models/encoder``.

1. ``slices``: of 250 cases of each of the four training cohorts of ``shipped_cohorts.py``, 12 random
   slices in the segmenters' frame, skull removed, into one file.
2. ``train``: two views of each slice, each a part of it, flipped or not, half of them turned, stretched and
   bent; Barlow Twins (Zbontar 2021; MONAI's loss) on a projection of the mean of the coarsest features over
   the brain. Nothing is made noisier, smoother or of other contrast, so that these are not overlooked.
   In one of ten slices ADC is withheld from both views. Interrupted, it goes on where it stopped.
3. ``export``: the encoder without its projection as ONNX, norms folded in, weights with 16 bits.

::

    python -m Testing.Benchmarks.audit_encoder slices --cohorts WORK --work DIR --each 250
    python -m Testing.Benchmarks.audit_encoder train --work DIR --steps 1500 | tee audit_encoder.log
    python -m Testing.Benchmarks.audit_encoder export --work DIR --out StrokeSynthLib/models/encoder

The people and masks of the test set are in none of these cohorts.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.evaluate.encoder import INPUTS, KIND, REDUCTION, inputs_of
from StrokeSynthLib.files import replacing, write_json
from StrokeSynthLib.modelfolder import add_weights, save_model
from StrokeSynthLib.segment.engines import EXPORTED
from StrokeSynthLib.segment.export import OPERATOR_SET
from StrokeSynthLib.segment.preprocess import prepare

Array = npt.NDArray[Any]

HERE = Path(__file__).parent
#: Kept of each slice, centered: brains of frames with 1.6 mm fit.
WINDOW = (96, 120)
SLICES = 12
#: Slices with less brain (share of the fullest) are not shown, as in the audit.
LEAST_BRAIN = 0.25
#: Of the window, shown in each view; somewhere around the middle.
CROP = (64, 80)
#: (features, stride) of each convolution; strides multiply to ``REDUCTION``.
LAYERS = ((24, 2), (32, 1), (48, 2), (64, 1), (96, 2), (96, 1))
_SLOPE, _EPSILON = 0.01, 1e-5


@dataclass(frozen=True)
class Options:
    """Of the training."""

    steps: int = 1500
    batch: int = 96
    learning_rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 1e-4
    projection: int = 256
    off_diagonal: float = 5e-3
    bent_share: float = 0.5
    without_adc_share: float = 0.1
    seed: int = 1


class Encoder(nn.Module):
    """Convolution, batch norm, leaky ReLU, six times; (n, 3, x, y) to (n, 96, x / 8, y / 8)."""

    def __init__(self) -> None:
        from monai.networks.blocks import Convolution

        super().__init__()
        before = [INPUTS, *(count for count, _ in LAYERS[:-1])]
        self.layers = nn.Sequential(
            *(
                Convolution(
                    2, first, count, strides=stride, kernel_size=3, norm="BATCH",
                    act=("LEAKYRELU", {"negative_slope": _SLOPE}),
                )
                for first, (count, stride) in zip(before, LAYERS, strict=True)
            )
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Coarsest features."""
        return self.layers(images)


def collect(cohorts: Path, work: Path, each: int | None, workers: int) -> None:
    """Write the slices of the cohorts: ``images.npy`` (n, 2, x, y) float16, 0 outside the brain."""
    work.mkdir(parents=True, exist_ok=True)
    kept: list[Array] = []
    counts = {}
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for path in sorted(cohorts.glob("training-*")):
            cases = open_cohort(path).cases[:each]
            kept += pool.map(some_slices, cases, range(len(cases)), chunksize=4)
            counts[path.name] = len(cases)
            print(path.name, len(cases), sum(len(each) for each in kept), flush=True)
    np.save(work / "images.npy", np.concatenate(kept))
    write_json(work / "slices.json", {"cases": counts, "slices": sum(len(each) for each in kept)})


def some_slices(files: CaseFiles, number: int) -> Array:
    """Random slices of one case, (``SLICES`` at most, 2, x, y) float16."""
    case = load_case(files)
    prepared = prepare(case.dwi, case.adc)
    area = prepared.brain.sum(axis=(0, 1))
    full = np.flatnonzero(area >= LEAST_BRAIN * area.max())
    chosen = np.sort(np.random.default_rng(number).permutation(full)[:SLICES])
    images, _ = inputs_of(prepared, chosen)
    return windowed(images[:, :2]).astype(np.float16)


def windowed(images: Array) -> Array:
    """Cut or filled to ``WINDOW`` around the middle."""
    result = np.zeros((*images.shape[:2], *WINDOW), images.dtype)
    into, out = [], []
    for have, want in zip(images.shape[2:], WINDOW, strict=True):
        size = min(have, want)
        into.append(slice((want - size) // 2, (want - size) // 2 + size))
        out.append(slice((have - size) // 2, (have - size) // 2 + size))
    result[:, :, into[0], into[1]] = images[:, :, out[0], out[1]]
    return result


def view(images: torch.Tensor, options: Options, rng: torch.Generator) -> torch.Tensor:
    """Another view of each slice (n, 2, x, y): a part of it, flipped; some turned, stretched and bent."""
    count = len(images)
    flipped = torch.rand(count, generator=rng) < 0.5
    images = torch.where(flipped[:, None, None, None], images.flip(2), images)
    chosen = torch.rand(count, generator=rng) < options.bent_share
    if chosen.any():
        images = images.clone()
        images[chosen] = bent(images[chosen], rng)
    first = [torch.randint(w - c + 1, (count,), generator=rng) for w, c in zip(WINDOW, CROP, strict=True)]
    return torch.stack(
        [
            each[:, i : i + CROP[0], j : j + CROP[1]]
            for each, i, j in zip(images, *(f.tolist() for f in first), strict=True)
        ]
    )


def bent(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Turned by up to 12 degrees, stretched by up to 10 %, and bent smoothly by some millimeters."""
    count, _, x, y = images.shape
    angle, wide, high = ((2 * torch.rand(count, generator=rng) - 1) * most for most in (0.21, 0.1, 0.1))
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = (1 + wide) * angle.cos(), -angle.sin() * y / x
    matrix[:, 1, 0], matrix[:, 1, 1] = angle.sin() * x / y, (1 + high) * angle.cos()
    # grid_sample's first coordinate runs along the last axis.
    grid = F.affine_grid(matrix, [count, 2, x, y], align_corners=False)
    coarse = torch.randn(count, 2, 6, 7, generator=rng) * 0.03
    grid = grid + F.interpolate(coarse, size=(x, y), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, mode="bicubic", align_corners=False).clamp(min=0)


def described(encoder: Encoder, images: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Mean of the coarsest features over the brain, (n, features), as in the audit."""
    brain = F.avg_pool2d((images[:, :1] > 0).float(), REDUCTION)
    images = torch.cat([images[:, :1], images[:, 1:] * known[:, None, None, None]], dim=1)
    flag = (2 * known - 1)[:, None, None, None].expand(-1, 1, *images.shape[2:])
    images = torch.cat([images, flag], dim=1).contiguous(memory_format=torch.channels_last)
    features = encoder(images)
    return (features * brain).sum(dim=(2, 3)) / brain.sum(dim=(2, 3)).clamp(min=1e-3)


def train(
    work: Path, options: Options, say: Callable[[str], None] = print, *, every: int = 100,
    after: Callable[[int], None] = lambda step: None,
) -> None:  # fmt: skip
    """Train, keeping ``state.pt`` now and then; ``encoder.pt`` and ``training.json`` at the end.

    Parameters
    ----------
    work
        Holds ``images.npy``, and ``state.pt`` where a training was interrupted.
    options
        Of the training.
    say
        Is told of the progress.
    every
        Steps from one state to the next.
    after
        Is told of every step.
    """
    from monai.losses import BarlowTwinsLoss

    torch.manual_seed(options.seed)
    images = np.load(work / "images.npy", mmap_mode="r")
    encoder = Encoder().to(memory_format=torch.channels_last)
    width = LAYERS[-1][0]
    projection = nn.Sequential(
        nn.Linear(width, options.projection), nn.BatchNorm1d(options.projection), nn.ReLU(),
        nn.Linear(options.projection, options.projection),
    )  # fmt: skip
    weights = [*encoder.parameters(), *projection.parameters()]
    optimizer = torch.optim.AdamW(weights, options.learning_rate, weight_decay=options.weight_decay)
    loss_of, started, first, history = BarlowTwinsLoss(options.off_diagonal), time.monotonic(), 0, []
    kept = {"encoder": encoder, "projection": projection, "optimizer": optimizer}
    if (work / "state.pt").is_file():
        state = torch.load(work / "state.pt", weights_only=True)
        for name, each in kept.items():
            each.load_state_dict(state[name])
        first, history = int(state["step"]), list(state["history"])
    losses: list[float] = []
    for step in range(first, options.steps):
        rate = min((step + 1) / options.warm_up, 0.5 * (1 + math.cos(math.pi * step / options.steps)))
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * rate
        # Drawn by step, so that a training that was interrupted sees what it would have seen.
        rng = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
        chosen = torch.randint(len(images), (options.batch,), generator=rng).sort().values.numpy()
        batch = torch.from_numpy(images[chosen].astype(np.float32))
        known = (torch.rand(options.batch, generator=rng) >= options.without_adc_share).float()
        views = torch.cat([view(batch, options, rng) for _ in range(2)])
        projected = projection(described(encoder, views, known.repeat(2)))
        loss = loss_of(*projected.chunk(2)) / options.projection
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % every == 0 or step + 1 == options.steps:
            history.append([step + 1, round(float(np.mean(losses)), 4)])
            losses = []
            minutes = (time.monotonic() - started) / 60
            say(f"{minutes:6.1f} min step {history[-1][0]} loss {history[-1][1]:.4f}")
            state = {name: each.state_dict() for name, each in kept.items()}
            with replacing(work / "state.pt") as temporary:
                torch.save({**state, "step": step + 1, "history": history}, temporary)
        after(step + 1)
    torch.save(encoder.state_dict(), work / "encoder.pt")
    write_json(
        work / "training.json",
        {"options": asdict(options), "loss": history, "torch": torch.__version__,
         "parameters": sum(p.numel() for p in encoder.parameters())},
    )  # fmt: skip


def encoder_graph(weights: Mapping[str, Array]) -> bytes:
    """The ONNX file: ``slices`` (n, 3, x, y) to ``features`` (n, 96, x / 8, y / 8); weights with 16 bits."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, constants, value = [], [], "slices"

    def constant(name: str, values: Array) -> str:
        constants.append(numpy_helper.from_array(values.astype(np.float16), name + ".half"))
        nodes.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
        return name

    for number, (_, stride) in enumerate(LAYERS):
        layer = f"layers.{number}"
        norm = {k: weights[f"{layer}.adn.N.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}
        factor = norm["weight"] / np.sqrt(norm["running_var"] + _EPSILON)
        kernel = weights[f"{layer}.conv.weight"] * factor[:, None, None, None]
        bias = norm["bias"] + (weights[f"{layer}.conv.bias"] - norm["running_mean"]) * factor
        inputs = [value, constant(f"{layer}.kernel", kernel), constant(f"{layer}.bias", bias)]
        nodes.append(
            helper.make_node(
                "Conv", inputs, [f"{layer}.sum"], kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4
            )
        )
        value = "features" if number == len(LAYERS) - 1 else layer
        nodes.append(helper.make_node("LeakyRelu", [f"{layer}.sum"], [value], alpha=_SLOPE))
    graph = helper.make_graph(
        nodes, "encoder",
        [helper.make_tensor_value_info("slices", TensorProto.FLOAT, ["n", INPUTS, "x", "y"])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", LAYERS[-1][0], "i", "j"])],
        constants,
    )  # fmt: skip
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPERATOR_SET)],
        ir_version=8,
        producer_name="StrokeSynth",
    )
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def export(work: Path, out: Path) -> None:
    """Write the model folder, with the card that is there."""
    state = torch.load(work / "encoder.pt", weights_only=True)
    weights = {name: value.numpy() for name, value in state.items()}
    training = json.loads((work / "training.json").read_text()) | json.loads(
        (work / "slices.json").read_text()
    )
    card = (out / "card.md").read_text(encoding="utf-8") if (out / "card.md").is_file() else ""
    config = {"layers": [list(layer) for layer in LAYERS], "inputs": INPUTS, "reduction": REDUCTION}
    model = save_model(out, kind=KIND, config=config, training=training, arrays={}, card=card)
    print(add_weights(model, EXPORTED, encoder_graph(weights)).hash)


def main() -> None:
    """Collect, train or export."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("slices", "train", "export"))
    parser.add_argument("--cohorts", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "StrokeSynthLib" / "models" / KIND)
    parser.add_argument("--each", type=int, help="only so many cases of each cohort")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=Options.steps)
    arguments = parser.parse_args()
    if arguments.what == "slices":
        collect(arguments.cohorts, arguments.work, arguments.each, arguments.workers)
    elif arguments.what == "train":
        train(arguments.work, Options(steps=arguments.steps), lambda line: print(line, flush=True))
    else:
        export(arguments.work, arguments.out)


if __name__ == "__main__":
    main()
