"""A map is estimated from DWI and ADC on the DWI's own grid, whatever the lesion or the skull."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.from_image import estimate_map
from StrokeSynthLib.anatomy.mixture import TissueStart, fit
from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.errors import StrokeSynthError
from StrokeSynthLib.schema import CSF, INDEX, INTRACRANIAL, PARENCHYMA, classes_of
from StrokeSynthLib.volume import Orientation, Volume


@pytest.fixture(scope="module")
def person() -> Anatomy:
    return PopulationModel.load().sample(8, seed=3)


def scan(person: Anatomy, *, stripped: bool, lesion: bool = False) -> tuple[Volume, Volume, np.ndarray]:
    """DWI, ADC (3 mm) of an anatomy by plain contrast, blur and noise, and its map on that grid."""
    dwi, adc = np.full(256, 0.25, np.float32), np.full(256, 1.0, np.float32)
    dwi[0], dwi[INDEX["skull"]] = 0.0, 0.05
    dwi[list(PARENCHYMA)], adc[list(PARENCHYMA)] = 1.0, 0.8
    dwi[list(classes_of("cortex"))], adc[list(classes_of("cortex"))] = 1.08, 0.9
    dwi[list(CSF)], adc[list(CSF)] = 0.45, 3.0
    signal, diffusion = dwi[person.labels], adc[person.labels]
    if lesion:
        center = np.argwhere(person.labels == INDEX["right-white-matter"]).mean(0)
        ball = np.linalg.norm(np.indices(person.labels.shape) - center[:, None, None, None], axis=0) < 12
        signal = np.where(ball & person.parenchyma, 2.0, signal)
        diffusion = np.where(ball & person.parenchyma, 0.5, diffusion)
    if stripped:
        signal = signal * person.intracranial
    step = slice(None, None, 3)
    blurred = [gaussian_filter(a, 1.2)[step, step, step] for a in (signal, diffusion)]
    noise = 0.03 * np.random.default_rng(0).standard_normal(blurred[0].shape).astype(np.float32)
    image = 300 * (blurred[0] + noise * (blurred[0] > 0.02))
    affine = person.affine @ np.diag([3, 3, 3, 1.0])
    return Volume(image, affine), Volume(blurred[1], affine), person.labels[step, step, step]


def dice(a: np.ndarray, b: np.ndarray, classes: tuple[int, ...]) -> float:
    one, two = np.isin(a, classes), np.isin(b, classes)
    return float(2 * (one & two).sum() / (one.sum() + two.sum()))


@pytest.mark.parametrize(("stripped", "with_adc"), [(True, True), (False, False)])
def test_tissues_are_found(person: Anatomy, stripped: bool, with_adc: bool) -> None:
    dwi, adc, truth = scan(person, stripped=stripped)
    found = estimate_map(Case("c", "c", dwi, adc if with_adc else None)).array
    assert found.dtype == np.uint8
    assert dice(found, truth, PARENCHYMA) > 0.85
    assert dice(found, truth, classes_of("lateral-ventricle")) > 0.6
    assert dice(found, truth, classes_of("thalamus")) > 0.6
    if stripped:
        assert not (found[~np.isin(truth, INTRACRANIAL)] == INDEX["scalp"]).any()
    else:
        assert (found == INDEX["scalp"]).any()


def test_a_lesion_gets_the_tissue_around_it(person: Anatomy) -> None:
    dwi, adc, truth = scan(person, stripped=True, lesion=True)
    found = estimate_map(Case("c", "c", dwi, adc)).array
    lesion = (dwi.array > 1.6 * 300) & np.isin(truth, PARENCHYMA)
    assert lesion.sum() > 100
    assert np.isin(found[lesion], PARENCHYMA).mean() > 0.95


def test_the_map_comes_back_on_the_grid_and_in_the_orientation_of_the_dwi(person: Anatomy) -> None:
    dwi, _, _ = scan(person, stripped=True)
    turned = Orientation((1, 2, 0), (True, False, True))
    stored = Volume(np.ascontiguousarray(turned.apply(dwi.array)), turned.apply_to_grid(dwi.grid).affine)
    straight = estimate_map(Case("c", "c", dwi))
    other = estimate_map(Case("c", "c", stored))
    assert other.grid.matches(stored.grid)
    assert (other.canonical().array == straight.canonical().array).mean() > 0.999


@pytest.mark.parametrize("image", [np.zeros((40, 40, 30)), np.full((40, 40, 30), 7.0)])
def test_an_image_without_a_brain_is_refused_in_one_sentence(image: np.ndarray) -> None:
    with pytest.raises(StrokeSynthError, match="brain"):
        estimate_map(Case("empty", "empty", Volume(image, np.diag([4.0, 4, 4, 1]))))


def test_noise_is_not_taken_for_a_brain() -> None:
    noise = np.random.default_rng(0).rayleigh(10, (50, 50, 30)).astype(np.float32)
    with pytest.raises(StrokeSynthError, match="no brain"):
        estimate_map(Case("noise", "noise", Volume(noise, np.diag([4.0, 4, 4, 1]))))


def test_outliers_do_not_pull_the_mean_of_a_tissue() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(1.0, 0.08, 900), rng.normal(0.45, 0.08, 300), np.full(100, 2.4)])
    priors = np.full((2, len(values)), 0.5)
    starts = (TissueStart((0.95,), (0.12,)), TissueStart((0.5,), (0.12,)))
    result = fit(values[None].astype(np.float32), priors, starts, lambda p: p, (3.0,))
    assert abs(result.means[0, 0] - 1.0) < 0.03
    assert abs(result.means[1, 0] - 0.45) < 0.03
    assert result.outlier[-100:].min() > 0.9
    assert result.outlier[:900].mean() < 0.05
