"""coreIOManager(): which reader or writer for which file, on the module logics' own readers and writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore

from ..strictqt.classes import mark_native

_VOLUME, _SEGMENTATION, _SCENE = "VolumeFile", "SegmentationFile", "SceneFile"
_BY_ENDING = {
    ".seg.nrrd": _SEGMENTATION,
    ".seg.vtm": _SEGMENTATION,
    ".mrb": _SCENE,
    ".mrml": _SCENE,
    ".nii.gz": _VOLUME,
    ".nii": _VOLUME,
    ".nrrd": _VOLUME,
    ".mha": _VOLUME,
    ".mhd": _VOLUME,
    ".h5": "TransformFile",
    ".tfm": "TransformFile",
    ".csv": "TableFile",
    ".tsv": "TableFile",
    ".txt": "TextFile",
    ".ctbl": "ColorTableFile",
}
_STORAGE = {
    "TransformFile": ("vtkMRMLTransformNode", "vtkMRMLTransformStorageNode"),
    "TableFile": ("vtkMRMLTableNode", "vtkMRMLTableStorageNode"),
    "TextFile": ("vtkMRMLTextNode", "vtkMRMLTextStorageNode"),
    "ColorTableFile": ("vtkMRMLColorTableNode", "vtkMRMLColorTableStorageNode"),
}


@mark_native
class qSlicerCoreIOManager(QtCore.QObject):
    """Reads and writes for slicer.util.loadVolume, saveNode, loadScene and their like."""

    newFileLoaded = QtCore.Signal(object)

    def __init__(self, core: Any) -> None:
        super().__init__()
        self.__dict__["_core"] = core

    def fileType(self, path: str) -> str:
        name = Path(path).name.lower()
        return next((kind for ending, kind in _BY_ENDING.items() if name.endswith(ending)), "NoFile")

    def fileWriterFileType(self, node: Any, _format: str = "") -> str:
        return "SceneFile" if node.IsA("vtkMRMLScene") else node.GetClassName()

    def loadNodes(self, kind: str, properties: dict[str, Any], loaded: Any, _messages: Any = None) -> bool:
        path = str(properties["fileName"])
        if not Path(path).exists():
            return False
        if kind == _SCENE:
            return self._load_scene(path, bool(properties.get("clear", False)))
        node = self._load_node(kind, path, properties)
        if node is None:
            return False
        if properties.get("name"):
            node.SetName(properties["name"])
        loaded.AddItem(node)
        return True

    def _load_node(self, kind: str, path: str, properties: dict[str, Any]) -> Any:
        name = Path(path).name.partition(".")[0]
        if kind == _VOLUME:
            # Bits of AddArchetypeVolume: 1 label map, 2 centered, 4 one file
            options = properties.get("labelmap", False) * 1 + properties.get("center", False) * 2
            options += properties.get("singleFile", False) * 4
            return self._core.moduleLogics["Volumes"].AddArchetypeVolume(path, name, options)
        if kind == _SEGMENTATION:
            return self._core.moduleLogics["Segmentations"].LoadSegmentationFromFile(path, False, name)
        if kind not in _STORAGE:
            return None
        node_class, storage_class = _STORAGE[kind]
        node = self._core.scene.AddNewNodeByClass(node_class, name)
        storage = self._core.scene.AddNewNodeByClass(storage_class)
        storage.SetFileName(path)
        node.SetAndObserveStorageNodeID(storage.GetID())
        if storage.ReadData(node):
            return node
        self._core.scene.RemoveNode(node)
        return None

    def _load_scene(self, path: str, clear: bool) -> bool:
        scene = self._core.scene
        if path.lower().endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def saveNodes(self, kind: str, properties: dict[str, Any], _messages: Any = None) -> bool:
        path = str(properties["fileName"])
        if kind == _SCENE:
            return self._save_scene(path)
        node = self._core.scene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(path)
        storage.SetUseCompression(properties.get("useCompression", 1))
        return bool(storage.WriteData(node))

    def _save_scene(self, path: str) -> bool:
        scene = self._core.scene
        if path.lower().endswith(".mrb"):
            return bool(scene.WriteToMRB(path, None))
        if path.lower().endswith(".mrml"):
            scene.SetURL(path)
            return bool(scene.Commit())
        return bool(scene.SaveSceneToSlicerDataBundleDirectory(path, None))

    def addDefaultStorageNodes(self) -> None:
        for index in range(self._core.scene.GetNumberOfNodesByClass("vtkMRMLStorableNode")):
            self._core.scene.GetNthNodeByClass(index, "vtkMRMLStorableNode").AddDefaultStorageNode()
