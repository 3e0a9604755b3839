"""Studies with a translator that mixes real cases: what it is asked for, and what the report shows of it."""

from types import SimpleNamespace

import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.pipeline.database import DatabaseRecipe
from StrokeSynthLib.study.arms import arm_names, parse_arm
from StrokeSynthLib.study.pages import mixed_section
from StrokeSynthLib.study.runner import _lesion_free_share
from StrokeSynthLib.translate.registry import train_translator
from Testing.unit import translate_phantom as phantom


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with translators as a study makes them: one without lesion-free cases, one with."""
    out = tmp_path_factory.mktemp("study")
    ill = phantom.write_cohort(out / "cohort", 2)
    well = phantom.write_case(out / "well", 9, parts=("b0", "adc", "map"))
    train_translator("copypaste", ill, out / "translators" / "n2-seed0-copypaste")
    train_translator("copypaste", [*ill, well], out / "translators" / "n3-seed0-copypaste")
    train_translator("physics", ill[:1], out / "translators" / "n2-seed0-physics")
    return SimpleNamespace(out=out, device="cpu")


def test_arms_of_copypaste_can_be_asked_for():
    assert {"copypaste", "copypaste-only", "copypaste-healthy"} <= set(arm_names())
    assert not parse_arm("copypaste-healthy").lesions


def test_cases_without_lesion_are_asked_for_only_where_there_are_any(study):
    translators = study.out / "translators"
    assert _lesion_free_share(translators / "n2-seed0-copypaste") == 0.0
    assert _lesion_free_share(translators / "n3-seed0-copypaste") == 0.1
    assert _lesion_free_share(translators / "n2-seed0-physics") == 0.1


def test_healthy_arm_fails_with_what_to_do_where_every_case_has_a_lesion(study):
    recipe = DatabaseRecipe(str(study.out / "translators" / "n2-seed0-copypaste"), lesion_free=1.0)
    with pytest.raises(BadInputError, match="--lesion-free 0"):
        recipe.maker()


def test_healthy_arm_holds_cases_without_lesion(study):
    recipe = DatabaseRecipe(str(study.out / "translators" / "n3-seed0-copypaste"), lesion_free=1.0)
    case = recipe.maker()(1)
    assert not case.lesion.array.any()
    assert case.record["PartlySynthetic"] is True


def test_report_shows_mixed_cases_of_the_translators_that_propose_them(study):
    pytest.importorskip("matplotlib")
    section = mixed_section(study, ["copypaste", "physics"], 2)
    assert len(section.pictures) == 1
    assert "copypaste" in section.pictures[0].caption
