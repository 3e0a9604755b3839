"""Training of a translator's networks, of whatever kind: one loop, resumable and repeatable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...device import Device
from ...progress import Progress, ProgressEvent
from ...randomness import generator as random_stream
from ...segment.checkpoint import fingerprint, forget_state, load_state, save_state
from ..options import TranslatorOptions
from .dataset import Stack
from .method import Method
from .painter import Painter
from .windows import DEPTH

#: Steps after which the state is saved and the user is told, or seconds: a step in 3D can take some of them,
#: and a training is stopped only where it reports.
_SAVE_EVERY, _SAVE_AFTER = 250, 120.0
_REPORT_EVERY, _REPORT_AFTER = 10, 2.0


@dataclass(frozen=True)
class Trained:
    """The averaged painter, the record of its training (the same every time), and how long it took."""

    painter: Painter
    record: dict[str, Any]
    minutes: float


def train(
    begin: Callable[[], Method], stacks: Sequence[Stack], options: TranslatorOptions, device: Device,
    out: Path, progress: Progress,
) -> Trained:  # fmt: skip
    """Train until the steps or the minutes are used up; interrupted, the state stays for ``resume``.

    Parameters
    ----------
    begin
        Makes the fresh networks; their weights follow torch's current seed.
    """
    torch.set_num_threads(options.threads)
    values: dict[str, float] = {}
    with torch.random.fork_rng(devices=[0] if device.name == "cuda" else []):
        torch.manual_seed(options.seed)
        method = begin()
        steps = options.steps or method.steps[options.dimensions]
        size = options.batch or method.batch[options.dimensions]
        depth = 1 if options.dimensions == 2 else DEPTH
        shapes = [stack.labels.shape for stack in stacks]
        extra = [] if options.condition == "sketch" else [options.condition]
        key = fingerprint(
            [method.kind, method.painter.config(), steps, size, options.seed, shapes, *extra],
            [source.whole for source in (*options.sources, *options.unlabeled_sources)],
        )
        earlier = _restored(method, values, out, key, options.resume)
        start = time.monotonic()
        reports, saves = _Turn(_REPORT_EVERY, _REPORT_AFTER), _Turn(_SAVE_EVERY, _SAVE_AFTER)
        with _kept_when_stopped(method, values, out, key):
            while method.done < steps:
                method.seconds = earlier + time.monotonic() - start
                used = _share_used(method, steps, options.minutes)
                if used >= 1.0:
                    break
                rng = random_stream(options.seed, "step", method.done)
                torch.manual_seed(int(rng.integers(2**31)))
                batch = method.draw(stacks, size, depth, rng).to(device.name)
                losses = method.step(batch, used)
                if reports.has_come(method.done) or method.done == steps:
                    values.update({name: float(loss) for name, loss in losses.items()})
                    progress(ProgressEvent(f"Training {method.kind}", method.done, steps, "", values))
                if saves.has_come(method.done) and method.done < steps:
                    save_state(out, method.tensors(), _facts(method, values, key))
            # What follows takes its time as well, and may be killed.
            save_state(out, method.tensors(), _facts(method, values, key))
    record = {
        "steps": method.done, "batch": size, "seed": options.seed,
        "minutes_limit": options.minutes, "device": device.name,
        "losses": {k: round(v, 5) for k, v in values.items()},
        "parameters": sum(p.numel() for p in method.painter.parameters()),
        **method.facts(), "network": method.painter.config(), **options.record_of_sources(),
    }  # fmt: skip
    return Trained(method.finished(), record, method.seconds / 60.0)


class _Turn:
    """Comes round every so many steps, and earlier where they take long."""

    def __init__(self, steps: int, seconds: float) -> None:
        self._steps, self._seconds = steps, seconds
        self._last = time.monotonic()

    def has_come(self, done: int) -> bool:
        """Whether it is time when ``done`` steps are over."""
        if done % self._steps and time.monotonic() - self._last < self._seconds:
            return False
        self._last = time.monotonic()
        return True


def _share_used(method: Method, steps: int, minutes: float | None) -> float:
    """Of the training that is over, by steps or by time, whichever is further."""
    by_time = method.seconds / (60.0 * minutes) if minutes else 0.0
    return max(method.done / steps, by_time)


def _facts(method: Method, values: Mapping[str, float], key: str) -> dict[str, Any]:
    return {"fingerprint": key, "step": method.done, "seconds": method.seconds, "losses": dict(values)}


@contextmanager
def _kept_when_stopped(method: Method, values: Mapping[str, float], out: Path, key: str) -> Iterator[None]:
    """Keeps the state of a training that is stopped from outside, and lets the stop go on."""
    try:
        yield
    except BaseException:
        # A step broken off half-way has changed some networks and not others: only whole ones are kept.
        if method.done > 0 and method.whole:
            with suppress(OSError):
                save_state(out, method.tensors(), _facts(method, values, key))
        raise


def _restored(method: Method, values: dict[str, float], out: Path, key: str, resume: bool) -> float:
    """The state of an interrupted training put back, where asked for; the seconds that it had taken.

    ``values`` gets the losses that it told last: they stand in the record.
    """
    if not resume:
        forget_state(out)
        return 0.0
    found = load_state(out, key)
    if found is None:
        return 0.0
    tensors, facts = found
    method.load(tensors, int(facts["step"]))
    values.update(facts.get("losses", {}))
    return float(facts["seconds"])
