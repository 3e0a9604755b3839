"""Texture that is painted varies as the cases' does: as much, on the same scale, and no more."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.translate.boxes import whole
from StrokeSynthLib.translate.examples import Example
from StrokeSynthLib.translate.physics.assumed import TISSUES
from StrokeSynthLib.translate.physics.calibration import calibrated
from StrokeSynthLib.translate.physics.canvas import Canvas
from StrokeSynthLib.translate.physics.mixing import fit_case
from StrokeSynthLib.translate.physics.model import SignalModel
from StrokeSynthLib.translate.physics.paint import add_noise

SHAPE, SPACING = (64, 64, 10), (2.0, 2.0, 5.0)
WHITE = TISSUES.index("white-matter")


def _radius():
    grid = np.meshgrid(
        *[(np.arange(n) - n / 2) * s for n, s in zip(SHAPE, SPACING, strict=True)], indexing="ij"
    )
    return np.sqrt(sum(axis**2 for axis in grid))


def _field(rng, mm):
    field = gaussian_filter(rng.standard_normal(SHAPE), [mm / s for s in SPACING])
    return field / field.std()


def _example(seed, *, texture=0.06, slow=0.0):
    """White matter in fluid, with texture of 2.5 mm and, if wanted, a variation over the whole brain."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint8)
    labels[_radius() < 58] = INDEX["csf"]
    labels[_radius() < 50] = INDEX["left-white-matter"]
    white = labels == INDEX["left-white-matter"]
    b0 = np.where(white, np.exp(texture * _field(rng, 2.5) + slow * _field(rng, 30.0)), 3.0 * (labels > 0))
    adc = np.where(white, 0.7 + 0.5 * texture * _field(rng, 2.5), 3.0)
    images = [gaussian_filter(image, (0.5, 0.5, 0.1)) for image in (b0, b0 * np.exp(-adc))]
    noisy = [
        np.hypot(i + 0.01 * rng.standard_normal(SHAPE), 0.01 * rng.standard_normal(SHAPE)) * (labels > 0)
        for i in images
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = np.where(labels > 0, np.clip(np.log(noisy[0] / noisy[1]), 0, 4), 0.0)
    b0, dwi, measured = (image.astype(np.float32) for image in (*noisy, measured))
    none = np.zeros(SHAPE, bool)
    return Example(str(seed), labels, none, b0, dwi, measured, SPACING, 1000.0, 1.0, True)


def _variation(b0):
    """Spread of b0 in white matter on the scale of texture: neither noise nor the whole brain's."""
    inside = (_radius() < 42).astype(float)
    fine, coarse = (
        gaussian_filter(b0 * inside, [mm / s for s in SPACING])
        / np.maximum(gaussian_filter(inside, [mm / s for s in SPACING]), 1e-6)
        for mm in (2.0, 14.0)
    )
    return float((fine[inside > 0] / coarse[inside > 0]).std())


def _painted(model, example, fit):
    draw = model.of_case(fit)
    canvas = Canvas(example.labels, SPACING, draw, 7)
    painting = canvas.paint(example.lesion, whole(SHAPE))
    return add_noise(painting.b0, painting.dwi, painting.filled, draw, canvas.noise)[0]


@pytest.fixture(scope="module", params=[0.0, 0.15], ids=["even", "slow"])
def cohort(request):
    examples = [_example(seed, slow=request.param) for seed in range(3)]
    return examples, [fit_case(example)[0] for example in examples]


def test_painted_texture_varies_as_the_cases_does(cohort):
    examples, fits = cohort
    model = calibrated(SignalModel.from_fits(fits), examples, fits)
    real = np.mean([_variation(e.b0) for e in examples])
    painted = np.mean([_variation(_painted(model, e, f)) for e, f in zip(examples, fits, strict=True)])
    assert painted == pytest.approx(real, rel=0.2)


def test_spreads_that_are_wrong_are_pulled_back(cohort):
    examples, fits = cohort
    model = SignalModel.from_fits(fits)
    right = calibrated(model, examples, fits)
    for factor in (0.7, 1.4):
        wrong = replace(model, b0_texture=factor * model.b0_texture, adc_texture=factor * model.adc_texture)
        found = calibrated(wrong, examples, fits)
        for name in ("b0_texture", "adc_texture"):
            ratio = getattr(found, name)[WHITE] / getattr(right, name)[WHITE]
            assert abs(np.log(ratio)) < 0.6 * abs(np.log(factor))


def test_nothing_is_changed_without_texture_to_compare():
    example = _example(0, texture=0.0)
    fit = fit_case(example)[0]
    fit = replace(fit, b0_texture=np.full_like(fit.b0_texture, np.nan), adc_texture=fit.adc_texture * np.nan)
    model = SignalModel.from_fits([fit])
    np.testing.assert_array_equal(calibrated(model, [example], [fit]).b0_texture, model.b0_texture)


def test_lengths_of_texture_lean_on_their_median(cohort):
    _, fits = cohort
    lengths = (2.0, 4.0, 8.0)
    model = SignalModel.from_fits([replace(f, texture_mm=mm) for f, mm in zip(fits, lengths, strict=True)])
    np.testing.assert_allclose(model.scanners[:, 0], np.sqrt(4.0 * np.array(lengths)))
    assert model.of_case(replace(fits[0], texture_mm=8.0)).texture_mm == pytest.approx(np.sqrt(32.0))
