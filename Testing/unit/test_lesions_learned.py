"""Learned lesions: crops, statistics, both kinds of model, and the source that draws from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.cli import main
from StrokeSynthLib.errors import BadInputError, CancelledError, StrokeSynthError
from StrokeSynthLib.lesions.learned.arrangement import Arrangement
from StrokeSynthLib.lesions.learned.crops import (
    SIZE,
    Piece,
    conditions,
    crop_grid,
    pieces_of,
    voxel_mm,
)
from StrokeSynthLib.lesions.learned.options import LesionTrainingOptions
from StrokeSynthLib.lesions.learned.shape import ShapeModel, at_volume, doubled, fit_shape, halved
from StrokeSynthLib.lesions.learned.source import LearnedLesions
from StrokeSynthLib.lesions.learned.training import Material, gather, train_lesions, train_on
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.lesions.masks import held_out_names
from StrokeSynthLib.lesions.source import LEARNED, is_model, open_lesions
from StrokeSynthLib.lesions.statistics import SMALLEST_COUNTED_ML, pieces
from StrokeSynthLib.lesions.territories import TerritoryAtlas
from StrokeSynthLib.modelfolder import ModelFolder, open_model
from StrokeSynthLib.progress import ProgressEvent, silent
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.volume import Volume, write_volume
from Testing.builders import small_head
from Testing.unit.lesion_balls import GRID, ball

TINY = LesionTrainingOptions(steps=2, batch=2, critic_steps=1, threads=1, device="cpu", modes=6)


def masks(number: int) -> list[np.ndarray]:
    """Balls of several sizes in the white matter of either side, some with a second one."""
    rng = np.random.default_rng(5)
    found = []
    for index in range(number):
        side = -1.0 if index % 2 else 1.0
        center = (side * rng.uniform(25, 40), rng.uniform(-40, 20), rng.uniform(0, 30))
        mask = ball(center, rng.uniform(4, 16))
        if index % 3 == 0:
            mask |= ball((-center[0], center[1], center[2]), 4.5)
        found.append(mask)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masks of twelve people, two of whom shall be held out."""
    path = tmp_path_factory.mktemp("masks")
    for number, mask in enumerate(masks(12)):
        write_volume(path / f"sub-{number:02d}_lesion.nii.gz", Volume(mask.astype(np.uint8), GRID.affine))
    return path


@pytest.fixture(scope="module")
def material(folder: Path) -> Material:
    """What is learned from in these tests."""
    return gather(folder, ["sub-00", "sub-01"])


