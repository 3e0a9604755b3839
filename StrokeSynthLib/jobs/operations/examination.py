"""An examination in: its lesions, its map, the table of lesions, agreement with a reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...cohort.case import Case
from ...cohort.checks import checked_map, checked_mask, place_on_grid
from ...cohort.load import examination_of
from ...errors import BadInputError
from ...pipeline.table import LesionTable, lesion_table
from ...progress import ProgressEvent
from ...provenance import content_hash
from ...volume import Volume
from .arguments import Arguments
from .workshop import Workshop

#: What "segment" gives on request, beside the mask.
WANTED = ("probability", "uncertainty", "map", "territories")


def segment(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Lesion mask of an examination, and what else is wanted of it."""
    from ...pipeline.maps import model_entry
    from ...pipeline.single import default_segmenter, segmentation_record

    case = examination(arguments, workshop)
    name = arguments.text("model") or default_segmenter()
    device = arguments.text("device", "auto") or "auto"
    want = arguments.texts("want", WANTED)
    arguments.finish()
    stage = "Segmenting"
    workshop.progress(ProgressEvent(stage, 0, 3))
    segmenter = workshop.segmenter(name, device)
    workshop.progress(ProgressEvent(stage, 1, 3))
    named = "territories" in want
    found = segmenter.predict(
        case.dwi, case.adc, uncertainty="uncertainty" in want, semantic_map=named or "map" in want
    )
    workshop.progress(ProgressEvent(stage, 2, 3))
    for asked, given in (("uncertainty", found.uncertainty), ("map", found.semantic_map)):
        if asked in want and given is None:
            raise BadInputError(f"{name}: gives no {asked}; leave it out, or use the shipped network.")
    notices, anatomy = list(case.notices), None
    if named and found.semantic_map is not None:
        try:
            anatomy = workshop.anatomy(found.semantic_map)
        except BadInputError as error:  # a part of a head, say: its lesions are wanted all the same
            notices.append(f"No territories can be named: {error}")
    table = lesion_table(found.mask, anatomy)
    record = segmentation_record(case, found, model_entry(segmenter, name), parents_of(case))
    workshop.progress(ProgressEvent(stage, 3, 3))
    return {
        "mask": found.mask,
        "probability": found.probability if "probability" in want else None,
        "uncertainty": found.uncertainty,
        "map": found.semantic_map if "map" in want else None,
        **table_entries(table, named=anatomy is not None),
        "unlike": list(found.unlike),
        "notices": notices,
        "record": record,
    }


def make_map(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Semantic map of an examination."""
    from ...pipeline.maps import open_map_maker
    from ...pipeline.single import map_record

    case = examination(arguments, workshop)
    model, device = arguments.text("model"), arguments.text("device", "auto") or "auto"
    arguments.finish()
    maker = open_map_maker(model, device, open_segmenter=workshop.segmenter)
    made = maker.make(case, workshop.progress)
    return {
        "map": made.semantic_map,
        "unlike": list(made.unlike),
        "notices": list(case.notices),
        "record": map_record(case, made, maker, parents_of(case)),
    }


def table(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """The lesions of a mask one by one; with the map of the same head also their territories."""
    mask = checked_mask(arguments.volume("mask"), [])
    semantic_map = arguments.optional_volume("map")
    arguments.finish()
    if semantic_map is None:
        return table_entries(lesion_table(mask), named=False)
    semantic_map = checked_map(semantic_map)
    placed = place_on_grid(mask, semantic_map, "the lesion mask", [])
    return table_entries(lesion_table(placed, workshop.anatomy(semantic_map)), named=True)


def agreement(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Scores of a mask against a reference on the same grid."""
    from ...evaluate.agreement import score

    reference = checked_mask(arguments.volume("reference"), [])
    mask = checked_mask(arguments.volume("mask"), [])
    arguments.finish()
    notices: list[str] = []
    mask = place_on_grid(mask, reference, "the mask", notices)
    return {**asdict(score(reference.array, mask.array, reference.spacing)), "notices": notices}


def examination(arguments: Arguments, workshop: Workshop) -> Case:
    """The arguments "dwi", "adc", "b0" and "b_value" as a case; what was noticed is said."""
    case = examination_of(
        arguments.volume("dwi"), arguments.optional_volume("adc"), arguments.optional_volume("b0"),
        b_value=arguments.number("b_value"),
    )  # fmt: skip
    for notice in case.notices:
        workshop.say(f"notice: {notice}")
    return case


def parents_of(case: Case) -> dict[str, str]:
    """What a result was made from, by channel, with hashes of values and place."""
    named: Mapping[str, Volume | None] = {"DWI": case.dwi, "ADC": case.adc, "B0": case.b0}
    return {name: content_hash(v) for name, v in named.items() if v is not None}


def table_entries(found: LesionTable, *, named: bool) -> dict[str, Any]:
    """A table as it is sent; territories are null where none are known."""
    return {
        "volume_ml": round(found.volume_ml, 4),
        "lesions": [asdict(row) for row in found.lesions],
        "territories_ml": dict(found.territories_ml) if named else None,
    }
