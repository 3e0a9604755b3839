"""The sections of the panel, from top to bottom."""

from __future__ import annotations

from .CaseSection import CaseSection
from .LesionSection import LesionSection
from .Section import Section
from .SegmentSection import SegmentSection
from .StartSection import StartSection
from .SynthesizeSection import SynthesizeSection

SECTIONS: tuple[type[Section], ...] = (
    StartSection,
    CaseSection,
    LesionSection,
    SynthesizeSection,
    SegmentSection,
)
