"""Do synthetic images look like real ones, and as unlike each other? Each answer beside real against real.

``training`` is the reference; ``control`` are real cases of other people, of which nothing is wrong, measured
in the same way and in the same number. Synthetic images need not be perfect to be useful, so the limits
are wide: they catch images that are not of this kind, and generators that repeat themselves. The figures
in the report say how good the images are.

Every limit is a share of what the control reaches. A control that reaches hardly anything itself (held-out
cases of another scanner, a place where the segmenter finds no lesion) would let anything pass: then the
question is not judged, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..randomness import generator
from .distances import Distances, FeatureSet, distances
from .features import EXTRACTORS
from .measured import Measured
from .realism import GROUPS, LESION_GROUP, histogram_distances
from .verdict import Finding

Array = npt.NDArray[Any]

#: Share of the control's precision and coverage that synthetic images must reach.
LEAST_SHARE = 0.5
#: Precision and coverage below which real cases are no control. Cases of one distribution reach a precision
#: of 0.95 and more in sets of any size, and a coverage of 0.2 as soon as there are two of them against 50.
LEAST_PRECISION, LEAST_COVERAGE = 0.5, 0.2
#: With a lower median Dice in real cases the shipped segmenter does not work there, and is no judge.
LEAST_FOUND = 0.1
#: FID above that of real cases of other people, by the encoder. In databases of all translators it is 1 to 35
#: above, whether the clinic has one protocol or many; with parts of the brain exchanged 85 and more (figures:
#: ``Testing/Benchmarks/audit_extractors.md``). By the other extractors the two overlap: no limit would tell.
#: A difference, as the FID of real cases falls with their number.
MOST_APART = 60.0
_BY_DISTANCE = "encoder"
#: Mean MS-SSIM of synthetic images may lie so far above that of real ones, as a share of the way to 1. A
#: database on people of the shipped population lay at 0.34 against real anatomies; one person's examination
#: made anew (noise, bends, another lesion) lies at 0.6 and more.
MOST_ALIKE = 0.5
#: The median of synthetic cases must lie between these percentiles of real ones, or within this of them: a
#: tenth of the tissue's brightness is hardly seen.
_USUAL, _UNSEEN = (2.5, 97.5), 0.1
_PAIRS = 150
#: Scales of MS-SSIM with their weights (Wang 2003, the first three of five: 41 voxels allow no more).
_SCALES = (0.0448, 0.2856, 0.3001)


def compare_features(
    synthetic: Sequence[Measured], training: Sequence[Measured], control: Sequence[Measured], seed: int = 0,
    step: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Distances]]:  # fmt: skip
    """By extractor: ``synthetic`` and ``control`` from training, over sets of one size."""
    found = {}
    size = min(len(synthetic), len(control))
    for extractor in EXTRACTORS:
        reference = _features(training, extractor)
        pair = {}
        for name, cases in (("synthetic", synthetic), ("control", control)):
            rng = generator(seed, "distances", extractor, name)
            chosen = np.sort(rng.permutation(len(cases))[:size])
            pair[name] = distances(_features(cases, extractor).some(chosen), reference, rng)
            step()
        found[extractor] = pair
    return found


def _features(cases: Sequence[Measured], extractor: str) -> FeatureSet:
    return FeatureSet([m.slices[extractor] for m in cases], np.stack([m.whole[extractor] for m in cases]))


def judge_realism(found: dict[str, dict[str, Distances]]) -> list[Finding]:
    """Whether the images are of the same kind as real ones, and of as many kinds, by every extractor."""
    findings = [_realism(extractor, pair["synthetic"], pair["control"]) for extractor, pair in found.items()]
    return [*findings, _coverage(found)]


def _coverage(found: dict[str, dict[str, Distances]]) -> Finding:
    name, question = "coverage", "Are there synthetic images of as many kinds as there are real ones?"
    best = {
        extractor: pair["synthetic"].coverage / pair["control"].coverage
        for extractor, pair in found.items()
        if pair["control"].precision >= LEAST_PRECISION and pair["control"].coverage >= LEAST_COVERAGE
    }
    if not best:
        said = ", ".join(
            f"{extractor} {pair['synthetic'].coverage:.2f}, control {pair['control'].coverage:.2f}"
            for extractor, pair in found.items()
        )
        return Finding(
            name, question, None, "",
            "Not judged: held-out cases do not lie among the training cases themselves, or are too few; give "
            f"others of the same place (--holdout). Coverage: {said}.",
        )  # fmt: skip
    extractor = max(best, key=lambda key: best[key])
    own, control = found[extractor]["synthetic"], found[extractor]["control"]
    limit = LEAST_SHARE * control.coverage
    return Finding(
        name, question, own.coverage >= limit,
        f"coverage, by the extractor that shows more of it ({extractor}), at least {LEAST_SHARE:.0%} of that "
        f"of as many real cases of other people ({limit:.2f})",
        f"Coverage {own.coverage:.2f}, control {control.coverage:.2f}.",
        own.coverage, limit, {"coverage": control.coverage},
    )  # fmt: skip


def _realism(extractor: str, own: Distances, control: Distances) -> Finding:
    limit = LEAST_SHARE * control.precision
    passed: bool | None = own.precision >= limit
    reason = ""
    if control.precision < LEAST_PRECISION:
        passed, reason = None, (
            "Not judged: held-out cases do not lie among the training cases themselves; give others of the "
            "same place (--holdout). "
        )  # fmt: skip
    rule = f"precision at least {LEAST_SHARE:.0%} of that of real cases of other people ({limit:.2f})"
    if extractor == _BY_DISTANCE:
        if own.fid > control.fid + MOST_APART:
            # Further away than even cases that are no control: that is an answer.
            passed, reason = False, ""
        rule += f", FID at most {MOST_APART:g} above theirs ({control.fid + MOST_APART:.1f})"
    return Finding(
        f"realism, {extractor}", f"Do synthetic images lie among real ones ({extractor} features)?",
        passed, rule,
        f"{reason}Precision {own.precision:.2f}, control {control.precision:.2f}; FID {own.fid:.2f} "
        f"({control.fid:.2f}), KID {own.kid:.3f} [{own.kid_low:.3f}, {own.kid_high:.3f}] "
        f"({control.kid:.3f} [{control.kid_low:.3f}, {control.kid_high:.3f}]), MMD {own.mmd:.4f} "
        f"({control.mmd:.4f}).",
        own.precision, limit, control.to_json(),
    )  # fmt: skip


def alikeness(cases: Sequence[Measured], seed: int = 0) -> Array:
    """MS-SSIM (MONAI) of random pairs of other people's DWI in standard space."""
    import torch
    from monai.metrics import MultiScaleSSIMMetric

    metric = MultiScaleSSIMMetric(
        spatial_dims=3, data_range=1.0, kernel_size=5, kernel_sigma=1.0, weights=_SCALES
    )
    images = [
        torch.from_numpy(np.clip(m.standard.channels["dwi"].image.astype(np.float32) / 2, 0, 1))
        for m in cases
    ]
    pairs = [(i, j) for i in range(len(cases)) for j in range(i) if cases[i].person != cases[j].person]
    pairs = pairs or [(i, j) for i in range(len(cases)) for j in range(i)]
    chosen = [pairs[k] for k in generator(seed, "alikeness").permutation(len(pairs))[:_PAIRS]]
    return np.array([float(metric(images[i][None, None], images[j][None, None]).item()) for i, j in chosen])


