"""Synthetic images of a case: from its map and lesion, into the patient's images or whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import slicer

from StrokeSynthLib.scene.Layouts import differenceNode, showComparison
from StrokeSynthLib.scene.Provenance import isSynthetic
from StrokeSynthLib.scene.Segmentations import labelmapFromSegmentation
from StrokeSynthLib.scene.SyntheticVolumes import Making, showSynthetic
from StrokeSynthLib.scene.Transforms import hardened
from StrokeSynthLib.volume import Volume

#: Node references of a synthetic DWI to what belongs to it.
_ADC, _DIFFERENCE, _ORIGINAL = "StrokeSynth.Adc", "StrokeSynth.Difference", "StrokeSynth.Original"


@dataclass
class SynthImages:
    """Nodes of one synthesis; the difference is None where there is no original on the same grid."""

    dwi: Any
    adc: Any = None
    difference: Any = None

    @property
    def channels(self) -> dict[str, Any]:
        """Those that hold images, by channel."""
        return {name: node for name, node in (("dwi", self.dwi), ("adc", self.adc)) if node is not None}


class SynthLogic:
    """For :class:`.Logic.StrokeSynthLogicBase`."""

    if TYPE_CHECKING:

        def ask(self, do: str, args: Mapping[str, Any]) -> dict[str, Any]:
            """See the logic."""

        def lesionMask(self, lesion: Any, dwi: Any) -> Volume:
            """See the lesions' part."""

    def synthesisRequest(
        self, dwi: Any, tissue: Any, *, translator: str, adc: Any = None, seed: int = 0,
        keepBackground: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        """Arguments of "synthesize" and "preview_open", but for the lesion."""
        request: dict[str, Any] = {
            "model": translator, "map": labelmapFromSegmentation(tissue, dwi), "seed": seed
        }  # fmt: skip
        if keepBackground:
            request["background"] = hardened(dwi)
            request["background_adc"] = None if adc is None else hardened(adc)
        return request

    def showImages(
        self, answer: Mapping[str, Any], request: Mapping[str, Any], dwi: Any, adc: Any = None,
        images: SynthImages | None = None, commandLine: str = "",
    ) -> SynthImages:  # fmt: skip
        """The images that the worker made, as volumes beside the DWI; in those of ``images``, if given."""
        making = Making(dict(request), commandLine, sourcesOf(request, dwi, adc))
        nodes = showSynthetic(
            answer, making, name=dwi.GetName(), like=dwi, nodes=None if images is None else images.channels
        )
        made = SynthImages(nodes["dwi"], nodes["adc"], None if images is None else images.difference)
        own = request.get("background") is not None
        made.difference = differenceNode(dwi, made.dwi, made.difference, sameScale=own)
        made.dwi.SetNodeReferenceID(_ORIGINAL, dwi.GetID())
        made.dwi.SetNodeReferenceID(_ADC, made.adc.GetID())
        made.dwi.SetNodeReferenceID(_DIFFERENCE, made.difference.GetID() if made.difference else None)
        return made

    def imagesOf(self, synthetic: Any) -> SynthImages | None:
        """The nodes that belong to a synthetic DWI; None when there is none."""
        if synthetic is None:
            return None
        return SynthImages(
            synthetic, synthetic.GetNodeReference(_ADC), synthetic.GetNodeReference(_DIFFERENCE)
        )

    def imagesToReplace(self, synthetic: Any, dwi: Any) -> SynthImages | None:
        """The nodes that other images of a case may be written into: synthetic ones of this very case."""
        images = self.imagesOf(synthetic)
        isOwn = images is not None and self.isSynthesis(synthetic)
        return images if isOwn and self.originalOf(synthetic) is dwi else None

    def originalOf(self, synthetic: Any) -> Any:
        """The patient's DWI that a synthetic one belongs to; None when it is gone."""
        return synthetic.GetNodeReference(_ORIGINAL)

    def isSynthesis(self, node: Any) -> bool:
        """Whether a volume is a synthetic DWI with its ADC."""
        return bool(isSynthetic(node) and node.GetNodeReference(_ADC) is not None)

    def synthesize(
        self, dwi: Any, tissue: Any, lesion: Any = None, *, translator: str, adc: Any = None, seed: int = 0,
        keepBackground: bool = True,
    ) -> SynthImages:  # fmt: skip
        """Synthetic DWI and ADC of a case; waits for them (less than a second to some seconds).

        Parameters
        ----------
        dwi, adc
            Volume nodes of the patient.
        tissue
            The semantic map of the same head.
        lesion
            Segmentation; without one the images show no lesion, which only a whole brain can.
        translator
            Name of a shipped translator or folder of another.
        seed
            The same seed gives the same images.
        keepBackground
            Put the lesion into the patient's images, which stay as they are around it; else make the whole
            brain anew.
        """
        request = self.synthesisRequest(
            dwi, tissue, translator=translator, adc=adc, seed=seed, keepBackground=keepBackground
        )
        request["lesion"] = None if lesion is None else self.lesionMask(lesion, dwi)
        return self.showImages(self.ask("synthesize", request), request, dwi, adc)

    def compareImages(self, dwi: Any, images: SynthImages) -> None:
        """Original, synthetic and difference side by side."""
        showComparison(dwi, images.dwi, images.difference)


def putSlices(node: Any, axis: int, numbers: list[int], values: Any) -> None:
    """Write slices into a volume node: ``values`` has its shape (i, j, k), but only these slices."""
    array = slicer.util.arrayFromVolume(node).T
    place: list[Any] = [slice(None)] * 3
    place[axis] = numbers
    array[tuple(place)] = values
    slicer.util.arrayFromVolumeModified(node)


def sourcesOf(request: Mapping[str, Any], dwi: Any, adc: Any) -> dict[str, Any]:
    """Nodes of the patient's images in a request."""
    named = {"background": dwi, "background_adc": adc}
    return {name: node for name, node in named.items() if request.get(name) is not None}
