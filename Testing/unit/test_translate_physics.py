"""The physics translator recovers what an image is made of and draws new images from it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.translate.examples import example_of, load_examples
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.output import write_images
from StrokeSynthLib.translate.physics.assumed import NEAREST, TISSUES
from StrokeSynthLib.translate.physics.mixing import fit_case
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.translate.signal import dwi_from
from StrokeSynthLib.volume import Storage, read_volume
from Testing.unit import translate_phantom as phantom


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return phantom.write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def model(cohort, tmp_path_factory):
    return train_translator("physics", cohort, tmp_path_factory.mktemp("models") / "physics")


@pytest.fixture(scope="module")
def translator(model):
    return open_translator(model.path)


def _fit(files):
    return fit_case(load_examples([files], None, lambda event: None)[0])[0]


def test_tissue_values_are_recovered_without_partial_volume_bias(cohort):
    fit = _fit(cohort[0])
    for tissue, (b0, adc) in (
        ("white-matter", (1.0, 0.70)), ("cortex", (1.3, 0.90)), ("csf", (3.0, 3.0)),
    ):  # fmt: skip
        number = TISSUES.index(tissue)
        assert fit.b0[number] == pytest.approx(b0, rel=0.1)
        assert fit.adc[number] == pytest.approx(adc, abs=0.15)


def test_noise_level_is_recovered(cohort):
    fit = _fit(cohort[0])
    assert fit.b0_noise == pytest.approx(phantom.NOISE, rel=0.25)
    assert fit.dwi_noise == pytest.approx(phantom.NOISE, rel=0.25)


def test_lesion_ratios_are_recovered(cohort):
    lesion = _fit(cohort[0]).lesion
    assert lesion is not None
    assert np.exp(lesion.log_b0) == pytest.approx(phantom.LESION_B0, rel=0.08)
    assert np.exp(lesion.log_adc) == pytest.approx(phantom.LESION_ADC, rel=0.1)


def test_tissues_that_no_case_shows_borrow_from_the_nearest_and_the_record_says_so(translator, model):
    assert translator.model.borrowed["thalamus"] in NEAREST["thalamus"]
    assert "thalamus" in model.training["borrowed"]
    assert "white-matter" not in translator.model.borrowed
    draw = translator.model.draw(np.random.default_rng(0))
    assert 0.5 < draw.b0[TISSUES.index("thalamus")] < 2.0


def test_every_tissue_names_lenders_that_exist():
    assert set(NEAREST) == set(TISSUES)
    assert all(lender in TISSUES for lenders in NEAREST.values() for lender in lenders)


def test_new_image_has_the_cohorts_contrast_level_and_empty_background(translator, cohort):
    images = translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=3)
    real = read_volume(cohort[0].dwi).array
    classes, lesion = phantom.labels(), phantom.lesion_mask() > 0
    white = (classes == 1) & ~lesion
    assert np.median(images.dwi.array[white]) == pytest.approx(np.median(real[white]), rel=0.25)
    assert np.median(images.dwi.array[lesion]) > 1.3 * np.median(images.dwi.array[white])
    assert np.median(images.adc.array[lesion]) < 0.8 * np.median(images.adc.array[white])
    assert not images.dwi.array[classes == 0].any()
    assert not images.adc.array[classes == 0].any()


def test_dwi_obeys_the_signal_equation(translator):
    images = translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=3)
    inside = (images.adc.array > 0) & (images.adc.array < 4)
    expected = dwi_from(images.b0.array, images.adc.array, images.b_value)
    np.testing.assert_allclose(images.dwi.array[inside], expected[inside], rtol=1e-4)


def test_same_seed_gives_same_files_and_another_seed_another_image(translator, tmp_path):
    first, again, other = (
        write_images(
            tmp_path / str(n),
            "a",
            translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=s),
        )
        for n, s in enumerate((1, 1, 2))
    )
    for channel in ("dwi", "adc", "b0"):
        assert first[channel].read_bytes() == again[channel].read_bytes()
        assert first[channel].read_bytes() != other[channel].read_bytes()


def test_files_and_sidecars_say_synthetic_and_name_their_parents(translator, tmp_path):
    paths = write_images(
        tmp_path, "p1", translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=5)
    )
    assert paths["dwi"].name == "p1_synthetic_dwi.nii.gz"
    record = json.loads((tmp_path / "p1_synthetic_adc.json").read_text())
    assert record["Synthetic"] is True
    assert "synthetic" in record["Description"].lower()
    assert record["ModelHash"] == translator.model_hash
    assert record["Seed"] == 5
    assert set(record["Parents"]) == {"SemanticMap", "Lesion"}
    assert record["Units"] == "10^-3 mm^2/s"


def test_map_orientation_does_not_change_the_image(translator):
    upright = phantom.map_volume()
    turned_affine = upright.affine.copy()
    turned_affine[0, 0] *= -1
    turned_affine[0, 3] = upright.affine[0, 0] * (upright.array.shape[0] - 1)
    turned = replace(upright, array=upright.array[::-1], affine=turned_affine)
    straight = translator.translate(upright, seed=4).dwi.array
    np.testing.assert_array_equal(translator.translate(turned, seed=4).dwi.array[::-1], straight)


def test_lesion_on_fluid_is_still_painted_as_lesion(translator):
    classes = phantom.labels()
    classes[30:34, 30:34, 5:7] = 34  # fluid drawn where the lesion is
    volume = replace(phantom.map_volume(), array=classes)
    images = translator.translate(volume, phantom.lesion_volume(), seed=3)
    assert np.median(images.adc.array[31:33, 31:33, 5:7]) < 0.9


def test_case_without_map_is_refused_with_what_to_do(tmp_path):
    files = phantom.write_case(tmp_path / "a", 0, parts=("b0", "adc"))
    with pytest.raises(BadInputError, match="strokesynth map"):
        train_translator("physics", [files], tmp_path / "m")


def test_missing_map_is_made_by_the_callers_map_maker(tmp_path):
    files = phantom.write_case(tmp_path / "a", 0, parts=("b0", "adc"))
    options = TranslatorOptions(map_maker=lambda case: phantom.map_volume())
    model = train_translator("physics", [files], tmp_path / "m", options)
    assert model.training["lesion_statistics"] == "assumed from the literature"


def test_dwi_alone_is_completed_from_the_literature_and_the_record_says_so(tmp_path):
    files = phantom.write_case(tmp_path / "a", 0, parts=("lesion", "map"))
    model = train_translator("physics", [files], tmp_path / "m")
    assert model.training["adc_assumed_in"] == ["a"]
    assert model.training["adc"] == "assumed from the literature"


def test_b0_is_derived_from_dwi_and_adc(tmp_path):
    whole, without = (
        _fit(phantom.write_case(tmp_path / name, 0, parts=parts))
        for name, parts in (("a", ("b0", "adc", "lesion", "map")), ("b", ("adc", "lesion", "map")))
    )
    cortex = TISSUES.index("cortex")
    assert without.b0[cortex] == pytest.approx(whole.b0[cortex], rel=0.02)


def test_map_of_other_numbers_than_classes_is_refused(translator):
    volume = replace(phantom.map_volume(), array=phantom.labels().astype(np.int32) * 100)
    with pytest.raises(BadInputError, match="not tissue classes"):
        translator.translate(volume)


def test_map_without_brain_is_refused(translator):
    volume = replace(phantom.map_volume(), array=np.zeros(phantom.SHAPE, np.uint8))
    with pytest.raises(BadInputError, match="no brain tissue"):
        translator.translate(volume)


def test_lesion_on_another_grid_is_refused(translator):
    moved = phantom.AFFINE.copy()
    moved[0, 3] = 10.0
    with pytest.raises(BadInputError, match="not on the map's grid"):
        translator.translate(phantom.map_volume(), replace(phantom.lesion_volume(), affine=moved))


def test_unknown_kind_lists_the_known_ones(cohort, tmp_path):
    with pytest.raises(BadInputError, match="physics, pix2pix"):
        train_translator("magic", cohort, tmp_path / "m")


def test_no_cases_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="at least one case"):
        train_translator("physics", [], tmp_path / "m")


def test_image_that_does_not_fit_its_map_is_refused(tmp_path):
    from StrokeSynthLib.cohort.case import Case
    from StrokeSynthLib.volume import Volume

    empty = Volume(np.zeros(phantom.SHAPE, np.float32), phantom.AFFINE, Storage("float32"))
    with pytest.raises(BadInputError, match="no signal"):
        example_of(Case("a", "a", empty, empty, empty, None, phantom.map_volume()))


def test_blur_is_recovered_within_a_third_of_a_voxel(cohort):
    fit = _fit(cohort[0])
    for axis in (0, 1):
        assert fit.blur_mm[axis] / phantom.AFFINE[axis, axis] == pytest.approx(phantom.BLUR[axis], abs=0.34)
