"""Training cases in memory, prepared once, and batches drawn from them.

A case is brought to the canonical frame when training starts and kept as float16; a batch is then a
matter of copying slices. Which slices depends on the seed and the number of the step only, so
that an interrupted training goes on with the very batches it would have seen.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..cohort.case import Case, CaseFiles
from ..cohort.load import load_case
from ..errors import BadInputError
from ..progress import Progress, ProgressEvent
from ..schema import INTRACRANIAL, PARENCHYMA, TISSUE_OF_CLASS
from ..stopping import left_to_parent
from ..volume import Volume
from .inputs import Slabs, heights, images_of
from .options import TrainingOptions
from .preprocess import FrameOptions, Prepared, prepare

Array = npt.NDArray[Any]

#: Above this many bytes of prepared cases, further ones lie on disk and are mapped.
MEMORY_LIMIT = 4 << 30
#: Patches are cut with this margin (voxels) around them, which rotation and scaling fill from.
MARGIN = 12
_JITTER = 6
_LESION, _BRAIN = 1, 2
#: With a smaller share of the head around the brain shown, an image is skull-stripped.
_STRIPPED = 0.2


@dataclass(frozen=True)
class Example:
    """One prepared case.

    Parameters
    ----------
    images
        (4, z, x, y) float16; see :func:`.inputs.images_of`.
    labels
        (z, x, y) uint8: bit 1 lesion, bit 2 brain.
    tissue
        (z, x, y) uint8, numbers of :data:`..schema.TISSUES`; None without a semantic map.
    lesion_slices
        Numbers of the slices with lesion.
    """

    name: str
    person: str
    synthetic: bool
    images: Array
    labels: Array
    lesion_slices: Array
    adc_known: bool
    thickness: float
    voxel_ml: float
    tissue: Array | None = None

    @property
    def lesion(self) -> Array:
        """(z, x, y) boolean."""
        return (self.labels & _LESION) > 0


def prepare_example(case: Case, frame: FrameOptions) -> Example:
    """Bring one case with a reference lesion to the canonical frame.

    Raises
    ------
    BadInputError
        When it has no reference.
    """
    if case.lesion is None:
        raise BadInputError(f"{case.name}: has no lesion mask to learn from; add one or leave the case out.")
    prepared = prepare(case.dwi, case.adc, frame)
    lesion = prepared.frame.forward((case.lesion.array > 0).astype(np.float32)) >= 0.5
    labels = (lesion * _LESION + prepared.brain * _BRAIN).astype(np.uint8).transpose(2, 0, 1)
    return Example(
        case.name, case.person, case.synthetic, images_of(prepared), np.ascontiguousarray(labels),
        np.flatnonzero((labels & _LESION).any(axis=(1, 2))), case.adc is not None,
        prepared.frame.spacing[2], prepared.frame.voxel_ml,
        None if case.semantic_map is None else _tissue_of(case.semantic_map, prepared),
    )  # fmt: skip


def _tissue_of(semantic_map: Volume, prepared: Prepared) -> Array:
    """Tissues (z, x, y) of a map in the canonical frame; air where a skull-stripped image shows nothing."""
    from scipy.ndimage import affine_transform

    frame = prepared.frame
    classes = frame.image.orientation.apply(semantic_map.array).astype(np.uint8)
    classes = affine_transform(
        classes, np.array(frame.scale), np.array(frame.start), frame.shape, order=0, mode="grid-constant"
    )
    tissue = np.array([*TISSUE_OF_CLASS, *[0] * (256 - len(TISSUE_OF_CLASS))], np.uint8)[classes]
    outside = (tissue > 0) & ~np.isin(classes, INTRACRANIAL)
    shown = prepared.dwi > 0
    if outside.any() and (shown & outside).sum() < _STRIPPED * outside.sum():
        tissue[~shown & ~np.isin(classes, PARENCHYMA)] = 0
    return np.ascontiguousarray(tissue.transpose(2, 0, 1))


class Storeroom:
    """Prepared cases; the first ones in memory, those over the limit mapped from a folder that is
    removed afterwards."""

    def __init__(self, limit: int = MEMORY_LIMIT) -> None:
        self._free = limit
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.examples: list[Example] = []

    def add(self, example: Example) -> None:
        """Keep one case."""
        self._free -= example.images.nbytes
        if self._free < 0:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="strokesynth-")
            path = Path(self._folder.name) / f"{len(self.examples)}.npy"
            np.save(path, example.images)
            example = Example(**{**vars(example), "images": np.load(path, mmap_mode="r")})
        self.examples.append(example)

    def close(self) -> None:
        """Remove what lies on disk."""
        self.examples.clear()
        if self._folder is not None:
            self._folder.cleanup()


def fill(
    room: Storeroom, files: Sequence[CaseFiles], frame: FrameOptions, progress: Progress, workers: int = 1
) -> list[Example]:
    """Load and prepare cases, one after the other or in ``workers`` processes, in the order given."""
    first = len(room.examples)
    for done, example in enumerate(_prepared(files, frame, workers)):
        progress(ProgressEvent("Preparing cases", done, len(files)))
        room.add(example)
    progress(ProgressEvent("Preparing cases", len(files), len(files)))
    return room.examples[first:]


def _prepared(files: Sequence[CaseFiles], frame: FrameOptions, workers: int) -> Iterator[Example]:
    if workers <= 1:
        yield from (_load_and_prepare(case, frame) for case in files)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=left_to_parent) as pool:
        # A bounded number under way: prepared cases are large.
        waiting: deque[Future[Example]] = deque()
        for case in files:
            waiting.append(pool.submit(_load_and_prepare, case, frame))
            if len(waiting) > 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _load_and_prepare(case: CaseFiles, frame: FrameOptions) -> Example:
    return prepare_example(load_case(case), frame)


@dataclass
class Batch:
    """Slabs with what is asked of them: lesion and brain, each (batch, slices, x, y), 0 or 1.

    ``tissue`` likewise, uint8 numbers of tissues, where every case has a map; else None.
    """

    slabs: Slabs
    lesion: Tensor
    brain: Tensor
    tissue: Tensor | None = None


class Ahead:
    """Makes the next batch in a thread while the network is busy with this one.

    Parameters
    ----------
    make
        The batch of a step; the same whenever it is called.
    """

    def __init__(self, make: Callable[[int], Batch]) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Batch]] | None = None

    def result(self, step: int) -> Batch:
        """The batch of ``step``; the one after it is begun."""
        ready = self._next
        self._next = None
        batch = ready[1].result() if ready is not None and ready[0] == step else self._make(step)
        self._next = (step + 1, self._pool.submit(self._make, step + 1))
        return batch


class Sampler:
    """Draws batches.

    Parameters
    ----------
    clinical, synthetic
        Cases to draw from; either may be empty, not both.
    options
        Shares, batch and patch size.
    depth
        Slices of a slab.
    """

    def __init__(
        self, clinical: Sequence[Example], synthetic: Sequence[Example], options: TrainingOptions, depth: int
    ) -> None:
        if not clinical and not synthetic:
            raise BadInputError("There is no case to train on; give a cohort with lesion masks.")
        self._groups = [clinical, synthetic]
        self._options = options
        self._depth = depth

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch; every case of a group is as likely as any other, whatever its lesion's size."""
        count, (x, y) = self._options.batch, self._options.patch
        shape = (count, 4, self._depth, x + 2 * MARGIN, y + 2 * MARGIN)
        images = np.zeros(shape, np.float32)
        labels = np.zeros((count, *shape[2:]), np.uint8)
        tissue = np.zeros_like(labels) if self._options.tissues else None
        position = np.zeros((count, self._depth), np.float32)
        examples = []
        for i in range(count):
            example = self._case(i, rng)
            middle = self._slice(example, rng)
            position[i] = _cut_slab(
                example, middle, rng, images[i], labels[i], None if tissue is None else tissue[i]
            )
            examples.append(example)
        slabs = Slabs(
            torch.from_numpy(images),
            torch.tensor([float(e.adc_known) for e in examples]),
            torch.from_numpy(position),
            torch.tensor([e.thickness for e in examples]),
        )
        lesion, brain = (
            torch.from_numpy(((labels & bit) > 0).astype(np.float32)) for bit in (_LESION, _BRAIN)
        )
        return Batch(slabs, lesion, brain, None if tissue is None else torch.from_numpy(tissue))

    def _case(self, place: int, rng: np.random.Generator) -> Example:
        clinical, synthetic = self._groups
        # The mixing rate holds in every batch, not only on average.
        share = self._options.synthetic_share if clinical and synthetic else float(not clinical)
        wanted = (place + rng.random()) / self._options.batch < share
        group = synthetic if wanted else clinical
        return group[int(rng.integers(len(group)))]

    def _slice(self, example: Example, rng: np.random.Generator) -> int:
        slices = example.labels.shape[0]
        with_lesion = rng.random() < self._options.lesion_share
        if with_lesion and example.lesion_slices.size:
            middle = int(example.lesion_slices[rng.integers(example.lesion_slices.size)])
            # In a slab the lesion may lie anywhere.
            reach = self._depth // 4 if self._depth > 3 else 0
            return int(np.clip(middle + rng.integers(-reach, reach + 1), 0, slices - 1))
        return int(rng.integers(slices))


