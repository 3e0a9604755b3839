"""Table and picture of the head-to-head, from the pieces that are there; see :mod:`.head_to_head`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from StrokeSynthLib.files import read_json, write_json, write_text
from StrokeSynthLib.pipeline.simulate import LESION_FREE_SHARE
from StrokeSynthLib.schema import INTRACRANIAL
from Testing.Benchmarks import head_to_head_tables as tables
from Testing.Benchmarks.head_to_head import CLINICAL, HEALTHY, MAP_ALONE, PIECES, ROWS, SAMPLING_STEPS
from Testing.Benchmarks.head_to_head_tables import Rows, named
from Testing.Benchmarks.small_picture import save_small

if TYPE_CHECKING:
    from Testing.Benchmarks.head_to_head import Plan

#: Pieces of the stage ``score`` that the tables of images are made from.
_SCORED = {"images", "scans", "features", "seeds"}
#: Color of the lesion's outline.
_OUTLINE = (232, 163, 61)


def read_rows(plan: Plan) -> tuple[Rows, list[str]]:
    """All pieces that are done, by kind and seed; and what was made with other settings, in words."""
    rows: Rows = {}
    left_out = []
    for kind in ROWS:
        seeds = {int(path.name.split("-")[1]) for path in (plan.work / "pieces").glob(f"{kind}-*-*.json")}
        for seed in sorted(seeds):
            done = [name for name in PIECES if plan.piece(kind, seed, name).is_file()]
            fitting = [name for name in done if plan.fits(kind, seed, name)]
            if fitting:
                rows.setdefault(kind, {})[seed] = {name: plan.read(kind, seed, name) for name in fitting}
            if other := [name for name in done if name not in fitting]:
                left_out.append(
                    f"- {named(kind)}, seed {seed}: made with other settings, left out: {', '.join(other)}."
                )
    return rows, left_out


def code_states(plan: Plan, rows: Rows) -> dict[str, list[str]]:
    """By the hash of the sources that made them: which rows' pieces."""
    found: dict[str, list[str]] = {}
    for kind, seeds in rows.items():
        for seed, row in seeds.items():
            for name in row:
                code = read_json(plan.piece(kind, seed, name)).get("code", {})
                of_state = found.setdefault(code.get("sources", "not written down"), [])
                if kind not in of_state:
                    of_state.append(kind)
    return found


def write_report(plan: Plan, out: Path, name: str = "head_to_head") -> None:
    """``NAME.md``, ``.json`` and, where images were drawn, ``.png`` in ``out``."""
    rows, left_out = read_rows(plan)
    content = {
        "settings": plan.settings(),
        "networks": {
            kind: {"channels": plan.channels(kind), "sampling_steps": SAMPLING_STEPS.get(kind)}
            for kind in rows
            if plan.channels(kind)
        },
        "code": code_states(plan, rows),
        "rows": {kind: {str(seed): row for seed, row in seeds.items()} for kind, seeds in rows.items()},
    }
    write_json(out / f"{name}.json", content)
    write_text(out / f"{name}.md", page(plan, rows, left_out))
    draw_picture(plan, rows, out / f"{name}.png")


