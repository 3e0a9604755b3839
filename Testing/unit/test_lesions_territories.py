"""Territories, their names, and the numbers that describe a mask."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.lesions.statistics import describe, without_dust
from StrokeSynthLib.lesions.territories import PARTS, TERRITORIES, TerritoryAtlas, find_territory
from Testing.builders import SMALL_HEAD_SCALE, small_head


def cloud(center: tuple[float, float, float], spread: float = 2.0) -> np.ndarray:
    points = np.random.default_rng(0).normal(0.0, spread, (3, 200))
    return np.asarray(points + np.array(center)[:, None])


@pytest.mark.parametrize(
    ("center", "part", "side"),
    [
        ((-25.0, 2.0, 4.0), "MCA-lateral-lenticulostriate", "left"),
        ((5.0, 45.0, 20.0), "ACA", "right"),
        ((-12.0, -85.0, 5.0), "PCA-occipital", "left"),
        ((25.0, -60.0, -45.0), "inferior-cerebellar", "right"),
        ((0.0, -25.0, -35.0), "basilar", "both"),
    ],
)
def test_a_place_is_named_by_its_artery(center: tuple[float, float, float], part: str, side: str) -> None:
    site = TerritoryAtlas.load().site_of_points(cloud(center))
    assert (site.part, site.side) == (part, side)
    assert sum(site.shares.values()) == pytest.approx(1.0)


def test_a_mask_on_an_anatomy_is_named_through_its_correspondence() -> None:
    head = small_head(1.5)
    mask = np.zeros(head.labels.shape, bool)
    place = np.array([-25.0, 2.0, 4.0]) * SMALL_HEAD_SCALE
    voxel = np.rint(np.linalg.inv(head.affine)[:3] @ [*place, 1.0]).astype(int)
    mask[tuple(slice(v - 1, v + 2) for v in voxel)] = True
    site = TerritoryAtlas.load().site(mask, head)
    assert (site.part, site.side) == ("MCA-lateral-lenticulostriate", "left")


def test_the_atlas_is_symmetric_and_no_point_belongs_to_more_than_all() -> None:
    atlas = TerritoryAtlas.load()
    left, right = atlas.sided
    assert np.array_equal(left, right[:, ::-1])
    assert atlas.sided.sum(axis=(0, 1)).max() <= 1.02
    assert atlas.left.shape[0] == len(PARTS)


def test_names_are_found_in_any_case_and_unknown_ones_listed() -> None:
    assert find_territory("mca") is TERRITORIES["MCA"]
    with pytest.raises(BadInputError, match=r"knee.*MCA.*border-zone"):
        find_territory("knee")


def test_a_ball_is_a_sphere_of_its_volume() -> None:
    index = np.indices((40, 40, 40)) - 20
    statistics = describe((index**2).sum(axis=0) <= 12**2, (1.0, 1.0, 1.0))
    assert statistics.volume_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.02)
    assert statistics.sphericity == pytest.approx(1.0, abs=0.05)
    assert statistics.components == 1


def test_pieces_count_from_ten_cubic_millimeters() -> None:
    mask = np.zeros((30, 10, 10), bool)
    mask[1:4, 1:4, 1:4] = True  # 27 voxels
    mask[8:10, 1:3, 1:3] = True  # 8 voxels
    mask[20, 1:10, 5] = True  # 9 voxels of 1 mm, 18 mm^3 at 2 mm spacing along one axis
    assert describe(mask, (1.0, 1.0, 1.0)).components == 1
    assert describe(mask, (1.0, 1.0, 2.0)).components == 3
    assert describe(mask, (1.0, 1.0, 1.0), smallest=1).components == 3
    assert describe(mask, (1.0, 1.0, 1.0)).largest_share == pytest.approx(27 / 44)


def test_an_empty_mask_has_no_volume_and_no_pieces() -> None:
    statistics = describe(np.zeros((5, 5, 5), bool), (1.0, 1.0, 1.0))
    assert (statistics.volume_ml, statistics.components, statistics.pieces_ml) == (0.0, 0, ())


def test_dust_is_removed_by_size() -> None:
    mask = np.zeros((12, 4, 4), bool)
    mask[0:3, 1, 1] = True
    mask[6:8, 1, 1] = True
    assert without_dust(mask, 3).sum() == 3
