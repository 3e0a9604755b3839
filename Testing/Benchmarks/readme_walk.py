"""Runs the README's five-minute walk and puts its real output into the README.

python Testing/Benchmarks/readme_walk.py --work WORK
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from StrokeSynthLib.files import write_text

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- walk:begin -->", "<!-- walk:end -->"
_MAP = "clinic/derivatives/strokesynth/sub-0001/dwi/sub-0001_dseg.nii.gz"
_SYNTHETIC = "synthetic/sub-0001_dseg_synthetic"
STEPS = (
    ("Simulate a clinic of 10 examinations and a test set of other people (same seed, same bytes):", (
        "strokesynth simulate --cases 10 --out clinic --scanner 1.5T-5mm --seed 1",
        "strokesynth simulate --cases 8 --out test --scanner 1.5T-5mm --seed 2")),
    ("Grow a lesion in the left middle cerebral artery's territory of the first map, learn how this clinic's "
     "images look, and draw the examination that the map and the lesion would give:", (
        f"strokesynth lesion --map {_MAP} --out lesion.nii.gz --territory MCA --side left --volume-ml 20",
        "strokesynth train translator --kind physics --cohort clinic --out physics",
        f"strokesynth synthesize --model physics --map {_MAP} --lesion lesion.nii.gz --out synthetic")),
    ("Segment it with the shipped network, with its semantic map from the same pass, then the test set, "
     "and score that against the reference:", (
        f"strokesynth segment --dwi {_SYNTHETIC}_dwi.nii.gz --adc {_SYNTHETIC}_adc.nii.gz --out found.nii.gz "
        "--map found-map.nii.gz",
        "strokesynth segment --cohort test --out masks",
        "strokesynth evaluate --reference test --prediction masks --out report.json")),
    ("Make 40 synthetic cases and fine-tune the shipped network on both (here 20 steps, to show the command; "
     "leave `--steps` out for a real training):", (
        "strokesynth database --model physics --cases 40 --out database --workers 2",
        "strokesynth train segmenter --cohort clinic --synthetic database --start-from acute --out mine "
        "--steps 20")),
    ("What happens with a file that is not what it should be:", (
        "strokesynth segment --dwi README.md --out found.nii.gz",
        f"strokesynth segment --dwi {_SYNTHETIC}_adc.nii.gz --adc {_SYNTHETIC}_dwi.nii.gz "
        "--out found.nii.gz")),
)  # fmt: skip


def run(command: str, work: Path) -> str:
    """What a command prints, errors included, without progress."""
    words = shlex.split(command)
    answer = subprocess.run(
        [sys.executable, "-m", "StrokeSynthLib.cli", *words[1:]], cwd=work, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    # Stage lines stand for the bar where there is no terminal; the notice ends every output.
    said = [line for line in answer.stderr.splitlines() if line.startswith(("strokesynth:", "notice:"))]
    lines = [*said, *answer.stdout.splitlines()]
    return "\n".join([f"$ {command}", *(line.rstrip() for line in lines)])


def main() -> None:
    """Run every step and rewrite the part of the README between the marks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    (work / "README.md").write_text("not an image\n")
    parts = []
    for text, commands in STEPS:
        parts.append(f"{text}\n\n```\n" + "\n".join(run(command, work) for command in commands) + "\n```\n")
    whole = README.read_text(encoding="utf-8")
    head, rest = whole.split(BEGIN)
    _, tail = rest.split(END)
    write_text(README, head + BEGIN + "\n" + "\n".join(parts) + END + tail)


if __name__ == "__main__":
    main()
