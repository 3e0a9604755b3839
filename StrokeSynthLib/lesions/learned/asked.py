"""What was asked of a learned model: whether it can be made, and whether it was."""

from __future__ import annotations

from typing import NamedTuple

from ...errors import BadInputError, StrokeSynthError
from ..lesion import Lesion, LesionRequest
from ..territories import ARTERIES, SIDES, Site, Territory, find_territory
from .sharing import MOST_PIECES

VOLUME_TOLERANCE = 0.1
#: An asked-for territory holds at least this share of the lesion.
LEAST_IN_TERRITORY = 0.5


class Mismatch(NamedTuple):
    """What of a request was not met, and how far off it is in words."""

    reason: str
    said: str


def checked(request: LesionRequest) -> Territory | None:
    """The territory asked for, after the rest was found in order.

    Raises
    ------
    BadInputError
        When a side, a volume or a number is none.
    StrokeSynthError
        When learned lesions cannot be like that.
    """
    if request.side is not None and request.side not in SIDES:
        raise BadInputError(f"--side {request.side}: is not known; choose {', '.join(SIDES)}.")
    if request.volume_ml is not None and not 0.01 <= request.volume_ml < 2000.0:
        raise BadInputError(
            f"--volume-ml {request.volume_ml:g}: give a volume of 0.01 to 2000 ml, less than the brain."
        )
    if request.number is not None and not 1 <= request.number <= 200:
        raise BadInputError(f"--number {request.number}: give 1 to 200.")
    if (request.number or 0) > MOST_PIECES:
        raise StrokeSynthError(
            f"The learned lesions have at most {MOST_PIECES} pieces, not {request.number}; "
            "ask for fewer, or use the procedural lesions."
        )
    if request.territory is None:
        return None
    territory = find_territory(request.territory)
    if territory.pattern == "border-zone":
        raise StrokeSynthError(
            "The learned lesions know no border-zone infarcts, as masks do not tell them; "
            "use the procedural lesions, or another territory."
        )
    return territory


def mismatch(
    lesion: Lesion, site: Site, request: LesionRequest, territory: Territory | None
) -> Mismatch | None:
    """What of a request a lesion does not meet; None when it meets all of it."""
    record = lesion.record
    volume = float(record["volume_ml"])
    if request.volume_ml is not None and abs(volume / request.volume_ml - 1) > VOLUME_TOLERANCE:
        return Mismatch("volume", f"{volume:.2f} ml instead of {request.volume_ml:.2f}")
    if request.number is not None and record["components"] != request.number:
        return Mismatch("number", f"{record['components']} lesions instead of {request.number}")
    if request.side is not None and record["side"] != request.side:
        return Mismatch("side", f"side {record['side']} instead of {request.side}")
    if territory is None:
        return None
    if territory.pattern == "embolic":
        largest = max(sum(site.shares[p] for p in parts) for parts in ARTERIES.values())
        spread = record["components"] >= 4 and largest < 0.8
        return None if spread else Mismatch("territory", "not spread over several territories")
    inside = sum(site.shares[part] for part in territory.parts)
    if inside >= LEAST_IN_TERRITORY:
        return None
    return Mismatch("territory", f"{inside:.0%} in {territory.name}")
