"""The data sheet as a page to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .. import RESEARCH_NOTICE
from ..evaluate.recoverable import LEAST_AUC

#: Grids that are listed; a database from many clinics has hundreds.
_MOST_GRIDS = 12

_LIMITS = (
    "Every image is drawn by a model, none was measured. It shows what the model has learned from its "
    "training cases and what the signal equation says, nothing else: no rare findings, no artifacts that the "
    "model lacks.",
    "Lesions that cannot be seen in their image were drawn again, so the faintest lesions are rarer here "
    "than in a clinic; how many, and how large they were, is said above.",
    "What a network trained on these cases is worth has to be measured on real examinations of other people.",
    "The lesion mask is what was asked of the model: exact, and without a reader's doubt at the edges.",
)


def page(content: Mapping[str, Any], card: str) -> str:
    """Markdown of the data sheet, with the translator's card at its end."""
    model = content["model"]
    parts = [
        "# Data sheet of a synthetic database",
        f"{content['cases']} synthetic examinations (DWI, ADC, b0, lesion mask, semantic map), made by "
        f"{content['software']}. **No image is a patient's.** {RESEARCH_NOTICE}",
        "## What was asked for",
        _table("setting", "value", {k: _value(v) for k, v in content["asked"].items()}),
        "To make it again (folders by their names; the same bytes on the same kind of machine and versions):",
        f"```\n{content['command']}\n```",
        "## What came out",
        _table("", "", _outcome(content)),
        _counts("territory", content["territories"]),
        _counts("side", content["sides"]),
        _counts("grid", content["grids"]),
        _counts("b-value (s/mm2)", content["b_values"]),
        *_agreement(content["asked_and_got"]),
        "## Drawn again",
        _rejection(content["rejection"]),
        "## From what",
        _model("Translator", model),
        _model("Lesions", content["lesion_model"]) if content["lesion_model"] else "",
        "Each case's sidecar (`sub-*/dwi/*_trace.json`) has its seed, anatomy, lesion, every try, and the "
        "hashes of map, lesion and model; `datasheet.tsv` has the most important of it, a line a case.",
        "## License and limits",
        "The licenses of the model, and of the maps and masks that were given to it, bind these images as "
        "well; the ones known are named here. Where they are silent, no right to pass the images on follows.",
        "\n".join(f"- {line}" for line in _LIMITS),
        "## The translator's card",
        _demoted(card),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _model(what: str, model: Mapping[str, str]) -> str:
    return (
        f"{what}: model `{model['name']}` (kind {model['kind']}), license: {model['license']}\n\n"
        f"Model hash: `{model['hash']}`"
    )


def _outcome(content: Mapping[str, Any]) -> dict[str, str]:
    free = content["lesion_free"]
    return {
        "cases": str(content["cases"]),
        "people": str(content["persons"]),
        "without a lesion": f"{free['cases']} ({_percent(free['share'])})",
        "lesion volume (ml): median, 5th to 95th percentile": _spread(content["lesion_volume_ml"]),
    }


def _agreement(found: Mapping[str, Any]) -> list[str]:
    rows = {name: _percent(found[name]) for name in ("territory", "side") if found[name] is not None}
    if found["volume_ratio"] is not None:
        rows["volume over what was asked for: median, 5th to 95th percentile"] = _spread(
            found["volume_ratio"]
        )
    return ["As asked for:", _table("", "", rows)] if rows else []


def _rejection(found: Mapping[str, Any]) -> str:
    if not found["cases_with_lesion"]:
        return "No lesions were asked for, so nothing was tested."
    rows = {
        "cases that a lesion was asked for": str(found["cases_with_lesion"]),
        "the first image was kept": str(found["first_image_kept"]),
        "images tested": str(found["images_tested"]),
        "images refused": f"{found['images_refused']} ({_percent(found['image_rejection_rate'])})",
        "lesions given up for another one": str(found["lesions_given_up"]),
        "their volume (ml): median, 5th to 95th percentile": _spread(found["given_up_volume_ml"]),
        "kept though the lesion cannot be seen": str(found["kept_though_not_recovered"]),
        "AUC of the kept images: median, 5th to 95th percentile": _spread(found["dwi_auc"]),
    }
    return (
        "A lesion must be brighter than the same tissue around it: the area under the ROC curve of its "
        f"voxels on DWI has to be {LEAST_AUC} or more. Otherwise the image is drawn again with another seed, "
        "and after that with another lesion.\n\n"
        + _table("", "", rows)
        + ("\n\n" + _counts("reason", found["reasons"]) if found["reasons"] else "")
    )


def _spread(values: Mapping[str, float] | None) -> str:
    return "-" if values is None else f"{values['p50']:.3g} ({values['p5']:.3g} to {values['p95']:.3g})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _counts(what: str, counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    shown = dict(list(counts.items())[:_MOST_GRIDS])
    if len(counts) > len(shown):
        shown[f"{len(counts) - len(shown)} others"] = sum(counts.values()) - sum(shown.values())
    return _table(what, "cases", {name: str(count) for name, count in shown.items()})


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {left} | {right} |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_value(item)}" for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _demoted(card: str) -> str:
    """The card with its headings two levels lower."""
    return re.sub(r"^(#+) ", r"##\1 ", card.strip(), flags=re.M)
