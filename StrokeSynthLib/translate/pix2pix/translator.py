"""``pix2pix``: learn to paint the cohort's images on a map, with and without a lesion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...cohort.case import CaseFiles
from ...modelfolder import ModelFolder
from ...progress import Progress, silent
from ..networks.translator import NetworkTranslator, open_network, train_network
from ..options import TranslatorOptions
from .generator import Generator


def train_pix2pix(
    cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress = silent
) -> ModelFolder:
    """Fit the signal model, then train the generator on ``cases``, and save both."""
    from .method import Pix2Pix

    return train_network(Pix2Pix, cases, out, options, progress)


def open_pix2pix(path: str | Path, device: str = "auto") -> NetworkTranslator:
    """Open a saved model on ``device``."""
    return open_network("pix2pix", Generator, path, device)
