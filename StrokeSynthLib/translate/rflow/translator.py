"""``rflow``: learn to draw the cohort's images from noise on a map, in 1 to 30 steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...cohort.case import CaseFiles
from ...modelfolder import ModelFolder
from ...progress import Progress, silent
from ..networks.translator import NetworkTranslator, open_network, train_network
from ..options import TranslatorOptions
from .flow import Flow


def train_rflow(
    cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress = silent
) -> ModelFolder:
    """Fit the signal model, then train the flow on ``cases``, and save both."""
    from .method import RectifiedFlow

    return train_network(RectifiedFlow, cases, out, options, progress)


def open_rflow(path: str | Path, device: str = "auto") -> NetworkTranslator:
    """Open a saved model on ``device``."""
    return open_network("rflow", Flow, path, device)
