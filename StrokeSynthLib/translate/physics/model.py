"""The distribution of signals over cases, and drawing one new case from it.

Tissue values (log b0 against white matter, ADC) are jointly normal between cases, with a
covariance shrunk toward its diagonal (Schaefer and Strimmer 2005), because cases are few. What
belongs to the scanner (blur, noise, texture) is drawn as one set from one of the cases; lesions by
a smoothed bootstrap over the lesions seen, because their distribution has more than one hump.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .assumed import (
    ASSUMED_ADC_SPREAD,
    ASSUMED_B0_SPREAD,
    ASSUMED_LESION_MEAN,
    ASSUMED_LESION_SPREAD,
    LITERATURE,
    NEAREST,
    TISSUES,
)
from .lesion_fit import EVEN, pooled_profile, pooled_softness
from .mixing import CaseFit

Array = npt.NDArray[Any]

_COUNT = len(TISSUES)
#: Draws beyond this many standard deviations are pulled back to it.
_FURTHEST = 2.5
_DEFAULT_LESION_LENGTH = 5.0
#: ADC above which a tissue is mostly fluid (10^-3 mm^2/s).
_FLUID_ADC = 1.4
#: Relative spread of scanner parameters around the case they were drawn from.
_SCANNER_SPREAD = 0.08


@dataclass(frozen=True)
class CaseDraw:
    """Everything that makes one case's signal: drawn once, applied apart, and recorded.

    Signals in units of the white matter's b0; ``level`` brings them to the cohort's units.
    ``strip_level``: how tight the skull stripping is, 0 without one.
    ``adc_floor``: b0 (of white matter) below which the ADC is written as 0; ``air_empty``: whether air is 0.
    ``lesion``: log b0 ratio, log ADC ratio, their spreads within the lesion, correlation,
    correlation length (mm). ``lesion_profile``: share of both log ratios at depths below the lesion's border
    (:data:`.lesion_fit.DEPTHS_MM`); ``lesion_softness_mm``: width over which it fades at the border.
    The other fields are as in :class:`~.mixing.CaseFit`.
    """

    b0: tuple[float, ...]
    adc: tuple[float, ...]
    b0_texture: tuple[float, ...]
    adc_texture: tuple[float, ...]
    texture_correlation: tuple[float, ...]
    texture_mm: float
    b0_noise: float
    dwi_noise: float
    blur_mm: tuple[float, float, float]
    bias: tuple[float, ...]
    lesion: tuple[float, ...]
    level: float
    b_value: float
    strip_level: float
    adc_floor: float
    air_empty: bool
    lesion_profile: tuple[float, ...] = EVEN
    lesion_softness_mm: float = 0.0

    def record(self) -> dict[str, Any]:
        """For the sidecar, rounded to what matters."""
        tissues = {t: [round(b, 4), round(a, 4)] for t, b, a in zip(TISSUES, self.b0, self.adc, strict=True)}
        rest = {
            name: [round(float(v), 5) for v in value] if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name not in ("b0", "adc", "b0_texture", "adc_texture", "texture_correlation")
        }
        return {"tissues_b0_adc": tissues, **rest}


@dataclass(frozen=True)
class SignalModel:
    """The fitted distribution.

    Parameters
    ----------
    mean, covariance
        Of the vector (log b0 of each tissue, ADC of each tissue), shapes (2 T,) and (2 T, 2 T).
    b0_texture, adc_texture, texture_correlation
        Spread within each tissue and correlation of the two, shape (T,).
    scanners
        One row a case: texture_mm, b0_noise, dwi_noise, blur (3), level, strip_level,
        adc_floor, air_empty.
    bias
        One row a case: coefficients of the bias field.
    lesions
        One row a lesion: log b0 ratio, log ADC ratio, two spreads, correlation, length (mm).
        Empty when no case had one.
    lesion_profile, lesion_softness_mm
        Share of a lesion's effect at :data:`.lesion_fit.DEPTHS_MM`, and softness of its border, over all
        lesions.
    borrowed
        Tissue that was never seen -> tissue whose values it takes ("literature" if none).
    """

    mean: Array
    covariance: Array
    b0_texture: Array
    adc_texture: Array
    texture_correlation: Array
    scanners: Array
    bias: Array
    lesions: Array
    b_value: float
    borrowed: Mapping[str, str]
    cases: int
    lesion_profile: Array = field(default_factory=lambda: np.array(EVEN))
    lesion_softness_mm: float = 0.0

    @classmethod
    def from_fits(cls, fits: Sequence[CaseFit]) -> SignalModel:
        """Pool the fits of at least one case."""
        values = np.stack([np.concatenate([np.log(np.maximum(f.b0, 1e-3)), f.adc]) for f in fits])
        seen = np.isfinite(values).any(0)
        mean = np.where(seen, _column_mean(values), 0.0)
        borrowed = _borrow(mean, seen[:_COUNT])
        covariance = _covariance(np.where(np.isfinite(values), values, mean), len(fits))
        lesions = [f.lesion for f in fits if f.lesion is not None]
        rows = [(q.log_b0, q.log_adc, q.b0_spread, q.adc_spread, q.correlation, q.length_mm) for q in lesions]
        return cls(
            mean, covariance,
            _filled(np.stack([f.b0_texture for f in fits])), _filled(np.stack([f.adc_texture for f in fits])),
            _filled(np.stack([f.texture_correlation for f in fits])),
            np.array([_scanner_row(f) for f in fits]),
            np.stack([f.bias for f in fits]),
            _with_lengths(np.array(rows, float).reshape(-1, 6)),
            float(np.median([f.b_value for f in fits])),
            borrowed, len(fits), pooled_profile(lesions), pooled_softness(lesions),
        )  # fmt: skip

    @property
    def stripped_share(self) -> float:
        """Share of the cases that came skull-stripped."""
        return float(np.mean(self.scanners[:, 7] > 0))

    def draw(self, rng: np.random.Generator) -> CaseDraw:
        """Draw the parameters of one new case."""
        normal = np.clip(rng.standard_normal(2 * _COUNT), -_FURTHEST, _FURTHEST)
        eigenvalues, vectors = np.linalg.eigh(self.covariance)
        values = self.mean + vectors @ (np.sqrt(np.maximum(eigenvalues, 0.0)) * normal)
        row = self.scanners[int(rng.integers(len(self.scanners)))]
        jitter = np.exp(_SCANNER_SPREAD * np.clip(rng.standard_normal(7), -2, 2))
        length, b0_noise, dwi_noise, *blur, level = (float(v) for v in row[:7] * jitter)
        # Between two cases' fields: coefficients drawn apart would add up to fields that no coil makes.
        one, other = self.bias[rng.integers(len(self.bias), size=2)]
        share = rng.random()
        bias = share * one + (1.0 - share) * other
        return CaseDraw(
            tuple(np.exp(values[:_COUNT]).tolist()), tuple(np.clip(values[_COUNT:], 0.0, 3.6).tolist()),
            *self._textures(), length, b0_noise, dwi_noise, (blur[0], blur[1], blur[2]), tuple(bias.tolist()),
            self._draw_lesion(rng), level, self.b_value, float(row[7]), float(row[8]), bool(row[9] > 0.5),
            self._profile(), self.lesion_softness_mm,
        )  # fmt: skip

    def of_case(self, fit: CaseFit) -> CaseDraw:
        """The draw that describes a case that was fitted, holes filled from the distribution."""
        b0 = np.where(np.isfinite(fit.b0), fit.b0, np.exp(self.mean[:_COUNT]))
        adc = np.where(np.isfinite(fit.adc), fit.adc, self.mean[_COUNT:])
        q = fit.lesion
        lesion = (
            (*ASSUMED_LESION_MEAN, 0.0, _DEFAULT_LESION_LENGTH)
            if q is None
            else (q.log_b0, q.log_adc, q.b0_spread, q.adc_spread, q.correlation, _DEFAULT_LESION_LENGTH)
        )
        return CaseDraw(
            tuple(b0.tolist()), tuple(adc.tolist()), *self._textures(),
            fit.texture_mm, fit.b0_noise, fit.dwi_noise, fit.blur_mm, tuple(fit.bias.tolist()), lesion,
            fit.level, fit.b_value, fit.strip_level, fit.adc_floor, fit.air_empty, self._profile(),
            self.lesion_softness_mm,
        )  # fmt: skip

    def plain(self, draw: CaseDraw) -> CaseDraw:
        """``draw`` with the cohort's middle in place of all that a map does not tell.

        Tissues, lesion and blur are the same for every case, there is neither texture nor bias field; noise,
        level and where the image is empty stay the draw's.
        """
        none = (0.0,) * _COUNT
        lesion = np.median(self.lesions, 0)[:2] if len(self.lesions) else ASSUMED_LESION_MEAN[:2]
        blur = np.median(self.scanners[:, 3:6], 0)
        return replace(
            draw,
            b0=tuple(np.exp(self.mean[:_COUNT]).tolist()), adc=tuple(self.mean[_COUNT:].tolist()),
            b0_texture=none, adc_texture=none, texture_correlation=none,
            blur_mm=(float(blur[0]), float(blur[1]), float(blur[2])), bias=(0.0,) * len(draw.bias),
            lesion=(float(lesion[0]), float(lesion[1]), 0.0, 0.0, 0.0, _DEFAULT_LESION_LENGTH),
        )  # fmt: skip

    def _profile(self) -> tuple[float, ...]:
        return tuple(self.lesion_profile.tolist())

    def _textures(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        spreads = (self.b0_texture, self.adc_texture, self.texture_correlation)
        b0, adc, correlation = (tuple(s.tolist()) for s in spreads)
        return b0, adc, correlation

    def _draw_lesion(self, rng: np.random.Generator) -> tuple[float, ...]:
        noise = np.clip(rng.standard_normal(4), -2, 2)
        pick = int(rng.integers(max(len(self.lesions), 1)))
        if len(self.lesions) == 0:
            values = np.array(ASSUMED_LESION_MEAN) + np.array(ASSUMED_LESION_SPREAD) * noise
            extra = (-0.2, _DEFAULT_LESION_LENGTH)
        else:
            row = self.lesions[pick]
            count = len(self.lesions)
            spread = self.lesions[:, :4].std(0) if count > 2 else np.array(ASSUMED_LESION_SPREAD)
            # Silverman's width for a kernel over `count` points.
            values = row[:4] + 0.9 * count ** (-0.2) * 0.5 * spread * noise
            extra = (float(row[4]), float(row[5]))
        return (
            float(values[0]),
            float(values[1]),
            max(float(values[2]), 0.02),
            max(float(values[3]), 0.03),
            *extra,
        )

    def to_config(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            f.name: value.tolist() if isinstance(value := getattr(self, f.name), np.ndarray) else
            dict(value) if isinstance(value, Mapping) else value
            for f in fields(self)
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SignalModel:
        """Undo :meth:`to_config`; raises KeyError or ValueError when something is missing."""
        # Older models know lesions with an even effect and a hard border.
        config = {"lesion_profile": list(EVEN), "lesion_softness_mm": 0.0, **config}
        values = {f.name: config[f.name] for f in fields(cls)}
        arrays = {name: np.array(value, float) for name, value in values.items() if isinstance(value, list)}
        arrays["lesions"] = arrays["lesions"].reshape(-1, 6)
        return cls(**{**values, **arrays})


def _scanner_row(fit: CaseFit) -> tuple[float, ...]:
    return (
        fit.texture_mm, fit.b0_noise, fit.dwi_noise, *fit.blur_mm, fit.level, fit.strip_level,
        fit.adc_floor, float(fit.air_empty),
    )  # fmt: skip


def _column_mean(values: Array) -> Array:
    """Median of what is there in each column (0 for empty ones)."""
    return np.array([np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else 0.0 for c in values.T])


def _borrow(mean: Array, seen: Array) -> dict[str, str]:
    """Fill in place the values of tissues that were not seen; who lent to whom."""
    borrowed = {}
    for number, tissue in enumerate(TISSUES):
        if seen[number]:
            continue
        lender = next((t for t in NEAREST[tissue] if seen[TISSUES.index(t)]), None)
        own_b0, own_adc = LITERATURE[tissue]
        borrowed[tissue] = lender or "literature"
        if lender is None:
            mean[number], mean[_COUNT + number] = np.log(own_b0), own_adc
            continue
        other = TISSUES.index(lender)
        lent_b0, lent_adc = LITERATURE[lender]
        mean[number] = mean[other] + np.log(own_b0 / lent_b0)
        mean[_COUNT + number] = mean[_COUNT + other] * own_adc / max(lent_adc, 0.1)
    return borrowed


def _covariance(values: Array, count: int) -> Array:
    """Covariance shrunk toward its diagonal; the literature's spread with fewer than three cases."""
    assumed = np.diag(np.repeat([ASSUMED_B0_SPREAD**2, ASSUMED_ADC_SPREAD**2], _COUNT))
    if count < 3:
        return assumed
    # Robust: a single case that went wrong must not stretch the distribution.
    median = np.median(values, 0)
    width = np.minimum(1.4826 * np.median(np.abs(values - median), 0) + 0.01, _widest(median))
    deviation = np.clip(values - median, -2 * width, 2 * width)
    deviation -= deviation.mean(0)
    products = deviation[:, :, None] * deviation[:, None, :]
    sample = products.sum(0) / (count - 1)
    variance = products.var(0) * count / (count - 1) ** 2
    off = ~np.eye(len(sample), dtype=bool)
    total = float((sample[off] ** 2).sum())
    shrink = 1.0 if total == 0.0 else float(np.clip(variance[off].sum() / total, 0.0, 1.0))
    mixed = np.where(off, (1.0 - shrink) * sample, sample)
    weight = 2.0 / (count + 2.0)  # the diagonal, too, leans on the literature while cases are few
    return np.asarray((1.0 - weight) * mixed + weight * assumed * 0.5)


def _widest(median: Array) -> Array:
    """Most that people are believed to differ: small tissues are measured badly, not that different."""
    adc = median[_COUNT:]
    return np.concatenate([np.full(_COUNT, 0.10), np.where(adc > _FLUID_ADC, 0.25, 0.08)])


def _filled(spreads: Array) -> Array:
    """Median over cases; tissues that were never seen take the median of all tissues."""
    known = np.isfinite(spreads)
    overall = float(np.median(spreads[known])) if known.any() else 0.05
    return np.array(
        [np.median(c[k]) if k.any() else overall for c, k in zip(spreads.T, known.T, strict=True)]
    )


def _with_lengths(rows: Array) -> Array:
    """Lesions too small for a correlation length get the median one."""
    if len(rows):
        known = rows[np.isfinite(rows[:, 5]), 5]
        rows[~np.isfinite(rows[:, 5]), 5] = np.median(known) if known.size else _DEFAULT_LESION_LENGTH
    return rows
