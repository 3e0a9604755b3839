"""Training of cyclegan: both generators together, then both discriminators, on each step's draw.

Sketches a of maps m, images x, generator G, reader F (Zhu et al., ICCV 2017):

    G and F:  5 x least squares against 1 of a judge on G(m, a), 1 x of another on F(x)
              + 10 |F(G(m, a)) - a| + 10 |G(F(x)) - x|            cycles
              + 2 cross-entropy(map in F(G(m, a)), m)             the map can be read back
              + 0.5 |G(no map, x) - x| + 0.5 |F(a) - a|           identities
    judges:   least squares, 1 for real and 0 for fake, fakes out of a pool of the last 50

Differences of sketches and of images are taken of b0, ADC and the DWI that follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...device import Device
from ...progress import Progress
from ...schema import CLASS_COUNT
from ..networks.dataset import Batch, Material, Stack
from ..networks.losses import (
    AIR,
    adversarial_loss,
    as_scanned,
    blurred_by,
    discriminator_loss,
    fooling_loss,
    instance_noise,
    patch_discriminator,
    scaled,
    voxel_weights,
    with_dwi,
    without_air,
)  # fmt: skip
from ..networks.method import Method, stepped
from ..networks.painter import SKETCH_CHANNELS
from ..options import TranslatorOptions
from .dataset import Unpaired, draw_unpaired, make_unpaired
from .generator import IMAGE_CHANNELS, CycleGenerator, Reader, ResidualOptions
from .pool import SIZE, ImagePool
from .unlabeled import load_unlabeled

CYCLE_WEIGHT, MAP_WEIGHT = 10.0, 2.0
#: Both networks begin next to the identity, where cycles and identities cost nothing and hold them: with the
#: paper's 1 and 5 the generator's gradient from the judge was a twentieth of theirs, and it stayed there.
FOOLING_WEIGHT, IDENTITY_WEIGHT = 5.0, 0.5
#: Weight of voxels of air and of empty ones.
_EMPTY = 0.1


class CycleGAN(Method):
    """See :class:`..networks.method.Method`."""

    kind = "cyclegan"
    batch: ClassVar[Mapping[int, int]] = {2: 2, 3: 1}
    architecture = (
        "Cycle-consistent adversarial networks (Zhu et al., ICCV 2017): residual blocks at a quarter of the\n"
        "resolution, the input again at full resolution; what is kept is the generator from map and sketch\n"
        "to image. In training also its inverse, from image to sketch and map, and a patch discriminator on\n"
        "each side."
    )
    losses = (
        "Least squares, targets 1 for real and 0 for fake, on images (x 5) and on maps with sketches; 10 x\n"
        "L1 of both cycles, 0.5 x L1 of both identities, 2 x cross-entropy of the map that is read back\n"
        "from the image (lesion voxels weighted more); fakes for the discriminators out of a pool of 50. A\n"
        "sketch and an image of a step are of cases drawn independently: no image is ever\n"
        "compared with its own map."
    )
    failures = (
        "Nothing tells the network what one map's own image looks like, so contrast between tissues follows\n"
        "the drawn sketch more than with paired training. Hallucinated or missing structures are possible\n"
        "where maps and images of the cohort differ in what they show (field of view, stripping). With few\n"
        "steps the images look like the sketch."
    )

    def __init__(self, options: TranslatorOptions, device: Device) -> None:
        super().__init__(options, device)
        network = _network(options)
        self.reader = Reader(network).to(device.name)
        self.image_judge = patch_discriminator(options.dimensions, options.width, IMAGE_CHANNELS).to(
            device.name
        )
        self.map_judge = patch_discriminator(
            options.dimensions, options.width, CLASS_COUNT + SKETCH_CHANNELS
        ).to(device.name)
        self.adversarial = adversarial_loss()
        self.images, self.maps = ImagePool(), ImagePool()
        both = chain(self.painter.parameters(), self.reader.parameters())
        judges = chain(self.image_judge.parameters(), self.map_judge.parameters())
        self._optimizers = {
            "generators": torch.optim.Adam(both, self.rate, self.betas),
            "judges": torch.optim.Adam(judges, self.rate, self.betas),
        }

    @classmethod
    def new_painter(cls, options: TranslatorOptions) -> CycleGenerator:
        """See :class:`..networks.method.Method`."""
        return CycleGenerator(_network(options))

    @classmethod
    def stacks(cls, material: Material, options: TranslatorOptions, progress: Progress) -> list[Stack]:
        """See :class:`..networks.method.Method`."""
        unlabeled = load_unlabeled(options.unlabeled, material.examples, progress)
        return make_unpaired(material, unlabeled, options.seed, progress)

    def draw(self, stacks: Sequence[Stack], size: int, depth: int, rng: np.random.Generator) -> Unpaired:
        """See :class:`..networks.method.Method`."""
        return draw_unpaired(stacks, size, depth, rng)

    def networks(self) -> dict[str, nn.Module]:
        """See :class:`..networks.method.Method`."""
        return {"reader": self.reader, "image judge": self.image_judge, "map judge": self.map_judge}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See :class:`..networks.method.Method`."""
        return dict(self._optimizers)

    def facts(self) -> dict[str, Any]:
        """See :class:`..networks.method.Method`."""
        weights = {
            "fooling": FOOLING_WEIGHT,
            "cycle": CYCLE_WEIGHT,
            "identity": IDENTITY_WEIGHT,
            "map": MAP_WEIGHT,
        }
        return {**super().facts(), "weights": weights, "pool": SIZE}

    def extra(self) -> dict[str, Tensor]:
        """See :class:`..networks.method.Method`: the pools."""
        return {**self.images.tensors("images"), **self.maps.tensors("maps")}

    def load_extra(self, tensors: Mapping[str, Tensor]) -> None:
        """See :class:`..networks.method.Method`."""
        self.images.load("images", tensors)
        self.maps.load("maps", tensors)

    def train_step(self, batch: Unpaired, used: float) -> dict[str, Tensor]:
        """See :class:`..networks.method.Method`."""
        blur = instance_noise(used)
        self._judges_learn(False)
        fake_images, forth = self._from_maps(batch.maps, blur)
        fake_maps, back = self._from_images(batch, blur)
        losses = forth | back
        stepped(self._optimizers["generators"], torch.stack(list(losses.values())).sum())
        self._judges_learn(True)
        real = scaled(without_air(batch.images))
        on_images = self._on_images(real, self.images.exchanged(fake_images), blur)
        on_maps = self._on_maps(batch.maps, self.maps.exchanged(fake_maps), blur)
        stepped(self._optimizers["judges"], on_images + on_maps)
        return losses | {"image judge": on_images, "map judge": on_maps}

    def _from_maps(self, maps: Batch, blur: float) -> tuple[Tensor, dict[str, Tensor]]:
        """A fake image of each sketch, and what it costs to get there and back."""
        with self.device.autocast():
            painted = self.painter(maps.onehot, maps.sketch)
        # What is hidden in an image's finest values would not survive grain and noise.
        seen = as_scanned(with_dwi(painted, maps.b_value), maps)
        plain = with_dwi(maps.sketch, maps.b_value)
        with self.device.autocast():
            read, logits = self.reader(seen)
            unchanged, _ = self.reader(plain)
            judged = scaled(without_air(seen))
            fooling = fooling_loss(self.image_judge, self.adversarial, blurred_by(judged, blur))
        weights = voxel_weights(maps) * (1.0 - (1.0 - _EMPTY) * maps.onehot[:, :1])
        sketches = [with_dwi(sketch, maps.b_value) for sketch in (read, unchanged)]
        return judged, {
            "fooling with images": FOOLING_WEIGHT * fooling,
            "cycle of maps": CYCLE_WEIGHT * difference(sketches[0], plain, weights),
            "identity of sketches": IDENTITY_WEIGHT * difference(sketches[1], plain, weights),
            "map": MAP_WEIGHT * map_loss(logits, maps.onehot, weights),
        }

    def _from_images(self, batch: Unpaired, blur: float) -> tuple[Tensor, dict[str, Tensor]]:
        """A fake map and sketch of each image, and what it costs to get there and back."""
        images, b_value = batch.images, batch.b_value
        with self.device.autocast():
            sketch, logits = self.reader(images)
            onehot = straight_through(logits)
            again = self.painter(onehot, sketch)
            unchanged = self.painter(torch.zeros_like(onehot), images[:, :2])
            judged = blurred_by(_as_judged(onehot, sketch), blur)
            fooling = fooling_loss(self.map_judge, self.adversarial, judged)
        filled = (images[:, :1] > AIR).to(images.dtype)
        weights = _EMPTY + (1.0 - _EMPTY) * filled
        painted = [with_dwi(image, b_value) for image in (again, unchanged)]
        # Classes and sketch in three channels: what the pool keeps.
        fake = torch.cat([logits.argmax(1, keepdim=True).to(sketch.dtype), sketch], 1)
        return fake, {
            "fooling with maps": fooling,
            "cycle of images": CYCLE_WEIGHT * difference(painted[0], images, weights),
            "identity of images": IDENTITY_WEIGHT * difference(painted[1], images, weights),
        }

    def _on_images(self, real: Tensor, fake: Tensor, blur: float) -> Tensor:
        pair = blurred_by(real, blur), blurred_by(fake, blur)
        with self.device.autocast():
            return discriminator_loss(self.image_judge, self.adversarial, *pair)

    def _on_maps(self, maps: Batch, fake: Tensor, blur: float) -> Tensor:
        onehot = nn.functional.one_hot(fake[:, 0].long(), CLASS_COUNT).movedim(-1, 1).to(fake.dtype)
        sides = ((maps.onehot, maps.sketch), (onehot, fake[:, 1:]))
        pair = [blurred_by(_as_judged(*side), blur) for side in sides]
        with self.device.autocast():
            return discriminator_loss(self.map_judge, self.adversarial, *pair)

    def _judges_learn(self, learn: bool) -> None:
        self.image_judge.requires_grad_(learn)
        self.map_judge.requires_grad_(learn)


def _network(options: TranslatorOptions) -> ResidualOptions:
    return ResidualOptions(dimensions=options.dimensions, width=options.width)


def _as_judged(onehot: Tensor, sketch: Tensor) -> Tensor:
    """A map and its sketch as the judge sees them (n, 46, ...), the sketch on the scale of the map."""
    return torch.cat([(0.5 * without_air(sketch)).clamp(0.0, 2.0), onehot], 1)


def straight_through(logits: Tensor) -> Tensor:
    """The likeliest class as one-hot, with the gradient of the probabilities.

    Probabilities themselves could be told from real maps by not being 0 or 1.
    """
    probability = logits.softmax(1)
    hard = nn.functional.one_hot(probability.argmax(1), logits.shape[1]).movedim(-1, 1)
    return hard.to(probability.dtype) + probability - probability.detach()


def difference(images: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted L1 between b0, ADC and DWI (n, 3, ...)."""
    return (weights * (scaled(images) - scaled(target)).abs().mean(1, keepdim=True)).sum() / weights.sum()


def map_loss(logits: Tensor, onehot: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy of a map that was read back."""
    entropy = nn.functional.cross_entropy(logits, onehot.argmax(1), reduction="none")[:, None]
    return (weights * entropy).sum() / weights.sum()
