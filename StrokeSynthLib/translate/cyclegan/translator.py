"""``cyclegan``: learn what images look like from maps and images that do not belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...cohort.case import CaseFiles
from ...modelfolder import ModelFolder
from ...progress import Progress, silent
from ..networks.translator import NetworkTranslator, open_network, train_network
from ..options import TranslatorOptions
from .generator import CycleGenerator


def train_cyclegan(
    cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress = silent
) -> ModelFolder:
    """Fit the signal model to ``cases``, train on their maps and, unpaired, all images, and save both."""
    from .method import CycleGAN

    return train_network(CycleGAN, cases, out, options, progress)


def open_cyclegan(path: str | Path, device: str = "auto") -> NetworkTranslator:
    """Open a saved model on ``device``."""
    return open_network("cyclegan", CycleGenerator, path, device)
