"""copypaste: a real lesion's effect in another person's real images, and nothing else changed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.translate.background import LesionEffect, preserve
from StrokeSynthLib.translate.copypaste import carve
from StrokeSynthLib.translate.copypaste.alignment import between, to_standard
from StrokeSynthLib.translate.copypaste.choice import choose
from StrokeSynthLib.translate.copypaste.donor import DEEPEST, donor_of, signed_depth
from StrokeSynthLib.translate.examples import IS_PARENCHYMA, load_examples
from StrokeSynthLib.translate.physics.mixing import fit_case
from StrokeSynthLib.translate.preview import Preview
from StrokeSynthLib.translate.proposal import Proposer
from StrokeSynthLib.translate.registry import TRANSLATORS, open_translator, train_translator
from StrokeSynthLib.translate.signal import adc_from, dwi_from
from StrokeSynthLib.translate.translator import Background
from StrokeSynthLib.volume import Storage, Volume, write_volume
from Testing.unit import translate_phantom as phantom

SPACING = (3.0, 3.0, 6.0)
#: Largest change of log DWI at the outermost voxels that change, against the lesion's own.
_HARMONIZED = 0.25


def _cohort(folder):
    """Three people with the phantom's lesion, one with another place for it, one without."""
    cases = phantom.write_cohort(folder, 3)
    moved = phantom.write_case(folder / "moved", 7, parts=("b0", "adc", "map"))
    signals = phantom.signals(7, lesion=False)
    mask = np.zeros(phantom.SHAPE, bool)
    mask[12:19, 14:22, 4:8] = True
    b0 = np.where(mask, signals["b0"] * 1.3, signals["b0"])
    adc = np.where(mask, signals["adc"] * 0.6, signals["adc"])
    for name, array in (("b0", b0), ("adc", adc), ("dwi", b0 * np.exp(-adc))):
        path = folder / "moved" / f"{name}.nii.gz"
        write_volume(path, Volume(array.astype(np.float32), phantom.AFFINE, Storage("float32")))
    path = folder / "moved" / "lesion.nii.gz"
    write_volume(path, Volume(mask.astype(np.uint8), phantom.AFFINE, Storage("uint8")))
    healthy = phantom.write_case(folder / "healthy", 8, parts=("b0", "adc", "map"))
    return [*cases, replace(moved, lesion=path), healthy]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return _cohort(tmp_path_factory.mktemp("cohort"))


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


# Whole cases


def test_it_is_a_proposer_and_the_others_are_not(translator, cohort, tmp_path):
    assert isinstance(translator, Proposer)
    physics = open_translator(train_translator("physics", cohort[:1], tmp_path / "m").path)
    assert not isinstance(physics, Proposer)


def _recipient(translator, proposal):
    code = proposal.images.record["Parameters"]["recipient"]
    number = next(k for k, case in enumerate(translator.store.facts) if case.code == code)
    return translator.store.facts[number], translator.store.images(number)


@pytest.mark.parametrize("seed", range(6))
def test_proposal_is_a_recipient_with_a_lesion_more_and_untouched_elsewhere(translator, seed):
    proposal = translator.propose(seed)
    facts, own = _recipient(translator, proposal)
    mask = proposal.lesion.array > 0
    parameters = proposal.images.record["Parameters"]
    np.testing.assert_array_equal(proposal.semantic_map.array, own.labels)
    assert (mask & own.lesion).sum() == own.lesion.sum()
    added = mask & ~own.lesion
    assert added.sum() >= 8
    assert IS_PARENCHYMA[own.labels[added]].all()
    assert parameters["donor"] != parameters["recipient"]
    level = np.float32(facts.level)
    changed = proposal.images.dwi.array != own.dwi * level
    reach = int(np.ceil(max(parameters["margin_mm"], 0.0) / 3.0)) + 3
    assert not changed[~binary_dilation(added, iterations=reach)].any()
    assert not changed[own.lesion & ~binary_dilation(added, iterations=3)].any()
    assert np.median(proposal.images.dwi.array[added] / (own.dwi * level)[added]) > 1.15


