"""Model folders: whole or refused, hashed over what they compute with."""

import hashlib
import json

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.modelfolder import find_model, model_hash, open_model, save_model


def saved(folder, **changes):
    arguments = {
        "kind": "unet",
        "config": {"channels": [8, 16]},
        "training": {"seed": 1},
        "arrays": {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T},
        "card": "# Card\n",
    }
    return save_model(folder, **(arguments | changes))


def test_what_is_saved_is_opened(tmp_path):
    model = saved(tmp_path / "m")
    again = open_model(tmp_path / "m", "unet")
    assert again == model
    assert again.config == {"channels": [8, 16]}
    np.testing.assert_array_equal(again.arrays()["w"], np.arange(6).reshape(2, 3).T)
    assert (tmp_path / "m" / "card.md").read_text() == "# Card\n"


def test_the_hash_follows_weights_and_settings_but_not_the_card(tmp_path):
    first = saved(tmp_path / "a")
    assert saved(tmp_path / "b").hash == first.hash
    assert saved(tmp_path / "c", card="other").hash == first.hash
    assert saved(tmp_path / "d", config={}).hash != first.hash
    assert saved(tmp_path / "e", arrays={"w": np.zeros(1, np.float32)}).hash != first.hash
    assert model_hash(tmp_path / "a") == first.hash


def test_saving_again_replaces_a_model_but_nothing_else(tmp_path):
    saved(tmp_path / "m")
    assert saved(tmp_path / "m", config={"new": 1}).config == {"new": 1}
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("x")
    with pytest.raises(BadInputError, match="not a model folder"):
        saved(tmp_path / "photos")
    assert (tmp_path / "photos" / "a.jpg").exists()


def test_another_kind_is_refused(tmp_path):
    saved(tmp_path / "m")
    with pytest.raises(BadInputError, match="kind unet; one of pix2pix"):
        open_model(tmp_path / "m", "pix2pix")


def test_another_schema_is_refused(tmp_path):
    saved(tmp_path / "m")
    path = tmp_path / "m" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": "0"}))
    with pytest.raises(BadInputError, match="tissue classes 0"):
        open_model(tmp_path / "m")


@pytest.mark.parametrize("content", ["{}", "[]", "no json", '{"kind": "x", "schema": "1"}'])
def test_a_broken_description_is_refused(tmp_path, content):
    saved(tmp_path / "m")
    (tmp_path / "m" / "model.json").write_text(content)
    with pytest.raises(BadInputError, match=r"model\.json"):
        open_model(tmp_path / "m")


def test_missing_and_damaged_weights_are_refused(tmp_path):
    model = saved(tmp_path / "m")
    (tmp_path / "m" / "weights.safetensors").write_bytes(b"broken")
    with pytest.raises(BadInputError, match="damaged"):
        model.arrays()
    (tmp_path / "m" / "weights.safetensors").unlink()
    with pytest.raises(BadInputError, match="incomplete"):
        model.arrays()


def test_a_name_that_is_nowhere_is_said():
    with pytest.raises(BadInputError, match="no model here"):
        find_model("no-such-model")


def test_the_hash_can_be_made_by_hand(tmp_path):
    model = saved(tmp_path / "m")
    names = ["model.json", "weights.safetensors"]
    sums = [hashlib.sha256((tmp_path / "m" / name).read_bytes()).hexdigest() for name in names]
    text = "".join(f"{name} {checksum}\n" for name, checksum in zip(names, sums, strict=True))
    assert model.hash == hashlib.sha256(text.encode()).hexdigest()
