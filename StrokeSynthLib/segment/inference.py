"""A network run over a whole prepared examination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .engines import Engine, NetworkOutput
from .inputs import ADC, DWI, MIRRORED_ADC, MIRRORED_DWI, Slabs, assemble, heights
from .options import NetworkOptions
from .preprocess import HIGHEST_ADC, HIGHEST_DWI

if TYPE_CHECKING:
    from ..device import Device
    from .unet import UNet

Array = npt.NDArray[Any]

#: Looks at an examination beside the one as it is: flipped, moved (voxels along x and y), factors of DWI and
#: ADC. The factors are about the spread of scanners of one kind; moved by less than the network's coarsest
#: step, every layer sees other neighbors.
_CHANGES = (
    (True, (0, 0), 1.0, 1.0),
    (False, (5, 3), 1.06, 0.96),
    (False, (3, 6), 0.94, 1.04),
    (True, (7, 5), 1.06, 1.04),
    (True, (2, 7), 0.94, 0.96),
)
#: Logit of lesion (probability about 1 %) from which on a slice is looked at a second time, flipped.
POSSIBLE = -4.6
_HIGHEST = np.array([HIGHEST_DWI, HIGHEST_ADC, HIGHEST_DWI, HIGHEST_ADC], np.float32)


def examine(
    engine: Engine, options: NetworkOptions, images: Array, *, adc_known: bool, thickness: float,
    flips: bool = False, tissue: bool = False,
) -> NetworkOutput:  # fmt: skip
    """What a network says about an examination; arrays (z, x, y), features (z, c) or (1, c) in 3D.

    Parameters
    ----------
    images
        (4, z, x, y), from :func:`.inputs.images_of`.
    thickness
        Distance of slices (mm).
    flips
        The lesion's logit is averaged with that of the left-right flipped examination; in 2D in the slices
        only where there may be a lesion (:data:`POSSIBLE`): few, and the only ones that it can change.
    tissue
        Whether tissues are wanted too.
    """
    found = _run(engine, options, images, adc_known, thickness, tissue)
    if not flips:
        return found
    possible = np.arange(len(found.lesion))
    if options.dimensions == 2:
        possible = np.flatnonzero(found.lesion.max(axis=(1, 2)) > POSSIBLE)
    lesion = found.lesion.copy()
    if possible.size:
        turned = _run(engine, options, images[:, :, ::-1], adc_known, thickness, slices=possible)
        lesion[possible] = (lesion[possible] + turned.lesion[:, ::-1]) / 2
    return NetworkOutput(lesion, found.tissue, found.features)


def perturbed(images: Array) -> Iterator[tuple[Array, Callable[[Array], Array]]]:
    """The examination as it might as well have been: flipped, placed otherwise, of slightly other contrast.

    Yields images as ``images`` (4, z, x, y), and what brings a result (z, x, y) back to the place.
    """
    gain = np.array([1.0, 1.0, 1.0, 1.0], np.float32)
    for flip, shift, dwi, adc in _CHANGES:
        gain[[DWI, MIRRORED_DWI]], gain[[ADC, MIRRORED_ADC]] = dwi, adc
        changed = np.minimum(images * gain[:, None, None, None], _HIGHEST[:, None, None, None])
        changed = np.pad(changed, ((0, 0), (0, 0), (shift[0], 0), (shift[1], 0)))
        if flip:
            changed = changed[:, :, ::-1]

        def undo(result: Array, flip: bool = flip, shift: tuple[int, int] = shift) -> Array:
            straight = result[:, ::-1] if flip else result
            return straight[:, shift[0] :, shift[1] :]

        yield changed, undo


def sigmoid(logit: Array) -> Array:
    """Probability of a logit, float32."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -60, 60))), np.float32)


def probability_of(
    network: UNet, options: NetworkOptions, images: Array, *, adc_known: bool, thickness: float,
    device: Device, flips: bool = True,
) -> Array:  # fmt: skip
    """Probability of lesion, float32 (z, x, y), by a PyTorch network; see :func:`examine`."""
    from .torch_engine import TorchEngine

    engine = TorchEngine(network, options, device)
    return sigmoid(
        examine(engine, options, images, adc_known=adc_known, thickness=thickness, flips=flips).lesion
    )


def _run(
    engine: Engine, options: NetworkOptions, images: Array, adc_known: bool, thickness: float,
    tissue: bool = False, slices: Array | None = None,
) -> NetworkOutput:  # fmt: skip
    """The whole examination, or in 2D the ``slices`` of these numbers only."""
    _, count, x, y = images.shape
    wanted = np.arange(count) if slices is None else slices
    reach, missing = (options.depth // 2, 0) if options.dimensions == 2 else (0, -count % options.multiple[0])
    pad = [-size % multiple for size, multiple in zip((x, y), options.multiple[-2:], strict=True)]
    room = ((0, 0), (reach, reach + missing), (0, pad[0]), (0, pad[1]))
    stack = np.pad(np.asarray(images, np.float32), room)
    position = np.pad(heights(count), room[1], mode="edge")

    def inputs(numbers: range) -> Array:
        if options.dimensions == 3:
            parts = [slice(0, count + missing)]
        else:
            parts = [slice(z, z + options.depth) for z in wanted[numbers.start : numbers.stop]]
        n = len(parts)
        slabs = Slabs(
            np.stack([stack[:, part] for part in parts]), np.full(n, float(adc_known), np.float32),
            np.stack([position[part] for part in parts]), np.full(n, thickness, np.float32),
        )  # fmt: skip
        return np.asarray(assemble(slabs, options))

    found = engine.run(len(wanted), inputs, tissue=tissue)
    named = None if found.tissue is None else found.tissue[: len(wanted), :x, :y]
    return NetworkOutput(found.lesion[: len(wanted), :x, :y], named, found.features)