def test_proposals_obey_the_signal_equation_where_the_recipient_does(translator):
    proposal = translator.propose(2)
    _, own = _recipient(translator, proposal)
    added = (proposal.lesion.array > 0) & ~own.lesion
    images = proposal.images
    b0, dwi, adc = (volume.array[added] for volume in (images.b0, images.dwi, images.adc))
    before = own.dwi[added] / dwi_from(own.b0[added], own.adc[added], images.b_value)
    np.testing.assert_allclose(dwi / dwi_from(b0, adc, images.b_value), before, rtol=1e-4)
    assert np.median(np.abs(adc_from(b0, dwi, images.b_value) - adc)) < 0.02


def test_proposals_repeat_by_seed_and_differ_between_seeds(translator, model):
    first, other = translator.propose(11), translator.propose(12)
    again = open_translator(model.path).propose(11)
    np.testing.assert_array_equal(first.images.dwi.array, again.images.dwi.array)
    np.testing.assert_array_equal(first.lesion.array, again.lesion.array)
    assert first.images.record == again.images.record
    assert first.images.record["Parameters"] != other.images.record["Parameters"]


def test_lesions_come_from_other_people_mirrored_half_of_the_time_in_parts_and_with_surroundings(translator):
    drawn = [translator.propose(seed).images.record["Parameters"] for seed in range(40)]
    assert 10 <= sum(p["mirrored"] for p in drawn) <= 30
    assert 10 <= sum(p["margin_mm"] < 0 for p in drawn) <= 30
    assert len({p["recipient"] for p in drawn}) == 5
    assert len({p["donor"] for p in drawn}) == 4


def test_a_smaller_margin_carves_less(translator):
    facts, donor = translator.store.facts, translator.store.donor(3)
    recipient = translator.store.images(4)
    whole, part, wide = (
        carve.place(donor, facts[3], recipient, facts[4], carve.Carving(margin, False))
        for margin in (0.0, -4.0, 6.0)
    )
    assert part.mask.sum() < 0.8 * whole.mask.sum()
    assert (part.mask & ~whole.mask).sum() == 0
    assert (wide.mask == whole.mask).all()
    assert (wide.effect.weight > 0).sum() > (whole.effect.weight > 0).sum()


def test_mirrored_lesion_lies_in_the_other_half(translator):
    facts, donor, recipient = translator.store.facts, translator.store.donor(3), translator.store.images(4)
    same, other = (
        carve.place(donor, facts[3], recipient, facts[4], carve.Carving(0.0, mirrored))
        for mirrored in (False, True)
    )
    middle = (phantom.SHAPE[0] - 1) / 2
    places = [np.argwhere(placed.mask).mean(0)[0] - middle for placed in (same, other)]
    assert places[0] < -4
    assert places[1] > 4


def test_cases_without_lesion_are_recipients_without_lesion_as_they_are(translator):
    proposal = translator.propose(5, lesion_free=True)
    facts, own = _recipient(translator, proposal)
    assert not facts.with_lesion
    assert not proposal.lesion.array.any()
    np.testing.assert_array_equal(proposal.images.dwi.array, own.dwi * np.float32(facts.level))
    assert "unchanged" in proposal.images.record["Description"]


def test_stored_images_are_the_cohorts(translator, cohort):
    proposal = translator.propose(5, lesion_free=True)
    case = load_case(cohort[4])
    np.testing.assert_allclose(
        proposal.images.dwi.array, case.dwi.array, rtol=2e-3, atol=1e-3 * case.dwi.array.max()
    )
    np.testing.assert_allclose(proposal.images.dwi.affine, case.dwi.affine)


