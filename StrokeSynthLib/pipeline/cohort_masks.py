"""Lesions of one's own examinations, put into other heads.

``--lesions COHORT``: a cohort's masks lie on its images. Each examination is registered to standard space by
its DWI (affine, as the audit does; :mod:`..evaluate.standard`) when its mask is first needed, and the mask is
then used as one of a folder in standard space is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..cohort.case import CaseFiles
from ..cohort.layouts import open_cohort
from ..cohort.load import load_case
from ..errors import BadInputError
from ..lesions.lesion import LesionSource
from ..lesions.masks import MaskFolder, StandardMask, screened_volume
from ..lesions.source import holds_examinations, is_model, open_lesions
from ..volume import Volume


class CohortMasks(MaskFolder):
    """Source of the lesion masks of a cohort's examinations.

    Parameters
    ----------
    folder
        A cohort in any layout that is known; cases without a mask are passed over.
    names
        Cases or persons whose masks may be used; all when None.

    Raises
    ------
    BadInputError
        When it is no cohort, or none of its (named) cases has a lesion mask.
    """

    remedy = "check that masks and images are of the same heads"

    def __init__(self, folder: Path, names: Sequence[str] | None = None) -> None:
        cases = [files for files in open_cohort(folder).cases if files.lesion is not None]
        if names is not None:
            wanted = set(names)
            cases = [files for files in cases if {files.name, files.person} & wanted]
        if not cases:
            named = "" if names is None else f" of the {len(set(names))} that are named"
            raise BadInputError(
                f"{folder}: no case{named} has a lesion mask; --lesions needs a cohort with masks, or a "
                "folder of masks that were brought to standard space (MNI152), without the images."
            )
        self._cases = {files.lesion: files for files in cases if files.lesion is not None}
        super().__init__(folder, paths=list(self._cases))

    def screened(self, path: Path) -> tuple[StandardMask | None, str]:
        """The mask in standard space, or None and why not."""
        files = self._cases[path]
        try:
            volume = _in_standard_space(files)
        except BadInputError as error:
            return None, f"unusable ({error})"
        return screened_volume(volume, path, files.person, self.atlas)


def _in_standard_space(files: CaseFiles) -> Volume:
    """A case's mask as it lies in standard space: the same values, on a grid that is turned and scaled."""
    from ..evaluate.standard import pose_of

    case = load_case(files)
    if case.lesion is None:
        raise BadInputError(f"{files.name}: has no lesion mask; add one.")
    mask = case.lesion.canonical()
    return Volume(mask.array, np.linalg.inv(pose_of(case.dwi)) @ mask.affine)


def open_lesion_source(folder: Path | str | None = None, names: Sequence[str] | None = None) -> LesionSource:
    """Open a lesion source, also a cohort whose masks lie on its own images.

    Parameters
    ----------
    folder, names
        As for :func:`..lesions.source.open_lesions`; a cohort's cases are named by case or person.

    Raises
    ------
    BadInputError
        When the folder is missing or holds no masks, or the model is none of lesions.
    """
    if (
        folder is not None
        and Path(folder).is_dir()
        and not is_model(folder)
        and holds_examinations(Path(folder))
    ):
        masks_of_nnunet = Path(folder).name in ("labelsTr", "labelsTs")
        return CohortMasks(Path(folder).parent if masks_of_nnunet else Path(folder), names)
    return open_lesions(folder, names)
