"""A slice of the preview is the slice of the whole volume, whatever was painted before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.translate import boxes
from StrokeSynthLib.translate.preview import Preview
from StrokeSynthLib.translate.registry import open_translator, train_translator
from StrokeSynthLib.translate.translator import Background, Translator
from StrokeSynthLib.volume import Volume
from Testing.unit import translate_phantom as phantom

#: Slice axis last, first, and last but upside down and with left and right exchanged.
ORIENTATIONS = {
    "axial": ((0, 1, 2), (1, 1, 1)),
    "slices first": ((2, 0, 1), (1, 1, 1)),
    "flipped": ((0, 1, 2), (-1, 1, -1)),
}
CHANNELS = ("dwi", "adc", "b0")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Translator]:
    """The fitted signal model, and untrained networks on top of it, which change a lot."""
    torch = pytest.importorskip("torch")
    from StrokeSynthLib.device import choose_device
    from StrokeSynthLib.translate.networks.translator import NetworkTranslator
    from StrokeSynthLib.translate.physics.translator import PhysicsTranslator
    from StrokeSynthLib.translate.pix2pix.generator import Generator, GeneratorOptions

    folder = tmp_path_factory.mktemp("preview")
    model = train_translator("physics", phantom.write_cohort(folder / "cohort", 2), folder / "physics")
    physics = open_translator(model.path)
    assert isinstance(physics, PhysicsTranslator)
    opened: dict[str, Translator] = {"physics": physics}
    for dimensions in (2, 3):
        torch.manual_seed(dimensions)
        network = Generator(GeneratorOptions(dimensions=dimensions, width=4))
        torch.nn.init.normal_(network.correct.weight, 0.0, 0.1)
        # In two dimensions the frame is coarser than the map, so that interpolation is tried as well.
        spacing = 4.0 if dimensions == 2 else 3.0
        opened[f"pix2pix {dimensions}D"] = NetworkTranslator(
            "pix2pix", network, physics.model, spacing, (32, 32), "", choose_device("cpu")
        )
    return opened


def turned(volume: Volume, orientation: str) -> Volume:
    """The same voxels with their axes in another order or direction."""
    axes, signs = ORIENTATIONS[orientation]
    array, affine = volume.array.transpose(axes), volume.affine[:, [*axes, 3]].copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            array = np.flip(array, axis)
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
    return Volume(np.ascontiguousarray(array), affine, volume.storage)


def strokes() -> Iterator[np.ndarray]:
    """Masks as a user paints them: a brush here and there, also over fluid and air, and an eraser."""
    mask = np.zeros(phantom.SHAPE, np.uint8)
    for x, y, z, value in ((33, 42, 8, 1), (22, 30, 4, 1), (34, 43, 8, 0), (24, 24, 5, 1), (3, 3, 1, 1)):
        mask[x - 2 : x + 3, y - 2 : y + 3, z] = value
        yield mask.copy()


def patient(orientation: str) -> Background:
    content = phantom.signals(5, lesion=False)
    dwi, adc = (Volume(content[name].astype(np.float32), phantom.AFFINE) for name in ("dwi", "adc"))
    return Background(turned(dwi, orientation), turned(adc, orientation))


@pytest.mark.parametrize("name", ["physics", "pix2pix 2D"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("own_background", [False, True])
def test_slices_drawn_after_each_stroke_add_up_to_the_very_volume(
    models: dict[str, Translator], name: str, orientation: str, own_background: bool
) -> None:
    translator = models[name]
    semantic_map = turned(phantom.map_volume(), orientation)
    background = patient(orientation) if own_background else None
    preview = Preview(translator, semantic_map, seed=3, background=background)
    shown = {channel: getattr(preview.draw(), channel) for channel in CHANNELS}
    for mask in strokes():
        lesion = turned(Volume(mask, phantom.AFFINE), orientation)
        out_of_date = preview.change(lesion)
        assert 0 < len(out_of_date) < preview.count, "a stroke changes some slices, not all"
        for some in np.array_split(out_of_date[::-1], 2):  # as the panel does: visible ones first
            drawn = preview.draw(some.tolist())
            place: list[object] = [slice(None)] * 3
            place[preview.axis] = list(drawn.numbers)
            for channel in CHANNELS:
                shown[channel][tuple(place)] = getattr(drawn, channel)
        whole = translator.translate(semantic_map, lesion, seed=3, background=background)
        for channel in CHANNELS:
            np.testing.assert_array_equal(shown[channel], getattr(whole, channel).array)
        assert drawn.record == whole.record


def test_record_comes_when_nothing_is_out_of_date(models: dict[str, Translator]) -> None:
    preview = Preview(models["physics"], phantom.map_volume())
    assert preview.draw([2]).record is None
    assert preview.out_of_date == (0, 1, *range(3, preview.count))
    assert preview.draw().record is not None
    assert preview.out_of_date == ()


def test_same_lesion_again_changes_nothing(models: dict[str, Translator]) -> None:
    preview = Preview(models["physics"], phantom.map_volume())
    preview.change(phantom.lesion_volume())
    preview.draw()
    assert preview.change(phantom.lesion_volume()) == ()


def test_three_dimensional_slices_are_approximate_until_drawn_exactly(models: dict[str, Translator]) -> None:
    translator = models["pix2pix 3D"]
    preview = Preview(translator, phantom.map_volume())
    preview.draw()
    preview.change(phantom.lesion_volume())
    visible = list(preview.out_of_date)[:2]
    rough = preview.draw(visible, exact=False)
    assert rough.approximate
    assert preview.approximate == tuple(visible)
    settled = preview.draw()
    assert not settled.approximate
    assert settled.record is not None
    whole = translator.translate(phantom.map_volume(), phantom.lesion_volume())
    np.testing.assert_array_equal(settled.dwi, whole.dwi.array)
    level = np.percentile(whole.dwi.array, 99)
    assert np.abs(rough.dwi - whole.dwi.array[:, :, visible]).max() < 0.5 * level


def test_two_dimensional_slices_are_never_approximate(models: dict[str, Translator]) -> None:
    preview = Preview(models["pix2pix 2D"], phantom.map_volume())
    assert not preview.draw([3], exact=False).approximate
    assert preview.approximate == ()


def test_lesion_on_another_grid_is_refused(models: dict[str, Translator]) -> None:
    preview = Preview(models["physics"], phantom.map_volume())
    with pytest.raises(BadInputError, match="not on the map's grid"):
        preview.change(Volume(np.zeros((4, 4, 4), np.uint8), phantom.AFFINE))


@pytest.mark.parametrize("numbers", [[], [-1], [99]])
def test_slices_that_do_not_exist_are_refused(models: dict[str, Translator], numbers: list[int]) -> None:
    preview = Preview(models["physics"], phantom.map_volume())
    with pytest.raises(BadInputError, match="there are 0 to 11"):
        preview.draw(numbers)


def test_translators_of_whole_volumes_have_no_preview() -> None:
    class Whole:
        kind, model_hash = "whole", ""

        def translate(self, *arguments: object, **options: object) -> None:
            raise AssertionError

    with pytest.raises(BadInputError, match="whole volumes only"):
        Preview(Whole(), phantom.map_volume())  # type: ignore[arg-type]


def test_changed_box_is_the_smallest() -> None:
    before = np.zeros((5, 6, 7), bool)
    after = before.copy()
    after[1, 2, 3] = after[2, 4, 3] = True
    assert boxes.changed(before, after) == (slice(1, 3), slice(2, 5), slice(3, 4))
    assert boxes.changed(after, after) is None


def test_grown_box_stays_inside_and_is_found_again_in_it() -> None:
    box = (slice(0, 2), slice(4, 6))
    outer = boxes.grown(box, (3, 1), (10, 6))
    assert outer == (slice(0, 5), slice(3, 6))
    array = np.arange(60).reshape(10, 6)
    np.testing.assert_array_equal(array[outer][boxes.within(box, outer)], array[box])


def test_reach_is_that_of_the_smoothing() -> None:
    from StrokeSynthLib.translate.fields import smooth

    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1
    seen = np.argwhere(smooth(point, [3.5, 1.0], [1.0, 2.0]) > 0)  # type: ignore[arg-type]
    reach = boxes.reach_of([3.5, 1.0], [1.0, 2.0])
    assert tuple(seen.max(axis=0) - 20) == reach


def test_model_files_are_untouched(models: dict[str, Translator], tmp_path: Path) -> None:
    """A preview writes nothing."""
    Preview(models["physics"], phantom.map_volume()).draw()
    assert not list(tmp_path.iterdir())
