"""Synthetic databases: anatomy, lesion, and a trained translator that draws the images.

The grids are those of the cases that the translator was trained on, so that the synthetic cases
look like the clinic's: matrix, spacing, slices, with or without skull. Maps of the user's own keep
their grids. A lesion that cannot be seen in its image is drawn again (:mod:`.attempts`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..cohort.export import export_cohort
from ..cohort.layouts import open_cohort
from ..cohort.nnunet import nnunet_root
from ..errors import BadInputError
from ..files import check_output_folder
from ..modelfolder import ModelFolder, find_model, open_model
from ..progress import Progress, silent
from ..provenance import record
from ..randomness import generator
from ..scanner.sections import SectionGeometry
from ..translate.proposal import Proposer
from ..translate.translator import Translator
from .attempts import Attempts, Drawn
from .production import MadeCase, Produced, case_name, produce
from .scenes import Proposals, Scenes, Sections, UserMaps, grid_record
from .simulate import LESION_FREE_SHARE
from .wishes import LesionWishes

#: For a translator whose record names no grids: a common clinical one, whole head.
_USUAL = {"matrix": 128, "spacing": 1.8, "thickness": 5.0, "slices": 25, "skull_stripped": False}
#: What a partly synthetic image says of itself, for the case's own record as well.
_LIFTED = ("PartlySynthetic", "OutsideLesion")


@dataclass(frozen=True)
class DatabaseRecipe:
    """What a synthetic database is made of.

    Parameters
    ----------
    model
        Folder of the translator, or the name of a shipped one.
    anatomies, lesions
        Folder of label maps, and what :func:`.cohort_masks.open_lesion_source` understands; None for the
        shipped population model and the procedural generator.
    lesion_free
        Share of cases without a lesion.
    seed
        Everything follows from it.
    device
        Where the translator computes.
    maps
        Folder of semantic maps whose grids the images shall have, instead of ``anatomies``.
    wishes
        What lesions are asked for.
    keep_unrecoverable
        Write a case of which no try shows its lesion, marked, rather than end there. It changes no other case
        and so is no part of :meth:`description`: it may be asked for when a database is gone on with.
    sampling_steps
        Of a translator that draws in steps; None for its own number.
    """

    model: str
    anatomies: Path | None = None
    lesions: Path | None = None
    lesion_free: float = LESION_FREE_SHARE
    seed: int = 0
    device: str = "auto"
    maps: Path | None = None
    wishes: LesionWishes = field(default_factory=LesionWishes)
    keep_unrecoverable: bool = False
    sampling_steps: int | None = None

    def description(self) -> dict[str, Any]:
        """What ``dataset_description.json`` says; the model by its hash, folders by name only."""
        model = open_model(self.model)
        named = {
            "maps": self.maps.name if self.maps else None,
            "wishes": self.wishes.description() or None,
            "sampling_steps": self.sampling_steps,
        }
        return {
            "Name": "Synthetic stroke database (StrokeSynth)",
            "Kind": "synthetic",
            "Model": {"Kind": model.kind, "Hash": model.hash},
            "Settings": {
                "anatomies": self.anatomies.name if self.anatomies else "population model",
                "lesions": self._lesions_named(),
                "lesion_free": self.lesion_free,
                "seed": self.seed,
            }
            | {name: value for name, value in named.items() if value is not None},
        }

    def lesion_model(self) -> Path | None:
        """Folder of the model that lesions come from; None where they come from none."""
        from ..lesions.source import LEARNED, is_model

        if self.lesions is None:
            return None
        name = Path(LEARNED) if str(self.lesions) == "learned" else self.lesions
        return find_model(name) if is_model(name) else None

    def _lesions_named(self) -> str:
        model = self.lesion_model()
        if model is not None:
            return f"{self.lesions} ({model.name}, {open_model(model).hash})"
        return "procedural" if self.lesions is None else self.lesions.name

    def anywhere(self) -> DatabaseRecipe:
        """The same for a process that works in another folder: paths are absolute."""
        model = Path(self.model)
        return replace(
            self,
            model=str(model.resolve()) if (model / "model.json").is_file() else self.model,
            **{
                name: path.resolve() if path.exists() else path
                for name in ("anatomies", "lesions", "maps")
                if (path := getattr(self, name)) is not None
            },
        )

    def maker(self) -> Callable[[int], MadeCase]:
        """Open model, anatomies and lesions; the function makes case ``number``.

        Raises
        ------
        BadInputError
            When something cannot be opened, or the translator cannot do what is asked for.
        """
        from ..translate.registry import open_translator

        translator = open_translator(self.model, self.device, sampling_steps=self.sampling_steps)
        scenes = self._scenes(translator)
        attempts = Attempts(translator, self.wishes, self.seed, self.keep_unrecoverable)

        def make(number: int) -> MadeCase:
            rng = generator(self.seed, "database", number)
            lesion_free = bool(rng.random() < self.lesion_free)
            place = scenes.place(number, self.seed, rng)
            return self._case(number, attempts.draw(number, place, lesion_free))

        return make

    def _scenes(self, translator: Translator) -> Scenes:
        from ..anatomy.source import open_anatomies
        from .cohort_masks import open_lesion_source

        if isinstance(translator, Proposer) and not (self.anatomies or self.lesions or self.maps):
            translator.check_share(self.lesion_free)
            if not self.wishes.unrestricted:
                raise BadInputError(
                    f"{self.model}: mixes its own training cases, so --territory, --side and --volume-ml "
                    "cannot be asked for; leave them out, or use another translator."
                )
            return Proposals(translator)
        model = open_model(self.model)
        _check_draws_maps(model)
        if self.maps is not None:
            if self.anatomies is not None:
                raise BadInputError(
                    "--maps and --anatomies: both say where heads come from; give one of them."
                )
            return UserMaps(self.maps, open_lesion_source(self.lesions))
        return Sections(
            open_anatomies(self.anatomies), open_lesion_source(self.lesions), training_geometries(model)
        )

    def _case(self, number: int, drawn: Drawn) -> MadeCase:
        scene, images = drawn.scene, drawn.images
        entries = record(
            synthetic=True, Kind="synthetic", Seed=self.seed, Number=number,
            Grid=grid_record(images.dwi.grid), Anatomy=dict(scene.anatomy), Requested=drawn.request,
            Lesion=dict(scene.origin),
            Tries=[dict(t) for t in drawn.tries] or None, LesionRecovered=None if drawn.recovered else False,
            Translation=dict(images.record),
            **{name: images.record.get(name) for name in _LIFTED},
        )  # fmt: skip
        return MadeCase(
            case_name(number), scene.person, images.dwi, images.adc, images.b0, scene.lesion,
            scene.semantic_map, images.b_value, entries,
            {
                "without a lesion": int(not scene.lesion.array.any()),
                "images drawn again": drawn.images_refused,
                "lesions given up": drawn.lesions_refused,
                "kept though their lesion cannot be seen": int(not drawn.recovered),
            },
        )  # fmt: skip


def _check_draws_maps(model: ModelFolder) -> None:
    from ..translate.registry import TRANSLATORS

    if getattr(TRANSLATORS[model.kind], "needs_background", False):
        raise BadInputError(
            f"{model.path}: a translator of kind {model.kind} has images of its training cases only; leave "
            "out --anatomies, --maps and --lesions, or use another translator."
        )


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
    scheduler: str | None = None,
) -> Produced:
    """Write a database of ``cases`` synthetic cases in BIDS layout to ``out``, with its data sheet.

    Parameters
    ----------
    workers
        Processes of this machine.
    scheduler
        Address of a Dask scheduler whose workers make the cases instead; they must see the same folders.

    Raises
    ------
    BadInputError
        When the model is no translator, or ``out`` exists and ``resume`` is not asked for.
    StrokeSynthError
        When a case cannot be made (:mod:`.attempts`), or a process died.
    """
    from .datasheet import write_datasheet

    check_output_folder(out)
    if not resume and out.exists() and any(out.iterdir()):
        raise BadInputError(f"{out}: is not empty; add --resume to go on with it, or choose another --out.")
    made = produce(
        recipe.anywhere() if scheduler else recipe, out, cases, stage="Making synthetic cases",
        progress=progress, workers=workers, scheduler=scheduler,
    )  # fmt: skip
    write_datasheet(out, recipe.model, recipe.lesion_model())
    return made


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
