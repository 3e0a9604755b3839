"""The simulated cohorts behind the shipped network: training, calibration, test.

Split by person before anything is made, for anatomies and for lesions alike:

* training: people 1 to 10 (each time bent anew) and new people of the shipped population model; real masks
  that are neither on the saved test list nor reserved, and procedural lesions; scans past every named
  protocol (``--scanner wide``);
* clinic: people 1 to 10, the masks of training, named protocols;
* calibration: people 11 and 12 on named protocols and wide ones, and new people of the population model (two
  people do not show how far people differ) on named ones; 100 reserved masks;
* test: people 13 to 15, the saved list of 200 masks, every named protocol and the held-out one.

    python Testing/Benchmarks/shipped_cohorts.py --data DIR --out WORK --workers 4

Interrupted, it goes on where it stopped. The product does not need the data; this script does.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from StrokeSynthLib.commands.console import Console
from StrokeSynthLib.lesions.masks import held_out_names, person_of
from StrokeSynthLib.pipeline.simulate import SimulationRecipe, simulate
from StrokeSynthLib.randomness import generator
from StrokeSynthLib.scanner.protocols import PROTOCOLS
from StrokeSynthLib.volume import file_stem

PEOPLE = {
    "training": tuple(f"{n:02d}" for n in range(1, 11)),
    "calibration": ("11", "12"),
    "test": ("13", "14", "15"),
}
RESERVED_MASKS = 100
#: Test cases of each protocol.
TEST_CASES = 16


@dataclass(frozen=True)
class Part:
    """One cohort: ``people`` None stands for the population model, ``masks`` None for procedural lesions."""

    name: str
    cases: int
    people: str | None
    masks: str | None
    scanner: str
    seed: int
    lesion_free: float = 0.06


PARTS = (
    Part("training-1", 650, "training", "training", "wide", 4001),
    Part("training-2", 350, None, "training", "wide", 4002),
    Part("training-3", 250, "training", None, "wide", 4003),
    Part("training-4", 250, None, None, "wide", 4004),
    Part("calibration-named", 60, "calibration", "calibration", "mixed", 4101, 0.1),
    Part("calibration-wide", 60, "calibration", "calibration", "wide", 4102, 0.1),
    Part("calibration-people", 80, None, "calibration", "mixed", 4103, 0.1),
    # What a hospital would have: for networks to compare with, and for fine-tuning.
    Part("clinic", 200, "training", "training", "mixed", 4301, 0.1),
    *(
        Part(f"test-{name}", TEST_CASES, "test", "test", name, 4200 + number, 0.125)
        for number, name in enumerate(PROTOCOLS)
    ),
)


def people_folder(data: Path, out: Path, part: str) -> Path:
    """A folder of links to the label maps of one part of the split."""
    folder = out / f"people-{part}"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "anatomy").glob("*.nii.gz")):
        if file_stem(path)[-2:] in PEOPLE[part] and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.resolve())
    return folder


def mask_names(data: Path) -> dict[str, tuple[str, ...]]:
    """People whose masks belong to each part of the split."""
    test = set(held_out_names())
    rest = sorted({person_of(path) for path in (data / "lesions").glob("*.nii.gz")} - test)
    order = generator(2026, "reserved masks").permutation(len(rest))
    reserved = {rest[i] for i in order[:RESERVED_MASKS]}
    return {
        "training": tuple(name for name in rest if name not in reserved),
        "calibration": tuple(sorted(reserved)),
        "test": tuple(sorted(test)),
    }


def make_part(part: Part, data: Path, out: Path, workers: int, console: Console) -> None:
    """Simulate one cohort."""
    recipe = SimulationRecipe(
        anatomies=people_folder(data, out, part.people) if part.people else None,
        lesions=data / "lesions" if part.masks else None,
        lesion_names=mask_names(data)[part.masks] if part.masks else None,
        scanner=part.scanner, lesion_free=part.lesion_free, seed=part.seed,
    )  # fmt: skip
    made = simulate(out / part.name, part.cases, recipe, progress=console.progress, workers=workers)
    console.say(f"{part.name}: {made.made} made, {made.kept} kept, {dict(made.counts)}")


def main() -> None:
    """Make all cohorts, or those named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="beginnings of the names of the cohorts to make")
    arguments = parser.parse_args()
    console = Console("bar")
    for part in PARTS:
        if not arguments.only or part.name.startswith(tuple(arguments.only)):
            make_part(part, arguments.data, arguments.out, arguments.workers, console)


if __name__ == "__main__":
    main()
