"""Named acquisitions: what a site's diffusion sequence looks like, with its spread.

A protocol names no product; its ranges are those of clinical stroke protocols. Every scan
draws its own numbers inside them (:func:`StrokeSynthLib.scanner.simulate.draw_scan`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadInputError

Range = tuple[float, float]


@dataclass(frozen=True)
class ScanProtocol:
    """One site's diffusion sequence; pairs are the lowest and the highest value drawn.

    Parameters
    ----------
    name
        Its name in :data:`PROTOCOLS`.
    field_strength
        Tesla.
    b_values
        b-values in use (s/mm^2); one is drawn.
    echo_time
        TE (ms).
    matrix
        Acquired samples in plane (square); one is drawn.
    interpolation
        Reconstructed samples per acquired one (zero filling in k-space), 1 or 2.
    fov
        Field of view in plane (mm).
    thickness, gap
        Of the slices (mm).
    slices
        Fewest and most slices.
    snr
        Of the b0 image in white matter, before reconstruction filters.
    averages
        Repetitions of each diffusion direction.
    readout
        Total EPI readout time (ms): off-resonance times readout is the shift in voxels.
    phase_axes
        Phase-encoding axes in use: "AP" or "LR".
    orientation
        Axes of the stored array, from first to last, as letters of where they run to ("LPS", "RAS").
    bias
        Depth of the receive-coil shading (standard deviation of its logarithm).
    ghost
        N/2 ghost, share of the signal.
    apodization
        Strength of the k-space filter against ringing, 0 to 1.
    tilt
        Spread (standard deviation, degrees) of slice angulation around each axis, first nodding.
    skull_stripped
        Share of examinations that come skull-stripped.
    masked_background
        Share of examinations whose background the scanner sets to zero.
    whole_numbers
        Whether stored intensities are whole numbers (12 bit).
    held_out
        Never drawn unless named: kept for testing on a scanner that training has not seen.

    The name :data:`WIDE` stands for a sequence drawn anew for each scan, past all of these
    (:mod:`.wide`).
    """

    name: str
    field_strength: float
    b_values: tuple[float, ...]
    echo_time: Range
    matrix: tuple[int, ...]
    interpolation: int
    fov: Range
    thickness: Range
    gap: Range
    slices: tuple[int, int]
    snr: Range
    averages: int = 1
    readout: Range = (20.0, 40.0)
    phase_axes: tuple[str, ...] = ("AP",)
    orientation: str = "LPS"
    bias: Range = (0.06, 0.16)
    ghost: Range = (0.0, 0.025)
    apodization: Range = (0.2, 0.8)
    tilt: tuple[float, float, float] = (8.0, 3.0, 3.0)
    skull_stripped: float = 0.5
    masked_background: float = 0.3
    whole_numbers: bool = True
    held_out: bool = False


_ALL = (
    ScanProtocol(
        name="3T-2mm", field_strength=3.0, b_values=(1000,), echo_time=(78, 100), matrix=(112,),
        interpolation=1,
        fov=(222, 226), thickness=(2.0, 2.0), gap=(0.0, 0.0), slices=(66, 73), snr=(18, 30), averages=2,
        readout=(18, 34), orientation="LAS", bias=(0.08, 0.18), tilt=(2.5, 1.0, 1.0), skull_stripped=0.8,
        whole_numbers=False,
    ),
    ScanProtocol(
        name="3T-4mm", field_strength=3.0, b_values=(1000,), echo_time=(68, 95), matrix=(112, 128, 144),
        interpolation=1, fov=(220, 236), thickness=(3.5, 4.2), gap=(0.0, 0.8), slices=(28, 36), snr=(14, 28),
        averages=2, readout=(22, 42), orientation="LPS",
    ),
    ScanProtocol(
        name="3T-5mm-fast", field_strength=3.0, b_values=(800, 1000, 1000), echo_time=(75, 105),
        matrix=(96, 112, 128), interpolation=2, fov=(220, 240), thickness=(4.8, 5.2), gap=(0.0, 1.5),
        slices=(22, 27), snr=(12, 24), readout=(25, 50), phase_axes=("AP", "AP", "LR"), orientation="RAS",
        ghost=(0.0, 0.04),
    ),
    ScanProtocol(
        name="1.5T-5mm", field_strength=1.5, b_values=(1000,), echo_time=(75, 105), matrix=(112, 128),
        interpolation=2, fov=(222, 240), thickness=(4.8, 5.2), gap=(0.0, 1.5), slices=(21, 27), snr=(14, 26),
        averages=2, readout=(25, 55), orientation="LPS",
    ),
    ScanProtocol(
        name="1.5T-6mm", field_strength=1.5, b_values=(800, 1000, 1000), echo_time=(85, 110),
        matrix=(96, 112, 128), interpolation=1, fov=(222, 240), thickness=(5.5, 6.0), gap=(0.0, 1.5),
        slices=(19, 23), snr=(12, 22), averages=3, readout=(30, 60), orientation="LAS", bias=(0.04, 0.14),
        ghost=(0.0, 0.05),
    ),
    ScanProtocol(
        name="1.5T-3mm", field_strength=1.5, b_values=(1000, 1000, 1200), echo_time=(80, 105),
        matrix=(112, 128),
        interpolation=1, fov=(222, 240), thickness=(3.0, 3.5), gap=(0.0, 0.5), slices=(38, 46), snr=(11, 20),
        averages=3, readout=(25, 50), orientation="RPI",
    ),
    ScanProtocol(
        name="heldout-1.5T", field_strength=1.5, b_values=(1000,), echo_time=(95, 110), matrix=(108, 120),
        interpolation=2, fov=(224, 240), thickness=(6.0, 6.0), gap=(0.6, 1.2), slices=(18, 21), snr=(11, 18),
        averages=2, readout=(35, 65), phase_axes=("LR", "AP"), orientation="PSR", bias=(0.10, 0.22),
        ghost=(0.01, 0.05), held_out=True,
    ),
)  # fmt: skip

#: Every protocol by name.
PROTOCOLS: dict[str, ScanProtocol] = {protocol.name: protocol for protocol in _ALL}
#: The name that stands for all protocols that are not held out, one drawn per scan.
MIXED = "mixed"
#: The name of scans past every protocol, for training networks that shall work everywhere.
WIDE = "wide"


def choose_protocols(name: str) -> tuple[ScanProtocol, ...]:
    """Protocols that ``name`` stands for: one, or all but the held-out ones for "mixed".

    Raises
    ------
    BadInputError
        When no protocol has this name.
    """
    if name == MIXED:
        return tuple(protocol for protocol in _ALL if not protocol.held_out)
    if name not in PROTOCOLS:
        raise BadInputError(f"No scanner protocol is named {name!r}; choose {MIXED}, {', '.join(PROTOCOLS)}.")
    return (PROTOCOLS[name],)
