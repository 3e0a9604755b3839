"""Segments carry codes that Slicer's terminology selector knows. Runs in Slicer too."""

from __future__ import annotations

import json
import unittest
from pathlib import Path

from StrokeSynthLib import schema

TERMINOLOGY_FILE = Path(__file__).parents[2] / "StrokeSynth" / "Resources" / "StrokeSynth.term.json"


class TerminologyTest(unittest.TestCase):
    def test_the_file_holds_what_the_segments_are_given(self) -> None:
        from StrokeSynthLib.scene import Terminology

        self.assertEqual(json.loads(TERMINOLOGY_FILE.read_text("utf-8")), Terminology.asContext())

    def test_every_tissue_but_air_has_a_code(self) -> None:
        from StrokeSynthLib.scene import Terminology

        self.assertEqual(set(Terminology.TISSUES), set(schema.TISSUES) - {"air"})

    def test_slicer_loads_the_file_and_finds_every_entry_in_it(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Terminology

        logic = _loaded()
        self.assertTrue(logic.IsTerminologyContextLoaded(Terminology.CONTEXT))
        tissues = [c for c in schema.CLASSES if c.tissue != "air"]
        for text in [Terminology.LESION_ENTRY, *map(Terminology.tissueEntry, tissues)]:
            entry = slicer.vtkSlicerTerminologyEntry()
            self.assertTrue(logic.DeserializeTerminologyEntry(text, entry), text)
            self.assertEqual(entry.GetTerminologyContextName(), Terminology.CONTEXT)
            kind = entry.GetTypeObject()
            category = entry.GetCategoryObject()
            found = slicer.vtkSlicerTerminologyType()
            names = [
                _codes(found)
                for index in range(logic.GetNumberOfTypesInTerminologyCategory(Terminology.CONTEXT, category))
                if logic.GetNthTypeInTerminologyCategory(Terminology.CONTEXT, category, index, found)
            ]
            self.assertIn(_codes(kind), names)

    def test_the_infarct_is_offered_in_its_color(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Terminology

        logic = _loaded()
        entry = slicer.vtkSlicerTerminologyEntry()
        logic.DeserializeTerminologyEntry(Terminology.LESION_ENTRY, entry)
        self.assertEqual(_codes(entry.GetTypeObject()), ("SCT", "55641003", "Infarct"))
        self.assertEqual(_codes(entry.GetRegionObject()), ("SCT", "12738006", "Brain"))


def _loaded() -> object:
    import slicer

    logic = slicer.modules.terminologies.logic()
    assert logic.LoadTerminologyFromFile(str(TERMINOLOGY_FILE))
    return logic


def _codes(coded: object) -> tuple[str, str, str]:
    return coded.GetCodingSchemeDesignator(), coded.GetCodeValue(), coded.GetCodeMeaning()


if __name__ == "__main__":
    unittest.main()
