"""Background-preserving mode: the patient's voxels stay, bit for bit, outside the softened lesion."""

import json

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.translate.background import LesionEffect, preserve, softened
from StrokeSynthLib.translate.output import write_images
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.translate.signal import dwi_from
from StrokeSynthLib.translate.translator import Background
from StrokeSynthLib.volume import Storage, Volume, read_volume, write_volume
from Testing.unit import translate_phantom as phantom

SPACING = (3.0, 3.0, 6.0)


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("background")
    cohort = phantom.write_cohort(folder)
    return open_translator(train_translator("physics", cohort, folder / "model").path)


def _patient(tmp_path, storage):
    """A patient without lesion, read back from files stored as ``storage`` says."""
    signals = phantom.signals(99, lesion=False)
    volumes = {}
    for name in ("dwi", "adc", "b0"):
        path = tmp_path / f"{name}.nii.gz"
        write_volume(path, Volume(signals[name], phantom.AFFINE), storage)
        volumes[name] = read_volume(path)
    return volumes


STORAGES = {
    "int16 with slope": Storage("int16", 0.01, 0.0),
    "plain int16": Storage("int16"),
    "float64": Storage("float64"),
}


@pytest.mark.parametrize("storage", STORAGES.values(), ids=STORAGES)
def test_voxels_outside_the_softened_lesion_are_bit_identical(translator, tmp_path, storage):
    patient = _patient(tmp_path, storage)
    background = Background(patient["dwi"], patient["adc"], patient["b0"])
    images = translator.translate(
        phantom.map_volume(), phantom.lesion_volume(), seed=2, background=background
    )
    outside = softened(phantom.lesion_mask() > 0, (3.0, 3.0, 6.0), SPACING) == 0
    assert outside.mean() > 0.8
    paths = write_images(tmp_path / "out", "p", images)
    for name in ("dwi", "adc", "b0"):
        new = getattr(images, name)
        assert new.array.dtype == patient[name].array.dtype
        assert new.storage == patient[name].storage
        same = new.array == patient[name].array
        assert same[outside].all()
        assert not same[phantom.lesion_mask() > 0].all()
        written = read_volume(paths[name])
        np.testing.assert_array_equal(written.array[outside], patient[name].array[outside])
        assert written.storage == patient[name].storage


def test_lesion_takes_the_patients_intensity_level(translator, tmp_path):
    patient = _patient(tmp_path, Storage("float64"))
    loud = Volume(patient["dwi"].array * 37.0, phantom.AFFINE, Storage("float64"))
    images = translator.translate(
        phantom.map_volume(), phantom.lesion_volume(), seed=2, background=Background(loud, patient["adc"])
    )
    lesion = phantom.lesion_mask() > 0
    ratio = np.median(images.dwi.array[lesion]) / np.median(loud.array[lesion])
    assert 1.2 < ratio < 3.0
    assert np.median(images.adc.array[lesion]) < 0.85 * np.median(patient["adc"].array[lesion])


def test_lesion_obeys_the_signal_equation_where_the_patient_does():
    rng = np.random.default_rng(0)
    shape = (6, 6, 6)
    b0, adc = rng.uniform(50, 200, shape), rng.uniform(0.6, 1.0, shape)
    dwi = dwi_from(b0, adc, 1000.0)
    weight = np.zeros(shape, np.float32)
    weight[2:4] = 1.0
    effect = LesionEffect(np.full(shape, 1.3), np.full(shape, 0.7), weight)
    volumes = [Volume(a, np.eye(4), Storage("float64")) for a in (dwi, adc, b0)]
    kept = preserve(Background(*volumes), effect)
    assert kept.adc is not None
    assert kept.b0 is not None
    np.testing.assert_allclose(kept.dwi.array, dwi_from(kept.b0.array, kept.adc.array, 1000.0), rtol=1e-9)
    np.testing.assert_allclose(kept.b0.array[2:4], 1.3 * b0[2:4])


def test_softened_mask_is_one_inside_and_exactly_zero_away():
    mask = np.zeros((30, 30, 10), bool)
    mask[10:20, 10:20, 3:7] = True
    weight = softened(mask, (2.0, 2.0, 2.0), (2.0, 2.0, 4.0))
    assert weight[14, 14, 5] == 1.0
    assert (weight[:5] == 0.0).all()
    assert ((weight > 0) & (weight < 1)).any()


def test_adc_is_computed_when_the_patient_has_b0_and_dwi(translator, tmp_path):
    patient = _patient(tmp_path, Storage("float64"))
    images = translator.translate(
        phantom.map_volume(),
        phantom.lesion_volume(),
        seed=2,
        background=Background(patient["dwi"], None, patient["b0"]),
    )
    assert images.record["OutsideLesion"]["ADC"] == "computed from the patient's b0 and DWI"
    outside = phantom.labels() == 1
    outside &= softened(phantom.lesion_mask() > 0, (3.0, 3.0, 6.0), SPACING) == 0
    np.testing.assert_allclose(images.adc.array[outside], patient["adc"].array[outside], atol=1e-3)


def test_dwi_alone_gives_a_synthetic_adc_and_the_record_says_so(translator, tmp_path):
    patient = _patient(tmp_path, Storage("float64"))
    images = translator.translate(
        phantom.map_volume(), phantom.lesion_volume(), seed=2, background=Background(patient["dwi"])
    )
    assert images.record["OutsideLesion"]["ADC"].startswith("synthetic")
    lesion = phantom.lesion_mask() > 0
    assert np.median(images.dwi.array[lesion]) > 1.2 * np.median(patient["dwi"].array[lesion])
    json.dumps(images.record)


def test_without_a_lesion_the_patient_stays_as_is(translator, tmp_path):
    patient = _patient(tmp_path, Storage("int16"))
    images = translator.translate(
        phantom.map_volume(), seed=2, background=Background(patient["dwi"], patient["adc"])
    )
    np.testing.assert_array_equal(images.dwi.array, patient["dwi"].array)
    np.testing.assert_array_equal(images.adc.array, patient["adc"].array)


def test_background_on_another_grid_is_refused(translator):
    other = Volume(np.ones((10, 10, 10), np.float32), phantom.AFFINE)
    with pytest.raises(BadInputError, match="not on the map's grid"):
        translator.translate(phantom.map_volume(), phantom.lesion_volume(), background=Background(other))
