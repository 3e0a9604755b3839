"""An examination in, its lesions and its map out: what the command line and the Slicer panel ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..cohort.case import Case, CaseFiles
from ..cohort.layouts import open_cohort
from ..cohort.load import load_case, load_examination
from ..errors import BadInputError, StrokeSynthError
from ..files import check_output_folder, read_json, sha256_of
from ..modelfolder import find_model, shipped_models
from ..progress import Progress, ProgressEvent, silent
from ..provenance import check_image_outputs, content_hash, record, write_with_record
from ..segment.segmenter import Prediction, Segmenter
from ..volume import Storage, Volume
from .maps import MadeMap, MapMaker, classes_in, model_entry, no_map_from, open_map_maker

#: What segments when no model is named: the first of these that is shipped.
DEFAULT_SEGMENTERS = ("acute", "threshold")

_MASK, _GRAY = Storage("uint8"), Storage("float32")
_STAGE = "Segmenting"
#: What the sidecars of probability and uncertainty say of their values.
_CALIBRATED = (
    "Calibrated on simulated examinations that training has not seen: of voxels with probability p there, "
    "about a share p was lesion. On your own images this has to be checked."
)
_SCORE = "Not calibrated: a score from 0 to 1, higher where a lesion is likelier."
_UNCERTAINTY = "Entropy in bits: 0 where the model is sure of lesion or of none, 1 where it is undecided."

Say = Callable[[str], None]
#: Told what came out of a case: text for people, values for programs.
Tell = Callable[[str, Mapping[str, Any]], None]


def quiet(text: str) -> None:
    """Say nothing."""


def _tell_nobody(text: str, values: Mapping[str, Any]) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class SegmentationPaths:
    """What is written of a segmentation: files of one examination, or a folder each for a cohort."""

    mask: Path
    probability: Path | None = None
    uncertainty: Path | None = None
    semantic_map: Path | None = None

    def named(self) -> list[Path]:
        """Those that are asked for."""
        return [path for path in astuple(self) if path is not None]

    def of_case(self, name: str) -> SegmentationPaths:
        """The files of a case in these folders; maps are named so that ``--maps`` finds them."""

        def in_folder(folder: Path | None, ending: str = "") -> Path | None:
            return None if folder is None else folder / f"{name}{ending}.nii.gz"

        return SegmentationPaths(
            self.mask / f"{name}.nii.gz", in_folder(self.probability), in_folder(self.uncertainty),
            in_folder(self.semantic_map, "_dseg"),
        )  # fmt: skip


@dataclass(frozen=True)
class CohortSegmentation:
    """What came out of a cohort, by case name.

    Parameters
    ----------
    volumes_ml
        Lesion volumes.
    unlike
        Why a case is unlike what the model knows; only cases that are.
    skipped
        Why a case could not be segmented.
    """

    volumes_ml: dict[str, float] = field(default_factory=dict)
    unlike: dict[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def default_segmenter() -> str:
    """Name of the shipped model that segments when none is named."""
    shipped = shipped_models()
    return next(name for name in DEFAULT_SEGMENTERS if name in shipped)


def loaded_examination(dwi: Sequence[Path], adc: Path | None, b_value: float | None, say: Say) -> Case:
    """Load an examination and say what was noticed about it."""
    case = load_examination(dwi, adc, b_value=b_value)
    for notice in case.notices:
        say(f"notice: {notice}")
    return case


def parents_of(paths: Sequence[Path | None]) -> dict[str, str]:
    """Names and hashes of the files that a result was made from."""
    return {path.name: sha256_of(path) for path in paths if path is not None and path.is_file()}


def map_of_examination(
    dwi: Sequence[Path],
    adc: Path | None,
    out: Path,
    *,
    b_value: float | None = None,
    model: str | None = None,
    device: str = "auto",
    say: Say = quiet,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make the semantic map of an examination and write it on the DWI's grid.

    ``model`` as in :func:`.maps.open_map_maker`. Returns the sidecar's entries.
    """
    check_image_outputs([out], [*dwi, adc])
    maker = open_map_maker(model, device)
    case = loaded_examination(dwi, adc, b_value, say)
    made = maker.make(case, progress)
    _say_unlike(made.unlike, say)
    entries = map_record(case, made, maker, parents_of([*dwi, adc]))
    write_with_record(out, made.semantic_map, entries, _MASK)
    return entries


