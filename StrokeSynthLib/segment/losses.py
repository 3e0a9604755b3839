"""The loss: made for lesions from a few voxels to a third of the brain."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LesionLoss(nn.Module):
    """Cross-entropy and two Dice losses (MONAI's).

    1. Dice over the whole batch: steady, and slices without lesion count through their false
       positives; but large lesions rule it.
    2. Dice of every sample with lesion by itself, averaged: a lesion of ten voxels counts as much
       as one of a thousand. Samples without lesion have no Dice and are left out.
    3. Binary cross-entropy, which keeps the probabilities honest.
    """

    def __init__(self) -> None:
        super().__init__()
        from monai.losses import DiceLoss

        self._whole: nn.Module = DiceLoss(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)
        self._each: nn.Module = DiceLoss(sigmoid=True, reduction="none", smooth_nr=1.0, smooth_dr=1.0)

    def forward(self, logits: Tensor, lesion: Tensor) -> Tensor:
        """Both (batch, 1, ...)."""
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, lesion)
        loss: Tensor = cross_entropy + 0.5 * self._whole(logits, lesion)
        present = lesion.flatten(1).any(dim=1)
        if present.any():
            each = self._each(logits[present], lesion[present])
            # Averaged over the batch, so that the weight does not depend on how many there are.
            loss = loss + 0.5 * each.sum() / len(lesion)
        return loss


class TissueLoss(nn.Module):
    """Cross-entropy and Dice (MONAI's) over the tissues of a batch."""

    def __init__(self) -> None:
        super().__init__()
        from monai.losses import DiceCELoss

        self._loss: nn.Module = DiceCELoss(
            to_onehot_y=True, softmax=True, batch=True, smooth_nr=1.0, smooth_dr=1.0
        )

    def forward(self, scores: Tensor, tissue: Tensor) -> Tensor:
        """Scores (batch, tissues, ...) and tissue numbers (batch, 1, ...)."""
        loss: Tensor = self._loss(scores, tissue.long())
        return loss


class Average:
    """Exponential moving average of weights and running statistics.

    Early on the decay is lower, so that the first, random weights are soon forgotten.
    """

    def __init__(self, weights: dict[str, Tensor], decay: float) -> None:
        self._decay = decay
        self.weights = {name: value.detach().clone() for name, value in weights.items()}

    def update(self, weights: dict[str, Tensor], step: int) -> None:
        """Take in the weights after ``step`` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in weights.items():
                average = self.weights[name]
                if average.is_floating_point():
                    average.lerp_(value.to(average.dtype), 1 - decay)
                else:
                    average.copy_(value)
