"""Where tests find the research data that is not part of the product."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"
NO_SHARED = "the research data folder (../shared/data) is not on this machine"