def keep_map(case: Case, made: MadeMap, maker: MapMaker, path: Path) -> None:
    """Write a map that was made for a case of a cohort."""
    entries = map_record(case, made, maker, {case.name: content_hash(case.dwi)})
    write_with_record(path, made.semantic_map, entries, _MASK)


def map_record(case: Case, made: MadeMap, maker: MapMaker, parents: Mapping[str, str]) -> dict[str, Any]:
    """The sidecar's entries of a semantic map; ``parents`` are what it was made from, with hashes."""
    return record(
        synthetic=False,
        Kind="semantic map",
        Model=dict(maker.record),
        Parents=dict(parents),
        Classes=classes_in(made.semantic_map),
        Unlike=list(made.unlike),
        Notices=list(case.notices),
    )


def segment_examination(
    dwi: Sequence[Path],
    adc: Path | None,
    out: Path,
    *,
    b_value: float | None = None,
    model: str | None = None,
    device: str = "auto",
    probability: Path | None = None,
    uncertainty: Path | None = None,
    semantic_map: Path | None = None,
    say: Say = quiet,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Segment one examination; writes the mask, and the other images where a path is given.

    Returns the sidecar's entries. Its "Unlike" says why the examination is unlike what the model
    knows, which is also said as notices.

    Raises
    ------
    BadInputError
        As the loading does, and when a model is asked for what it does not give.
    """
    from ..segment.registry import open_segmenter

    paths = SegmentationPaths(out, probability, uncertainty, semantic_map)
    check_image_outputs(paths.named(), [*dwi, adc])
    name = model or default_segmenter()
    progress(ProgressEvent(_STAGE, 0, 3))
    segmenter = open_segmenter(name, device)
    case = loaded_examination(dwi, adc, b_value, say)
    progress(ProgressEvent(_STAGE, 1, 3))
    found = _predicted(segmenter, case, paths)
    _check_given(found, paths, name)
    _say_unlike(found.unlike, say)
    progress(ProgressEvent(_STAGE, 2, 3))
    entries = segmentation_record(case, found, model_entry(segmenter, name), parents_of([*dwi, adc]))
    _write(found, paths, entries, _meaning_of_probability(name))
    progress(ProgressEvent(_STAGE, 3, 3))
    return entries


def segment_cohort(
    cohort: Path,
    out: Path,
    *,
    model: str | None = None,
    device: str = "auto",
    probability: Path | None = None,
    uncertainty: Path | None = None,
    semantic_map: Path | None = None,
    say: Say = quiet,
    tell: Tell = _tell_nobody,
    progress: Progress = silent,
) -> CohortSegmentation:
    """Segment every case of a cohort into ``out``/NAME.nii.gz with one model, opened once.

    The other paths are folders too, of NAME.nii.gz, and NAME_dseg.nii.gz for maps. A case that cannot
    be segmented is named and skipped.

    Raises
    ------
    BadInputError
        When an output would replace a file of the cohort or cannot be written, or a model is asked for
        what it does not give.
    StrokeSynthError
        When no case could be segmented.
    """
    from ..segment.registry import open_segmenter

    folders = SegmentationPaths(out, probability, uncertainty, semantic_map)
    cases = open_cohort(cohort).cases
    _check_folders(folders, cohort, cases)
    name = model or default_segmenter()
    segmenter = open_segmenter(name, device)
    meaning = _meaning_of_probability(name)
    result = CohortSegmentation()
    for done, files in enumerate(cases):
        progress(ProgressEvent(_STAGE, done, len(cases)))
        paths = folders.of_case(files.name)
        try:
            # The reference is not needed, and a damaged one must not stop the segmentation.
            case = load_case(replace(files, lesion=None, semantic_map=None))
            found = _predicted(segmenter, case, paths)
        except StrokeSynthError as error:
            say(f"skipped {files.name}: {error}")
            result.skipped[files.name] = str(error)
            continue
        _check_given(found, paths, name)
        parents = parents_of([files.dwi, files.adc])
        entries = segmentation_record(case, found, model_entry(segmenter, name), parents)
        _write(found, paths, entries, meaning)
        result.volumes_ml[files.name] = entries["VolumeMl"]
        if found.unlike:
            result.unlike[files.name] = found.unlike
        tell(f"{files.name}: {volume_text(entries)}", {"case": files.name, **entries})
    progress(ProgressEvent(_STAGE, len(cases), len(cases)))
    if not result.volumes_ml:
        raise StrokeSynthError(f"{cohort}: none of its {len(cases)} cases could be segmented.")
    return result


def volume_text(entries: Mapping[str, Any]) -> str:
    """What was found, from a sidecar's entries: "12.34 ml in 2 lesions"."""
    count = entries["Components"]
    return f"{entries['VolumeMl']:.2f} ml in {count} lesion{'' if count == 1 else 's'}"


def _say_unlike(reasons: Sequence[str], say: Say) -> None:
    for reason in reasons:
        say(f"notice: {reason}")


def _check_folders(folders: SegmentationPaths, cohort: Path, cases: Sequence[CaseFiles]) -> None:
    """Refuse folders in which a result would replace an input or another result."""
    for folder in folders.named():
        check_output_folder(folder)
        if folder.resolve() == cohort.resolve():
            raise BadInputError(f"{folder}: is the cohort, which is never written to; choose another folder.")
    outputs = [path for files in cases for path in folders.of_case(files.name).named()]
    inputs = [
        path for files in cases for path in (files.dwi, files.adc, files.b0, files.lesion, files.semantic_map)
    ]
    check_image_outputs(outputs, inputs)


def _predicted(segmenter: Segmenter, case: Case, paths: SegmentationPaths) -> Prediction:
    return segmenter.predict(
        case.dwi, case.adc, uncertainty=paths.uncertainty is not None,
        semantic_map=paths.semantic_map is not None,
    )  # fmt: skip


def _check_given(found: Prediction, paths: SegmentationPaths, name: str) -> None:
    if paths.uncertainty is not None and found.uncertainty is None:
        raise BadInputError(f"--uncertainty: model {name} gives none; leave it out or use a network.")
    if paths.semantic_map is not None and found.semantic_map is None:
        raise no_map_from(name)


def segmentation_record(
    case: Case, found: Prediction, model: Mapping[str, Any], parents: Mapping[str, str]
) -> dict[str, Any]:
    """The sidecar's entries of a segmentation; ``parents`` are what it was made from, with hashes."""
    from ..segment.filters import components

    _, sizes = components(found.mask.array > 0, diagonal=True)
    return record(
        synthetic=False,
        Kind="lesion segmentation",
        Model=dict(model),
        Parents=dict(parents),
        VolumeMl=round(float(sizes.sum()) * found.mask.grid.voxel_ml, 4),
        Components=int((sizes > 0).sum()),
        BValue=case.b_value,
        BValueAssumed=case.b_assumed,
        Unlike=list(found.unlike),
        Notices=list(case.notices),
    )


def _meaning_of_probability(name: str) -> str:
    """What a model's probability says, from its record."""
    content = read_json(find_model(name) / "model.json")
    return _CALIBRATED if content.get("config", {}).get("calibration") else _SCORE


def _write(found: Prediction, paths: SegmentationPaths, entries: dict[str, Any], meaning: str) -> None:
    def write(path: Path | None, volume: Volume | None, kind: str, storage: Storage, **more: Any) -> None:
        if path is not None and volume is not None:
            write_with_record(path, volume, {**entries, "Kind": kind, **more}, storage)

    write(paths.mask, found.mask, "lesion segmentation", _MASK)
    write(paths.probability, found.probability, "lesion probability", _GRAY, Meaning=meaning)
    write(paths.uncertainty, found.uncertainty, "uncertainty", _GRAY, Meaning=_UNCERTAINTY)
    if found.semantic_map is not None:
        classes = classes_in(found.semantic_map)
        write(paths.semantic_map, found.semantic_map, "semantic map", _MASK, Classes=classes)
