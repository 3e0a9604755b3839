"""The application around a module: what fails a test, scenes, files, views, modules."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from .scene_builders import bright_ball, oblique


def write_module(folder: Path, body: str, name: str = "Sample") -> Path:
    path = folder / name / f"{name}.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import logging, qt, slicer\n"
        "from slicer.ScriptedLoadableModule import *\n"
        f"class {name}(ScriptedLoadableModule):\n"
        "    def __init__(self, parent):\n"
        "        super().__init__(parent)\n"
        f"        parent.title = '{name}'\n"
        f"{body}\n"
    )
    return path


WIDGET = "class SampleWidget(ScriptedLoadableModuleWidget):\n"


class TestProblems:
    def test_an_exception_in_an_observer_fails(self, host):
        import slicer

        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
        node.AddObserver("ModifiedEvent", lambda caller, event: 1 / 0)
        node.SetName("changed")
        with pytest.raises(AssertionError, match="ZeroDivisionError"):
            host.check()

    def test_an_error_of_vtk_fails(self, host):
        import slicer

        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLNoSuchNode")
        with pytest.raises(AssertionError, match="VTK error"):
            host.check()

    def test_a_warning_of_qt_fails(self, host):
        import qt

        widget = qt.QWidget()
        qt.QVBoxLayout(widget)
        qt.QHBoxLayout(widget)
        with pytest.raises(AssertionError, match="Qt warning: QLayout"):
            host.check()

    def test_a_global_that_holds_a_widget_fails_at_the_end(self, host, tmp_path):
        body = (
            WIDGET + "    def setup(self):\n        global kept\n        kept = slicer.qMRMLNodeComboBox()\n"
        )
        host.load_module(write_module(tmp_path, body))
        with pytest.raises(AssertionError, match=r"globals that still hold widgets.*Sample\.kept"):
            host.end()

    def test_an_observer_that_is_not_removed_does_not_reach_the_next_test(self, host):
        import slicer

        slicer.mrmlScene.AddObserver("ModifiedEvent", lambda *_: 1 / 0)

    def test_the_next_test(self, host):
        import slicer

        slicer.mrmlScene.Modified()
        assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTextNode") == 0

    def test_names_of_util_are_not_in_slicer(self, host):
        import slicer

        assert hasattr(slicer.util, "loadVolume")
        assert not hasattr(slicer, "loadVolume")
        assert hasattr(slicer, "vtkMRMLScene")

    def test_no_warning_comes_from_the_host_itself(self, host):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            bright_ball()
            host.process()


class TestScene:
    @pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
    def test_volumes_keep_their_oblique_axes_in_files(self, host, tmp_path, ending):
        import slicer
        import vtk

        volume = bright_ball()
        path = tmp_path / f"volume{ending}"
        assert slicer.util.saveNode(volume, str(path))
        loaded = slicer.util.loadVolume(path)
        matrix = vtk.vtkMatrix4x4()
        loaded.GetIJKToRASMatrix(matrix)
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), oblique(), atol=1e-4)
        np.testing.assert_array_equal(
            slicer.util.arrayFromVolume(loaded), slicer.util.arrayFromVolume(volume)
        )

    def test_a_file_that_is_not_there_is_an_error(self, host):
        import slicer

        with pytest.raises(RuntimeError, match="Failed to load"):
            slicer.util.loadVolume("/nowhere.nii.gz")

    def test_a_scene_comes_back_from_its_bundle(self, host):
        import slicer

        bright_ball("DWI Müller")
        path = host.save_scene("with blanks ü.mrb")
        host.close_scene()
        assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
        host.load_scene(path)
        assert slicer.util.getNode("DWI Müller").GetImageData().GetDimensions() == (64, 64, 12)

    def test_two_scenes_do_not_touch(self, host):
        import slicer

        other = host.other_scene()
        bright_ball("here")
        other.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "there")
        assert other.GetFirstNodeByName("here") is None
        assert slicer.mrmlScene.GetFirstNodeByName("there") is None

    def test_volumes_have_a_place_in_the_subject_hierarchy(self, host):
        import slicer

        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
        item = hierarchy.CreateItem(study, bright_ball())
        assert hierarchy.GetItemParent(item) == study


class TestViews:
    def test_a_layout_makes_its_views(self, host):
        import slicer

        manager = slicer.app.layoutManager()
        assert set(manager.sliceViewNames()) == {"Red", "Green", "Yellow"}
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
        assert manager.plotViewCount == 1

    def test_an_own_layout_makes_own_views(self, host):
        import slicer

        views = "".join(
            f'<item><view class="vtkMRMLSliceNode" singletontag="{name}"/></item>' for name in ("A", "B")
        )
        node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
        node.AddLayoutDescription(501, f'<layout type="horizontal">{views}</layout>')
        seen = []
        slicer.app.layoutManager().connect("layoutChanged(int)", seen.append)
        slicer.app.layoutManager().setLayout(501)
        assert seen == [501]
        assert {"A", "B"} <= set(slicer.app.layoutManager().sliceViewNames())

    def test_a_volume_is_shown_in_all_slice_views(self, host):
        import slicer

        volume = bright_ball()
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        for name in slicer.app.layoutManager().sliceViewNames():
            logic = slicer.app.layoutManager().sliceWidget(name).sliceLogic()
            assert logic.GetBackgroundLayer().GetVolumeNode() is volume

    def test_views_that_are_linked_move_together(self, host):
        import slicer

        manager = slicer.app.layoutManager()
        node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
        views = "".join(
            f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
            '<property name="orientation" action="default">Axial</property></view></item>'
            for name in ("A", "B")
        )
        node.AddLayoutDescription(502, f'<layout type="horizontal">{views}</layout>')
        manager.setLayout(502)
        slicer.util.setSliceViewerLayers(background=bright_ball(), fit=True)
        first, second = (manager.sliceWidget(name).sliceLogic() for name in ("A", "B"))
        for logic in (first, second):
            logic.GetSliceCompositeNode().SetLinkedControl(True)
        first.StartSliceOffsetInteraction()
        first.SetSliceOffset(7.0)
        first.EndSliceOffsetInteraction()
        assert second.GetSliceOffset() == pytest.approx(7.0)


class TestModules:
    def test_the_life_of_a_widget_is_as_in_slicer(self, host, tmp_path):
        body = WIDGET + "".join(
            f"    def {name}(self):\n        slicer.calls.append('{name}')\n"
            for name in ("setup", "enter", "exit", "cleanup")
        )
        import slicer

        slicer.calls = []
        host.load_module(write_module(tmp_path, body))
        host.load_module(
            write_module(tmp_path, "class OtherWidget(ScriptedLoadableModuleWidget): pass", "Other")
        )
        host.end()
        assert slicer.calls == ["setup", "enter", "exit", "cleanup"]
        del slicer.calls

    def test_modules_are_found_by_name(self, host, tmp_path):
        import slicer

        path = write_module(tmp_path, WIDGET + "    pass")
        widget = host.load_module(path)
        assert slicer.util.modulePath("Sample") == str(path)
        assert slicer.util.getModuleWidget("Sample") is widget
        assert slicer.modules.sample.title == "Sample"
        assert slicer.util.selectedModule() == "Sample"
        assert slicer.modules.volumes.logic().IsA("vtkSlicerVolumesLogic")

    def test_startup_completed_is_heard(self, host, tmp_path):
        import slicer

        seen = []
        slicer.app.connect("startupCompleted()", lambda: seen.append(1))
        host.load_module(write_module(tmp_path, WIDGET + "    pass"))
        assert seen == [1]

    def test_an_exception_while_a_module_is_loaded_reaches_the_test(self, host, tmp_path):
        with pytest.raises(ZeroDivisionError):
            host.load_module(write_module(tmp_path, WIDGET + "    x = 1 / 0"))

    def test_each_test_loads_a_module_anew(self, host, tmp_path):
        import sys

        host.load_module(write_module(tmp_path, WIDGET + "    pass"))
        host.end()
        assert "Sample" not in sys.modules
        assert not any(str(tmp_path) in folder for folder in sys.path)


class TestPackages:
    def test_what_is_missing_is_asked_for_and_recorded(self, host):
        import qt
        import slicer.packaging

        host.answer(qt.QMessageBox.Ok, "StrokeSynth - Install Python Packages")
        slicer.packaging.pip_ensure(["no-such-package>=1", "numpy"], requester="StrokeSynth")
        assert slicer.packaging.installer.installed == ["no-such-package>=1"]
        assert slicer.packaging.pip_check("no-such-package")

    def test_nothing_is_asked_when_all_is_there(self, host):
        import slicer.packaging

        slicer.packaging.pip_ensure(["numpy>=1"], requester="StrokeSynth")
        assert host.dialogs_shown == []

    def test_the_user_may_refuse(self, host):
        import slicer.packaging

        host.answer(0, "need to be installed")
        with pytest.raises(RuntimeError, match="declined"):
            slicer.packaging.pip_ensure("no-such-package")

    def test_a_translation_can_be_made_visible(self, host):
        from slicer import i18n

        i18n.mark = "* "
        assert i18n.tr("{n} cases").format(n=3) == "* 3 cases"
