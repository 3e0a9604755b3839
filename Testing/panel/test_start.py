"""The panel opens; the section Start."""

from __future__ import annotations


def test_the_panel_says_what_it_is_for(host, panel):
    assert "research use only" in panel.ui.noticeLabel.text.lower()
    assert [s.title for s in panel.sections][:2] == ["Start", "Case"]


def test_device_and_models_are_shown_when_the_worker_has_told_them(host, panel):
    start = panel.section("StartSection").ui
    host.wait_until(lambda: panel.hello, 30, "hello")
    assert "CPU" in start.deviceLabel.text or "GPU" in start.deviceLabel.text
    assert start.modelsTable.item(0, 0).text() == "acute"