def judge_alikeness(synthetic: Sequence[Measured], real: Sequence[Measured], seed: int = 0) -> Finding:
    """Whether the generator repeats itself."""
    name, question = "diversity", "Are synthetic images as unlike each other as real ones?"
    if len(synthetic) < 2:
        return Finding(name, question, None, "", "Not judged: there is one synthetic case.")
    own, control = alikeness(synthetic, seed), alikeness(real, seed)
    limit = float(control.mean() + MOST_ALIKE * (1 - control.mean()))
    return Finding(
        name, question, bool(own.mean() <= limit),
        f"mean MS-SSIM of two cases at most {limit:.3f}: that of real cases and {MOST_ALIKE:.0%} of the way "
        "from there to 1, the same image every time",
        f"{own.mean():.3f} +- {own.std():.3f}, real {control.mean():.3f} +- {control.std():.3f}.",
        float(own.mean()), limit, {"mean": float(control.mean()), "sd": float(control.std())},
    )  # fmt: skip


def judge_intensities(
    synthetic: Sequence[Measured], training: Sequence[Measured], control: Sequence[Measured]
) -> list[Finding]:
    """Brightness of each tissue and contrast of lesions, in the middle of the cases."""
    findings = [
        _usual(
            f"brightness, {group}", f"Is {group} of the DWI as bright as in real images (tissue is 1)?",
            *(np.array([np.median(m.intensities[group]) for m in cases if group in m.intensities])
              for cases in (synthetic, [*training, *control])),
        )
        for group in (*GROUPS, LESION_GROUP)
    ]  # fmt: skip
    for name, words in (("dwi_surround", "DWI"), ("adc_surround", "ADC")):
        values = [
            np.array([getattr(m.contrast, name) for m in cases])
            for cases in (synthetic, [*training, *control])
        ]
        findings.append(
            _usual(
                f"lesion contrast, {words}", f"Do lesions stand out in {words} as in real images (lesion "
                "over surroundings)?", *(v[np.isfinite(v)] for v in values),
            )
        )  # fmt: skip
    own, real = (np.array([m.found for m in cases]) for cases in (synthetic, [*training, *control]))
    own, real = own[np.isfinite(own)], real[np.isfinite(real)]
    if own.size and real.size:
        findings.append(_found_again(float(np.median(own)), float(np.median(real))))
    return findings


