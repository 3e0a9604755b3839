"""Training of pix2pix: one generator step and one discriminator step on each batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from monai.losses import PatchAdversarialLoss
from monai.networks.nets import PatchDiscriminator
from torch import Tensor

from ...device import Device
from ...progress import Progress, ProgressEvent
from ...randomness import generator as random_stream
from ...schema import CLASS_COUNT
from ...segment.checkpoint import (
    fingerprint,
    flatten,
    forget_state,
    load_optimizer,
    load_state,
    optimizer_tensors,
    pick,
    save_state,
)  # fmt: skip
from ..options import TranslatorOptions
from .dataset import Batch, Stack, draw_batch
from .losses import (
    L1_WEIGHT,
    as_scanned,
    discriminator_loss,
    fooling_loss,
    image_loss,
    scaled,
    with_dwi,
)  # fmt: skip
from .networks import Generator, GeneratorOptions

_STEPS = {2: 1500, 3: 600}
_BATCH = {2: 4, 3: 1}
_BLOCK = 16  # slices of a 3D block
_RATE, _BETAS = 2e-4, (0.5, 0.999)
#: Noise on the discriminator's input, annealed to 0 over the training, step by step.
_INSTANCE_NOISE = 0.1
_EMA = 0.998
_SAVE_EVERY = 250
_REPORT_EVERY = 10


@dataclass
class Networks:
    """Everything that changes while training."""

    generator: Generator
    average: Generator
    discriminator: Any
    generator_steps: torch.optim.Optimizer
    discriminator_steps: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def tensors(self) -> dict[str, Tensor]:
        """All state by name."""
        return {
            **flatten("generator", self.generator.state_dict()),
            **flatten("average", self.average.state_dict()),
            **flatten("discriminator", self.discriminator.state_dict()),
            **flatten("generator_steps", optimizer_tensors(self.generator_steps)),
            **flatten("discriminator_steps", optimizer_tensors(self.discriminator_steps)),
        }

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Put back what :meth:`tensors` gave."""
        self.generator.load_state_dict(pick("generator", tensors))
        self.average.load_state_dict(pick("average", tensors))
        self.discriminator.load_state_dict(pick("discriminator", tensors))
        load_optimizer(self.generator_steps, pick("generator_steps", tensors))
        load_optimizer(self.discriminator_steps, pick("discriminator_steps", tensors))


@dataclass(frozen=True)
class Trained:
    """The averaged generator, the record of its training (the same every time), and how long it took."""

    generator: Generator
    record: dict[str, Any]
    minutes: float


def build_discriminator(dimensions: int, width: int) -> Any:
    """PatchGAN on image and map; receptive field 70 in 2D as in the paper, 34 in 3D."""
    return PatchDiscriminator(
        spatial_dims=dimensions, channels=width, in_channels=CLASS_COUNT + 3, out_channels=1,
        num_layers_d=3 if dimensions == 2 else 2, norm="INSTANCE",
    )  # fmt: skip


def build_networks(network: GeneratorOptions, device: Device) -> Networks:
    """Fresh networks; their weights follow torch's current seed."""
    painter = Generator(network).to(device.name)
    judge = build_discriminator(network.dimensions, network.width).to(device.name)
    average = deepcopy(painter).requires_grad_(False).eval()
    return Networks(
        painter, average, judge,
        torch.optim.Adam(painter.parameters(), _RATE, _BETAS),
        torch.optim.Adam(judge.parameters(), _RATE, _BETAS),
    )  # fmt: skip


def adversarial_loss() -> Any:
    """Least squares against targets 1 and 0, no activation before it."""
    return PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)


