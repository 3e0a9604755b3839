"""Drawing images tells how far it is, in steps that are really taken, and can be stopped between two."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.errors import CancelledError
from StrokeSynthLib.progress import ProgressEvent
from StrokeSynthLib.stopping import STOP_FILE
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.preview import Preview
from StrokeSynthLib.translate.registry import TRANSLATORS, open_translator, train_translator
from StrokeSynthLib.translate.stage import Step
from StrokeSynthLib.translate.translator import Background
from StrokeSynthLib.volume import Volume, write_volume
from Testing.unit import translate_phantom as phantom
from Testing.unit.copypaste_cohort import write_mixable

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
torch.set_num_threads(1)

CHANNELS = ("dwi", "adc", "b0")
#: A step for the map, one for the lesion, one for noise, units and record.
AROUND = 3
#: Every kind, and one network of each sort in three dimensions as well.
KINDS = [*(f"{kind} 2D" for kind in TRANSLATORS), "pix2pix 3D", "rflow 3D"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Hardly trained."""
    folder = tmp_path_factory.mktemp("progress")
    cohort = write_mixable(folder / "cohort")
    made = {}
    for name in KINDS:
        kind, dimensions = name.split()
        options = TranslatorOptions(
            steps=1, width=6, batch=1, device="cpu", dimensions=int(dimensions.removesuffix("D"))
        )
        made[name] = train_translator(kind, cohort[:2], folder / name, options).path
    return made


def patient() -> Background:
    content = phantom.signals(5, lesion=False)
    dwi, adc = (Volume(content[name].astype(np.float32), phantom.AFFINE) for name in ("dwi", "adc"))
    return Background(dwi, adc)


def check_events(events: Sequence[ProgressEvent]) -> int:
    """One stage from 0 to its end, each step once; how many steps it had."""
    assert len({event.stage for event in events}) == 1
    assert (events[0].done, events[0].total) == (0, 0), "said at once, before anything is computed"
    (total,) = {event.total for event in events[1:]}
    assert [event.done for event in events[1:]] == list(range(total + 1))
    return total


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("own_background", [False, True], ids=["whole", "background"])
def test_every_kind_tells_each_step_once_and_draws_the_same(
    models: dict[str, Path], name: str, own_background: bool
) -> None:
    kind = name.split()[0]
    if TRANSLATORS[kind].needs_background and not own_background:
        pytest.skip("draws into a patient's images only")
    translator = open_translator(models[name], "cpu")
    background = patient() if own_background else None
    events: list[ProgressEvent] = []
    drawn, silently = (
        translator.translate(
            phantom.map_volume(), phantom.lesion_volume(), seed=3, background=background, **told
        )
        for told in ({"progress": events.append}, {})
    )
    for channel in CHANNELS:
        assert getattr(drawn, channel).array.tobytes() == getattr(silently, channel).array.tobytes()
    assert drawn.record == silently.record
    steps = check_events(events) - AROUND
    with_head = int((phantom.labels() > 0).any((0, 1)).sum())
    paintings = 1 + own_background
    if kind in ("physics", "copypaste"):
        assert steps == 0
    else:
        a_painting = (8 if kind == "rflow" else 1) * paintings
        least = a_painting * (with_head if name.endswith("2D") else 1)
        assert least <= steps <= a_painting * (phantom.SHAPE[2] if name.endswith("2D") else 1)


