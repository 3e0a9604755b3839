"""A trained network as one ONNX file, which runs without PyTorch.

The graph is written from the weights themselves: convolution, transposed convolution, leaky ReLU and
joining are all there is, batch norms are folded into the convolutions before them. It takes
``slices`` (n, channels, x, y) as :func:`.inputs.assemble` makes them, of any n and any x and y that are
multiples of :attr:`.options.NetworkOptions.multiple`, and gives

- ``lesion`` (n, x, y) float32, the logit;
- ``tissue`` (n, x, y) uint8, number in :data:`..schema.TISSUES`, where the network makes maps;
- ``features`` (n, c) float32, the mean of the coarsest features: what the network saw in the slice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError, missing_package
from ..modelfolder import ModelFolder, add_weights
from .engines import EXPORTED
from .options import NetworkOptions

Array = npt.NDArray[Any]

#: Operator set of ONNX that is written: understood by every runtime since 2021.
OPERATOR_SET = 13
_SLOPE = 0.01
#: What MONAI's norms add to the variance.
_EPSILON = 1e-5


def export_onnx(model: ModelFolder, *, half: bool = False) -> ModelFolder:
    """Write ``network.onnx`` into a model folder, whose hash then covers it; returns the folder anew.

    Parameters
    ----------
    model
        Of kind ``unet``, two-dimensional.
    half
        Store the weights with 16 bits (computing stays in float32): half the size.

    Raises
    ------
    BadInputError
        When the network is three-dimensional, its weights do not fit, or ``onnx`` is not installed.
    """
    options = NetworkOptions.from_config(model.config["network"])
    if options.dimensions != 2:
        raise BadInputError(f"{model.path}: only 2.5D networks are exported; this one is three-dimensional.")
    try:
        content = network_graph(options, model.arrays(), half=half)
    except KeyError as error:
        raise BadInputError(
            f"{model.path}: its files do not fit together ({error} missing); copy it again."
        ) from error
    return add_weights(model, EXPORTED, content)


def network_graph(options: NetworkOptions, weights: Mapping[str, Array], *, half: bool = False) -> bytes:
    """The ONNX file of a two-dimensional network, from weights under the names of :class:`.unet.UNet`."""
    graph = _Graph(half)
    levels = len(options.channels)
    blocks = ["input_block", *(f"downsamples.{i}" for i in range(levels - 2)), "bottleneck"]
    value, skips = "slices", []
    for block, stride in zip(blocks, options.strides, strict=True):
        value = _block(graph, options, weights, block, value, stride)
        skips.append(value)
    graph.add("ReduceMean", [value], "features", axes=[2, 3], keepdims=0)
    for number, skip in enumerate(reversed(skips[:-1])):
        up = f"upsamples.{number}"
        kernel = weights[f"{up}.transp_conv.conv.weight"]
        stride = kernel.shape[2:]
        value = graph.add(
            "ConvTranspose", [value, graph.constant(up, kernel)], kernel_shape=stride, strides=stride
        )
        value = graph.add("Concat", [value, skip], axis=1)
        value = _block(graph, options, weights, f"{up}.conv_block", value, (1, 1))
    _outputs(graph, weights, value)
    return graph.file(options)


def _outputs(graph: _Graph, weights: Mapping[str, Array], value: str) -> None:
    """Lesion and tissues by convolutions of their own, so that either can be left out when it is run."""
    kernel, bias = (weights[f"output_block.conv.conv.{name}"] for name in ("weight", "bias"))
    logit = graph.convolution("lesion", value, kernel[:1], bias[:1], (1, 1))
    graph.add("Squeeze", [logit, graph.constant("channel", np.array([1]))], "lesion")
    if len(kernel) > 1:
        scores = graph.convolution("tissue", value, kernel[1:], bias[1:], (1, 1))
        number = graph.add("ArgMax", [scores], axis=1, keepdims=0)
        graph.add("Cast", [number], "tissue", to=2)  # 2: uint8


def _block(
    graph: _Graph, options: NetworkOptions, weights: Mapping[str, Array], name: str, value: str,
    stride: tuple[int, ...],
) -> str:  # fmt: skip
    """Twice convolution, norm, leaky ReLU."""
    for number, step in (("1", stride), ("2", (1, 1))):
        kernel = weights[f"{name}.conv{number}.conv.weight"]
        norm = {key: weights[f"{name}.norm{number}.{key}"] for key in ("weight", "bias")}
        if options.norm == "batch":
            mean, variance = (weights[f"{name}.norm{number}.running_{key}"] for key in ("mean", "var"))
            factor = norm["weight"] / np.sqrt(variance + _EPSILON)
            kernel = kernel * factor[:, None, None, None]
            value = graph.convolution(name + number, value, kernel, norm["bias"] - mean * factor, step)
        else:
            value = graph.convolution(name + number, value, kernel, None, step)
            scale, bias = (graph.constant(f"{name}.norm{number}.{key}", norm[key]) for key in norm)
            value = graph.add("InstanceNormalization", [value, scale, bias], epsilon=_EPSILON)
        value = graph.add("LeakyRelu", [value], alpha=_SLOPE)
    return value


class _Graph:
    """Nodes and constants as they come."""

    def __init__(self, half: bool) -> None:
        try:
            import onnx
        except ModuleNotFoundError as error:
            raise missing_package(error) or error from error
        self._onnx: Any = onnx
        self._half = half
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """One operation; returns the name of its result."""
        name = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: Array) -> str:
        """Weights; stored with 16 bits where asked for, and widened when the network is loaded."""
        if values.dtype.kind == "f" and self._half:
            stored = self._onnx.numpy_helper.from_array(values.astype(np.float16), name + ".half")
            self._constants.append(stored)
            return self.add("Cast", [stored.name], name, to=1)  # 1: float32
        values = values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
        self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def convolution(
        self, name: str, value: str, kernel: Array, bias: Array | None, stride: tuple[int, ...]
    ) -> str:
        """Convolution that keeps the size (but for the stride)."""
        size = kernel.shape[2:]
        inputs = [value, self.constant(name + ".weight", kernel)]
        if bias is not None:
            inputs.append(self.constant(name + ".bias", bias))
        edges = [n // 2 for n in size]
        return self.add("Conv", inputs, kernel_shape=size, strides=stride, pads=[*edges, *edges])

    def file(self, options: NetworkOptions) -> bytes:
        """The whole file."""
        onnx, floats = self._onnx, self._onnx.TensorProto.FLOAT
        describe = onnx.helper.make_tensor_value_info
        inputs = [describe("slices", floats, ["n", options.inputs, "x", "y"])]
        outputs = [describe("lesion", floats, ["n", "x", "y"])]
        if options.tissues:
            outputs.append(describe("tissue", onnx.TensorProto.UINT8, ["n", "x", "y"]))
        outputs.append(describe("features", floats, ["n", options.channels[-1]]))
        graph = onnx.helper.make_graph(self._nodes, "unet", inputs, outputs, self._constants)
        # The oldest file version that goes with the operators, so that older runtimes read it too.
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", OPERATOR_SET)], ir_version=8,
            producer_name="StrokeSynth",
        )  # fmt: skip
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))
