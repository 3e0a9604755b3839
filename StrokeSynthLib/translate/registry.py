"""The translators there are: one line a kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ..cohort.case import CaseFiles
from ..cohort.identity import identities
from ..errors import BadInputError
from ..modelfolder import ModelFolder, open_model
from ..progress import Progress, silent
from .options import CONDITIONS, TranslatorOptions
from .translator import Translator


class TranslatorKind(NamedTuple):
    """Where a kind lives; imported when used, because torch takes a second and MONAI five.

    ``needs_background``: whether it puts lesions into a patient's own images only, and cannot draw others;
    ``takes_unlabeled``: whether examinations without map and mask help it to learn;
    ``takes_condition``: whether what it sees beside the map can be chosen.
    """

    module: str
    trainer: str
    opener: str
    summary: str
    needs_background: bool = False
    takes_unlabeled: bool = False
    takes_condition: bool = False

    def load(self, name: str) -> Callable[..., Any]:
        """The function ``name`` of the kind's module."""
        function: Callable[..., Any] = getattr(import_module(self.module, __package__), name)
        return function


TRANSLATORS: dict[str, TranslatorKind] = {
    "physics": TranslatorKind(
        ".physics.translator", "train_physics", "open_physics", "signal statistics, seconds"
    ),
    "pix2pix": TranslatorKind(
        ".pix2pix.translator",
        "train_pix2pix",
        "open_pix2pix",
        "adversarial network, minutes",
        takes_condition=True,
    ),
    "spade": TranslatorKind(
        ".spade.translator",
        "train_spade",
        "open_spade",
        "adversarial network modulated by the map, minutes",
        takes_condition=True,
    ),
    "rflow": TranslatorKind(
        ".rflow.translator",
        "train_rflow",
        "open_rflow",
        "rectified flow from noise, minutes",
        takes_condition=True,
    ),
    "cyclegan": TranslatorKind(
        ".cyclegan.translator",
        "train_cyclegan",
        "open_cyclegan",
        "adversarial networks from unpaired maps and images, minutes",
        takes_unlabeled=True,
        takes_condition=True,
    ),
    "copypaste": TranslatorKind(
        ".copypaste.translator",
        "train_copypaste",
        "open_copypaste",
        "real lesions in real images; the model holds the cases' images",
        needs_background=True,
    ),
}


def train_translator(
    kind: str,
    cases: Sequence[CaseFiles],
    out: str | Path,
    options: TranslatorOptions | None = None,
    progress: Progress = silent,
) -> ModelFolder:
    """Train a translator of ``kind`` on ``cases`` and save it at ``out``.

    Raises
    ------
    BadInputError
        When the kind is unknown, or a case is unusable.
    """
    entry = TRANSLATORS.get(kind)
    if entry is None:
        raise BadInputError(f"--kind {kind}: is not known; choose one of {', '.join(TRANSLATORS)}.")
    options = options or TranslatorOptions()
    if options.unlabeled:
        check_unlabeled(kind)
    check_condition(kind, options.condition)
    options = replace(
        options,
        sources=identities(cases, progress),
        unlabeled_sources=identities(options.unlabeled, progress),
    )
    folder: ModelFolder = entry.load(entry.trainer)(cases, Path(out), options, progress)
    return folder


def check_unlabeled(kind: str) -> None:
    """Refuse examinations without maps for a kind that cannot use them.

    Raises
    ------
    BadInputError
        Naming the kinds that can.
    """
    able = [name for name, entry in TRANSLATORS.items() if entry.takes_unlabeled]
    if kind not in able:
        raise BadInputError(
            f"--unlabeled: {kind} learns from images with their maps; leave it out, or use --kind "
            f"{' or '.join(able)}."
        )


def check_condition(kind: str, condition: str) -> None:
    """Refuse another condition than the default for a kind without a network.

    Raises
    ------
    BadInputError
        Naming the kinds that can.
    """
    able = [name for name, entry in TRANSLATORS.items() if entry.takes_condition]
    if condition != CONDITIONS[0] and kind not in able:
        raise BadInputError(
            f"--condition {condition}: {kind} has no network; leave it out, or use --kind "
            f"{' or '.join(able)}."
        )


def open_translator(
    path: str | Path, device: str = "auto", *, sampling_steps: int | None = None
) -> Translator:
    """Open a trained translator of any kind: a folder, or the name of a shipped one.

    ``sampling_steps``: how many steps an image takes, for kinds that let it be chosen (``rflow``: 1 to 30,
    more take longer); None for the model's own number.

    Raises
    ------
    BadInputError
        When there is none, it is damaged, or it does not take that number of steps.
    """
    folder = open_model(path, *TRANSLATORS)
    entry = TRANSLATORS[folder.kind]
    translator: Translator = entry.load(entry.opener)(path, device)
    if sampling_steps is not None:
        choose = getattr(translator, "choose_sampling_steps", None)
        if choose is None:
            raise BadInputError(
                f"--sampling-steps {sampling_steps}: {folder.kind} draws an image at once; leave it out."
            )
        choose(sampling_steps)
    return translator
