"""How often lesions of simulated examinations are found recoverable, and masks where no lesion is.

The limits of :mod:`StrokeSynthLib.evaluate.recoverable` were chosen on the first cohort; the others (people,
lesions and protocols that had no part in that) check them. For each case with a lesion:

* its own mask: refused ones would be drawn again by ``strokesynth database``;
* the mask mirrored left to right, in brain tissue away from the lesion: an image in which the lesion that was
  asked for is missing. What passes here is what the test lets through.

    python -m Testing.Benchmarks.recoverable --out Testing/Benchmarks WORK/clinic WORK/test-*
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from StrokeSynthLib.cohort.case import Case
from StrokeSynthLib.cohort.layouts import open_cohort
from StrokeSynthLib.cohort.load import load_case
from StrokeSynthLib.evaluate.recoverable import FEWEST_VOXELS, LARGE_ML, recoverable
from StrokeSynthLib.files import read_json, write_json, write_text
from StrokeSynthLib.provenance import sidecar_path
from StrokeSynthLib.schema import PARENCHYMA
from StrokeSynthLib.volume import Volume

WEEK = 168.0


def mirrored(case: Case) -> Volume | None:
    """The mask on the other side, where there is brain and no lesion; None where nothing is left."""
    assert case.lesion is not None
    assert case.semantic_map is not None
    lesion = case.lesion.canonical()
    array = lesion.array > 0
    other = array[::-1] & np.isin(case.semantic_map.canonical().array, PARENCHYMA)
    other &= ~ndimage.binary_dilation(array, iterations=2)
    if other.sum() < FEWEST_VOXELS:
        return None
    return case.lesion.from_canonical(other.astype(np.uint8))


def row_of(path: Path, case: Case) -> dict[str, Any]:
    """Both tests of one case."""
    assert case.semantic_map is not None
    assert case.lesion is not None
    real = recoverable(case.dwi, case.adc, case.semantic_map, case.lesion)
    mask = mirrored(case)
    missing = None if mask is None else recoverable(case.dwi, case.adc, case.semantic_map, mask)
    return {
        "case": case.name, "ml": round(case.lesion_ml, 3),
        "hours": round(float(read_json(sidecar_path(path))["Scan"]["lesion_age_hours"]), 1),
        "own": real.record(), "missing": missing.record() if missing else None,
    }  # fmt: skip


def share(rows: list[dict[str, Any]], which: str, recovered: bool) -> str:
    """Share of rows whose test went so, as "3.1 % (4 of 130)"."""
    known = [row[which]["recovered"] for row in rows if row[which] is not None]
    count = sum(value is recovered for value in known)
    return f"{100 * count / len(known):.1f} % ({count} of {len(known)})" if known else "-"


def table(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Shares by cohort."""
    lines = [
        "| cohort | lesions | refused | refused, 1 ml or more | refused, a week or older "
        "| passes where no lesion is | 5th, 50th percentile of the DWI's AUC | of the ADC's |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, some in rows.items():
        large = [row for row in some if row["ml"] >= LARGE_ML]
        old = [row for row in some if row["hours"] >= WEEK]
        spread = [
            np.nanpercentile(
                [np.nan if row["own"][key] is None else row["own"][key] for row in some], (5, 50)
            )
            for key in ("dwi_auc", "adc_auc")
        ]
        lines.append(
            f"| {name} | {len(some)} | {share(some, 'own', False)} | {share(large, 'own', False)} | "
            f"{share(old, 'own', False)} | {share(some, 'missing', True)} | "
            + " | ".join(f"{low:.2f}, {middle:.2f}" for low, middle in spread) + " |"
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Test all cases of the cohorts and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohorts", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {}
    for cohort in arguments.cohorts:
        for files in open_cohort(cohort).cases:
            case = load_case(files)
            if case.lesion_ml and case.semantic_map is not None:
                rows.setdefault(cohort.name, []).append(row_of(files.dwi, case))
        print(cohort.name, len(rows.get(cohort.name, [])), flush=True)
    first, *rest = rows
    shown = {f"{first} (limits chosen here)": rows[first]}
    shown |= {name: rows[name] for name in rest}
    shown["all but the first"] = [row for name in rest for row in rows[name]]
    write_json(arguments.out / "recoverable.json", rows)
    write_text(arguments.out / "recoverable.md", f"# Recoverable lesions\n\n{table(shown)}")
    print(table(shown))


if __name__ == "__main__":
    main()
