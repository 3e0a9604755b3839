"""From numbers out of their limits to sentences that say what was seen and what to check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .measurements import Numbers
from .pose import UPRIGHT, Pose

#: Lowest and highest usual value by name of the number.
Limits = Mapping[str, tuple[float, float]]

#: ADC of brain tissue and of fluid that is believed whatever a model has seen (10^-3 mm^2/s).
BELIEVED_ADC, LOWEST_FLUID_ADC = (0.6, 1.15), 1.8
#: Gain in likeness by turning the head from which on it lies wrongly.
_TURNED = 0.006
#: Limits of the correlation of ADC and log DWI count as within these, whatever was fitted: over the brain,
#: within tissue, and in fine detail. All are negative where the ADC was computed from the DWI.
_AGREEMENT, _IN_TISSUE, _IN_DETAIL = (-0.05, 0.05), (0.15, 0.2), (0.15, 0.2)
#: A weak agreement over the brain is enough where fine detail does not agree either.
_WEAK_AGREEMENT, _NO_DETAIL = -0.3, -0.1
#: Share of the brain without ADC.
_MISSING_ADC = (0.05, 0.15)
#: Fluid that is darker than in any DWI at b = 1000 s/mm^2; white matter 1, 0.16 to 0.28 in FLAIR images.
_BLACK = {"dwi_p02": 0.23, "fluid_to_white": 0.31, "ventricle_to_white": 0.29}
#: The lower limit of gray against white matter counts as within these: it is 0.93 and more in DWI of all
#: named protocols, 0.5 to 0.92 in T1-weighted images.
_DARKEST_GRAY = (0.91, 0.93)
#: However narrow the limits that were fitted, nothing milder than this is flagged: likeness and coverage
#: of a head, brain volume (ml), noise (of tissue) above and below, slope (1/mm) and shading (logarithm).
_SURELY = {
    "likeness": 0.92, "coverage": 0.8, "least ml": 900.0, "most ml": 2600.0, "noise": 0.12, "still": 0.02,
    "flat": 0.05, "shading": 0.62,
}  # fmt: skip
#: Likeness from which on there is some head, whose contrast is worth a word.
_SOME_HEAD = 0.8
_DIRECTIONS = {
    "R": "right", "L": "left", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior",
}  # fmt: skip

#: What is said, by the name of the reason.
_SAID = {
    "coverage":
        "The slices hold about {percent:.0f} % of a brain. Check that the whole series was given; near its "
        "first and last slice lesions may be missed.",
    "no head":
        "No whole, upright head was found: what stands out measures {ml:.0f} ml and agrees with an average "
        "brain by {likeness:.2f} (heads: {least:.2f} to 1). Check that this is a DWI of the whole head.",
    "volume":
        "What was taken for the brain measures {ml:.0f} ml (known: {low:.0f} to {high:.0f}). Check the "
        "voxel size in the file's header and that this is a DWI of the head.",
    "turned":
        "The head seems to lie wrongly: what the file calls {wrong}. Check the orientation in its header; "
        "left and right may be exchanged too.",
    "bright fluid":
        "Fluid is bright ({value:.1f} times tissue; in a DWI it is dark): this may be a T2-weighted image, "
        "a b0 image or an ADC map. Check which file was given as DWI.",
    "dark gray":
        "Gray matter is darker than white matter ({value:.2f} times): this may be a T1-weighted image. "
        "Check which file was given as DWI.",
    "black fluid":
        "Fluid is nearly black: this may be a FLAIR image, a CT or a DWI of much higher b-value. Check that"
        " a trace DWI of b about 1000 s/mm^2 was given.",
    "no fluid":
        "Fluid can hardly be told from tissue: this may be a CT or no image of a head. Check that a trace "
        "DWI of b about 1000 s/mm^2 was given.",
    "bright gray":
        "Gray matter is much brighter than white matter ({value:.2f} times): this may be a FLAIR or "
        "T2-weighted image. Check which file was given as DWI.",
    "gray levels":
        "The brain's gray levels are spread unlike in any diffusion image that the model knows. Check that "
        "a trace DWI of b about 1000 s/mm^2 was given.",
    "foreign ADC":
        "The ADC does not fit the DWI: where one is bright the other should be dark. Check that it is an "
        "ADC map, of the same examination, in the same place.",
    "ADC unit":
        "The ADC of normal tissue is {value:.2f} x 10^-3 mm^2/s (0.7 to 1.1 is usual). Check its unit, and "
        "that it is an ADC map.",
    "fluid ADC":
        "The ADC of fluid is too low (about 3 x 10^-3 mm^2/s is usual). Check that it is an ADC map in a "
        "known unit, of the same examination.",
    "noise":
        "The image is noisier than any that the model knows (noise {percent:.0f} % of tissue, known: up to "
        "{most:.0f} %). Small lesions may be missed.",
    "smooth":
        "The image is smoother than any that the model knows. Check that it was not blurred or resampled "
        "strongly; small lesions may be missed.",
    "shading":
        "Brightness changes strongly across the brain (coil shading or artifact). Check for areas that are "
        "marked, or left out, because of it.",
    "unknown":
        "The network sees something that it was not trained on ({times:.1f} times as far from known "
        "examinations as is usual at most). Read its result with care.",
}  # fmt: skip

#: A reason: its name, and what its sentence is filled with.
Reason = tuple[str, dict[str, float | str]]


def reasons(numbers: Numbers, pose: Pose, limits: Limits, far: Mapping[str, float]) -> list[Reason]:
    """What is unlike known examinations, the most telling first.

    Parameters
    ----------
    numbers
        Measured; see :mod:`.measurements` and :meth:`.pose.Pose.numbers`.
    far
        Distances beyond their limit, as multiples of it: "brightness", "contrast", "diffusion", "features".
    """
    seen = _Seen(numbers, limits)
    turned = list(_turned(seen, pose))
    if turned:
        # In a head that lies wrongly, all else would be measured in the wrong places.
        return turned
    head, contrast = list(_head(seen, pose)), list(_contrast(seen))
    adc, quality = list(_adc(seen)), list(_quality(seen))
    if not contrast and not head and far.keys() & {"brightness", "contrast"}:
        contrast = [("gray levels", {})]
    if not adc and "diffusion" in far:
        adc = [("foreign ADC", {})]
    if any(name == "noise" for name, _ in quality):
        # Contrast and ADC drown in it.
        found = head + quality
    elif pose.likeness >= _SOME_HEAD:
        found = contrast + head + adc + quality
    else:
        found = head + contrast + adc + quality
    if "features" in far and not found:
        found.append(("unknown", {"times": far["features"]}))
    return found


def sentence(reason: Reason) -> str:
    """What is said to the reader."""
    name, values = reason
    return _SAID[name].format(**values)


class _Seen:
    """Numbers beside their limits."""

    def __init__(self, numbers: Numbers, limits: Limits) -> None:
        self.numbers, self._limits = numbers, limits

    def low(self, name: str, at_most: float = float("inf"), at_least: float = float("-inf")) -> bool:
        """Whether a number is there and under its limit, which counts as ``at_least`` to ``at_most``."""
        return name in self.numbers and self.numbers[name] < max(at_least, min(self.limits(name)[0], at_most))

    def high(self, name: str, at_least: float = float("-inf"), at_most: float = float("inf")) -> bool:
        """Whether a number is there and over its limit, which counts as ``at_least`` to ``at_most``."""
        return name in self.numbers and self.numbers[name] > min(at_most, max(self.limits(name)[1], at_least))

    def limits(self, name: str) -> tuple[float, float]:
        """Of a number; without end where none were fitted."""
        return self._limits.get(name, (float("-inf"), float("inf")))


def _least_likeness(seen: _Seen) -> float:
    return min(seen.limits("likeness")[0], _SURELY["likeness"])


def _turned(seen: _Seen, pose: Pose) -> Iterator[Reason]:
    # What is no whole head in any way fits somewhat better in one way than in another, too.
    if pose.turn == UPRIGHT or pose.best - pose.likeness < _TURNED or pose.best < _least_likeness(seen):
        return
    wrong = [
        f"{_DIRECTIONS[said]} looks {_DIRECTIONS[seen]}"
        for said, seen in zip(UPRIGHT, pose.turn, strict=True)
        if said != seen
    ]
    yield "turned", {"wrong": ", ".join(wrong)}


def _head(seen: _Seen, pose: Pose) -> Iterator[Reason]:
    ml, (low, high) = seen.numbers["brain_ml"], seen.limits("brain_ml")
    if seen.low("likeness", _SURELY["likeness"]):
        yield "no head", {"ml": ml, "likeness": pose.likeness, "least": _least_likeness(seen)}
    elif seen.low("coverage", _SURELY["coverage"]):
        yield "coverage", {"percent": 100 * pose.coverage}
    elif ml < min(low, _SURELY["least ml"]) or ml > max(high, _SURELY["most ml"]):
        yield "volume", {"ml": ml, "low": low, "high": high}


def _contrast(seen: _Seen) -> Iterator[Reason]:
    numbers = seen.numbers
    for name in ("ventricle_to_white", "fluid_to_white", "adc_fluid_dwi"):
        if seen.high(name, 1.2):
            yield "bright fluid", {"value": numbers[name]}
            return
    if seen.high("dwi_p98", 2.3) and seen.high("sharpness"):
        yield "bright fluid", {"value": numbers["dwi_p98"]}
        return
    if seen.low("gray_to_white", _DARKEST_GRAY[1], _DARKEST_GRAY[0]):
        yield "dark gray", {"value": numbers["gray_to_white"]}
        return
    if any(seen.low(name, at_most) for name, at_most in _BLACK.items()):
        yield "black fluid", {}
    elif seen.high("dwi_p02") or seen.high("dwi_p10") or seen.high("fluid_to_white"):
        yield "no fluid", {}
    elif seen.high("gray_to_white"):
        yield "bright gray", {"value": numbers["gray_to_white"]}


def _adc(seen: _Seen) -> Iterator[Reason]:
    weak = seen.numbers.get("adc_agreement", -1.0) > _WEAK_AGREEMENT
    foreign = (
        seen.high("adc_agreement", *_AGREEMENT),
        seen.high("adc_tissue_agreement", *_IN_TISSUE),
        seen.high("adc_fine", *_IN_DETAIL),
        seen.high("adc_fine", at_most=_NO_DETAIL) and weak,
        seen.high("adc_missing", *_MISSING_ADC),
    )
    if any(foreign):
        yield "foreign ADC", {}
    elif seen.low("adc_tissue", BELIEVED_ADC[0]) or seen.high("adc_tissue", BELIEVED_ADC[1]):
        yield "ADC unit", {"value": seen.numbers["adc_tissue"]}
    elif seen.low("ventricle_adc", LOWEST_FLUID_ADC) or seen.low("adc_fluid_share"):
        yield "fluid ADC", {}


def _quality(seen: _Seen) -> Iterator[Reason]:
    if seen.high("noise", _SURELY["noise"]):
        most = max(seen.limits("noise")[1], _SURELY["noise"])
        yield "noise", {"percent": 100 * seen.numbers["noise"], "most": 100 * most}
    elif seen.low("noise", _SURELY["still"]) or seen.low("sharpness", _SURELY["flat"]):
        yield "smooth", {}
    if seen.high("shading", _SURELY["shading"]):
        yield "shading", {}
