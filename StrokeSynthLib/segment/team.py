"""Processes that share the work of a training step, each with one batch of its own.

On CPUs a network this small gains little from threads within its operations, and nearly everything from a
process for each core: every process has the same weights, computes the gradient of its own batch, and steps
with the mean of all gradients. Gradients lie in shared memory; pipes say when they are there, so that a
process that ends, for whatever reason, is noticed at once by the others.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor

from ..errors import BadInputError, StrokeSynthError
from ..stopping import left_to_parent

_READY, _GO = "ready", "go"


class Team:
    """The first process of a training and the ones that it has started, which compute with it.

    Parameters
    ----------
    size
        Processes in all; 1 starts none.

    Raises
    ------
    BadInputError
        When this system cannot start such processes (it must be able to fork).
    """

    def __init__(self, size: int) -> None:
        if size > 1 and not sys.platform.startswith("linux"):
            raise BadInputError(f"--processes {size}: works on Linux only; leave it out.")
        self.size, self.rank = size, 0
        self._shared: Tensor | None = None
        self._pipes: list[Connection] = []
        self._members: list[Any] = []
        self._steps = 0

    def start(self, parameters: Iterable[Tensor], follow: Callable[[], None]) -> None:
        """Start the other processes, each of which runs ``follow`` and ends.

        To be called when all is loaded: the others begin with a copy of this process's memory, and only what
        is changed afterwards takes more.
        """
        if self.size == 1:
            return
        count = sum(parameter.numel() for parameter in parameters)
        # Two sets: a fast process already writes the next step's gradient while a slow one reads this one's.
        self._shared = torch.zeros(2, self.size, count).share_memory_()  # type: ignore[no-untyped-call]
        context = get_context("fork")
        for rank in range(1, self.size):
            ours, theirs = context.Pipe()
            member = context.Process(target=self._run, args=(rank, theirs, ours, follow), daemon=True)
            member.start()
            theirs.close()
            self._pipes.append(ours)
            self._members.append(member)

    def _run(self, rank: int, pipe: Connection, other_end: Connection, follow: Callable[[], None]) -> None:
        left_to_parent()
        # Ends that belong to the first process: open here they would hide that it is gone.
        for one in (*self._pipes, other_end):
            one.close()
        self.rank, self._pipes, self._members = rank, [pipe], []
        torch.set_num_threads(1)
        try:
            follow()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # The first process is gone.
        except Exception as error:
            self._tell(pipe, error)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            # Nothing of the first process (its exit handlers, temporary folders) is for this one to clean up.
            os._exit(0)

    @staticmethod
    def _tell(pipe: Connection, error: Exception) -> None:
        """Let the first process know why this one ends."""
        if not isinstance(error, StrokeSynthError):
            traceback.print_exc()
            error = StrokeSynthError(f"A process of the training failed: {error or type(error).__name__}.")
        with suppress(OSError):
            pipe.send(error)

    def begin(self, step: int, learning_rate: float) -> None:
        """In the first process: all others begin this step."""
        for pipe in self._pipes:
            self._send(pipe, (step, learning_rate))

    def steps(self) -> Iterator[tuple[int, float]]:
        """In the others: steps and learning rates as they come, until the first process is done."""
        while True:
            order = self._pipes[0].recv()
            if order is None:
                return
            yield order

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its mean over all processes, the same bits in each."""
        if self._shared is None:
            return
        gradients = [p.grad.detach() for p in parameters if p.grad is not None]
        table = self._shared[self._steps % 2]
        self._steps += 1
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        table[self.rank, : flat.numel()] = flat
        if self.rank:
            self._pipes[0].send(_READY)
            self._pipes[0].recv()
        else:
            for pipe in self._pipes:
                self._receive(pipe)
            for pipe in self._pipes:
                self._send(pipe, _GO)
        mean = table[:, : flat.numel()].mean(dim=0)
        parts = torch.split(mean, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def stop(self) -> None:
        """In the first process: let the others end."""
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.send(None)
            pipe.close()
        for member in self._members:
            member.join(timeout=5)
            if member.is_alive():
                member.kill()
                member.join()
        self._pipes, self._members = [], []

    def _send(self, pipe: Connection, what: object) -> None:
        try:
            pipe.send(what)
        except OSError as error:
            raise _lost() from error

    def _receive(self, pipe: Connection) -> None:
        try:
            answer = pipe.recv()
        except (EOFError, OSError) as error:
            raise _lost() from error
        if isinstance(answer, StrokeSynthError):
            raise answer


def _lost() -> StrokeSynthError:
    return StrokeSynthError(
        "A process of the training ended unexpectedly, perhaps for want of memory; go on with --resume, and "
        "fewer --processes if it happens again."
    )
