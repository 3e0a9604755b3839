"""Proton density, T2 and ADC of each tissue, and how they spread.

Values that decide the look of a DWI are ratios to white matter; absolute signal has no
unit. ADC in 10^-3 mm^2/s at b = 1000 s/mm^2, T2 in ms.

Sources: ADC of cortex, deep gray and white matter, Helenius et al., AJNR 2002;23:194 (0.89,
0.75, 0.70; white matter here 0.76, because the mode over all tissue of elderly patients at
3 T lies at 0.8 and ADC of white matter rises with age, Engelter et al., AJNR 2000;21:1068).
T2 at 1.5 T and 3 T between the in-vitro values of Stanisz et al., MRM 2005;54:507 and the
longer ones of whole-brain spin-echo fits in vivo (Wansapura et al., JMRI 1999;9:531, 3 T: white 74
to 80 ms, gray about 83 to 110 ms). Pallidum: short T2 by iron. Fluid: 3.0 to 3.4 at 37 C, T2 about 2 s;
where it pulsates (cisterns, third and fourth ventricle) its apparent coefficient is higher and uneven.
Proton density: gray 0.80, white 0.70, fluid 1 (Whittall et al., MRM 1997;37:34).
Outside the brain, values are chosen for the look of fat-suppressed EPI: fat leaves a weak residue, bone and
air nothing, flowing blood little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schema import CLASSES

Array = npt.NDArray[Any]

#: Field strength from which on the 3 T values hold.
HIGH_FIELD = 2.0


@dataclass(frozen=True)
class Tissue:
    """MR values of one tissue.

    Parameters
    ----------
    density
        Proton density relative to water; 0: no signal at all.
    t2_low, t2_high
        T2 at 1.5 T and at 3 T (ms).
    adc
        Apparent diffusion coefficient (10^-3 mm^2/s).
    person
        Spread between people of each of the three, as a share.
    texture
        Smooth spread within the tissue of one person, as a share: of signal without diffusion
        weighting, and of ADC.
    region
        Share in the regional brightness (insula, cingulum, pyramidal tract).
    """

    density: float
    t2_low: float
    t2_high: float
    adc: float
    person: float = 0.02
    texture: tuple[float, float] = (0.05, 0.05)
    region: float = 0.0


TISSUES: dict[str, Tissue] = {
    "air": Tissue(0.0, 100, 100, 1.0, 0.0, (0.0, 0.0)),
    "white-matter": Tissue(0.69, 83, 71, 0.76, 0.03, (0.07, 0.08), 0.7),
    "cortex": Tissue(0.79, 95, 80, 0.86, 0.03, (0.09, 0.09), 1.0),
    "lateral-ventricle": Tissue(1.0, 2100, 1900, 3.15, 0.02, (0.05, 0.04)),
    "cerebellum-white-matter": Tissue(0.69, 83, 71, 0.70, 0.03, (0.07, 0.08)),
    "cerebellum-cortex": Tissue(0.79, 95, 80, 0.78, 0.03, (0.09, 0.08)),
    "thalamus": Tissue(0.75, 88, 76, 0.77, 0.03, (0.05, 0.05)),
    "caudate": Tissue(0.80, 90, 76, 0.77, 0.03, (0.05, 0.05)),
    "putamen": Tissue(0.79, 84, 69, 0.74, 0.03, (0.05, 0.05)),
    "pallidum": Tissue(0.72, 70, 55, 0.76, 0.05, (0.06, 0.06)),
    "hippocampus": Tissue(0.82, 100, 88, 0.88, 0.03, (0.06, 0.06)),
    "amygdala": Tissue(0.82, 98, 87, 0.86, 0.03, (0.06, 0.06)),
    "accumbens": Tissue(0.80, 90, 76, 0.79, 0.03, (0.05, 0.05)),
    "ventral-diencephalon": Tissue(0.72, 82, 70, 0.76, 0.03, (0.07, 0.06)),
    "white-matter-hyperintensity": Tissue(0.80, 125, 115, 1.12, 0.06, (0.10, 0.12)),
    "choroid-plexus": Tissue(0.90, 220, 200, 1.70, 0.10, (0.15, 0.15)),
    "third-ventricle": Tissue(1.0, 2000, 1800, 3.40, 0.03, (0.06, 0.08)),
    "fourth-ventricle": Tissue(1.0, 1800, 1600, 3.45, 0.03, (0.08, 0.08)),
    "brain-stem": Tissue(0.72, 83, 71, 0.76, 0.03, (0.08, 0.09)),
    "csf": Tissue(1.0, 1900, 1700, 3.25, 0.03, (0.08, 0.11)),
    "optic-nerve": Tissue(0.70, 85, 75, 0.95, 0.05, (0.08, 0.08)),
    "vessel-dura": Tissue(0.35, 60, 50, 1.20, 0.15, (0.30, 0.20)),
    "skull": Tissue(0.05, 40, 35, 0.60, 0.30, (0.30, 0.20)),
    "soft-tissue": Tissue(0.70, 38, 34, 1.40, 0.06, (0.15, 0.12)),
    "scalp": Tissue(0.30, 40, 36, 1.20, 0.20, (0.25, 0.15)),
    "eye": Tissue(1.0, 900, 800, 2.60, 0.05, (0.05, 0.04)),
    "mucosa": Tissue(0.90, 140, 120, 1.60, 0.08, (0.20, 0.15)),
    "spinal-cord": Tissue(0.72, 82, 74, 0.80, 0.04, (0.06, 0.06)),
}


@dataclass(frozen=True)
class TissueValues:
    """Values of one person, tables by class number of 128 entries, float32.

    ``density`` (share of water), ``rate`` (1/T2, 1/ms), ``adc`` (10^-3 mm^2/s),
    ``signal_texture`` and ``adc_texture`` (shares), ``region`` (share).
    """

    density: Array
    rate: Array
    adc: Array
    signal_texture: Array
    adc_texture: Array
    region: Array

    def baseline(self, echo_time: float) -> Array:
        """Natural logarithm of the signal without diffusion weighting, by class."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.maximum(np.log(self.density), -30.0) - echo_time * self.rate, np.float32)

    def signal(self, name: str, echo_time: float, b_value: float = 0.0) -> float:
        """Signal of the first class with tissue ``name``."""
        index = next(c.index for c in CLASSES if c.tissue == name)
        return float(np.exp(self.baseline(echo_time)[index] - b_value * 1e-3 * self.adc[index]))


