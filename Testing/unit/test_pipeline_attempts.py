"""Images that do not show their lesion are drawn again, within bounds, and every try is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.pipeline.attempts import IMAGES, LESIONS, Attempts
from StrokeSynthLib.pipeline.scenes import Scene
from StrokeSynthLib.pipeline.wishes import LesionWishes
from StrokeSynthLib.translate.translator import SyntheticImages
from StrokeSynthLib.volume import Volume
from Testing.unit.test_evaluate_recoverable import AFFINE, ball, brain, image


@dataclass
class Fickle:
    """A translator that draws the lesion only from the given call on."""

    from_call: int = 0
    seeds: list[int] = field(default_factory=list)
    kind: str = "fickle"
    model_hash: str = ""

    def translate(
        self, semantic_map: Volume, lesion: Volume | None = None, *, seed: int = 0, background: Any = None
    ) -> SyntheticImages:
        assert lesion is not None
        shown = lesion.array * (len(self.seeds) >= self.from_call)
        self.seeds.append(seed)
        dwi, adc = image(shown, 1.5, seed=seed)
        return SyntheticImages(dwi, adc, dwi, 1000.0, {})


@dataclass
class Room:
    """A place whose first few lesions are lost on the grid, or do not fit."""

    lost: int = 0
    unfitting: int = 0
    drawn: int = 0

    def scene(self, request: Any, rng: np.random.Generator) -> Scene:
        self.drawn += 1
        if self.drawn <= self.unfitting:
            raise StrokeSynthError("no lesion fits here.")
        mask = ball((16, 30, 8), 4) if request is not None and self.drawn > self.lost else brain().array * 0
        return Scene(brain(), Volume(mask, AFFINE), "p", {}, {"draw": self.drawn})


def attempts(translator: Fickle, keep: bool = False) -> Attempts:
    return Attempts(translator, LesionWishes(), 5, keep)


def test_the_first_image_is_kept_where_it_shows_the_lesion() -> None:
    drawn = attempts(translator := Fickle()).draw(1, Room(), lesion_free=False)
    assert len(translator.seeds) == 1
    assert [t["recovered"] for t in drawn.tries] == [True]
    assert (drawn.images_refused, drawn.lesions_refused) == (0, 0)


def test_the_same_lesion_is_drawn_again_with_new_seeds_before_another_is_taken() -> None:
    drawn = attempts(translator := Fickle(from_call=IMAGES + 1)).draw(1, Room(), lesion_free=False)
    assert [(t["lesion"], t["image"]) for t in drawn.tries] == [
        *((1, n) for n in range(1, IMAGES + 1)), (2, 1), (2, 2)
    ]  # fmt: skip
    assert len(set(translator.seeds)) == IMAGES + 2
    assert drawn.scene.origin["draw"] == 2
    assert (drawn.images_refused, drawn.lesions_refused) == (IMAGES + 1, 1)


def test_it_ends_with_the_reason_when_no_try_helps() -> None:
    translator = Fickle(from_call=10**9)
    with pytest.raises(
        StrokeSynthError, match=r"case 7: none of 18 tries .*18 x not brighter.*--resume --keep-unr"
    ):
        attempts(translator).draw(7, Room(), lesion_free=False)
    assert len(translator.seeds) == IMAGES * LESIONS == 18


def test_asked_to_keep_them_it_keeps_the_first_when_no_try_helps_and_says_so() -> None:
    drawn = attempts(translator := Fickle(from_call=10**9), keep=True).draw(1, Room(), lesion_free=False)
    assert len(translator.seeds) == len(drawn.tries) == IMAGES * LESIONS
    assert not drawn.recovered
    assert [number for number, t in enumerate(drawn.tries) if t.get("kept")] == [0]
    assert drawn.scene.origin["draw"] == 1
    assert (drawn.images_refused, drawn.lesions_refused) == (IMAGES * LESIONS, 0)
    first, _ = image(ball((16, 30, 8), 4) * 0, 1.5, seed=translator.seeds[0])
    np.testing.assert_array_equal(drawn.images.dwi.array, first.array)


def test_keeping_them_changes_no_case_that_comes_out_right() -> None:
    def drawn(keep: bool) -> tuple[Any, ...]:
        found = attempts(Fickle(from_call=4), keep).draw(1, Room(lost=1), lesion_free=False)
        return found.tries, found.images.dwi.array.tobytes(), found.recovered, found.lesions_refused

    assert drawn(keep=True) == drawn(keep=False)


def test_where_no_image_was_drawn_there_is_nothing_to_keep() -> None:
    for keep in (False, True):
        with pytest.raises(
            StrokeSynthError, match=r"6 x lost on the image's grid\).*other places"
        ) as failure:
            attempts(Fickle(), keep).draw(1, Room(lost=100), lesion_free=False)
        assert "--keep-unrecoverable" not in str(failure.value), "it would not help"


def test_a_lesion_that_is_lost_or_does_not_fit_is_replaced_without_drawing_an_image() -> None:
    drawn = attempts(translator := Fickle()).draw(1, Room(lost=1), lesion_free=False)
    assert len(translator.seeds) == 1
    assert drawn.tries[0]["reason"] == "lost on the image's grid"
    assert drawn.lesions_refused == 1
    drawn = attempts(Fickle()).draw(1, Room(unfitting=2), lesion_free=False)
    assert [t["lesion"] for t in drawn.tries] == [1, 2, 3]


def test_tries_follow_from_the_number_alone() -> None:
    first, second = Fickle(from_call=2), Fickle(from_call=2)
    attempts(first).draw(3, Room(), lesion_free=False)
    attempts(second).draw(2, Room(), lesion_free=False)
    second.seeds.clear()
    attempts(second).draw(3, Room(), lesion_free=False)
    assert first.seeds == second.seeds


def test_a_case_without_a_lesion_is_not_tested() -> None:
    drawn = attempts(Fickle()).draw(1, Room(), lesion_free=True)
    assert (drawn.tries, drawn.request) == ((), None)


def test_wishes_are_drawn_within_their_limits() -> None:
    wishes = LesionWishes(("MCA", "PCA"), ("left",), (5.0, 50.0))
    rng = np.random.default_rng(0)
    drawn = [wishes.draw(rng) for _ in range(200)]
    assert {r.territory for r in drawn} == {"MCA", "PCA"}
    assert {r.side for r in drawn} == {"left"}
    volumes = [r.volume_ml or 0.0 for r in drawn]
    assert 5 <= min(volumes) <= max(volumes) <= 50
    assert 12 < np.median(volumes) < 20, "evenly on a logarithmic scale"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"territories": ("Nile",)}, "--territory Nile"),
        ({"sides": ("up",)}, "--side up"),
        ({"volume_ml": (9.0, 2.0)}, "--volume-ml 9 2"),
    ],
)
def test_wishes_that_cannot_be_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        LesionWishes(**given)