def _cut_slab(
    example: Example, middle: int, rng: np.random.Generator, images: Array, labels: Array,
    tissue: Array | None,
) -> Array:  # fmt: skip
    """Copy slices around ``middle``, near the center or over a lesion voxel; returns their heights."""
    depth, x, y = labels.shape
    slices, nx, ny = example.labels.shape
    height = heights(slices)
    spots = np.argwhere(example.labels[middle] & _LESION)
    spot = spots[rng.integers(len(spots))] if len(spots) else (None, None)
    sx, tx = _overlap(nx, x, spot[0], rng)
    sy, ty = _overlap(ny, y, spot[1], rng)
    position = np.zeros(depth, np.float32)
    for d in range(depth):
        z = middle + d - depth // 2
        position[d] = height[min(max(z, 0), slices - 1)]
        if 0 <= z < slices:
            images[:, d, tx, ty] = example.images[:, z, sx, sy]
            labels[d, tx, ty] = example.labels[z, sx, sy]
            if tissue is not None and example.tissue is not None:
                tissue[d, tx, ty] = example.tissue[z, sx, sy]
    return position


def _overlap(size: int, room: int, spot: int | None, rng: np.random.Generator) -> tuple[slice, slice]:
    """Where ``size`` voxels come from and go to in ``room``: centered with some jitter, any part of an
    image larger than the patch, moved as little as needed for voxel ``spot`` to be in the patch."""
    freedom = max(0, size - (room - 2 * MARGIN)) // 2 + _JITTER
    start = (room - size) // 2 + int(rng.integers(-freedom, freedom + 1))
    if spot is not None:
        start = min(max(start, 2 * MARGIN - spot), room - 2 * MARGIN - 1 - spot)
    low, high = max(0, start), min(room, start + size)
    return slice(low - start, high - start), slice(low, high)
