"""``pix2pix``: learn to paint the cohort's images on a map, with and without a lesion."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...cohort.case import CaseFiles
from ...device import Device, choose_device
from ...errors import BadInputError
from ...modelfolder import ModelFolder, open_model, save_model
from ...progress import Progress, ProgressEvent, silent
from ...randomness import generator as random_stream
from ...schema import CLASS_COUNT
from ...segment.engines import threads
from ..drawing import DrawingTranslator
from ..examples import load_examples
from ..geometry import geometries
from ..options import TranslatorOptions
from ..physics.canvas import Canvas
from ..physics.mixing import fit_case
from ..physics.model import SignalModel
from .dataset import frame_mask, frame_spacing, make_stacks
from .frame import Frame
from .networks import Generator, GeneratorOptions
from .stage import Pix2PixStage

Array = npt.NDArray[Any]
KIND = "pix2pix"
#: Slices computed together on a graphics card. On the processor each is computed alone, so that it comes out
#: with the same bits whether one or all of them are asked for.
_TOGETHER = {"cuda": 8}


class Pix2PixTranslator(DrawingTranslator):
    """Sketches a map with drawn values and lets the trained generator correct the sketch.

    The seed decides the sketch (contrast, lesion, bias field, texture) and the noise; the generator
    itself is deterministic.
    """

    kind = KIND

    def __init__(
        self, generator: Generator, model: SignalModel, spacing: float, size: tuple[int, int],
        model_hash: str, device: Device,
    ) -> None:  # fmt: skip
        self.generator = generator.to(device.name).eval()
        self.model = model
        self.spacing = spacing
        self.size = size
        self.model_hash = model_hash
        self.device = device

    def stage(
        self, labels: Array, spacing: tuple[float, float, float], seed: int, *, effect: bool = False
    ) -> Pix2PixStage:
        """See :class:`..drawing.DrawingTranslator`."""
        canvas = Canvas(labels, spacing, self.model.draw(random_stream(seed, "case")), seed)
        options = self.generator.options
        mask = frame_mask(labels, canvas.filled)
        frame = Frame.around(mask, spacing, self.spacing, self.size, options.multiple)
        return Pix2PixStage(self._generate, options, canvas, frame, effect)

    def _generate(self, classes: Array, sketch: Array) -> Array:
        """Run the network over a frame: classes (x, y, z), sketch (2, x, y, z) -> (2, x, y, z)."""
        labels = torch.from_numpy(classes.astype(np.int64))[None]
        inputs = torch.from_numpy(sketch.astype(np.float32))[None]
        if self.generator.options.dimensions == 3:
            return np.asarray(self._run(labels, inputs)[0].numpy())
        labels, inputs = labels[0].permute(2, 0, 1), inputs[0].permute(3, 0, 1, 2)
        together = _TOGETHER.get(self.device.name, 1)
        pieces = [
            (labels[k : k + together], inputs[k : k + together]) for k in range(0, len(labels), together)
        ]
        painted = torch.cat(self._side_by_side(pieces))
        return np.asarray(painted.permute(1, 2, 3, 0).numpy())

    def _side_by_side(self, pieces: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> list[torch.Tensor]:
        """Slices on the processor beside each other, each on one thread, so that none waits for another.

        So the bits do not depend on the number of threads either.
        """
        if self.device.name != "cpu":
            return [self._run(*piece) for piece in pieces]
        before = torch.get_num_threads()
        try:
            if len(pieces) == 1:  # a brush waits for it: no thread has to be begun
                torch.set_num_threads(1)
                return [self._run(*pieces[0])]
            with ThreadPoolExecutor(
                min(threads(), len(pieces)), initializer=torch.set_num_threads, initargs=(1,)
            ) as pool:
                return list(pool.map(lambda piece: self._run(*piece), pieces))
        finally:
            torch.set_num_threads(before)

    def _run(self, labels: torch.Tensor, sketch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), self.device.autocast():
            labels = labels.to(self.device.name)
            onehot = torch.zeros(len(labels), CLASS_COUNT, *labels.shape[1:], device=labels.device)
            onehot.scatter_(1, labels[:, None], 1.0)
            output: torch.Tensor = self.generator(onehot, sketch.contiguous().to(self.device.name))
            return output.float().cpu()


def train_pix2pix(
    cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress = silent
) -> ModelFolder:
    """Fit the signal model, then train the generator on ``cases``, and save both."""
    from ...segment.checkpoint import forget_state
    from .training import train

    device = choose_device(options.device)
    examples = load_examples(cases, options.map_maker, progress)
    fits = []
    for number, example in enumerate(examples):
        progress(ProgressEvent("Fitting signal statistics", number, len(examples), example.name))
        fits.append(fit_case(example))
    model = SignalModel.from_fits([fit for fit, _ in fits])
    network = GeneratorOptions(dimensions=options.dimensions, width=options.width)
    spacing = frame_spacing(examples)
    stacks = make_stacks(examples, fits, model, spacing, network.multiple, progress)
    size = stacks[0].labels.shape[:2]
    trained = train(stacks, network, options, device, out, progress)
    record = trained.record | {
        "cases": [e.name for e in examples],
        "geometries": geometries(examples),
        "with_lesion": len(model.lesions),
        "adc_assumed_in": [e.name for e in examples if e.adc_assumed],
        "b0_derived_in": [e.name for e in examples if e.b0_derived],
    }
    config = {
        "generator": network.config(),
        "spacing": spacing,
        "size": list(size),
        "signal": model.to_config(),
    }
    arrays = {name: value.detach().cpu().numpy() for name, value in trained.generator.state_dict().items()}
    folder = save_model(
        out,
        kind=KIND,
        config=config,
        training=record,
        arrays=arrays,
        card=_card(record, network, trained.minutes),
    )
    forget_state(out)
    return folder


def open_pix2pix(path: str | Path, device: str = "auto") -> Pix2PixTranslator:
    """Open a saved model on ``device``."""
    folder = open_model(path, KIND)
    chosen = choose_device(device)
    try:
        config = folder.config
        network = Generator(GeneratorOptions.from_config(config["generator"]))
        network.load_state_dict({name: torch.from_numpy(value) for name, value in folder.arrays().items()})
        model = SignalModel.from_config(config["signal"])
        spacing, size = float(config["spacing"]), (int(config["size"][0]), int(config["size"][1]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadInputError(
            f"{folder.path}: damaged ({str(error).splitlines()[0]}); train it again."
        ) from error
    return Pix2PixTranslator(network, model, spacing, size, folder.hash, chosen)


def _card(record: dict[str, Any], network: GeneratorOptions, minutes: float) -> str:
    return (
        "# Translator `pix2pix`\n\n"
        f"Conditional adversarial network ({network.dimensions}D U-Net, first width {network.width}),\n"
        f"trained for {record['steps']} steps of {record['batch']} on {len(record['cases'])} cases, "
        f"{record['with_lesion']} with a lesion ({minutes:.1f} minutes on {record['device']}).\n\n"
        "Input: one-hot map with the lesion as last class, and a sketch of b0 and ADC drawn from signal\n"
        "statistics fitted to the same cases. Output: b0 and ADC; DWI by the signal equation.\n\n"
        "For research use only. Not for diagnosis or treatment decisions.\n"
    )
