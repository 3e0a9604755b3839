"""What computes a network: ONNX Runtime on the exported graph, or PyTorch on the weights.

Both compute the same function. A graphics card is used through PyTorch where both are there; otherwise
the exported network is run, which needs one small package and no second of start-up. Without an export (a
network that a user trained), PyTorch runs on the processor.

OpenVINO was measured too: about as fast once it runs, it takes longer to start (figures:
Testing/Benchmarks/speed.md), and installs a package that reports its use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..device import choose_device, gpu_in_sight
from ..errors import BadInputError
from ..modelfolder import ModelFolder
from .options import NetworkOptions

Array = npt.NDArray[Any]

#: Gives the assembled input of some slices, (n, channels, x, y) float32: asked for a few at a time, so that
#: they never lie in memory together.
Inputs = Callable[[range], Array]

#: The exported network in a model folder.
EXPORTED = "network.onnx"
#: More threads than this gain little for slices of this size.
_MOST_THREADS = 4


@dataclass(frozen=True)
class NetworkOutput:
    """What a network says about slices, or about the slices of a slab.

    Parameters
    ----------
    lesion
        (n, x, y) float32: logit of lesion.
    tissue
        (n, x, y) uint8: number in :data:`..schema.TISSUES`; None where it was not asked for or the network
        makes no map.
    features
        (n, c) float32: mean of the coarsest features, what the network saw in each slice.
    """

    lesion: Array
    tissue: Array | None
    features: Array


class Engine(Protocol):
    """Anything that computes a network."""

    #: One sentence: what computes, and where.
    reason: str

    def run(self, count: int, inputs: Inputs, *, tissue: bool = False) -> NetworkOutput:
        """The network's answer to ``count`` slices, with the tissues where they are asked for."""
        ...


def open_engine(model: ModelFolder, options: NetworkOptions, device: str = "auto") -> Engine:
    """The best engine that there is for a model.

    Parameters
    ----------
    device
        "auto" (a graphics card if one works, else the processor), "cpu" or "cuda".

    Raises
    ------
    BadInputError
        When what was asked for is not there, or the model's files do not fit together.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise BadInputError(f"--device {device}: is not known; choose auto, cpu or cuda.")
    exported = (model.path / EXPORTED).is_file()
    if device == "cuda" or (device == "auto" and gpu_in_sight() and find_spec("torch") is not None):
        chosen = choose_device(device)
        if chosen.name != "cpu" or not exported:
            from .torch_engine import TorchEngine

            return TorchEngine.open(model, options, chosen)
    if exported and find_spec("onnxruntime") is not None:
        return OnnxEngine(model, threads())
    if exported and find_spec("torch") is None:
        # The smaller of two that would do.
        raise BadInputError(
            "This needs the package onnxruntime, which is not installed; install it: pip install onnxruntime."
        )
    processor = choose_device("cpu")
    from .torch_engine import TorchEngine

    return TorchEngine.open(model, options, processor)


def threads() -> int:
    """Processor threads to use: OMP_NUM_THREADS where it is set, else the processors, four at most."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(asked) if asked.isdigit() and int(asked) > 0 else min(count, _MOST_THREADS)


def open_session(path: Path) -> Any:
    """An ONNX Runtime session on one thread.

    Raises
    ------
    BadInputError
        When the network cannot be used.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # of kinds that ONNX Runtime does not name publicly
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInputError(f"{path}: cannot be used ({reason}); copy the model again.") from error


class OnnxEngine:
    """ONNX Runtime; slices side by side, each on one thread, so that none waits for another."""

    def __init__(self, model: ModelFolder, threads: int) -> None:
        import onnxruntime

        self._session = open_session(model.weights(EXPORTED))
        self._names = [output.name for output in self._session.get_outputs()]
        self._threads = threads
        self.reason = f"CPU: ONNX Runtime {onnxruntime.__version__}."

    def run(self, count: int, inputs: Inputs, *, tissue: bool = False) -> NetworkOutput:
        """See :class:`Engine`."""
        names = [name for name in self._names if tissue or name != "tissue"]

        def one(number: int) -> dict[str, Array]:
            found = self._session.run(names, {"slices": inputs(range(number, number + 1))})
            return dict(zip(names, found, strict=True))

        return _joined(_side_by_side(one, count, self._threads))


def _side_by_side(
    one: Callable[[int], dict[str, Array]], count: int, threads: int
) -> list[dict[str, Array]]:  # fmt: skip
    if threads == 1:
        return [one(number) for number in range(count)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(count)))


def _joined(slices: list[dict[str, Array]]) -> NetworkOutput:
    together = {name: np.concatenate([found[name] for found in slices]) for name in slices[0]}
    return NetworkOutput(together["lesion"], together.get("tissue"), together["features"])
