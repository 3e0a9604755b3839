"""Sections of a study's report: cases with outlines, translators at work, curves, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.case import Case, CaseFiles
from ..cohort.layouts import open_cohort
from ..cohort.load import load_case
from ..schema import CLASSES, LESION_COLOR
from ..translate.proposal import Proposer
from ..translate.registry import TRANSLATORS, open_translator
from ..volume import Volume, read_volume
from .figures import (
    ADC_LIMITS,
    PREDICTION_COLOR,
    REFERENCE_COLOR,
    Panel,
    curves,
    display_limits,
    fullest_slice,
    panel_rows,
    score_figure,
    slice_of,
)
from .plan import StudyPlan
from .report import Picture, Section
from .runner import translator_folder
from .tables import Result, score_table

#: Proposed cases that are shown of each translator that mixes real ones.
_PROPOSALS = 5


def examples(cases: Sequence[CaseFiles], count: int = 3) -> list[Case]:
    """A large, a middle and a small lesion, spread over the volumes of a test set."""
    loaded = sorted((load_case(files) for files in cases), key=lambda case: -case.lesion_ml)
    loaded = [case for case in loaded if case.lesion_ml > 0]
    if len(loaded) <= count:
        return loaded
    return [loaded[round(position * (len(loaded) - 1))] for position in np.linspace(0.1, 0.9, count)]


def _prediction(plan: StudyPlan, run: str, case: Case) -> Volume | None:
    path = plan.out / "predictions" / run / f"{case.name}.nii.gz"
    return read_volume(path).canonical() if path.is_file() else None


def predictions_section(plan: StudyPlan, cases: Sequence[Case], cases_number: int) -> Section:
    """For each case: DWI, ADC, reference, and what each arm found."""
    rows = []
    for case in cases:
        dwi, lesion = case.dwi.canonical(), case.lesion.canonical() if case.lesion else None
        if lesion is None:
            continue
        index = fullest_slice(lesion)
        limits = display_limits(dwi, case.semantic_map.canonical() if case.semantic_map else None)
        image, reference = slice_of(dwi, index), slice_of(lesion, index) > 0
        panels = [Panel("DWI", image, limits, {})]
        if case.adc is not None:
            panels.append(Panel("ADC", slice_of(case.adc.canonical(), index), ADC_LIMITS, {}))
        panels.append(Panel("reference", image, limits, {REFERENCE_COLOR: reference}))
        for arm in plan.arms:
            found = _prediction(plan, f"n{cases_number}-seed0-{arm}", case)
            if found is not None:
                outlines = {PREDICTION_COLOR: slice_of(found, index) > 0}
                panels.append(Panel(arm, image, limits, outlines))
        rows.append((f"{case.lesion_ml:.1f} ml", panels))
    caption = (
        "Slice with most lesion; reference in orange, prediction in blue. The patient's right is on the left."
    )
    return Section("Test cases", (), [Picture(panel_rows(rows), caption)] if rows else ())


def _map_picture(semantic_map: Volume, lesion: Volume, index: int) -> Any:
    colors = np.array([c.color for c in CLASSES] + [LESION_COLOR], float) / 255.0
    labels = np.where(slice_of(lesion, index) > 0, len(CLASSES), slice_of(semantic_map, index))
    return colors[labels].astype(np.float32)


def translators_section(plan: StudyPlan, kinds: Sequence[str], case: Case, cases_number: int) -> Section:
    """One map and its lesion, the images it came from, and each translator's images of it."""
    if case.semantic_map is None or case.lesion is None:
        return Section("Translators")
    semantic_map, lesion = case.semantic_map.canonical(), case.lesion.canonical()
    index = fullest_slice(lesion)
    outline = {REFERENCE_COLOR: slice_of(lesion, index) > 0}
    dwi = case.dwi.canonical()
    dwi_row = [
        Panel("map", _map_picture(semantic_map, lesion, index), (0, 1), outline),
        Panel("simulated clinic", slice_of(dwi, index), display_limits(dwi, semantic_map), {}),
    ]
    adc_row = [Panel("map", _map_picture(semantic_map, lesion, index), (0, 1), outline)]
    if case.adc is not None:
        adc_row.append(Panel("simulated clinic", slice_of(case.adc.canonical(), index), ADC_LIMITS, {}))
    for kind in kinds:
        translator = open_translator(translator_folder(plan, f"n{cases_number}-seed0", kind), plan.device)
        for seed in (1, 2):
            images = translator.translate(case.semantic_map, case.lesion, seed=seed)
            image = images.dwi.canonical()
            dwi_row.append(
                Panel(f"{kind}, seed {seed}", slice_of(image, index), display_limits(image, semantic_map), {})
            )
            adc = slice_of(images.adc.canonical(), index)
            adc_row.append(Panel(f"{kind}, seed {seed}", adc, ADC_LIMITS, {}))
    caption = (
        "A test map with its lesion (outlined), the examination it belongs to, and synthetic images of it."
    )
    return Section("Translators", (), [Picture(panel_rows([("DWI", dwi_row), ("ADC", adc_row)]), caption)])


