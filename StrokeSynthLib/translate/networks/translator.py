"""Translators with a network: fitting and training, saving, opening, painting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...cohort.case import CaseFiles
from ...device import Device, choose_device
from ...errors import BadInputError
from ...modelfolder import ModelFolder, open_model, save_model
from ...progress import Progress, ProgressEvent
from ...randomness import generator as random_stream
from ...schema import CLASS_COUNT
from ...segment.engines import threads
from ...volume import Storage, Volume
from ..diversity import seed_diversity
from ..drawing import DrawingTranslator
from ..examples import Example, load_examples
from ..geometry import geometries
from ..options import TranslatorOptions
from ..physics.canvas import Canvas
from ..physics.mixing import CaseFit, Residuals, fit_case
from ..physics.model import SignalModel
from ..stage import Step
from .beside import side_by_side
from .dataset import Material, frame_mask, frame_spacing
from .frame import Frame
from .method import Method
from .painter import Painter
from .stage import NetworkStage
from .windows import DEPTH, blended, windows_over

Array = npt.NDArray[Any]
#: Slices computed together on a graphics card. On the processor each is computed alone, so that it comes out
#: with the same bits whether one or all of them are asked for.
_TOGETHER = {"cuda": 8}
#: Seeds whose images are compared when a training is over.
_COMPARED = (0, 1, 2)
#: What the network sees beside the map, for the card.
_CONDITIONS = {
    "sketch": "a sketch of b0 and ADC drawn from signal\nstatistics fitted to the same cases",
    "map": "each class's mean b0 and ADC, the same in every\nimage: nothing that the map does not tell",
}
_Piece = tuple[Tensor, Tensor, "Tensor | None"]


class NetworkTranslator(DrawingTranslator):
    """Sketches a map with drawn values and lets the trained painter go on from the sketch.

    The seed decides the sketch (contrast, lesion, bias field, texture), the noise, and what else the
    painter takes from chance.

    Parameters
    ----------
    kind
        Of the model.
    painter
        The trained network.
    model
        Signal statistics of the training cases.
    spacing, size
        In-plane spacing (mm) and least in-plane size of the frame.
    model_hash
        For the record.
    device
        Where the painter computes.
    condition
        What the painter was trained on; see :class:`..options.TranslatorOptions`.
    """

    def __init__(
        self, kind: str, painter: Painter, model: SignalModel, spacing: float, size: tuple[int, int],
        model_hash: str, device: Device, condition: str = "sketch",
    ) -> None:  # fmt: skip
        self.kind = kind
        self.painter = painter.to(device.name).eval()
        self.model = model
        self.spacing = spacing
        self.size = size
        self.model_hash = model_hash
        self.device = device
        self.condition = condition

    def choose_sampling_steps(self, steps: int) -> None:
        """Let images take that many steps from now on.

        Raises
        ------
        BadInputError
            When the painter takes one, or not so many.
        """
        most = self.painter.most_sampling_steps
        if most is None:
            raise BadInputError(
                f"--sampling-steps {steps}: {self.kind} draws an image at once; leave it out."
            )
        if not 1 <= steps <= most:
            raise BadInputError(f"--sampling-steps {steps}: is not possible; choose 1 to {most}.")
        self.painter.sampling_steps = steps

    def stage(
        self, labels: Array, spacing: tuple[float, float, float], seed: int, *, effect: bool = False
    ) -> NetworkStage:
        """See :class:`..drawing.DrawingTranslator`."""
        draw = self.model.draw(random_stream(seed, "case"))
        canvas = Canvas(labels, spacing, self.model.plain(draw) if self.condition == "map" else draw, seed)
        mask = frame_mask(labels, canvas.filled)
        frame = Frame.around(mask, spacing, self.spacing, self.size, self.painter.multiple)
        noise = torch.tensor([[canvas.draw.b0_noise, canvas.draw.dwi_noise]], dtype=torch.float32)
        noise *= frame.noise_kept  # the painter was told what is left in the frame
        return NetworkStage(partial(self._generate, seed, noise), self.painter, canvas, frame, effect)

    def _generate(
        self, seed: int, noise: Tensor, classes: Array, sketch: Array, numbers: list[int], step: Step
    ) -> Array:
        """Run the painter over a frame: classes (x, y, z), sketch (2, x, y, z) -> (2, x, y, z)."""
        labels = torch.from_numpy(classes.astype(np.int64))
        inputs = torch.from_numpy(sketch.astype(np.float32))
        if self.painter.dimensions == 3:
            windows = windows_over(classes.shape[2])
            pieces = [
                (
                    labels[None, ..., w], inputs[None, ..., w],
                    self.painter.randomness(seed, numbers[w], classes.shape[:2]),
                )
                for w in windows
            ]  # fmt: skip
            found = [part[0].numpy() for part in self._side_by_side(noise, pieces, step)]
            return blended(found, windows, classes.shape[2])
        random = self.painter.randomness(seed, numbers, classes.shape[:2])
        labels, inputs = labels.permute(2, 0, 1), inputs.permute(3, 0, 1, 2)
        together = _TOGETHER.get(self.device.name, 1)
        parts = [slice(k, k + together) for k in range(0, len(labels), together)]
        pieces = [(labels[p], inputs[p], None if random is None else random[p]) for p in parts]
        painted = torch.cat(self._side_by_side(noise, pieces, step))
        return np.asarray(painted.permute(1, 2, 3, 0).numpy())

    def _side_by_side(self, noise: Tensor, pieces: Sequence[_Piece], step: Step) -> list[Tensor]:
        """Slices, or windows, on the processor beside each other, each on one thread: none waits for another.

        So the bits do not depend on the number of threads either.
        """
        if self.device.name != "cpu":
            return [self._run(noise, piece, step) for piece in pieces]
        before = torch.get_num_threads()
        try:
            if len(pieces) == 1:  # a brush waits for it: no thread has to be begun
                torch.set_num_threads(1)
                return [self._run(noise, pieces[0], step)]
            return side_by_side(
                partial(self._run, noise), pieces, step, threads(), partial(torch.set_num_threads, 1)
            )
        finally:
            torch.set_num_threads(before)

    def _run(self, noise: Tensor, piece: _Piece, step: Step) -> Tensor:
        """Paint slices or a window of them; on a graphics card steps are told when they are begun."""
        labels, sketch, random = piece
        with torch.inference_mode(), self.device.autocast():
            labels = labels.to(self.device.name)
            onehot = torch.zeros(len(labels), CLASS_COUNT, *labels.shape[1:], device=labels.device)
            onehot.scatter_(1, labels[:, None], 1.0)
            if random is not None:
                random = random.contiguous().to(self.device.name)
            sketch, noise = sketch.contiguous().to(self.device.name), noise.to(self.device.name)
            noise, count = noise.expand(len(labels), 2), len(labels)
            output = self.painter.stepwise(onehot, sketch, random, noise, lambda: step(count))
            return output.float().cpu()


def fit_all(examples: Sequence[Example], progress: Progress) -> list[tuple[CaseFit, Residuals]]:
    """Signal statistics of each case, and what they leave."""
    fits = []
    for number, example in enumerate(examples):
        progress(ProgressEvent("Fitting signal statistics", number, len(examples), example.name))
        fits.append(fit_case(example))
    return fits


def train_network(
    kind: type[Method], cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress
) -> ModelFolder:
    """Fit the signal model to ``cases``, train a painter on them by ``kind``, and save both.

    Raises
    ------
    BadInputError
        When a case is unusable, or the state to resume from is of another training.
    """
    from ...segment.checkpoint import forget_state
    from .training import train

    device = choose_device(options.device)
    examples = load_examples(cases, options.map_maker, progress)
    fits = fit_all(examples, progress)
    model = SignalModel.from_fits([fit for fit, _ in fits])
    spacing = frame_spacing(examples)
    with torch.random.fork_rng(devices=[]):
        multiple = kind.new_painter(options).multiple
    stacks = kind.stacks(
        Material(examples, fits, model, spacing, multiple, options.condition, options.seed), options, progress
    )
    trained = train(lambda: kind(options, device), stacks, options, device, out, progress)
    size = (stacks[0].labels.shape[0], stacks[0].labels.shape[1])
    painted = NetworkTranslator(
        kind.kind, trained.painter, model, spacing, size, "", device, options.condition
    )
    record = trained.record | {
        "ssim_between_seeds": _between_seeds(painted, examples, progress),
        "cases": [e.name for e in examples],
        "geometries": geometries(examples),
        "with_lesion": len(model.lesions),
        "condition": options.condition,
        "adc_assumed_in": [e.name for e in examples if e.adc_assumed],
        "b0_derived_in": [e.name for e in examples if e.b0_derived],
        **({"unlabeled": [files.name for files in options.unlabeled]} if options.unlabeled else {}),
    }
    config = {
        "network": trained.painter.config(),
        "condition": options.condition,
        "spacing": spacing,
        "size": list(size),
        "signal": model.to_config(),
    }
    arrays = {name: value.detach().cpu().numpy() for name, value in trained.painter.state_dict().items()}
    folder = save_model(
        out, kind=kind.kind, config=config, training=record, arrays=arrays,
        card=card(kind, record, trained.minutes),
    )  # fmt: skip
    forget_state(out)
    return folder


def _between_seeds(
    translator: NetworkTranslator, examples: Sequence[Example], progress: Progress
) -> dict[str, float]:
    """How alike images of one map are that differ in their seed: of the case with the largest lesion."""
    progress(ProgressEvent("Comparing seeds", 0, 1))
    shown = max(examples, key=lambda e: float(e.lesion.sum()) * float(np.prod(e.spacing)))
    affine = np.diag([*shown.spacing, 1.0])
    classes, lesion = (
        Volume(array.astype(np.uint8), affine, Storage("uint8")) for array in (shown.labels, shown.lesion)
    )
    found = seed_diversity(translator, classes, lesion, _COMPARED)
    progress(ProgressEvent("Comparing seeds", 1, 1))
    return {"dwi": round(found.dwi_ssim, 3), "adc": round(found.adc_ssim, 3)}


def open_network(
    kind: str, painter: type[Painter], path: str | Path, device: str = "auto"
) -> NetworkTranslator:
    """Open a saved model on ``device``.

    Raises
    ------
    BadInputError
        When it is missing, damaged, or of another kind.
    """
    folder = open_model(path, kind)
    chosen = choose_device(device)
    try:
        config = folder.config
        network = painter.from_config(config["network"])
        network.load_state_dict({name: torch.from_numpy(value) for name, value in folder.arrays().items()})
        model = SignalModel.from_config(config["signal"])
        condition = TranslatorOptions(condition=config.get("condition", "sketch")).condition
        spacing, size = float(config["spacing"]), (int(config["size"][0]), int(config["size"][1]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadInputError(
            f"{folder.path}: damaged ({str(error).splitlines()[0]}); train it again."
        ) from error
    return NetworkTranslator(kind, network, model, spacing, size, folder.hash, chosen, condition)


def _is_flat(record: Mapping[str, Any]) -> bool:
    return bool(record["network"].get("dimensions", 2) == 2)


def _of_dimensions(record: Mapping[str, Any]) -> str:
    """What goes with two or with three dimensions, for the card."""
    if _is_flat(record):
        return "Two dimensions: slices are painted one by one; they agree as far as their sketches do."
    distances = [geometry["thickness"] for geometry in record["geometries"]]
    return (
        f"Three dimensions: painted in windows of {DEPTH} slices that overlap by half. Trained on slices "
        f"{min(distances):.1f} to\n{max(distances):.1f} mm apart; other distances it has not seen."
    )


def card(kind: type[Method], record: Mapping[str, Any], minutes: float) -> str:
    """The model's card."""
    network = ", ".join(f"{name} {value}" for name, value in record["network"].items())
    extra = len(record.get("unlabeled", []))
    unlabeled = f"and {extra} examinations without map and mask as images alone; " if extra else ""
    alike = record["ssim_between_seeds"]
    lacking = len(record["adc_assumed_in"]), len(record["b0_derived_in"])
    return (
        f"# Translator `{kind.kind}`\n\n"
        "Turns a semantic map with lesions into synthetic b0, ADC and DWI.\n\n"
        f"**Architecture.** {kind.architecture}\n"
        f"{network}; {record['parameters']:,} parameters in what is kept.\n"
        f"Input: one-hot map with the lesion as last class, and {_CONDITIONS[record['condition']]}.\n"
        "Output: b0 and ADC; DWI by the signal equation.\n\n"
        f"**Losses.** {kind.losses}\n\n"
        f"**Training.** {record['steps']} steps of {record['batch']} "
        f"({'slices, 2D' if _is_flat(record) else f'blocks of {DEPTH} slices, 3D'}), seed "
        f"{record['seed']}, {minutes:.1f} minutes on {record['device']}; Adam, "
        f"rate {record['learning_rate']}, to zero over the second half; weights averaged.\n\n"
        f"**Data.** {len(record['cases'])} cases, {record['with_lesion']} with a lesion "
        f"(names in `model.json`); {unlabeled}"
        f"ADC taken from the literature in {lacking[0]}, b0 computed in {lacking[1]} of them. "
        "All of them are training cases:\nwhat is held out for testing is decided before, by person.\n\n"
        f"**Diversity.** SSIM between {len(_COMPARED)} images of one training map that differ in their seed "
        f"(1: the same image): DWI {alike['dwi']}, ADC {alike['adc']}.\n\n"
        f"**Known failures.** {kind.failures}\n{_of_dimensions(record)}\n\n"
        "**License.** The weights follow the terms of the training cases. A network can remember them:\n"
        "treat it like the cases until `strokesynth audit` has passed on what it makes.\n\n"
        "For research use only. Not for diagnosis or treatment decisions.\n"
    )
