"""What the procedural lesion source promises."""

from __future__ import annotations

import numpy as np
import pytest

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.lesions.lesion import Lesion, LesionRequest
from StrokeSynthLib.lesions.procedural import ProceduralLesions
from StrokeSynthLib.lesions.source import SOURCES, open_lesions
from StrokeSynthLib.lesions.statistics import describe
from StrokeSynthLib.lesions.territories import ARTERIES, TERRITORIES, TerritoryAtlas
from StrokeSynthLib.randomness import generator
from Testing.builders import small_head


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return small_head(1.5)


@pytest.fixture(scope="module")
def source() -> ProceduralLesions:
    return ProceduralLesions()


def draw(source: ProceduralLesions, head: Anatomy, seed: int = 1, **request: object) -> Lesion:
    return source.draw(head, LesionRequest(**request), generator(seed, "lesion"))  # type: ignore[arg-type]


@pytest.mark.parametrize("territory", sorted(TERRITORIES))
def test_every_territory_gives_a_lesion_inside_parenchyma(
    source: ProceduralLesions, head: Anatomy, territory: str
) -> None:
    lesion = draw(source, head, territory=territory)
    assert lesion.mask.shape == head.labels.shape
    assert lesion.mask.any()
    assert not (lesion.mask & ~head.parenchyma).any()
    assert lesion.record["territory"] == territory


@pytest.mark.parametrize("artery", ["MCA", "ACA", "PCA", "basilar", "cerebellar"])
def test_a_lesion_lies_in_the_territory_asked_for(
    source: ProceduralLesions, head: Anatomy, artery: str
) -> None:
    lesion = draw(source, head, territory=artery, volume_ml=0.4, number=1)
    site = TerritoryAtlas.load().site(lesion.mask, head)
    assert sum(site.shares[part] for part in ARTERIES[artery]) > 0.6


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_lesion_lies_on_the_side_asked_for(source: ProceduralLesions, head: Anatomy, side: str) -> None:
    lesion = draw(source, head, territory="MCA", side=side, volume_ml=3.0)
    x = head.affine[0, 0] * np.nonzero(lesion.mask)[0] + head.affine[0, 3]
    assert ((x < 0) == (side == "left")).mean() > 0.97


def test_both_sides_are_reached_when_asked_for(source: ProceduralLesions, head: Anatomy) -> None:
    lesion = draw(source, head, territory="ACA", side="both", volume_ml=2.0, number=2)
    assert lesion.record["side"] == "both"
    assert lesion.record["components"] == 2


@pytest.mark.parametrize("volume", [0.05, 0.5, 5.0, 20.0])
def test_the_volume_is_met_within_five_percent(
    source: ProceduralLesions, head: Anatomy, volume: float
) -> None:
    lesion = draw(source, head, territory="MCA", side="left", volume_ml=volume)
    measured = lesion.mask.sum() * head.grid.voxel_ml
    assert measured == pytest.approx(volume, rel=0.05)


@pytest.mark.parametrize("number", [1, 3, 6])
def test_the_number_of_separate_lesions_is_met(source: ProceduralLesions, head: Anatomy, number: int) -> None:
    lesion = draw(source, head, volume_ml=4.0, number=number, side="right")
    assert describe(lesion.mask, head.grid.spacing).components == number


def test_the_same_seed_gives_the_same_mask(source: ProceduralLesions, head: Anatomy) -> None:
    first, again = (draw(ProceduralLesions(), head, seed=5) for _ in range(2))
    other = draw(source, head, seed=6)
    assert np.array_equal(first.mask, again.mask)
    assert first.record == again.record
    assert not np.array_equal(first.mask, other.mask)


def test_a_lesion_can_be_grown_again_from_its_plan(source: ProceduralLesions, head: Anatomy) -> None:
    plan = source.plan(head, LesionRequest("MCA", "left", 3.0), generator(3, "lesion"))
    assert np.array_equal(source.apply(head, plan), source.apply(head, plan))


def test_a_volume_that_no_territory_holds_is_refused_with_what_fits(
    source: ProceduralLesions, head: Anatomy
) -> None:
    with pytest.raises(StrokeSynthError, match=r"60\.0 ml do not fit: basilar holds [0-9.]+ ml"):
        draw(source, head, territory="basilar", volume_ml=60.0)


def test_a_lacune_is_small(source: ProceduralLesions, head: Anatomy) -> None:
    with pytest.raises(StrokeSynthError, match=r"lacunar lesions holds 1\.8 ml"):
        draw(source, head, territory="lacunar", volume_ml=10.0)
    assert draw(source, head, territory="lacunar").record["volume_ml"] <= 1.8


def test_an_embolic_shower_reaches_several_arteries(source: ProceduralLesions, head: Anatomy) -> None:
    lesion = draw(source, head, territory="embolic", number=8, volume_ml=1.5)
    shares = TerritoryAtlas.load().site(lesion.mask, head).shares
    by_artery = [sum(shares[part] for part in parts) for parts in ARTERIES.values()]
    assert sum(share > 0.05 for share in by_artery) >= 2
    assert lesion.record["components"] == 8


def test_nothing_asked_gives_a_spread_of_volumes_and_sides(source: ProceduralLesions, head: Anatomy) -> None:
    records = [draw(source, head, seed=seed).record for seed in range(25)]
    volumes = np.array([record["volume_ml"] for record in records])
    assert volumes.max() > 20 * volumes.min()
    assert {"left", "right"} <= {record["side"] for record in records}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"territory": "elbow"}, "--territory elbow"),
        ({"side": "top"}, "--side top"),
        ({"volume_ml": -1.0}, "--volume-ml -1"),
        ({"number": 0}, "--number 0"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    source: ProceduralLesions, head: Anatomy, request_: dict[str, object], words: str
) -> None:
    with pytest.raises(BadInputError, match=words):
        draw(source, head, **request_)


def test_without_a_folder_lesions_are_procedural() -> None:
    assert open_lesions(None).name == "procedural"
    assert {"procedural", "masks"} <= set(SOURCES)
