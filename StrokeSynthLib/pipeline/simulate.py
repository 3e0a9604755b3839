"""Simulated cases: anatomy, lesion, scanner.

1. An anatomy is drawn (a new person from the population model, or one of a folder).
2. A lesion is drawn for it, or none for the asked share of lesion-free cases.
3. A protocol is chosen and the scanner acquires DWI and b0; ADC is computed from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from ..lesions.lesion import LesionRequest
from ..progress import Progress, silent
from ..provenance import record
from ..randomness import generator
from .production import MadeCase, Produced, case_name, produce

#: Lesion-free examinations among simulated cases, so that specificity is learned and measured.
LESION_FREE_SHARE = 0.1


@dataclass(frozen=True)
class SimulationRecipe:
    """What a simulated cohort is made of.

    Parameters
    ----------
    anatomies
        Folder of label maps, or None for the shipped population model.
    lesions
        What :func:`.cohort_masks.open_lesion_source` understands; None for the procedural generator.
    lesion_names
        Only these masks of a folder (file names without ending) or cases of a cohort, or None for all.
    scanner
        Name of a protocol; "mixed": any that is not held out; "wide": past all of them.
    lesion_free
        Share of cases without a lesion.
    skull_stripped
        True, False, or None: as the protocol's own mixture.
    seed
        Everything follows from it.
    """

    anatomies: Path | None = None
    lesions: Path | None = None
    lesion_names: tuple[str, ...] | None = None
    scanner: str = "mixed"
    lesion_free: float = LESION_FREE_SHARE
    skull_stripped: bool | None = None
    seed: int = 0

    def description(self) -> dict[str, Any]:
        """What ``dataset_description.json`` says; folders by name only, no machine's paths."""
        settings = asdict(self)
        settings["anatomies"] = self.anatomies.name if self.anatomies else "population model"
        settings["lesions"] = self.lesions.name if self.lesions else "procedural"
        settings["lesion_names"] = "all" if self.lesion_names is None else len(self.lesion_names)
        return {"Name": "Simulated stroke cohort (StrokeSynth)", "Kind": "simulated", "Settings": settings}

    def maker(self) -> Callable[[int], MadeCase]:
        """Open anatomies and lesions; the function makes case ``number``."""
        from ..anatomy.source import open_anatomies
        from ..scanner.protocols import PROTOCOLS, WIDE
        from ..scanner.simulate import acquire
        from ..scanner.wide import draw_wide_protocol
        from .cohort_masks import open_lesion_source

        anatomies = open_anatomies(self.anatomies)
        lesions = open_lesion_source(self.lesions, names=self.lesion_names)
        names = protocol_names(self.scanner)

        def make(number: int) -> MadeCase:
            rng = generator(self.seed, "simulate", number)
            anatomy = anatomies.draw(number, self.seed)
            lesion_free = bool(rng.random() < self.lesion_free)
            name = names[int(rng.integers(len(names)))]
            protocol = draw_wide_protocol(rng) if name == WIDE else PROTOCOLS[name]
            rejected = getattr(lesions, "rejections", 0)
            lesion = None if lesion_free else lesions.draw(anatomy, LesionRequest(), rng)
            rejected = getattr(lesions, "rejections", 0) - rejected
            scan = acquire(anatomy, lesion, protocol, rng, skull_stripped=self.skull_stripped)
            return MadeCase(
                case_name(number), str(anatomy.record.get("person", anatomy.name)),
                scan.dwi, scan.adc, scan.b0, scan.lesion, scan.semantic_map, scan.b_value,
                record(
                    synthetic=True, Kind="simulated", Seed=self.seed, Number=number,
                    Anatomy=dict(anatomy.record) | {"name": anatomy.name},
                    Lesion=dict(lesion.record) if lesion else {"source": "none"},
                    Scan=dict(scan.record), **_acquisition(scan.record),
                ),
                {"lesion masks refused": rejected, "without a lesion": int(lesion_free)},
            )  # fmt: skip

        return make


def _acquisition(scan: Mapping[str, Any]) -> dict[str, Any]:
    """The scan's main numbers under the names and in the units of BIDS (T, s)."""
    return {
        "MagneticFieldStrength": scan["field_strength"],
        "EchoTime": round(scan["echo_time"] / 1000, 5),
        "MRAcquisitionType": "2D",
        "PulseSequenceType": "Simulated spin-echo EPI",
    }


def protocol_names(scanner: str) -> list[str]:
    """Names of the protocols that ``scanner`` stands for.

    Raises
    ------
    BadInputError
        When it is no protocol and not "mixed".
    """
    from ..scanner.protocols import MIXED, PROTOCOLS, WIDE

    if scanner == MIXED:
        return [name for name, protocol in PROTOCOLS.items() if not protocol.held_out]
    if scanner == WIDE or scanner in PROTOCOLS:
        return [scanner]
    raise BadInputError(f"--scanner {scanner}: is not known; choose {MIXED}, {WIDE}, {', '.join(PROTOCOLS)}.")


def simulate(
    out: Path, cases: int, recipe: SimulationRecipe, *, progress: Progress = silent, workers: int = 1
) -> Produced:
    """Write a simulated cohort of ``cases`` examinations in BIDS layout to ``out``.

    Raises
    ------
    BadInputError
        For an unknown scanner, unusable folders, or an ``out`` that is something else.
    """
    protocol_names(recipe.scanner)
    return produce(recipe, out, cases, stage="Simulating cases", progress=progress, workers=workers)
