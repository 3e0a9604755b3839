"""A network run over a whole prepared examination."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .engines import Engine, NetworkOutput
from .inputs import ADC, DWI, MIRRORED_ADC, MIRRORED_DWI, Slabs, assemble, heights
from .options import NetworkOptions
from .preprocess import HIGHEST_ADC, HIGHEST_DWI
from .windows import Window, around, of_one_shape, whole

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
#: Logit of lesion (probability about 5 %) from which on a slice is looked at a second time, flipped;
#: what that saves is in ``Testing/Benchmarks/inference_levers.md``.
POSSIBLE = -3.0
#: Logit where nothing is looked at.
NO_LESION = -14.0
_HIGHEST = np.array([HIGHEST_DWI, HIGHEST_ADC, HIGHEST_DWI, HIGHEST_ADC], np.float32)


def examine(
    engine: Engine, options: NetworkOptions, images: Array, *, adc_known: bool, thickness: float,
    flips: bool = False, tissue: bool = False, brain: Array | None = None, margin: int = 0,
) -> NetworkOutput:  # fmt: skip
    """What a network says about an examination; arrays (z, x, y), features (slices shown, c) or (1, c) in 3D.

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
    brain, margin
        (z, x, y) boolean: a 2D network is shown this and so many voxels around it (:mod:`.windows`), all
        where it is not given. Outside there is no lesion and no tissue.
    """
    show = None if brain is None or options.dimensions == 3 else (brain, margin)
    found = _run(engine, options, images, adc_known, thickness, tissue, show)
    if not flips:
        return found
    possible = np.arange(len(found.lesion))
    if options.dimensions == 2:
        possible = np.flatnonzero(found.lesion.max(axis=(1, 2)) > POSSIBLE)
    lesion = found.lesion.copy()
    if possible.size:
        show = None if show is None else (show[0][:, ::-1], margin)
        turned = _run(engine, options, images[:, :, ::-1], adc_known, thickness, False, show, possible)
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


class _Shown:
    """An examination padded to what the network takes, and its slices cut out of it."""

    def __init__(
        self, options: NetworkOptions, images: Array, adc_known: bool, thickness: float,
    ) -> None:  # fmt: skip
        _, self.count, *shape = images.shape
        flat = options.dimensions == 2
        reach, missing = (options.depth // 2, 0) if flat else (0, -self.count % options.multiple[0])
        pad = [-size % multiple for size, multiple in zip(shape, options.multiple[-2:], strict=True)]
        self.shape = (shape[0] + pad[0], shape[1] + pad[1])
        room = ((0, 0), (reach, reach + missing), (0, pad[0]), (0, pad[1]))
        self._stack = np.pad(np.asarray(images, np.float32), room)
        self._position = np.pad(heights(self.count), room[1], mode="edge")
        self._adc_known, self._thickness, self._options = float(adc_known), thickness, options

    def slabs(self, starts: Sequence[int], windows: Sequence[Window]) -> Array:
        """The network's input: slabs from these slices of the padded examination on, in equal windows."""
        length = self._options.depth if self._options.dimensions == 2 else self._stack.shape[1]
        n = len(starts)
        images = [
            self._stack[:, z : z + length, window.x, window.y]
            for z, window in zip(starts, windows, strict=True)
        ]
        slabs = Slabs(
            np.stack(images), np.full(n, self._adc_known, np.float32),
            np.stack([self._position[z : z + length] for z in starts]),
            np.full(n, self._thickness, np.float32),
        )  # fmt: skip
        return np.asarray(assemble(slabs, self._options))


def _run(
    engine: Engine, options: NetworkOptions, images: Array, adc_known: bool, thickness: float,
    tissue: bool = False, show: tuple[Array, int] | None = None, slices: Array | None = None,
) -> NetworkOutput:  # fmt: skip
    """The whole examination, or in 2D the ``slices`` of these numbers only, in the order given."""
    shown = _Shown(options, images, adc_known, thickness)
    _, count, x, y = images.shape
    if options.dimensions == 3:
        found = engine.run(count, lambda numbers: shown.slabs([0], whole(1, shown.shape)), tissue=tissue)
        named = None if found.tissue is None else found.tissue[:count, :x, :y]
        return NetworkOutput(found.lesion[:count, :x, :y], named, found.features)
    windows: Sequence[Window | None] = whole(count, shown.shape)
    if show is not None:
        windows = around(show[0], show[1], (options.multiple[0], options.multiple[1]))
    wanted = np.arange(count) if slices is None else slices
    lesion = np.full((count, *shown.shape), NO_LESION, np.float32)
    named = np.zeros((count, *shown.shape), np.uint8) if tissue and options.tissues else None
    features: dict[int, Array] = {}
    for group in of_one_shape(windows, wanted):

        def inputs(numbers: range, group: list[tuple[int, Window]] = group) -> Array:
            chosen = [group[k] for k in numbers]
            return shown.slabs([number for number, _ in chosen], [window for _, window in chosen])

        found = engine.run(len(group), inputs, tissue=tissue)
        for k, (number, window) in enumerate(group):
            lesion[number, window.x, window.y] = found.lesion[k]
            if named is not None and found.tissue is not None:
                named[number, window.x, window.y] = found.tissue[k]
            features[number] = found.features[k]
    together = np.stack([features[z] for z in sorted(features)]) if features else np.zeros((0, 0), np.float32)
    names = None if named is None else named[wanted, :x, :y]
    return NetworkOutput(lesion[wanted, :x, :y], names, together)
