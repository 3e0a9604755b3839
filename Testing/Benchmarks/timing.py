"""Processor time and memory of single commands, on what ships with the product.

    python Testing/Benchmarks/timing.py --work WORK [--anatomies DIR]

Writes ``Testing/Benchmarks/timing.md``. Processor seconds (user and system, children included) hardly
depend on what else the machine does; wall time does, and is not given. One thread a process.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from StrokeSynthLib.files import write_text

HERE = Path(__file__).parent
CASES = 10


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    name: str
    seconds: float
    megabytes: float
    per: str


def run(name: str, per: str, *arguments: str) -> Cost:
    """Run one command in a process of its own and read what it used."""
    code = (
        "import resource, subprocess, sys;"
        "status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(u.ru_utime + u.ru_stime, u.ru_maxrss / 1024, status)"
    )
    command = [sys.executable, "-m", "StrokeSynthLib.cli", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, env=environment, check=True
    )
    seconds, megabytes, status = answer.stdout.split()
    if status != "0":
        raise SystemExit(f"{name}: failed\n{answer.stderr}")
    return Cost(name, float(seconds), float(megabytes), per)


def measure(work: Path, anatomies: Path | None) -> list[Cost]:
    """Every command, in the order in which one needs the other's result."""
    costs = [run("strokesynth --help", "", "--help")]
    for scanner in ("3T-2mm", "1.5T-5mm"):
        costs.append(
            run(f"simulate, {scanner}, population model", f"{CASES} cases", "simulate", "--cases", str(CASES),
                "--out", str(work / scanner), "--scanner", scanner, "--seed", "1"))  # fmt: skip
    if anatomies is not None:
        os.environ["XDG_CACHE_HOME"] = str(work / "cache")
        costs.append(
            run("simulate, 3T-2mm, 3 label maps, registered anew", f"{CASES} cases", "simulate", "--cases",
                str(CASES), "--out", str(work / "maps"), "--scanner", "3T-2mm", "--anatomies",
                str(anatomies)))  # fmt: skip
    first = work / "3T-2mm" / "sub-0001" / "dwi"
    images = ("--dwi", str(first / "sub-0001_trace.nii.gz"), "--adc", str(first / "sub-0001_ADC.nii.gz"))
    semantic_map = str(work / "map.nii.gz")
    costs.append(
        run("segment, threshold, 112x112x~70", "", "segment", *images, "--out", str(work / "mask.nii.gz"))
    )
    costs.append(run("map, 112x112x~70", "", "map", *images, "--out", semantic_map))
    costs.append(
        run("lesion on that map", "", "lesion", "--map", semantic_map, "--out", str(work / "lesion.nii.gz"),
            "--territory", "MCA", "--side", "left", "--volume-ml", "20"))  # fmt: skip
    physics, lesion = str(work / "physics"), str(work / "lesion.nii.gz")
    costs.append(
        run("train translator physics, 1.5T-5mm", f"{CASES} cases", "train", "translator", "--kind",
            "physics", "--cohort", str(work / "1.5T-5mm"), "--out", physics))  # fmt: skip
    costs.append(
        run("synthesize, physics, 112x112x~70", "", "synthesize", "--model", physics, "--map", semantic_map,
            "--lesion", lesion, "--out", str(work / "synthetic")))  # fmt: skip
    costs.append(
        run("database, physics", f"{CASES} cases", "database", "--model", str(work / "physics"), "--cases",
            str(CASES), "--out", str(work / "database")))  # fmt: skip
    return costs


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--anatomies", type=Path, help="label maps, for the row with registrations")
    arguments = parser.parse_args()
    costs = measure(arguments.work, arguments.anatomies)
    load = os.getloadavg()[0]
    lines = [
        "# Processor time and memory of single commands", "",
        "`python Testing/Benchmarks/timing.py --work DIR --anatomies DIR`, "
        f"Python {platform.python_version()}, one thread a process, {os.cpu_count()} cores, load {load:.0f} "
        "at the end. Start-up is included.", "",
        "| command | CPU seconds | per case | peak memory, MB |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for cost in costs:
        per_case = f"{cost.seconds / CASES:.2f}" if cost.per else ""
        what = f"{cost.name} ({cost.per})" if cost.per else cost.name
        lines.append(f"| {what} | {cost.seconds:.1f} | {per_case} | {cost.megabytes:.0f} |")
    write_text(HERE / "timing.md", "\n".join([*lines, ""]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