def train(
    stacks: Sequence[Stack], network: GeneratorOptions, options: TranslatorOptions, device: Device,
    out: Path, progress: Progress,
) -> Trained:  # fmt: skip
    """Train until the steps or the minutes are used up; interrupted, the state stays for ``resume``."""
    steps = options.steps or _STEPS[options.dimensions]
    size = options.batch or _BATCH[options.dimensions]
    depth = 1 if options.dimensions == 2 else _BLOCK
    torch.set_num_threads(options.threads)
    key = fingerprint([network.config(), steps, size, options.seed, [s.labels.shape for s in stacks]])
    with torch.random.fork_rng(devices=[0] if device.name == "cuda" else []):
        torch.manual_seed(options.seed)
        nets = build_networks(network, device)
        _restore(nets, out, key, options.resume)
        adversarial = adversarial_loss()
        start, earlier = time.monotonic(), nets.seconds
        values: dict[str, float] = {}
        with _kept_when_stopped(nets, out, key):
            while nets.step < steps:
                nets.seconds = earlier + time.monotonic() - start
                used = _share_used(nets, steps, options.minutes)
                if used >= 1.0:
                    break
                rng = random_stream(options.seed, "step", nets.step)
                torch.manual_seed(int(rng.integers(2**31)))
                batch = draw_batch(stacks, size, depth, rng).to(device.name)
                losses = train_step(nets, adversarial, batch, used, device)
                nets.step += 1
                if nets.step % _REPORT_EVERY == 0 or nets.step == steps:
                    values = {name: float(loss) for name, loss in losses.items()}
                    progress(ProgressEvent("Training pix2pix", nets.step, steps, "", values))
                if nets.step % _SAVE_EVERY == 0 and nets.step < steps:
                    save_state(out, nets.tensors(), _facts(nets, key))
    record = {
        "steps": nets.step, "batch": size, "seed": options.seed,
        "minutes_limit": options.minutes, "device": device.name,
        "losses": {k: round(v, 5) for k, v in values.items()},
        "learning_rate": _RATE, "betas": list(_BETAS), "l1_weight": L1_WEIGHT, "network": asdict(network),
    }  # fmt: skip
    return Trained(nets.average, record, nets.seconds / 60.0)


@contextmanager
def _kept_when_stopped(nets: Networks, out: Path, key: str) -> Iterator[None]:
    """Keeps the state of a training that is stopped from outside, and lets the stop go on."""
    try:
        yield
    except BaseException:
        if nets.step > 0:
            with suppress(OSError):
                save_state(out, nets.tensors(), _facts(nets, key))
        raise


def instance_noise(used: float) -> float:
    """Noise on the discriminator's input when the share ``used`` of the training is over."""
    return _INSTANCE_NOISE * (1.0 - used)


def train_step(
    nets: Networks, adversarial: Any, batch: Batch, used: float, device: Device
) -> dict[str, Tensor]:
    """One step of each network on one batch; ``used`` is the share of the training that is over."""
    rate = _RATE * min(1.0, 2.0 * (1.0 - used))
    for optimizer in (nets.generator_steps, nets.discriminator_steps):
        for group in optimizer.param_groups:
            group["lr"] = rate
    spatial = batch.sketch.shape[2:]
    noise = torch.randn(len(batch.sketch), 4, *spatial, device=batch.sketch.device)
    blur = instance_noise(used)
    with device.autocast():
        painted = with_dwi(nets.generator(batch.onehot, batch.sketch), batch.b_value)
    seen = scaled(as_scanned(painted, batch, noise))

    def judged(images: Tensor) -> Tensor:
        return torch.cat([images + blur * torch.randn_like(images), batch.onehot], 1)

    real = scaled(batch.target)
    nets.discriminator.requires_grad_(True)
    with device.autocast():
        judge_loss = discriminator_loss(nets.discriminator, adversarial, judged(real), judged(seen))
    nets.discriminator_steps.zero_grad(set_to_none=True)
    judge_loss.backward()  # type: ignore[no-untyped-call]
    nets.discriminator_steps.step()
    nets.discriminator.requires_grad_(False)
    with device.autocast():
        fooling = fooling_loss(nets.discriminator, adversarial, judged(seen))
    likeness = image_loss(painted, batch)
    nets.generator_steps.zero_grad(set_to_none=True)
    (fooling + L1_WEIGHT * likeness).backward()  # type: ignore[no-untyped-call]
    nets.generator_steps.step()
    _follow(nets.average, nets.generator, min(_EMA, (1.0 + nets.step) / (10.0 + nets.step)))
    return {"discriminator": judge_loss.detach(), "fooling": fooling.detach(), "l1": likeness.detach()}


def _follow(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    with torch.no_grad():
        for old, new in zip(average.parameters(), network.parameters(), strict=True):
            old.lerp_(new, 1.0 - decay)


def _share_used(nets: Networks, steps: int, minutes: float | None) -> float:
    by_time = nets.seconds / (60.0 * minutes) if minutes else 0.0
    return max(nets.step / steps, by_time)


def _facts(nets: Networks, key: str) -> dict[str, Any]:
    return {"fingerprint": key, "step": nets.step, "seconds": nets.seconds}


def _restore(nets: Networks, out: Path, key: str, resume: bool) -> None:
    if not resume:
        forget_state(out)
        return
    found = load_state(out, key)
    if found is not None:
        tensors, facts = found
        nets.load(tensors)
        nets.step, nets.seconds = int(facts["step"]), float(facts["seconds"])
