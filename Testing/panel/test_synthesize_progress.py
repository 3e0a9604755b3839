"""Synthesize with a translator that takes long: how far it is, and Cancel in the middle."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import train_translator
from Testing.unit import translate_phantom as phantom

from .studio_case import Studio, as_a_volume, shown, values

pytest.importorskip("torch")
pytest.importorskip("monai")


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """Folder of a flow that was hardly trained: every slice takes it eight steps."""
    folder = tmp_path_factory.mktemp("slow translator")
    options = TranslatorOptions(steps=1, width=16, batch=1, device="cpu")
    return train_translator(
        "rflow", phantom.write_cohort(folder / "cohort", 2), folder / "rflow", options
    ).path


@pytest.fixture
def studio(host, panel, slow):
    studio = Studio(host, panel)
    studio.paint()
    host.toggle(studio.synth.button)
    studio.parameters.synthTranslator = str(slow)
    return studio


class Bar:
    """Every state of the bar at the panel's foot that a user could have seen."""

    def __init__(self, panel):
        self.seen, self._panel = [], panel
        self._kept = panel.worker._reported
        panel.worker._reported = self._look

    def _look(self):
        self._kept()
        bar = self._panel.ui.progressBar
        assert bar.isVisible()
        self.seen.append((bar.value, bar.maximum))


def test_the_bar_moves_to_its_end_and_never_back(studio):
    bar = Bar(studio.panel)
    refreshed = []
    kept = studio.synth.update
    studio.synth.update = lambda: (refreshed.append(1), kept())
    studio.host.click(studio.synth.ui.synthesizeButton)
    assert studio.panel.ui.progressBar.maximum == 0, "nobody knows yet"
    studio.host.wait_until(lambda: not studio.panel.worker.busy, 120, "the images")
    known = [(value, maximum) for value, maximum in bar.seen if maximum]
    (total,) = {maximum for _, maximum in known}
    done = [value for value, _ in known]
    assert total > 2 * 8 * 10, "eight steps for each slice, with the lesion and without it"
    assert done == sorted(done)
    assert done[-1] == total
    assert len(set(done)) > 10, "it is seen to move"
    assert len(refreshed) < len(done), "a report costs the foot alone"
    assert not studio.panel.ui.progressBar.isVisible()
    dwi, adc = as_a_volume(studio)
    np.testing.assert_array_equal(values(shown(studio).dwi), dwi)
    np.testing.assert_array_equal(values(shown(studio).adc), adc)


def test_cancel_in_the_middle_leaves_nothing_and_the_next_click_works(studio):
    bar = Bar(studio.panel)
    worker = studio.panel.worker
    studio.host.click(studio.synth.ui.synthesizeButton)
    studio.host.wait_until(lambda: bar.seen and bar.seen[-1][0] > 5, 60, "some steps")
    done, total = bar.seen[-1]
    assert done < total
    studio.host.click(studio.panel.ui.cancelButton)
    studio.host.wait_until(lambda: not worker.busy, 30, "the end")
    assert studio.panel.ui.statusLabel.text == "Making synthetic images: Cancelled."
    assert not studio.panel.ui.progressBar.isVisible()
    assert studio.parameters.synthDwi is None
    studio.host.click(studio.synth.ui.synthesizeButton)
    studio.host.wait_until(lambda: not worker.busy, 120, "the images")
    assert shown(studio) is not None
    assert bar.seen[-1][0] == bar.seen[-1][1] == total


def test_the_live_preview_tells_how_far_its_opening_is(studio):
    bar = Bar(studio.panel)
    studio.host.click(studio.synth.ui.liveBox)
    studio.wait_complete(120)
    known = [value for value, maximum in bar.seen if maximum]
    assert known == sorted(known)
    assert len(set(known)) > 10
