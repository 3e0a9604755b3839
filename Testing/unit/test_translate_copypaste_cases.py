"""copypaste: whole cases out of two people's images, and the parts that it is made of."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.translate.copypaste import carve
from StrokeSynthLib.translate.copypaste.alignment import between, to_standard
from StrokeSynthLib.translate.copypaste.choice import choose
from StrokeSynthLib.translate.copypaste.donor import DEEPEST, donor_of, signed_depth
from StrokeSynthLib.translate.examples import IS_PARENCHYMA, load_examples
from StrokeSynthLib.translate.physics.mixing import fit_case
from StrokeSynthLib.translate.proposal import Proposer
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.translate.signal import adc_from, dwi_from
from Testing.unit import translate_phantom as phantom
from Testing.unit.copypaste_cohort import SPACING, write_mixable


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_mixable(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def model(cohort, tmp_path_factory):
    return train_translator("copypaste", cohort, tmp_path_factory.mktemp("models") / "copypaste")


@pytest.fixture(scope="module")
def translator(model):
    return open_translator(model.path)


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
