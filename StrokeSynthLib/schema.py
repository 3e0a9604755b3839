"""Tissue classes, the lesion class, channels and units: said once.

A *semantic map* is a volume of small integers, one class per voxel, in the numbering of
:data:`CLASSES`. On disk it never holds the lesion; networks see the lesion as one more
class, :data:`LESION`, the last. Inside the library ADC is in 10^-3 mm^2/s, b in s/mm^2,
times in ms, lengths in mm, volumes in ml.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = "1"

#: b-value that is assumed when a file does not say (s/mm^2); recorded as assumed.
ASSUMED_B_VALUE = 1000.0


@dataclass(frozen=True)
class TissueClass:
    """One class of the semantic map.

    Parameters
    ----------
    index
        Its number in maps.
    name
        Short name, as in tables ("left-thalamus").
    tissue
        The tissue whose MR values it has; left and right share one.
    side
        "left", "right" or "" for midline and unsided classes.
    color
        Display color, red, green, blue of 0 to 255 (FreeSurfer's where it has one).
    freesurfer
        The labels of FreeSurfer (and SynthSeg's extra-cerebral ones) that it gathers.
    """

    index: int
    name: str
    tissue: str
    side: str
    color: tuple[int, int, int]
    freesurfer: tuple[int, ...]


def _sided(
    first: int, tissue: str, color: tuple[int, int, int], left: tuple[int, ...], right: tuple[int, ...]
) -> tuple[TissueClass, TissueClass]:
    return (
        TissueClass(first, f"left-{tissue}", tissue, "left", color, left),
        TissueClass(first + 1, f"right-{tissue}", tissue, "right", color, right),
    )


CLASSES: tuple[TissueClass, ...] = (
    TissueClass(0, "air", "air", "", (0, 0, 0), (0,)),
    *_sided(1, "white-matter", (245, 245, 245), (2,), (41,)),
    *_sided(3, "cortex", (205, 62, 78), (3,), (42,)),
    *_sided(5, "lateral-ventricle", (120, 18, 134), (4, 5), (43, 44)),
    *_sided(7, "cerebellum-white-matter", (220, 248, 164), (7,), (46,)),
    *_sided(9, "cerebellum-cortex", (230, 148, 34), (8,), (47,)),
    *_sided(11, "thalamus", (0, 118, 14), (10,), (49,)),
    *_sided(13, "caudate", (122, 186, 220), (11,), (50,)),
    *_sided(15, "putamen", (236, 13, 176), (12,), (51,)),
    *_sided(17, "pallidum", (12, 48, 255), (13,), (52,)),
    *_sided(19, "hippocampus", (220, 216, 20), (17,), (53,)),
    *_sided(21, "amygdala", (103, 255, 255), (18,), (54,)),
    *_sided(23, "accumbens", (255, 165, 0), (26,), (58,)),
    *_sided(25, "ventral-diencephalon", (165, 42, 42), (28,), (60,)),
    # Leukoaraiosis: bright on T2, ADC raised; common in the elderly, a source of false positives.
    *_sided(27, "white-matter-hyperintensity", (255, 218, 185), (25,), (57,)),
    *_sided(29, "choroid-plexus", (0, 200, 200), (136, 137), (163, 164)),
    TissueClass(31, "third-ventricle", "third-ventricle", "", (204, 182, 142), (14, 72)),
    TissueClass(32, "fourth-ventricle", "fourth-ventricle", "", (42, 204, 164), (15,)),
    TissueClass(33, "brain-stem", "brain-stem", "", (119, 159, 176), (16,)),
    # Cerebrospinal fluid of sulci, cisterns and the space under the skull.
    TissueClass(34, "csf", "csf", "", (60, 60, 160), (24,)),
    TissueClass(35, "optic-nerve", "optic-nerve", "", (234, 169, 30), (85, 530)),
    TissueClass(36, "vessel-dura", "vessel-dura", "", (160, 0, 0), (30, 62, 502, 514)),
    TissueClass(37, "skull", "skull", "", (180, 170, 150), (515, 516)),
    TissueClass(38, "soft-tissue", "soft-tissue", "", (150, 100, 90), (507,)),
    TissueClass(39, "scalp", "scalp", "", (222, 184, 135), (511,)),
    TissueClass(40, "eye", "eye", "", (120, 190, 255), (506, 508)),
    TissueClass(41, "mucosa", "mucosa", "", (255, 130, 150), (509,)),
    TissueClass(42, "spinal-cord", "spinal-cord", "", (200, 180, 90), (512,)),
)

#: The lesion as networks see it: the class after the last tissue.
LESION = len(CLASSES)
LESION_COLOR = (230, 40, 40)

#: Numbers of input classes for one-hot maps: all tissues and the lesion.
CLASS_COUNT = LESION + 1

INDEX: dict[str, int] = {tissue_class.name: tissue_class.index for tissue_class in CLASSES}
FREESURFER_TO_CLASS: dict[int, int] = {
    label: tissue_class.index for tissue_class in CLASSES for label in tissue_class.freesurfer
}


def classes_of(*tissues: str) -> tuple[int, ...]:
    """Class numbers of the tissues, both sides; raises KeyError for an unknown tissue."""
    known = {tissue_class.tissue for tissue_class in CLASSES}
    for tissue in tissues:
        if tissue not in known:
            raise KeyError(tissue)
    return tuple(c.index for c in CLASSES if c.tissue in tissues)


#: Where an infarct can be: grey and white matter, not fluid, not around the brain.
PARENCHYMA: tuple[int, ...] = classes_of(
    "white-matter", "cortex", "cerebellum-white-matter", "cerebellum-cortex", "thalamus", "caudate",
    "putamen", "pallidum", "hippocampus", "amygdala", "accumbens", "ventral-diencephalon",
    "white-matter-hyperintensity", "brain-stem",
)  # fmt: skip
VENTRICLES: tuple[int, ...] = classes_of(
    "lateral-ventricle", "third-ventricle", "fourth-ventricle", "choroid-plexus"
)
CSF: tuple[int, ...] = (*VENTRICLES, INDEX["csf"])
#: What a skull-stripped image keeps: parenchyma, ventricles and the CSF around the brain.
INTRACRANIAL: tuple[int, ...] = (*PARENCHYMA, *CSF, *classes_of("vessel-dura", "optic-nerve"))

#: Class number of the mirrored voxel when left and right are swapped.
MIRRORED: tuple[int, ...] = tuple(
    c.index if not c.side else INDEX[("right-" if c.side == "left" else "left-") + c.tissue] for c in CLASSES
)

#: Tissues in the order of their first class; what a network that makes maps tells apart.
TISSUES: tuple[str, ...] = tuple(dict.fromkeys(c.tissue for c in CLASSES))
#: Number of the tissue (in :data:`TISSUES`) of each class.
TISSUE_OF_CLASS: tuple[int, ...] = tuple(TISSUES.index(c.tissue) for c in CLASSES)
#: Class number of each tissue on the left and on the right; one and the same where it has no side.
CLASS_ON_LEFT: tuple[int, ...] = tuple(
    next(c.index for c in CLASSES if c.tissue == tissue and c.side != "right") for tissue in TISSUES
)
CLASS_ON_RIGHT: tuple[int, ...] = tuple(
    next(c.index for c in CLASSES if c.tissue == tissue and c.side != "left") for tissue in TISSUES
)