@pytest.fixture(scope="module")
def shape_model(material: Material, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A shape model of ten people."""
    return train_on("shape", material, tmp_path_factory.mktemp("models") / "shape", TINY, silent)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    """Someone of the shipped population."""
    return PopulationModel.load().sample(0, 7)


# Crops


def test_each_connected_piece_is_taken_apart_the_largest_first_and_dust_is_left_out() -> None:
    atlas = TerritoryAtlas.load()
    mask = ball((35, -20, 20), 3) | ball((-35, -20, 20), 6)
    dust = mask.copy()
    dust[10, 10, 10] = True
    for one in (mask, dust):
        found = pieces_of(one, GRID, "a", atlas)
        assert [p.mirrored for p in found] == [False, True]
        assert all(p.center[0] < 0 for p in found), "both lie on the left"


def test_a_crop_is_positive_inside_and_holds_the_volume_and_the_place() -> None:
    member = ball((33, -20, 20), 10)
    (piece,) = pieces_of(member, GRID, "a", TerritoryAtlas.load())
    step = voxel_mm(piece.extent_mm)
    middle = SIZE // 2
    assert piece.crop[middle, middle, middle] == 1.0
    assert piece.crop[0, 0, 0] == -1.0
    assert (piece.crop > 0).sum() * step**3 / 1000 == pytest.approx(piece.volume_ml, rel=0.06)
    assert piece.extent_mm == pytest.approx(20, abs=2.1)
    grid = crop_grid(np.array(piece.center), step, piece.mirrored)
    inside = grid.affine[:3, :3] @ np.array(np.nonzero(piece.crop > 0)) + grid.affine[:3, 3:]
    assert inside.mean(axis=1) == pytest.approx([33, -20, 20], abs=0.7), "brought back to its own side"


def test_conditions_are_small_numbers_even_for_the_largest_and_smallest() -> None:
    for extent, volume in ((4.0, 0.01), (160.0, 400.0)):
        found = conditions(np.array([-35.0, -20.0, 20.0]), extent, volume, np.full(6, 1 / 6))
        assert np.abs(found).max() <= 4.0
        assert np.isfinite(found).all()


# People, statistics


def test_held_out_people_take_no_part(folder: Path, material: Material) -> None:
    assert set(material.persons) == {f"sub-{n:02d}" for n in range(2, 12)}
    assert material.held_out == 2
    assert {c.person for c in material.pieces} == set(material.persons)
    with pytest.raises(BadInputError, match="3 usable masks are left"):
        gather(folder, [f"sub-{n:02d}" for n in range(9)])
    assert len(held_out_names()) == 200, "what is held out where nothing else is said"


def test_people_are_held_out_by_the_names_of_their_files_too(folder: Path) -> None:
    found = gather(folder, ["sub-00_lesion.nii.gz", "sub-01_lesion", "sub-02"])
    assert set(found.persons) == {f"sub-{n:02d}" for n in range(3, 12)}


def test_a_name_that_holds_out_nobody_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "unseen.txt"
    names.write_text("# people\nsub-00\n01\n02\nsub-03\nsub-99\npatient\n")
    words = ["train", "lesions", "--masks", folder, "--out", tmp_path / "model", "--held-out", names]
    assert main([*map(str, words), "--progress", "none"]) == 2
    said = capsys.readouterr().err
    assert "--held-out: 4 of its 6 names are of no mask" in said
    assert "(01, 02, sub-99, ...)" in said
    assert "such as sub-00" in said
    assert not (tmp_path / "model").exists()


def test_statistics_follow_the_request(material: Material) -> None:
    atlas, rng = TerritoryAtlas.load(), np.random.default_rng(0)
    fitted = Arrangement.fit(material.lesions, atlas)
    for _ in range(20):
        plan = fitted.draw(LesionRequest(side="right"), None, (1e-5, 1.0), 0.01, 12, 1, atlas, rng)
        assert plan.main.right
        assert plan.main.center[0] <= 0
        assert not any(across for _, across in plan.further)
        assert plan.share == pytest.approx(0.01)
        assert all(share <= plan.main.share + 1e-12 for share, _ in plan.further)
    plan = fitted.draw(LesionRequest(side="both"), None, (1e-5, 1.0), None, 12, 2, atlas, rng)
    assert any(across for _, across in plan.further)


# The shape model


def test_halving_undoes_doubling_of_smooth_fields() -> None:
    axis = np.linspace(-1, 1, SIZE // 2, dtype=np.float32)
    field = np.broadcast_to(axis[:, None, None], (1, 16, 16, 16))
    again = halved(doubled(np.array(field)))
    assert np.abs(again[:, 1:-1] - field[:, 1:-1]).max() < 1e-6


def test_a_shape_model_without_roughness_gives_back_the_one_shape_it_has_seen(material: Material) -> None:
    small = [c for c in material.pieces if 3.0 < c.volume_ml < 20.0]
    arrays = fit_shape(small, 3)
    arrays["rough_size"] *= 0.0
    arrays["spread"] *= 0.0
    crop = ShapeModel(arrays).draw(small[0].conditions[None], np.random.default_rng(0))[0]
    made, real = at_volume(crop, small[0]), at_volume(small[0].crop, small[0])
    assert 2 * (made & real).sum() / (made.sum() + real.sum()) > 0.85, "all of them are balls"


# The GAN


def test_drawing_without_pytorch_gives_what_the_network_gives() -> None:
    torch = pytest.importorskip("torch")
    from StrokeSynthLib.lesions.learned.networks import Generator, WganOptions
    from StrokeSynthLib.lesions.learned.wgan import WganModel

    torch.manual_seed(0)
    network = Generator(WganOptions())
    rng = np.random.default_rng(0)
    noise, told = rng.standard_normal((1, 64)), rng.standard_normal((1, 16))
    inputs = [torch.from_numpy(v.astype(np.float32)) for v in (noise, told)]
    with torch.no_grad():
        wanted = network(*inputs)[0, 0].numpy()
    model = WganModel({name: value.numpy() for name, value in network.state_dict().items()})
    assert np.abs(model.crop(*(v[0].astype(np.float32) for v in (noise, told))) - wanted).max() < 1e-5


def test_one_transposed_convolution_does_what_doubling_and_a_convolution_do() -> None:
    torch = pytest.importorskip("torch")
    from StrokeSynthLib.lesions.learned.networks import doubled as twice

    torch.manual_seed(0)
    value, convolution = torch.randn(2, 3, 4, 5, 6), torch.nn.Conv3d(3, 2, 3, padding=1)
    wanted = convolution(torch.nn.functional.interpolate(value, scale_factor=2.0, mode="nearest"))
    assert float((twice(value, convolution) - wanted).detach().abs().max()) < 1e-5


def test_shuffling_voxels_is_undone() -> None:
    torch = pytest.importorskip("torch")
    from StrokeSynthLib.lesions.learned.networks import shuffled, unshuffled

    value = torch.randn(2, 8, 4, 4, 4)
    assert torch.equal(unshuffled(shuffled(value)), value)


def test_the_gradient_penalty_is_that_of_the_gradients_norm() -> None:
    torch = pytest.importorskip("torch")
    from StrokeSynthLib.lesions.learned.networks import gradient_penalty

    real, made, mix = torch.ones(3, 1, 2, 2, 2), torch.zeros(3, 1, 2, 2, 2), torch.full((3,), 0.5)
    for slope in (1.0, 3.0):
        # A plane whose gradient has the norm ``slope`` everywhere.
        found = gradient_penalty(
            lambda crop, told, s=slope: crop.flatten(1).sum(1) * s / 8**0.5, real, made, mix, mix
        )
        assert float(found) == pytest.approx((slope - 1.0) ** 2, abs=1e-5)


def test_a_gan_that_was_stopped_ends_with_the_same_weights(material: Material, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    whole = train_on("wgan", material, tmp_path / "whole", TINY, silent)

    def stop(event: ProgressEvent) -> None:
        if event.stage == "Training" and event.done == 1:
            raise CancelledError("stopped")

    out = tmp_path / "parts"
    with pytest.raises(CancelledError):
        train_on("wgan", material, out, TINY, stop)
    assert (tmp_path / "parts.resume").is_dir()
    resumed = LesionTrainingOptions(**{**vars(TINY), "resume": True})
    other = LesionTrainingOptions(**{**vars(TINY), "resume": True, "seed": 9})
    with pytest.raises(BadInputError, match="other masks or options"):
        train_on("wgan", material, out, other, silent)
    parts = train_on("wgan", material, out, resumed, silent)
    assert parts.hash == whole.hash
    assert not (tmp_path / "parts.resume").exists()


def test_a_gan_is_not_trained_further_on_masks_that_were_corrected(
    material: Material, tmp_path: Path
) -> None:
    pytest.importorskip("torch")

    def stop(event: ProgressEvent) -> None:
        if event.stage == "Training" and event.done == 1:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        train_on("wgan", material, tmp_path / "m", TINY, stop)
    first, *others = material.lesions
    corrected = [replace(piece, crop=-piece.crop) for piece in first]
    resumed = LesionTrainingOptions(**{**vars(TINY), "resume": True})
    with pytest.raises(BadInputError, match="other masks or options"):
        train_on("wgan", replace(material, lesions=[corrected, *others]), tmp_path / "m", resumed, silent)


# The source


def test_pieces_that_were_asked_for_stay_apart(shape_model: ModelFolder, anatomy: Anatomy) -> None:
    source = LearnedLesions(shape_model)
    for number in (1, 2, 4):
        lesion = source.draw(anatomy, LesionRequest(None, None, 5.0, number), generator(6, number))
        counts = pieces(lesion.mask)[1][1:]
        assert counts.size == number
        assert counts.min() * anatomy.grid.voxel_ml >= SMALLEST_COUNTED_ML - 1e-9


def test_a_drawn_lesion_has_the_volume_and_side_that_were_asked_for(
    shape_model: ModelFolder, anatomy: Anatomy
) -> None:
    source = LearnedLesions(shape_model)
    for number, (side, volume) in enumerate((("left", 4.0), ("right", 12.0), ("both", 6.0))):
        lesion = source.draw(anatomy, LesionRequest(None, side, volume), generator(1, number))
        assert lesion.mask.sum() * anatomy.grid.voxel_ml == pytest.approx(volume, rel=0.2)
        assert lesion.record["side"] == side
        assert (lesion.mask & ~anatomy.parenchyma).sum() == 0
        counts = pieces(lesion.mask)[1][1:]
        assert counts.min() * anatomy.grid.voxel_ml >= 0.5 * SMALLEST_COUNTED_ML, "no dust"
        assert lesion.record["volume_at_level_zero_ml"] > 0


def test_the_same_seed_gives_the_same_lesion_and_another_another(
    shape_model: ModelFolder, anatomy: Anatomy
) -> None:
    first, again, other = (
        LearnedLesions(shape_model).draw(anatomy, LesionRequest(), generator(3, key)) for key in (0, 0, 1)
    )
    assert (first.mask == again.mask).all()
    assert first.record == again.record
    assert (first.mask != other.mask).any()


def test_a_territory_is_kept_and_what_masks_do_not_tell_is_refused(
    shape_model: ModelFolder, anatomy: Anatomy
) -> None:
    source = LearnedLesions(shape_model)
    lesion = source.draw(anatomy, LesionRequest("MCA", "left", 8.0), generator(2, "mca"))
    assert lesion.record["territory"] == "MCA"
    with pytest.raises(StrokeSynthError, match="no border-zone"):
        source.draw(anatomy, LesionRequest("border-zone"), generator(2, "border"))
    with pytest.raises(StrokeSynthError, match="at most 24 pieces, not 25"):
        source.draw(anatomy, LesionRequest(number=25), generator(2, "many"))
    with pytest.raises(BadInputError, match="give 1 to 200"):
        source.draw(anatomy, LesionRequest(number=0), generator(2, "none"))


def test_a_model_is_told_from_a_folder_of_masks(
    shape_model: ModelFolder, folder: Path, tmp_path: Path
) -> None:
    assert is_model(shape_model.path)
    assert not is_model(folder)
    assert open_lesions(shape_model.path).name == "learned (shape)"
    assert open_lesions(folder).name == f"masks of {folder.name}"
    with pytest.raises(BadInputError, match="--lesion-list: chooses masks"):
        open_lesions(shape_model.path, ["sub-02"])
    with pytest.raises(BadInputError, match="is a model of kind"):
        open_lesions("acute")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError):
        open_lesions(tmp_path / "empty")


def test_the_model_holds_no_single_mask(shape_model: ModelFolder, material: Material) -> None:
    arrays = shape_model.arrays()
    assert sum(a.size for a in arrays.values()) < sum(c.crop.size for c in material.pieces) / 2
    for name, array in arrays.items():
        rows = array.reshape(-1, 4096) if array.size % 4096 == 0 else []
        for row in rows:
            for piece in material.pieces:
                small = halved(piece.crop[None].astype(np.float32)).ravel()
                assert abs(np.corrcoef(row.astype(np.float32), small)[0, 1]) < 0.999 or name == "shape/mean"


def test_what_is_refused_is_counted_by_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every crop is refused by one rule: nothing else is counted, and the lesion is given up in the end."""
    from StrokeSynthLib.lesions.learned import source as module

    source, head = LearnedLesions(LEARNED), small_head()
    monkeypatch.setattr(module, "LEAST_INSIDE", 1.1)
    monkeypatch.setattr(module, "TRIES", 2)
    with pytest.raises(StrokeSynthError, match="after 2 tries"):
        source.draw(head, LesionRequest(), generator(0, "lesion"))
    crops = 2 * module.CROP_TRIES
    assert source.refused == {"crop: outside the brain": crops, "lesion: a piece found no place": 2}
    assert source.rejections == 2


def test_an_unknown_kind_is_refused_before_masks_are_read(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="choose one of shape, wgan"):
        train_lesions("flow", tmp_path / "nowhere", tmp_path / "out")


# What is shipped


@pytest.mark.parametrize("name", ["learned", "lesions-shape", "lesions-wgan"])
def test_shipped_models_are_small_and_met_by_name(name: str, anatomy: Anatomy) -> None:
    model = open_model(LEARNED if name == "learned" else name)
    assert model.training["held_out_masks"] == 200
    assert "BSD-2-Clause" in (model.path / "card.md").read_text(encoding="utf-8")
    request = LesionRequest("MCA", "left", 20.0)
    lesion = open_lesions(name).draw(anatomy, request, generator(4, name))
    assert lesion.mask.sum() * anatomy.grid.voxel_ml == pytest.approx(20.0, rel=0.2)
    assert (lesion.record["territory"], lesion.record["side"]) == ("MCA", "left")


def test_shipped_lesions_take_no_more_than_three_megabytes() -> None:
    from StrokeSynthLib.modelfolder import SHIPPED

    files = [path for folder in SHIPPED.glob("lesions*") for path in folder.rglob("*") if path.is_file()]
    assert files
    assert sum(path.stat().st_size for path in files) <= 3e6


def test_every_piece_lies_on_the_left(material: Material) -> None:
    assert all(isinstance(c, Piece) and c.center[0] <= 0 for c in material.pieces)
