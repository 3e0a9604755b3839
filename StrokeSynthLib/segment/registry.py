"""All segmenters by kind, behind one door. Importing this imports neither torch nor MONAI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..cohort.case import CaseFiles
from ..errors import BadInputError
from ..modelfolder import ModelFolder, open_model
from ..progress import Progress, silent
from .options import TrainingOptions
from .segmenter import Segmenter

__all__ = ["SEGMENTERS", "TrainingOptions", "open_segmenter", "train_segmenter"]

#: Kind and what it is, as listed by ``--help``.
SEGMENTERS: dict[str, str] = {
    "unet": "U-Net (MONAI DynUNet), trained; 2.5D or 3D",
    "threshold": "DWI z-score, ADC, size and left-right comparison; tuned, no network",
}


def open_segmenter(name_or_path: str | Path, device: str = "auto") -> Segmenter:
    """A segmenter, ready to predict.

    Parameters
    ----------
    name_or_path
        Model folder, or name of a shipped model ("threshold").
    device
        "auto", "cpu" or "cuda"; the threshold needs none.

    Raises
    ------
    BadInputError
        When there is no such model, or it is damaged or of another kind.
    """
    model = open_model(name_or_path, *SEGMENTERS)
    if model.kind == "threshold":
        from .threshold import ThresholdSegmenter

        return ThresholdSegmenter(model)
    from .predict import UNetSegmenter

    return UNetSegmenter(model, device)


def train_segmenter(
    kind: str,
    clinical: Sequence[CaseFiles],
    synthetic: Sequence[CaseFiles],
    out: Path | str,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
) -> ModelFolder:
    """Train (``unet``) or tune (``threshold``) a segmenter and write its model folder.

    Raises
    ------
    BadInputError
        When the kind is not known or the cases cannot be used.
    """
    if kind == "unet":
        from .training import train_segmenter as train

        return train(clinical, synthetic, out, options, progress)
    if kind == "threshold":
        from ..cohort.load import load_case
        from .threshold_tuning import tune_threshold

        cases = [*clinical, *synthetic]
        return tune_threshold((load_case(files) for files in cases), out, progress, total=len(cases))
    raise BadInputError(f"--kind {kind}: is not known; choose from {', '.join(SEGMENTERS)}.")