def mixed_section(plan: StudyPlan, kinds: Sequence[str], cases_number: int) -> Section:
    """Whole cases that each translator proposes from the images of its own cases."""
    pictures = []
    for kind in kinds:
        translator = open_translator(translator_folder(plan, f"n{cases_number}-seed0", kind), plan.device)
        if not isinstance(translator, Proposer):
            continue
        rows: list[list[Panel]] = [[], []]
        for seed in range(1, _PROPOSALS + 1):
            case = translator.propose(seed)
            index = fullest_slice(case.lesion)
            outline = {REFERENCE_COLOR: slice_of(case.lesion, index) > 0}
            limits = display_limits(case.images.dwi, case.semantic_map)
            rows[0].append(Panel(f"seed {seed}", slice_of(case.images.dwi, index), limits, {}))
            rows[1].append(Panel("", slice_of(case.images.adc, index), ADC_LIMITS, outline))
        caption = (
            f"{kind}: training cases with another case's lesion in them; all lesions outlined in the ADC."
        )
        pictures.append(Picture(panel_rows([("DWI", rows[0]), ("ADC", rows[1])]), caption))
    return Section("Mixed cases", (), pictures)


def training_section(results: Sequence[Result], cases_number: int) -> Section:
    """Loss and validation Dice by step, Dice of each test case."""
    chosen = [result for result in results if result["cases"] == cases_number]
    histories: Mapping[str, Any] = {
        str(result["arm"]): result["training"].get("history", []) for result in chosen if result["seed"] == 0
    }
    histories = {arm: history for arm, history in histories.items() if history}
    arms = list(dict.fromkeys(str(result["arm"]) for result in chosen))
    tables = {arm: score_table(results, arm, cases_number, "dice") for arm in arms}
    pictures = [Picture(curves(histories), "Training, first seed.")] if histories else []
    pictures.append(Picture(score_figure(tables), "Dice of every test case; the bar is the mean."))
    return Section("Training and scores", (), pictures)


def study_sections(plan: StudyPlan, results: Sequence[Result]) -> list[Section]:
    """All sections of the report of a study."""
    number = max(plan.cases)
    cases = examples(open_cohort(plan.test).cases)
    kinds = [run.arm.translator for run in plan.runs() if run.arm.translator]
    kinds = list(dict.fromkeys([*kinds, *plan.also_fit]))
    sections = [predictions_section(plan, cases, number)]
    drawing = [kind for kind in kinds if not TRANSLATORS[kind].needs_background]
    if drawing and cases and cases[0].semantic_map is not None:
        sections.append(translators_section(plan, drawing, cases[0], number))
    if mixing := [kind for kind in kinds if kind not in drawing]:
        sections.append(mixed_section(plan, mixing, number))
    return [*sections, training_section(results, number)]


def report_path(folder: Path) -> Path:
    """Where the report of a study lies."""
    return folder / "report.html"
