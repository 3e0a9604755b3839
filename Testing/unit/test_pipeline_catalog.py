"""What is shipped is listed from the model folders themselves, each with its card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.modelfolder import open_model, save_model, shipped_models
from StrokeSynthLib.pipeline.catalog import card_of, shipped, summary_of


def test_every_shipped_model_is_listed_with_its_hash_and_license() -> None:
    listed = {model.name: model for model in shipped()}
    assert sorted(listed) == shipped_models()
    for name, model in listed.items():
        assert model.hash == open_model(name).hash
        assert "Apache-2.0" in model.license
        assert 0 < model.megabytes <= 8
        assert card_of(name).startswith(f"# {model.title}")


@pytest.mark.parametrize(
    ("card", "license_line"),
    [
        ("# T\n\nLicense: CC BY 4.0,\nfor everyone.\n\nMore.", "CC BY 4.0, for everyone."),
        ("# T\n\n**License.** Apache-2.0\n\n# More", "Apache-2.0"),
        ("# T\n- **License**: MIT\n- **Other**: x", "MIT"),
        ("# T\n\nNothing here.", "not stated"),
    ],
)
def test_license_is_read_from_the_card(tmp_path: Path, card: str, license_line: str) -> None:
    save_model(tmp_path / "m", kind="k", config={}, training={}, arrays={"a": np.ones(2)}, card=card)
    assert summary_of(tmp_path / "m").license == license_line


def test_the_command_lists_models_and_shows_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    for name in shipped_models():
        assert f"{name} " in listed
        assert open_model(name).hash[:12] in listed
    assert main(["models", "threshold"]) == 0
    assert capsys.readouterr().out.strip() == card_of("threshold").strip()


def test_programs_get_the_list_as_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--progress", "json"]) == 0
    values = json.loads(capsys.readouterr().out.splitlines()[-1])["values"]["models"]
    assert [model["name"] for model in values] == shipped_models()


def test_an_unknown_model_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "nope"]) == 2
    assert "none of that name is shipped" in capsys.readouterr().err
    with pytest.raises(BadInputError):
        card_of("nope")
