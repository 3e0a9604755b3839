"""Requests carried out as the worker does it, without one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from StrokeSynthLib.jobs.exchange import Exchange, packed, unpacked
from StrokeSynthLib.jobs.operations import find_operation
from StrokeSynthLib.jobs.operations.arguments import Arguments
from StrokeSynthLib.jobs.operations.workshop import Workshop
from StrokeSynthLib.jobs.protocol import Failure, plain
from StrokeSynthLib.translate.registry import train_translator
from StrokeSynthLib.volume import Storage, Volume
from Testing.unit import translate_phantom as phantom

Ask = Callable[..., dict[str, Any]]


def fitted_translator(folder: Path) -> Path:
    """A translator of the kind "physics", fitted to two phantoms."""
    return train_translator("physics", phantom.write_cohort(folder / "cohort", 2), folder / "physics").path


def asker(tmp_path: Path, workshop: Workshop) -> Ask:
    """Carries out a request as the worker does, arrays through files, the rest through JSON."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    exchange = Exchange(folder)

    def carry_out(do: str, **args: Any) -> dict[str, Any]:
        sent = json.loads(json.dumps(plain(packed(args, exchange))))
        answer = packed(find_operation(do)(Arguments(do, sent, exchange), workshop), exchange)
        got = unpacked(json.loads(json.dumps(plain(answer), allow_nan=False)), exchange)
        assert not list(folder.iterdir()), "whoever receives an array deletes its file"
        return dict(got)

    return carry_out


def patient() -> tuple[Volume, Volume]:
    content = phantom.signals(5, lesion=False)
    dwi, adc = content["dwi"].astype(np.float32), (1000 * content["adc"]).astype(np.int16)
    return Volume(dwi, phantom.AFFINE), Volume(adc, phantom.AFFINE, Storage("int16"), Path("ADC"))


@dataclass
class Answers:
    """What was delivered for one request."""

    results: list[dict[str, Any]] = field(default_factory=list)
    errors: list[Failure] = field(default_factory=list)
    progress: list[Mapping[str, Any]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    number: int = 0

    @property
    def result(self) -> dict[str, Any]:
        assert not self.errors, self.errors
        assert len(self.results) == 1
        return self.results[0]

    @property
    def error(self) -> Failure:
        assert not self.results
        assert len(self.errors) == 1
        return self.errors[0]
