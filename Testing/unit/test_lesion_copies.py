"""Copied lesion masks are found whatever was done to them; other people's masks and round ones are not."""

from dataclasses import replace
from functools import lru_cache
from itertools import islice

import numpy as np
import pytest
from scipy import ndimage

from StrokeSynthLib.evaluate.lesion_alignment import lay_over
from StrokeSynthLib.evaluate.lesion_copies import (
    LIMITS,
    SAME_VOXELS,
    compared,
    highest,
    lesion_evidence,
    limit,
    same_voxels,
)
from StrokeSynthLib.evaluate.lesion_shapes import LesionShape
from StrokeSynthLib.evaluate.measured import Measured
from StrokeSynthLib.evaluate.standard import StandardCase
from StrokeSynthLib.lesions.masks import MaskFolder, held_out_names, person_of
from StrokeSynthLib.volume import Volume
from Testing.mask_changes import CHANGES, Head, drawn
from Testing.paths import NO_SHARED, SHARED

PEOPLE = 8


@lru_cache(maxsize=32)
def blob(seed: int) -> Volume:
    """An irregular mask of some 15 ml in a head that lies straight in standard space."""
    rng = np.random.default_rng(seed)
    shape = (96, 96, 96)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 5)
    index = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    field = field / field.std() - 4 * (index**2).sum(axis=0)
    affine = np.eye(4)
    affine[:3, 3] = -48 + rng.uniform(-20, 20, 3)
    return Volume((field > np.quantile(field, 0.983)).astype(np.uint8), affine)


def ball(radii: tuple[float, float, float]) -> Volume:
    index = np.stack(np.meshgrid(*[np.arange(-30, 31)] * 3, indexing="ij"))
    inside = sum((axis / r) ** 2 for axis, r in zip(index, radii, strict=True)) <= 1
    return Volume(inside.astype(np.uint8), np.eye(4))


def head(seed: int) -> Head:
    return Head.draw(np.random.default_rng([seed, 7]))


def shape(seed: int) -> LesionShape:
    own = head(seed)
    return LesionShape.of(drawn(blob(seed), own.pose, own), own.pose)


def case(name: str, person: str, lesion: LesionShape | None) -> Measured:
    return Measured(
        name, person, False, name, StandardCase({}, np.eye(4)), lesion, {}, {}, {}, (), float("nan")
    )  # fmt: skip


@pytest.fixture(scope="module")
def people() -> list[LesionShape]:
    return [shape(seed) for seed in range(PEOPLE)]


@pytest.mark.parametrize("kind", [kind for kind in CHANGES if kind != "eroded"])
def test_a_copied_mask_is_found(people, kind):
    own, host = head(2), head(40)
    copy = CHANGES[kind](drawn(blob(2), own.pose, own), own, host, np.random.default_rng(3))
    best = max(compared([LesionShape.of(copy, host.pose)], people), key=lambda pair: pair.evidence)
    assert best.evidence >= 1
    assert best.second == 2
    assert best.mirrored == (kind in ("mirrored", "mirrored, turned, scaled, other voxels"))


def test_masks_of_other_people_are_no_copies(people):
    assert highest(compared([shape(seed) for seed in range(20, 26)], people)) < 1


def test_round_masks_are_alike_and_nobodys():
    """Ellipsoids of a few percent difference fit each other nearly perfectly: that says nothing."""
    first, second = (LesionShape.of(ball(radii), np.eye(4)) for radii in ((14, 12, 10), (13, 12, 11)))
    assert lay_over(first, second, False, np.zeros(3)).dice > 0.98
    assert first.individual < 0.02
    assert highest(compared([first], [second])) < 1


def test_an_irregular_mask_is_individual(people):
    assert min(each.individual for each in people) > 0.1


def test_a_mask_is_turned_and_scaled_onto_another():
    matrix = np.eye(4)
    angle = np.radians(8)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, :3] *= 1.06
    straight = Head(np.eye(4), np.full(3, 1.5), np.zeros(3))
    original = LesionShape.of(blob(5), np.eye(4))
    turned = LesionShape.of(drawn(blob(5), matrix, straight), np.eye(4))
    fit = lay_over(original, turned, False, np.zeros(3))
    assert fit.dice > 0.94
    assert fit.linear == pytest.approx(matrix[:3, :3], abs=0.04)
    assert fit.difference > 1 - fit.dice


