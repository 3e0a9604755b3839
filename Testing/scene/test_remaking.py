"""Synthetic nodes say how they were made, and can be made again from that alone. Runs in Slicer too."""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from StrokeSynthLib.errors import BadInputError, StrokeSynthError
from StrokeSynthLib.jobs.client import WorkerClient
from StrokeSynthLib.volume import Storage, Volume
from Testing.unit import translate_phantom as phantom


class RemakingTest(unittest.TestCase):
    """With the worker process and a translator that is trained once."""

    folder: ClassVar[tempfile.TemporaryDirectory[str]]
    model: ClassVar[str]
    client: ClassVar[WorkerClient]

    @classmethod
    def setUpClass(cls) -> None:
        if find_spec("safetensors") is None:
            raise unittest.SkipTest("the worker's packages are not installed in this Python")
        from StrokeSynthLib.translate.registry import train_translator

        cls.folder = tempfile.TemporaryDirectory(prefix="mödel ")
        root = Path(cls.folder.name)
        trained = train_translator("physics", phantom.write_cohort(root / "cohort", 2), root / "physics")
        cls.model = str(trained.path)
        cls.client = WorkerClient(_python())

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.stop()
        cls.folder.cleanup()

    def setUp(self) -> None:
        import slicer

        from StrokeSynthLib.scene import VolumeNodes

        slicer.mrmlScene.Clear(0)
        signals = phantom.signals(5, lesion=False)
        self.dwi = VolumeNodes.nodeFromVolume(
            Volume(signals["dwi"].astype(np.float32), phantom.AFFINE), "DWI"
        )
        self.adc = VolumeNodes.nodeFromVolume(
            Volume((1000 * signals["adc"]).astype(np.int16), phantom.AFFINE, Storage("int16")), "ADC"
        )

    def ask(self, do: str, args: dict[str, Any]) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []
        failures: list[object] = []
        self.client.request(do, args, on_result=answers.append, on_error=failures.append)
        self.assertTrue(self.client.wait(120))
        self.assertEqual(failures, [])
        return answers[0]

    def synthesize(self, *, background: bool = False) -> dict[str, Any]:
        """Nodes "dwi" and "adc", made from nodes as the panel does."""
        from StrokeSynthLib.scene import Segmentations, VolumeNodes
        from StrokeSynthLib.scene.SyntheticVolumes import Making, showSynthetic

        self.lesion = Segmentations.lesionSegmentation(
            phantom.lesion_volume(), name="lesion", reference=self.dwi, synthetic=True
        )
        self.map = Segmentations.mapSegmentation(phantom.map_volume(), name="map", reference=self.dwi)
        args: dict[str, Any] = {
            "model": self.model,
            "seed": 9,
            "map": Segmentations.labelmapFromSegmentation(self.map, self.dwi),
            "lesion": Segmentations.labelmapFromSegmentation(self.lesion, self.dwi),
        }
        sources = {}
        if background:
            sources = {"background": self.dwi, "background_adc": self.adc}
            args |= {name: VolumeNodes.volumeFromNode(node) for name, node in sources.items()}
        making = Making(args, "strokesynth synthesize --model physics --map map.nii.gz --seed 9", sources)
        return showSynthetic(self.ask("synthesize", args), making, name="DWI", like=self.map)

    def assertSame(self, node: Any) -> None:
        from StrokeSynthLib.scene import Remaking, VolumeNodes

        again = Remaking.remake(node, self.client)
        self.assertEqual(again.differences, ())
        shown = VolumeNodes.volumeFromNode(node)
        self.assertEqual(again.volume.array.tobytes(), shown.array.tobytes())
        np.testing.assert_array_equal(again.volume.affine, shown.affine)

    def test_a_node_is_made_again_byte_for_byte(self) -> None:
        nodes = self.synthesize()
        for node in nodes.values():
            self.assertSame(node)

    def test_it_needs_neither_map_nor_lesion_any_more(self) -> None:
        import slicer

        nodes = self.synthesize()
        slicer.mrmlScene.RemoveNode(self.map)
        slicer.mrmlScene.RemoveNode(self.lesion)
        self.assertSame(nodes["dwi"])

    def test_it_is_made_again_after_the_scene_was_saved_and_loaded(self) -> None:
        import slicer

        self.synthesize(background=True)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear(0)
            slicer.util.loadScene(path)
            for name in ("DWI synthetic DWI", "DWI synthetic ADC"):
                self.assertSame(slicer.util.getNode(name))

    def test_a_patients_image_is_taken_where_it_was_even_if_it_was_moved(self) -> None:
        from Testing.scene.Examples import rigid, underTransform

        nodes = self.synthesize(background=True)
        before = _bytes(nodes["adc"])
        underTransform(self.dwi, rigid())
        from StrokeSynthLib.scene import Remaking

        again = Remaking.remake(nodes["adc"], self.client)
        self.assertEqual((again.differences, again.volume.array.tobytes()), ((), before))

    def test_a_patients_image_that_has_changed_or_is_gone_is_named(self) -> None:
        import slicer

        from StrokeSynthLib.scene import Remaking

        node = self.synthesize(background=True)["dwi"]
        slicer.util.arrayFromVolume(self.adc)[0, 0, 0] += 1
        slicer.util.arrayFromVolumeModified(self.adc)
        with self.assertRaisesRegex(BadInputError, "ADC: has changed since DWI synthetic DWI was made"):
            Remaking.requestOf(node)
        slicer.mrmlScene.RemoveNode(self.adc)
        with self.assertRaisesRegex(BadInputError, "background_adc.* not in the scene"):
            Remaking.requestOf(node)

    def test_another_model_in_the_same_place_is_noticed(self) -> None:
        from StrokeSynthLib.scene import Remaking

        node = self.synthesize()["dwi"]
        do, args = Remaking.requestOf(node)
        result = self.ask(do, {**args, "seed": 10})
        again = Remaking.remade(node, result)
        self.assertTrue(any(reason.startswith("Seed: 9 became 10") for reason in again.differences))

    def test_a_worker_that_fails_says_why(self) -> None:
        from StrokeSynthLib.scene import Remaking

        node = self.synthesize()["dwi"]
        content = json.loads(node.GetAttribute(Remaking.REQUEST))
        content["args"]["model"] = "no such model"
        node.SetAttribute(Remaking.REQUEST, json.dumps(content))
        with self.assertRaisesRegex(StrokeSynthError, "no such model"):
            Remaking.remake(node, self.client)

    def test_a_generated_lesion_is_made_again(self) -> None:
        from StrokeSynthLib.scene import Provenance, Remaking, Segmentations

        args = {"map": phantom.map_volume(), "volume_ml": 4.0, "seed": 3}
        result = self.ask("lesion", args)
        node = Segmentations.lesionSegmentation(
            result["mask"], name="lesion", reference=self.dwi, synthetic=True
        )
        Provenance.attach(node, result["record"])
        Remaking.keepRequest(node, "lesion", args, output="mask", volume=result["mask"])
        self.assertEqual(Remaking.remake(node, self.client).differences, ())

    def test_what_was_not_made_here_says_so(self) -> None:
        from StrokeSynthLib.scene import Remaking

        self.assertFalse(Remaking.canBeRemade(self.dwi))
        with self.assertRaisesRegex(BadInputError, "DWI: does not say how it was made"):
            Remaking.requestOf(self.dwi)


def _bytes(node: Any) -> bytes:
    from StrokeSynthLib.scene import VolumeNodes

    return VolumeNodes.volumeFromNode(node).array.tobytes()


def _python() -> str:
    """The interpreter: in Slicer not sys.executable, which is the application."""
    import shutil

    return shutil.which("PythonSlicer") or sys.executable


if __name__ == "__main__":
    unittest.main()
