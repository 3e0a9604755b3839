"""Preview sessions of the worker: slices that are those of the synthesis, opened, kept, closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from StrokeSynthLib.jobs.operations.workshop import ClosedSessionError, Workshop
from Testing.unit import translate_phantom as phantom
from Testing.unit.jobs_builders import Ask, asker, fitted_translator, patient


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted_translator(tmp_path_factory.mktemp("jöbs model"))


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def ask(tmp_path: Path, workshop: Workshop) -> Ask:
    return asker(tmp_path, workshop)


@pytest.mark.parametrize("with_background", [False, True])
def test_preview_slices_are_those_of_the_synthesis(ask: Ask, model: Path, with_background: bool) -> None:
    dwi, adc = patient()
    setting: dict[str, Any] = {"model": str(model), "map": phantom.map_volume(), "seed": 2}
    if with_background:
        setting |= {"background": dwi, "background_adc": adc}
    opened = ask("preview_open", **setting, draw=True)
    assert (opened["axis"], opened["count"], opened["out_of_date"]) == (2, 12, [])
    shown = {channel: opened[channel].array.copy() for channel in ("dwi", "adc", "b0")}
    lesion = phantom.lesion_volume()
    got = ask("preview_slices", session=opened["session"], lesion=lesion, slices=[6])
    assert got["slices"] == [6]
    while True:
        for channel, image in shown.items():
            image[:, :, got["slices"]] = got[channel]
        if not got["out_of_date"]:
            break
        got = ask("preview_slices", session=opened["session"], most=3)
    whole = ask("synthesize", **setting, lesion=lesion)
    for channel, image in shown.items():
        np.testing.assert_array_equal(image, whole[channel].array)
    assert got["record"] == whole["record"]


def test_preview_without_anything_to_draw_says_that_it_is_settled(ask: Ask, model: Path) -> None:
    session = ask("preview_open", model=str(model), map=phantom.map_volume(), draw=True)["session"]
    got = ask("preview_slices", session=session)
    assert got["slices"] == []
    assert got["record"] is not None


def test_closed_preview_is_told_apart_from_other_mistakes(ask: Ask, model: Path) -> None:
    session = ask("preview_open", model=str(model), map=phantom.map_volume())["session"]
    ask("preview_close", session=session)
    with pytest.raises(ClosedSessionError, match="open it again"):
        ask("preview_slices", session=session)


def test_only_the_last_previews_are_kept(ask: Ask, model: Path) -> None:
    sessions = [
        ask("preview_open", model=str(model), map=phantom.map_volume())["session"] for _ in range(3)
    ]  # fmt: skip
    with pytest.raises(ClosedSessionError):
        ask("preview_slices", session=sessions[0])
    assert ask("preview_slices", session=sessions[2], slices=[0])["slices"] == [0]
