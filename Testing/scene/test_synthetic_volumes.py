"""A worker's images as nodes of the scene. Runs in Slicer too."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np

from StrokeSynthLib.volume import Volume
from Testing.scene.Examples import mask, oblique, rigid, sample, semanticMap, underTransform


def answer(scale: float = 1.0) -> dict[str, Any]:
    """What the worker sends for "synthesize"."""
    adc = np.full((7, 6, 5), 800, np.int16)
    return {
        "dwi": Volume((sample().array * scale).astype(np.float32), oblique()),
        "adc": Volume(adc, oblique()),
        "b0": Volume(np.full((7, 6, 5), 300, np.float32), oblique()),
        "adc_unit": "10^-6 mm^2/s",
        "record": {"Synthetic": True, "Seed": 9, "Translator": "physics", "ModelHash": "abc"},
    }


class SyntheticVolumesTest(unittest.TestCase):
    def setUp(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Segmentations, VolumeNodes
        from StrokeSynthLib.scene.SyntheticVolumes import Making

        slicer.mrmlScene.Clear(0)
        self.dwi = VolumeNodes.nodeFromVolume(sample(), "DWI")
        self.map = Segmentations.mapSegmentation(semanticMap(), name="map", reference=self.dwi)
        self.making = Making(
            {"model": "m", "map": semanticMap(), "lesion": mask(), "seed": 9}, "strokesynth x"
        )

    def show(self, result: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        from StrokeSynthLib.scene.SyntheticVolumes import showSynthetic

        return showSynthetic(result or answer(), self.making, name="DWI", like=self.map, **options)

    def test_nodes_say_in_name_and_attributes_that_they_are_synthetic(self) -> None:
        from StrokeSynthLib.scene import Provenance

        nodes = self.show(channels=("dwi", "adc", "b0"))
        names = {channel: node.GetName() for channel, node in nodes.items()}
        self.assertEqual(
            names, {"dwi": "DWI synthetic DWI", "adc": "DWI synthetic ADC", "b0": "DWI synthetic b0"}
        )
        for channel, node in nodes.items():
            self.assertTrue(Provenance.isSynthetic(node))
            self.assertEqual(Provenance.read(node), {**answer()["record"], "Channel": channel})
            self.assertEqual(node.GetAttribute(Provenance.COMMAND_LINE), "strokesynth x")
        self.assertEqual(nodes["adc"].GetAttribute("StrokeSynth.Unit"), "10^-6 mm^2/s")

    def test_they_are_synthetic_from_the_moment_that_they_join_the_scene(self) -> None:
        import slicer
        import vtk

        from StrokeSynthLib.scene import Provenance, Segmentations

        seen: dict[str, str | None] = {}

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_caller: Any, _event: Any, node: Any) -> None:
            if node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLSegmentationNode"):
                seen[node.GetName()] = node.GetAttribute(Provenance.SYNTHETIC) or node.GetAttribute(
                    Provenance.KIND
                )

        tag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, added)
        self.show()
        Segmentations.lesionSegmentation(mask(), name="lesion", reference=self.dwi, synthetic=True)
        Segmentations.mapSegmentation(semanticMap(), name="map", reference=self.dwi)
        slicer.mrmlScene.RemoveObserver(tag)
        self.assertEqual(set(seen.values()), {"true", "map"})
        self.assertEqual(len(seen), 4)

    def test_dwi_and_adc_have_gray_values_that_suit_them(self) -> None:
        nodes = self.show()
        display = nodes["adc"].GetDisplayNode()
        self.assertEqual((display.GetWindowLevelMin(), display.GetWindowLevelMax()), (0.0, 2500.0))
        self.assertFalse(nodes["dwi"].GetDisplayNode().GetAutoWindowLevel())

    def test_they_lie_and_move_with_the_map_that_they_were_made_for(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        transform = underTransform(self.map, rigid())
        node = self.show()["dwi"]
        self.assertIs(node.GetParentTransformNode(), transform)
        np.testing.assert_allclose(VolumeNodes.affineOfNode(node), oblique(), atol=1e-9)

    def test_they_lie_in_a_folder_of_the_patients_study(self) -> None:
        hierarchy, study = self.study()
        nodes = [*self.show().values(), *self.show().values()]
        folders = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in nodes}
        self.assertEqual(len(folders), 1)
        folder = folders.pop()
        self.assertEqual(hierarchy.GetItemName(folder), "Synthetic images (StrokeSynth)")
        self.assertEqual(hierarchy.GetItemParent(folder), study)

    def test_slicers_dicom_export_does_not_find_the_patient_for_them(self) -> None:
        """It takes the parent of the parent of an image for the patient (qSlicerDICOMTagEditorWidget)."""
        from StrokeSynthLib.scene import Layouts

        hierarchy, _study = self.study()
        self.dwi.SetAttribute("DICOM.instanceUIDs", "1.2.3")
        nodes = self.show()
        difference = Layouts.differenceNode(self.dwi, nodes["dwi"])
        for node in (*nodes.values(), difference):
            item = hierarchy.GetItemByDataNode(node)
            patient = hierarchy.GetItemParent(hierarchy.GetItemParent(item))
            self.assertEqual(hierarchy.GetItemAttribute(patient, "DICOM.PatientName"), "")
            self.assertIn("SYNTHETIC", hierarchy.GetItemAttribute(item, "DICOM.SeriesDescription"))
            self.assertFalse([name for name in node.GetAttributeNames() if name.startswith("DICOM.")])
        image = hierarchy.GetItemByDataNode(self.dwi)
        patient = hierarchy.GetItemParent(hierarchy.GetItemParent(image))
        self.assertEqual(hierarchy.GetItemAttribute(patient, "DICOM.PatientName"), "Doe^Jane")

    def study(self) -> tuple[Any, int]:
        """A patient's study with the DWI and the map in it."""
        import slicer

        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        subject = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Doe")
        hierarchy.SetItemAttribute(subject, "DICOM.PatientName", "Doe^Jane")
        study = hierarchy.CreateStudyItem(subject, "Examination")
        for node in (self.dwi, self.map):
            item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(study, node)
            hierarchy.SetItemParent(item, study)
        return hierarchy, study

    def test_a_second_result_replaces_the_first_in_the_users_gray_values(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        nodes = self.show()
        nodes["dwi"].GetDisplayNode().SetWindowLevelMinMax(12, 34)
        again = self.show(answer(0.5), nodes=nodes)
        self.assertIs(again["dwi"], nodes["dwi"])
        np.testing.assert_array_equal(
            VolumeNodes.volumeFromNode(nodes["dwi"]).array, answer(0.5)["dwi"].array
        )
        self.assertEqual(nodes["dwi"].GetDisplayNode().GetWindowLevelMin(), 12)

    def test_another_scale_gets_other_gray_values_where_the_user_has_chosen_none(self) -> None:
        nodes = self.show()
        display = nodes["dwi"].GetDisplayNode()
        before = display.GetWindowLevelMax()
        self.show(answer(0.5), nodes=nodes)
        self.assertAlmostEqual(display.GetWindowLevelMax(), 0.5 * before, delta=0.01 * before)
        self.show(answer(3.0), nodes=nodes)
        self.assertAlmostEqual(display.GetWindowLevelMax(), 3.0 * before, delta=0.05 * before)


if __name__ == "__main__":
    unittest.main()
