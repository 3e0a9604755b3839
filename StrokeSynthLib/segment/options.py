"""What decides a network and its training. Free of torch, so that ``--help`` starts quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import BadInputError
from ..schema import TISSUES


@dataclass(frozen=True)
class NetworkOptions:
    """What builds a network; part of the model's config.

    Parameters
    ----------
    dimensions
        2: slice by slice, the neighboring slices as channels (2.5D). 3: slabs of slices.
    channels
        Features at each resolution, finest first; at least three.
    norm
        "batch" or "instance". Batch statistics keep the absolute intensities, which tell a
        lesion; they need no recomputation when the crop changes.
    depth
        Slices seen at once: neighbors in 2D (odd), length of a training slab in 3D.
    tissues
        Whether the network names the tissue of each voxel (:data:`..schema.TISSUES`) beside the lesion.
    """

    dimensions: int = 2
    channels: tuple[int, ...] = (16, 32, 64, 96, 128)
    norm: str = "batch"
    depth: int = 3
    tissues: bool = False

    def __post_init__(self) -> None:
        """Check, with the offending value in the message."""
        if self.dimensions not in (2, 3):
            raise BadInputError(f"--dimensions {self.dimensions}: a network is 2 or 3 dimensional.")
        if len(self.channels) < 3:
            raise BadInputError(f"Network channels {self.channels}: at least three resolutions are needed.")
        if self.norm not in ("batch", "instance"):
            raise BadInputError(f"Network norm {self.norm!r}: choose batch or instance.")
        if self.dimensions == 2 and self.depth % 2 == 0:
            raise BadInputError(f"Network depth {self.depth}: must be odd in 2D, a slice and its neighbors.")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NetworkOptions:
        """From the JSON of a model folder."""
        return cls(**{**config, "channels": tuple(int(c) for c in config["channels"])})

    def config(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "channels": list(self.channels)}

    @property
    def inputs(self) -> int:
        """Number of input channels; see :func:`.inputs.assemble`."""
        return 2 * self.depth + 5 if self.dimensions == 2 else 7

    @property
    def outputs(self) -> int:
        """Number of output channels: the lesion's logit, then one score a tissue where it makes maps."""
        return 1 + len(TISSUES) * self.tissues

    @property
    def kernels(self) -> list[tuple[int, ...]]:
        """Kernel size at each resolution."""
        if self.dimensions == 2:
            return [(3, 3)] * len(self.channels)
        # Slices are thicker than pixels: the finest resolution looks within a slice.
        return [(1, 3, 3), *[(3, 3, 3)] * (len(self.channels) - 1)]

    @property
    def strides(self) -> list[tuple[int, ...]]:
        """Stride into each resolution; the first is 1."""
        if self.dimensions == 2:
            return [(1, 1), *[(2, 2)] * (len(self.channels) - 1)]
        return [(1, 1, 1), (1, 2, 2), *[(2, 2, 2)] * (len(self.channels) - 2)]

    def dynunet(self) -> dict[str, Any]:
        """Arguments of MONAI's DynUNet that build the network, as JSON."""
        return {
            "spatial_dims": self.dimensions,
            "in_channels": self.inputs,
            "out_channels": self.outputs,
            "kernel_size": [list(kernel) for kernel in self.kernels],
            "strides": [list(stride) for stride in self.strides],
            "upsample_kernel_size": [list(stride) for stride in self.strides[1:]],
            "filters": list(self.channels),
            "norm_name": "batch" if self.norm == "batch" else ["instance", {"affine": True}],
        }

    @property
    def multiple(self) -> tuple[int, ...]:
        """Sizes (of the axes, slices first in 3D) must be multiples of these."""
        product = [1] * self.dimensions
        for stride in self.strides:
            product = [p * s for p, s in zip(product, stride, strict=True)]
        return tuple(product)


