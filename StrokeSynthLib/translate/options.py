"""What a user can decide about the training of a translator, of whatever kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..cohort.case import Case, CaseFiles
from ..cohort.identity import Identity
from ..errors import BadInputError
from ..volume import Volume

#: Makes the semantic map of a case that has none (on the case's grid).
MapMaker = Callable[[Case], Volume]
#: What networks can be given beside the map: a sketch drawn from fitted statistics, or nothing.
CONDITIONS = ("sketch", "map")


@dataclass(frozen=True)
class TranslatorOptions:
    """Options shared by all kinds; a kind ignores what it has no use for.

    Parameters
    ----------
    seed
        Of everything random in the training.
    dimensions
        2: slice by slice. 3: blocks of slices.
    steps
        Training steps; None for the kind's own default.
    minutes
        Stop after this time even if steps are left. The result then depends on the speed of
        the machine and cannot be repeated bit for bit; None for no limit.
    width
        Channels of the first layer (pix2pix: 64 in the paper; 24 is made for a CPU).
    batch
        Slices or blocks a step; None for the kind's own default.
    resume
        Go on from where an interrupted training into the same folder stopped.
    device
        "auto", "cpu" or "cuda".
    threads
        CPU threads. More than one on a busy machine is slower, not faster.
    map_maker
        Makes the map of a case that lacks one; None: such a case is an error.
    unlabeled
        Examinations without map and mask that help to learn what images look like (cyclegan).
    condition
        What networks see: "sketch", the map and a sketch of contrast, lesion, coil profile and slow
        texture; or "map", the map alone, as in the papers that the kinds come from.
    sources, unlabeled_sources
        Which files the training is of; filled in by :func:`.registry.train_translator`. A state is gone on
        with where they are the same, and an audit asks whether it looked for copies of these.
    """

    seed: int = 0
    dimensions: int = 2
    steps: int | None = None
    minutes: float | None = None
    width: int = 24
    batch: int | None = None
    resume: bool = False
    device: str = "auto"
    threads: int = 1
    map_maker: MapMaker | None = None
    unlabeled: tuple[CaseFiles, ...] = ()
    condition: str = "sketch"
    sources: tuple[Identity, ...] = ()
    unlabeled_sources: tuple[Identity, ...] = ()

    def record_of_sources(self) -> dict[str, list[str]]:
        """For the training record of a model: hashes of the images of every case that it learned from."""
        named = {"case_hashes": self.sources, "unlabeled_hashes": self.unlabeled_sources}
        return {name: [source.images for source in sources] for name, sources in named.items() if sources}

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise BadInputError(f"dimensions {self.dimensions}: is not possible; choose 2 or 3.")
        if self.condition not in CONDITIONS:
            raise BadInputError(
                f"condition {self.condition}: is not known; choose {' or '.join(CONDITIONS)}."
            )
        for name in ("steps", "minutes", "width", "batch", "threads"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise BadInputError(f"{name} {value}: must be above zero.")