def test_shares_that_cannot_be_made_are_refused_with_what_to_do(cohort, tmp_path):
    ill = open_translator(train_translator("copypaste", cohort[:2], tmp_path / "ill").path)
    ill.check_share(0.0)
    with pytest.raises(BadInputError, match="--lesion-free 0"):
        ill.check_share(0.1)
    with pytest.raises(BadInputError, match="--lesion-free 0"):
        ill.propose(0, lesion_free=True)
    alone = open_translator(train_translator("copypaste", cohort[:1], tmp_path / "alone").path)
    with pytest.raises(BadInputError, match="two people"):
        alone.propose(0)


def test_one_persons_examinations_are_not_mixed_with_each_other(cohort, tmp_path):
    same = [replace(files, person="p") for files in cohort[:2]]
    model = open_translator(train_translator("copypaste", same, tmp_path / "m").path)
    assert len({case.person for case in model.store.facts}) == 1
    with pytest.raises(BadInputError, match="two people"):
        model.check_share(0.0)


# Its parts


def test_donor_effect_is_the_lesions_own(cohort):
    example = load_examples(cohort[:1], None, lambda event: None)[0]
    donor = donor_of(example, fit_case(example)[1])
    core = donor.depth >= 6.0
    assert np.exp(np.median(donor.b0[core])) == pytest.approx(phantom.LESION_B0, rel=0.1)
    assert np.exp(np.median(donor.adc[core])) == pytest.approx(phantom.LESION_ADC, rel=0.1)
    far = donor.depth <= -6.0
    assert abs(np.median(donor.b0[far])) < 0.05
    where, b0, _ = donor.profile
    assert b0[where > 6].min() > 2 * abs(b0[where <= -6]).max()


def test_depth_of_a_box_is_that_of_the_whole():
    rng = np.random.default_rng(0)
    mask = rng.random((40, 40, 12)) < 0.002
    mask = binary_dilation(mask, iterations=4)
    reach = [int(np.ceil(DEEPEST / s)) for s in SPACING]
    box = (slice(16, 22), slice(10, 20), slice(5, 7))
    outer = tuple(
        slice(max(s.start - r, 0), min(s.stop + r, n)) for s, r, n in zip(box, reach, mask.shape, strict=True)
    )
    inner = tuple(slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))
    np.testing.assert_array_equal(signed_depth(mask, SPACING)[box], signed_depth(mask[outer], SPACING)[inner])
    assert (signed_depth(np.ones((3, 3, 3), bool), SPACING) == DEEPEST).all()


def test_alignment_brings_a_shifted_head_back(cohort):
    labels = phantom.labels()
    shifted = np.roll(labels, 4, axis=1)
    matrix = between(to_standard(labels, SPACING), to_standard(shifted, SPACING), mirrored=False)
    center = matrix @ [23.5, 23.5, 5.5, 1.0]
    np.testing.assert_allclose(center[:3], [23.5, 27.5, 5.5], atol=0.7)


def test_donors_of_similar_size_and_place_are_preferred(translator):
    facts, donors = translator.store.facts, translator.store.donors
    target = facts[3].lesion
    picks = [
        choose(facts, donors, np.array(target.center), target.volume_ml, seed).number for seed in range(60)
    ]
    assert picks.count(3) > 2 * max(picks.count(number) for number in (0, 1, 2))
    assert set(picks) == {0, 1, 2, 3}


def test_lesions_without_a_measured_adc_are_carried_only_where_there_are_no_others(tmp_path, cohort):
    dwi_alone = phantom.write_case(tmp_path / "alone", 30, parts=("lesion", "map"))
    mixed = open_translator(train_translator("copypaste", [dwi_alone, *cohort[:2]], tmp_path / "m").path)
    assert mixed.store.donors == [1, 2]
    proposals = [mixed.propose(seed).images.record for seed in range(12)]
    assumed = [record for record in proposals if record["OutsideLesion"]["ADC"].startswith("assumed")]
    assert 0 < len(assumed) < 12
    alone = open_translator(train_translator("copypaste", [dwi_alone], tmp_path / "a").path)
    assert alone.store.donors == [0]


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
