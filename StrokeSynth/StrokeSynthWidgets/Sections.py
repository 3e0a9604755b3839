"""The sections of the panel, from top to bottom."""

from __future__ import annotations

from .CaseSection import CaseSection
from .DatabaseSection import DatabaseSection
from .LesionSection import LesionSection
from .Section import Section
from .SegmentSection import SegmentSection
from .StartSection import StartSection
from .SynthesizeSection import SynthesizeSection
from .TrainSection import TrainSection

SECTIONS: tuple[type[Section], ...] = (
    StartSection,
    CaseSection,
    LesionSection,
    SynthesizeSection,
    SegmentSection,
    TrainSection,
    DatabaseSection,
)
