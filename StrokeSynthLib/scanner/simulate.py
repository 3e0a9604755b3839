"""One examination: anatomy and lesion in, b0, DWI, ADC, lesion mask and map out.

>>> parameters = draw_scan(PROTOCOLS["3T-2mm"], rng)        # every number, recorded
>>> acquisition = apply_scan(anatomy, lesion, parameters)   # the same bytes every time
>>> acquisition = acquire(anatomy, lesion, PROTOCOLS["3T-2mm"], rng)   # both in one
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy.anatomy import Anatomy
from ..lesions.lesion import Lesion
from ..randomness import generator
from ..volume import Orientation, Storage, Volume
from . import kspace
from .acquisition import Acquisition
from .artifacts import DIRECTIONS, Shading, adc_map, noisy_magnitudes, with_ghost
from .changes import Changes
from .distractors import distractor_changes
from .fields import resample, smooth_noise
from .frame import Frame, place
from .integrate import CoarseFields, Scene, block_mean, most_frequent, slices
from .lesion_signal import lesion_changes
from .parameters import ScanParameters, draw_scan
from .protocols import ScanProtocol
from .stripping import brain_hull, stripped
from .susceptibility import LARMOR, STEP, field_map
from .tissue import tissue_values

__all__ = ["ScanParameters", "acquire", "apply_scan", "draw_scan", "lesion_mask"]

Array = npt.NDArray[Any]

#: Spacing of the nodes of smooth fields (mm).
FIELD_STEP = 4.0
#: Largest shift by off-resonance (mm) and largest brightening by pile-up.
LARGEST_SHIFT, LARGEST_COMPRESSION = 20.0, 3.5
#: Scanners compute no ADC where b0 is below this many standard deviations of noise.
ADC_THRESHOLD = 3.5
#: Off-resonance of fat (ppm).
FAT_PPM = -3.4
#: Regions that are brighter on DWI: standard-space RAS mm of the right side, radius (mm), strength.
REGIONS = (
    ((38.0, 2.0, 0.0), 12.0, 1.0),  # insula
    ((6.0, 22.0, 30.0), 10.0, 0.8),  # anterior cingulum
    ((6.0, -34.0, 34.0), 10.0, 0.8),  # posterior cingulum
    ((23.0, -14.0, 8.0), 7.0, 1.0),  # posterior limb of the internal capsule
    ((24.0, -26.0, 50.0), 9.0, 0.6),  # pyramidal tract below the motor cortex
)


def acquire(
    anatomy: Anatomy,
    lesion: Lesion | None,
    protocol: ScanProtocol,
    rng: np.random.Generator,
    *,
    skull_stripped: bool | None = None,
    lesion_age_hours: float | None = None,
) -> Acquisition:
    """Scan ``anatomy`` with ``lesion`` once.

    Parameters
    ----------
    anatomy, lesion
        The head and its acute lesion, or None for no lesion.
    protocol
        One of :data:`StrokeSynthLib.scanner.protocols.PROTOCOLS`.
    rng
        Source of everything drawn; the same state gives the same bytes.
    skull_stripped
        Whether the images are skull-stripped; None draws it by the protocol's share.
    lesion_age_hours
        Time since onset; None draws it.
    """
    parameters = draw_scan(protocol, rng, skull_stripped=skull_stripped, lesion_age_hours=lesion_age_hours)
    return apply_scan(anatomy, lesion, parameters)


def apply_scan(anatomy: Anatomy, lesion: Lesion | None, parameters: ScanParameters) -> Acquisition:
    """The scan that ``parameters`` describe; nothing is drawn beyond their seeds."""
    frame = place(
        anatomy, matrix=parameters.matrix, interpolation=parameters.interpolation, fov=parameters.fov,
        thickness=parameters.thickness, gap=parameters.gap, slices=parameters.slices,
        head_rotation=parameters.head_rotation, slice_rotation=parameters.slice_rotation,
        offset=parameters.offset,
    )  # fmt: skip
    tissues = tissue_values(parameters.tissues)
    mask = None if lesion is None else np.asarray(lesion.mask, bool)
    scene = Scene.build(
        anatomy.labels, mask, _changes(anatomy, mask, parameters), tissues,
        echo_time=parameters.echo_time, b_value=parameters.b_value,
        fat_residue=parameters.fat_residue * tissues.signal("white-matter", parameters.echo_time),
    )  # fmt: skip
    fields = _coarse_fields(anatomy, frame, parameters)
    images = _measure(scene, frame, fields, parameters)
    return _finish(images, frame, parameters, anatomy, lesion)


def _changes(anatomy: Anatomy, mask: Array | None, parameters: ScanParameters) -> Changes:
    parts = [distractor_changes(anatomy, parameters.distractors, mask)]
    if mask is not None:
        acute = lesion_changes(mask, anatomy.grid.spacing, parameters.appearance)
        # The soft edge reaches into brain only.
        parts.append(acute.without(~anatomy.parenchyma.reshape(-1)[acute.voxels]))
    return Changes.together(parts)


def _coarse_fields(anatomy: Anatomy, frame: Frame, parameters: ScanParameters) -> CoarseFields:
    """Shift and compression by off-resonance, textures and regional brightness."""
    nodes = frame.nodes(FIELD_STEP)
    to_field = np.diag([1 / STEP, 1 / STEP, 1 / STEP, 1.0])
    ppm = resample(field_map(anatomy, parameters.air_cells), to_field @ nodes.affine, nodes.shape)
    rng = generator(parameters.seed, "fields")
    voxel = parameters.fov / parameters.matrix
    voxels_per_ppm = LARMOR * parameters.field_strength * parameters.readout * 1e-3
    drift = parameters.drift * smooth_noise(rng, nodes.shape, 30.0 / FIELD_STEP)
    shift = drift - parameters.phase_sign * ppm * voxels_per_ppm * voxel
    shift, compression = _unfolded(np.clip(shift, -LARGEST_SHIFT, LARGEST_SHIFT), parameters.phase_axis)

    texture, adc_texture = (
        (0.8 * smooth_noise(rng, nodes.shape, 2.0) + 0.6 * smooth_noise(rng, nodes.shape, 0.0))
        for _ in range(2)
    )
    correspondence = anatomy.correspondence
    to_correspondence = np.linalg.inv(correspondence.grid.affine) @ anatomy.affine
    region = resample(_regions(correspondence.coordinates), to_correspondence @ nodes.affine, nodes.shape)
    region *= np.float32(parameters.region_strength)
    stack = np.stack([shift, compression, texture, adc_texture, region]).astype(np.float32)
    return CoarseFields(np.ascontiguousarray(stack.transpose(3, 0, 1, 2)), FIELD_STEP)


def _unfolded(shift: Array, axis: int) -> tuple[Array, Array]:
    """Shift that never runs backward from the middle outward, and its compression.

    Where it would, the image folds; there the nearer part is kept and what is behind it gives no signal.
    """
    count = shift.shape[axis]
    place = np.moveaxis(shift, axis, 0) + (np.arange(count) * FIELD_STEP)[:, None, None]
    middle = count // 2
    place[middle:] = np.maximum.accumulate(place[middle:], axis=0)
    place[: middle + 1] = np.minimum.accumulate(place[middle::-1], axis=0)[::-1]
    compression = np.clip(np.gradient(place, FIELD_STEP, axis=0), 0.0, LARGEST_COMPRESSION)
    place -= (np.arange(count) * FIELD_STEP)[:, None, None]
    return np.moveaxis(place, 0, axis), np.moveaxis(compression, 0, axis)


def _regions(points: Array) -> Array:
    """Sum of soft spheres at :data:`REGIONS`, both sides, on standard-space ``points`` (3, ...)."""
    total = np.zeros(points.shape[1:], np.float32)
    for center, radius, strength in REGIONS:
        square = (
            (np.abs(points[0]) - center[0]) ** 2 + (points[1] - center[1]) ** 2 + (points[2] - center[2]) ** 2
        )
        total += strength * np.exp(-0.5 * square / (radius * 0.7) ** 2)
    return total


@dataclass(frozen=True)
class _Images:
    """What the scanner measured, canonical (x, y, slices), signal and its noise ``sigma`` in stored units."""

    b0: Array
    dwi: Array
    lesion_share: Array
    classes: Array
    sigma: float


def _measure(scene: Scene, frame: Frame, fields: CoarseFields, parameters: ScanParameters) -> _Images:
    """Encode, shade, ghost, add noise, filter and interpolate, slice by slice."""
    phase, matrix = parameters.phase_axis, parameters.matrix
    encode_dwi, encode_b0, reconstruct = _encodings(frame, parameters)
    gain = parameters.gain / scene.tissues.signal("white-matter", parameters.echo_time)
    sigma = parameters.gain / parameters.snr
    # Of white noise before the filter, which takes some of it away.
    white_sigma = sigma / float((reconstruct**2).sum(axis=1).mean())
    direction_sigma = white_sigma / float(np.sqrt(parameters.averages))
    shading = Shading.draw(generator(parameters.seed, "shading"), parameters.shading)
    gains = shading.planes((matrix, matrix, frame.shape[2])) * np.float32(gain)
    noise_rng = generator(parameters.seed, "noise")
    block = frame.cells[0] // frame.shape[0]
    fat_shift = round(_fat_shift(parameters) * frame.cells[phase] / matrix)

    # Slices first while they are written, one after the other.
    shape = (frame.shape[2], *frame.shape[:2])
    b0, dwi, share = (np.empty(shape, np.float32) for _ in range(3))
    classes = np.empty(shape, np.uint8)
    for k, part in enumerate(slices(scene, frame, fields, phase)):
        fat = np.roll(part.fat, fat_shift, phase)
        noise = noise_rng.standard_normal((2 + 2 * DIRECTIONS, matrix, matrix), dtype=np.float32)
        clean = [
            with_ghost(encode[0] @ (object_ + fat) @ encode[1].T * gains[k], parameters.ghost, phase)
            for object_, encode in ((part.b0, encode_b0), (part.dwi, encode_dwi))
        ]
        measured = noisy_magnitudes(clean[0], clean[1], noise, white_sigma, direction_sigma)
        for image, magnitude in zip((b0, dwi), measured, strict=True):
            image[k] = np.maximum(reconstruct @ magnitude @ reconstruct.T, 0.0)
        share[k] = block_mean(part.lesion, block)
        classes[k] = most_frequent(part.classes, block)
    canonical = [np.ascontiguousarray(np.moveaxis(image, 0, 2)) for image in (b0, dwi, share, classes)]
    return _Images(canonical[0], canonical[1], canonical[2], canonical[3], white_sigma)


def _fat_shift(parameters: ScanParameters) -> float:
    """Shift of fat along the phase-encoding axis (acquired voxels)."""
    ppm = FAT_PPM * parameters.phase_sign
    return ppm * LARMOR * parameters.field_strength * parameters.readout * 1e-3


def _encodings(
    frame: Frame, parameters: ScanParameters
) -> tuple[tuple[Array, Array], tuple[Array, Array], Array]:
    """Matrices (x, y) from cells to acquired samples, of DWI and of b0, and from samples to the image."""
    fov, matrix = parameters.fov, parameters.matrix
    samples = kspace.cell_centers(matrix, fov)
    cells = kspace.cell_centers(frame.cells[0], fov)
    both = []
    for motion in ((0.0, 0.0), parameters.motion):
        pair = []
        for axis in (0, 1):
            decay = parameters.decay if axis == parameters.phase_axis else 0.0
            weights = kspace.frequency_weights(matrix, 0.0, decay)
            pair.append(kspace.encoding_matrix(samples + motion[axis], cells, fov, weights))
        both.append((pair[0], pair[1]))
    weights = kspace.frequency_weights(matrix, parameters.apodization)
    image = kspace.cell_centers(frame.shape[0], fov)
    return both[0], both[1], kspace.encoding_matrix(image, samples, fov, weights)


def _finish(
    images: _Images, frame: Frame, parameters: ScanParameters, anatomy: Anatomy, lesion: Lesion | None
) -> Acquisition:
    """Background, ADC, stripping, storage, orientation."""
    b0, dwi, classes = images.b0, images.dwi, images.classes
    if parameters.whole_numbers:
        b0, dwi = np.rint(b0), np.rint(dwi)
    adc = adc_map(b0, dwi, parameters.b_value, ADC_THRESHOLD * images.sigma)
    mask, fallback = lesion_mask(images.lesion_share)
    spacing = tuple(np.linalg.norm(frame.scanner_affine[:3, :3], axis=0))
    if parameters.skull_stripped:
        hull = brain_hull(classes, spacing, parameters.seed)
        b0, dwi, adc = (
            stripped(image, hull, parameters.strip_level, resampled=parameters.strip_resampled)
            for image in (b0, dwi, adc)
        )
        mask = mask & (hull > parameters.strip_level)
    elif parameters.masked_background:
        background = b0 <= ADC_THRESHOLD * images.sigma
        b0, dwi = (np.where(background, np.float32(0), image) for image in (b0, dwi))

    record: dict[str, Any] = {
        **parameters.record(),
        "anatomy": anatomy.name,
        "lesion": None if lesion is None else dict(lesion.record),
        "lesion_age_hours": None if lesion is None else parameters.appearance.age_hours,
        "lesion_by_largest_share": fallback,
        "anatomy_from_scanner": frame.anatomy_from_scanner.tolist(),
    }

    def stored(array: Array) -> Volume:
        canonical = Volume(np.ascontiguousarray(array), frame.scanner_affine, Storage(str(array.dtype)))
        return _reoriented(canonical, parameters.orientation)

    return Acquisition(
        dwi=stored(dwi.astype(np.float32)), b0=stored(b0.astype(np.float32)), adc=stored(adc),
        lesion=stored(mask.astype(np.uint8)), semantic_map=stored(classes),
        b_value=parameters.b_value, record=record,
    )  # fmt: skip


def lesion_mask(share: Array) -> tuple[Array, bool]:
    """Voxels of which at least half is lesion, and whether the rule for tiny lesions was needed.

    A lesion that fills no voxel by half would vanish though it can be seen; a reader marks its
    brightest voxel, so the voxels with the largest share stand for it if that is a quarter at least.
    """
    mask = share >= 0.5
    largest = float(share.max(initial=0.0))
    if mask.any() or largest < 0.25:
        return mask, False
    return share >= 0.999 * largest, True


def _reoriented(volume: Volume, letters: str) -> Volume:
    """The same image with array axes running to ``letters`` ("LPS": left, posterior, superior)."""
    world = {
        "R": (0, False),
        "L": (0, True),
        "A": (1, False),
        "P": (1, True),
        "S": (2, False),
        "I": (2, True),
    }
    axes, flips = zip(*(world[letter] for letter in letters), strict=True)
    # What turns the wanted order to RAS; its inverse turns this canonical volume to the wanted order.
    position = [axes.index(axis) for axis in range(3)]
    wanted = Orientation(
        (position[0], position[1], position[2]),
        (flips[position[0]], flips[position[1]], flips[position[2]]),
    )
    array = np.ascontiguousarray(wanted.undo(volume.array))
    turned = wanted.apply_to_grid(Volume(array, np.eye(4)).grid).affine
    return Volume(array, volume.affine @ np.linalg.inv(turned), volume.storage)
