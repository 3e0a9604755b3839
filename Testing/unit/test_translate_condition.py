"""Networks that see the map alone: nothing of a case reaches them but its map."""

import numpy as np
import pytest

from StrokeSynthLib.cli import main
from StrokeSynthLib.errors import BadInputError, CancelledError
from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.translate.options import TranslatorOptions
from StrokeSynthLib.translate.registry import TRANSLATORS, open_translator, train_translator
from Testing.unit import translate_phantom as phantom

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
torch.set_num_threads(1)

KINDS = [name for name, kind in TRANSLATORS.items() if kind.takes_condition]


def _options(**changes):
    return TranslatorOptions(
        **{"steps": 4, "width": 6, "batch": 2, "device": "cpu", "condition": "map", **changes}
    )


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return phantom.write_cohort(tmp_path_factory.mktemp("cohort"), 3)


@pytest.fixture(scope="module", params=KINDS)
def model(request, cohort, tmp_path_factory):
    return train_translator(request.param, cohort, tmp_path_factory.mktemp(request.param) / "m", _options())


class _Recording(torch.nn.Module):
    """Stands before a painter and keeps the sketches that it gets."""

    def __init__(self, painter):
        super().__init__()
        self.painter, self.sketches = painter, []

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.painter, name)

    def stepwise(self, onehot, sketch, *rest):
        self.sketches.append(sketch.clone())
        return self.painter.stepwise(onehot, sketch, *rest)


def _sketches(translator, seed):
    translator.painter = _Recording(translator.painter)
    with pytest.MonkeyPatch.context() as patch:
        # One slice after the other, so that they are kept in order.
        patch.setattr("StrokeSynthLib.translate.networks.translator.threads", lambda: 1)
        translator.translate(phantom.map_volume(), phantom.lesion_volume(), seed=seed)
    sketches = torch.stack(translator.painter.sketches)
    translator.painter = translator.painter.painter
    return sketches


def test_painter_gets_the_same_for_every_seed(model):
    translator = open_translator(model.path, "cpu")
    assert translator.condition == "map"
    first, second = _sketches(translator, 1), _sketches(translator, 2)
    # Where a skull-stripped image is empty is the seed's: like noise, it comes with the scanner.
    both = (first > 0) & (second > 0)
    assert both.float().mean() > 0.9 * (first > 0).float().mean()
    torch.testing.assert_close(first[both], second[both], rtol=0, atol=0)


def test_painter_gets_another_sketch_for_every_seed_by_default(cohort, tmp_path):
    model = train_translator("pix2pix", cohort, tmp_path / "m", _options(condition="sketch"))
    translator = open_translator(model.path, "cpu")
    assert translator.condition == "sketch"
    first, second = _sketches(translator, 1), _sketches(translator, 2)
    both = (first > 0) & (second > 0)
    assert (first[both] != second[both]).float().mean() > 0.9


def test_lesion_is_shown_and_images_differ_by_noise(model):
    translator = open_translator(model.path, "cpu")
    ill, well, other = (
        translator.translate(phantom.map_volume(), lesion, seed=seed).dwi.array
        for lesion, seed in ((phantom.lesion_volume(), 1), (None, 1), (None, 2))
    )
    lesion, white = phantom.lesion_mask() > 0, phantom.labels() == INDEX["left-white-matter"]
    assert np.median(ill[lesion] - well[lesion]) > 0.1 * np.median(well[white])
    assert not np.array_equal(well, other)


def test_what_the_network_saw_is_on_record(model):
    assert model.training["condition"] == "map"
    assert "nothing that the map does not tell" in (model.path / "card.md").read_text()


def test_sketch_of_a_training_case_says_no_more_than_its_map(cohort):
    """Two cases of one map with other contrast get one sketch."""
    from StrokeSynthLib.progress import silent
    from StrokeSynthLib.translate.examples import load_examples
    from StrokeSynthLib.translate.networks.dataset import Material, make_stacks
    from StrokeSynthLib.translate.networks.translator import fit_all
    from StrokeSynthLib.translate.physics.model import SignalModel

    examples = load_examples(cohort, None, silent)
    fits = fit_all(examples, silent)
    signal = SignalModel.from_fits([fit for fit, _ in fits])
    sketches = {
        condition: [s.images[:2] for s in make_stacks(material, silent)]
        for condition in ("sketch", "map")
        for material in [Material(examples, fits, signal, 2.0, (16, 16), condition)]
    }
    same = [np.array_equal(e.labels, examples[0].labels) for e in examples]
    assert all(same), "the phantom's cases share their map"
    lesion_free = ~np.any([e.lesion for e in examples], axis=0)
    assert lesion_free.any()
    first, second = sketches["map"][:2]
    differing = (first != second).any(0).mean()
    assert differing < 0.1, "but for the lesions"
    first, second = sketches["sketch"][:2]
    assert (first != second).any(0).mean() > 0.2


def test_resuming_with_the_other_condition_is_refused(cohort, tmp_path):
    def stop(event):
        if event.stage.startswith("Training") and event.done == 10:
            raise CancelledError("stopped by the user")

    with pytest.raises(CancelledError):
        train_translator("pix2pix", cohort, tmp_path / "m", _options(steps=12), stop)
    with pytest.raises(BadInputError, match=r"m\.resume"):
        train_translator(
            "pix2pix", cohort, tmp_path / "m", _options(steps=12, resume=True, condition="sketch")
        )


def test_kinds_without_a_network_refuse_it(cohort, tmp_path):
    for kind in set(TRANSLATORS) - set(KINDS):
        with pytest.raises(BadInputError, match=f"--condition map: {kind} has no network"):
            train_translator(kind, cohort, tmp_path / "m", _options())
    with pytest.raises(BadInputError, match="condition both: is not known; choose sketch or map"):
        _options(condition="both")


def test_command_line(tmp_path, capsys):
    for files in phantom.write_cohort(tmp_path / "cohort", 2):
        (tmp_path / "maps").mkdir(exist_ok=True)
        files.semantic_map.rename(tmp_path / "maps" / f"{files.name}_dseg.nii.gz")
    arguments = ["train", "translator", "--cohort", str(tmp_path / "cohort"), "--out", str(tmp_path / "m")]
    arguments += ["--maps", str(tmp_path / "maps")]
    assert main([*arguments, "--kind", "physics", "--condition", "map"]) == 2
    assert "physics has no network" in capsys.readouterr().err
    more = ["--kind", "pix2pix", "--condition", "map", "--steps", "2", "--width", "6", "--device", "cpu"]
    assert main([*arguments, *more]) == 0
    assert open_translator(tmp_path / "m", "cpu").condition == "map"
