"""A scene with its logics, put together as qSlicerApplication does. All of it is Slicer's own."""

from __future__ import annotations

from pathlib import Path

import slicer
import vtk

#: The logic of each loadable module that slicer-core has, in the order of loading.
MODULE_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Units": "vtkSlicerUnitsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Sequences": "vtkSlicerSequencesLogic",
}


class Core:
    """One scene and what observes it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        temporary = str(folder)
        self.scene = slicer.vtkMRMLScene()
        self._add_crosshair()
        self.applicationLogic = slicer.vtkSlicerApplicationLogic()
        self.applicationLogic.SetTemporaryPath(temporary)
        self.applicationLogic.SetHomeDirectory(temporary)
        self.applicationLogic.SetShareDirectory(temporary)
        self.applicationLogic.SetMRMLScene(self.scene)
        self.sliceLogics, self.viewLogics = vtk.vtkCollection(), vtk.vtkCollection()
        self.applicationLogic.SetSliceLogics(self.sliceLogics)
        self.applicationLogic.SetViewLogics(self.viewLogics)
        for factory in (
            slicer.vtkMRMLSliceViewDisplayableManagerFactory,
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory,
        ):
            factory.GetInstance().SetMRMLApplicationLogic(self.applicationLogic)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        self._connect_storage(temporary)
        self.moduleLogics = {name: self._add_logic(name, cls) for name, cls in MODULE_LOGICS.items()}

    def _add_crosshair(self) -> None:
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddDefaultNode(crosshair)
        self.scene.AddNode(crosshair)

    def _connect_storage(self, temporary: str) -> None:
        """Cache and data manager: without them nodes with storage complain."""
        self._cache = slicer.vtkCacheManager()
        self._cache.SetRemoteCacheDirectory(temporary)
        self._cache.SetMRMLScene(self.scene)
        self.scene.SetCacheManager(self._cache)
        self._data = slicer.vtkDataIOManager()
        self._data.SetCacheManager(self._cache)
        self.scene.SetDataIOManager(self._data)

    def _add_logic(self, name: str, class_name: str) -> vtk.vtkObject:
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(self.applicationLogic)
        logic.SetMRMLScene(self.scene)
        self.applicationLogic.SetModuleLogic(name, logic)
        if name == "Colors":
            self.applicationLogic.SetColorLogic(logic)
            logic.AddDefaultColorNodes()
        return logic

    def end(self) -> None:
        """Let go of the scene, from the last logic to the first."""
        self.scene.Clear(1)
        for logic in reversed(list(self.moduleLogics.values())):
            logic.SetMRMLScene(None)
        self.applicationLogic.SetMRMLScene(None)
        self.scene.RemoveAllObservers()  # of code under test, which may fire when the scene is deleted
