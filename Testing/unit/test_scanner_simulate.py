"""What the simulated scanner promises."""

from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.lesions.lesion import Lesion
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner.acquisition import Acquisition
from StrokeSynthLib.scanner.parameters import ScanParameters, draw_scan
from StrokeSynthLib.scanner.protocols import PROTOCOLS, choose_protocols
from StrokeSynthLib.scanner.simulate import acquire, apply_scan, lesion_mask
from StrokeSynthLib.schema import CLASSES, INDEX, PARENCHYMA, VENTRICLES, classes_of
from Testing.builders import small_head

HEAD = small_head()
WHITE = np.isin(HEAD.labels, classes_of("white-matter"))


def ball(radius_mm: float = 9.0, center: tuple[int, int, int] = (15, 32, 38)) -> Lesion:
    """A lesion in the left hemisphere of the small head."""
    index = np.indices(HEAD.labels.shape)
    square = sum((index[a] - center[a]) ** 2 for a in range(3)) * 1.5**2
    return Lesion((square < radius_mm**2) & HEAD.parenchyma)


def small_scan(name: str = "3T-2mm", **changes: object) -> ScanParameters:
    """Parameters of a quick scan of the small head: few samples, few slices, no noise to speak of."""
    parameters = draw_scan(PROTOCOLS[name], generator(5, name), skull_stripped=False, lesion_age_hours=48.0)
    quiet: dict[str, object] = {"matrix": 56, "fov": 112.0, "thickness": 2.0, "gap": 0.0, "slices": 48,
             "offset": (0.0, 0.0, 0.0), "snr": 400.0, "masked_background": False, "motion": (0.0, 0.0),
             "ghost": 0.0, "shading": 0.0}  # fmt: skip
    return dataclasses.replace(parameters, **{**quiet, **changes})


def inside(scan: Acquisition, lesion: bool = False) -> np.ndarray:
    """Brain tissue of a scan, without the lesion and without what the distractors changed."""
    tissue = np.isin(scan.semantic_map.array, PARENCHYMA) & (scan.b0.array > 0)
    return tissue & ((scan.lesion.array > 0) == lesion)


@functools.cache
def full_scan(name: str) -> Acquisition:
    """A scan as the protocol says."""
    return acquire(HEAD, ball(), PROTOCOLS[name], generator(1, name))


@pytest.fixture(scope="module")
def scan() -> Acquisition:
    return apply_scan(HEAD, ball(), small_scan())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_gives_one_grid_of_finite_images(name: str) -> None:
    result = full_scan(name)
    for volume in (result.b0, result.adc, result.lesion, result.semantic_map):
        assert volume.grid.matches(result.dwi.grid)
    for volume in (result.dwi, result.b0, result.adc):
        assert volume.array.dtype == np.float32
        assert np.isfinite(volume.array).all()
    assert result.semantic_map.array.dtype == np.uint8
    assert result.semantic_map.array.max() < len(CLASSES)
    assert 400 < result.b_value < 1300


@pytest.mark.parametrize("name", PROTOCOLS)
def test_images_are_stored_in_the_orientation_of_the_protocol(name: str) -> None:
    wanted = PROTOCOLS[name].orientation
    result = full_scan(name)
    letters = []
    for axis in range(3):
        column = result.dwi.affine[:3, axis]
        world = int(np.argmax(np.abs(column)))
        letters.append("RAS"[world] if column[world] > 0 else "LPI"[world])
    assert "".join(letters) == wanted
    assert min(result.dwi.spacing) > 0.8


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    protocol = PROTOCOLS["1.5T-6mm"]
    first, again, other = (acquire(HEAD, ball(), protocol, generator(seed, "x")) for seed in (3, 3, 4))
    for name in ("dwi", "b0", "adc", "lesion", "semantic_map"):
        assert getattr(first, name).array.tobytes() == getattr(again, name).array.tobytes()
    assert first.dwi.array.shape != other.dwi.array.shape or (first.dwi.array != other.dwi.array).any()


def test_a_scan_can_be_repeated_from_its_parameters() -> None:
    parameters = draw_scan(PROTOCOLS["1.5T-6mm"], generator(8, "again"))
    direct = acquire(HEAD, ball(), PROTOCOLS["1.5T-6mm"], generator(8, "again"))
    assert (apply_scan(HEAD, ball(), parameters).dwi.array == direct.dwi.array).all()


def test_the_record_is_plain_and_holds_what_was_drawn(scan: Acquisition) -> None:
    record = json.loads(json.dumps(dict(scan.record)))
    assert record["protocol"] == "3T-2mm"
    assert record["lesion_age_hours"] == 48.0
    assert record["seed"] == small_scan().seed
    assert record["air_cells"]
    assert "old_lesions" in record["distractors"]
    assert np.linalg.det(np.array(record["anatomy_from_scanner"])[:3, :3]) == pytest.approx(1.0)


