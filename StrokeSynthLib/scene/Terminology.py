"""SNOMED CT codes of the lesion and of the schema's tissues, as Slicer writes them on segments.

The same codes are in the module's ``StrokeSynth.term.json``, from which Slicer's terminology selector offers
them: Slicer's own lists hold no infarct. A tissue without a code of its own has that of the nearest larger
structure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import schema

#: Name of the terminology, as in the file.
CONTEXT = "Segmentation category and type - StrokeSynth"
LESION_NAME = "Ischemic infarct"
_SCHEMA = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#"


class Code(NamedTuple):
    """A coded concept."""

    value: str
    meaning: str
    scheme: str = "SCT"

    def entry(self) -> str:
        """As it stands in a serialized terminology entry."""
        return f"{self.scheme}^{self.value}^{self.meaning}"


ALTERED = Code("49755003", "Morphologically Altered Structure")
ANATOMY = Code("123037004", "Anatomical Structure")
SUBSTANCE = Code("91720002", "Body Substance")
TISSUE = Code("85756007", "Tissue")
INFARCT = Code("55641003", "Infarct")
BRAIN = Code("12738006", "Brain")
LEFT = Code("7771000", "Left")
RIGHT = Code("24028007", "Right")

#: Category and type of each tissue of the schema but air.
TISSUES: dict[str, tuple[Code, Code]] = {
    "white-matter": (ANATOMY, Code("68523003", "Cerebral white matter")),
    "cortex": (ANATOMY, Code("40146001", "Cerebral cortex")),
    "lateral-ventricle": (ANATOMY, Code("66720007", "Lateral ventricle")),
    "cerebellum-white-matter": (ANATOMY, Code("33060004", "Cerebellar white matter")),
    "cerebellum-cortex": (ANATOMY, Code("25991003", "Cerebellar Cortex")),
    "thalamus": (ANATOMY, Code("42695009", "Thalamus")),
    "caudate": (ANATOMY, Code("11000004", "Caudate nucleus")),
    "putamen": (ANATOMY, Code("89278009", "Putamen")),
    "pallidum": (ANATOMY, Code("14738005", "Globus pallidus")),
    "hippocampus": (ANATOMY, Code("5366008", "Hippocampus")),
    "amygdala": (ANATOMY, Code("4958002", "Amygdala")),
    "accumbens": (ANATOMY, Code("427667007", "Nucleus accumbens")),
    "ventral-diencephalon": (ANATOMY, Code("110700", "Ventral Diencephalon", "DCM")),
    "white-matter-hyperintensity": (ALTERED, Code("110702", "White Matter T2 Hyperintensity", "DCM")),
    "choroid-plexus": (ANATOMY, Code("80621003", "Choroid plexus")),
    "third-ventricle": (ANATOMY, Code("49841001", "Third ventricle")),
    "fourth-ventricle": (ANATOMY, Code("35918002", "Fourth ventricle")),
    "brain-stem": (ANATOMY, Code("119238007", "Brain stem")),
    "csf": (SUBSTANCE, Code("65216001", "Cerebrospinal fluid")),
    "optic-nerve": (ANATOMY, Code("18234004", "Optic nerve")),
    "vessel-dura": (ANATOMY, Code("18545000", "Dura mater")),
    "skull": (ANATOMY, Code("89546000", "Skull")),
    "soft-tissue": (TISSUE, Code("87784001", "Soft tissue")),
    "scalp": (ANATOMY, Code("41695006", "Scalp")),
    "eye": (ANATOMY, Code("81745001", "Eye")),
    "mucosa": (TISSUE, Code("87784001", "Soft tissue")),
    "spinal-cord": (ANATOMY, Code("2748008", "Spinal cord")),
}


def entry(category: Code, kind: Code, modifier: Code | None = None, region: Code | None = None) -> str:
    """A terminology entry as Slicer keeps it in a segment's tag."""
    return "~".join(
        [
            CONTEXT, category.entry(), kind.entry(), modifier.entry() if modifier else "^^",
            "Anatomic codes - DICOM master list" if region else "", region.entry() if region else "^^", "^^",
        ]
    )  # fmt: skip


LESION_ENTRY = entry(ALTERED, INFARCT, region=BRAIN)


def tissueEntry(tissue: schema.TissueClass) -> str:
    """The entry of a class of the schema; sides are modifiers."""
    category, kind = TISSUES[tissue.tissue]
    side = {"left": LEFT, "right": RIGHT}.get(tissue.side)
    return entry(category, kind, side)


def className(tissue: schema.TissueClass) -> str:
    """A class's name for people: "Left thalamus"."""
    return tissue.name.replace("-", " ").capitalize().replace("csf", "CSF").replace("Csf", "CSF")


def asContext() -> dict[str, Any]:
    """The content of the terminology file; a test compares the two."""
    types: dict[Code, dict[Code, dict[str, Any]]] = {
        ALTERED: {INFARCT: _described(INFARCT, schema.LESION_COLOR) | {"3dSlicerLabel": "infarct"}}
    }
    for tissue, (category, kind) in TISSUES.items():
        classes = [c for c in schema.CLASSES if c.tissue == tissue]
        sides = [_described({"left": LEFT, "right": RIGHT}[c.side], c.color) for c in classes if c.side]
        # Two tissues may share a code: it is listed once, in the color of the first.
        types.setdefault(category, {}).setdefault(
            kind, _described(kind, classes[0].color) | ({"Modifier": sides} if sides else {})
        )
    categories = [
        _coded(category) | {"showAnatomy": category == ALTERED, "Type": list(found.values())}
        for category, found in types.items()
    ]
    return {
        "SegmentationCategoryTypeContextName": CONTEXT,
        "@schema": _SCHEMA,
        "SegmentationCodes": {"Category": categories},
    }


def _coded(code: Code) -> dict[str, Any]:
    return {"CodeMeaning": code.meaning, "CodingSchemeDesignator": code.scheme, "CodeValue": code.value}


def _described(code: Code, color: tuple[int, int, int]) -> dict[str, Any]:
    return _coded(code) | {"recommendedDisplayRGBValue": list(color)}
