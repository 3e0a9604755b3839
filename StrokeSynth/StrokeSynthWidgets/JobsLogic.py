"""Trainings and databases: processes of their own, which go on when Slicer is closed, and are found again.

Their records lie in :func:`.Places.jobsFolder`, a folder of this user, one folder for each job. They are not
in the scene: a training belongs to the computer that it runs on.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from StrokeSynthLib.jobs import longjobs
from StrokeSynthLib.jobs.longjobs import Job

from .Places import jobsFolder, pythonExecutable


class JobsLogic:
    """For :class:`.Logic.StrokeSynthLogicBase`."""

    def longJobs(self, command: str) -> list[Job]:
        """The jobs of this user that run a command ("train", "database"), the newest first."""
        return [job for job in longjobs.find(jobsFolder()) if job.command[:1] == [command]]

    def startLongJob(self, words: Sequence[str], title: str) -> Job:
        """Start a ``strokesynth`` command in the background.

        Raises
        ------
        BadInputError
            When it cannot be started.
        """
        return longjobs.start(words, jobsFolder(), title=title, python=pythonExecutable())

    def resumeLongJob(self, job: Job) -> None:
        """Go on where a job was stopped.

        Raises
        ------
        BadInputError
            When there is nothing to resume.
        """
        job.resume(pythonExecutable())

    def forgetLongJob(self, job: Job) -> None:
        """Delete the record of a job that does not run; what it has made stays."""
        if not job.status().alive:
            shutil.rmtree(job.folder, ignore_errors=True)


def optionOf(job: Job, name: str) -> str:
    """The value of an option in a job's command; "" where it has none."""
    words = job.command
    index = words.index(name) if name in words else len(words)
    return words[index + 1] if index + 1 < len(words) else ""
