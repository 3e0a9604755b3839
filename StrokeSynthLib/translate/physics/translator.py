"""``physics``: fit signal statistics to the user's cases, then draw new images on any map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cohort.case import CaseFiles
from ...errors import BadInputError
from ...modelfolder import ModelFolder, open_model, save_model
from ...progress import Progress, ProgressEvent, silent
from ...randomness import generator
from ..background import softened, softening_reach
from ..boxes import Box
from ..drawing import DrawingTranslator
from ..examples import load_examples
from ..geometry import geometries, slice_axis
from ..options import TranslatorOptions
from ..output import Rendering, effect_of
from ..stage import Stage
from .canvas import Canvas
from .mixing import fit_case
from .model import SignalModel
from .paint import add_noise

Array = npt.NDArray[Any]
KIND = "physics"


class PhysicsTranslator(DrawingTranslator):
    """Draws images from a fitted :class:`~.model.SignalModel`.

    A seed chooses one new case: tissue values, scanner, bias field, lesion, texture, noise.

    Examples
    --------
    >>> translator = PhysicsTranslator(model, "...")  # doctest: +SKIP
    >>> images = translator.translate(semantic_map, lesion, seed=7)  # doctest: +SKIP
    """

    kind = KIND

    def __init__(self, model: SignalModel, model_hash: str) -> None:
        self.model = model
        self.model_hash = model_hash

    def stage(
        self, labels: Array, spacing: tuple[float, float, float], seed: int, *, effect: bool = False
    ) -> PhysicsStage:
        """See :class:`..drawing.DrawingTranslator`."""
        draw = self.model.draw(generator(seed, "case"))
        return PhysicsStage(Canvas(labels, spacing, draw, seed), effect)


class PhysicsStage(Stage):
    """Paintings of a map without noise, kept up to date; noise is added to what is drawn."""

    def __init__(self, canvas: Canvas, effect: bool) -> None:
        softening = softening_reach(canvas.draw.blur_mm, canvas.spacing) if effect else canvas.reach
        reach = [max(pair) for pair in zip(canvas.reach, softening, strict=True)]
        super().__init__(canvas.shape, slice_axis(canvas.spacing), reach)
        self._canvas = canvas
        self._effect = effect
        #: b0, DWI and what is filled with the lesion; b0 and DWI without it, classes under it, softened mask.
        self._with: list[Array | None] = [None, None, None]
        self._without: list[Array | None] = [None, None]
        self._labels: Array | None = None
        self._weight: Array | None = None

    def prepare(self) -> None:
        """See :class:`..stage.Stage`."""
        super().prepare()
        self._canvas.prepare(self.axis)

    def repaint(self, lesion: Array, box: Box) -> None:
        """See :class:`..stage.Stage`."""
        painting = self._canvas.paint(lesion, box)
        parts = (painting.b0, painting.dwi, painting.filled)
        self._with = [self.put(target, part, box) for target, part in zip(self._with, parts, strict=True)]
        if self._effect:
            self._repaint_without(lesion, box)
            weight = softened(lesion, self._canvas.draw.blur_mm, self._canvas.spacing, box)
            self._weight = self.put(self._weight, weight, box)

    def _repaint_without(self, lesion: Array, box: Box) -> None:
        """The tissue under the lesion; mostly it is what it was before the stroke."""
        labels = self._canvas.labels_in(lesion, box)[0]
        if self._labels is not None and np.array_equal(self._labels[box], labels):
            return
        self._labels = self.put(self._labels, labels, box)
        bare = self._canvas.paint(lesion, box, bare=True)
        parts = (bare.b0, bare.dwi)
        self._without = [
            self.put(target, part, box) for target, part in zip(self._without, parts, strict=True)
        ]

    def draw(self, slices: Sequence[int] | None = None, *, exact: bool = True) -> Rendering:
        """See :class:`..stage.Stage`; always exact."""
        draw = self._canvas.draw

        def some(arrays: Sequence[Array | None]) -> list[Array]:
            return [self.picked(array, slices) for array in arrays if array is not None]

        b0, dwi, filled = some(self._with)
        effect = None
        if self._effect:
            bare_b0, bare_dwi, weight = some([*self._without, self._weight])
            effect = effect_of((b0, dwi), (bare_b0, bare_dwi), weight, draw.b_value)
        noise = self._canvas.noise_in(lambda array: self.picked(array, slices))
        b0, dwi, adc = add_noise(b0, dwi, filled, draw, noise)
        return Rendering(
            b0 * draw.level, dwi * draw.level, adc, draw.b_value, effect, self._canvas.parameters
        )


def train_physics(
    cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress = silent
) -> ModelFolder:
    """Fit the model to ``cases`` (10 to 50 are enough; one is possible) and save it."""
    examples = load_examples(cases, options.map_maker, progress)
    fits = []
    for number, example in enumerate(examples):
        progress(ProgressEvent("Fitting signal statistics", number, len(examples), example.name))
        fits.append(fit_case(example)[0])
    progress(ProgressEvent("Fitting signal statistics", len(examples), len(examples)))
    model = SignalModel.from_fits(fits)
    training = {
        "cases": [e.name for e in examples],
        "geometries": geometries(examples),
        "seed": options.seed,
        "with_lesion": len(model.lesions),
        "lesion_statistics": "from the cases" if len(model.lesions) else "assumed from the literature",
        "adc": "assumed from the literature" if all(e.adc_assumed for e in examples) else "from the cases",
        "adc_assumed_in": [e.name for e in examples if e.adc_assumed],
        "b0_derived_in": [e.name for e in examples if e.b0_derived],
        "borrowed": dict(model.borrowed),
        **options.record_of_sources(),
    }
    return save_model(
        out, kind=KIND, config=model.to_config(), training=training, arrays={}, card=_card(model, training)
    )


def open_physics(path: str | Path, device: str = "auto") -> PhysicsTranslator:
    """Open a saved model; it computes on the CPU whatever ``device`` says."""
    folder = open_model(path, KIND)
    try:
        return PhysicsTranslator(SignalModel.from_config(folder.config), folder.hash)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{folder.path}: its model.json is damaged ({error}); train it again.") from error


def _card(model: SignalModel, training: dict[str, Any]) -> str:
    borrowed = ", ".join(f"{t} from {s}" for t, s in model.borrowed.items()) or "none"
    return (
        "# Translator `physics`\n\n"
        f"Signal statistics fitted to {model.cases} cases, {training['with_lesion']} with a lesion "
        f"(lesion statistics {training['lesion_statistics']}; ADC {training['adc']}).\n\n"
        f"b = {model.b_value:.0f} s/mm^2; skull-stripped: {model.stripped_share:.0%} of the cases.\n"
        f"Tissues that the cases do not show, and where their values come from: {borrowed}.\n\n"
        "Images are made by class values, texture, blur, bias field and Rician noise; susceptibility\n"
        "artifacts and distortion of the training cases are not reproduced.\n\n"
        "For research use only. Not for diagnosis or treatment decisions.\n"
    )
