"""Realism measures answer known questions."""

from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.evaluate.realism import (
    histogram,
    histogram_distances,
    intensities_by_class,
    lesion_contrast,
    mean_pairwise_similarity,
)
from StrokeSynthLib.schema import INDEX
from Testing.examinations import Examination


@pytest.fixture
def case():
    exam = Examination()
    return Case(
        "x", "x", exam.dwi, exam.adc, exam.b0, exam.lesion, exam.semantic_map, b_value=1000, b_assumed=False
    )


def test_intensities_are_relative_to_tissue(case):
    found = intensities_by_class(case.dwi, case.semantic_map, case.lesion)
    assert set(found) == {"white matter", "cortex", "CSF", "lesion"}
    assert np.median(found["white matter"]) == pytest.approx(1.0, abs=0.01)
    assert np.median(found["lesion"]) == pytest.approx(np.exp(0.35), abs=0.03)
    assert np.median(found["CSF"]) == pytest.approx(2.5 * np.exp(-2.2), abs=0.03)


def test_scale_does_not_matter(case):
    louder = replace(case.dwi, array=case.dwi.array * 7)
    distances = histogram_distances(
        intensities_by_class(case.dwi, case.semantic_map, case.lesion),
        intensities_by_class(louder, case.semantic_map, case.lesion),
    )
    assert max(distances.values()) == pytest.approx(0, abs=1e-6)


def test_the_distance_is_the_shift():
    values = np.random.default_rng(0).normal(1, 0.1, 1000)
    assert histogram_distances({"a": values, "b": values}, {"a": values + 0.3}) == {"a": pytest.approx(0.3)}


def test_a_histogram_is_a_density_with_all_values():
    edges = np.linspace(0, 2, 21)
    density = histogram(np.array([-1.0, 0.5, 0.55, 9.0]), edges)
    assert (density * np.diff(edges)).sum() == pytest.approx(1)
    assert density[-1] == pytest.approx(2.5)


def test_contrast_of_a_lesion(case):
    found = lesion_contrast(case)
    assert found.adc_surround == pytest.approx(0.45 / 0.8, abs=0.01)
    assert found.adc_contralateral == pytest.approx(0.45 / 0.8, abs=0.01)
    assert found.dwi_surround == pytest.approx(np.exp(0.35), abs=0.03)
    assert found.dwi_contralateral == pytest.approx(np.exp(0.35), abs=0.03)


def test_contrast_without_lesion_or_map_is_unknown(case):
    assert np.isnan(lesion_contrast(replace(case, lesion=None)).dwi_surround)
    no_map = lesion_contrast(replace(case, semantic_map=None))
    assert np.isnan(no_map.dwi_contralateral)
    assert no_map.dwi_surround == pytest.approx(np.exp(0.35), abs=0.03)


def test_a_map_without_brain_is_refused(case):
    air = replace(case.semantic_map, array=np.full_like(case.semantic_map.array, INDEX["air"]))
    with pytest.raises(BadInputError, match="no brain tissue"):
        intensities_by_class(case.dwi, air, None)


def test_the_same_image_twice_is_no_diversity():
    rng = np.random.default_rng(0)
    exams = [Examination(n, lesion=n % 2 == 0) for n in range(3)]
    same = mean_pairwise_similarity([exams[0].dwi, exams[0].dwi], rng)
    other = mean_pairwise_similarity([exam.dwi for exam in exams], rng)
    assert same == pytest.approx(1.0, abs=1e-5)
    assert other < 0.99


def test_diversity_needs_two_images_of_one_shape():
    exam, smaller = Examination(), Examination(shape=(20, 20, 12))
    rng = np.random.default_rng(0)
    with pytest.raises(BadInputError, match="two images"):
        mean_pairwise_similarity([exam.dwi], rng)
    with pytest.raises(BadInputError, match="one shape"):
        mean_pairwise_similarity([exam.dwi, smaller.dwi], rng)
