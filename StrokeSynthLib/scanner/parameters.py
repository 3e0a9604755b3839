"""Every number of one scan, drawn inside a protocol's ranges, apart from applying them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .distractors import Distractors, draw_distractors
from .lesion_signal import LesionAppearance, draw_appearance
from .protocols import WIDE, Range, ScanProtocol
from .susceptibility import draw_air_cells
from .tissue import draw_tissues
from .wide import widened


@dataclass(frozen=True)
class ScanParameters:
    """Every number drawn for one scan; lengths in mm, angles in degrees, times in ms.

    ``tissues`` as from :func:`draw_tissues`; ``shading``, ``ghost``, ``fat_residue`` and ``apodization`` as
    shares; ``region_strength``: brightness of insula, cingulum and pyramidal tract; ``drift``: spread of the
    shift by eddy currents and imperfect shim; ``motion``: in-plane shift of b0 against DWI;
    ``gain``: stored units per signal of white matter on b0; ``seed``: of all fields and noise.
    """

    protocol: str
    field_strength: float
    b_value: float
    echo_time: float
    matrix: int
    interpolation: int
    fov: float
    thickness: float
    gap: float
    slices: int
    snr: float
    averages: int
    readout: float
    phase_axis: int
    phase_sign: int
    orientation: str
    head_rotation: tuple[float, float, float]
    slice_rotation: tuple[float, float, float]
    offset: tuple[float, float, float]
    shading: float
    ghost: float
    apodization: float
    decay: float
    drift: float
    motion: tuple[float, float]
    fat_residue: float
    region_strength: float
    gain: float
    whole_numbers: bool
    masked_background: bool
    skull_stripped: bool
    strip_level: float
    strip_resampled: bool
    aging: float
    tissues: dict[str, dict[str, float]]
    appearance: LesionAppearance
    distractors: Distractors
    air_cells: dict[str, float]
    seed: int

    def record(self) -> dict[str, Any]:
        """As plain numbers and text."""
        return asdict(self)


def draw_scan(
    protocol: ScanProtocol,
    rng: np.random.Generator,
    *,
    skull_stripped: bool | None = None,
    lesion_age_hours: float | None = None,
) -> ScanParameters:
    """Draw every number of a scan; what is given is taken instead of drawn."""

    def within(limits: Range) -> float:
        return float(rng.uniform(*limits))

    def turned(spread: tuple[float, ...]) -> tuple[float, float, float]:
        x, y, z = (float(np.clip(rng.normal(0, s), -2 * s, 2 * s)) for s in spread)
        return x, y, z

    aging = float(rng.beta(2.0, 1.5))
    stripped = bool(rng.random() < protocol.skull_stripped)
    thickness, gap = within(protocol.thickness), within(protocol.gap)
    parameters = ScanParameters(
        protocol=protocol.name,
        field_strength=protocol.field_strength,
        b_value=float(rng.choice(protocol.b_values)),
        echo_time=within(protocol.echo_time),
        matrix=int(rng.choice(protocol.matrix)),
        interpolation=protocol.interpolation,
        fov=within(protocol.fov),
        thickness=thickness,
        gap=gap,
        slices=int(rng.integers(protocol.slices[0], protocol.slices[1] + 1)),
        snr=within(protocol.snr),
        averages=protocol.averages,
        readout=within(protocol.readout),
        phase_axis=int(str(rng.choice(protocol.phase_axes)) == "AP"),
        phase_sign=int(rng.choice([-1, 1])),
        orientation=protocol.orientation,
        head_rotation=turned((4.0, 2.0, 3.0)),
        slice_rotation=turned(protocol.tilt),
        offset=turned((3.0, 6.0, 3.0)),
        shading=within(protocol.bias),
        ghost=within(protocol.ghost),
        apodization=within(protocol.apodization),
        decay=float(rng.uniform(0.1, 0.6)),
        drift=float(rng.uniform(0.2, 0.8)),
        motion=(float(rng.normal(0, 0.25)), float(rng.normal(0, 0.25))),
        fat_residue=float(rng.uniform(0.0, 0.12)),
        region_strength=float(rng.uniform(0.04, 0.16)),
        gain=float(np.exp(rng.uniform(np.log(120.0), np.log(900.0)))),
        whole_numbers=protocol.whole_numbers,
        masked_background=bool(rng.random() < protocol.masked_background),
        skull_stripped=stripped if skull_stripped is None else skull_stripped,
        strip_level=float(rng.uniform(0.25, 0.45)),
        strip_resampled=bool(rng.random() < 0.5),
        aging=aging,
        tissues=draw_tissues(rng, protocol.field_strength, aging=aging),
        appearance=draw_appearance(rng, lesion_age_hours),
        distractors=draw_distractors(rng, aging),
        air_cells=draw_air_cells(rng),
        seed=int(rng.integers(2**31)),
    )
    return widened(parameters, rng) if protocol.name == WIDE else parameters
