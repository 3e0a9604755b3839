"""Scans past every named protocol: what a network should have met before it meets a real scanner.

Domain randomization (Tobin et al., IROS 2017; SynthSeg, Billot et al., Medical Image Analysis 2023) on top
of the signal model: a sequence is drawn anew for each scan (:func:`draw_wide_protocol`), then tissues,
lesion, artifacts and what looks like a lesion are spread further than in people (:func:`widened`).
Physics stays: DWI, b0 and ADC still belong together.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np

from .distractors import Distractors, draw_distractors
from .protocols import WIDE, ScanProtocol
from .tissue import TISSUES

if TYPE_CHECKING:
    from .parameters import ScanParameters

#: Slice thickness (mm) and how often it is met: near-isotropic research scans, thin and thick clinical ones.
_THICKNESS = ((1.6, 2.6, 0.35), (2.6, 4.0, 0.20), (4.0, 5.5, 0.30), (5.5, 7.5, 0.15))
#: Every orientation of a stored array whose last axis is the slice axis or any other.
_ORIENTATIONS = tuple(
    "".join(letters)
    for order in permutations(("LR", "PA", "SI"))
    for letters in product(*order)
)  # fmt: skip


def draw_wide_protocol(rng: np.random.Generator) -> ScanProtocol:
    """One sequence of its own: every range past those of the named protocols."""

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def fixed(low: float, high: float) -> tuple[float, float]:
        value = uniform(low, high)
        return value, value

    low, high, _ = _THICKNESS[int(rng.choice(len(_THICKNESS), p=[share for *_, share in _THICKNESS]))]
    thickness = uniform(low, high)
    gap = uniform(0.0, 0.4 * thickness) if rng.random() < 0.5 and thickness > 2.6 else 0.0
    coverage = uniform(112, 165)
    fov = uniform(205, 262)
    # Acquired voxel in plane (mm): thin slices come with voxels that are nearly as thin.
    voxel = uniform(1.6, 2.4) if thickness < 2.6 else uniform(1.3, 2.9)
    matrix = int(np.clip(2 * round(fov / voxel / 2), 80, 176))
    return ScanProtocol(
        name=WIDE,
        field_strength=float(rng.choice([1.5, 3.0])),
        b_values=(float(rng.choice([700, 800, 900, 1000, 1000, 1000, 1000, 1000, 1100, 1200, 1400])),),
        echo_time=fixed(55, 125),
        matrix=(matrix,),
        interpolation=1 if thickness < 2.6 or matrix > 140 else int(rng.choice([1, 1, 2])),
        fov=(fov, fov),
        thickness=(thickness, thickness),
        gap=(gap, gap),
        slices=(int(np.clip(coverage / (thickness + gap), 14, 80)),) * 2,
        # Thin slices come with more averages, or nobody would read them.
        snr=fixed(7, 34),
        averages=int(rng.integers(1, 5)),
        readout=fixed(10, 75),
        phase_axes=("AP", "AP", "LR"),
        orientation=str(rng.choice(_ORIENTATIONS)),
        bias=fixed(0.02, 0.28),
        ghost=fixed(0.0, 0.07) if rng.random() < 0.5 else (0.0, 0.0),
        apodization=fixed(0.0, 1.0),
        tilt=(12.0, 5.0, 5.0),
        skull_stripped=0.55,
        masked_background=0.35,
        whole_numbers=bool(rng.random() < 0.7),
    )


def widened(parameters: ScanParameters, rng: np.random.Generator) -> ScanParameters:
    """``parameters`` with contrast, lesion, artifacts and distractors spread further."""
    appearance = parameters.appearance
    blur = float(rng.choice([0.0, 0.0, 0.6, 1.2]))
    return replace(
        parameters,
        tissues=_spread_tissues(parameters.tissues, rng),
        appearance=replace(
            appearance,
            core_adc=appearance.core_adc * float(np.exp(rng.normal(0.0, 0.10))),
            t2=1.0 + (appearance.t2 - 1.0) * float(np.exp(rng.normal(-0.1, 0.4))),
            water=appearance.water + float(rng.uniform(0.0, 0.06)),
            correlation_mm=float(rng.uniform(2.0, 10.0)),
            edge_mm=float(rng.uniform(0.5, 1.8)),
            heterogeneity=float(rng.uniform(0.3, 1.7)),
        ),
        distractors=_more_distractors(parameters, rng),
        air_cells={
            name: radius * float(rng.uniform(0.6, 1.5)) for name, radius in parameters.air_cells.items()
        },
        # Decay along the phase axis blurs there; the filter against ringing blurs both ways.
        decay=parameters.decay + blur,
        drift=float(rng.uniform(0.2, 2.0)),
        motion=(float(rng.normal(0, 0.5)), float(rng.normal(0, 0.5))),
        fat_residue=float(rng.uniform(0.0, 0.4)) if rng.random() < 0.4 else parameters.fat_residue,
        region_strength=float(rng.uniform(0.0, 0.28)),
        strip_level=float(rng.uniform(0.15, 0.6)),
    )


def _spread_tissues(
    tissues: dict[str, dict[str, float]], rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Contrast past that between people: every tissue by itself, and all of them together."""
    spread = float(rng.uniform(0.0, 1.0))
    common = np.exp(rng.normal(0.0, (0.02, 0.10, 0.05)))
    drawn = {}
    for name in TISSUES:
        values = tissues[name]
        own = np.exp(spread * rng.normal(0.0, (0.05, 0.08, 0.07)))
        factors = own * common
        drawn[name] = {
            "density": values["density"] * float(factors[0]),
            "t2": values["t2"] * float(factors[1]),
            "adc": values["adc"] * float(factors[2]),
        }
    return drawn


def _more_distractors(parameters: ScanParameters, rng: np.random.Generator) -> Distractors:
    """Old infarcts, lacunes, spots and leukoaraiosis of the aged, in more heads than there are aged."""
    if rng.random() < 0.5:
        return parameters.distractors
    more = draw_distractors(rng, min(1.0, parameters.aging + float(rng.uniform(0.2, 0.8))))
    return replace(more, leukoaraiosis=more.leukoaraiosis * float(rng.uniform(1.0, 2.5)))
