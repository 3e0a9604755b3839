"""Encoding, susceptibility, tissue values, distractors: each against what is known of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner import kspace
from StrokeSynthLib.scanner.artifacts import adc_map, noisy_magnitudes, with_ghost
from StrokeSynthLib.scanner.distractors import Distractors, OldLesion, distractor_changes, draw_distractors
from StrokeSynthLib.scanner.frame import place
from StrokeSynthLib.scanner.integrate import block_mean, most_frequent
from StrokeSynthLib.scanner.susceptibility import STEP, _dipole, draw_air_cells, field_map
from StrokeSynthLib.scanner.tissue import TISSUES, draw_tissues, tissue_values
from StrokeSynthLib.schema import CLASSES, PARENCHYMA
from Testing.builders import small_head

HEAD = small_head()


def test_every_tissue_of_the_schema_has_values() -> None:
    assert {c.tissue for c in CLASSES} == set(TISSUES)


def test_drawn_tissues_stay_near_their_means_and_differ_between_people() -> None:
    people = [draw_tissues(generator(k, "people"), 3.0) for k in range(40)]
    adc = np.array([person["white-matter"]["adc"] for person in people])
    assert adc.mean() == pytest.approx(TISSUES["white-matter"].adc, rel=0.02)
    assert 0.01 < adc.std() < 0.06


def test_contrast_of_white_and_gray_matter_is_flat_on_dwi() -> None:
    for field in (1.5, 3.0):
        values = tissue_values(draw_tissues(generator(3, "flat"), field))
        ratio = values.signal("cortex", 90, 1000) / values.signal("white-matter", 90, 1000)
        assert 1.0 < ratio < 1.3
        assert values.signal("pallidum", 90, 1000) < 0.9 * values.signal("white-matter", 90, 1000)
        assert values.signal("lateral-ventricle", 90) > 3 * values.signal("white-matter", 90)


def test_a_constant_object_gives_a_constant_image() -> None:
    weights = kspace.frequency_weights(32, 0.5, 0.3)
    matrix = kspace.encoding_matrix(kspace.cell_centers(64, 100), kspace.cell_centers(96, 100), 100, weights)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-4)


def test_encoding_is_the_truncated_fourier_series() -> None:
    fov, samples = 100.0, 32
    cells, image = kspace.cell_centers(128, fov), kspace.cell_centers(samples, fov)
    matrix = kspace.encoding_matrix(image, cells, fov, kspace.frequency_weights(samples, 0.0))
    for frequency, gain in ((3, 1.0), (15, 1.0), (17, 0.0), (30, 0.0)):
        wave = np.cos(2 * np.pi * frequency * cells / fov)
        expected = gain * np.cos(2 * np.pi * frequency * image / fov)
        np.testing.assert_allclose(matrix @ wave, expected, atol=2e-3)


def test_an_edge_rings_and_the_filter_calms_it() -> None:
    cells, image = kspace.cell_centers(256, 100), kspace.cell_centers(64, 100)
    box = ((cells > 30) & (cells < 70)).astype(float)

    def overshoot(apodization: float) -> float:
        weights = kspace.frequency_weights(64, apodization)
        return float((kspace.encoding_matrix(image, cells, 100, weights) @ box).max() - 1.0)

    assert overshoot(0.0) > 0.03
    assert overshoot(1.0) < 0.3 * overshoot(0.0)


def test_a_shift_of_the_image_positions_moves_the_image() -> None:
    cells, image = kspace.cell_centers(128, 128), kspace.cell_centers(64, 128)
    weights = kspace.frequency_weights(64, 1.0)
    bump = np.exp(-0.5 * ((cells - 60) / 6) ** 2)
    still = kspace.encoding_matrix(image, cells, 128, weights) @ bump
    moved = kspace.encoding_matrix(image + 3.0, cells, 128, weights) @ bump
    center = [(image * v).sum() / v.sum() for v in (still, moved)]
    assert center[0] - center[1] == pytest.approx(3.0, abs=0.1)


def test_the_field_around_a_ball_of_air_is_that_of_a_dipole() -> None:
    n, radius, ppm = 96, 8.0, 9.0
    index = np.indices((n, n, n)) - n / 2
    chi = np.where((index**2).sum(axis=0) < radius**2, ppm, 0.0).astype(np.float32)
    field = _dipole(chi, (1.0, 1.0, 1.0))
    distance = 16
    # Analytic: chi / 3 * (a / r)^3 * (3 cos^2 - 1).
    expected = ppm / 3 * (radius / distance) ** 3
    along, across = field[48, 48, 48 + distance], field[48 + distance, 48, 48]
    assert along == pytest.approx(2 * expected, rel=0.15)
    assert across == pytest.approx(-expected, rel=0.15)


def test_air_near_the_brain_makes_the_field_uneven_there() -> None:
    brain = np.isin(HEAD.labels[::STEP, ::STEP, ::STEP], PARENCHYMA)
    cells = draw_air_cells(generator(0, "air"))
    none = field_map(HEAD, dict.fromkeys(cells, 0.0))
    full = field_map(HEAD, dict.fromkeys(cells, 8.0))
    assert np.isfinite(full).all()
    assert np.abs(full[brain]).max() > np.abs(none[brain]).max()


def test_partial_volume_averages_signals_over_the_slice() -> None:
    classes = np.array([[[1, 1], [1, 2]], [[3, 3], [1, 3]]], np.uint8)
    assert most_frequent(classes, 2).tolist() == [[1]]
    assert block_mean(np.array([[1.0, 2.0], [3.0, 6.0]], np.float32), 2).tolist() == [[3.0]]


def test_a_tie_goes_to_the_smaller_class() -> None:
    assert most_frequent(np.array([[[5]], [[2]]], np.uint8), 1).tolist() == [[2]]


def test_ghosts_lie_half_a_field_of_view_away() -> None:
    image = np.zeros((8, 8), np.float32)
    image[2, 1] = 1.0
    ghosted = with_ghost(image, 0.1, 1)
    assert ghosted[2, 5] == pytest.approx(0.1)
    assert ghosted[2, 1] == pytest.approx(1.0)


def test_noisy_magnitudes_are_unbiased_at_high_signal() -> None:
    rng = generator(0, "noise")
    noise = rng.standard_normal((8, 200, 200), dtype=np.float32)
    b0, dwi = np.full((200, 200), 100.0, np.float32), np.full((200, 200), 45.0, np.float32)
    magnitude, trace = noisy_magnitudes(b0, dwi, noise, 4.0, 4.0)
    assert magnitude.mean() == pytest.approx(100.0, rel=0.01)
    assert magnitude.std() == pytest.approx(4.0, rel=0.03)
    # The trace averages three directions.
    assert trace.std() == pytest.approx(4.0 / np.sqrt(3), rel=0.05)


def test_adc_is_zero_in_the_background_and_limited() -> None:
    b0 = np.array([100.0, 2.0, 100.0, 100.0], np.float32)
    dwi = np.array([45.0, 1.0, 0.1, 200.0], np.float32)
    adc = adc_map(b0, dwi, 1000.0, 5.0)
    np.testing.assert_allclose(adc, [0.7985, 0.0, 4.0, 0.0], atol=1e-3)


def test_the_slab_covers_the_brain_and_reaches_the_vertex_when_short() -> None:
    options = {"matrix": 64, "interpolation": 1, "fov": 128.0, "gap": 0.0, "head_rotation": (0.0, 0.0, 0.0),
               "slice_rotation": (0.0, 0.0, 0.0), "offset": (0.0, 0.0, 0.0)}  # fmt: skip
    top = np.argwhere(HEAD.parenchyma)[:, 2].max()
    for slices in (60, 10):
        frame = place(HEAD, thickness=2.0, slices=slices, **options)  # type: ignore[arg-type]
        corner = frame.to_voxel @ np.array([0.0, 0.0, frame.size[2], 1.0])
        assert corner[2] >= top


def old(kind: str) -> OldLesion:
    return OldLesion(kind, radius_mm=6.0, water=1.05, t2=1.6, adc=1.3, cavity=0.6, seed=4)


def test_old_lesions_raise_t2_and_adc_and_stay_in_the_brain() -> None:
    changes = distractor_changes(HEAD, Distractors((old("cortical"),), 0.0, 1.3, 1.3, 1), None)
    assert changes.voxels.size
    assert HEAD.parenchyma.reshape(-1)[changes.voxels].all()
    assert (changes.ratios[1:] >= 0).all()


def test_leukoaraiosis_affects_the_share_of_white_matter_that_was_drawn() -> None:
    changes = distractor_changes(HEAD, Distractors((), 0.05, 1.4, 1.3, 1), None)
    white = np.isin(HEAD.labels, [c.index for c in CLASSES if c.tissue == "white-matter"]).sum()
    assert 0.01 < changes.voxels.size / white < 0.2


def test_distractors_keep_clear_of_the_acute_lesion() -> None:
    distractors = Distractors((old("cortical"), old("lacune")), 0.05, 1.4, 1.3, 1)
    mask = HEAD.parenchyma & (np.arange(HEAD.labels.shape[0]) < 30)[:, None, None]
    changes = distractor_changes(HEAD, distractors, mask)
    assert not mask.reshape(-1)[changes.voxels].any()


def test_old_people_have_more_distractors() -> None:
    young = [draw_distractors(generator(k, "young"), 0.0) for k in range(60)]
    aged = [draw_distractors(generator(k, "old"), 1.0) for k in range(60)]
    count = [np.mean([len(d.old_lesions) for d in group]) for group in (young, aged)]
    assert count[1] > 3 * count[0]


def test_a_map_without_white_matter_has_no_leukoaraiosis() -> None:
    bare = dataclasses.replace(HEAD, labels=np.zeros_like(HEAD.labels))
    changes = distractor_changes(bare, Distractors((old("spot"),), 0.05, 1.4, 1.3, 1), None)
    assert changes.voxels.size == 0
