"""Cohorts as we write them: BIDS, a case complete or absent, any number of cases by streaming.

Layout (``sub-0001`` may be ``sub-0001_ses-2``, then with a folder per session)::

    dataset_description.json  participants.tsv  participants.json  README  .bidsignore
    sub-0001/dwi/sub-0001_trace.nii.gz  _ADC.nii.gz  sub-0001_desc-b0_trace.nii.gz   (+ .json each)
    derivatives/strokesynth/dataset_description.json  README  dseg.tsv
    derivatives/strokesynth/sub-0001/dwi/sub-0001_label-L_mask.nii.gz  sub-0001_dseg.nii.gz
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInputError
from ..files import check_output_folder, read_json, replacing_folder
from ..provenance import record as provenance_record
from ..provenance import write_with_record
from ..schema import SCHEMA_VERSION
from ..volume import Storage, Volume
from .bids import ACQUISITION_KEYS, DERIVATIVES, label_record, write_descriptions, write_participants

#: Steps between 0 and the brightest voxel: 12 bits, as scanners deliver. Noise is some 50 steps.
_GRAY_STEPS = 4095
_ADC_STORAGE = Storage("int16", 0.001)
_LABEL_STORAGE = Storage("uint8")
#: What a case's record says that holds for each of its files: they may hold a patient's voxels.
_OF_ALL_FILES = ("PartlySynthetic", "OutsideLesion")
_OF_LESION = {
    "Type": "Lesion",
    "Label": "acute ischemic lesion",
    "Description": "Acute ischemic lesion: 1 in it, 0 elsewhere.",
}
_OF_MAP = {
    "SchemaVersion": SCHEMA_VERSION,
    "Labels": "dseg.tsv",
    "Description": "Tissue classes, without the lesion.",
}
# What may change when a cohort is extended, and among its settings.
_MAY_CHANGE = {"Name", "cases", "Cases"}
_SETTINGS_MAY_CHANGE = {"keep_unrecoverable"}


class CohortWriter:
    """Writes cases one by one; what is there already can be asked with :meth:`has`.

    Several writers may write different cases into one folder at once.

    Parameters
    ----------
    out
        Folder, new or written by this class.
    description
        What made the cohort ("Name", seed, protocol, model hash, ...); goes into
        ``dataset_description.json``. Extending a cohort needs the same description, "Name"
        and "cases" excepted.

    Raises
    ------
    BadInputError
        When the folder holds something else, or a cohort made with other settings.
    """

    def __init__(self, out: Path | str, *, description: Mapping[str, Any]) -> None:
        self.out = Path(out)
        self._description = json.loads(json.dumps(dict(description), default=str))
        existing = self._existing()
        if existing is not None:
            self._compare(existing)
        check_output_folder(self.out)

    def has(self, name: str) -> bool:
        """Whether the case is there, which means complete."""
        folder, _ = self._folders(name)
        return (folder / "dwi" / f"{name}_trace.json").is_file()

    def write(
        self,
        name: str,
        person: str,
        *,
        dwi: Volume,
        adc: Volume | None,
        b0: Volume | None,
        lesion: Volume | None,
        semantic_map: Volume | None,
        b_value: float,
        record: Mapping[str, Any],
        b_assumed: bool = False,
    ) -> None:
        """Write one case, replacing what was there under its name.

        Parameters
        ----------
        name
            ``sub-<letters and digits>``, optionally with ``_ses-<letters and digits>``.
        person
            Whose examination it is; kept in the sidecar, because several cases may share one.
        dwi, b0
            Arbitrary units; stored with 12 bits between 0 and the brightest voxel.
        adc
            10^-3 mm^2/s, stored in steps of 0.001.
        lesion, semantic_map
            uint8.
        b_value
            Of ``dwi`` (s/mm^2).
        record
            From :func:`StrokeSynthLib.provenance.record`, so it says whether this is synthetic. Goes
            into the sidecar of ``dwi``; :data:`.bids.ACQUISITION_KEYS` in it into that of every image.
        b_assumed
            Nothing stated the b-value: it is written as "AssumedBValue", which no reader takes for a
            statement.
        """
        if "Synthetic" not in record:
            raise ValueError("the record of a case must say whether it is synthetic (provenance.record)")
        raw, derived = self._folders(name)
        base = provenance_record(synthetic=bool(record["Synthetic"]), Person=person)
        base |= {name: record[name] for name in _OF_ALL_FILES if name in record}
        of_labels = base | label_record(raw.relative_to(self.out), name)
        of_images = base | {name: record[name] for name in ACQUISITION_KEYS if name in record}
        of_dwi = {"AssumedBValue" if b_assumed else "DiffusionBValue": b_value, **_lesion_entry(lesion)}
        images: dict[str, tuple[Volume | None, Storage, dict[str, Any]]] = {
            "desc-b0_trace": (b0, _gray_storage(b0), {"Units": "arbitrary", "DiffusionBValue": 0}),
            "ADC": (adc, _ADC_STORAGE, {"Units": "10^-3 mm^2/s"}),
            "trace": (dwi, _gray_storage(dwi), {"Units": "arbitrary", **of_dwi, **dict(record)}),
        }
        labels = {"label-L_mask": (lesion, _OF_LESION), "dseg": (semantic_map, _OF_MAP)}
        self._begin()
        # The derivatives appear first: a case whose images are there is complete.
        with replacing_folder(raw) as raw_part, replacing_folder(derived) as derived_part:
            for kind, (label_volume, extra) in labels.items():
                if label_volume is not None:
                    path = derived_part / "dwi" / f"{name}_{kind}.nii.gz"
                    write_with_record(path, label_volume, of_labels | extra, _LABEL_STORAGE)
            for kind, (volume, storage, extra) in images.items():
                if volume is not None:
                    path = raw_part / "dwi" / f"{name}_{kind}.nii.gz"
                    write_with_record(path, volume, of_images | extra, storage)

    def finish(self) -> None:
        """Write the tables of participants and sessions over all cases that are there."""
        self._begin()
        rows: dict[str, dict[str, Any]] = {}
        for sidecar in sorted(self.out.glob("sub-*/**/*_trace.json")):
            if "_desc-" in sidecar.name:
                continue
            content = read_json(sidecar)
            participant, session = sidecar.name.split("_")[:2]
            row = rows.setdefault(
                participant, {"person": content.get("Person"), "synthetic": False, "ml": {}}
            )
            row["synthetic"] |= content.get("Synthetic") is True
            volume = content.get("LesionVolumeMl")
            row["ml"][session if session.startswith("ses-") else ""] = (
                "n/a" if volume is None else f"{volume:.3f}"
            )
        write_participants(self.out, rows)

    def _folders(self, name: str) -> tuple[Path, Path]:
        if not re.fullmatch(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?", name):
            raise ValueError(f"{name!r} is not a BIDS name; use cohort.names.bids_name")
        relative = Path(*name.split("_"))
        return self.out / relative, self.out / DERIVATIVES / relative

    def _existing(self) -> dict[str, Any] | None:
        """The description of the cohort that is there, or None for a new or empty folder."""
        if self.out.is_file():
            raise BadInputError(f"{self.out}: is a file; name a folder for the cohort.")
        # Another process may be about to write the very first file.
        if not self.out.exists() or not any(p for p in self.out.iterdir() if not p.name.startswith(".part-")):
            return None
        path = self.out / "dataset_description.json"
        content = read_json(path) if path.is_file() else {}
        if not isinstance(content, dict) or "StrokeSynth" not in content:
            raise BadInputError(
                f"{self.out}: is not empty and holds no cohort written by StrokeSynth; choose another folder."
            )
        return content

    def _compare(self, existing: Mapping[str, Any]) -> None:
        before = existing["StrokeSynth"]
        for key in sorted({*before, *self._description} - _MAY_CHANGE):
            if before.get(key) != self._description.get(key):
                old, new = before.get(key), self._description.get(key)
                if isinstance(old, dict) and isinstance(new, dict):
                    names = sorted({*old, *new} - _SETTINGS_MAY_CHANGE)
                    changed = [name for name in names if old.get(name) != new.get(name)]
                    if not changed:
                        continue
                    key = changed[0]
                    old, new = old.get(key), new.get(key)
                raise BadInputError(
                    f"{self.out}: holds a cohort made with {key} {old}, now it is {new}; choose another "
                    "folder or the same settings."
                )

    def _begin(self) -> None:
        """Write what describes the cohort, with its first case: one that fails leaves nothing behind."""
        if not (self.out / DERIVATIVES / "dataset_description.json").is_file():
            write_descriptions(self.out, self._description)


def _gray_storage(volume: Volume | None) -> Storage:
    highest = 0.0 if volume is None else float(np.abs(volume.array).max())
    # NIfTI keeps the slope as float32; rounding here keeps writer and reader in step.
    return Storage("int16", float(np.float32(highest / _GRAY_STEPS)) if highest > 0 else 1.0)


def _lesion_entry(lesion: Volume | None) -> dict[str, Any]:
    if lesion is None:
        return {}
    return {"LesionVolumeMl": round(float((lesion.array > 0).sum()) * lesion.grid.voxel_ml, 4)}
