"""copypaste: a real lesion's effect in another person's real images, and nothing else changed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.translate.background import LesionEffect, preserve
from StrokeSynthLib.translate.examples import IS_PARENCHYMA
from StrokeSynthLib.translate.preview import Preview
from StrokeSynthLib.translate.registry import TRANSLATORS, open_translator, train_translator
from StrokeSynthLib.translate.signal import dwi_from
from StrokeSynthLib.translate.translator import Background
from StrokeSynthLib.volume import Storage, Volume
from Testing.unit import translate_phantom as phantom
from Testing.unit.copypaste_cohort import write_mixable

#: Largest change of log DWI at the outermost voxels that change, against the lesion's own.
_HARMONIZED = 0.25


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_mixable(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def model(cohort, tmp_path_factory):
    return train_translator("copypaste", cohort, tmp_path_factory.mktemp("models") / "copypaste")


@pytest.fixture(scope="module")
def translator(model):
    return open_translator(model.path)


@pytest.fixture(scope="module")
def patient():
    content = phantom.signals(99, lesion=False)
    b0, adc = content["b0"].astype(np.float64), np.clip(content["adc"], 0.0, 4.0).astype(np.float64)
    arrays = {"dwi": dwi_from(b0, adc, 1000.0), "adc": adc, "b0": b0}
    return Background(**{n: Volume(a, phantom.AFFINE, Storage("float64")) for n, a in arrays.items()})


def _paste(translator, patient, seed=1, lesion=None):
    return translator.translate(
        phantom.map_volume(), lesion or phantom.lesion_volume(), seed=seed, background=patient
    )


def _log_change(images, patient):
    tiny = 1e-6
    return np.log(np.maximum(images.dwi.array, tiny) / np.maximum(patient.dwi.array, tiny))


# The patient's own images with a lesion that is asked for


def test_signal_equation_holds_in_the_lesion(translator, patient):
    images = _paste(translator, patient)
    inside = phantom.lesion_mask() > 0
    expected = dwi_from(images.b0.array, images.adc.array, 1000.0)
    np.testing.assert_allclose(images.dwi.array[inside], expected[inside], rtol=1e-9)


def test_voxels_away_from_the_lesion_keep_their_bits(translator, patient):
    images = _paste(translator, patient)
    near = binary_dilation(phantom.lesion_mask() > 0, iterations=3)
    for name in ("dwi", "adc", "b0"):
        new, old = getattr(images, name).array, getattr(patient, name).array
        np.testing.assert_array_equal(new[~near], old[~near])
        assert (new != old)[phantom.lesion_mask() > 0].mean() > 0.95


def test_lesion_has_the_donors_contrast(translator, patient):
    images = _paste(translator, patient)
    inside = phantom.lesion_mask() > 0
    b0 = np.median(images.b0.array[inside] / patient.b0.array[inside])
    adc = np.median(images.adc.array[inside] / patient.adc.array[inside])
    assert b0 == pytest.approx(phantom.LESION_B0, rel=0.12)
    assert adc == pytest.approx(phantom.LESION_ADC, rel=0.15)


def _step_at_the_border(change, lesion):
    """Change at the outermost changed voxels against that in the lesion."""
    changed = np.abs(change) > 0
    rim = changed & binary_dilation(~changed)
    return np.abs(change[rim]).max() / np.median(np.abs(change[lesion]))


def test_border_is_harmonized(translator, patient):
    lesion = phantom.lesion_mask() > 0
    assert _step_at_the_border(_log_change(_paste(translator, patient), patient), lesion) < _HARMONIZED


def test_a_hard_border_would_be_found(translator, patient):
    lesion = phantom.lesion_mask() > 0
    hard = LesionEffect(
        np.full(lesion.shape, 1.35), np.full(lesion.shape, 0.62), lesion.astype(np.float32)
    )  # fmt: skip
    pasted = preserve(patient, hard)
    change = np.log(np.maximum(pasted.dwi.array, 1e-6) / np.maximum(patient.dwi.array, 1e-6))
    assert _step_at_the_border(change, lesion) > 2 * _HARMONIZED


def test_mask_can_be_recovered_from_the_image(translator, patient):
    images = _paste(translator, patient)
    lesion, tissue = phantom.lesion_mask() > 0, IS_PARENCHYMA[phantom.labels()]
    away = tissue & ~binary_dilation(lesion, iterations=2)
    found = (images.dwi.array > np.percentile(images.dwi.array[away], 99.5)) & tissue
    overlap = 2 * (found & lesion).sum() / (found.sum() + lesion.sum())
    assert overlap > 0.8


def test_same_seed_same_bits_and_another_seed_another_lesion(translator, patient):
    first, again, other = (_paste(translator, patient, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.dwi.array, again.dwi.array)
    assert not np.array_equal(first.dwi.array, other.dwi.array)
    assert first.record == again.record


def test_record_names_donors_by_code_and_says_partly_synthetic(translator, patient, cohort):
    images = _paste(translator, patient)
    text = json.dumps(images.record)
    assert images.record["PartlySynthetic"] is True
    assert images.record["OutsideLesion"]["DWI"] == "patient"
    assert images.record["Parameters"]["donor"] in {case.code for case in translator.store.facts}
    assert not any(files.name in text or files.person in text for files in cohort)


def test_other_translators_say_partly_synthetic_too_and_only_in_a_patients_images(cohort, tmp_path, patient):
    physics = open_translator(train_translator("physics", cohort[:2], tmp_path / "m").path)
    assert _paste(physics, patient).record["PartlySynthetic"] is True
    whole = physics.translate(phantom.map_volume(), phantom.lesion_volume())
    assert "PartlySynthetic" not in whole.record


def test_without_a_background_it_says_what_to_give(translator):
    with pytest.raises(BadInputError, match="--background DWI"):
        translator.translate(phantom.map_volume(), phantom.lesion_volume())
    with pytest.raises(BadInputError, match="--background DWI"):
        Preview(translator, phantom.map_volume())
    assert TRANSLATORS["copypaste"].needs_background
    assert not TRANSLATORS["physics"].needs_background


def test_patient_with_dwi_alone_gets_an_adc_that_is_said_to_be_synthetic(translator, patient):
    images = _paste(translator, Background(patient.dwi))
    assert images.record["OutsideLesion"]["ADC"].startswith("synthetic")
    inside = phantom.lesion_mask() > 0
    assert np.median(images.dwi.array[inside]) > 1.2 * np.median(patient.dwi.array[inside])


def test_preview_in_any_order_of_strokes_is_the_volume_bit_for_bit(translator, patient):
    small = phantom.lesion_mask()
    small[32:] = 0
    lesions = [
        phantom.lesion_volume(), replace(phantom.lesion_volume(), array=small),
        replace(phantom.lesion_volume(), array=np.zeros_like(small)), phantom.lesion_volume(),
    ]  # fmt: skip
    preview = Preview(translator, phantom.map_volume(), seed=5, background=patient)
    for lesion in lesions:
        preview.change(lesion)
        for number in preview.out_of_date[::2]:
            preview.draw([number])
    drawn, whole = preview.draw(), _paste(translator, patient, 5)
    for name in ("dwi", "adc", "b0"):
        np.testing.assert_array_equal(getattr(drawn, name), getattr(whole, name).array)
    assert drawn.record == whole.record


def test_mask_larger_than_every_donor_is_filled(translator, patient):
    mask = np.zeros(phantom.SHAPE, np.uint8)
    mask[14:36, 14:36, 2:10] = 1
    images = _paste(translator, patient, lesion=replace(phantom.lesion_volume(), array=mask))
    tissue = (mask > 0) & (phantom.labels() == 1)
    assert (_log_change(images, patient)[tissue] > 0.1).mean() > 0.97


# The model folder


def test_folder_says_that_it_holds_patients_images(model):
    card = (model.path / "card.md").read_text()
    assert "HOLDS PATIENTS' IMAGES" in card
    assert "HOLDS PATIENTS' IMAGES" in model.training["warning"]
    assert model.training["with_lesion"] == 4
    assert model.training["without_lesion"] == 1


def test_same_cases_make_the_same_model(cohort, model, tmp_path):
    assert train_translator("copypaste", cohort, tmp_path / "again").hash == model.hash


def test_cohort_without_any_lesion_is_refused(cohort, tmp_path):
    with pytest.raises(BadInputError, match="nothing to paste"):
        train_translator("copypaste", cohort[4:], tmp_path / "m")


def test_no_cases_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="at least one case"):
        train_translator("copypaste", [], tmp_path / "m")


def test_damaged_folders_are_named(model, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(model.path, broken)
    (broken / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadInputError, match="weights"):
        open_translator(broken)
    wrong = tmp_path / "wrong"
    shutil.copytree(model.path, wrong)
    content = json.loads((wrong / "model.json").read_text())
    content["config"]["cases"][0]["affine"] = [1, 2]
    (wrong / "model.json").write_text(json.dumps(content))
    with pytest.raises(BadInputError, match="train it again"):
        open_translator(wrong)


def test_lesion_on_another_grid_is_refused(translator, patient):
    moved = phantom.AFFINE.copy()
    moved[0, 3] = 10.0
    with pytest.raises(BadInputError, match="not on the map's grid"):
        _paste(translator, patient, lesion=replace(phantom.lesion_volume(), affine=moved))
