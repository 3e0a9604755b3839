"""Gray values, layouts, places in the hierarchy, transforms, records. Runs in Slicer too."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.volume import Volume
from Testing.scene.Examples import head, mask, oblique, rigid, sample, underTransform


class WindowsTest(unittest.TestCase):
    def setUp(self) -> None:
        import slicer

        slicer.mrmlScene.Clear(0)

    def shown(self, array: np.ndarray, suit: str) -> tuple[float, float]:
        """Values that become black and white."""
        from StrokeSynthLib.scene import VolumeNodes, Windows

        node = VolumeNodes.nodeFromVolume(Volume(array, oblique()), "image")
        getattr(Windows, suit)(node)
        display = node.GetDisplayNode()
        self.assertFalse(display.GetAutoWindowLevel())
        return display.GetWindowLevelMin(), display.GetWindowLevelMax()

    def test_dwi_shows_brain_in_mid_gray_and_a_lesion_brighter_but_not_white(self) -> None:
        for scale in (1.0, 0.004, 900.0):
            dwi, brain, lesion = head(scale)
            black, white = self.shown(dwi, "suitDwi")
            self.assertLess(abs(black), 1e-6 * scale)
            self.assertLess(abs(brain / white - 0.45), 0.1)
            self.assertTrue(0.8 < lesion / white < 1.0)

    def test_dwi_window_does_not_depend_on_the_air_around_the_head(self) -> None:
        dwi, _, _ = head(1.0)
        padded = np.zeros((40, 40, 20), np.float32)
        padded[: dwi.shape[0], : dwi.shape[1], : dwi.shape[2]] = dwi
        np.testing.assert_allclose(self.shown(dwi, "suitDwi"), self.shown(padded, "suitDwi"), rtol=0.02)

    def test_adc_is_shown_alike_in_every_unit(self) -> None:
        adc = np.random.default_rng(0).uniform(0.4, 1.2, (9, 9, 9)).astype(np.float32)
        self.assertEqual(self.shown(adc, "suitAdc"), (0.0, 2.5))
        micro = self.shown((1000 * adc).astype(np.int16), "suitAdc")
        np.testing.assert_allclose(micro, (0.0, 2500.0))
        np.testing.assert_allclose(self.shown(adc * 1e-3, "suitAdc"), (0.0, 0.0025))

    def test_improbable_voxels_are_transparent(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes, Windows

        values = np.linspace(0, 1, 210).reshape(7, 6, 5).astype(np.float32)
        node = VolumeNodes.nodeFromVolume(Volume(values, oblique()), "probability")
        Windows.suitProbability(node)
        display = node.GetDisplayNode()
        self.assertTrue(display.GetApplyThreshold())
        self.assertAlmostEqual(display.GetLowerThreshold(), 0.05)
        self.assertIn("Iron", display.GetColorNode().GetName())

    def test_no_difference_is_mid_gray(self) -> None:
        black, white = self.shown(sample().array - 100, "suitDifference")
        self.assertEqual(black, -white)
        self.assertEqual(self.shown(np.zeros((3, 3, 3), np.float32), "suitDifference"), (-1.0, 1.0))

    def test_an_empty_or_constant_image_is_left_as_it_is(self) -> None:
        for value in (0, 7):
            self.shown_or_untouched(np.full((3, 3, 3), value, np.int16))

    def shown_or_untouched(self, array: np.ndarray) -> None:
        from StrokeSynthLib.scene import VolumeNodes, Windows

        node = VolumeNodes.nodeFromVolume(Volume(array, oblique()), "image")
        Windows.suitDwi(node)
        Windows.suitAdc(node)


class LayoutsTest(unittest.TestCase):
    def setUp(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        slicer.mrmlScene.Clear(0)
        self.original = VolumeNodes.nodeFromVolume(sample(), "DWI")
        brighter = sample().with_array(sample().array + 10 * mask().array)
        self.synthetic = VolumeNodes.nodeFromVolume(brighter, "DWI synthetic DWI")

    def logic(self, name: str) -> object:
        import slicer

        return slicer.app.layoutManager().sliceWidget(name).sliceLogic()

    def test_three_views_show_original_synthetic_and_difference(self) -> None:
        from StrokeSynthLib.scene import Layouts

        difference = Layouts.differenceNode(self.original, self.synthetic)
        Layouts.showComparison(self.original, self.synthetic, difference)
        shown = [self.logic(name).GetSliceCompositeNode().GetBackgroundVolumeID() for name in Layouts.VIEWS]
        nodes = (self.original, self.synthetic, difference)
        self.assertEqual(shown, [node.GetID() for node in nodes])

    def test_views_are_linked_and_in_the_acquisition_plane(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Layouts

        Layouts.showComparison(self.original, self.synthetic)
        first, second = (self.logic(name) for name in Layouts.VIEWS[:2])
        normals = []
        for logic in (first, second):
            self.assertTrue(logic.GetSliceCompositeNode().GetLinkedControl())
            matrix = slicer.util.arrayFromVTKMatrix(logic.GetSliceNode().GetSliceToRAS())
            normals.append(np.abs(matrix[:3, 2] @ oblique()[:3, 2]) / 6.5)
        np.testing.assert_allclose(normals, 1, atol=1e-6)
        before = second.GetSliceOffset()
        first.StartSliceOffsetInteraction()
        first.SetSliceOffset(first.GetSliceOffset() + 6.5)
        first.EndSliceOffsetInteraction()
        self.assertAlmostEqual(second.GetSliceOffset(), before + 6.5, places=4)

    def test_the_usual_views_stay_as_the_user_left_them(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Layouts

        slicer.util.setSliceViewerLayers(background=self.original)
        Layouts.showComparison(self.original, self.synthetic)
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        red = self.logic("Red").GetSliceCompositeNode()
        self.assertEqual(red.GetBackgroundVolumeID(), self.original.GetID())
        self.assertEqual(self.logic("Red").GetSliceNode().GetOrientation(), "Axial")

    def test_two_and_three_views_follow_each_other(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Layouts

        difference = Layouts.differenceNode(self.original, self.synthetic)
        for last in (difference, None, difference):
            Layouts.showComparison(self.original, self.synthetic, last)
            self.assertEqual(slicer.app.layoutManager().layout, Layouts.LAYOUTS[2 if last is None else 3])

    def test_it_can_be_shown_again_after_the_scene_was_closed(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Layouts

        Layouts.showComparison(self.original, self.synthetic)
        slicer.mrmlScene.Clear(0)
        self.setUp()
        Layouts.showComparison(self.original, self.synthetic)
        shown = self.logic(Layouts.VIEWS[1]).GetSliceCompositeNode().GetBackgroundVolumeID()
        self.assertEqual(shown, self.synthetic.GetID())

    def test_the_difference_is_synthetic_minus_original_and_is_renewed_in_place(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Layouts, VolumeNodes

        node = Layouts.differenceNode(self.original, self.synthetic)
        np.testing.assert_allclose(VolumeNodes.volumeFromNode(node).array, 10 * mask().array, atol=1e-4)
        slicer.util.arrayFromVolume(self.synthetic)[:] = 0
        again = Layouts.differenceNode(self.original, self.synthetic, node)
        self.assertIs(again, node)
        np.testing.assert_allclose(VolumeNodes.volumeFromNode(node).array, -sample().array)

    def test_of_another_scale_the_difference_is_taken_at_the_originals_brightness(self) -> None:
        from StrokeSynthLib.scene import Layouts, VolumeNodes

        original = VolumeNodes.nodeFromVolume(Volume(head(1.0)[0], oblique()), "head")
        synthetic = VolumeNodes.nodeFromVolume(Volume(head(4.0)[0], oblique()), "head synthetic DWI")
        node = Layouts.differenceNode(original, synthetic, sameScale=False)
        self.assertAlmostEqual(float(Layouts.differenceScale(node)), 0.25, delta=1e-6)
        np.testing.assert_allclose(VolumeNodes.volumeFromNode(node).array, 0, atol=1e-3)
        Layouts.differenceNode(original, synthetic, node)
        self.assertEqual(Layouts.differenceScale(node), 1)
        np.testing.assert_allclose(VolumeNodes.volumeFromNode(node).array, 3 * head(1.0)[0], rtol=1e-4)

    def test_images_on_other_grids_have_no_difference(self) -> None:
        from StrokeSynthLib.scene import Layouts, VolumeNodes

        other = VolumeNodes.nodeFromVolume(Volume(sample().array, oblique((2, 2, 6))), "other")
        self.assertIsNone(Layouts.differenceNode(self.original, other))


class HierarchyTest(unittest.TestCase):
    def setUp(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        slicer.mrmlScene.Clear(0)
        self.hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        self.dwi = VolumeNodes.nodeFromVolume(sample(), "DWI")
        self.result = VolumeNodes.nodeFromVolume(sample(), "result")

    def parent(self, node: object) -> int:
        return self.hierarchy.GetItemParent(self.hierarchy.GetItemByDataNode(node))

    def test_a_result_lies_under_the_patients_study(self) -> None:
        from StrokeSynthLib.scene import Hierarchy

        subject = self.hierarchy.CreateSubjectItem(self.hierarchy.GetSceneItemID(), "Patient")
        study = self.hierarchy.CreateStudyItem(subject, "Examination")
        item = self.hierarchy.GetItemByDataNode(self.dwi) or self.hierarchy.CreateItem(study, self.dwi)
        self.hierarchy.SetItemParent(item, study)
        self.assertEqual(
            Hierarchy.placeBeside(self.result, self.dwi), self.hierarchy.GetItemByDataNode(self.result)
        )
        self.assertEqual(self.parent(self.result), study)
        Hierarchy.placeBeside(self.result, self.dwi)  # a second time
        self.assertEqual(self.parent(self.result), study)

    def test_without_a_study_it_lies_at_the_top(self) -> None:
        from StrokeSynthLib.scene import Hierarchy

        for reference in (None, self.dwi):
            Hierarchy.placeBeside(self.result, reference)
            self.assertEqual(self.parent(self.result), self.hierarchy.GetSceneItemID())


class TransformsTest(unittest.TestCase):
    def setUp(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        slicer.mrmlScene.Clear(0)
        self.node = VolumeNodes.nodeFromVolume(sample(), "DWI")

    def test_a_linear_transform_only_moves(self) -> None:
        from StrokeSynthLib.scene import Transforms

        underTransform(self.node, rigid())
        found = Transforms.hardened(self.node)
        np.testing.assert_array_equal(found.array, sample().array)
        np.testing.assert_allclose(found.affine, rigid() @ oblique(), atol=1e-9)

    def test_a_warp_resamples_a_copy_and_leaves_the_node_alone(self) -> None:
        import slicer
        import vtk

        from StrokeSynthLib.scene import Transforms

        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        ramp = np.broadcast_to(np.arange(20, dtype=np.float32)[:, None, None], (20, 12, 12)).copy()
        slicer.mrmlScene.RemoveNode(self.node)
        from StrokeSynthLib.scene import VolumeNodes

        node = VolumeNodes.nodeFromVolume(Volume(ramp, affine), "ramp")
        points, moved = vtk.vtkPoints(), vtk.vtkPoints()
        for corner in np.ndindex(2, 2, 2):
            place = 60.0 * np.array(corner) - 10
            points.InsertNextPoint(*place)
            moved.InsertNextPoint(place[0] + 4.0, place[1], place[2])
        spline = vtk.vtkThinPlateSplineTransform()
        spline.SetSourceLandmarks(points)
        spline.SetTargetLandmarks(moved)
        spline.SetBasisToR()
        warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
        warp.SetAndObserveTransformToParent(spline)
        node.SetAndObserveTransformNodeID(warp.GetID())
        count = slicer.mrmlScene.GetNumberOfNodes()
        found = Transforms.hardened(node)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)
        self.assertIs(node.GetParentTransformNode(), warp)
        world = found.resampled(Volume(ramp, affine).grid).array
        np.testing.assert_allclose(world[6:16, 6, 6], ramp[4:14, 6, 6], atol=0.1)  # 4 mm are 2 voxels
        with self.assertRaises(BadInputError):
            VolumeNodes.volumeFromNode(node)


class ProvenanceTest(unittest.TestCase):
    def setUp(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        slicer.mrmlScene.Clear(0)
        self.node = VolumeNodes.nodeFromVolume(sample(), "DWI")

    def test_a_record_comes_back_whatever_is_in_it_also_from_a_scene_file(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Provenance

        record = {
            "Synthetic": True, "Seed": 9, "Path": 'C:\\Bilder Ä;ö:"x" <&>%20', "Values": [1.5, None],
            "Description": "Synthetic image; 50 % made; not a patient's.",
        }  # fmt: skip
        Provenance.attach(self.node, record, 'strokesynth synthesize --map "a b.nii.gz" --seed 9')
        self.assertEqual(Provenance.read(self.node), record)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear(0)
            slicer.util.loadScene(path)
        node = slicer.util.getNode("DWI")
        self.assertEqual(Provenance.read(node), record)
        self.assertTrue(Provenance.isSynthetic(node))
        self.assertEqual(node.GetAttribute("StrokeSynth.Seed"), "9")
        self.assertEqual(node.GetAttribute("StrokeSynth.Description"), record["Description"])
        self.assertIn('"a b.nii.gz"', node.GetAttribute(Provenance.COMMAND_LINE))

    def test_a_patients_image_is_not_synthetic(self) -> None:
        from StrokeSynthLib.scene import Provenance

        self.assertFalse(Provenance.isSynthetic(self.node))
        self.assertIsNone(Provenance.read(self.node))
        Provenance.attach(self.node, {"Synthetic": False, "Kind": "lesion segmentation"})
        self.assertFalse(Provenance.isSynthetic(self.node))

    def test_what_was_changed_by_hand_forgets_its_record_but_stays_synthetic(self) -> None:
        from StrokeSynthLib.scene import Provenance, Remaking

        self.node.SetAttribute("Other.Note", "kept")
        Provenance.attach(self.node, {"Synthetic": True, "Seed": 1}, "strokesynth lesion")
        Remaking.keepRequest(self.node, "lesion", {"map": mask()}, output="mask", volume=mask())
        Provenance.clear(self.node)
        self.assertIsNone(Provenance.read(self.node))
        self.assertFalse(Remaking.canBeRemade(self.node))
        self.assertEqual(set(self.node.GetAttributeNames()), {"Other.Note", Provenance.SYNTHETIC})

    def test_a_newer_record_leaves_nothing_of_the_older_one(self) -> None:
        from StrokeSynthLib.scene import Provenance

        Provenance.attach(self.node, {"Synthetic": True, "Seed": 1}, "strokesynth lesion")
        Provenance.attach(self.node, {"Synthetic": True})
        self.assertIsNone(self.node.GetAttribute("StrokeSynth.Seed"))
        self.assertIsNone(self.node.GetAttribute(Provenance.COMMAND_LINE))


if __name__ == "__main__":
    unittest.main()