def page(plan: Plan, rows: Rows, left_out: Sequence[str] = ()) -> str:
    """The report as Markdown; all of it is made here, so that a new one loses nothing."""
    parts = [
        "# All translators on one simulated clinic",
        _introduction(plan),
        "## Networks and time",
        _OF_NETWORKS,
        tables.table(tables.with_networks(rows), tables.TIME),
        " ".join(said for said in (tables.cost(rows), tables.sampling(rows)) if said),
        f"Trainings ended after {plan.minutes:g} minutes at the latest." if plan.minutes else "",
        *_images(plan, rows),
        "## Utility",
        _OF_UTILITY,
        tables.without_lesion(rows),
        tables.utility(rows),
        *_failures(rows, left_out),
        *_code(code_states(plan, rows)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _images(plan: Plan, rows: Rows) -> list[str]:
    """What the images are like; a run of other stages alone has drawn none to say it of."""
    if not any(_SCORED & row.keys() for seeds in rows.values() for row in seeds.values()):
        return ["Images were not compared here."]
    drawn = {kind: seeds for kind, seeds in rows.items() if kind != HEALTHY}
    return [
        "## Realism",
        f"Images on {plan.maps} maps and lesions of test cases, against the simulated scans of the same. "
        + _OF_REALISM,
        tables.table(rows, tables.INTENSITIES, marked=True),
        _OF_FEATURES,
        tables.table(rows, tables.FEATURES, marked=True),
        tables.equation(rows),
        "## Lesions",
        _OF_LESIONS,
        tables.table(tables.with_scans(drawn), tables.LESIONS, marked=True),
        "## Diversity",
        _OF_DIVERSITY,
        tables.table(tables.with_scans(rows), tables.DIVERSITY, marked=True),
    ]


def _prose(text: str) -> str:
    """A paragraph on one line."""
    return " ".join(text.split())


def _introduction(plan: Plan) -> str:
    return _prose(f"""
        {plan.cases} training cases for each seed, drawn from 200 simulated cases of people 1 to 10 with real
        lesion masks; {len(plan.test())} test cases of people 13 to 15 with masks of the saved list, on all
        seven protocols, one of which the clinic has not. Everything here is about simulated images.
        Networks: {plan.steps} steps on one thread; {plan.database} synthetic cases of the shipped population
        model and procedural lesions (copypaste: of its own cases); segmenters: {plan.segmenter_steps} steps.
        Where there are several seeds, figures are their means, and brackets the smallest and the largest,
        left out where these are equal; a cell that rests on fewer seeds than its row says how many (n).
        Three trainings show no ranking. Networks correct a sketch drawn from the fitted statistics, as
        `physics` draws it, so their images resemble its images; those called `{named("..." + MAP_ALONE)}`
        see each class's mean values in its place, the same in every image, so nothing that the map does not
        tell, as in the papers.
    """)


_OF_NETWORKS = _prose("""
    Width: channels of the first layer of the network that draws; parameters: of the same; batch: slices a
    step; sampling steps: of those that draw in steps (others draw in one pass). CPU seconds on one thread of
    a shared machine; what was done twice after an interruption counts twice.
""")
_OF_REALISM = _prose("""
    Row `clinical`: as many training cases with lesion, real against real. It and `copypaste`, which draws on
    its own cases' anatomies, are of other people, lesions and scanners than the scans that they are compared
    with; the other rows are of the same maps and lesions. So these may be nearer without being more real
    than real cases. Histograms: Wasserstein distance by class, mean of the classes without the lesion, in
    units of tissue's median.
""")
_OF_FEATURES = _prose("""
    FID and MMD of features of the shipped encoder, of the shipped segmenter (network) and of texture without
    training. The segmenter's hardly see blur, noise and contrast, texture hardly sees that anatomy is wrong,
    the encoder sees both (docs/judging.md). MMD may be below zero by chance.
""")
_OF_LESIONS = _prose("""
    Before anything is drawn again: share of images in which the lesion can be told from the tissue around
    (recoverable.py), contrast (median inside over median 4 to 12 mm around), and what the database then
    refused. The reference is row `simulated scans`, of the same maps and lesions; `clinical` and `copypaste`
    have others.
""")
_OF_DIVERSITY = _prose("""
    SSIM between seeds: three images of one map, within the brain (1: the same image). MS-SSIM between cases:
    60 pairs, lower is more diverse. The reference is row `simulated scans`, of the same maps and lesions;
    `clinical` and `copypaste` have others.
""")
_OF_UTILITY = _prose(f"""
    Dice on the test cases of segmenters trained on the clinical cases and each database, and its gains,
    paired by seed and case, in points. Row `healthy` is a control: as many synthetic cases as the others
    have, drawn by `physics`, all without a lesion (of the other databases some {LESION_FREE_SHARE:.0%} are);
    what more negatives teach is no gain over it. Training cases differ between seeds as well.
""")


def _failures(rows: Rows, left_out: Sequence[str]) -> list[str]:
    """What did not work, in words."""
    said = list(left_out)
    said += [
        f"- {named(kind)}, seed {seed}: {row['database']['failed']} Its database was written all the same."
        for kind, seeds in rows.items()
        for seed, row in seeds.items()
        if row.get("database", {}).get("failed")
    ]
    missing = [kind for kind in ROWS if kind not in rows]
    if missing:
        said.append(f"- Not run: {', '.join(map(named, missing))}.")
    return ["## Failures", "\n".join(said)] if said else []


def _code(states: dict[str, list[str]]) -> list[str]:
    """What states of the sources made the pieces: comparisons across them hold what was changed as well."""
    if not states:
        return []
    listed = "; ".join(
        f"{state if ' ' in state else f'`{state}`'}: {', '.join(map(named, kinds))}"
        for state, kinds in states.items()
    )
    return ["## Code", f"This page is made from pieces; hash of the sources that made these: {listed}."]


def _cut(image: Any, brain: Any) -> Any:
    """A square around the brain."""
    ends = [np.flatnonzero(brain.any(axis=a))[[0, -1]] for a in (1, 0)]
    half = max(int(high - low) for low, high in ends) // 2 + 4
    middle = [int(low + high) // 2 + half for low, high in ends]
    padded = np.pad(image, half)
    return padded[tuple(slice(m - half, m + half) for m in middle)]


def draw_picture(plan: Plan, rows: Rows, path: Path) -> None:
    """One map and one lesion: the simulated scan, and three images of every translator; DWI over ADC."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = []
    for kind in rows:
        files = sorted((plan.work / "pictures").glob(f"{kind}-*.npz"))
        if files:
            with np.load(files[0]) as content:
                shown.append((kind, dict(content)))
    if not shown:
        return
    columns = 6
    figure, axes = plt.subplots(len(shown), columns, figsize=(1.7 * columns, 1.8 * len(shown)), squeeze=False)
    for line, (kind, arrays) in zip(axes, shown, strict=True):
        for axis in line:
            axis.axis("off")
        for number in range(sum(name.startswith("dwi") for name in arrays)):
            dwi, adc, lesion, labels = (arrays[f"{n}{number}"] for n in ("dwi", "adc", "lesion", "map"))
            brain = np.isin(labels, INTRACRANIAL)
            dwi, adc, lesion, brain = (_cut(image, brain) for image in (dwi, adc, lesion, brain))
            top = 2.6 * float(np.median(dwi[brain])) if brain.any() else float(dwi.max())
            for axis, image, high in ((line[2 * number], dwi, top), (line[2 * number + 1], adc, 2.5)):
                axis.imshow(image.T[::-1, ::-1], cmap="gray", vmin=0, vmax=high, interpolation="antialiased")
            if lesion.any():
                line[2 * number + 1].contour(
                    lesion.T[::-1, ::-1] > 0, [0.5], colors=[tuple(v / 255 for v in _OUTLINE)],
                    linewidths=0.6, antialiased=False,
                )  # fmt: skip
        label = "simulated scan" if kind == CLINICAL else named(kind)
        line[0].set_title(label, fontsize=9, loc="left")
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.97, 0.02, 0.12)
    save_small(figure, path, [_OUTLINE])
    plt.close(figure)
