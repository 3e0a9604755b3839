"""Training a model on a cohort of one's own: the command, its place, its process."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .CommandLine import options
from .JobsLogic import optionOf
from .Places import dataFolder, modelsFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from StrokeSynthLib.jobs.longjobs import Job

#: What networks are trained with.
TRAINING_PACKAGES = ("torch", "monai")
#: For :attr:`TrainRequest.startFrom`.
NOTHING = "nothing"


@dataclass(frozen=True)
class TrainRequest:
    """What is asked of a training.

    Parameters
    ----------
    training
        One of the kinds that the worker lists (``hello["trainings"]``).
    cohort
        Folder of the cases; of masks in standard space, for lesions.
    name
        Of the model; its folder lies among the user's models.
    startFrom
        Name or folder of a model to go on from, or :data:`NOTHING`; for kinds that can.
    synthetic
        Folder of synthetic cases to add, or ""; for kinds that can.
    minutes, steps
        Where a network's training ends, whichever is first; 0: no limit of the user's own.
    dimensions
        2 or 3, of a network that starts from nothing.
    cores
        Processor cores that compute; 0: as many as the kind takes by itself.
    seed
        Same seed, same model (unless the time ends the training).
    unlabeled
        Folder of examinations without maps to learn from as well, or ""; for kinds that can.
    condition
        What the network sees beside the map, one of ``training["conditions"]``, or "" for the usual.
    """

    training: Mapping[str, Any]
    cohort: str
    name: str
    startFrom: str = NOTHING
    synthetic: str = ""
    minutes: float = 0.0
    steps: int = 0
    dimensions: int = 2
    cores: int = 0
    seed: int = 0
    unlabeled: str = ""
    condition: str = ""

    @property
    def folder(self) -> Path:
        """Where the model will be."""
        return modelsFolder() / safeName(self.name)

    def words(self) -> list[str]:
        """The command, without ``strokesynth``."""
        training = self.training
        fineTuned = training["fine_tunes"] and self.startFrom != NOTHING
        network = bool(training["network"])
        sees = network and not fineTuned and not training["masks"]
        return [
            *training["command"],
            "--masks" if training["masks"] else "--cohort", absolute(self.cohort),
            *options([
                ("--synthetic", absolute(self.synthetic) if training["synthetic"] and self.synthetic else ""),
                ("--unlabeled", absolute(self.unlabeled) if training["unlabeled"] and self.unlabeled else ""),
                ("--condition", self.condition if self.condition in training["conditions"][1:] else ""),
                ("--maps", mapsFolder(self.cohort) if training["maps"] else ""),
                ("--start-from", self.startFrom if fineTuned else ""),
                ("--dimensions", self.dimensions if sees else ""),
                ("--minutes", f"{self.minutes:g}" if network and self.minutes else ""),
                ("--steps", self.steps if network and self.steps else ""),
                ("--threads", self.cores if network and self.cores else ""),
                ("--seed", self.seed),
            ]),
            "--out", str(self.folder),
        ]  # fmt: skip


class TrainLogic:
    """For :class:`.Logic.StrokeSynthLogicBase`."""

    if TYPE_CHECKING:

        def longJobs(self, command: str) -> list[Job]:
            """See :class:`.JobsLogic.JobsLogic`."""

        def startLongJob(self, words: Sequence[str], title: str) -> Job:
            """See :class:`.JobsLogic.JobsLogic`."""

    def startTraining(self, request: TrainRequest) -> Job:
        """Start a training in a process of its own; follow it by the job that is returned.

        Raises
        ------
        BadInputError
            When it cannot be started.
        """
        return self.startLongJob(request.words(), request.name)

    def suggestedName(self, kind: str) -> str:
        """A name for a new model that no model and no training has."""
        taken = {Path(optionOf(job, "--out")).name for job in self.longJobs("train")}
        number = 1
        while (name := f"{kind}-{number}") in taken or (modelsFolder() / name).exists():
            number += 1
        return name


def safeName(name: str) -> str:
    """A name that a folder can have on every system."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "-", name).strip(" .-")


def absolute(path: str) -> str:
    """A path that means the same to another process."""
    return str(Path(path).expanduser().absolute())


def mapsFolder(cohort: str) -> Path:
    """Where the semantic maps of a cohort are kept; the cohort itself is never written to."""
    path = absolute(cohort)
    mark = hashlib.sha256(path.encode()).hexdigest()[:8]
    return dataFolder() / "maps" / f"{safeName(Path(path).name) or 'cohort'}-{mark}"
