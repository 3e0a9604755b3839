"""What there is: versions, device, models, sources; and whether a cohort can be used."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ... import RESEARCH_NOTICE, __version__
from ...device import choose_device, gpu_in_sight
from ...errors import BadInputError
from ...modelfolder import open_model, shipped_models
from ..protocol import PROTOCOL
from .arguments import Arguments
from .workshop import Workshop

#: Packages whose versions are told, whether they are installed or not.
_PACKAGES = ("numpy", "scipy", "SimpleITK", "safetensors", "onnxruntime", "torch", "monai")


def hello(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Versions, device, models and what can be asked for.

    Without "thorough" nothing large is imported: the device is then what will be tried.
    """
    from ...lesions.source import SOURCES
    from ...lesions.territories import SIDES, TERRITORIES
    from ...pipeline.training import trainings
    from ...segment.registry import SEGMENTERS
    from ...translate.registry import TRANSLATORS

    device, thorough = arguments.text("device", "auto") or "auto", arguments.flag("thorough")
    folders = [Path(text) for text in arguments.texts("folders")]
    arguments.finish()
    return {
        "protocol": PROTOCOL,
        "version": __version__,
        "notice": RESEARCH_NOTICE,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "process": os.getpid(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": _tried_device(device, workshop) if thorough else _expected_device(device),
        "models": [_model(name, shipped=True) for name in shipped_models()]
        + [_model(folder, shipped=False) for folder in _model_folders(folders)],
        "segmenters": [{"name": name, "summary": text} for name, text in SEGMENTERS.items()],
        "translators": [
            {"name": name, "summary": kind.summary, "needs_background": kind.needs_background}
            for name, kind in TRANSLATORS.items()
        ],
        "lesions": [{"name": name, "summary": kind.description} for name, kind in SOURCES.items()],
        "trainings": [asdict(training) for training in trainings()],
        "territories": [{"name": t.name, "summary": t.description} for t in TERRITORIES.values()],
        "sides": list(SIDES),
    }


def check(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Every case of a cohort through the door, with what was found."""
    from ...cohort.check import check_cohort
    from ...cohort.layouts import open_cohort

    folder, maps = Path(arguments.named("cohort")), arguments.path("maps")
    arguments.finish()
    cohort = open_cohort(folder, maps)
    findings = check_cohort(cohort, workshop.progress)
    bad = {finding.case for finding in findings if finding.severity == "error"}
    cases = [
        {
            "name": files.name, "person": files.person, "usable": files.name not in bad,
            "adc": files.adc is not None, "lesion": files.lesion is not None,
            "map": files.semantic_map is not None, "synthetic": files.synthetic,
        }
        for files in cohort.cases
    ]  # fmt: skip
    return {
        "layout": cohort.layout,
        "cases": cases,
        "unusable": len(bad),
        "findings": [asdict(finding) for finding in findings],
    }


def mosaic(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """A picture of a cohort's cases, also of one that is still being made."""
    from ...cohort.layouts import open_cohort
    from ...study.mosaic import MOST_CASES, write_mosaic

    folder, out = Path(arguments.named("cohort")), Path(arguments.named("out"))
    most = arguments.number("most") or MOST_CASES
    arguments.finish()
    made = write_mosaic(open_cohort(folder), out, most=int(most), progress=workshop.progress)
    return {"path": str(made.path), "shown": list(made.shown), "cases": made.cases, "columns": made.columns}


def unload(arguments: Arguments, workshop: Workshop) -> dict[str, Any]:
    """Close models and previews, and give their memory back."""
    arguments.finish()
    workshop.clear()
    return {}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _expected_device(name: str) -> dict[str, Any]:
    """What will compute, as far as can be seen without trying it."""
    if name == "cpu":
        return {"name": "cpu", "reason": "CPU: asked for.", "tried": False}
    if not gpu_in_sight():
        return {"name": "cpu", "reason": "CPU: no driver of a graphics card is seen.", "tried": False}
    if find_spec("torch") is None:
        reason = "CPU: there is a graphics card, but PyTorch, which could use it, is not installed."
        return {"name": "cpu", "reason": reason, "tried": False}
    reason = "There is a graphics card; it is tried with the first computation."
    return {"name": "cuda", "reason": reason, "tried": False}


def _tried_device(name: str, workshop: Workshop) -> dict[str, Any]:
    """What computes, after it has computed something."""
    expected = _expected_device(name)
    if name == "cuda" or expected["name"] == "cuda":
        found = choose_device(name)
        if found.name == "cuda":
            return {"name": found.name, "reason": found.reason, "tried": True}
        expected = {"name": found.name, "reason": found.reason}
    engine = _tried_network(workshop)
    reason = f"{expected['reason']} {engine}".strip()
    return {"name": "cpu", "reason": reason, "tried": bool(engine)}


def _tried_network(workshop: Workshop) -> str:
    """Let the network that segments compute an image of nothing much; what computed it."""
    from ...pipeline.single import default_segmenter
    from ...volume import Volume

    segmenter = workshop.segmenter(default_segmenter(), "cpu")
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in (64, 64, 8)], indexing="ij")
    ball = (x * x + y * y + z * z < 0.7) * (100.0 + 5 * np.sin(9 * x) * np.cos(7 * y))
    segmenter.predict(Volume(ball.astype(np.float32), np.diag([3.0, 3.0, 6.0, 1.0])))
    engine = getattr(segmenter, "engine", f"The {segmenter.kind} method")
    return f"{engine.rstrip('.')} has computed a test image."


def _model_folders(folders: list[Path]) -> list[Path]:
    """The model folders among folders and directly in them."""
    found = []
    for folder in folders:
        if (folder / "model.json").is_file():
            found.append(folder)
        elif folder.is_dir():
            found += sorted(path.parent for path in folder.glob("*/model.json"))
    return list(dict.fromkeys(found))


def _model(name_or_path: str | Path, *, shipped: bool) -> dict[str, Any]:
    """A model for the panel's lists; "problem" says why it cannot be used."""
    from ...lesions.learned.registry import LESION_KINDS
    from ...pipeline.catalog import summary_of
    from ...segment.registry import SEGMENTERS
    from ...translate.registry import TRANSLATORS

    try:
        summary = summary_of(name_or_path)
        config = open_model(name_or_path).config
    except BadInputError as error:
        return {"name": Path(name_or_path).name, "path": str(name_or_path), "role": "", "kind": "",
                "shipped": shipped, "problem": str(error)}  # fmt: skip
    roles: dict[str, Collection[str]] = {
        "segmenter": SEGMENTERS, "translator": TRANSLATORS, "lesions": LESION_KINDS,
    }  # fmt: skip
    role = next((name for name, kinds in roles.items() if summary.kind in kinds), "")
    network = config.get("network") or config.get("generator") or {}
    return {
        **asdict(summary),
        "megabytes": round(summary.megabytes, 3),
        "role": role,
        "shipped": shipped,
        "maps": bool(network.get("tissues", False)),
        "dimensions": network.get("dimensions"),
        "problem": "",
    }
