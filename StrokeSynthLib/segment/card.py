"""The card of a trained segmenter: what it is, what it saw, how well it did, what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import RESEARCH_NOTICE, __version__


def model_card(config: Mapping[str, Any], training: Mapping[str, Any], minutes: float) -> str:
    """Markdown from the model's config and training record."""
    network, decision, cases = config["network"], config["decision"], training["cases"]
    score = training["validation_dice"]
    reached = (
        "Not validated: all cases are of one person, so none could be held back."
        if score is None
        else f"Mean Dice {score:.3f} on {cases['validation']} validation cases of persons that were not "
        "trained on. Weights, threshold and smallest lesion were chosen on these same cases, so expect "
        "less elsewhere."
    )
    kind = "2.5D (a slice and its neighbors)" if network["dimensions"] == 2 else "3D (slabs of slices)"
    features = ", ".join(map(str, network["channels"]))
    return f"""# Lesion segmenter (U-Net)

{RESEARCH_NOTICE}

- **Does**: finds acute ischemic lesions in a DWI (b about 1000 s/mm^2), with or without ADC.
- **Network**: MONAI DynUNet, {kind}, features {features}, {network["norm"]} norm;
  in-plane {config["frame"]["spacing"]} mm.
- **Decision**: probability of {decision["threshold"]} or more; components under
  {decision["smallest_ml"]} ml dropped.
- **Trained on**: {cases["clinical"]} clinical and {cases["synthetic"]} synthetic cases,
  {training["steps"]} steps, {minutes:.1f} minutes, seed {training["options"]["seed"]};
  best at step {training["best_step"]}.
- **Validation**: {reached}
- **Limits**: as good as its training cases; other scanners, ages of lesions and pathologies (tumor, abscess,
  seizure) were not tested. A lesion below the voxel size is not found.

Made by StrokeSynth {__version__}. The split, all options and the course of the training are in `model.json`
and `history.jsonl`.
"""
