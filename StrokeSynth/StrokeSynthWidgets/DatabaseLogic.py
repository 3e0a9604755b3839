"""Databases of synthetic cases: the command, its process, the picture for a check by eye."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .CommandLine import options
from .JobsLogic import optionOf
from .TrainLogic import absolute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from StrokeSynthLib.jobs.longjobs import Job

#: Layouts of the output: BIDS, and BIDS with a copy for nnU-Net.
BIDS, NNUNET = "bids", "nnunet"


@dataclass(frozen=True)
class DatabaseRequest:
    """What is asked of a database.

    Parameters
    ----------
    translator
        Name or folder of the model that draws the images.
    cases
        How many in all.
    output
        Folder, new or empty.
    layout
        :data:`BIDS` or :data:`NNUNET`.
    anatomies, lesions
        Folders of label maps and of lesion masks (a cohort's, or in standard space); "" for the shipped
        population and for generated lesions.
    lesionFreePercent
        Share of cases without a lesion.
    processes
        Cases that are made at once, a core each.
    seed
        Same seed, same cases.
    """

    translator: str
    cases: int
    output: str
    layout: str = BIDS
    anatomies: str = ""
    lesions: str = ""
    lesionFreePercent: int = 10
    processes: int = 1
    seed: int = 0

    @property
    def copy(self) -> str:
        """Folder of the copy for nnU-Net, beside the output; "" without one."""
        return f"{absolute(self.output)}-nnunet" if self.layout == NNUNET else ""

    def words(self) -> list[str]:
        """The command, without ``strokesynth``."""
        return [
            "database", "--model", self.translator, "--cases", str(self.cases),
            *options([
                ("--anatomies", self.anatomies and absolute(self.anatomies)),
                ("--lesions", self.lesions and absolute(self.lesions)),
                ("--lesion-free", f"{self.lesionFreePercent / 100:g}"),
                ("--nnunet", self.copy),
                ("--workers", self.processes if self.processes > 1 else ""),
                ("--seed", self.seed),
            ]),
            "--out", absolute(self.output),
        ]  # fmt: skip


class DatabaseLogic:
    """For :class:`.Logic.StrokeSynthLogicBase`."""

    if TYPE_CHECKING:

        def startLongJob(self, words: Sequence[str], title: str) -> Job:
            """See :class:`.JobsLogic.JobsLogic`."""

        def ask(self, do: str, args: Any) -> dict[str, Any]:
            """See the logic."""

    def startDatabase(self, request: DatabaseRequest) -> Job:
        """Start a database in a process of its own; follow it by the job that is returned.

        Raises
        ------
        BadInputError
            When it cannot be started.
        """
        return self.startLongJob(request.words(), Path(absolute(request.output)).name)

    def mosaicRequest(self, job: Job) -> dict[str, Any]:
        """Arguments of the worker's operation "mosaic": the cases that a database has by now."""
        return {"cohort": optionOf(job, "--out"), "out": str(mosaicFile(job))}

    def mosaic(self, job: Job) -> Path:
        """The picture of a database's cases; waits for it (some seconds)."""
        return Path(self.ask("mosaic", self.mosaicRequest(job))["path"])


def mosaicFile(job: Job) -> Path:
    """Where the picture of a database lies: with the record of the job, not among the cases."""
    return Path(job.folder) / "mosaic.png"
