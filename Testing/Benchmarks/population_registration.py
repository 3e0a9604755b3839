"""Groupwise diffeomorphic registration of label maps, first half of the population model.

Every person k has an affine transform A_k and a stationary velocity field v_k, so that A_k(exp(v_k)(x))
is the place in the person's map that belongs to the template point x. Soft tissue groups of all people
are matched to their own symmetric average (Joshi et al., NeuroImage 2004) by Adam on A_k and v_k, with
MONAI's scaling and squaring and bending energy; the average is renewed each round and kept in the middle
by taking the symmetric mean velocity out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.losses import BendingEnergyLoss
from monai.networks.blocks import DVF2DDF
from scipy.ndimage import gaussian_filter

from StrokeSynthLib.anatomy.lattice import Lattice
from StrokeSynthLib.schema import CLASSES, INDEX, classes_of

#: Image and velocity lattices (mm); they hold the head, cut below the foramen magnum.
IMAGE = Lattice((-90.0, -128.0, -92.0), 3.0, (61, 76, 65))
VELOCITY = Lattice((-90.0, -128.0, -92.0), 4.0, (46, 57, 49))
#: Centers of deep gray structures in MNI152 space, |x|, y, z (mm), from the Harvard-Oxford
#: subcortical atlas: they give the first affine transform.
CENTERS = {
    "thalamus": (11, -18.5, 7), "caudate": (13, 9.5, 10), "putamen": (25.5, 1, 0), "pallidum": (19.5, -5, -1),
    "hippocampus": (26, -22.5, -14), "amygdala": (23, -4.5, -18),
}  # fmt: skip
#: Tissue groups that are matched: weight, and the value of each tissue in the group's image.
GROUPS: dict[str, tuple[float, dict[str, float]]] = {
    "white": (1.0, {"white-matter": 1, "white-matter-hyperintensity": 1, "brain-stem": 0.7,
                    "ventral-diencephalon": 0.7, "spinal-cord": 0.5}),
    "cortex": (1.0, {"cortex": 1, "hippocampus": 0.4, "amygdala": 0.6}),
    "ventricle": (1.5, {"lateral-ventricle": 1, "choroid-plexus": 1, "third-ventricle": 1,
                        "fourth-ventricle": 1}),
    "csf": (1.0, {"csf": 1, "vessel-dura": 0.7}),
    "deep-1": (1.5, {"thalamus": 1, "putamen": -1, "hippocampus": 1}),
    "deep-2": (1.5, {"caudate": 1, "pallidum": 1, "amygdala": -1, "accumbens": -1}),
    "cerebellum": (1.0, {"cerebellum-cortex": 1, "cerebellum-white-matter": 0.3}),
    "skull": (0.5, {"skull": 1}),
    "soft": (0.3, {"scalp": 0.7, "soft-tissue": 1, "mucosa": 0.6, "eye": -1}),
    "air": (0.7, {"air": 1}),
}  # fmt: skip
#: Blur of the group images (mm), rounds as (iterations, weight of the bending energy, step size).
BLUR_MM = 1.6
ROUNDS = ((40, 8.0, 0.12), (40, 8.0, 0.12))
SIZE_WEIGHT = 0.002
#: One unit of the affine parameters: shares for the matrix, mm for the shift.
AFFINE_UNIT = torch.tensor([0.02, 0.02, 0.02, 2.0])
#: Index of the image that changes its sign when left and right are swapped: the last, the side.
MIRROR_SIGN = torch.tensor([1.0] * len(GROUPS) + [-1.0])


@dataclass
class Person:
    """A person: group images, affine (template mm to image index), velocity (voxels)."""

    images: torch.Tensor
    affine: torch.Tensor
    velocity: torch.Tensor


def landmarks(labels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centers of deep structures in the person (mm) and in MNI152 (mm)."""
    own, standard = [], []
    for tissue, (x, y, z) in CENTERS.items():
        for side, sign in (("left", -1), ("right", 1)):
            center = np.argwhere(labels == INDEX[f"{side}-{tissue}"]).mean(0)
            own.append(affine[:3, :3] @ center + affine[:3, 3])
            standard.append((sign * x, y, z))
    return np.array(own), np.array(standard, float)


def group_images(labels: np.ndarray) -> np.ndarray:
    """(group, x, y, z) float32 at every second voxel; the last image is the side."""
    tables = []
    for weight, values in GROUPS.values():
        table = np.zeros(256, np.float32)
        for tissue, value in values.items():
            table[list(classes_of(tissue))] = value * np.sqrt(weight)
        tables.append(table)
    side = np.zeros(256, np.float32)
    for c in CLASSES:
        if c.side:
            side[c.index] = 1.0 if c.side == "left" else -1.0
    smooth = [gaussian_filter(t[labels], BLUR_MM, mode="nearest") for t in (*tables, side)]
    return np.stack(smooth)[:, ::2, ::2, ::2].astype(np.float32)


