"""Arms of a study: what a segmenter is trained on.

An arm is named after what is added to the clinical cases:

``threshold``
    no network: the quick method tuned on the clinical cases, the floor of every table;
``clinical``
    the clinical cases alone;
``KIND`` (a translator, "physics", "pix2pix", ...)
    clinical cases and a synthetic database drawn by that translator, fitted to the same cases;
``KIND-only``
    that synthetic database alone;
``KIND-healthy``
    control: clinical cases and synthetic examinations of the same translator *without* lesions,
    so that the gain of more negatives is not credited to synthetic lesions. ``copypaste-healthy`` has
    the clinical cases without a lesion once more, as they are, and fails with a sentence if there are none.

All networks train for the same number of steps on batches of the same size.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadInputError
from ..translate.registry import TRANSLATORS

SUFFIXES = ("", "-only", "-healthy")


@dataclass(frozen=True)
class Arm:
    """One arm, taken apart.

    Parameters
    ----------
    name
        As written by the user.
    translator
        Kind of the translator whose images are added, or None.
    clinical
        Whether the clinical cases are trained on.
    lesions
        Whether the synthetic cases have lesions.
    network
        Whether a network is trained (False: the tuned threshold).
    """

    name: str
    translator: str | None = None
    clinical: bool = True
    lesions: bool = True
    network: bool = True


def arm_names() -> list[str]:
    """Every arm that can be asked for."""
    return ["threshold", "clinical"] + [kind + suffix for kind in TRANSLATORS for suffix in SUFFIXES]


def parse_arm(name: str) -> Arm:
    """The arm of that name.

    Raises
    ------
    BadInputError
        When there is none.
    """
    if name == "threshold":
        return Arm(name, network=False)
    if name == "clinical":
        return Arm(name)
    for kind in TRANSLATORS:
        if name == kind:
            return Arm(name, kind)
        if name == f"{kind}-only":
            return Arm(name, kind, clinical=False)
        if name == f"{kind}-healthy":
            return Arm(name, kind, lesions=False)
    raise BadInputError(f"--arms {name}: is not known; choose from {', '.join(arm_names())}.")