def test_the_same_voxels_are_a_copy_however_small_and_on_whatever_grid():
    rng = np.random.default_rng(0)
    small = Volume((rng.random((4, 4, 3)) < 0.6).astype(np.uint8), np.diag([1.0, 1.0, 5.0, 1.0]))
    assert small.array.sum() >= SAME_VOXELS
    other = Volume((rng.random((4, 4, 3)) < 0.6).astype(np.uint8), small.affine)
    finer = replace(small, affine=np.diag([1.4, 1.4, 6.0, 1.0]))
    mirrored = Volume(small.array[::-1], small.affine)
    masks = [LesionShape.of(mask, np.eye(4)) for mask in (finer, mirrored, other)]
    known = LesionShape.of(small, np.eye(4))
    assert same_voxels(masks, [known]) == {0: (0, False), 1: (0, True)}


def test_few_voxels_that_are_the_same_are_chance():
    square = Volume(np.ones((3, 3, 2), np.uint8), np.eye(4))
    shapes = [LesionShape.of(square, np.eye(4))]
    assert not same_voxels(shapes, shapes)


def test_the_limit_grows_with_the_volume():
    values = [limit(volume) for volume in (0.1, 0.5, 1.0, 5.0, 20.0, 200.0)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0, LIMITS[-1])


def test_copies_are_named_with_their_case_and_side(people):
    real = [case(f"r{n}", f"r{n}", each) for n, each in enumerate(people)]
    own, host = head(3), head(41)
    copy = CHANGES["mirrored"](drawn(blob(3), own.pose, own), own, host, np.random.default_rng(0))
    synthetic = [
        case("s0", "s0", None),
        case("s1", "s1", shape(30)),
        case("s2", "s2", LesionShape.of(copy, host.pose)),
    ]
    found = lesion_evidence(synthetic, real)
    assert found is not None
    assert [(each.case, each.real, each.mirrored) for each in found.copied] == [(2, 3, True)]
    assert (found.compared, found.control_masks) == (2, PEOPLE)


def test_a_person_under_two_names_does_not_hide_copies(people):
    """The control then holds a pair of strangers that are alike; a plain copy is found all the same."""
    real = [case(f"r{n}", f"r{n}", each) for n, each in enumerate([*people, people[0]])]
    found = lesion_evidence([case("s0", "s0", people[4])], real)
    assert found is not None
    assert found.threshold > 1
    assert [(each.case, each.real) for each in found.copied] == [(0, 4)]


def test_masks_of_one_person_are_no_control(people):
    again = [case("r0", "same", people[0]), case("r1", "same", people[0]), case("r2", "other", people[1])]
    found = lesion_evidence([case("s0", "s0", shape(30))], again)
    assert found is not None
    assert found.control_highest < 1


def test_without_masks_nothing_is_said():
    assert lesion_evidence([case("s0", "s0", None)], [case("r0", "r0", shape(0))]) is None
    assert lesion_evidence([case("s0", "s0", shape(0))], [case("r0", "r0", None)]) is None


@pytest.mark.skipif(not SHARED.exists(), reason=NO_SHARED)
def test_real_masks_of_strangers_pass_and_planted_ones_fail():
    """12 real cases, 8 honest ones of other people; copies of four that were turned or resliced."""
    unseen = set(held_out_names())
    source = MaskFolder(SHARED / "lesions")
    paths = [path for path in source.paths[::9] if person_of(path) not in unseen]
    opened = (mask for path in paths if (mask := source.open(path)) is not None)
    masks = list(islice((mask for mask in opened if mask.volume_ml > 15), 20))
    assert len(masks) == 20
    heads = [head(n) for n in range(20)]
    scans = [
        drawn(Volume(mask.unpacked().astype(np.uint8), mask.grid.affine), own.pose, own)
        for mask, own in zip(masks, heads, strict=True)
    ]
    shapes = [LesionShape.of(scan, own.pose) for scan, own in zip(scans, heads, strict=True)]
    real = [case(mask.name, mask.name, each) for mask, each in zip(masks[:12], shapes[:12], strict=True)]
    honest = [case(f"s{n}", f"s{n}", each) for n, each in enumerate(shapes[12:])]
    found = lesion_evidence(honest, real)
    assert found is not None
    assert not found.copied
    planted = []
    for n in range(4):
        change = CHANGES["resliced" if n % 2 else "turned"]
        copy = change(scans[n], heads[n], heads[n + 12], np.random.default_rng(n))
        planted.append(case(f"c{n}", f"c{n}", LesionShape.of(copy, heads[n + 12].pose)))
    caught = lesion_evidence([*planted, *honest[4:]], real)
    assert caught is not None
    right = [each for each in caught.copied if each.case == each.real]
    assert len(right) >= 3
    assert len(right) == len(caught.copied)
