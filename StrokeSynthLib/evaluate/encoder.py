"""The shipped self-supervised encoder: what a slice looks like, learned without a label.

It was trained to give two views of one slice (shifted, flipped, turned, bent) the same description and to
use every one of its numbers for something else (Barlow Twins, Zbontar 2021). Views were never made
noisier, smoother or of other contrast: an encoder that is taught to overlook noise, blur and contrast
cannot judge them. Training: ``Testing/Benchmarks/audit_encoder.py``. ONNX Runtime computes it, no PyTorch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..modelfolder import ModelFolder, open_model
from ..segment.engines import EXPORTED, open_session
from ..segment.preprocess import HIGHEST_ADC, Prepared

Array = npt.NDArray[Any]

#: The shipped one, and the kind of its model folder.
MODEL = KIND = "encoder"
#: Images of a slice: DWI, ADC, and whether ADC is known (1 or -1).
INPUTS = 3
#: Voxels of a slice, along an axis, to one of the coarsest level.
REDUCTION = 8
_ADC_SCALE = 2 / HIGHEST_ADC


def inputs_of(prepared: Prepared, kept: Array) -> tuple[Array, Array]:
    """What the encoder is shown of slices, and where the brain is.

    Parameters
    ----------
    prepared
        The examination in the segmenters' frame.
    kept
        Numbers of the slices.

    Returns
    -------
    images
        (slices, 3, x, y) float32, 0 outside the brain (the third is the same everywhere); x and y are
        multiples of :data:`REDUCTION`.
    brain
        (slices, x, y) boolean.
    """
    brain = _filled(prepared.brain[:, :, kept])
    images = np.zeros((len(kept), INPUTS, *brain.shape[1:]), np.float32)
    images[:, 0] = _filled(prepared.dwi[:, :, kept]) * brain
    if prepared.adc is not None:
        images[:, 1] = _filled(prepared.adc[:, :, kept]) * brain * _ADC_SCALE
    images[:, 2] = -1.0 if prepared.adc is None else 1.0
    return images, brain


def _filled(array: Array) -> Array:
    """(x, y, z) to (z, x, y), with zeros around it up to the next multiples of :data:`REDUCTION`."""
    short = [-n % REDUCTION for n in array.shape[:2]]
    edges = [(n // 2, n - n // 2) for n in short]
    return np.pad(array.transpose(2, 0, 1), [(0, 0), *edges])


class SliceEncoder:
    """Describes slices by the mean of the encoder's coarsest features over the brain.

    Parameters
    ----------
    model
        Folder of kind ``encoder`` with ``network.onnx``.

    Raises
    ------
    BadInputError
        When the network cannot be used.
    """

    def __init__(self, model: ModelFolder) -> None:
        self._session = open_session(model.weights(EXPORTED))

    def describe(self, prepared: Prepared, kept: Array) -> Array:
        """(slices, n) float32, of the slices with these numbers."""
        described = []
        for number in kept:
            images, brain = inputs_of(prepared, np.array([number]))
            (found,) = self._session.run(["features"], {"slices": images})
            described.append(over_brain(found, brain)[0])
        return np.stack(described).astype(np.float32)


def over_brain(features: Array, brain: Array) -> Array:
    """Mean of features (n, c, x, y) over brains (n, x * 8, y * 8): (n, c), by share of brain."""
    count, _, x, y = features.shape
    weight = brain.reshape(count, x, REDUCTION, y, REDUCTION).mean(axis=(2, 4))
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-6)
    return np.asarray((features * weight[:, None]).sum(axis=(2, 3)) / total[:, None])


@lru_cache(maxsize=1)
def shipped_encoder() -> SliceEncoder:
    """The shipped one, opened once a process."""
    return SliceEncoder(open_model(MODEL, KIND))
