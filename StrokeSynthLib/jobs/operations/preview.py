"""The live preview: a session holds everything that strokes do not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...translate.preview import Preview, PreviewSlices
from ...volume import Volume
from .arguments import Arguments
from .synthesis import Setting, lesion_on
from .workshop import Workshop

#: Slices that one request draws where it does not say which: few, so that a stroke in between is not kept
#: waiting.
_AT_ONCE = 8


@dataclass(frozen=True)
class Session:
    """A preview and what it was opened with."""

    preview: Preview
    setting: Setting


def open_preview(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Open a session; with "draw", its whole volumes as well."""
    name, device = arguments.named("model"), arguments.text("device", "auto") or "auto"
    setting, draw = Setting.read(arguments, workshop), arguments.flag("draw")
    arguments.finish()
    translator = workshop.translator(name, device)
    preview = Preview(translator, setting.semantic_map, seed=setting.seed, background=setting.background)
    preview.change(setting.lesion)
    session = Session(preview, setting)
    result: dict[str, Any] = {"dwi": None, "adc": None, "b0": None, "record": None}
    if draw:
        drawn = preview.draw_all(workshop.progress)
        affine = setting.semantic_map.affine
        adc = setting.in_users_unit(drawn.adc)
        result = {
            "dwi": Volume(drawn.dwi, affine), "adc": Volume(adc, affine), "b0": Volume(drawn.b0, affine),
            "record": drawn.record,
        }  # fmt: skip
    return result | {
        "session": workshop.keep_session(session),
        "axis": preview.axis,
        "count": preview.count,
        "approximates": preview.approximates,
        "adc_unit": setting.adc_unit,
        "out_of_date": preview.out_of_date,
        "notices": list(setting.notices),
    }


def slices(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Take another lesion, if one is sent, and draw some of the slices that are out of date."""
    session: Session = workshop.session(arguments.named("session"))
    preview = session.preview
    mask = lesion_on(session.setting.semantic_map, arguments.optional_volume("lesion"))
    numbers, exact = arguments.wholes("slices"), arguments.flag("exact", True)
    most = arguments.whole("most", _AT_ONCE) or _AT_ONCE
    arguments.finish()
    if mask is not None:
        preview.change(mask)
    if numbers is None:
        waiting = preview.out_of_date or (preview.approximate if exact else ())
        numbers = list(waiting[: max(most, 1)])
    drawn = preview.draw(numbers, exact=exact) if numbers else None
    return {**_images(session, drawn), "out_of_date": preview.out_of_date, "approximate": preview.approximate}


def close(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Close a session."""
    name = arguments.named("session")
    arguments.finish()
    workshop.close_session(name)
    return {}


def _images(session: Session, drawn: PreviewSlices | None) -> dict[str, Any]:
    if drawn is None:
        return {"slices": [], "dwi": None, "adc": None, "b0": None, "record": session.preview.record()}
    adc = session.setting.in_users_unit(drawn.adc, session.preview.axis, drawn.numbers)
    return {
        "slices": drawn.numbers, "dwi": drawn.dwi, "adc": adc, "b0": drawn.b0, "record": drawn.record,
    }  # fmt: skip
