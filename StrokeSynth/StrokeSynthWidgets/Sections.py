"""The sections of the panel, from top to bottom."""

from __future__ import annotations

from .CaseSection import CaseSection
from .Section import Section
from .SegmentSection import SegmentSection
from .StartSection import StartSection

SECTIONS: tuple[type[Section], ...] = (
    StartSection,
    CaseSection,
    SegmentSection,
)
