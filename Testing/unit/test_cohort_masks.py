"""A cohort's own lesion masks as a source: they lie on its images, not in standard space."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.anatomy.anatomy import Anatomy
from StrokeSynthLib.anatomy.source import open_anatomies
from StrokeSynthLib.cli import main
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import read_json
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.pipeline.cohort_masks import CohortMasks, open_lesion_source
from StrokeSynthLib.provenance import sidecar_path
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.volume import read_volume, write_volume


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated examinations with a lesion each, on tilted slices."""
    folder = tmp_path_factory.mktemp("cohorts") / "clinic"
    arguments = ["--cases", "3", "--out", str(folder), "--seed", "4", "--lesion-free", "0"]
    assert main(["simulate", *arguments, "--scanner", "3T-5mm-fast", "--progress", "none"]) == 0
    return folder


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return open_anatomies(None).draw(0, 9)


def test_masks_come_back_to_the_artery_and_side_that_they_were_grown_in(cohort: Path) -> None:
    source = CohortMasks(cohort)
    grown = {f.lesion: read_json(sidecar_path(f.dwi))["Lesion"] for f in open_cohort(cohort).cases}
    assert set(source.paths) == set(grown)
    for path in source.paths:
        mask = source.open(path)
        assert mask is not None, source.screening.screened()
        assert (mask.site.territory, mask.site.side) == (grown[path]["territory"], grown[path]["side"])


def test_a_lesion_is_put_into_another_head(cohort: Path, head: Anatomy) -> None:
    source = open_lesion_source(cohort)
    assert isinstance(source, CohortMasks)
    first, again = (source.draw(head, LesionRequest(), generator(1, "lesion")) for _ in range(2))
    assert first.record["source"] == "real mask"
    assert first.record["file"] in {path.name for path in source.paths}
    assert first.mask.any()
    assert not (first.mask & ~head.parenchyma).any()
    assert (first.mask == again.mask).all()


def test_cases_are_chosen_by_name(cohort: Path) -> None:
    assert [path.parts[-3] for path in CohortMasks(cohort, ["sub-0002"]).paths] == ["sub-0002"]
    with pytest.raises(BadInputError, match="no case of the 1 that are named has a lesion mask"):
        CohortMasks(cohort, ["sub-0009"])


def test_a_cohort_without_masks_is_refused(cohort: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(cohort, bare, ignore=shutil.ignore_patterns("derivatives"))
    with pytest.raises(
        BadInputError, match=r"no case has a lesion mask; --lesions needs a cohort with masks"
    ):
        open_lesion_source(bare)


def test_a_damaged_examination_costs_its_own_mask_alone(cohort: Path, tmp_path: Path, head: Anatomy) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(cohort, broken)
    damaged = open_cohort(broken).cases[0].dwi
    damaged.write_bytes(damaged.read_bytes()[:2000])
    source = CohortMasks(broken)
    for seed in range(6):
        source.draw(head, LesionRequest(), generator(seed, "lesion"))
    [reason] = source.screening.rejected.values()
    assert damaged.name in reason
    assert source.screening.accepted == 2


def test_masks_without_their_images_are_refused(cohort: Path) -> None:
    with pytest.raises(BadInputError):
        open_lesion_source(cohort / "derivatives")


@pytest.mark.parametrize("given", [".", "labelsTr"])
def test_nnunet_folders_are_cohorts(cohort: Path, tmp_path: Path, given: str) -> None:
    for number, files in enumerate(open_cohort(cohort).cases):
        for folder, name, path in (
            ("imagesTr", f"{number}_0000.nii.gz", files.dwi), ("labelsTr", f"{number}.nii.gz", files.lesion)
        ):  # fmt: skip
            tmp_path.joinpath(folder).mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / folder / name)
    source = open_lesion_source(tmp_path / given)
    assert isinstance(source, CohortMasks)
    assert len(source.paths) == 3


def test_masks_of_other_heads_say_so(cohort: Path, tmp_path: Path, head: Anatomy) -> None:
    """A mask far outside the brain, as one that was exported with the wrong image."""
    odd = tmp_path / "odd"
    shutil.copytree(cohort, odd)
    for files in open_cohort(odd).cases:
        mask = read_volume(files.lesion)
        write_volume(files.lesion, mask.with_array((np.indices(mask.array.shape)[0] < 2).astype(np.uint8)))
    with pytest.raises(BadInputError, match=r"none of its masks is usable; check that masks and images"):
        CohortMasks(odd).draw(head, LesionRequest(), generator(0, "lesion"))


def test_new_examinations_get_the_cohorts_lesions(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "more"
    arguments = ["--cases", "2", "--out", str(out), "--lesions", str(cohort), "--lesion-free", "0"]
    assert main(["simulate", *arguments, "--scanner", "3T-5mm-fast", "--progress", "none"]) == 0
    for files in open_cohort(out).cases:
        lesion = read_json(sidecar_path(files.dwi))["Lesion"]
        assert lesion["source"] == "real mask"
        assert lesion["file"].endswith("_label-L_mask.nii.gz")
