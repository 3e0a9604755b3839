"""Synthetic databases: anatomy, lesion, and a trained translator that draws the images.

The grids are those of the cases that the translator was trained on, so that the synthetic cases
look like the clinic's: matrix, spacing, slices, with or without skull.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cohort.export import export_cohort
from ..cohort.layouts import open_cohort
from ..cohort.nnunet import nnunet_root
from ..errors import BadInputError
from ..files import check_output_folder
from ..lesions.lesion import LesionRequest
from ..modelfolder import ModelFolder, open_model
from ..progress import Progress, silent
from ..provenance import record
from ..randomness import generator
from ..scanner.sections import SectionGeometry, draw_frame, section
from .production import MadeCase, Produced, case_name, produce
from .simulate import LESION_FREE_SHARE

#: For a translator whose record names no grids: a common clinical one, whole head.
_USUAL = {"matrix": 128, "spacing": 1.8, "thickness": 5.0, "slices": 25, "skull_stripped": False}


@dataclass(frozen=True)
class DatabaseRecipe:
    """What a synthetic database is made of.

    Parameters
    ----------
    model
        Folder of the translator.
    anatomies, lesions
        Folders, or None for the shipped population model and the procedural generator.
    lesion_free
        Share of cases without a lesion.
    seed
        Everything follows from it.
    device
        Where the translator computes.
    """

    model: str
    anatomies: Path | None = None
    lesions: Path | None = None
    lesion_free: float = LESION_FREE_SHARE
    seed: int = 0
    device: str = "auto"

    def description(self) -> dict[str, Any]:
        """What ``dataset_description.json`` says; the model by its hash, folders by name only."""
        model = open_model(self.model)
        return {
            "Name": "Synthetic stroke database (StrokeSynth)",
            "Kind": "synthetic",
            "Model": {"Kind": model.kind, "Hash": model.hash},
            "Settings": {
                "anatomies": self.anatomies.name if self.anatomies else "population model",
                "lesions": self.lesions.name if self.lesions else "procedural",
                "lesion_free": self.lesion_free,
                "seed": self.seed,
            },
        }

    def maker(self) -> Callable[[int], MadeCase]:
        """Open model, anatomies and lesions; the function makes case ``number``."""
        from ..anatomy.source import open_anatomies
        from ..lesions.source import open_lesions
        from ..translate.registry import open_translator

        translator = open_translator(self.model, self.device)
        geometries = training_geometries(open_model(self.model))
        anatomies, lesions = open_anatomies(self.anatomies), open_lesions(self.lesions)

        def make(number: int) -> MadeCase:
            rng = generator(self.seed, "database", number)
            anatomy = anatomies.draw(number, self.seed)
            lesion_free = bool(rng.random() < self.lesion_free)
            geometry, skull_stripped = geometries[int(rng.integers(len(geometries)))]
            lesion = None if lesion_free else lesions.draw(anatomy, LesionRequest(), rng)
            frame = draw_frame(anatomy, geometry, rng)
            semantic_map, mask = section(anatomy, lesion, frame, skull_stripped=skull_stripped)
            images = translator.translate(semantic_map, mask, seed=int(rng.integers(2**31)))
            return MadeCase(
                case_name(number), str(anatomy.record.get("person", anatomy.name)),
                images.dwi, images.adc, images.b0, mask, semantic_map, images.b_value,
                record(
                    synthetic=True, Kind="synthetic", Seed=self.seed, Number=number,
                    Anatomy=dict(anatomy.record) | {"name": anatomy.name},
                    Lesion=dict(lesion.record) if lesion else {"source": "none"},
                    Translation=dict(images.record),
                ),
                {"without a lesion": int(lesion_free)},
            )  # fmt: skip

        return make


def training_geometries(model: ModelFolder) -> list[tuple[SectionGeometry, bool]]:
    """Grids of the cases that a translator was trained on, and whether they were skull-stripped."""
    known = model.training.get("geometries") or [_USUAL]
    try:
        return [
            (
                SectionGeometry(
                    int(g["matrix"]), float(g["spacing"]), float(g["thickness"]), int(g["slices"])
                ),
                bool(g["skull_stripped"]),
            )
            for g in known
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{model.path}: the grids in its record are damaged ({error}); train it again."
        ) from error


def make_database(
    out: Path,
    cases: int,
    recipe: DatabaseRecipe,
    *,
    resume: bool = False,
    progress: Progress = silent,
    workers: int = 1,
) -> Produced:
    """Write a database of ``cases`` synthetic cases in BIDS layout to ``out``.

    Raises
    ------
    BadInputError
        When the model is no translator, or ``out`` exists and ``resume`` is not asked for.
    """
    check_output_folder(out)
    if not resume and out.exists() and any(out.iterdir()):
        raise BadInputError(f"{out}: is not empty; add --resume to go on with it, or choose another --out.")
    return produce(recipe, out, cases, stage="Making synthetic cases", progress=progress, workers=workers)


def check_nnunet_copy(database: Path, out: Path) -> None:
    """Refuse a folder for the copy before hours are spent on the cases.

    Raises
    ------
    BadInputError
        When it holds something else than such a copy, lies in the database or holds it, or cannot be written.
    """
    ours, theirs = database.resolve(), out.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise BadInputError(f"{out}: is, holds or lies in the database; choose another folder for the copy.")
    check_output_folder(out)
    if out.is_dir() and any(out.iterdir()) and nnunet_root(out) != out:
        raise BadInputError(f"{out}: is not empty and holds no nnU-Net data set; choose another folder.")


def write_nnunet_copy(database: Path, out: Path, progress: Progress = silent) -> int:
    """Write a finished database as nnU-Net raw data set; returns the number of cases."""
    return export_cohort(open_cohort(database), "nnunet", out, progress)
