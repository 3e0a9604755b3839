"""How many pieces a learned lesion has, how they share its volume, and how they lie to each other."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.lesions.learned.arrangement import Arrangement
from StrokeSynthLib.lesions.learned.crops import SIZE, Piece, pieces_of
from StrokeSynthLib.lesions.learned.neighbors import Hemisphere, Occupied
from StrokeSynthLib.lesions.learned.sharing import draw_number, draw_shares, draw_sides, fit_sharing
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.statistics import SMALLEST_COUNTED_ML
from StrokeSynthLib.lesions.territories import TerritoryAtlas
from Testing.unit.lesion_balls import GRID, ball


def lesion_of(volumes: list[float], person: str) -> list[Piece]:
    """Pieces of those volumes (ml), all in the middle cerebral artery of the left."""
    center, crop = (-40.0, -20.0, 20.0), np.zeros((SIZE, SIZE, SIZE), np.float16)
    return [Piece(person, center, 10.0, v, False, (0, 1.0, 0, 0, 0, 0), crop) for v in volumes]


def test_number_and_shares_of_pieces_are_those_of_the_lesions_that_were_seen() -> None:
    rng = np.random.default_rng(0)
    small = [lesion_of([1.0], f"a{n}") for n in range(40)]
    large = [lesion_of([60.0, 20.0, 10.0 + 0.1 * n], f"b{n}") for n in range(40)]
    tables = fit_sharing([*small, *large])
    assert {draw_number(tables, 1.0, 1, (1, 24), rng) for _ in range(30)} == {1}
    assert {draw_number(tables, 90.0, 1, (1, 24), rng) for _ in range(30)} == {3}
    assert draw_number(tables, 90.0, 1, (5, 5), rng) == 5, "a number that was asked for is kept"
    shares = np.array([draw_shares(tables, 90.0, 3, rng) for _ in range(50)])
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert shares[:, 0].mean() == pytest.approx(60 / 92, abs=0.02)
    assert shares[:, 1].mean() == pytest.approx(20 / 92, abs=0.02)


def test_no_piece_is_planned_that_would_not_be_counted() -> None:
    rng = np.random.default_rng(0)
    tables = fit_sharing([lesion_of([1.0, 0.02, 0.01], f"a{n}") for n in range(20)])
    for volume, number in ((0.05, 5), (0.06, 3), (0.3, 8)):
        shares = draw_shares(tables, volume, number, rng)
        assert len(shares) == number
        assert min(shares) * volume >= SMALLEST_COUNTED_ML - 1e-9
        assert (np.diff(shares) <= 1e-9).all()
    assert draw_number(tables, 0.025, 1, (1, 24), rng) <= 2, "three of 10 mm^3 do not fit"


def test_sides_are_those_asked_for_else_as_often_as_seen() -> None:
    rng = np.random.default_rng(0)
    tables = fit_sharing([lesion_of([2.0, 1.0], f"a{n}") for n in range(40)])
    assert draw_sides(tables, 4, "left", rng) == [False] * 3
    assert any(draw_sides(tables, 4, "both", rng))
    assert not any(draw_sides(tables, 2, None, rng)[0] for _ in range(30)), "none was seen on the other side"


def test_distances_are_from_the_surface_on_either_side() -> None:
    hemisphere = Hemisphere(TerritoryAtlas.load())
    occupied = Occupied(hemisphere)
    points = np.array([[-40.0, -40.0], [0.0, 2.0], [20.0, 20.0]])
    occupied.add(points, 2.0, False)
    wanted = np.linalg.norm(hemisphere.points[..., None] - points[:, None], axis=0).min(axis=1) - 1.0
    near = wanted < 50.0
    assert occupied.away[0][near] == pytest.approx(wanted[near], rel=0.11)
    assert occupied.away[1].min() > 35.0, "the other side is far from it"
    before = occupied.away[1].copy()
    occupied.add(points, 2.0, True)
    assert occupied.away[1].min() < 5.0
    assert (occupied.away[1] <= before).all()


def test_further_pieces_lie_as_near_as_those_that_were_seen() -> None:
    atlas, rng = TerritoryAtlas.load(), np.random.default_rng(0)
    gaps = []
    for gap in (6.0, 40.0):
        lesions = []
        for number in range(12):
            first = ball((-35, 10, 4 + number), 8) | ball((-35, 10 - 8 - gap - 4, 4 + number), 4)
            lesions.append(pieces_of(first, GRID, f"p{number}", atlas))
        fitted = Arrangement.fit(lesions, atlas)
        plan = fitted.draw(LesionRequest("MCA", "left"), None, (1e-5, 1.0), 2e-3, 2, 2, atlas, rng)
        occupied = Occupied(Hemisphere(atlas))
        occupied.add(np.array([[-35.0], [10.0], [10.0]]), 16.0, False)
        asks = [fitted.further(plan.main, 2e-4, False, occupied, atlas, rng) for _ in range(20)]
        away = [np.linalg.norm(np.array(ask.center) - [-35, 10, 10]) - 8 - 4 for ask in asks]
        gaps.append(np.median(away))
    assert gaps[0] == pytest.approx(6.0, abs=6.0)
    assert gaps[1] == pytest.approx(40.0, abs=12.0)
