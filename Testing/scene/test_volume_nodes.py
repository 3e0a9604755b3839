"""Volume nodes and the library's volumes. Runs in Slicer too: no pytest, imports of Slicer inside."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np

from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.volume import Volume, read_volume
from Testing.scene.Examples import oblique, rigid, sample, underTransform


class VolumeNodesTest(unittest.TestCase):
    def setUp(self) -> None:
        import slicer

        slicer.mrmlScene.Clear(0)

    def test_a_volume_comes_back_bit_for_bit(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        for dtype in ("float32", "float64", "int16", "uint8", "uint16", "int32"):
            for left_handed in (False, True):
                volume = sample(dtype, left_handed=left_handed)
                back = VolumeNodes.volumeFromNode(VolumeNodes.nodeFromVolume(volume, "DWI"))
                np.testing.assert_array_equal(back.array, volume.array)
                self.assertEqual(back.array.dtype, volume.array.dtype)
                self.assertEqual(back.storage.dtype, dtype)
                np.testing.assert_allclose(back.affine, volume.affine, rtol=0, atol=1e-12)

    def test_each_voxel_lies_where_slicer_shows_it(self) -> None:
        import slicer
        import vtk

        from StrokeSynthLib.scene import VolumeNodes

        volume = sample()
        node = VolumeNodes.nodeFromVolume(volume, "DWI")
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        for index in ((0, 0, 0), (6, 0, 0), (2, 5, 4)):
            place = matrix.MultiplyPoint([*map(float, index), 1.0])
            np.testing.assert_allclose(place, volume.affine @ [*index, 1], atol=1e-9)
            self.assertEqual(node.GetImageData().GetScalarComponentAsFloat(*index, 0), volume.array[index])
        self.assertEqual(slicer.util.arrayFromVolume(node).shape, (5, 6, 7))

    def test_a_file_that_slicer_saves_is_the_same_volume_to_the_library(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        volume = sample()
        node = VolumeNodes.nodeFromVolume(volume, "DWI")
        with tempfile.TemporaryDirectory() as folder:
            for ending in (".nii.gz", ".nrrd", ".mha"):
                path = Path(folder) / f"volume ü{ending}"
                self.assertTrue(slicer.util.saveNode(node, str(path)))
                read = read_volume(path)
                np.testing.assert_array_equal(read.array, volume.array)
                self.assertLess(read.grid.distance(volume.grid), 1e-4)

    def test_a_file_that_slicer_loads_is_the_same_volume(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes
        from StrokeSynthLib.volume import write_volume

        with tempfile.TemporaryDirectory() as folder:
            for left_handed in (False, True):  # Slicer turns the slices of the latter
                volume = sample(left_handed=left_handed)
                path = Path(folder) / f"volume-{left_handed}.nii.gz"
                write_volume(path, volume)
                loaded = VolumeNodes.volumeFromNode(slicer.util.loadVolume(str(path)))
                np.testing.assert_array_equal(loaded.canonical().array, volume.canonical().array)
                self.assertLess(loaded.canonical().grid.distance(volume.canonical().grid), 1e-4)

    def test_a_linear_parent_transform_is_part_of_the_place(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        volume = sample()
        node = VolumeNodes.nodeFromVolume(volume, "DWI")
        turn = rigid()
        underTransform(node, turn)
        np.testing.assert_allclose(VolumeNodes.volumeFromNode(node).affine, turn @ volume.affine, atol=1e-9)

    def test_a_result_moves_with_the_node_that_it_was_made_for(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        node = VolumeNodes.nodeFromVolume(sample(), "DWI")
        underTransform(node, rigid())
        made = VolumeNodes.volumeFromNode(node)
        result = VolumeNodes.nodeFromVolume(made, "synthetic", like=node)
        self.assertIs(result.GetParentTransformNode(), node.GetParentTransformNode())
        np.testing.assert_allclose(VolumeNodes.affineOfNode(result), made.affine, atol=1e-9)
        slicer.mrmlScene.RemoveNode(node.GetParentTransformNode())
        np.testing.assert_allclose(
            VolumeNodes.affineOfNode(result), VolumeNodes.affineOfNode(node), atol=1e-9
        )

    def test_new_voxels_keep_the_display_and_come_in_one_modification(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        volume = sample()
        node = VolumeNodes.nodeFromVolume(volume, "DWI")
        node.GetDisplayNode().AutoWindowLevelOff()
        node.GetDisplayNode().SetWindowLevel(77, 33)
        seen: list[str] = []
        node.AddObserver("ModifiedEvent", lambda _caller, event: seen.append(event))
        VolumeNodes.updateNode(node, volume.with_array(volume.array * 2))
        self.assertEqual(len(seen), 1)
        self.assertEqual(node.GetDisplayNode().GetWindow(), 77)
        np.testing.assert_array_equal(VolumeNodes.volumeFromNode(node).array, volume.array * 2)

    def test_what_is_read_does_not_change_with_the_node(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        volume = sample()
        node = VolumeNodes.nodeFromVolume(volume, "DWI")
        read = VolumeNodes.volumeFromNode(node)
        VolumeNodes.updateNode(node, volume.with_array(np.zeros_like(volume.array)))
        np.testing.assert_array_equal(read.array, volume.array)

    def test_masks_become_label_maps(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        mask = Volume(np.ones((4, 3, 2), bool), oblique())
        node = VolumeNodes.nodeFromVolume(mask, "lesion", className="vtkMRMLLabelMapVolumeNode")
        self.assertTrue(node.IsA("vtkMRMLLabelMapVolumeNode"))
        self.assertEqual(VolumeNodes.volumeFromNode(node).array.dtype, np.uint8)

    def test_integers_that_do_not_fit_are_not_cut(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        large = Volume(np.full((2, 2, 2), 2**40), oblique())
        with self.assertRaisesRegex(OverflowError, "do not fit"):
            VolumeNodes.nodeFromVolume(large, "large")

    def test_a_second_node_of_a_name_gets_a_number(self) -> None:
        from StrokeSynthLib.scene import VolumeNodes

        names = [VolumeNodes.nodeFromVolume(sample(), "DWI").GetName() for _ in range(2)]
        self.assertEqual(len(set(names)), 2)

    def test_another_scene_may_take_the_node(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        scene = slicer.vtkMRMLScene()
        node = VolumeNodes.nodeFromVolume(sample(), "DWI", scene=scene)
        self.assertIs(node.GetScene(), scene)
        self.assertIsNone(slicer.mrmlScene.GetFirstNodeByName("DWI"))

    def test_what_cannot_be_used_is_refused_with_its_name(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        def refused(node: object, text: str) -> None:
            with self.assertRaisesRegex(BadInputError, text):
                VolumeNodes.volumeFromNode(node)

        refused(
            slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"), "empty: holds no image"
        )
        color = slicer.util.addVolumeFromArray(
            np.zeros((2, 3, 4, 3), np.uint8), name="photo", nodeClassName="vtkMRMLVectorVolumeNode"
        )
        refused(color, "photo: has several values")
        bent = VolumeNodes.nodeFromVolume(sample(), "bent")
        grid = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "warp")
        bent.SetAndObserveTransformNodeID(grid.GetID())
        refused(bent, "bent: is under the non-linear transform warp")
        sheared = VolumeNodes.nodeFromVolume(sample(), "sheared")
        matrix = np.eye(4)
        matrix[0, 1] = 0.3
        underTransform(sheared, matrix)
        refused(sheared, "sheared: its axes are not at right angles")


if __name__ == "__main__":
    unittest.main()
