"""The data sheet of a database: what was asked for, what came out, from what, and how to make it again.

Everything is read from the cases' own sidecars, one after the other, so that the sheet of a database that
was killed and gone on with is the same as of one made at once. After Gebru et al., "Datasheets for
Datasets", 2021. Three files lie beside the cases (and in ``.bidsignore``): ``datasheet.md`` to read,
``datasheet.json`` for programs, ``datasheet.tsv`` with a line a case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import BadInputError
from ..files import read_json, replacing, write_json, write_text
from .catalog import card_of, summary_of
from .datasheet_page import page

NAME = "datasheet"
#: What a validator of BIDS shall pass over.
IGNORED = (f"{NAME}.*", "contact_sheet_*.png", "audit.*")
_PERCENTILES = (5, 25, 50, 75, 95)
COLUMNS = (
    "case", "person", "lesion_ml", "territory", "side", "asked", "images_tested", "lesions_tried",
    "recovered", "dwi_auc", "adc_auc", "anatomy", "lesion_source", "translator_seed", "map_hash",
    "lesion_hash",
)  # fmt: skip


@dataclass
class _Sums:
    """What is gathered while the sidecars go by: numbers and counts, no case as a whole."""

    persons: set[str] = field(default_factory=set)
    volumes: list[float] = field(default_factory=list)
    asked_ratio: list[float] = field(default_factory=list)
    dwi_auc: list[float] = field(default_factory=list)
    given_up_ml: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    territories: Counter[str] = field(default_factory=Counter)
    sides: Counter[str] = field(default_factory=Counter)
    grids: Counter[str] = field(default_factory=Counter)
    b_values: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, content: Mapping[str, Any]) -> None:
        """Take in one case's sidecar."""
        self.counts["cases"] += 1
        self.persons.add(str(content.get("Person")))
        grid = content.get("Grid") or {}
        if grid:
            self.grids[_grid_text(grid)] += 1
        self.b_values[f"{content.get('DiffusionBValue', content.get('AssumedBValue', 0)):g}"] += 1
        volume = float(content.get("LesionVolumeMl") or 0.0)
        if volume == 0:
            self.counts["without a lesion"] += 1
        else:
            self.volumes.append(volume)
            lesion = content.get("Lesion") or {}
            self.territories[str(lesion.get("territory", "not stated"))] += 1
            self.sides[str(lesion.get("side", "not stated"))] += 1
            self._compare(content.get("Requested") or {}, lesion, volume)
        self._tests(content.get("Tries") or ())

    def _compare(self, asked: Mapping[str, Any], lesion: Mapping[str, Any], volume: float) -> None:
        for name in ("territory", "side"):
            if name in asked:
                self.counts[f"asked for a {name}"] += 1
                self.counts[f"{name} as asked for"] += asked[name] in (
                    lesion.get(name),
                    *_names(name, lesion),
                )
        if "volume_ml" in asked:
            self.asked_ratio.append(volume / float(asked["volume_ml"]))

    def _tests(self, tries: Any) -> None:
        if not tries:
            return
        tested = [t for t in tries if "image" in t]
        self.counts["with a lesion asked for"] += 1
        self.counts["images tested"] += len(tested)
        self.counts["images refused"] += sum(not t["recovered"] for t in tested)
        self.counts["first image kept"] += len(tries) == 1
        kept = _kept(tries)
        self.counts["kept though not recovered"] += not kept["recovered"]
        last = kept["lesion"]
        self.counts["lesions given up"] += last - 1
        self.given_up_ml += [t["volume_ml"] for t in tested if t["lesion"] < last and t["image"] == 1]
        self.reasons.update(_short(str(t["reason"])) for t in tries if not t["recovered"])
        if kept.get("dwi_auc") is not None:
            self.dwi_auc.append(kept["dwi_auc"])