@dataclass(frozen=True)
class TrainingOptions:
    """How a U-Net is trained.

    Parameters
    ----------
    steps
        Steps of the optimizer; None takes :attr:`default_steps`. A second training with the same
        cases, options and seed on the same kind of machine gives the same weights.
    minutes
        Stop after this wall-clock time, the learning rate following the clock where that is
        faster than the steps. Results then depend on the machine's speed.
    seed
        Of weights, split, batches and augmentation.
    batch
        Slices (2D) or slabs (3D) in a step.
    synthetic_share
        Share of each batch that is synthetic when both kinds of cases are given.
    lesion_share
        Share of the slices that are drawn from those with lesion.
    learning_rate, warm_up, weight_decay
        AdamW; linear warm-up over so many steps, then half a cosine to zero. No ``learning_rate``: 2e-3, and
        a quarter of it when fine-tuning.
    averaging
        Decay of the exponential moving average of the weights, which is what is kept.
    validation_share, validation_every, patience
        Share of persons held back; steps between validations; training ends after so many
        validations without a better mean Dice. Weights of the training's first half are never kept when
        there are later ones.
    without_adc_share
        Share of samples whose ADC is hidden, so that one network serves both.
    dimensions
        2 (2.5D) or 3.
    start_from
        Model to fine-tune (a folder or a shipped name), which decides the network.
    resume
        Go on from the state that an interrupted training left in ``OUT.resume``.
    device, threads
        Where it computes; CPU threads (None: torch's own choice).
    patch
        In-plane size of training patches, voxels along x and y.
    spacing
        In-plane voxel size of the canonical frame (mm).
    channels, norm, depth
        Of the network; see :class:`NetworkOptions`. ``depth`` None: 3 slices in 2D, 16 in 3D.
    tissues
        Learn the semantic map too, from cases that all have one.
    tissue_weight
        Of the map's loss beside the lesion's.
    wide
        Augment past what scanners do (:mod:`.widening`): for a network that shall work everywhere.
    margin
        Kept around the brain in training cases (mm).
    workers
        Processes that prepare the cases.
    processes
        Processes that compute each step together, each a batch of its own (:class:`.team.Team`); for CPUs.
    """

    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    batch: int = 10
    synthetic_share: float = 0.5
    lesion_share: float = 0.6
    learning_rate: float | None = None
    warm_up: int = 100
    weight_decay: float = 1e-2
    averaging: float = 0.995
    validation_share: float = 0.15
    validation_every: int = 250
    patience: int = 10
    without_adc_share: float = 0.15
    dimensions: int = 2
    start_from: str | None = None
    resume: bool = False
    device: str = "auto"
    threads: int | None = None
    patch: tuple[int, int] = (80, 96)
    spacing: float = 2.0
    channels: tuple[int, ...] | None = None
    norm: str = "batch"
    depth: int | None = None
    tissues: bool = False
    tissue_weight: float = 0.4
    wide: bool = False
    margin: float = 4.0
    workers: int = 1
    processes: int = 1

    def __post_init__(self) -> None:
        """Check, with the offending value in the message."""
        for name in ("steps", "minutes", "threads", "batch", "validation_every", "patience", "processes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadInputError(f"Training option {name} {value}: must be more than 0.")
        for name in ("synthetic_share", "lesion_share", "without_adc_share", "averaging"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInputError(f"Training option {name} {getattr(self, name)}: must be from 0 to 1.")

    @property
    def default_steps(self) -> int:
        """Steps that are taken when none are asked for."""
        if self.start_from is not None:
            return 600
        return 4000 if self.dimensions == 2 else 2000

    @property
    def highest_rate(self) -> float:
        """Learning rate after the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 2e-3 if self.start_from is None else 5e-4

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.steps or self.default_steps

    def network(self) -> NetworkOptions:
        """The network that these options ask for."""
        if self.dimensions == 2:
            channels, depth = self.channels or (16, 32, 64, 96, 128), self.depth or 3
        else:
            channels, depth = self.channels or (12, 24, 48, 96), self.depth or 16
        return NetworkOptions(self.dimensions, channels, self.norm, depth, self.tissues)

    def record(self) -> dict[str, Any]:
        """As JSON, for the training record."""
        return asdict(self)