def draw_tissues(
    rng: np.random.Generator, field_strength: float, *, aging: float = 0.0
) -> dict[str, dict[str, float]]:
    """Draw the values of one person: by tissue, density, T2 (ms) and ADC (10^-3 mm^2/s).

    ``aging`` from 0 (young) to 1 (old) raises T2 and ADC of cerebral white matter by up to 4 and
    8 % (Engelter et al., AJNR 2000). Both sides of the brain share one draw.
    """
    drawn: dict[str, dict[str, float]] = {}
    common = rng.normal(0.0, 0.015, 2)
    for name, tissue in TISSUES.items():
        spread = np.clip(rng.normal(0.0, tissue.person, 3), -3 * tissue.person, 3 * tissue.person)
        old = aging if name == "white-matter" else 0.0
        t2 = tissue.t2_high if field_strength >= HIGH_FIELD else tissue.t2_low
        drawn[name] = {
            "density": tissue.density * (1.0 + 0.5 * spread[0]),
            "t2": t2 * (1.0 + spread[1] + common[0]) * (1.0 + 0.04 * old),
            "adc": tissue.adc * (1.0 + spread[2] + common[1]) * (1.0 + 0.08 * old),
        }
    return drawn


def tissue_values(drawn: dict[str, dict[str, float]]) -> TissueValues:
    """Tables by class number for values from :func:`draw_tissues`."""
    tables = np.zeros((6, 128), np.float32)
    tables[1:3] = 1.0
    for tissue_class in CLASSES:
        values, tissue = drawn[tissue_class.tissue], TISSUES[tissue_class.tissue]
        tables[:, tissue_class.index] = (
            values["density"], 1.0 / values["t2"], values["adc"], *tissue.texture, tissue.region,
        )  # fmt: skip
    return TissueValues(*tables)