def test_adc_follows_from_the_noisy_images() -> None:
    noisy = apply_scan(HEAD, ball(), small_scan(snr=20.0, whole_numbers=False))
    b0, dwi = noisy.b0.array, noisy.dwi.array
    seen = (noisy.adc.array > 0.01) & (noisy.adc.array < 3.99)
    expected = np.log(b0[seen] / dwi[seen]) / noisy.b_value * 1000
    np.testing.assert_allclose(noisy.adc.array[seen], expected, rtol=1e-4, atol=1e-5)


def test_tissue_and_fluid_have_their_adc(scan: Acquisition) -> None:
    white = np.isin(scan.semantic_map.array, classes_of("white-matter")) & inside(scan)
    fluid = np.isin(scan.semantic_map.array, VENTRICLES[:2])
    assert np.median(scan.adc.array[white]) == pytest.approx(0.78, abs=0.1)
    assert np.median(scan.adc.array[fluid]) > 2.0
    ratio = np.median(scan.dwi.array[fluid]) / np.median(scan.dwi.array[white])
    assert 0.2 < ratio < 0.8


def test_the_lesion_lies_in_the_mask_bright_and_dark_on_adc(scan: Acquisition) -> None:
    lesion, normal = scan.lesion.array > 0, inside(scan)
    assert np.median(scan.dwi.array[lesion]) > 1.25 * np.median(scan.dwi.array[normal])
    assert np.median(scan.adc.array[lesion]) < 0.85 * np.median(scan.adc.array[normal])
    near = np.argwhere(lesion).mean(axis=0)
    # Left of the patient, whatever the stored orientation.
    world = scan.dwi.affine[:3, :3] @ near + scan.dwi.affine[:3, 3]
    assert world[0] < 0


def test_the_mask_keeps_the_lesions_volume(scan: Acquisition) -> None:
    true_ml = ball().mask.sum() * 1.5**3 / 1000
    assert scan.lesion.array.sum() * scan.lesion.grid.voxel_ml == pytest.approx(true_ml, rel=0.15)


def test_without_a_lesion_the_mask_is_empty() -> None:
    scan = apply_scan(HEAD, None, small_scan())
    assert scan.lesion.array.sum() == 0
    assert scan.record["lesion_age_hours"] is None


def test_a_lesion_smaller_than_half_a_voxel_is_kept_by_its_largest_share() -> None:
    share = np.zeros((4, 4, 4), np.float32)
    share[1, 2, 3], share[1, 2, 2] = 0.4, 0.3
    mask, by_largest = lesion_mask(share)
    assert by_largest
    assert np.argwhere(mask).tolist() == [[1, 2, 3]]


def test_a_trace_of_lesion_that_no_one_could_see_is_not_marked() -> None:
    share = np.full((2, 2, 2), 0.1, np.float32)
    assert not lesion_mask(share)[0].any()


def test_the_semantic_map_lies_on_the_image(scan: Acquisition) -> None:
    labels = scan.semantic_map.array
    brain_ml = np.isin(labels, PARENCHYMA).sum() * scan.dwi.grid.voxel_ml
    assert brain_ml == pytest.approx(HEAD.parenchyma.sum() * 1.5**3 / 1000, rel=0.12)
    bright = scan.dwi.array > 0.5 * np.median(scan.dwi.array[inside(scan)])
    overlap = (bright & np.isin(labels, PARENCHYMA)).sum() / np.isin(labels, PARENCHYMA).sum()
    assert overlap > 0.9
    assert (labels == INDEX["left-thalamus"]).any()
    assert (labels == INDEX["right-thalamus"]).any()


def test_skull_stripping_leaves_brain_only() -> None:
    whole = apply_scan(HEAD, ball(), small_scan())
    stripped = apply_scan(HEAD, ball(), small_scan(skull_stripped=True, strip_resampled=False))
    kept = stripped.b0.array != 0
    tissue = np.isin(whole.semantic_map.array, PARENCHYMA)
    assert (kept & tissue).sum() / tissue.sum() > 0.9
    outside = np.isin(whole.semantic_map.array, classes_of("air", "scalp", "skull"))
    assert (kept & outside).sum() / kept.sum() < 0.05
    assert stripped.dwi.array[~kept].max() == 0
    assert stripped.adc.array[~kept].max() == 0