def prepared(labels: np.ndarray, affine: np.ndarray) -> Person:
    """A person with the affine transform that its deep structures give."""
    own, standard = landmarks(labels, affine)
    solution = np.linalg.lstsq(np.c_[standard, np.ones(len(standard))], own, rcond=None)[0].T
    to_own = np.vstack([solution, [0, 0, 0, 1]])
    index = np.linalg.inv(affine @ np.diag([2, 2, 2, 1.0])) @ to_own
    return Person(
        torch.tensor(group_images(labels))[None],
        torch.tensor(index, dtype=torch.float32),
        torch.zeros(1, 3, *VELOCITY.shape),
    )


class Groupwise:
    """Registers a group of people to their own average."""

    def __init__(self, people: list[Person], log: Any = print) -> None:
        self.people, self._log = people, log
        self._exp = DVF2DDF(num_steps=6, mode="bilinear", padding_mode="border")
        self._bending = BendingEnergyLoss()
        self._points = torch.tensor(IMAGE.points())[None]
        place = [
            (self._points[0, a] - VELOCITY.low[a]) / VELOCITY.step / (VELOCITY.shape[a] - 1) * 2 - 1
            for a in (2, 1, 0)
        ]
        self._place = torch.stack(place, -1)[None]

    def run(self) -> None:
        """All rounds; the result is in ``people``."""
        for number, (iterations, bending, rate) in enumerate(ROUNDS):
            template = self._template()
            for index, person in enumerate(self.people):
                first, last = self._match(person, template, iterations, bending, rate)
                self._log(f"round {number} person {index}: {first:.4f} -> {last:.4f}")
            self._center()

    def _warped(
        self, person: Person, affine: torch.Tensor, velocity: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The person's images on the template lattice, and where the scan reached that far down."""
        displacement = self._exp(velocity) * VELOCITY.step
        dense = F.grid_sample(displacement, self._place, align_corners=True, padding_mode="border")
        index = torch.einsum("ab,nbijk->naijk", affine[:3, :3], self._points + dense)
        index = index + affine[:3, 3][None, :, None, None, None]
        n = person.images.shape[2:]
        grid = torch.stack([index[:, a] / (n[a] - 1) * 2 - 1 for a in (2, 1, 0)], -1)
        warped = F.grid_sample(person.images, grid, align_corners=True, padding_mode="border")
        return warped, (index[:, 2] > 0.5).float()[:, None]

    @torch.no_grad()
    def _template(self) -> torch.Tensor:
        total, seen = torch.zeros(1), torch.full((1,), 1e-3)
        for person in self.people:
            warped, mask = self._warped(person, person.affine, person.velocity)
            total, seen = total + warped * mask, seen + mask
        total = total + total.flip(2) * MIRROR_SIGN[None, :, None, None, None]
        return total / (seen + seen.flip(2))

    def _match(
        self, person: Person, template: torch.Tensor, iterations: int, bending: float, rate: float
    ) -> tuple[float, float]:
        velocity = person.velocity.clone().requires_grad_(True)
        change = torch.zeros(3, 4, requires_grad=True)
        optimizer = torch.optim.Adam([{"params": [velocity], "lr": rate}, {"params": [change], "lr": 0.1}])
        values = []
        for _ in range(iterations):
            optimizer.zero_grad()
            affine = person.affine @ _near_identity(change)
            warped, mask = self._warped(person, affine, velocity)
            unlike = (((warped - template) ** 2) * mask).sum() / mask.sum()
            loss = unlike + bending * self._bending(velocity) + SIZE_WEIGHT * (velocity**2).mean()
            loss.backward()
            optimizer.step()
            values.append(float(unlike.detach()))
        person.velocity = velocity.detach()
        person.affine = person.affine @ _near_identity(change.detach())
        return values[0], values[-1]

    def _center(self) -> None:
        """Take the symmetric mean velocity out, so that the template stays in the middle."""
        mean = torch.stack([p.velocity for p in self.people]).mean(0)
        mirrored = mean.flip(2) * torch.tensor([-1.0, 1, 1])[None, :, None, None, None]
        for person in self.people:
            person.velocity = person.velocity - 0.5 * (mean + mirrored)


def _near_identity(change: torch.Tensor) -> torch.Tensor:
    last = torch.tensor([[0.0, 0, 0, 1]])
    return torch.cat([torch.eye(4)[:3] + change * AFFINE_UNIT, last])
