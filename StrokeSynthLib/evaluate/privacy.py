"""Privacy of a synthetic cohort: does it hold copies of real cases, or lie too close to those trained on?

Copies of held-out cases count as much as those of training cases: both are patients. A pass is no proof
of anonymity; ``docs/judging.md`` says what is not looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..randomness import generator
from .copies import (
    FALSE_ALARM,
    LEAST_CORRELATION,
    LEAST_EVIDENCE,
    Evidence,
    Match,
    Reference,
    is_copy,
)
from .lesion_copies import LesionEvidence, lesion_evidence
from .likeness import Details, compare
from .measured import Measured
from .verdict import Finding, listed

Array = npt.NDArray[Any]

#: Two synthetic cases are the same from this correlation of own detail on.
SAME = 0.98
_PERMUTATIONS = 999


@dataclass(frozen=True)
class Privacy:
    """What was found.

    Parameters
    ----------
    findings
        By question.
    matches
        Of each synthetic case, the real case that it is most like.
    evidence, control
        Highest evidence of each synthetic case, and of each real case against other people.
    threshold
        Evidence from which on a case is a copy.
    ratios, control_ratios
        Distance to the nearest training case over that to the nearest held-out case (1 - correlation of own
        detail, whole brain); of synthetic cases, and of held-out cases among themselves.
    """

    findings: tuple[Finding, ...]
    matches: tuple[Match, ...]
    evidence: Array
    control: Array
    threshold: float
    ratios: Array
    control_ratios: Array


def judge_privacy(
    synthetic: Sequence[Measured],
    real: Sequence[Measured],
    held_out: Sequence[bool],
    *,
    seed: int = 0,
    unseen: bool = True,
    step: Callable[[], None] = lambda: None,
    reference: Reference | None = None,
) -> Privacy:
    """Look for copies.

    Parameters
    ----------
    real
        Training and held-out cases.
    held_out
        Which of them are held out.
    unseen
        Whether the generator never saw the held-out cases; false for a half of the training cases.
    reference
        The real cases compared with each other, where that was done before.
    """
    reference = reference or Reference.of([m.standard for m in real], [m.person for m in real], step)
    found = reference.evidence([m.standard for m in synthetic], step)
    threshold = reference.threshold(len(synthetic))
    matches = found.matches()
    out = np.asarray(held_out, bool)
    lesions = lesion_evidence(synthetic, real)
    ratios = _ratios(found.whole, out)
    findings = (
        _image_copies(synthetic, real, out, matches, reference, threshold),
        _lesion_copies(synthetic, real, lesions),
        _closer(found, real, out, seed) if unseen else _not_asked(),
        _duplicates(synthetic, reference),
    )
    return Privacy(
        findings, tuple(matches), np.array([m.evidence for m in matches]),
        np.nanmax(reference.control.value, axis=1), threshold, ratios,
        _ratios(reference.control.whole[out], out),
    )  # fmt: skip


def _ratios(whole: Array, out: Array) -> Array:
    """Nearest training distance over nearest held-out distance, of each case; NaN where either is unknown."""
    if out.all() or not out.any():
        return np.full(len(whole), np.nan)
    distance = 1.0 - np.where(np.isnan(whole), -np.inf, whole)
    nearest = [distance[:, chosen].min(axis=1) for chosen in (~out, out)]
    ratio = nearest[0] / np.maximum(nearest[1], 1e-6)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def _image_copies(
    synthetic: Sequence[Measured], real: Sequence[Measured], out: Array, matches: Sequence[Match],
    reference: Reference, threshold: float,
) -> Finding:  # fmt: skip
    copies = [match for match in matches if is_copy(match, threshold)]
    control = np.nanmax(reference.control.value, axis=1)
    sentences = [
        f"{synthetic[m.case].name} is {'mirrored ' if m.mirrored else ''}"
        f"{'held-out' if out[m.reference] else 'training'} case {real[m.reference].name} "
        f"({m.channel.upper()}, {m.part}, correlation {m.correlation:.2f})"
        for m in sorted(copies, key=lambda m: -m.evidence)
    ]
    top = max((match.evidence for match in matches), default=float("nan"))
    none = f"None of {len(synthetic)} cases"
    found = f"{len(copies)} of {len(synthetic)}: {listed(sentences)}" if copies else none
    highest = f"highest evidence {top:.1f}, among real cases of other people {np.nanmax(control):.1f}"
    return Finding(
        "image copies", "Is any synthetic image, or a part of it, a copy of a real one?", not copies,
        f"evidence of every case at most {threshold:.1f} (exceeded by chance in {FALSE_ALARM:.0%} of cohorts "
        f"of this size, by real cases against other people; never below {LEAST_EVIDENCE:g}), or correlation "
        f"of own detail at most {LEAST_CORRELATION:g}",
        f"{found}; {highest}.",
        top, threshold,
        {"median": float(np.nanmedian(control)), "highest": float(np.nanmax(control)), "cases": len(real)},
        [synthetic[match.case].name for match in copies],
    )  # fmt: skip


def _lesion_copies(
    synthetic: Sequence[Measured], real: Sequence[Measured], lesions: LesionEvidence | None
) -> Finding:
    name, question = "lesion copies", "Is any synthetic lesion mask a copy of a real one, in whatever head?"
    if lesions is None:
        return Finding(name, question, None, "", "No masks of both cohorts are large enough to be compared.")
    copied = lesions.copied
    sentences = [
        f"{synthetic[each.case].name} has the {'mirrored ' if each.mirrored else ''}lesion of "
        f"{real[each.real].name} (Dice {each.dice:.2f})"
        for each in copied
    ]
    control = f"among real masks of other people {lesions.control_highest:.2f}"
    return Finding(
        name, question, not copied, lesions.rule,
        f"{len(copied)} of {lesions.compared}: {listed(sentences)}; {control}." if copied
        else f"None of {lesions.compared} masks; highest evidence {lesions.highest:.2f}, {control}.",
        lesions.highest, lesions.threshold,
        {"highest": lesions.control_highest, "masks": lesions.control_masks},
        [synthetic[each.case].name for each in copied],
    )  # fmt: skip


def _not_asked() -> Finding:
    return Finding(
        "closer to training", "Do synthetic cases lie closer to training than to held-out cases?", None, "",
        "Not asked: needs cases that the generator has not seen (--holdout).",
    )  # fmt: skip


def _closer(found: Evidence, real: Sequence[Measured], out: Array, seed: int) -> Finding:
    """Permutation test: would other people as "held out" be as far from the synthetic cases?"""
    persons = sorted({m.person for m in real})
    number = np.array([persons.index(m.person) for m in real])
    held = np.array([bool(out[number == p].all()) for p in range(len(persons))])
    general = np.where(np.isnan(found.general), -np.inf, found.general)

    def gap(chosen: Array) -> float:
        nearest = [general[:, mask].max(axis=1) for mask in (~chosen[number], chosen[number])]
        both = np.isfinite(nearest[0]) & np.isfinite(nearest[1])
        return float(np.mean(nearest[0][both] - nearest[1][both])) if both.any() else 0.0

    rng = generator(seed, "closer")
    seen = gap(held)
    others = np.array([gap(rng.permutation(held)) for _ in range(_PERMUTATIONS)])
    chance = float((1 + (others >= seen).sum()) / (1 + _PERMUTATIONS))
    return Finding(
        "closer to training", "Do synthetic cases lie closer to training than to held-out cases?",
        chance >= FALSE_ALARM,
        f"mean gap between nearest training and nearest held-out case as large by chance in "
        f"{FALSE_ALARM:.0%} or more of {_PERMUTATIONS} random exchanges of people between the two",
        f"Gap {seen:.2f}, by chance {others.mean():.2f} +- {others.std():.2f}; p = {chance:.3f}.",
        chance, FALSE_ALARM, {"mean": float(others.mean()), "sd": float(others.std())},
    )  # fmt: skip


def _duplicates(synthetic: Sequence[Measured], reference: Reference) -> Finding:
    """The same image twice within the synthetic cohort."""
    details = Details.of([m.standard.channels["dwi"].detail for m in synthetic], reference.common["dwi"])
    found = compare(details, details, shifts=((0, 0, 0),), flips=(False,)).correlation[:, :, 0]
    first, second = np.nonzero(np.triu(np.nan_to_num(found) >= SAME, 1))
    pairs = [
        f"{synthetic[i].name} = {synthetic[j].name}"
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]
    rest = np.nan_to_num(found[np.triu_indices(len(found), 1)])
    top = float(rest.max()) if rest.size else float("nan")
    return Finding(
        "duplicates", "Is any case twice in the synthetic cohort?", not pairs,
        f"correlation of own detail of every two DWI below {SAME:g}",
        f"{len(pairs)} pairs: {listed(pairs)}." if pairs
        else f"None among {len(synthetic)} cases; highest correlation {top:.2f}.",
        top, SAME, {}, sorted({synthetic[i].name for i in (*first.tolist(), *second.tolist())}),
    )  # fmt: skip