def test_resampled_sets_have_slightly_negative_background() -> None:
    result = apply_scan(HEAD, None, small_scan(skull_stripped=True, strip_resampled=True))
    negative = result.dwi.array < 0
    assert negative.any()
    assert result.dwi.array.min() > -0.05 * np.median(result.dwi.array[inside(result)])


def test_noise_has_the_snr_of_the_protocol() -> None:
    options: dict[str, object] = {"whole_numbers": False, "snr": 20.0}
    one = apply_scan(HEAD, None, small_scan(**options))
    quiet = apply_scan(HEAD, None, small_scan(whole_numbers=False, snr=4000.0))
    white = np.isin(one.semantic_map.array, classes_of("white-matter")) & inside(one)
    noise = (one.b0.array - quiet.b0.array)[white].std()
    assert np.median(quiet.b0.array[white]) / noise == pytest.approx(20.0, rel=0.15)


def test_noise_in_the_background_is_rician_and_positive() -> None:
    result = apply_scan(HEAD, None, small_scan(snr=15.0, whole_numbers=False, apodization=0.0))
    corner = result.b0.canonical().array[:4, :4, -8:]
    assert corner.min() >= 0
    # The mean of a Rayleigh distribution over its standard deviation is 1.91.
    assert corner.mean() / corner.std() == pytest.approx(1.91, rel=0.2)


def test_off_resonance_moves_image_and_labels_together() -> None:
    still = apply_scan(HEAD, ball(), small_scan(readout=0.01, drift=0.0))
    moved = apply_scan(HEAD, ball(), small_scan(readout=45.0))
    assert (still.semantic_map.array != moved.semantic_map.array).mean() > 0.002
    for result in (still, moved):
        lesion, normal = result.lesion.array > 0, inside(result)
        assert np.median(result.dwi.array[lesion]) > 1.2 * np.median(result.dwi.array[normal])


def test_susceptibility_brightens_dwi_without_changing_adc() -> None:
    clear = dict.fromkeys(small_scan().air_cells, 0.0)
    full = dict.fromkeys(clear, 12.0)
    options: dict[str, object] = {"readout": 40.0, "drift": 0.0, "snr": 4000.0, "whole_numbers": False}
    without = apply_scan(HEAD, None, small_scan(air_cells=clear, **options))
    with_air = apply_scan(HEAD, None, small_scan(air_cells=full, **options))
    both = inside(without) & inside(with_air) & (without.semantic_map.array == with_air.semantic_map.array)
    ratio = with_air.dwi.array[both] / without.dwi.array[both]
    pile_up = ratio > 1.3
    assert pile_up.any()
    normal = np.median(without.adc.array[both])
    assert np.median(with_air.adc.array[both][pile_up]) == pytest.approx(normal, abs=0.25)


def test_thick_slices_blur_small_lesions() -> None:
    lesion = ball(radius_mm=3.0)
    age: dict[str, object] = {"snr": 4000.0}
    thin = apply_scan(HEAD, lesion, small_scan(**age))
    thick = apply_scan(HEAD, lesion, small_scan(thickness=8.0, slices=12, **age))

    def contrast(result: Acquisition) -> float:
        white = np.isin(result.semantic_map.array, classes_of("white-matter"))
        box = np.isin(result.semantic_map.array, PARENCHYMA)
        return float(np.percentile(result.dwi.array[box], 99.9) / np.median(result.dwi.array[white]))

    assert contrast(thin) > contrast(thick)


def test_the_held_out_protocol_is_never_mixed_in() -> None:
    mixed = choose_protocols("mixed")
    assert mixed
    assert not any(protocol.held_out for protocol in mixed)
    assert any(protocol.held_out for protocol in PROTOCOLS.values())
    assert choose_protocols("heldout-1.5T")[0].held_out


def test_an_unknown_protocol_is_named_with_the_choices() -> None:
    with pytest.raises(BadInputError, match=r"'7T'.*3T-2mm"):
        choose_protocols("7T")


def test_a_map_of_the_brain_alone_can_be_scanned() -> None:
    bare = dataclasses.replace(HEAD, labels=np.where(HEAD.intracranial, HEAD.labels, 0).astype(np.uint8))
    result = apply_scan(bare, None, small_scan())
    tissue = np.isin(result.semantic_map.array, PARENCHYMA)
    assert tissue.sum() * result.dwi.grid.voxel_ml > 0.85 * HEAD.parenchyma.sum() * 1.5**3 / 1000


def test_an_empty_map_gives_noise_and_no_error() -> None:
    empty = dataclasses.replace(HEAD, labels=np.zeros_like(HEAD.labels))
    result = apply_scan(empty, None, small_scan(slices=6))
    assert result.semantic_map.array.max() == 0
    assert np.isfinite(result.adc.array).all()
