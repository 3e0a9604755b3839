"""The shipped population: people who are plausible, different, and the same for the same seed."""

import json

import numpy as np
import pytest

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.anatomy.registration import jacobian_range
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.modelfolder import SHIPPED
from StrokeSynthLib.schema import CLASSES, INDEX, MIRRORED, PARENCHYMA, classes_of


@pytest.fixture(scope="module")
def population() -> PopulationModel:
    return PopulationModel.load()


@pytest.fixture(scope="module")
def person(population: PopulationModel) -> Anatomy:
    return population.sample(0, seed=11)


def ml(anatomy: Anatomy, *classes: int) -> float:
    return float(np.isin(anatomy.labels, classes).sum()) * anatomy.grid.voxel_ml


def test_the_shipped_model_is_small_and_has_a_card() -> None:
    folder = SHIPPED / "anatomy"
    assert sum(f.stat().st_size for f in folder.iterdir()) < 5_000_000
    card = (folder / "card.md").read_text(encoding="utf-8")
    assert "SynthSeg" in card
    assert "Apache-2.0" in card


def test_the_same_seed_makes_the_same_person(population: PopulationModel, person: Anatomy) -> None:
    again = population.sample(0, seed=11)
    assert (again.labels == person.labels).all()
    assert (again.correspondence.coordinates == person.correspondence.coordinates).all()


def test_people_of_different_seeds_are_different_persons(
    population: PopulationModel, person: Anatomy
) -> None:
    assert person.name == "person-11-000000"
    assert population.sample(0, seed=12).name != person.name


def test_a_person_can_be_made_again_from_the_recorded_parameters(
    population: PopulationModel, person: Anatomy
) -> None:
    recorded = json.loads(json.dumps(person.record))["parameters"]
    parameters = population.draw(0, seed=11)
    assert recorded["age"] == parameters.age
    assert tuple(recorded["shape"]) == parameters.shape
    assert (population.build(parameters, "again").labels == person.labels).all()


def test_people_differ_in_their_folds(population: PopulationModel, person: Anatomy) -> None:
    other = population.sample(1, seed=11)
    atlas = population.standard_atlas()
    grid = atlas.grid
    standard = []
    for anatomy in (person, other):
        points = anatomy.correspondence.standard_points(anatomy.grid)
        index = np.rint(points - np.array(population.standard.low)[:, None, None, None]).astype(int)
        inside = np.all([(index[a] >= 0) & (index[a] < grid.shape[a]) for a in range(3)], axis=0)
        back = np.zeros(grid.shape, np.uint8)
        back[tuple(index[:, inside])] = anatomy.labels[inside]
        standard.append(np.isin(back, classes_of("cortex")))
    both = (standard[0] & standard[1]).sum() * 2 / (standard[0].sum() + standard[1].sum())
    assert both < 0.85


def test_every_person_has_every_large_structure_on_both_sides(person: Anatomy) -> None:
    for tissue in ("white-matter", "cortex", "thalamus", "caudate", "putamen", "pallidum",
                   "hippocampus", "cerebellum-cortex", "lateral-ventricle"):  # fmt: skip
        left, right = (ml(person, number) for number in classes_of(tissue))
        assert left > 0.2, tissue
        assert right > 0.2, tissue


def test_left_lies_left(person: Anatomy) -> None:
    left, right = (np.argwhere(person.labels == n).mean(0)[0] for n in classes_of("thalamus"))
    assert left < right


def test_a_person_is_not_mirror_symmetric(person: Anatomy) -> None:
    mirrored = np.array(MIRRORED, np.uint8)[person.labels[::-1]]
    cortex = np.isin(person.labels, classes_of("cortex"))
    other = np.isin(mirrored, classes_of("cortex"))
    assert 2 * (cortex & other).sum() / (cortex.sum() + other.sum()) < 0.9


def test_volumes_are_those_of_people(person: Anatomy) -> None:
    assert 700 < ml(person, *PARENCHYMA) < 1600
    assert 4 < ml(person, *classes_of("lateral-ventricle")) < 90


def test_ventricles_grow_with_age(population: PopulationModel) -> None:
    from dataclasses import replace

    base = population.draw(3, seed=0)
    small, large = (
        ml(population.build(replace(base, age=age), "p"), *classes_of("lateral-ventricle"))
        for age in (-1.5, 1.5)
    )
    assert large > 2.5 * small


def test_no_white_matter_touches_fluid_outside_the_brain(person: Anatomy) -> None:
    white = np.isin(person.labels, classes_of("white-matter"))
    fluid = person.labels == INDEX["csf"]
    touching = sum(
        int((np.take(white, range(1, n), a) & np.take(fluid, range(n - 1), a)).sum())
        for a, n in enumerate(white.shape)
    )
    assert touching < 0.02 * white.sum()


def test_the_deformation_has_no_folds(population: PopulationModel, person: Anatomy) -> None:
    low, high = jacobian_range(person.correspondence)
    assert 0 < low < 1 < high


def test_standard_space_lands_on_the_person(population: PopulationModel, person: Anatomy) -> None:
    atlas = population.standard_atlas()
    pulled = person.pull(atlas.array, atlas.grid, order=0)
    for tissue in ("thalamus", "putamen"):
        a = np.isin(pulled, classes_of(tissue))
        b = np.isin(person.labels, classes_of(tissue))
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.9


def test_nothing_inside_the_head_is_air_next_to_the_brain(person: Anatomy) -> None:
    from scipy.ndimage import binary_dilation

    brain = np.isin(person.labels, PARENCHYMA)
    shell = binary_dilation(brain, iterations=2) & ~brain
    upper = shell.copy()
    upper[:, :, : person.labels.shape[2] // 2] = False
    assert (person.labels[upper] == 0).mean() < 0.01


def test_probabilities_sum_to_one(population: PopulationModel) -> None:
    probabilities, lattice = population.probabilities()
    assert probabilities.shape == (len(CLASSES), *lattice.shape)
    assert np.allclose(probabilities.sum(axis=0), 1, atol=1e-4)


def test_a_folder_of_another_kind_is_refused(tmp_path: object) -> None:
    with pytest.raises(BadInputError, match="no model here"):
        PopulationModel.load("no-such-model")
