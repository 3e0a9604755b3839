"""Lesions that are painted or generated: masks, volumes, territories."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from StrokeSynthLib.scene.Provenance import PREFIX, attach, clear
from StrokeSynthLib.scene.Remaking import keepRequest
from StrokeSynthLib.scene.Segmentations import (
    emptyLesionSegmentation,
    labelmapFromSegmentation,
    lesionSegment,
    lesionSegmentation,
    updateSegmentation,
)
from StrokeSynthLib.scene.VolumeNodes import gridOfNode
from StrokeSynthLib.volume import Storage, Volume

#: Attribute of a generated lesion: its voxels as they were made.
_MADE = PREFIX + "MadeVoxels"
#: A fresh lesion is at least this much brighter than healthy tissue on DWI.
_BRIGHTER = 1.35
#: Share of the volume below which a territory is said to hold a little.
_LITTLE = 0.05


class LesionLogic:
    """For :class:`.Logic.StrokeSynthLogicBase`."""

    if TYPE_CHECKING:

        def ask(self, do: str, args: Mapping[str, Any]) -> dict[str, Any]:
            """See the logic."""

    def newLesion(self, dwi: Any) -> Any:
        """An empty segmentation on the DWI's grid, to paint a lesion into."""
        node = emptyLesionSegmentation(dwi)
        suitLesion(node)
        return node

    def lesionMask(self, lesion: Any, dwi: Any) -> Volume:
        """The lesion on the DWI's grid, uint8."""
        return labelmapFromSegmentation(lesion, dwi, lesionSegment(lesion) or None)

    def emptyMask(self, dwi: Any) -> Volume:
        """A mask on the DWI's grid without any lesion."""
        grid = gridOfNode(dwi)
        return Volume(np.zeros(grid.shape, np.uint8), grid.affine, Storage("uint8"))

    def lesionVolumeMl(self, lesion: Any, dwi: Any) -> float:
        """Volume of a lesion (ml)."""
        mask = self.lesionMask(lesion, dwi)
        return int(np.count_nonzero(mask.array)) * mask.grid.voxel_ml

    def lesionRequest(
        self, dwi: Any, tissue: Any, *, territory: str = "", side: str = "", volumeMl: float = 0.0,
        number: int = 0, seed: int = 0, generator: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Arguments of the worker's operation "lesion"; what is empty or 0 is drawn."""
        return {
            "map": labelmapFromSegmentation(tissue, dwi),
            "territory": territory or None,
            "side": side or None,
            "volume_ml": volumeMl or None,
            "number": number or None,
            "seed": seed,
            "lesions": generator or None,
        }

    def showLesion(
        self, answer: Mapping[str, Any], request: Mapping[str, Any], dwi: Any, lesion: Any = None,
        commandLine: str = "",
    ) -> Any:  # fmt: skip
        """The lesion that the worker made, as a segmentation; in ``lesion``, where that is given."""
        mask = answer["mask"]
        if lesion is None:
            name = _("{name} lesion").format(name=dwi.GetName())
            lesion = lesionSegmentation(mask, name=name, reference=dwi, synthetic=True)
            suitLesion(lesion)
        else:
            updateSegmentation(lesion, mask)
        attach(lesion, answer["record"], commandLine)
        keepRequest(lesion, "lesion", request, output="mask", volume=mask)
        lesion.SetAttribute(_MADE, _fingerprint(mask))
        return lesion

    def forgetOriginIfChanged(self, lesion: Any, mask: Volume) -> None:
        """A generated lesion that was painted over is not what its record says: take the record away."""
        made = lesion.GetAttribute(_MADE)
        if made is not None and made != _fingerprint(mask):
            clear(lesion)

    def generateLesion(
        self, dwi: Any, tissue: Any, *, territory: str = "", side: str = "", volumeMl: float = 0.0,
        number: int = 0, seed: int = 0, generator: str = "",
    ) -> Any:  # fmt: skip
        """A lesion inside an arterial territory as a segmentation; waits for it (about two seconds).

        Parameters
        ----------
        dwi, tissue
            Volume node, and semantic map of the same head.
        territory
            "MCA", "lacunar", ... as ``strokesynth lesion --help`` lists them; drawn where empty.
        side
            "left", "right" or "both", the patient's; drawn where empty.
        volumeMl, number
            Of all lesions together, and how many; drawn where 0.
        seed
            The same seed gives the same lesion.
        generator
            Name or folder of a lesion model, a cohort with masks, or a folder of masks in standard space;
            grown where empty.
        """
        request = self.lesionRequest(
            dwi, tissue, territory=territory, side=side, volumeMl=volumeMl, number=number, seed=seed,
            generator=generator,
        )  # fmt: skip
        return self.showLesion(self.ask("lesion", request), request, dwi)

    def territoriesRequest(self, lesion: Any, dwi: Any, tissue: Any) -> dict[str, Any]:
        """Arguments of the worker's operation "table"; the lesion may be None."""
        return {
            "mask": self.emptyMask(dwi) if lesion is None else self.lesionMask(lesion, dwi),
            "map": None if tissue is None else labelmapFromSegmentation(tissue, dwi),
        }

    def brightFrom(self, dwi: Any) -> float:
        """The DWI's value from which a voxel may belong to a fresh lesion; a first guess."""
        array = slicer.util.arrayFromVolume(dwi)
        values = array[np.isfinite(array)]
        tissue = values[values > 0.1 * np.percentile(values, 99.5)] if values.size else values
        return float(np.median(tissue)) * _BRIGHTER if tissue.size else 0.0


def _fingerprint(mask: Volume) -> str:
    return hashlib.sha256(np.packbits(mask.array > 0).tobytes()).hexdigest()


def suitLesion(lesion: Any) -> None:
    """An outline with a light filling, so that the image stays visible while a brush paints."""
    display = lesion.GetDisplayNode()
    display.SetOpacity2DFill(0.25)
    display.SetOpacity2DOutline(1.0)


def whereText(table: Mapping[str, Any]) -> str:
    """Where the lesions of a worker's table are: "left MCA (insular); a little in left PCA"."""
    places: dict[str, list[str]] = {}
    shares: dict[str, float] = {}
    for row in table["lesions"]:
        if row["territory"]:
            place = f"{row['side']} {row['territory']}".strip()
            branches = places.setdefault(place, [])
            shares[place] = shares.get(place, 0.0) + row["volume_ml"]
            branch = str(row["part"]).removeprefix(f"{row['territory']}-").replace("-", " ")
            if branch not in ("", row["territory"], *branches):
                branches.append(branch)
    least = _LITTLE * sum(shares.values())
    most = [place for place in places if shares[place] >= least]
    text = ", ".join(f"{p} ({', '.join(places[p])})" if places[p] else p for p in most)
    little = ", ".join(place for place in places if shares[place] < least)
    return _("{most}; a little in {little}").format(most=text, little=little) if little else text
