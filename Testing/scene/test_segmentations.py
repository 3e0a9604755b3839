"""Lesions and maps as segmentations and back. Runs in Slicer too: no pytest, imports of Slicer inside."""

from __future__ import annotations

import tempfile
import time
import unittest
from pathlib import Path

import numpy as np

from StrokeSynthLib import schema
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.volume import Volume
from Testing.scene.Examples import mask, oblique, rigid, sample, semanticMap, underTransform


class SegmentationsTest(unittest.TestCase):
    def setUp(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        slicer.mrmlScene.Clear(0)
        self.dwi = VolumeNodes.nodeFromVolume(sample(), "DWI")

    def lesion(self, volume: Volume | None = None, **options: object) -> object:
        from StrokeSynthLib.scene import Segmentations

        given = {"name": "lesion", "reference": self.dwi, "synthetic": False, **options}
        return Segmentations.lesionSegmentation(volume or mask(), **given)

    # There and back

    def test_a_mask_comes_back_voxel_by_voxel(self) -> None:
        from StrokeSynthLib.scene import Segmentations, VolumeNodes

        for left_handed in (False, True):
            reference = VolumeNodes.nodeFromVolume(sample(left_handed=left_handed), "DWI")
            node = self.lesion(mask(left_handed=left_handed), reference=reference)
            back = Segmentations.labelmapFromSegmentation(node, reference)
            np.testing.assert_array_equal(back.array, mask().array)
            np.testing.assert_allclose(back.affine, oblique(left_handed=left_handed), atol=1e-9)
            self.assertEqual((back.array.dtype, back.storage.dtype), (np.uint8, "uint8"))

    def test_a_map_comes_back_class_by_class(self) -> None:
        from StrokeSynthLib.scene import Segmentations

        node = Segmentations.mapSegmentation(semanticMap(), name="map", reference=self.dwi)
        back = Segmentations.labelmapFromSegmentation(node, self.dwi)
        np.testing.assert_array_equal(back.array, semanticMap().array)

    def test_slicer_sees_each_segment_where_it_is(self) -> None:
        import slicer

        node = self.lesion()
        exported = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        slicer.modules.segmentations.logic().ExportSegmentsToLabelmapNode(
            node, ["infarct"], exported, self.dwi, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
        )
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(exported).T, mask().array)

    def test_both_survive_the_scene_file(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Provenance, Segmentations

        self.lesion(synthetic=True)
        Segmentations.mapSegmentation(semanticMap(), name="map", reference=self.dwi)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "szene 1.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear(0)
            slicer.util.loadScene(path)
        dwi, lesion, found = (slicer.util.getNode(name) for name in ("DWI", "lesion", "map"))
        self.assertTrue(Provenance.isSynthetic(lesion))
        lesions = Segmentations.labelmapFromSegmentation(lesion, dwi)
        np.testing.assert_array_equal(lesions.array, mask().array)
        back = Segmentations.labelmapFromSegmentation(found, dwi)
        np.testing.assert_array_equal(back.array, semanticMap().array)

    # Transforms and grids

    def test_under_a_transform_the_mask_of_the_world_is_the_same(self) -> None:
        from StrokeSynthLib.scene import Segmentations, VolumeNodes

        underTransform(self.dwi, rigid())
        placed = Volume(mask().array, VolumeNodes.affineOfNode(self.dwi))
        node = self.lesion(placed)
        self.assertIs(node.GetParentTransformNode(), self.dwi.GetParentTransformNode())
        back = Segmentations.labelmapFromSegmentation(node, self.dwi)
        np.testing.assert_array_equal(back.array, mask().array)
        np.testing.assert_allclose(back.affine, placed.affine, atol=1e-9)

    def test_moving_both_together_changes_nothing_moving_one_does(self) -> None:
        from StrokeSynthLib.scene import Segmentations

        node = self.lesion()
        transform = underTransform(self.dwi, rigid())
        moved = Segmentations.labelmapFromSegmentation(node, self.dwi)
        self.assertFalse(np.array_equal(moved.array, mask().array))
        node.SetAndObserveTransformNodeID(transform.GetID())
        together = Segmentations.labelmapFromSegmentation(node, self.dwi)
        np.testing.assert_array_equal(together.array, mask().array)

    def test_on_another_grid_the_nearest_voxel_is_taken(self) -> None:
        from StrokeSynthLib.scene import Segmentations, VolumeNodes

        fine = oblique((0.9, 1.05, 3.25))
        block = np.zeros((14, 12, 10), np.uint8)
        block[4:10, 2:8, 2:6] = 1
        shift = np.eye(4)
        shift[:3, 3] = (-0.25, -0.25, -0.25)  # centers of the halved voxels
        reference = VolumeNodes.nodeFromVolume(Volume(np.zeros(block.shape, np.int16), fine @ shift), "fine")
        coarse = Volume(block[::2, ::2, ::2], oblique())
        found = Segmentations.labelmapFromSegmentation(self.lesion(coarse), reference)
        np.testing.assert_array_equal(found.array, block)

    def test_what_lies_outside_the_reference_is_left_out(self) -> None:
        from StrokeSynthLib.scene import Segmentations, VolumeNodes

        far = np.eye(4)
        far[:3, 3] = (3, 2, 1)
        part = VolumeNodes.nodeFromVolume(
            Volume(np.zeros((4, 4, 4), np.float32), oblique() @ far), "part of the head"
        )
        found = Segmentations.labelmapFromSegmentation(self.lesion(), part)
        np.testing.assert_array_equal(found.array, mask().array[3:7, 2:6, 1:5])

    def test_a_shear_or_a_warp_is_refused_with_the_nodes_name(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Segmentations

        node = self.lesion()
        warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "warp")
        node.SetAndObserveTransformNodeID(warp.GetID())
        with self.assertRaisesRegex(BadInputError, "lesion: is under the non-linear transform warp"):
            Segmentations.labelmapFromSegmentation(node, self.dwi)

    # Painting

    def test_an_empty_lesion_can_be_painted_in_the_segment_editor(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Segmentations

        node = Segmentations.emptyLesionSegmentation(self.dwi)
        self.assertFalse(Segmentations.labelmapFromSegmentation(node, self.dwi).array.any())
        painted = np.ascontiguousarray(mask().array.T)
        slicer.util.updateSegmentBinaryLabelmapFromArray(painted, node, "infarct", self.dwi)
        found = Segmentations.labelmapFromSegmentation(node, self.dwi)
        np.testing.assert_array_equal(found.array, mask().array)

    def test_an_update_keeps_name_color_and_visibility(self) -> None:
        from StrokeSynthLib.scene import Segmentations

        node = self.lesion()
        segment = node.GetSegmentation().GetSegment("infarct")
        segment.SetName("old infarct")
        segment.SetColor(0, 1, 0)
        node.GetDisplayNode().SetSegmentOpacity2DFill("infarct", 0.25)
        other = Volume(np.roll(mask().array, 1, axis=0), oblique())
        Segmentations.updateSegmentation(node, other)
        found = Segmentations.labelmapFromSegmentation(node, self.dwi)
        np.testing.assert_array_equal(found.array, other.array)
        self.assertEqual(node.GetSegmentation().GetSegmentIDs(), ("infarct",))
        self.assertEqual((segment.GetName(), segment.GetColor()), ("old infarct", (0, 1, 0)))
        self.assertEqual(node.GetDisplayNode().GetSegmentOpacity2DFill("infarct"), 0.25)

    def test_an_update_with_nothing_empties_the_lesion(self) -> None:
        from StrokeSynthLib.scene import Segmentations

        node = self.lesion()
        Segmentations.updateSegmentation(node, Volume(np.zeros((7, 6, 5), np.uint8), oblique()))
        self.assertFalse(Segmentations.labelmapFromSegmentation(node, self.dwi).array.any())

    def test_other_segments_of_a_users_segmentation_stay(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Segmentations

        node = self.lesion()
        old = node.GetSegmentation().AddEmptySegment("old", "Old infarct")
        overlapping = np.ones((5, 6, 7), np.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(overlapping, node, old, self.dwi)
        Segmentations.updateSegmentation(node, mask())
        of = Segmentations.labelmapFromSegmentation
        np.testing.assert_array_equal(of(node, self.dwi, "infarct").array, mask().array)
        self.assertTrue(of(node, self.dwi, "old").array.all())
        self.assertTrue(of(node, self.dwi).array.all())

    def test_the_lesion_of_a_users_segmentation_is_its_first_segment(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Segmentations

        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
        self.assertEqual(Segmentations.lesionSegment(node), "")
        first = node.GetSegmentation().AddEmptySegment("", "Stroke")
        node.GetSegmentation().AddEmptySegment("", "Hemorrhage")
        self.assertEqual(Segmentations.lesionSegment(node), first)

    def test_a_map_gains_and_loses_segments_with_its_classes(self) -> None:
        from StrokeSynthLib.scene import Segmentations

        two = Volume(np.where(semanticMap().array > 20, 11, 1).astype(np.uint8), oblique())
        node = Segmentations.mapSegmentation(two, name="map", reference=self.dwi)
        self.assertEqual(node.GetSegmentation().GetSegmentIDs(), ("left-white-matter", "left-thalamus"))
        node.GetDisplayNode().SetSegmentVisibility("left-thalamus", False)
        three = two.with_array(np.where(semanticMap().array > 30, 33, two.array).astype(np.uint8))
        Segmentations.updateSegmentation(node, three)
        self.assertEqual(len(node.GetSegmentation().GetSegmentIDs()), 3)
        self.assertFalse(node.GetDisplayNode().GetSegmentVisibility("left-thalamus"))
        found = Segmentations.labelmapFromSegmentation(node, self.dwi)
        np.testing.assert_array_equal(found.array, three.array)
        Segmentations.updateSegmentation(node, two)
        found = Segmentations.labelmapFromSegmentation(node, self.dwi)
        np.testing.assert_array_equal(found.array, two.array)

    # What the user sees

    def test_segments_have_name_color_and_code(self) -> None:
        from StrokeSynthLib.scene import Segmentations, Terminology

        infarct = self.lesion().GetSegmentation().GetSegment("infarct")
        self.assertEqual(infarct.GetName(), "Ischemic infarct")
        self.assertEqual(infarct.GetTerminology(), Terminology.LESION_ENTRY)
        np.testing.assert_allclose(np.array(infarct.GetColor()) * 255, schema.LESION_COLOR)
        node = Segmentations.mapSegmentation(semanticMap(), name="map", reference=self.dwi)
        found = node.GetSegmentation()
        self.assertEqual(found.GetNumberOfSegments(), len(schema.CLASSES) - 1)
        for tissue in schema.CLASSES[1:]:
            segment = found.GetSegment(tissue.name)
            self.assertEqual(segment.GetTerminology(), Terminology.tissueEntry(tissue))
            np.testing.assert_allclose(np.array(segment.GetColor()) * 255, tissue.color)
        self.assertEqual(found.GetSegment("left-thalamus").GetName(), "Left thalamus")
        self.assertEqual(found.GetSegment("csf").GetName(), "CSF")

    def test_renamed_segments_keep_their_class(self) -> None:
        from StrokeSynthLib.scene import Segmentations

        node = Segmentations.mapSegmentation(semanticMap(), name="map", reference=self.dwi)
        node.GetSegmentation().GetSegment("left-thalamus").SetName("nucleus X")
        back = Segmentations.labelmapFromSegmentation(node, self.dwi)
        np.testing.assert_array_equal(back.array, semanticMap().array)

    def test_a_map_with_a_foreign_segment_names_it(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Segmentations

        node = Segmentations.mapSegmentation(semanticMap(), name="map", reference=self.dwi)
        foreign = node.GetSegmentation().AddEmptySegment("", "Tumor")
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            np.ascontiguousarray(mask().array.T), node, foreign, self.dwi
        )
        with self.assertRaisesRegex(BadInputError, "map: its segment Tumor is no tissue class; remove it"):
            Segmentations.labelmapFromSegmentation(node, self.dwi)

    def test_labels_that_are_no_classes_are_refused(self) -> None:
        from StrokeSynthLib.scene import Segmentations

        wrong = Volume(np.full((7, 6, 5), 44, np.uint8), oblique())
        with self.assertRaisesRegex(BadInputError, r"\[44\], which are no tissue classes"):
            Segmentations.mapSegmentation(wrong, name="map", reference=self.dwi)

    def test_a_segment_that_is_not_there_is_named(self) -> None:
        from StrokeSynthLib.scene import Segmentations

        with self.assertRaisesRegex(BadInputError, "lesion: has no segment hemorrhage"):
            Segmentations.labelmapFromSegmentation(self.lesion(), self.dwi, "hemorrhage")

    def test_it_is_beside_its_image_in_the_subject_hierarchy(self) -> None:
        import slicer

        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        subject = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
        study = hierarchy.CreateStudyItem(subject, "Examination")
        item = hierarchy.GetItemByDataNode(self.dwi) or hierarchy.CreateItem(study, self.dwi)
        hierarchy.SetItemParent(item, study)
        self.assertEqual(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(self.lesion())), study)

    # Speed

    def test_reading_a_stroke_takes_milliseconds(self) -> None:
        """The live preview reads the lesion after every stroke: on a usual clinical grid."""
        from StrokeSynthLib.scene import Segmentations, VolumeNodes

        affine = oblique((1.2, 1.2, 5.0))
        dwi = VolumeNodes.nodeFromVolume(Volume(np.zeros((192, 192, 28), np.int16), affine), "DWI")
        array = np.zeros((192, 192, 28), np.uint8)
        array[80:100, 90:110, 10:14] = 1
        node = self.lesion(Volume(array, affine), reference=dwi)
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            found = Segmentations.labelmapFromSegmentation(node, dwi)
            times.append(time.perf_counter() - begin)
        np.testing.assert_array_equal(found.array, array)
        self.assertLess(min(times), 0.05)


if __name__ == "__main__":
    unittest.main()