def _kept(tries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The try that the case shows: the last, or the first image where none shows the lesion."""
    return next((t for t in tries if t.get("kept")), tries[-1])


def write_datasheet(out: Path, model: str | Path, lesions: Path | None = None) -> dict[str, Any]:
    """Write the data sheet of the database at ``out``; returns what ``datasheet.json`` holds.

    Parameters
    ----------
    model, lesions
        The translator, and the model that lesions came from, where they came from one.

    Raises
    ------
    BadInputError
        When a sidecar or the model cannot be read.
    """
    sums = _Sums()
    with replacing(out / f"{NAME}.tsv") as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write("\t".join(COLUMNS) + "\n")
        for name, content in _sidecars(out):
            sums.add(content)
            stream.write("\t".join(_row(name, content)) + "\n")
    description = read_json(out / "dataset_description.json")["StrokeSynth"]
    content = _content(description, sums, model, lesions)
    write_json(out / f"{NAME}.json", content)
    write_text(out / f"{NAME}.md", page(content, card_of(model)))
    _ignore(out)
    return content


def _model_entry(model: str | Path) -> dict[str, str]:
    summary = summary_of(model)
    return {
        "name": summary.name, "kind": summary.kind, "title": summary.title, "license": summary.license,
        "hash": summary.hash,
    }  # fmt: skip


def _content(
    description: Mapping[str, Any], sums: _Sums, model: str | Path, lesions: Path | None
) -> dict[str, Any]:
    translator = _model_entry(model)
    count = sums.counts
    settings = dict(description.get("Settings", {}))
    if count["kept though not recovered"]:
        # Said by the cases, as it may have been asked for when the database was gone on with.
        settings["keep_unrecoverable"] = True
    return {
        "synthetic": True,
        "software": f"StrokeSynth {__version__}",
        "asked": settings,
        "command": command_line(settings, translator["name"], count["cases"]),
        "model": translator,
        "lesion_model": None if lesions is None else _model_entry(lesions),
        "cases": count["cases"],
        "persons": len(sums.persons),
        "lesion_free": {
            "cases": count["without a lesion"], "share": _share(count["without a lesion"], count["cases"]),
        },
        "lesion_volume_ml": _spread(sums.volumes),
        "territories": dict(sums.territories.most_common()),
        "sides": dict(sums.sides.most_common()),
        "grids": dict(sums.grids.most_common()),
        "b_values": dict(sums.b_values.most_common()),
        "asked_and_got": {
            "territory": _match(count, "territory"), "side": _match(count, "side"),
            "volume_ratio": _spread(sums.asked_ratio),
        },
        "rejection": {
            "cases_with_lesion": count["with a lesion asked for"],
            "first_image_kept": count["first image kept"],
            "images_tested": count["images tested"],
            "images_refused": count["images refused"],
            "image_rejection_rate": _share(count["images refused"], count["images tested"]),
            "lesions_given_up": count["lesions given up"],
            "given_up_volume_ml": _spread(sums.given_up_ml),
            "kept_though_not_recovered": count["kept though not recovered"],
            "reasons": dict(sums.reasons.most_common()),
            "dwi_auc": _spread(sums.dwi_auc),
        },
    }  # fmt: skip


def command_line(settings: Mapping[str, Any], model: str, cases: int) -> str:
    """What makes the database again; folders by their names, as paths belong to a machine."""
    words = ["strokesynth", "database", "--model", model, "--cases", str(cases)]
    defaults = {"anatomies": "population model", "lesions": "procedural"}
    for name in ("anatomies", "maps", "lesions"):
        value = settings.get(name)
        if value and value != defaults.get(name):
            words += [f"--{name}", str(value).split(" (")[0]]
    words += ["--lesion-free", f"{settings.get('lesion_free', 0):g}", "--seed", str(settings.get("seed", 0))]
    wishes = settings.get("wishes") or {}
    for name, option in (("territories", "--territory"), ("sides", "--side"), ("volume_ml", "--volume-ml")):
        if wishes.get(name):
            words += [option, *(f"{v:g}" if isinstance(v, float) else str(v) for v in wishes[name])]
    if settings.get("sampling_steps"):
        words += ["--sampling-steps", str(settings["sampling_steps"])]
    if settings.get("keep_unrecoverable"):
        words.append("--keep-unrecoverable")
    return " ".join([*words, "--out", "DATABASE"])


def _sidecars(out: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Sidecars of the cases' trace images, by name."""
    for folder in sorted(out.glob("sub-*")):
        path = folder / "dwi" / f"{folder.name}_trace.json"
        if path.is_file():
            content = read_json(path)
            if not isinstance(content, dict):
                raise BadInputError(f"{path}: is no sidecar; delete this case's folder and use --resume.")
            yield folder.name, content


def _row(name: str, content: Mapping[str, Any]) -> list[str]:
    lesion, tries = content.get("Lesion") or {}, content.get("Tries") or []
    last = _kept(tries) if tries else {}
    translation = content.get("Translation") or {}
    parents = translation.get("Parents") or {}
    asked = content.get("Requested")
    wished = ", ".join(f"{key} {value}" for key, value in asked.items()) if asked else "any lesion"
    values = (
        name, content.get("Person"), content.get("LesionVolumeMl"), lesion.get("territory"),
        lesion.get("side"),
        wished if asked is not None else "no lesion", sum("image" in t for t in tries), last.get("lesion"),
        last.get("recovered"), last.get("dwi_auc"), last.get("adc_auc"),
        (content.get("Anatomy") or {}).get("name"), lesion.get("file", lesion.get("source")),
        translation.get("Seed"), parents.get("SemanticMap"), parents.get("Lesion"),
    )  # fmt: skip
    return ["n/a" if value is None else str(value).replace("\t", " ") for value in values]


def _names(what: str, lesion: Mapping[str, Any]) -> tuple[Any, ...]:
    """What else a lesion's place is called: a branch, or the pattern that was grown."""
    return (lesion.get("part"), lesion.get("pattern")) if what == "territory" else ()


def _ignore(out: Path) -> None:
    path = out / ".bidsignore"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    missing = [line for line in IGNORED if line not in lines]
    if missing:
        write_text(path, "\n".join([*lines, *missing]) + "\n")


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    found = np.percentile(values, _PERCENTILES)
    return {"cases": len(values)} | {
        f"p{p}": round(float(v), 4) for p, v in zip(_PERCENTILES, found, strict=True)
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _match(count: Mapping[str, int], name: str) -> float | None:
    return _share(count[f"{name} as asked for"], count[f"asked for a {name}"])


def _grid_text(grid: Mapping[str, Any]) -> str:
    shape, spacing = grid.get("shape", ()), grid.get("spacing", ())
    return " x ".join(map(str, shape)) + ", " + " x ".join(f"{s:.2f}" for s in spacing) + " mm"


def _short(reason: str) -> str:
    """Reasons that differ in numbers or names only are counted as one."""
    if reason.startswith("a part of"):
        return "a large part is not brighter than the tissue around"
    return (
        reason if reason.startswith(("not brighter", "too small", "lost on")) else "no lesion could be placed"
    )
