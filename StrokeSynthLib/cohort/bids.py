"""What a cohort in BIDS layout says of itself: descriptions, tables, read-me.

The Brain Imaging Data Structure (Gorgolewski et al., Scientific Data 2016, 3:160044), as its
schema has it since 1.10.1: https://bids-specification.readthedocs.io.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import RESEARCH_NOTICE, __version__
from ..files import write_json, write_text
from ..schema import CLASSES

BIDS_VERSION = "1.10.1"
DERIVATIVES = Path("derivatives") / "strokesynth"
#: "desc" belongs to derivatives; everything else has a name that BIDS knows.
_IGNORED = "*_desc-b0_trace.*\n"
#: Sidecar keys of BIDS about how an image was acquired, true for each image of a case.
ACQUISITION_KEYS = (
    "Manufacturer", "ManufacturersModelName", "MagneticFieldStrength", "MRAcquisitionType",
    "PulseSequenceType", "EchoTime", "RepetitionTime", "FlipAngle",
)  # fmt: skip
_COLUMNS = {
    "person": {"Description": "Whose anatomy this is; participants who share one belong together in splits."},
    "synthetic": {
        "Description": "Whether any image of the participant is simulated or synthetic.",
        "Levels": {"true": "simulated or synthetic", "false": "acquired by a scanner"},
    },
    "lesion_volume_ml": {
        "Description": "Volume of the acute ischemic lesion; 0 means no lesion, n/a not known, or one "
        "for each session in sub-*_sessions.tsv.",
        "Units": "mL",
    },
}


def write_descriptions(out: Path, description: Mapping[str, Any]) -> None:
    """Write what describes a new cohort: first what marks the folder as ours, last that all is there.

    Parameters
    ----------
    description
        What made the cohort; its "Name" becomes the data set's.
    """
    name = str(description.get("Name", "StrokeSynth cohort"))
    generated = [{"Name": "StrokeSynth", "Version": __version__, "Description": RESEARCH_NOTICE}]
    common = {"Name": name, "BIDSVersion": BIDS_VERSION, "GeneratedBy": generated}
    write_json(
        out / "dataset_description.json", common | {"DatasetType": "raw", "StrokeSynth": dict(description)}
    )
    write_text(out / "README", _readme(name))
    write_text(out / ".bidsignore", _IGNORED)
    derived = out / DERIVATIVES
    write_text(derived / "README", _derived_readme(name))
    write_text(derived / "dseg.tsv", _class_table())
    write_json(
        derived / "dataset_description.json",
        common | {"DatasetType": "derivative", "DatasetLinks": {"raw": "../.."}},
    )


def write_participants(out: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write ``participants.tsv``, the tables of those who have sessions, and what the columns mean.

    Parameters
    ----------
    rows
        By participant: "person", "synthetic" and "ml", the lesion volumes as text by session ("" without).
    """
    sessions = {name: row["ml"] for name, row in sorted(rows.items()) if set(row["ml"]) != {""}}
    lines = ["\t".join(["participant_id", *_COLUMNS])]
    for participant, row in sorted(rows.items()):
        volumes = list(row["ml"].values())
        volume = volumes[0] if len(volumes) == 1 else "n/a"
        lines.append(f"{participant}\t{row['person'] or 'n/a'}\t{str(row['synthetic']).lower()}\t{volume}")
    for participant, found in sessions.items():
        table = ["session_id\tlesion_volume_ml", *(f"{name}\t{ml}" for name, ml in sorted(found.items()))]
        write_text(out / participant / f"{participant}_sessions.tsv", "\n".join(table) + "\n")
    if sessions:
        write_json(out / "sessions.json", {"lesion_volume_ml": _COLUMNS["lesion_volume_ml"]})
    write_json(out / "participants.json", _COLUMNS)
    write_text(out / "participants.tsv", "\n".join(lines) + "\n")


def label_record(folder: Path, name: str) -> dict[str, Any]:
    """On whose grid a mask or map lies: a BIDS URI into the images' data set.

    Parameters
    ----------
    folder
        Of the case, in the cohort (``sub-0001``, ``sub-0001/ses-2``).
    name
        Of the case.
    """
    return {"SpatialReference": f"bids:raw:{(folder / 'dwi' / name).as_posix()}_trace.nii.gz"}


def _class_table() -> str:
    """The semantic map's numbering as BIDS wants it."""
    lines = ["index\tname\tcolor"]
    lines += [f"{c.index}\t{c.name}\t#{c.color[0]:02x}{c.color[1]:02x}{c.color[2]:02x}" for c in CLASSES]
    return "\n".join(lines) + "\n"


def _readme(name: str) -> str:
    return f"""{name}

Written by StrokeSynth {__version__}. {RESEARCH_NOTICE}

Each case has a diffusion-weighted trace image (_trace), an ADC map (_ADC, 10^-3 mm^2/s) and an image
without diffusion weighting (_desc-b0_trace); derivatives/strokesynth holds the lesion mask
(_label-L_mask) and the semantic map without the lesion (_dseg, classes in dseg.tsv).
The sidecar of the trace image says whether the case is synthetic ("Synthetic": true) and how it was made.
"""


def _derived_readme(name: str) -> str:
    return f"""{name}: labels

Written by StrokeSynth {__version__}. {RESEARCH_NOTICE}

For each case, on the grid of its trace image: the acute ischemic lesion (_label-L_mask, 1 in the lesion; all
0 where there is none) and the semantic map without the lesion (_dseg, classes in dseg.tsv). Of simulated and
synthetic cases they are exact: the images were made from them.
"""
