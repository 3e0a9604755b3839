"""Processes that compute a training step together: one gradient, one result, and no orphan."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from StrokeSynthLib.errors import BadInputError, CancelledError, StrokeSynthError
from StrokeSynthLib.segment.registry import train_segmenter
from StrokeSynthLib.segment.team import Team
from Testing.unit.segment_builders import examination, saved
from Testing.unit.test_segment_training import TINY

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="teams need Linux")
PAIR = replace(TINY, steps=12, validation_every=6, processes=2)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    return [saved(examination(seed, spacing=(5.0, 5.0, 8.0)), folder) for seed in range(4)]


def descend(team: Team, weight: torch.Tensor, step: int, rate: float) -> None:
    """One step: the gradient of a process is its rank plus the step."""
    weight.grad = torch.full_like(weight, float(team.rank + step))
    team.average([weight])
    with torch.no_grad():
        weight -= rate * weight.grad


def test_every_process_steps_with_the_mean_gradient(tmp_path):
    team, weight = Team(3), torch.zeros(2, 2, requires_grad=True)

    def follow() -> None:
        for step, rate in team.steps():
            descend(team, weight, step, rate)
        (tmp_path / f"{team.rank}.json").write_text(json.dumps(weight.tolist()))

    team.start([weight], follow)
    for step in range(4):
        team.begin(step, 0.5)
        descend(team, weight, step, 0.5)
    team.stop()
    # Mean of the ranks 0, 1, 2 is 1; the steps add 0 + 1 + 2 + 3.
    assert weight.tolist() == [[-0.5 * (4 + 6)] * 2] * 2
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (1, 2)] == [weight.tolist()] * 2


def test_a_killed_process_is_one_sentence_and_no_endless_wait():
    team, weight = Team(2), torch.zeros(1, requires_grad=True)

    def follow() -> None:
        for step, _ in team.steps():
            if step == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            descend(team, weight, step, 1.0)

    team.start([weight], follow)
    team.begin(0, 1.0)
    descend(team, weight, 0, 1.0)
    team.begin(1, 1.0)
    with pytest.raises(StrokeSynthError, match=r"process of the training ended unexpectedly.*--resume"):
        descend(team, weight, 1, 1.0)
    team.stop()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadInputError("the loss is not a number"), "^the loss is not a number$"),
        (ValueError("no such slice"), r"^A process of the training failed: no such slice\.$"),
    ],
)
def test_what_goes_wrong_in_another_process_is_said_by_the_first(error, said):
    team, weight = Team(2), torch.zeros(1, requires_grad=True)

    def follow() -> None:
        for _ in team.steps():
            raise error

    team.start([weight], follow)
    team.begin(0, 1.0)
    with pytest.raises(StrokeSynthError, match=said):
        descend(team, weight, 0, 1.0)
    team.stop()


def test_the_others_end_when_the_first_process_is_killed(tmp_path):
    first = os.fork()
    if not first:
        team, weight = Team(3), torch.zeros(1, requires_grad=True)

        def follow() -> None:
            (tmp_path / str(os.getpid())).touch()
            for _ in team.steps():
                pass

        team.start([weight], follow)
        time.sleep(60)
        os._exit(0)
    until = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    others = [int(path.name) for path in tmp_path.iterdir()]
    assert len(others) == 2
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    while any(Path(f"/proc/{pid}/cwd").exists() for pid in others) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}/cwd").exists() for pid in others)


def test_a_team_gives_the_same_weights_again_and_others_than_one_process(cases, tmp_path):
    names = ("first", "second")
    first, second = (train_segmenter("unet", cases, [], tmp_path / name, PAIR) for name in names)
    alone = train_segmenter("unet", cases, [], tmp_path / "alone", replace(PAIR, processes=1))
    assert first.hash == second.hash
    assert (first.path / "weights.safetensors").read_bytes() != (
        alone.path / "weights.safetensors"
    ).read_bytes()


def test_an_interrupted_team_resumes_to_the_same_weights(cases, tmp_path):
    whole = train_segmenter("unet", cases, [], tmp_path / "whole", PAIR)

    def stop(event) -> None:
        if event.stage == "Training" and event.done == 7:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        train_segmenter("unet", cases, [], tmp_path / "parts", PAIR, stop)
    resumed = train_segmenter("unet", cases, [], tmp_path / "parts", replace(PAIR, resume=True))
    assert resumed.hash == whole.hash


def test_no_process_is_refused():
    with pytest.raises(BadInputError, match="processes"):
        replace(TINY, processes=0)
