"""What a fine-tuned model keeps of the one that it began as, beside the weights."""

from __future__ import annotations

from typing import Any

from ..modelfolder import ModelFolder


def carried_over(start: ModelFolder | None) -> dict[str, Any]:
    """What a fine-tuned model keeps of the one that it began as, beside the weights.

    Its calibration is the best that is known: a few cases cannot give a new one. What its features usually
    look like is not kept, for they change; how usual examinations look is.
    """
    if start is None:
        return {}
    names = ("flips", "map_margin", "window_margin", "calibration")
    kept: dict[str, Any] = {name: start.config[name] for name in names if name in start.config}
    typicality = start.config.get("typicality")
    if typicality:
        distances = {k: v for k, v in typicality["distances"].items() if k != "features"}
        kept["typicality"] = {**typicality, "distances": distances}
    return kept
