"""What is done once when Slicer has started: terminology, sample data."""

from __future__ import annotations

import logging
from pathlib import Path

import slicer

from .SampleCase import registerSampleData

_done = False


def startup(resources: Path) -> None:
    """Load the terminologies of the module and register its sample case; once."""
    global _done
    if _done:
        return
    _done = True
    terminologies = slicer.modules.terminologies.logic()
    for path in sorted(resources.glob("**/*.term.json")):
        if not terminologies.LoadTerminologyFromFile(str(path)):
            logging.warning("%s was not loaded as a terminology", path)
    registerSampleData(resources)
