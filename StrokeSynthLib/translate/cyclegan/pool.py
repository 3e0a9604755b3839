"""Fakes of earlier steps, so that a discriminator does not only see the generator's latest habit.

Shrivastava et al. (CVPR 2017), as in Zhu et al.: with probability 1/2 a fake is exchanged for one of the
last 50. The pool lives as long as the training and is part of its state.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SIZE = 50


class ImagePool:
    """Keeps up to ``size`` fakes as float16 on the processor.

    Chance is torch's, on the processor: seeded at each step of a training.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self.kept: list[Tensor] = []

    def exchanged(self, fakes: Tensor) -> Tensor:
        """``fakes`` (n, ...) without gradient, some of them exchanged for earlier ones."""
        result = []
        for fake in fakes.detach().to("cpu", torch.float16):
            if len(self.kept) < self.size:
                self.kept.append(fake.clone())
                result.append(fake)
                continue
            place = int(torch.randint(self.size, ()))
            # Heads of other sizes cannot stand beside each other in one batch.
            if torch.rand(()) < 0.5 and self.kept[place].shape == fake.shape:
                result.append(self.kept[place])
                self.kept[place] = fake.clone()
            else:
                result.append(fake)
        return torch.stack(result).to(fakes.device, fakes.dtype)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """What is kept, by ``name`` and number."""
        return {f"{name}.{number:03d}": fake for number, fake in enumerate(self.kept)}

    def load(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`tensors` gave."""
        mine = sorted(key for key in tensors if key.startswith(f"{name}."))
        self.kept = [tensors[key] for key in mine]
