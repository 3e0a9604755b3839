"""``spade``: learn to paint the cohort's images under the map, from a latent vector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...cohort.case import CaseFiles
from ...modelfolder import ModelFolder
from ...progress import Progress, silent
from ..networks.translator import NetworkTranslator, open_network, train_network
from ..options import TranslatorOptions
from .generator import SpadeGenerator


def train_spade(
    cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress = silent
) -> ModelFolder:
    """Fit the signal model, then train the generator on ``cases``, and save both."""
    from .method import Spade

    return train_network(Spade, cases, out, options, progress)


def open_spade(path: str | Path, device: str = "auto") -> NetworkTranslator:
    """Open a saved model on ``device``."""
    return open_network("spade", SpadeGenerator, path, device)
