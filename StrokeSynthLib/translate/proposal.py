"""What a translator offers that makes whole cases by itself, from the images that it was trained on.

Most translators draw an image of any map, so anatomies and lesions are drawn first. One that mixes real
images cannot: it has images of its own cases only, and says itself which anatomy gets which lesion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..volume import Volume
from .translator import SyntheticImages


@dataclass(frozen=True)
class Proposal:
    """A whole case.

    Parameters
    ----------
    semantic_map, lesion
        uint8 classes without the lesion, and 0/1; RAS+, on the grid of the images.
    images
        Finished. Their record says what they were mixed from, and "PartlySynthetic".
    person
        Whose anatomy it is, as a code that is no name: cases of one person share it, so that splits keep
        them together.
    """

    semantic_map: Volume
    lesion: Volume
    images: SyntheticImages
    person: str


@runtime_checkable
class Proposer(Protocol):
    """A translator that proposes whole cases; used where the user names neither anatomies nor lesions."""

    def check_share(self, lesion_free: float) -> None:
        """Refuse a share of cases without a lesion that it cannot make.

        Raises
        ------
        BadInputError
            With what to do.
        """
        ...

    def propose(self, seed: int, *, lesion_free: bool = False) -> Proposal:
        """The whole case that belongs to ``seed``; the same every time."""
        ...
