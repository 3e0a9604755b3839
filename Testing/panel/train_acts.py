"""What a user does in the section Train."""

from __future__ import annotations


def opened(host, panel):
    """The section, opened, when the worker has told what there is."""
    section = panel.section("TrainSection")
    host.wait_until(lambda: panel.hello, 60, "hello")
    host.toggle(section.button)
    return section


def pick(host, box, part):
    """Choose the first entry that contains a text."""
    texts = [box.itemText(index) for index in range(box.count)]
    host.choose(box, next(text for text in texts if part in text))


def give(host, edit, folder):
    """What a folder dialog does; keys cannot be typed for every letter here."""
    edit.setCurrentPath(str(folder))
    host.process()


def checked(host, section, cohort):
    """A cohort, chosen and checked."""
    give(host, section.ui.cohortEdit, cohort)
    host.click(section.ui.checkButton)
    host.wait_until(lambda: section.ui.checkLabel.visible, 60, "the check")


def set_up(host, section, *, steps):
    """A training that goes on from the shipped network."""
    host.toggle(section.ui.moreSection)
    host.type(section.ui.stepsBox, str(steps))