def _found_again(own: float, real: float) -> Finding:
    """From the median Dice in synthetic and in real cases."""
    limit = LEAST_SHARE * real
    judged = real >= LEAST_FOUND
    reason = (
        "" if judged else "Not judged, as the segmenter finds hardly anything in the real cases themselves. "
    )
    return Finding(
        "lesion found again", "Does the shipped segmenter find the lesion where the mask says it is?",
        own >= limit if judged else None,
        f"median Dice at least {LEAST_SHARE:.0%} of that in real cases ({limit:.2f})",
        f"{reason}Median Dice {own:.2f}, real {real:.2f}.",
        own, limit if judged else None, {"median": real},
    )  # fmt: skip


def _usual(name: str, question: str, own: Array, real: Array) -> Finding:
    if not own.size or len(real) < 3:
        return Finding(name, question, None, "", "Not judged: too few cases show it.")
    low, high = np.percentile(real, _USUAL) + np.array([-_UNSEEN, _UNSEEN])
    middle = float(np.median(own))
    return Finding(
        name, question, bool(low <= middle <= high),
        f"median of the synthetic cases within the {_USUAL[0]:g}th to {_USUAL[1]:g}th percentile of real "
        f"cases, give or take {_UNSEEN:g} ({low:.2f} to {high:.2f})",
        f"Median {middle:.2f}, real {np.median(real):.2f}.",
        middle, float(high if middle > high else low),
        {"median": float(np.median(real)), "low": float(low), "high": float(high)},
    )  # fmt: skip


def histogram_readings(
    synthetic: Sequence[Measured], training: Sequence[Measured], control: Sequence[Measured]
) -> dict[str, dict[str, float]]:
    """Wasserstein distance of each class's DWI from training; synthetic, and control beside it."""
    pooled = [_pooled(cases) for cases in (synthetic, training, control)]
    own, other = (histogram_distances(each, pooled[1]) for each in (pooled[0], pooled[2]))
    return {
        group: {"synthetic": round(own[group], 4), "control": round(other.get(group, float("nan")), 4)}
        for group in own
        if group in other
    }


def _pooled(cases: Sequence[Measured]) -> dict[str, Array]:
    """Quantiles of all cases together, every case counting the same."""
    groups = (*GROUPS, LESION_GROUP)
    return {
        group: np.concatenate(values)
        for group in groups
        if (values := [m.intensities[group] for m in cases if group in m.intensities])
    }
