"""What is assumed where the user's own cases say nothing.

Tissue values are those of the scanner room (:data:`StrokeSynthLib.scanner.tissue.TISSUES`, with
their sources), b0 against white matter at TE 85 ms and 3 T. Spread between people: Helenius et al.,
AJNR 2002. Infarcts: ADC 0.627 against 0.843 on the other side (Nagesh et al., Stroke 1998), b0
ratio 1.3 to 1.4 as seen in 3 T examinations.

A class that the cases never show takes its value from the nearest tissue that they do show
(:data:`NEAREST`), times the assumed ratio between the two.
"""

from __future__ import annotations

import math

import numpy as np

from ...scanner.tissue import TISSUES as SCANNER_TISSUES
from ...scanner.tissue import Tissue
from ...schema import CLASSES

_ECHO_TIME = 85.0
#: Share of white matter's b0 that noise and clutter leave in air.
_AIR_SIGNAL = 0.02


def _signal(tissue: Tissue) -> float:
    return tissue.density * math.exp(-_ECHO_TIME / tissue.t2_high)


TISSUES: tuple[str, ...] = tuple(dict.fromkeys(c.tissue for c in CLASSES))
#: b0 in units of white matter, and ADC (10^-3 mm^2/s), of each tissue.
LITERATURE: dict[str, tuple[float, float]] = {
    name: (
        _signal(SCANNER_TISSUES[name]) / _signal(SCANNER_TISSUES["white-matter"]),
        SCANNER_TISSUES[name].adc,
    )
    for name in TISSUES
} | {"air": (_AIR_SIGNAL, 0.0)}

#: Where a tissue that was never seen borrows from, the nearest first.
NEAREST: dict[str, tuple[str, ...]] = {
    "white-matter": ("cerebellum-white-matter", "brain-stem", "thalamus"),
    "cortex": ("cerebellum-cortex", "hippocampus", "putamen", "white-matter"),
    "lateral-ventricle": ("third-ventricle", "csf", "fourth-ventricle"),
    "cerebellum-white-matter": ("white-matter", "brain-stem"),
    "cerebellum-cortex": ("cortex", "white-matter"),
    "thalamus": ("putamen", "caudate", "cortex", "white-matter"),
    "caudate": ("putamen", "thalamus", "cortex", "white-matter"),
    "putamen": ("caudate", "thalamus", "cortex", "white-matter"),
    "pallidum": ("putamen", "thalamus", "white-matter"),
    "hippocampus": ("amygdala", "cortex", "white-matter"),
    "amygdala": ("hippocampus", "cortex", "white-matter"),
    "accumbens": ("caudate", "putamen", "cortex", "white-matter"),
    "ventral-diencephalon": ("brain-stem", "thalamus", "white-matter"),
    "white-matter-hyperintensity": ("white-matter",),
    "choroid-plexus": ("lateral-ventricle", "csf"),
    "third-ventricle": ("lateral-ventricle", "fourth-ventricle", "csf"),
    "fourth-ventricle": ("third-ventricle", "lateral-ventricle", "csf"),
    "brain-stem": ("ventral-diencephalon", "cerebellum-white-matter", "white-matter"),
    "csf": ("third-ventricle", "lateral-ventricle", "fourth-ventricle"),
    "optic-nerve": ("white-matter",),
    "vessel-dura": ("csf",),
    "skull": ("soft-tissue", "scalp", "white-matter"),
    "soft-tissue": ("scalp", "skull", "white-matter"),
    "scalp": ("soft-tissue", "skull", "white-matter"),
    "eye": ("csf", "lateral-ventricle"),
    "mucosa": ("soft-tissue", "white-matter"),
    "spinal-cord": ("brain-stem", "white-matter"),
    "air": (),
}

#: Tissue number (into TISSUES) of each class number; unused numbers are air.
TISSUE_OF_CLASS = np.zeros(256, np.uint8)
for _class in CLASSES:
    TISSUE_OF_CLASS[_class.index] = TISSUES.index(_class.tissue)
#: Literature ADC of each class number, for cases that come with DWI alone.
ASSUMED_ADC = np.zeros(256, np.float32)
for _class in CLASSES:
    ASSUMED_ADC[_class.index] = LITERATURE[_class.tissue][1]
ASSUMED_LESION_ADC = 0.627

#: Spread between people of log b0 (against white matter) and of ADC, used with a single case.
ASSUMED_B0_SPREAD = 0.05
ASSUMED_ADC_SPREAD = 0.035

#: Lesions against the tissue they are in, when no case has one: mean and spread between
#: lesions of log b0 ratio and log ADC ratio, and the spread of both within a lesion.
ASSUMED_LESION_MEAN = (math.log(1.3), math.log(0.627 / 0.843), 0.12, 0.14)
ASSUMED_LESION_SPREAD = (0.12, 0.12, 0.04, 0.05)