def test_steps_of_a_flow_are_those_of_its_network(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from StrokeSynthLib.translate.rflow.flow import Flow

    taken, events = [], []
    kept = Flow.velocity_at
    monkeypatch.setattr(Flow, "velocity_at", lambda *a: (taken.append(1), kept(*a))[1])
    translator = open_translator(models["rflow 2D"], "cpu", sampling_steps=5)
    translator.translate(phantom.map_volume(), progress=events.append)
    assert len(taken) == check_events(events) - AROUND
    assert len(taken) % 5 == 0


@pytest.mark.parametrize("name", ["physics 2D", "pix2pix 2D", "rflow 2D", "rflow 3D"])
@pytest.mark.parametrize("threads", ["1", "3"])
def test_stopped_between_two_steps_and_drawn_again(
    models: dict[str, Path], name: str, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    translator = open_translator(models[name], "cpu")
    before = translator.translate(phantom.map_volume(), seed=1)
    heard, main_thread, torch_threads = [], threading.current_thread(), torch.get_num_threads()

    def stop(event: ProgressEvent) -> None:
        assert threading.current_thread() is main_thread
        heard.append(event.done)
        if event.done == AROUND:  # after the first step of the network; physics has none, and ends
            raise CancelledError("stopped.")

    with pytest.raises(CancelledError):
        translator.translate(phantom.map_volume(), seed=1, progress=stop)
    assert heard == [0, 0, 1, 2, 3]
    assert torch.get_num_threads() == torch_threads
    after = translator.translate(phantom.map_volume(), seed=1)
    np.testing.assert_array_equal(after.dwi.array, before.dwi.array)


def test_a_stopped_flow_takes_no_more_steps(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from StrokeSynthLib.translate.rflow.flow import Flow

    taken: list[int] = []
    kept = Flow.velocity_at
    monkeypatch.setattr(Flow, "velocity_at", lambda *a: (taken.append(1), kept(*a))[1])
    translator = open_translator(models["rflow 2D"], "cpu", sampling_steps=30)

    def stop(event: ProgressEvent) -> None:
        if event.done == AROUND:
            raise CancelledError("stopped.")

    with pytest.raises(CancelledError):
        translator.translate(phantom.map_volume(), progress=stop)
    at_the_stop = len(taken)
    assert at_the_stop < 60, "of some 300"
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPool")], "nobody goes on"


@pytest.mark.parametrize("name", ["pix2pix 2D", "rflow 2D"])
def test_slices_that_are_painted_together_count_each(
    models: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a graphics card, which takes eight at a time: here the processor by another name."""
    from dataclasses import replace

    from StrokeSynthLib.translate.networks import translator as networks

    alone = open_translator(models[name], "cpu")
    together = open_translator(models[name], "cpu")
    for translator, device in ((alone, "cpu"), (together, "cpu:0")):
        assert isinstance(translator, networks.NetworkTranslator)
        translator.device = replace(translator.device, name=device, bfloat16=False)
    monkeypatch.setitem(networks._TOGETHER, "cpu:0", 8)
    first: list[ProgressEvent] = []
    second: list[ProgressEvent] = []
    one = alone.translate(phantom.map_volume(), phantom.lesion_volume(), seed=3, progress=first.append)
    other = together.translate(phantom.map_volume(), phantom.lesion_volume(), seed=3, progress=second.append)
    assert second[-1].done == second[-1].total == check_events(first)
    assert len(second) < len(first), "told together as well"
    assert [event.done for event in second] == sorted(event.done for event in second)
    np.testing.assert_allclose(other.dwi.array, one.dwi.array, atol=1e-3 * float(one.dwi.array.max()))


def test_preview_tells_the_steps_of_what_is_out_of_date(models: dict[str, Path]) -> None:
    translator = open_translator(models["rflow 2D"], "cpu")
    preview = Preview(translator, phantom.map_volume(), seed=2)
    first: list[ProgressEvent] = []
    preview.draw_all(first.append)
    preview.change(phantom.lesion_volume())
    preview.draw()
    stroke = phantom.lesion_mask()
    stroke[20:24, 20:24, 6] = 1
    lesion = Volume(stroke, phantom.AFFINE)
    out_of_date = preview.change(lesion)
    again: list[ProgressEvent] = []
    drawn = preview.draw_all(again.append)
    whole = translator.translate(phantom.map_volume(), lesion, seed=2)
    np.testing.assert_array_equal(drawn.dwi, whole.dwi.array)
    assert drawn.record == whole.record
    for events in (first, again):
        assert [event.done for event in events] == list(range(events[0].total + 1))
    assert again[-1].total == 1 + 8 * len(out_of_date) < first[-1].total


def files(folder: Path, model: Path) -> list[str]:
    write_volume(folder / "map.nii.gz", phantom.map_volume())
    write_volume(folder / "lesion.nii.gz", phantom.lesion_volume())
    return [
        "synthesize", "--model", str(model), "--map", str(folder / "map.nii.gz"),
        "--lesion", str(folder / "lesion.nii.gz"), "--device", "cpu",
    ]  # fmt: skip


def test_the_command_tells_its_progress(
    models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = files(tmp_path, models["rflow 2D"])
    assert main([*words, "--out", str(tmp_path / "told"), "--progress", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [line for line in lines if line["event"] == "progress"]
    events = [ProgressEvent(line["stage"], line["done"], line["total"]) for line in told]
    assert events[0].stage == "Opening the translator", "which takes seconds with some kinds"
    assert check_events(events[1:]) > AROUND + 8
    assert lines.index(told[-1]) < [line["event"] for line in lines].index("result")
    assert main([*words, "--out", str(tmp_path / "silent"), "--progress", "none"]) == 0
    for path in (tmp_path / "told").glob("*.nii.gz"):
        assert path.read_bytes() == (tmp_path / "silent" / path.name).read_bytes()


def test_the_command_stops_when_it_is_asked_to(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from StrokeSynthLib.commands.console import Console

    monkeypatch.setenv(STOP_FILE, str(tmp_path / "stop"))
    kept = Console.progress

    def progress(self: Console, event: ProgressEvent) -> None:
        if event.done == 5:
            (tmp_path / "stop").write_text("cancel")
        kept(self, event)

    monkeypatch.setattr(Console, "progress", progress)
    words = files(tmp_path, models["rflow 2D"])
    assert main([*words, "--out", str(tmp_path / "out"), "--progress", "json"]) == 1
    captured = capsys.readouterr()
    assert "stopped" in captured.err
    assert max(json.loads(line).get("done", 0) for line in captured.out.splitlines()) == 5
    assert not list((tmp_path / "out").glob("*.nii.gz"))


# Pieces beside each other


def beside(run: object, count: int, step: Step, threads: int = 3) -> list[int]:
    from StrokeSynthLib.translate.networks.beside import side_by_side

    return side_by_side(run, range(count), step, threads, lambda: None)  # type: ignore[arg-type]


def test_results_come_in_order_and_steps_in_the_callers_thread() -> None:
    threads, counts = set(), []

    def heard(count: int) -> None:
        threads.add(threading.current_thread())
        counts.append(count)

    def run(piece: int, step: Step) -> int:
        assert threading.current_thread() is not threading.main_thread()
        threading.Event().wait(0.01 * (5 - piece))
        step(piece)
        return 10 * piece

    assert beside(run, 5, heard) == [0, 10, 20, 30, 40]
    assert threads == {threading.current_thread()}
    assert sorted(counts) == [0, 1, 2, 3, 4]


def test_a_piece_that_fails_ends_the_others() -> None:
    begun: list[int] = []

    def run(piece: int, step: Step) -> int:
        begun.append(piece)
        if piece == 0:
            raise MemoryError("no room")
        while True:  # only the stop ends it
            threading.Event().wait(0.005)
            step(1)

    with pytest.raises(MemoryError, match="no room"):
        beside(run, 20, lambda count: None)
    assert len(begun) < 20
